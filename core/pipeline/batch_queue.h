// Batches on their way from the source worker to the sink worker, bounded in bytes by the
// pipeline's ByteBudget.
//
// The queue owns what is in it: a batch that nobody takes is released when the queue is closed or
// destroyed (I7). Handing over is by batch, so one mutex is fast enough.
//
// Thread rule: [any-thread].
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>

#include "core/pipeline/byte_budget.h"
#include "core/pipeline/wakeup.h"
#include "dstream/abi.h"

namespace dstream::core {

struct QueuedBatch {
  dstream_batch* batch = nullptr;
  uint64_t bytes = 0;     // charged to the budget
  uint64_t reserved = 0;  // reserved in the budget for the encoding
  bool has_watermarks = false;
};

class BatchQueue {
 public:
  // Borrowed, outlive the queue. `pushed` is woken by push().
  BatchQueue(ByteBudget* budget, Wakeup* pushed) : budget_(budget), pushed_(pushed) {}
  ~BatchQueue() { close(); }
  BatchQueue(const BatchQueue&) = delete;
  BatchQueue& operator=(const BatchQueue&) = delete;

  // Takes ownership and charges the budget. Never waits: the source worker asks the budget before
  // it reads. A closed queue releases the batch at once. The records are looked at here, where they
  // are still in the processor's cache, so that the sink worker need not fetch them for it. Returns
  // how many of them are watermarks.
  uint32_t push(dstream_batch* batch);
  // False if there is none. The caller owns the batch, its charge and its reservation.
  bool pop(QueuedBatch* out);
  // The same, but only if `ready` says so of the batch, which stays where it is otherwise. `ready`
  // must not wait: the source worker does while it runs.
  bool pop_if(QueuedBatch* out, const std::function<bool(const dstream_batch&)>& ready);
  bool empty() const { return count_.load(std::memory_order_acquire) == 0; }
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  // Releases the newest batches up to the last one that ends with a position. Returns how many
  // records they had, and in `watermarks` how many of those were watermarks.
  uint64_t drop_incomplete(uint64_t* watermarks);
  // Releases what is in the queue and everything pushed from now on.
  void close();

 private:
  ByteBudget* const budget_;
  Wakeup* const pushed_;
  std::atomic<uint64_t> count_{0};
  std::atomic<uint64_t> bytes_{0};
  std::mutex mutex_;  // guards all below
  std::deque<QueuedBatch> batches_;
  bool closed_ = false;
};

// What a batch weighs: what the plugin says, and never less than its records.
uint64_t batch_bytes(const dstream_batch& batch);
// A source can continue behind it.
bool ends_with_position(const dstream_batch& batch);

}  // namespace dstream::core
