// What waits for one partition, in order, and how much of it librdkafka has.
//
// At most one batch is handed over at a time, and nothing behind it before all of it is reported:
// so a partition never has two requests on their way, and order does not hang on the broker's check
// of sequence numbers. What comes meanwhile waits here, not in librdkafka, whose broker thread
// would turn without rest over a complete batch behind one in flight.
//
// Thread rule: [worker].
#pragma once

#include <cstdint>
#include <vector>

#include "deliveries.h"

namespace eventhubs {

// What a message weighs besides key and value; also keeps empty ones from being free.
inline constexpr uint64_t kMessageOverheadBytes = 32;

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

  // What one line may have at librdkafka. It stays a tenth below a batch, for librdkafka does not
  // count a batch's bytes quite as its messages', and must not send the batch in two requests.
  uint64_t line_bytes_max() const { return bytes * 9 / 10; }
  uint32_t line_messages_max() const { return messages > 1 ? messages - 1 : 1; }
};

// librdkafka keeps what it is handed until the sink flushes: because the line is full, or because
// `unsent_since_ns` is long enough ago. From then on until the last report all of it is in flight.
struct Line {
  static constexpr int64_t kLongAgoNs = 1;

  int32_t partition = 0;
  uint32_t sent_messages = 0;  // handed over, no report yet
  uint64_t sent_bytes = 0;
  uint32_t in_flight = 0;       // of them, in the batch on its way
  int64_t unsent_since_ns = 0;  // first hand-over that is in no batch yet; 0: none
  uint32_t refused = 0;         // failed with a code of class kReject
  int refused_code = 0;
  Ticket refused_ticket = 0;   // the first of them
  uint64_t refused_bytes = 0;  // of all of them
  bool waiting = false;        // is in the sink's list of lines with something to hand over
  TicketQueue queue;

  bool has_room(uint64_t bytes, const BatchLimits& limits) const {
    return in_flight == 0 &&
           (sent_messages == 0 || (sent_bytes + bytes <= limits.line_bytes_max() &&
                                   sent_messages < limits.line_messages_max()));
  }
  void sent(uint64_t bytes, int64_t now_ns) {
    ++sent_messages;
    sent_bytes += bytes;
    if (unsent_since_ns == 0) {
      unsent_since_ns = now_ns;
    }
  }
  // There is more to send than fits: what is handed over need not linger.
  void full() {
    if (is_lingering()) {
      unsent_since_ns = kLongAgoNs;
    }
  }
  // What was handed over is in flight from now on.
  void flushed() {
    if (in_flight == 0 && sent_messages > 0) {
      in_flight = sent_messages;
      unsent_since_ns = 0;
    }
  }
  void reported(uint64_t bytes, int64_t now_ns) {
    --sent_messages;
    sent_bytes -= bytes;
    if (in_flight > 0) {
      --in_flight;
    }
    if (sent_messages == 0) {
      unsent_since_ns = 0;
    } else if (in_flight == 0 && unsent_since_ns == 0) {
      unsent_since_ns = now_ns;
    }
  }
  bool is_lingering() const { return in_flight == 0 && unsent_since_ns != 0; }
};

}  // namespace eventhubs
