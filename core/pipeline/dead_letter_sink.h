// Dead letters that go to a sink of their own, for example another topic: `dead_letter.sink`.
//
// What was rejected is sent as the messages it was, with headers that say why, and counts as
// settled when that sink has confirmed it (I1). Until then its delivery stays open: the position
// stays before it, the budget fills, the source waits. A few letters at a time, in order, each
// batch sent again from the lowest one that was not confirmed after a failure (I3). What that sink
// refuses in its turn is for the file. docs/design/009-dead-letters.md says why so.
//
// Thread rule: [worker] of the sink; on_settle() [any-thread].
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/base/arena.h"
#include "core/messages/topic_template.h"
#include "core/pipeline/back_off.h"
#include "core/pipeline/dead_letter.h"
#include "core/pipeline/settle_tracker.h"
#include "core/pipeline/worker.h"
#include "core/plugins/guard.h"

namespace dstream::core {

class DeadLetterSink final : public SettleHandler {
 public:
  // One rejected record; its number is that of the pipeline, as Delivery::first_record() counts.
  struct Letter {
    uint64_t record = 0;
    bool refused = false;  // by this sink, too
  };
  struct Progress {
    enum class What {
      kWaiting,  // nothing to do before `due_ns`
      kDone,     // letters() are confirmed or refused; forget() them
      kTrouble,  // as kWaiting; `error` is why, and it goes on
      kFatal     // `error` will not pass by itself
    };
    What what = What::kWaiting;
    int64_t due_ns = 0;
    Error error;
  };

  // `sink` is the connector's id, for errors; the rest is borrowed.
  DeadLetterSink(const WorkerContext& context, std::string sink, TopicTemplate topic);
  // Once, before the first step(): the sink was made with this as its SettleHandler.
  void set_sink(GuardedSink* sink) { sink_ = sink; }

  bool busy() const { return !letters_.empty(); }
  // Takes rejected records of open deliveries, the lowest ones first; busy() if there were any.
  // What is taken is copied, apart from the records, which must stay until forget().
  // REQUIRES: not busy.
  void take(SettleTracker& tracker, const DeadLetterEncoders& encoders, int64_t wall_ns);
  // At most one call of the plugin, which does not wait. REQUIRES: busy.
  Progress step(int64_t now_ns);
  const std::vector<Letter>& letters() const { return letters_; }
  // What is in flight is given up, with the session, unless all of it is confirmed or refused.
  void forget();
  // Now and then while not busy: a session that has rested for a second is closed, because nobody
  // serves it. Returns when that is due; INT64_MAX: it is closed, or busy.
  int64_t rest(int64_t now_ns);
  // The end: the plugin holds nothing any more.
  void close();

  void on_settle(uint64_t delivery_id, uint32_t first, uint32_t count, dstream_status result,
                 const dstream_error* error) override;

 private:
  struct Settled {
    uint64_t delivery_id;
    uint32_t first;
    uint32_t count;
    CallResult result;
  };
  enum class State : uint8_t { kOpen, kConfirmed, kRefused };

  void add_letter(const Delivery& delivery, const Reject& reject,
                  const DeadLetterEncoders& encoders, int64_t wall_ns);
  void add_message(const dstream_message& message, const Delivery& delivery, const Reject& reject,
                   bool was_message, int64_t wall_ns);
  dstream_bytes copy(const dstream_bytes& bytes);
  dstream_bytes copy(const std::string& text);
  std::string topic_of(const dstream_record& record) const;
  void begin_delivery();
  Progress advance(int64_t now_ns);
  Progress write(int64_t now_ns);
  std::optional<Progress> serve(int64_t now_ns);
  Progress failed(const char* call, const CallResult& result, int64_t now_ns);
  Error trouble(const std::string& why) const;
  void take_inbox();
  bool all_settled() const;

  const WorkerContext context_;
  const std::string type_;
  const TopicTemplate topic_;
  GuardedSink* sink_ = nullptr;
  BackOff back_off_;
  std::map<std::string, uint32_t> topic_ids_;  // its keys are the topic names

  std::vector<Letter> letters_;
  Arena arena_;
  std::vector<dstream_record> records_;
  std::vector<dstream_message> messages_;
  std::vector<uint32_t> letter_of_;  // by message
  std::vector<State> states_;        // by message
  dstream_delivery view_{};          // of the messages from `base_` on
  uint32_t base_ = 0;
  uint32_t written_ = 0;
  uint64_t next_id_ = 1;
  bool open_ = false;
  bool flush_next_ = false;
  bool in_flight_ = false;  // the plugin may still hold something
  int64_t open_at_ns_ = 0;
  int64_t idle_close_ns_ = 0;
  std::optional<int64_t> since_ns_;  // of the first step with these letters
  std::optional<CallResult> retry_;  // an item settled so

  std::mutex inbox_mutex_;  // guards inbox_
  std::vector<Settled> inbox_;
  std::vector<Settled> taken_;
};

}  // namespace dstream::core
