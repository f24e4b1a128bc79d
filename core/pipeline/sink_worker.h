// The half of a pipeline that delivers: takes batches from the queue, encodes them, writes them to
// the sink, tracks what settles, makes the position durable.
//
// A session with the sink is closed, open, or settling: the worker has stopped writing because an
// item must be retried or was rejected, and gives what is in flight a moment to settle. After
// settling everything from the lowest unsettled item on is written again, in a new session (I3), or
// the pipeline fails.
//
// Thread rule: step() [worker]; on_settle() [any-thread].
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/messages/encoder.h"
#include "core/messages/oversize.h"
#include "core/pipeline/back_off.h"
#include "core/pipeline/checkpointer.h"
#include "core/pipeline/config_refresh.h"
#include "core/pipeline/dead_letter.h"
#include "core/pipeline/dead_letter_sink.h"
#include "core/pipeline/settle_tracker.h"
#include "core/pipeline/transaction_state.h"
#include "core/pipeline/worker.h"

namespace dstream::core {

class SinkWorker final : public SettleHandler {
 public:
  // `store` and `files` are borrowed. `encoder` is nullptr for a sink that takes records.
  SinkWorker(const WorkerContext& context, CheckpointStore* store, FileSystem* files,
             const std::string& state_dir, std::unique_ptr<Encoder> encoder);
  ~SinkWorker() override { forget_claims(); }
  // Once, before the first step(): the sink was made with this worker as its SettleHandler.
  void set_sink(GuardedSink* sink) { sink_ = sink; }
  // Likewise, if the encoder is one: it is told what the sink takes.
  void set_oversize(OversizeEncoder* oversize) {
    oversize_ = oversize;
    if (oversize != nullptr) {
      dead_letters_.set_message_encoder(&oversize->whole());
    }
  }

  // Likewise, where dead letters go to a sink; borrowed.
  void set_dead_letter_sink(DeadLetterSink* sink) { dead_letter_sink_ = sink; }

  // Nothing more comes from the source: an open() that would have nothing to deliver is told to
  // end, for it may wait long for a broker that is not there. [any-thread]
  void end_idle_open();
  // At most one plugin call, which may wait for `max_wait_ns`.
  StepResult step(int64_t now_ns, int64_t max_wait_ns);
  void on_settle(uint64_t delivery_id, uint32_t first, uint32_t count, dstream_status result,
                 const dstream_error* error) override;

 private:
  // What settles while it lives, on this thread, needs no inbox.
  class InsideCall {
   public:
    explicit InsideCall(const SinkWorker* worker);
    ~InsideCall();
    InsideCall(const InsideCall&) = delete;
    InsideCall& operator=(const InsideCall&) = delete;
  };
  enum class Session { kClosed, kOpen, kSettling };
  enum class Call { kNone, kOpen, kWrite, kPoll, kBegin, kCommit };
  struct Settled {
    uint64_t delivery_id;
    uint32_t first;
    uint32_t count;
    dstream_status result;
    std::unique_ptr<CallResult> why;  // for RETRY and REJECTED
  };

  StepResult step_closed(int64_t now_ns, int64_t due_ns);
  CallResult open();
  StepResult step_open(int64_t now_ns, int64_t max_wait_ns, int64_t due_ns);
  StepResult step_idle(int64_t now_ns, int64_t due_ns, bool nothing_to_write);
  StepResult step_settling(int64_t now_ns, int64_t max_wait_ns, int64_t due_ns);
  StepResult write(Delivery& delivery, int64_t now_ns);
  StepResult serve(int64_t now_ns, int64_t max_wait_ns, int64_t due_ns);
  bool wants_flush(int64_t now_ns);
  Delivery* take_batch(int64_t now_ns);
  bool pop_prepared(QueuedBatch* out, int64_t now_ns);
  bool claims_stored(int64_t now_ns);
  void forget_claims();

  void take_inbox();
  void apply(const Settled& settled);
  void retire();
  // What is rejected for this reason stops the pipeline, and is no dead letter.
  bool stops_at(const Error& reason) const;
  bool store_dead_letters(int64_t now_ns);
  bool send_dead_letters(int64_t now_ns);
  bool take_confirmed_letters(int64_t now_ns);
  bool store_refused(const std::vector<RefusedLetter>& refused, int64_t now_ns);
  void letter_is_safe(Delivery& delivery, uint32_t record);
  void dead_letters_failed(const Error& error, int64_t now_ns);
  void note_dead_letters(size_t count);
  void stop_before_rejected(Error error, int64_t now_ns);
  void note_oversize(int64_t now_ns);

  // sink_transactions.cc: with exactly_once only, that is if transaction_ is there.
  std::optional<StepResult> step_transaction(int64_t now_ns, int64_t max_wait_ns, int64_t* due_ns);
  StepResult read_committed(int64_t now_ns);
  void start_from(const std::string& found, int64_t now_ns);
  void resume_from(const std::string& found, int64_t now_ns);
  bool may_commit() const;
  bool wants_commit(int64_t now_ns) const;
  int64_t commit_due_ns() const;
  bool is_stuck() const;
  StepResult begin_transaction(int64_t now_ns);
  StepResult commit_transaction(int64_t now_ns, int64_t max_wait_ns, int64_t due_ns);
  void took_committed();
  void session_of_transactions_ended();
  void drop_what_comes_again(int64_t now_ns);

  void handle_failure(Call call, const char* name, const CallResult& result, int64_t now_ns);
  void call_succeeded(Call call);
  void begin_settling(int64_t now_ns);
  void end_session();
  void end_settling(int64_t now_ns);
  void fail(Error error, int64_t now_ns);
  bool drained() const;
  StepResult finish(int64_t now_ns);
  void update_gauges(int64_t now_ns);

  const WorkerContext context_;
  GuardedSink* sink_ = nullptr;
  std::unique_ptr<Encoder> encoder_;
  OversizeEncoder* oversize_ = nullptr;
  OversizeCounts oversize_noted_;
  uint64_t oversize_said_ = 0;
  int64_t oversize_say_at_ns_ = 0;
  SettleTracker tracker_;
  Checkpointer checkpointer_;
  CheckpointStore* const store_;
  DeadLetterFile dead_letters_;
  DeadLetterSink* dead_letter_sink_ = nullptr;
  ConfigRefresh config_refresh_;
  std::optional<TransactionState> transaction_;
  BackOff back_off_;
  BackOff dead_letter_back_off_;

  std::atomic<bool> opens_for_nothing_{false};  // open() runs, and nothing is in flight

  Session session_ = Session::kClosed;
  int64_t now_ns_ = 0;                // of the step that runs
  bool failed_ = false;               // finish() is next
  bool stop_after_settling_ = false;  // a rejected record stops the pipeline
  Call retrying_ = Call::kNone;       // the call that failed last and has not worked since
  int64_t open_at_ns_ = 0;
  int64_t write_at_ns_ = 0;
  int64_t serve_at_ns_ = 0;
  int64_t last_serve_ns_ = 0;
  int64_t idle_poll_at_ns_ = 0;
  int64_t settle_until_ns_ = 0;
  int64_t dead_letter_at_ns_ = 0;
  bool dead_letter_call_ = false;  // a call of the dead letters' sink was made in this step
  int64_t last_settle_ns_ = 0;
  bool full_ = false;            // write() took less than there was
  bool poll_next_ = false;       // between two deliveries
  bool claims_open_ = false;     // values of the delivery that was taken last are being stored
  int written_since_serve_ = 0;  // deliveries, since the last poll() or flush()
  bool settled_some_ = false;    // since the last retire()
  bool rejects_pending_ = false;
  bool stops_ = false;  // something was rejected that is to stop the pipeline
  uint64_t lowest_unsettled_ = 0;
  uint64_t retried_items_ = 0;        // of this session
  std::optional<CallResult> retry_;   // the first RETRY settle of this session
  std::optional<CallResult> reject_;  // the first REJECTED one, if that stops the pipeline

  std::mutex inbox_mutex_;  // guards inbox_
  std::vector<Settled> inbox_;
  std::vector<Settled> taken_;
};

}  // namespace dstream::core
