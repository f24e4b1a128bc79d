// Memory of rows: slabs that are used again, arenas made of slabs, and the rows inside.
//
// Fetched rows live in chunks. A batch keeps the chunks its records point into alive; when the host
// releases the last such batch, the slabs go back to the pool. Nothing is allocated per row.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "dstream/abi.h"
#include "plugins/sqlserver_cdc/lsn.h"

namespace dstream::sqlserver {

struct Slab {
  std::unique_ptr<std::byte[]> memory;
  size_t size = 0;
};

// Keeps freed slabs so that their pages need not be zeroed by the kernel again. [any-thread]
//
// Sizes are powers of two, so that the few rows of a quiet table take little of the host's queue
// and a block of rows wastes little.
class SlabPool {
 public:
  static constexpr size_t kSizeMin = 8 << 10;
  static constexpr size_t kSizeMax = 512 << 10;

  // At most `kept_bytes_max` are kept for later.
  explicit SlabPool(size_t kept_bytes_max) : kept_max_(kept_bytes_max) {}
  // The smallest size that will do, or exactly `size` if that is beyond kSizeMax.
  Slab take(size_t size);
  void give(Slab slab);
  size_t kept_bytes() const {
    const std::lock_guard lock(mutex_);
    return kept_bytes_;
  }

 private:
  static constexpr size_t kSizes = 7;  // kSizeMin << 0 .. 6
  const size_t kept_max_;
  mutable std::mutex mutex_;  // guards everything below
  size_t kept_bytes_ = 0;
  std::array<std::vector<Slab>, kSizes> kept_;
};

// Bump allocation in slabs. Addresses are stable; everything is freed at once.
class Arena {
 public:
  // The first slab is made for `expected` bytes, further ones are small.
  Arena(std::shared_ptr<SlabPool> pool, size_t expected)
      : pool_(std::move(pool)), expected_(expected) {}
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Room for `size` bytes, not yet taken: use() takes the part that was needed.
  char* reserve(size_t size) {
    // One byte more than asked for: the place of an empty text is still a place, not NULL.
    if (static_cast<size_t>(end_ - next_) <= size) {
      grow(size + 1);
    }
    return next_;
  }
  void use(const char* end) {
    used_ += static_cast<size_t>(end - next_);
    next_ += end - next_;
  }
  // Bytes that reserve() has without another slab.
  size_t room() const { return end_ == next_ ? 0 : static_cast<size_t>(end_ - next_) - 1; }
  // `size` bytes aligned for any record structure.
  void* allocate(size_t size);

  size_t used() const { return used_; }
  // Bytes of the slabs: what the arena really holds.
  size_t held() const { return held_; }

 private:
  void grow(size_t size);

  std::shared_ptr<SlabPool> pool_;
  size_t expected_;
  std::vector<Slab> slabs_;
  char* next_ = nullptr;
  char* end_ = nullptr;
  size_t used_ = 0;
  size_t held_ = 0;
};

// One row of a change table.
struct ChangeRow {
  ChangeKey key;
  const dstream_value* values = nullptr;  // one per column of the table's schema
};

// The rows of one fetched block. Immutable once it is part of a page.
struct Chunk {
  Chunk(std::shared_ptr<SlabPool> pool, size_t expected) : arena(std::move(pool), expected) {}
  Arena arena;
  std::vector<ChangeRow> rows;
  // Average bytes a row holds, for the host's queue limit.
  size_t row_bytes() const { return rows.empty() ? 0 : arena.held() / rows.size(); }
};

using ChunkPointer = std::shared_ptr<const Chunk>;

}  // namespace dstream::sqlserver
