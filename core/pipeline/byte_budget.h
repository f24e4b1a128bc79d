// One pipeline's memory in bytes: batches in the queue, deliveries in flight, encodings (I6).
//
// `used` is memory that is there. `reserved` is what the batches in the queue will need once they
// are encoded; it keeps the source from filling the budget with batches that then have no room to
// be turned into messages. Either may pass the limit by one batch: its size is known only when it
// has been read or encoded.
//
// Thread rule: [any-thread].
#pragma once

#include <atomic>
#include <cstdint>

#include "core/base/assert.h"

namespace dstream::core {

class ByteBudget {
 public:
  explicit ByteBudget(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  uint64_t bytes_max() const { return bytes_max_; }
  uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  uint64_t reserved() const { return reserved_.load(std::memory_order_relaxed); }
  // May the source read another batch?
  bool has_room_to_read() const { return used() + reserved() < bytes_max_; }
  // May the sink encode another batch while others are in flight?
  bool has_room_to_encode() const { return used() < bytes_max_; }

  void charge(uint64_t bytes) { used_.fetch_add(bytes, std::memory_order_relaxed); }
  // REQUIRES: `bytes` were charged.
  void release(uint64_t bytes) {
    uint64_t before = used_.fetch_sub(bytes, std::memory_order_relaxed);
    DSTREAM_ASSERT(before >= bytes);
  }
  void reserve(uint64_t bytes) { reserved_.fetch_add(bytes, std::memory_order_relaxed); }
  // REQUIRES: `bytes` were reserved.
  void release_reserved(uint64_t bytes) {
    uint64_t before = reserved_.fetch_sub(bytes, std::memory_order_relaxed);
    DSTREAM_ASSERT(before >= bytes);
  }

  // What an encoding needs, in percent of its batch: learned by the sink worker, used by the source
  // worker.
  uint64_t expected_encoding(uint64_t batch_bytes) const {
    return batch_bytes / 100 * encoding_percent_.load(std::memory_order_relaxed);
  }
  void learn_encoding(uint64_t batch_bytes, uint64_t encoded_bytes) {
    uint64_t percent = encoded_bytes * 100 / (batch_bytes == 0 ? 1 : batch_bytes);
    uint64_t before = encoding_percent_.load(std::memory_order_relaxed);
    encoding_percent_.store((before * 7 + percent) / 8, std::memory_order_relaxed);
  }
  // For sinks that take records: nothing is encoded.
  void expect_no_encoding() { encoding_percent_.store(0, std::memory_order_relaxed); }

 private:
  static constexpr uint64_t kFirstGuessPercent = 150;

  const uint64_t bytes_max_;
  std::atomic<uint64_t> used_{0};
  std::atomic<uint64_t> reserved_{0};
  std::atomic<uint64_t> encoding_percent_{kFirstGuessPercent};
};

}  // namespace dstream::core
