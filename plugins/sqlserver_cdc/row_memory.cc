#include "plugins/sqlserver_cdc/row_memory.h"

#include <algorithm>
#include <cstdint>

namespace dstream::sqlserver {

Slab SlabPool::take(size_t size) {
  const size_t rounded = size <= kSmallSize ? kSmallSize : std::max(size, kLargeSize);
  if (rounded <= kLargeSize) {
    const std::lock_guard lock(mutex_);
    std::vector<Slab>& kept = rounded == kSmallSize ? small_ : large_;
    if (!kept.empty()) {
      Slab slab = std::move(kept.back());
      kept.pop_back();
      return slab;
    }
  }
  // Not value-initialised: whoever takes memory from the arena writes all of it.
  return {std::unique_ptr<std::byte[]>(new std::byte[rounded]), rounded};
}

void SlabPool::give(Slab slab) {
  if (slab.size != kSmallSize && slab.size != kLargeSize) {
    return;
  }
  const std::lock_guard lock(mutex_);
  const bool small = slab.size == kSmallSize;
  std::vector<Slab>& kept = small ? small_ : large_;
  if (kept.size() < (small ? kSmallMax : large_max_)) {
    kept.push_back(std::move(slab));
  }
}

Arena::~Arena() {
  for (Slab& slab : slabs_) {
    pool_->give(std::move(slab));
  }
}

void* Arena::allocate(size_t size) {
  constexpr size_t kAlignment = alignof(std::max_align_t);
  char* start = reserve(size + kAlignment);
  const size_t misaligned = reinterpret_cast<uintptr_t>(start) % kAlignment;
  char* aligned = misaligned == 0 ? start : start + (kAlignment - misaligned);
  use(aligned + size);
  return aligned;
}

void Arena::grow(size_t size) {
  Slab slab = pool_->take(slabs_.empty() ? std::max(size, expected_)
                                         : std::max(size, SlabPool::kLargeSize));
  next_ = reinterpret_cast<char*>(slab.memory.get());
  end_ = next_ + slab.size;
  held_ += slab.size;
  slabs_.push_back(std::move(slab));
}

}  // namespace dstream::sqlserver
