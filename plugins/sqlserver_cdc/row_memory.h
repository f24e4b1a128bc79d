// Memory of rows: slabs that are used again, arenas made of slabs, and the rows inside.
//
// Fetched rows live in chunks. A batch keeps the chunks its records point into alive; when the host
// releases the last such batch, the slabs go back to the pool. Nothing is allocated per row.
#pragma once

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
// Two sizes are kept: a small one for the few rows of a quiet table, so that a queue of such batches
// holds little, and a large one for a block of rows.
class SlabPool {
 public:
  static constexpr size_t kSmallSize = 8 << 10;
  static constexpr size_t kLargeSize = 256 << 10;

  // At most `kept_bytes_max` of large slabs are kept for later.
  explicit SlabPool(size_t kept_bytes_max) : large_max_(kept_bytes_max / kLargeSize) {}
  // The smaller of the two sizes that will do, or exactly `size` if neither does.
  Slab take(size_t size);
  void give(Slab slab);

 private:
  static constexpr size_t kSmallMax = 64;
  const size_t large_max_;
  std::mutex mutex_;  // guards everything below
  std::vector<Slab> small_;
  std::vector<Slab> large_;
};

// Bump allocation in slabs. Addresses are stable; everything is freed at once.
class Arena {
 public:
  // The first slab is made for `expected` bytes, further ones are large.
  Arena(std::shared_ptr<SlabPool> pool, size_t expected)
      : pool_(std::move(pool)), expected_(expected) {}
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Room for `size` bytes, not yet taken: use() takes the part that was needed.
  char* reserve(size_t size) {
    if (static_cast<size_t>(end_ - next_) < size) {
      grow(size);
    }
    return next_;
  }
  void use(const char* end) {
    next_ += end - next_;
  }
  // `size` bytes aligned for any record structure.
  void* allocate(size_t size);

  // Bytes of the slabs: what the arena really holds.
  size_t held() const { return held_; }

 private:
  void grow(size_t size);

  std::shared_ptr<SlabPool> pool_;
  size_t expected_;
  std::vector<Slab> slabs_;
  char* next_ = nullptr;
  char* end_ = nullptr;
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
