#include "core/pipeline/sink_worker.h"

#include <algorithm>
#include <utility>

#include "core/base/assert.h"
#include "core/pipeline/limits.h"

namespace dstream::core {
namespace {

// The worker whose plugin call this thread is in: what settles there needs no inbox.
thread_local const SinkWorker* current_worker = nullptr;

class InsideCall {
 public:
  explicit InsideCall(const SinkWorker* worker) { current_worker = worker; }
  ~InsideCall() { current_worker = nullptr; }
  InsideCall(const InsideCall&) = delete;
  InsideCall& operator=(const InsideCall&) = delete;
};

}  // namespace

SinkWorker::SinkWorker(const WorkerContext& context, CheckpointStore* store, FileSystem* files,
                       const std::string& state_dir, std::unique_ptr<Encoder> encoder)
    : context_(context),
      encoder_(std::move(encoder)),
      tracker_(context.budget),
      checkpointer_(context, store),
      dead_letters_(*files, state_dir, context.settings->name),
      back_off_(context.settings->retry, context.seed),
      dead_letter_back_off_(RetrySettings{}, context.seed + 1) {
  if (encoder_ == nullptr) {
    context_.budget->expect_no_encoding();
  }
}

StepResult SinkWorker::step(int64_t now_ns, int64_t max_wait_ns) {
  if (session_ == Session::kClosed && context_.lifecycle->sink_finished()) {
    return StepResult::done();
  }
  now_ns_ = now_ns;
  take_inbox();
  retire();
  int64_t due_ns = INT64_MAX;
  if (rejects_pending_ && !store_dead_letters(now_ns)) {
    due_ns = dead_letter_at_ns_;
  }
  update_gauges(now_ns);
  if (failed_ || context_.lifecycle->must_give_up(now_ns) || drained()) {
    return finish(now_ns);
  }
  due_ns = std::min(due_ns, checkpointer_.step(now_ns, tracker_));
  if (session_ == Session::kOpen && (retry_ || reject_)) {
    begin_settling(now_ns);
  }
  switch (session_) {
    case Session::kClosed:
      return step_closed(now_ns, due_ns);
    case Session::kOpen:
      return step_open(now_ns, max_wait_ns, due_ns);
    case Session::kSettling:
      return step_settling(now_ns, max_wait_ns, due_ns);
  }
  return StepResult::done();
}

// ---- a closed session ---------------------------------------------------------------------------

StepResult SinkWorker::step_closed(int64_t now_ns, int64_t due_ns) {
  if (now_ns < open_at_ns_) {
    return StepResult::wait(std::min(due_ns, open_at_ns_));
  }
  context_.lifecycle->set_phase(Role::kSink, Phase::kOpening);
  CallResult result;
  {
    InsideCall inside(this);
    result = sink_->open();
  }
  if (!result.ok()) {
    handle_failure(Call::kOpen, "open", result, now_ns);
    return StepResult::again();
  }
  session_ = Session::kOpen;
  full_ = poll_next_ = false;
  write_at_ns_ = serve_at_ns_ = 0;
  last_settle_ns_ = now_ns;
  idle_poll_at_ns_ = now_ns + kIdleWaitNs;
  retrying_ = Call::kNone;
  context_.lifecycle->set_phase(Role::kSink, Phase::kOpen);
  return StepResult::again();
}

// ---- an open session ----------------------------------------------------------------------------

StepResult SinkWorker::step_open(int64_t now_ns, int64_t max_wait_ns, int64_t due_ns) {
  if (poll_next_ && sink_->has_poll() && now_ns >= serve_at_ns_) {
    poll_next_ = false;
    return serve(now_ns, 0, due_ns);
  }
  Delivery* next = tracker_.next_to_write();
  if (next == nullptr) {
    next = take_batch(now_ns);
    if (session_ != Session::kOpen) {
      return StepResult::again();  // A record that cannot be encoded stops the pipeline.
    }
  }
  if (next != nullptr && !full_ && now_ns >= write_at_ns_) {
    return write(*next, now_ns);
  }
  if (write_at_ns_ > now_ns) {
    due_ns = std::min(due_ns, write_at_ns_);
  }
  if (tracker_.in_flight_items() == 0 && next == nullptr) {
    int64_t recovered_at_ns = std::max(write_at_ns_, serve_at_ns_);
    if (retrying_ != Call::kNone && now_ns >= recovered_at_ns) {
      // What failed had done its work all the same; there is nothing left to try again.
      context_.lifecycle->set_phase(Role::kSink, Phase::kOpening);
      call_succeeded(retrying_);
    } else if (retrying_ != Call::kNone) {
      due_ns = std::min(due_ns, recovered_at_ns);
    }
    // Nothing to do. The sink is served now and then all the same: it may have its own business.
    if (!sink_->has_poll()) {
      return StepResult::wait(due_ns);
    }
    if (int64_t at_ns = std::max(idle_poll_at_ns_, serve_at_ns_); now_ns < at_ns) {
      return StepResult::wait(std::min(due_ns, at_ns));
    }
    idle_poll_at_ns_ = now_ns + kIdleWaitNs;
    max_wait_ns = 0;
  }
  return serve(now_ns, max_wait_ns, due_ns);
}

Delivery* SinkWorker::take_batch(int64_t now_ns) {
  bool room = encoder_ == nullptr || context_.budget->has_room_to_encode() || tracker_.empty();
  QueuedBatch queued;
  while (room && context_.queue->pop(&queued)) {
    context_.budget->release_reserved(queued.reserved);
    Delivery& delivery = tracker_.add(queued);
    if (encoder_ == nullptr) {
      delivery.use_records();
    } else {
      delivery.encode(*encoder_);
      context_.budget->learn_encoding(queued.bytes, delivery.encoding_bytes_used());
    }
    tracker_.start(delivery);
    if (!delivery.rejects().empty()) {
      rejects_pending_ = true;
      if (context_.settings->on_reject == OnReject::kStop) {
        fail(delivery.rejects().front().reason, now_ns);
        begin_settling(now_ns);
        return nullptr;
      }
    }
    if (delivery.view().count > 0) {
      return &delivery;
    }
    retire();  // Watermarks only: the position moves, the sink sees nothing.
    room = encoder_ == nullptr || context_.budget->has_room_to_encode() || tracker_.empty();
  }
  return nullptr;
}

StepResult SinkWorker::write(Delivery& delivery, int64_t now_ns) {
  if (retrying_ == Call::kWrite) {
    context_.lifecycle->set_phase(Role::kSink, Phase::kOpening);
  }
  uint32_t accepted = 0;
  CallResult result;
  {
    InsideCall inside(this);
    result = sink_->write(delivery.view(), delivery.written(), &accepted);
  }
  tracker_.written(delivery, accepted);
  if (result.status != DSTREAM_OK && result.status != DSTREAM_AGAIN) {
    handle_failure(Call::kWrite, "write", result, now_ns);
    return StepResult::again();
  }
  call_succeeded(Call::kWrite);
  full_ = !delivery.all_written();
  poll_next_ = !full_;  // A full sink is given time instead.
  if (full_ && accepted == 0 && !sink_->has_poll()) {
    full_ = false;  // Nothing tells when there is room again; ask after a pause.
    write_at_ns_ = now_ns + kAgainPauseNs;
  }
  return StepResult::again();
}

// poll(), or flush() where items would otherwise stay in the sink.
StepResult SinkWorker::serve(int64_t now_ns, int64_t max_wait_ns, int64_t due_ns) {
  if (now_ns < serve_at_ns_) {
    return StepResult::wait(std::min(due_ns, serve_at_ns_));
  }
  bool flush = max_wait_ns > 0 && wants_flush(now_ns);
  int64_t wait_ns = flush ? kFlushWaitNs : kPollWaitNs;
  if (!full_ && tracker_.in_flight_items() == 0) {
    wait_ns = kIdleWaitNs;  // Waiting for a back-off to pass; nothing else comes before due_ns.
  }
  wait_ns = std::max<int64_t>(std::min({wait_ns, max_wait_ns, due_ns - now_ns}), 0);
  if (!flush && !sink_->has_poll()) {
    full_ = false;
    return StepResult::wait(std::min(due_ns, now_ns + kAgainPauseNs));
  }
  if (retrying_ == Call::kPoll) {
    context_.lifecycle->set_phase(Role::kSink, Phase::kOpening);
  }
  CallResult result;
  {
    InsideCall inside(this);
    result = flush ? sink_->flush(to_wait_ms(wait_ns)) : sink_->poll(to_wait_ms(wait_ns));
  }
  if (flush) {
    last_settle_ns_ = now_ns;  // The next one only after another quiet time.
  }
  full_ = false;
  if (result.status != DSTREAM_OK && result.status != DSTREAM_AGAIN) {
    handle_failure(Call::kPoll, flush ? "flush" : "poll", result, now_ns);
    return StepResult::again();
  }
  call_succeeded(Call::kPoll);
  bool retry_is_new = retry_ && session_ == Session::kOpen;
  if (settled_some_ || retry_is_new || max_wait_ns == 0) {
    return StepResult::again();
  }
  // A call that did wait has used this time up already.
  return StepResult::wait(std::min(due_ns, now_ns + std::max(wait_ns, kAgainPauseNs)));
}

bool SinkWorker::wants_flush(int64_t now_ns) {
  if (!context_.queue->empty() || tracker_.in_flight_items() == 0 ||
      (session_ == Session::kOpen && tracker_.next_to_write() != nullptr)) {
    return false;
  }
  return context_.lifecycle->reading_finished() || session_ == Session::kSettling ||
         now_ns - last_settle_ns_ >= context_.settings->checkpoint_interval_ms * kNanosPerMilli;
}

// ---- what settles -------------------------------------------------------------------------------

void SinkWorker::on_settle(uint64_t delivery_id, uint32_t first, uint32_t count,
                           dstream_status result, const dstream_error* error) {
  Settled settled{delivery_id, first, count, result, nullptr};
  if (result != DSTREAM_OK) {
    settled.why = std::make_unique<CallResult>();
    settled.why->status = result;
    if (error != nullptr) {
      settled.why->error = *error;
    }
  }
  if (current_worker == this) {
    apply(settled);
    return;
  }
  {
    std::lock_guard lock(inbox_mutex_);
    inbox_.push_back(std::move(settled));
  }
  context_.lifecycle->sink_wakeup().notify();
}

void SinkWorker::take_inbox() {
  {
    std::lock_guard lock(inbox_mutex_);
    std::swap(inbox_, taken_);
  }
  for (const Settled& each : taken_) {
    apply(each);
  }
  taken_.clear();
}

void SinkWorker::apply(const Settled& settled) {
  Delivery* delivery = tracker_.find(settled.delivery_id);
  if (delivery == nullptr) {
    return;  // Of a session that was closed meanwhile; its items are written again.
  }
  if (settled.result == DSTREAM_OK) {
    tracker_.settle(*delivery, settled.first, settled.count);
    settled_some_ = true;
    return;
  }
  if (settled.result == DSTREAM_REJECTED) {
    Error reason = plugin_error(Role::kSink, context_.settings->sink.type, "write", *settled.why);
    for (uint32_t i = 0; i < settled.count; ++i) {
      tracker_.reject_item(*delivery, settled.first + i, reason, settled.why->error.vendor_code);
    }
    settled_some_ = rejects_pending_ = true;
    if (context_.settings->on_reject == OnReject::kStop && !reject_) {
      reject_ = *settled.why;
    }
    return;
  }
  retried_items_ += settled.count;
  context_.metrics->sink_retries.add(settled.count);
  if (!retry_) {
    retry_ = *settled.why;
  }
}

void SinkWorker::retire() {
  if (settled_some_) {
    settled_some_ = false;
    checkpointer_.note_progress();
    last_settle_ns_ = now_ns_;
  }
  if (uint64_t lowest = tracker_.lowest_unsettled(); lowest > lowest_unsettled_) {
    // Only what settles at the front is progress: an item that must be retried again and again is
    // not, whatever settles behind it.
    lowest_unsettled_ = lowest;
    back_off_.succeeded();
  }
  Retired retired;
  if (!tracker_.retire(&retired)) {
    return;
  }
  checkpointer_.note_progress();
  PipelineCounters& counters = *context_.counters;
  counters.records_delivered.fetch_add(retired.delivered, std::memory_order_relaxed);
  context_.metrics->sink_records.add(static_cast<double>(retired.delivered));
  if (retired.commit_time_ns != 0) {
    counters.last_commit_time_ns.store(retired.commit_time_ns, std::memory_order_relaxed);
    auto age = static_cast<double>(context_.clock->wall_ns() - retired.commit_time_ns);
    context_.metrics->latency.observe(std::max(age, 0.0) / kNanosPerSecond);
  }
  context_.lifecycle->source_wakeup().notify();  // There may be room in the budget.
}

bool SinkWorker::store_dead_letters(int64_t now_ns) {
  if (context_.settings->on_reject == OnReject::kStop) {
    return true;  // The position stays before the record; the pipeline fails.
  }
  if (now_ns < dead_letter_at_ns_) {
    return false;
  }
  bool stored = true;
  tracker_.for_each([&](Delivery& delivery) {
    if (delivery.rejects().empty() || !stored) {
      return;
    }
    Result<void> appended = dead_letters_.append(delivery, context_.clock->wall_ns());
    if (!appended) {
      context_.lifecycle->set_trouble(Trouble::kDeadLetter, appended.error());
      dead_letter_at_ns_ = now_ns + dead_letter_back_off_.next_ns(now_ns, 0);
      stored = false;
      return;
    }
    auto count = delivery.rejects().size();
    context_.metrics->dead_letters.add(static_cast<double>(count));
    context_.counters->records_dead_lettered.fetch_add(count, std::memory_order_relaxed);
    delivery.rejects_are_safe();  // (I1)
  });
  if (stored) {
    context_.lifecycle->set_trouble(Trouble::kDeadLetter, std::nullopt);
    dead_letter_back_off_.succeeded();
    rejects_pending_ = false;
    checkpointer_.note_progress();
    retire();
  }
  return stored;
}

// ---- what fails ---------------------------------------------------------------------------------

void SinkWorker::handle_failure(Call call, const char* name, const CallResult& result,
                                int64_t now_ns) {
  Error error = plugin_error(Role::kSink, context_.settings->sink.type, name, result);
  bool denied = result.status == DSTREAM_DENIED;
  bool again = result.status == DSTREAM_RETRY || result.status == DSTREAM_REOPEN || denied ||
               result.status == DSTREAM_CANCELLED;
  if (!again || (denied && !back_off_.may_be_denied(now_ns)) || back_off_.exhausted(now_ns)) {
    fail(std::move(error), now_ns);
    failed_ = true;
    return;
  }
  context_.metrics->sink_retries.add();
  int64_t at_ns = now_ns + back_off_.next_ns(now_ns, result.error.retry_after_ms);
  context_.lifecycle->set_phase(Role::kSink, Phase::kBackingOff, error);
  retrying_ = call;
  if (result.status == DSTREAM_RETRY && call == Call::kWrite) {
    write_at_ns_ = at_ns;
  } else if (result.status == DSTREAM_RETRY && call == Call::kPoll) {
    serve_at_ns_ = at_ns;
  } else {
    open_at_ns_ = at_ns;
    if (session_ != Session::kClosed) {
      end_session();
      failed_ = stop_after_settling_;
    }
  }
}

void SinkWorker::call_succeeded(Call call) {
  if (retrying_ == call && session_ == Session::kOpen) {
    retrying_ = Call::kNone;
    context_.lifecycle->set_phase(Role::kSink, Phase::kOpen);
  }
}

// Ends the session and prepares for the next: everything from the lowest unsettled item on (I3).
void SinkWorker::end_session() {
  {
    InsideCall inside(this);
    sink_->close();
  }
  session_ = Session::kClosed;
  take_inbox();  // What settled from other threads before close() returned.
  retire();
  tracker_.rewind();
  retried_items_ = 0;
  retry_.reset();
}

void SinkWorker::begin_settling(int64_t now_ns) {
  if (reject_) {
    fail(plugin_error(Role::kSink, context_.settings->sink.type, "write", *reject_), now_ns);
  } else if (retry_) {
    context_.lifecycle->set_phase(
        Role::kSink, Phase::kBackingOff,
        plugin_error(Role::kSink, context_.settings->sink.type, "write", *retry_));
  }
  stop_after_settling_ = !retry_ || reject_;
  session_ = Session::kSettling;
  settle_until_ns_ = now_ns + kSettleWaitNs;
}

StepResult SinkWorker::step_settling(int64_t now_ns, int64_t max_wait_ns, int64_t due_ns) {
  if (tracker_.in_flight_items() > retried_items_ && now_ns < settle_until_ns_) {
    return serve(now_ns, max_wait_ns, std::min(due_ns, settle_until_ns_));
  }
  end_settling(now_ns);
  return StepResult::again();
}

void SinkWorker::end_settling(int64_t now_ns) {
  if (stop_after_settling_) {
    failed_ = true;
    return;
  }
  if (back_off_.exhausted(now_ns)) {
    fail(plugin_error(Role::kSink, context_.settings->sink.type, "write", *retry_), now_ns);
    failed_ = true;
    return;
  }
  open_at_ns_ = now_ns + back_off_.next_ns(now_ns, retry_->error.retry_after_ms);
  end_session();
}

void SinkWorker::fail(Error error, int64_t now_ns) {
  context_.lifecycle->fail(std::move(error), now_ns);
}

// ---- the end ------------------------------------------------------------------------------------

bool SinkWorker::drained() const {
  // In this order: the source worker pushes before it says that it has finished.
  return context_.lifecycle->reading_finished() && context_.queue->empty() && tracker_.empty();
}

StepResult SinkWorker::finish(int64_t now_ns) {
  if (session_ != Session::kClosed) {
    if (context_.lifecycle->must_give_up(now_ns)) {
      sink_->request_stop();  // So that close() does not wait for what is given up (I10).
    }
    end_session();
    return StepResult::again();  // What settled during close() is looked at first.
  }
  if (!checkpointer_.finish(now_ns, tracker_) && !context_.lifecycle->must_give_up(now_ns)) {
    return StepResult::wait(
        std::min(checkpointer_.retry_at_ns(), context_.lifecycle->deadline_ns()));
  }
  context_.queue->close();
  tracker_.clear();
  uint64_t left =
      context_.counters->records_read.load() - context_.counters->records_durable.load();
  if (left > 0 && (failed_ || context_.lifecycle->must_give_up(now_ns))) {
    context_.lifecycle->set_uncovered_records(left);
  }
  context_.lifecycle->set_sink_finished();
  context_.lifecycle->set_phase(Role::kSink, Phase::kFinished);
  return StepResult::done();
}

void SinkWorker::update_gauges(int64_t now_ns) {
  PipelineCounters& counters = *context_.counters;
  counters.records_open.store(tracker_.open_records(), std::memory_order_relaxed);
  context_.metrics->queue_bytes.set(static_cast<double>(context_.budget->used()));
  context_.metrics->in_flight_items.set(static_cast<double>(tracker_.in_flight_items()));
  bool covered = counters.records_durable.load(std::memory_order_relaxed) >=
                 counters.records_read.load(std::memory_order_relaxed);
  int64_t age_ns = now_ns - counters.last_durable_ns.load(std::memory_order_relaxed);
  context_.metrics->checkpoint_age.set(covered ? 0.0
                                               : static_cast<double>(age_ns) / kNanosPerSecond);
}

}  // namespace dstream::core
