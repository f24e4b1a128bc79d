#include "core/pipeline/delivery.h"

#include <algorithm>
#include <cstring>

#include "core/base/assert.h"
#include "core/plugins/guard.h"

namespace dstream::core {
namespace {

bool is_watermark(const dstream_record& record) { return record.op == DSTREAM_OP_WATERMARK; }

}  // namespace

Delivery::~Delivery() {
  if (batch_ != nullptr) {
    release_batch(batch_);
  }
}

void Delivery::begin(dstream_batch* batch, uint64_t first_record, bool has_watermarks) {
  DSTREAM_ASSERT(batch_ == nullptr);
  batch_ = batch;
  first_record_ = first_record;
  has_watermarks_ = has_watermarks;
  view_ = {};
}

void Delivery::encode(Encoder& encoder) {
  wants_messages_ = true;
  for (uint32_t i = 0; i < record_count(); ++i) {
    const dstream_record& each = record(i);
    if (has_watermarks_ && is_watermark(each)) {
      continue;
    }
    Result<void> encoded = encoder.encode(each, i, arena_, messages_);
    if (!encoded) {
      rejects_.push_back({i, encoded.error(), 0});
    }
  }
  fill_view();
}

void Delivery::use_records() {
  wants_messages_ = false;
  build_record_view(0);
  fill_view();
}

void Delivery::end() {
  if (batch_ != nullptr) {
    release_batch(batch_);  // (I7)
    batch_ = nullptr;
  }
  arena_.reset();
  messages_.clear();
  record_copies_.clear();
  record_of_copy_.clear();
  first_item_record_ = 0;
  written_ = settled_ = cursor_ = 0;
  bits_.clear();
  rejects_.clear();
  dead_.clear();
  view_ = {};
}

void Delivery::fill_view() {
  view_ = {};
  view_.struct_size = sizeof view_;
  view_.record_stride = batch_->record_stride;
  if (wants_messages_) {
    view_.count = static_cast<uint32_t>(messages_.size());
    view_.records = batch_->records;
    view_.record_count = batch_->record_count;
    view_.messages = messages_.data();
    view_.message_stride = sizeof(dstream_message);
  } else if (!record_of_copy_.empty()) {
    view_.count = view_.record_count = static_cast<uint32_t>(record_of_copy_.size());
    view_.records = reinterpret_cast<const dstream_record*>(record_copies_.data());
  } else {
    view_.count = view_.record_count = record_count() - first_item_record_;
    view_.records = DSTREAM_RECORD_AT(batch_, first_item_record_);
  }
}

void Delivery::build_record_view(uint32_t from) {
  record_copies_.clear();
  record_of_copy_.clear();
  first_item_record_ = from;
  if (!has_watermarks_ && dead_.empty() && rejects_.empty()) {
    return;  // The batch's own records are the items.
  }
  first_item_record_ = record_count();
  for (uint32_t i = from; i < record_count(); ++i) {
    if (is_watermark(record(i)) || is_dead(i)) {
      continue;
    }
    const char* bytes = reinterpret_cast<const char*>(&record(i));
    record_copies_.insert(record_copies_.end(), bytes, bytes + batch_->record_stride);
    record_of_copy_.push_back(i);
  }
}

uint32_t Delivery::record_of_item(uint32_t item) const {
  DSTREAM_ASSERT(item < view_.count);
  if (wants_messages_) {
    return messages_[item].record;
  }
  return record_of_copy_.empty() ? first_item_record_ + item : record_of_copy_[item];
}

void Delivery::set_written(uint32_t items) {
  DSTREAM_ASSERT(items >= written_ && items <= view_.count);
  written_ = items;
}

void Delivery::settle(uint32_t first, uint32_t count) {
  DSTREAM_ASSERT(first >= cursor_ && first <= view_.count && count <= view_.count - first);
  settled_ += count;
  DSTREAM_ASSERT(settled_ <= view_.count);
  if (first == cursor_ && bits_.empty()) {
    cursor_ += count;  // In order, as most sinks settle: no bits needed.
    return;
  }
  if (bits_.empty()) {
    bits_.assign((view_.count + 63) / 64, 0);
  }
  for (uint32_t i = first; i < first + count; ++i) {
    bits_[i / 64] |= uint64_t{1} << (i % 64);
  }
  while (cursor_ < view_.count && (bits_[cursor_ / 64] >> (cursor_ % 64) & 1) != 0) {
    ++cursor_;
  }
}

void Delivery::reject_item(uint32_t item, Error reason, int32_t vendor_code) {
  uint32_t index = record_of_item(item);
  auto at =
      std::lower_bound(rejects_.begin(), rejects_.end(), index,
                       [](const Reject& each, uint32_t value) { return each.record < value; });
  // The second message of a record may be rejected as well; one dead letter holds both.
  if (!is_dead(index)) {
    rejects_.insert(at, {index, std::move(reason), vendor_code});
  }
  settle(item, 1);
}

void Delivery::rejects_are_safe() {
  for (const Reject& each : rejects_) {
    dead_.push_back(each.record);
  }
  std::sort(dead_.begin(), dead_.end());
  rejects_.clear();
}

void Delivery::reject_is_safe(uint32_t record) {
  auto at = std::find_if(rejects_.begin(), rejects_.end(),
                         [record](const Reject& each) { return each.record == record; });
  if (at != rejects_.end()) {
    rejects_.erase(at);
    dead_.insert(std::lower_bound(dead_.begin(), dead_.end(), record), record);
  }
}

const Reject* Delivery::find_reject(uint32_t record) const {
  auto at = std::find_if(rejects_.begin(), rejects_.end(),
                         [record](const Reject& each) { return each.record == record; });
  return at == rejects_.end() ? nullptr : &*at;
}

bool Delivery::is_dead(uint32_t record) const {
  return std::binary_search(dead_.begin(), dead_.end(), record) ||
         std::any_of(rejects_.begin(), rejects_.end(),
                     [record](const Reject& each) { return each.record == record; });
}

uint32_t Delivery::lowest_unsettled_record() const {
  uint32_t lowest = cursor_ == view_.count ? record_count() : record_of_item(cursor_);
  if (!rejects_.empty()) {
    lowest = std::min(lowest, rejects_.front().record);  // (I1)
  }
  return lowest;
}

std::string_view Delivery::position_before(uint32_t records, uint32_t* covers) const {
  for (uint32_t i = records; i > 0; --i) {
    const dstream_bytes& position = record(i - 1).position;
    if (position.size > 0) {
      *covers = i;
      return {reinterpret_cast<const char*>(position.data), position.size};
    }
  }
  *covers = 0;
  return {};
}

uint32_t Delivery::data_records(uint32_t records) const {
  if (!has_watermarks_) {
    return records;
  }
  uint32_t data = 0;
  for (uint32_t i = 0; i < records; ++i) {
    data += is_watermark(record(i)) ? 0 : 1;
  }
  return data;
}

void Delivery::rewind(bool is_lowest) {
  if (!is_lowest) {
    cursor_ = 0;
  }
  if (wants_messages_) {
    auto keep = messages_.begin();
    for (auto each = messages_.begin() + cursor_; each != messages_.end(); ++each) {
      if (!is_dead(each->record)) {
        *keep++ = *each;
      }
    }
    messages_.erase(keep, messages_.end());
  } else {
    build_record_view(cursor_ == view_.count ? record_count() : record_of_item(cursor_));
  }
  written_ = settled_ = cursor_ = 0;
  bits_.clear();
  fill_view();
}

uint64_t Delivery::encoding_bytes() const {
  return arena_.held_bytes() + messages_.capacity() * sizeof(dstream_message) +
         record_copies_.capacity() + record_of_copy_.capacity() * sizeof(uint32_t);
}

uint64_t Delivery::encoding_bytes_used() const {
  return arena_.used_bytes() + messages_.size() * sizeof(dstream_message) + record_copies_.size();
}

}  // namespace dstream::core
