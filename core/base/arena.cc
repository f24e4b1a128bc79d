#include "core/base/arena.h"

#include <algorithm>
#include <cstring>

namespace dstream::core {

void Arena::grow(size_t size) {
  // A chunk kept from before serves again if it is large enough; a small one is passed over.
  while (next_ < chunks_.size() && chunks_[next_].size < size) {
    ++next_;
  }
  if (next_ == chunks_.size()) {
    size_t bytes = std::max(size, chunk_bytes_);
    chunks_.push_back({std::unique_ptr<char[]>(new char[bytes]), bytes});
    held_bytes_ += bytes;
  }
  at_ = chunks_[next_].data.get();
  end_ = at_ + chunks_[next_].size;
  ++next_;
}

std::string_view Arena::copy(std::string_view text) {
  char* at = reserve(text.size());
  if (!text.empty()) {
    std::memcpy(at, text.data(), text.size());
  }
  commit(text.size());
  return {at, text.size()};
}

void Arena::reset() {
  next_ = 0;
  at_ = end_ = nullptr;
  used_bytes_ = 0;
}

}  // namespace dstream::core
