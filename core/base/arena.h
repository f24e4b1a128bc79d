// Memory that is given out in pieces and taken back all at once.
//
// A delivery's encoded messages live in one arena; nothing on the record path allocates from the
// heap once the arena's chunks have grown to their working size.
//
//   char* at = arena.reserve(4096);          // room for at least 4096 bytes
//   size_t used = write_something(at);
//   arena.commit(used);                      // the first `used` bytes now belong to the caller
//
// Not thread safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace dstream::core {

class Arena {
 public:
  explicit Arena(size_t chunk_bytes = 64 * 1024) : chunk_bytes_(chunk_bytes) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Room for `size` bytes, contiguous, unaligned; valid until the next reserve() or allocate().
  char* reserve(size_t size) {
    if (size > static_cast<size_t>(end_ - at_)) {
      grow(size);
    }
    return at_;
  }
  // REQUIRES: `size` is at most what the last reserve() asked for.
  void commit(size_t size) {
    at_ += size;
    used_bytes_ += size;
  }
  // `size` bytes aligned to `alignment` (a power of two), zeroed by nobody.
  void* allocate(size_t size, size_t alignment) {
    auto address = reinterpret_cast<uintptr_t>(reserve(size + alignment));
    size_t pad = (alignment - address % alignment) % alignment;
    commit(pad + size);
    return reinterpret_cast<void*>(address + pad);
  }
  std::string_view copy(std::string_view text);
  // Bytes of heap held, used or not: what the memory budget is charged (I6).
  size_t held_bytes() const { return held_bytes_; }
  size_t used_bytes() const { return used_bytes_; }
  // Forgets everything given out; keeps the chunks for the next user.
  void reset();

 private:
  struct Chunk {
    std::unique_ptr<char[]> data;
    size_t size = 0;
  };
  void grow(size_t size);

  size_t chunk_bytes_;
  std::vector<Chunk> chunks_;
  size_t next_ = 0;  // the chunk grow() tries first
  char* at_ = nullptr;
  char* end_ = nullptr;
  size_t held_bytes_ = 0;
  size_t used_bytes_ = 0;
};

}  // namespace dstream::core
