#include "core/pipeline/batch_queue.h"

#include <algorithm>

#include "core/plugins/guard.h"

namespace dstream::core {

uint64_t batch_bytes(const dstream_batch& batch) {
  return std::max(batch.byte_size, static_cast<uint64_t>(batch.record_stride) * batch.record_count);
}

bool ends_with_position(const dstream_batch& batch) {
  return DSTREAM_RECORD_AT(&batch, batch.record_count - 1)->position.size > 0;
}

uint32_t BatchQueue::push(dstream_batch* batch) {
  QueuedBatch queued;
  queued.batch = batch;
  queued.bytes = batch_bytes(*batch);
  uint32_t watermarks = 0;
  for (uint32_t i = 0; i < batch->record_count; ++i) {
    watermarks += DSTREAM_RECORD_AT(batch, i)->op == DSTREAM_OP_WATERMARK ? 1 : 0;
  }
  queued.has_watermarks = watermarks > 0;
  queued.reserved = budget_->expected_encoding(queued.bytes);
  {
    std::lock_guard lock(mutex_);
    if (!closed_) {
      budget_->charge(queued.bytes);
      budget_->reserve(queued.reserved);
      batches_.push_back(queued);
      count_.fetch_add(1, std::memory_order_release);
      bytes_.fetch_add(queued.bytes, std::memory_order_relaxed);
      batch = nullptr;
    }
  }
  if (batch != nullptr) {
    release_batch(batch);
  } else {
    pushed_->notify();
  }
  return watermarks;
}

bool BatchQueue::pop(QueuedBatch* out) { return pop_if(out, {}); }

bool BatchQueue::pop_if(QueuedBatch* out, const std::function<bool(const dstream_batch&)>& ready) {
  std::lock_guard lock(mutex_);
  if (batches_.empty() || (ready && !ready(*batches_.front().batch))) {
    return false;
  }
  *out = batches_.front();
  batches_.pop_front();
  count_.fetch_sub(1, std::memory_order_release);
  bytes_.fetch_sub(out->bytes, std::memory_order_relaxed);
  return true;
}

uint64_t BatchQueue::drop_incomplete(uint64_t* watermarks) {
  uint64_t records = 0;
  *watermarks = 0;
  std::lock_guard lock(mutex_);
  while (!batches_.empty() && !ends_with_position(*batches_.back().batch)) {
    const QueuedBatch queued = batches_.back();
    batches_.pop_back();
    count_.fetch_sub(1, std::memory_order_release);
    bytes_.fetch_sub(queued.bytes, std::memory_order_relaxed);
    records += queued.batch->record_count;
    for (uint32_t i = 0; i < queued.batch->record_count; ++i) {
      *watermarks += DSTREAM_RECORD_AT(queued.batch, i)->op == DSTREAM_OP_WATERMARK ? 1 : 0;
    }
    budget_->release(queued.bytes);
    budget_->release_reserved(queued.reserved);
    release_batch(queued.batch);
  }
  return records;
}

void BatchQueue::close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  QueuedBatch queued;
  while (pop(&queued)) {
    budget_->release(queued.bytes);
    budget_->release_reserved(queued.reserved);
    release_batch(queued.batch);
  }
}

}  // namespace dstream::core
