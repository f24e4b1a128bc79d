// One batch on its way through the sink: what the sink is handed, and how much of it has settled.
//
// Items are what the sink counts: messages if it asked for messages, else records without the
// watermarks. Records are what the position counts: a record is settled when all its items are, or
// when it was rejected and its dead letter is safe.
//
//   delivery.begin(batch, number_of_first_record, has_watermarks);
//   delivery.encode(*encoder, ...)  or  delivery.use_records();
//   delivery.start(id);                         // view() is what write() takes
//   delivery.settle(first, count);              // any order
//   delivery.rewind();                          // from the lowest unsettled item again, as a new
//   id
//
// Belongs to the sink worker; not thread safe. Recycled: memory is kept from one batch to the next.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/arena.h"
#include "core/base/error.h"
#include "core/messages/encoder.h"
#include "dstream/abi.h"

namespace dstream::core {

// A record that can never be delivered, on its way to the dead letters.
struct Reject {
  uint32_t record = 0;
  Error reason;
  int32_t vendor_code = 0;
};

class Delivery {
 public:
  Delivery() = default;
  ~Delivery();
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  // Takes ownership of the batch; `first_record` is its first record's number in the pipeline.
  // `has_watermarks` must be true if one of its records is a watermark.
  void begin(dstream_batch* batch, uint64_t first_record, bool has_watermarks);
  // One of the two, after begin(). Records that cannot be encoded are added to rejects().
  void encode(Encoder& encoder);
  void use_records();
  // The items are about to be written under `id`.
  void start(uint64_t id) { view_.id = id; }
  // Gives the batch back (I7) and forgets everything but the memory.
  void end();

  const dstream_delivery& view() const { return view_; }
  uint64_t id() const { return view_.id; }
  const dstream_batch* batch() const { return batch_; }
  const dstream_record& record(uint32_t index) const { return *DSTREAM_RECORD_AT(batch_, index); }
  uint32_t record_of_item(uint32_t item) const;

  // What the sink has taken: items [0, written()).
  uint32_t written() const { return written_; }
  void set_written(uint32_t items);
  bool all_written() const { return written_ == view_.count; }

  // Items [first, first + count) are settled. REQUIRES: they exist and were not settled before.
  void settle(uint32_t first, uint32_t count);
  // The record of `item` is settled as far as the sink is concerned, and waits for its dead letter.
  void reject_item(uint32_t item, Error reason, int32_t vendor_code);
  // Rejected and not yet in the dead letters.
  const std::vector<Reject>& rejects() const { return rejects_; }
  // The one of `record`; nullptr if it is not among them. Valid until they change.
  const Reject* find_reject(uint32_t record) const;
  // They are now; or this one is, if it is among them.
  void rejects_are_safe();
  void reject_is_safe(uint32_t record);
  uint32_t dead_lettered() const { return static_cast<uint32_t>(dead_.size()); }

  // Everything is settled and safe: the delivery may end().
  bool done() const { return settled_ == view_.count && rejects_.empty(); }
  // Every record below it is settled; record_count() if all are.
  uint32_t lowest_unsettled_record() const;
  uint32_t record_count() const { return batch_->record_count; }
  uint64_t first_record() const { return first_record_; }
  // The last position among the first `records` records, and how many records it covers; empty and
  // 0 if none of them has one.
  std::string_view position_before(uint32_t records, uint32_t* covers) const;
  // Of the first `records` records, those that are data: watermarks are not.
  uint32_t data_records(uint32_t records) const;
  // Of the last record; 0 if it does not say.
  int64_t newest_commit_time_ns() const { return record(record_count() - 1).commit_time_ns; }

  // Everything is to be written again, without what was rejected; start() follows. Of the lowest
  // open delivery only what is left from its lowest unsettled item on; of the others also what had
  // settled, because something before it had not (I3).
  void rewind(bool is_lowest);

  // Memory held besides the batch.
  uint64_t encoding_bytes() const;
  // The part of it that this batch filled.
  uint64_t encoding_bytes_used() const;

 private:
  bool is_dead(uint32_t record) const;
  void fill_view();
  void build_record_view(uint32_t from);

  dstream_batch* batch_ = nullptr;
  uint64_t first_record_ = 0;
  bool has_watermarks_ = false;
  bool wants_messages_ = false;
  dstream_delivery view_{};

  Arena arena_{32 * 1024};
  std::vector<dstream_message> messages_;
  // Only where the items are not simply the records from `first_item_record_` on: copies of the
  // records that are items, and where they came from.
  std::vector<char> record_copies_;
  std::vector<uint32_t> record_of_copy_;
  uint32_t first_item_record_ = 0;

  uint32_t written_ = 0;
  uint32_t settled_ = 0;         // items settled
  uint32_t cursor_ = 0;          // lowest unsettled item
  std::vector<uint64_t> bits_;   // settled items above the cursor; empty until one is
  std::vector<Reject> rejects_;  // ordered by record
  std::vector<uint32_t> dead_;   // ordered; safe in the dead letters
};

}  // namespace dstream::core
