#include "core/pipeline/settle_tracker.h"

#include <algorithm>
#include <utility>

#include "core/base/assert.h"

namespace dstream::core {

Delivery& SettleTracker::add(const QueuedBatch& queued) {
  Open open;
  if (!pool_.empty()) {
    open = std::move(pool_.back());
    pool_.pop_back();
  } else {
    open.delivery = std::make_unique<Delivery>();
  }
  open.batch_bytes = queued.bytes;
  open.delivery->begin(queued.batch, next_record_, queued.has_watermarks);
  next_record_ += queued.batch->record_count;
  open_.push_back(std::move(open));
  return *open_.back().delivery;
}

void SettleTracker::start(Delivery& delivery) {
  Open& open = open_.back();
  DSTREAM_ASSERT(open.delivery.get() == &delivery);
  uint64_t bytes = delivery.encoding_bytes();
  budget_->charge(bytes);
  budget_->release(open.encoding_bytes);
  open.encoding_bytes = bytes;
  delivery.start(next_id_++);
}

Delivery* SettleTracker::find(uint64_t delivery_id) {
  // Open deliveries are numbered without gaps.
  if (open_.empty() || delivery_id < open_.front().delivery->id()) {
    return nullptr;
  }
  uint64_t index = delivery_id - open_.front().delivery->id();
  return index < open_.size() ? open_[index].delivery.get() : nullptr;
}

bool SettleTracker::retire(Retired* retired) {
  const size_t count = retirable();
  for (size_t i = 0; i < count; ++i) {
    Delivery& delivery = *open_.front().delivery;
    uint32_t covers = 0;
    std::string_view position = delivery.position_before(delivery.record_count(), &covers);
    if (covers > 0) {
      retired_.position.assign(position);
      retired_.position_record = delivery.first_record() + covers;
      retired_.data_records = retired_data_ + delivery.data_records(covers);
    }
    uint32_t data = delivery.data_records(delivery.record_count());
    retired_data_ += data;
    retired->delivered += data - delivery.dead_lettered();
    retired->dead_lettered += delivery.dead_lettered();
    if (int64_t time = delivery.newest_commit_time_ns(); time != 0) {
      retired->commit_time_ns = time;
    }
    Open open = std::move(open_.front());
    open_.pop_front();
    recycle(std::move(open));
  }
  return count > 0;
}

// With transactions, what lies behind the last end with a position may still be dropped, to be read
// again from there: a position inside it must not be committed before (I4).
size_t SettleTracker::retirable() const {
  size_t count = 0;
  for (size_t i = 0; i < open_.size() && open_[i].delivery->done(); ++i) {
    if (!committed_ || dstream::core::ends_with_position(*open_[i].delivery->batch())) {
      count = i + 1;
    }
  }
  return count;
}

void SettleTracker::recycle(Open open) {
  open.delivery->end();
  budget_->release(open.batch_bytes);
  open.batch_bytes = 0;
  // Kept memory counts too: a pool that fills the budget would stop the pipeline.
  bool small = open.encoding_bytes <= budget_->bytes_max() / (4 * kPooledDeliveries);
  if (small && pool_.size() < kPooledDeliveries) {
    pool_.push_back(std::move(open));
  } else {
    budget_->release(open.encoding_bytes);
  }
}

void SettleTracker::rewind() {
  for (Open& open : open_) {
    open.delivery->rewind(&open == &open_.front());
    open.delivery->start(next_id_++);
  }
  in_flight_ = 0;
  next_write_id_ = open_.empty() ? next_id_ : open_.front().delivery->id();
}

Delivery* SettleTracker::next_to_write() {
  if (open_.empty()) {
    return nullptr;
  }
  next_write_id_ = std::max(next_write_id_, open_.front().delivery->id());
  Delivery* next = find(next_write_id_);
  while (next != nullptr && next->all_written()) {
    next = find(++next_write_id_);
  }
  return next;
}

void SettleTracker::written(Delivery& delivery, uint32_t items) {
  delivery.set_written(delivery.written() + items);
  in_flight_ += items;
}

void SettleTracker::settle(Delivery& delivery, uint32_t first, uint32_t count) {
  delivery.settle(first, count);
  in_flight_ -= count;
}

void SettleTracker::reject_item(Delivery& delivery, uint32_t item, Error reason,
                                int32_t vendor_code) {
  delivery.reject_item(item, std::move(reason), vendor_code);
  in_flight_ -= 1;
}

void SettleTracker::settle_all() {
  for (Open& open : open_) {
    Delivery& delivery = *open.delivery;
    DSTREAM_ASSERT(delivery.written() == 0);
    delivery.set_written(delivery.view().count);
    if (delivery.view().count > 0) {
      delivery.settle(0, delivery.view().count);
    }
  }
}

bool SettleTracker::drop_tail() {
  DSTREAM_ASSERT(in_flight_ == 0);
  bool any = false;
  while (!open_.empty() && !ends_with_position()) {
    Open open = std::move(open_.back());
    open_.pop_back();
    recycle(std::move(open));
    any = true;
  }
  return any;
}

void SettleTracker::frontier_of_all(Frontier* out) const {
  out->position.assign(retired_.position);
  out->position_record = retired_.position_record;
  out->data_records = retired_.data_records;
  uint64_t data = retired_data_;
  for (const Open& open : open_) {
    const Delivery& delivery = *open.delivery;
    uint32_t covers = 0;
    std::string_view position = delivery.position_before(delivery.record_count(), &covers);
    if (covers > 0) {
      out->position.assign(position);
      out->position_record = delivery.first_record() + covers;
      out->data_records = data + delivery.data_records(covers);
    }
    data += delivery.data_records(delivery.record_count());
  }
}

void SettleTracker::clear() {
  while (!open_.empty()) {
    open_.back().delivery->end();
    budget_->release(open_.back().batch_bytes);
    budget_->release(open_.back().encoding_bytes);
    open_.pop_back();
  }
  for (Open& open : pool_) {
    budget_->release(open.encoding_bytes);
  }
  pool_.clear();
  in_flight_ = 0;
}

uint64_t SettleTracker::open_records() const {
  return open_.empty() ? 0 : next_record_ - open_.front().delivery->first_record();
}

uint64_t SettleTracker::lowest_unsettled() const {
  if (open_.empty()) {
    return next_record_;
  }
  const Delivery& lowest = *open_.front().delivery;
  return lowest.first_record() + lowest.lowest_unsettled_record();
}

void SettleTracker::frontier(Frontier* out) const {
  if (committed_) {
    *out = *committed_;
    return;
  }
  if (!open_.empty()) {
    const Delivery& delivery = *open_.front().delivery;
    uint32_t covers = 0;
    std::string_view position =
        delivery.position_before(delivery.lowest_unsettled_record(), &covers);
    if (covers > 0) {
      out->position.assign(position);
      out->position_record = delivery.first_record() + covers;
      out->data_records = retired_data_ + delivery.data_records(covers);
      return;
    }
  }
  out->position.assign(retired_.position);
  out->position_record = retired_.position_record;
  out->data_records = retired_.data_records;
}

}  // namespace dstream::core
