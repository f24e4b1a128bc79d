// What waits for one partition, in order, and the one batch of it that librdkafka has.
//
// A batch is handed over, flushed, reported, and only then follows the next. So there is never more
// than one request of a partition on the wire, and neither order nor loss hangs on how well a
// broker checks sequence numbers: librdkafka would send a second request behind one of fewer than
// five messages, and take the success of the second as an answer to the first.
//
// Thread rule: [worker].
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "deliveries.h"

namespace eventhubs {

// First in, first out; grows and keeps its memory.
class TicketQueue {
 public:
  bool empty() const { return head_ == tickets_.size(); }
  size_t size() const { return tickets_.size() - head_; }
  Ticket front() const { return tickets_[head_]; }
  void push(Ticket ticket) { tickets_.push_back(ticket); }
  void pop() {
    if (++head_ == tickets_.size()) {
      clear();
    } else if (head_ >= kCompactAt && head_ * 2 >= tickets_.size()) {
      tickets_.erase(tickets_.begin(), tickets_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
  }
  void clear() {
    tickets_.clear();
    head_ = 0;
  }

 private:
  static constexpr size_t kCompactAt = 4096;
  std::vector<Ticket> tickets_;
  size_t head_ = 0;
};

struct BatchLimits {
  uint64_t bytes = 1'000'000;
  uint32_t messages = 10'000;
};

// At least what a record and a header weigh on the wire besides their contents, and a batch besides
// its records: what fits by this count fits into one request.
inline constexpr uint64_t kRecordOverheadBytes = 40;
inline constexpr uint64_t kHeaderOverheadBytes = 10;
inline constexpr uint64_t kBatchOverheadBytes = 100;
// librdkafka has no more requests than this on one connection, and takes no more while it is
// idempotent. The batches of other partitions wait for an answer.
inline constexpr uint32_t kRequestsOnWireMax = 5;
// Filling ends long before librdkafka's own linger could send the first part of a batch.
inline constexpr int64_t kFillNsMax = 500'000'000;

struct Line {
  int32_t partition = 0;
  uint32_t* broker_batches = nullptr;  // of the partition's leader as far as is known: never null
                                       // once the topic is ready
  uint32_t sent_messages = 0;          // handed over, no report yet
  uint64_t sent_bytes = 0;             // of the whole batch, until its last report
  int64_t filling_since_ns = 0;
  int64_t flushed_at_ns = 0;  // when the batch was sent on its way
  bool flushed = false;       // the batch is on its way: nothing may be added
  bool full = false;          // a message did not fit: no need to linger
  bool waiting = false;       // is in the sink's list of lines with something to hand over
  TicketQueue queue;

  uint32_t refused = 0;  // failed with a code of class kReject
  int refused_code = 0;
  Ticket refused_ticket = 0;  // the first of them

  // The next batch would wait behind others of its broker, where nothing can be added to it.
  bool may_begin() const { return *broker_batches < kRequestsOnWireMax; }
  // False marks the batch as full.
  bool has_room(uint64_t bytes, int64_t now_ns, const BatchLimits& limits) {
    if (sent_messages == 0) {
      return true;
    }
    if (!flushed) {
      full = full || sent_bytes + bytes + kBatchOverheadBytes > limits.bytes ||
             now_ns - filling_since_ns > kFillNsMax;
    }
    return !flushed && !full;
  }
  void sent(uint64_t bytes, int64_t now_ns, const BatchLimits& limits) {
    if (sent_messages++ == 0) {
      filling_since_ns = now_ns;
      ++*broker_batches;
    }
    sent_bytes += bytes;
    if (sent_messages == limits.messages) {
      flush(now_ns);  // librdkafka sends it at once
    }
  }
  // The batch is on its way from now on.
  void flush(int64_t now_ns) {
    if (!flushed) {
      flushed = true;
      flushed_at_ns = now_ns;
    }
  }
  bool is_filling() const { return sent_messages > 0 && !flushed; }
  // Returns what the batch weighed with its last report, else 0.
  uint64_t reported() {
    if (--sent_messages > 0) {
      return 0;
    }
    flushed = full = false;
    --*broker_batches;
    return std::exchange(sent_bytes, 0);
  }
};

}  // namespace eventhubs
