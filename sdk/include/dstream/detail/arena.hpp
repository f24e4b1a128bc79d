// Memory of one batch: pieces given out by moving a pointer, taken back all at once.
//
// A block goes back to a small pool when the host releases its batch, so that a source that runs
// steadily asks the heap for nothing. Plugins use BatchBuilder, never this.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "dstream/abi.h"

// With AddressSanitizer a block is freed with its batch, so that a later touch of it is seen.
#if defined(__SANITIZE_ADDRESS__)
#define DSTREAM_POOLS_BLOCKS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DSTREAM_POOLS_BLOCKS 0
#endif
#endif
#ifndef DSTREAM_POOLS_BLOCKS
#define DSTREAM_POOLS_BLOCKS 1
#endif

namespace dstream::detail {

class BatchArena {
 public:
  // REQUIRES: `alignment` is a power of two, at most that of std::max_align_t.
  void* allocate(size_t size, size_t alignment) {
    size_t pad = -reinterpret_cast<uintptr_t>(at_) & (alignment - 1);
    if (pad + size > static_cast<size_t>(end_ - at_)) {
      grow(size);  // starts at a chunk, which is aligned for everything
      pad = 0;
    }
    char* result = at_ + pad;
    at_ = result + size;
    return result;
  }

  // Bytes held, whether used or not.
  size_t held_bytes() const { return held_bytes_; }

  // Frees the chunks that have not been used since reset().
  void trim() {
    while (chunks_.size() > used_chunks_) drop_last();
  }

  void reset() {
    // Chunks made for one large value would never be filled again.
    while (!chunks_.empty() && held_bytes_ > kKeptBytesMax) drop_last();
    used_chunks_ = 0;
    at_ = end_ = nullptr;
  }

 private:
  static constexpr size_t kChunkBytesMin = 4 * 1024;
  static constexpr size_t kChunkBytesMax = 256 * 1024;
  static constexpr size_t kKeptBytesMax = 2 * 1024 * 1024;

  struct Chunk {
    std::unique_ptr<std::byte[]> data;
    size_t size = 0;
  };

  [[gnu::noinline]] void grow(size_t size) {
    while (used_chunks_ < chunks_.size() && chunks_[used_chunks_].size < size) used_chunks_++;
    if (used_chunks_ == chunks_.size()) {
      size_t next = chunks_.empty() ? kChunkBytesMin : chunks_.back().size * 2;
      next = std::max(std::min(next, kChunkBytesMax), size);
      chunks_.push_back({std::unique_ptr<std::byte[]>(new std::byte[next]), next});
      held_bytes_ += next;
    }
    Chunk& chunk = chunks_[used_chunks_++];
    at_ = reinterpret_cast<char*>(chunk.data.get());
    end_ = at_ + chunk.size;
  }

  void drop_last() {
    held_bytes_ -= chunks_.back().size;
    chunks_.pop_back();
  }

  char* at_ = nullptr;
  char* end_ = nullptr;
  std::vector<Chunk> chunks_;
  size_t used_chunks_ = 0;
  size_t held_bytes_ = 0;
};

struct BatchBlock {
  dstream_batch raw{};
  BatchArena arena;
  std::vector<dstream_record> records;
  std::vector<std::shared_ptr<const void>> kept;
};

// The blocks of a plugin that wait for their next batch. [any-thread], one lock a batch.
class BatchPool {
 public:
  // Never destroyed: a batch may be released while the process ends.
  static BatchPool& instance() {
    static BatchPool* pool = new BatchPool;
    return *pool;
  }

  BatchBlock* take() {
    {
      std::lock_guard lock(mutex_);
      if (count_ > 0) return blocks_[--count_];
    }
    return new BatchBlock;
  }

  void give_back(BatchBlock* block) noexcept {
    block->kept.clear();
    if constexpr (DSTREAM_POOLS_BLOCKS != 0) {
      block->arena.reset();
      block->records.clear();
      std::lock_guard lock(mutex_);
      if (count_ < blocks_.size() && block->records.capacity() <= kKeptRecordsMax) {
        blocks_[count_++] = block;
        return;
      }
    }
    delete block;
  }

 private:
  static constexpr size_t kKeptRecordsMax = 10'000;
  BatchPool() = default;
  std::mutex mutex_;
  std::array<BatchBlock*, 4> blocks_{};
  size_t count_ = 0;
};

struct GiveBack {
  void operator()(BatchBlock* block) const noexcept { BatchPool::instance().give_back(block); }
};
using BatchBlockPtr = std::unique_ptr<BatchBlock, GiveBack>;

}  // namespace dstream::detail
