#include "core/pipeline/sink_worker.h"

#include <algorithm>
#include <utility>

#include "core/pipeline/limits.h"

namespace dstream::core {
namespace {

// The worker whose plugin call this thread is in.
thread_local const SinkWorker* current_worker = nullptr;

}  // namespace

SinkWorker::InsideCall::InsideCall(const SinkWorker* worker) { current_worker = worker; }
SinkWorker::InsideCall::~InsideCall() { current_worker = nullptr; }

SinkWorker::SinkWorker(const WorkerContext& context, CheckpointStore* store, FileSystem* files,
                       const std::string& state_dir, std::unique_ptr<Encoder> encoder)
    : context_(context),
      encoder_(std::move(encoder)),
      tracker_(context.budget),
      checkpointer_(context, store),
      store_(store),
      dead_letters_(*files, state_dir, context.settings->name, context.settings->dead_letter),
      config_refresh_(context, Role::kSink, context.settings->sink.config_json),
      back_off_(context.settings->retry, context.seed),
      dead_letter_back_off_(RetrySettings{}, context.seed + 1) {
  if (encoder_ == nullptr) {
    context_.budget->expect_no_encoding();
  }
  dead_letters_.set_message_encoder(encoder_.get());
  if (context.settings->exactly_once) {
    transaction_.emplace();
    tracker_.set_committed({});
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
  } else if (dead_letter_sink_ != nullptr) {
    due_ns = dead_letter_sink_->rest(now_ns);
  }
  update_gauges(now_ns);
  if (transaction_) {
    drop_what_comes_again(now_ns);
  }
  if (failed_ || context_.lifecycle->must_give_up(now_ns) || drained()) {
    return finish(now_ns);
  }
  if (std::exchange(dead_letter_call_, false)) {
    return StepResult::again();
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
  // Exchanged, as end_idle_open() does: of the two, the later one sees what the other has done.
  opens_for_nothing_.exchange(tracker_.empty() && !transaction_);
  if (drained()) {
    return StepResult::again();
  }
  context_.lifecycle->set_phase(Role::kSink, Phase::kOpening);
  const CallResult result = open();
  opens_for_nothing_.store(false);
  if (result.status == DSTREAM_CANCELLED &&
      (drained() || context_.lifecycle->must_give_up(now_ns))) {
    return StepResult::again();  // It did as it was told: no failure to show.
  }
  if (!result.ok()) {
    handle_failure(Call::kOpen, "open", result, now_ns);
    return StepResult::again();
  }
  if (oversize_ != nullptr) {
    oversize_->set_limit(sink_->message_bytes_max().value_or(0));
  }
  if (tracker_.empty() && !sink_->has_poll()) {
    back_off_.succeeded();
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

CallResult SinkWorker::open() {
  InsideCall inside(this);
  config_refresh_.apply(*sink_);
  if (transaction_) {
    CallResult result = sink_->use_transactions(context_.settings->name);
    if (!result.ok()) {
      return result;
    }
  }
  return sink_->open();
}

void SinkWorker::end_idle_open() {
  if (context_.queue->empty() && opens_for_nothing_.exchange(false)) {
    sink_->request_stop();
  }
}

// ---- an open session ----------------------------------------------------------------------------

StepResult SinkWorker::step_open(int64_t now_ns, int64_t max_wait_ns, int64_t due_ns) {
  if (transaction_) {
    if (auto result = step_transaction(now_ns, max_wait_ns, &due_ns)) {
      return *result;
    }
  }
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
    if (next == nullptr) {
      // Watermarks may have moved the position, and nothing else wakes this worker.
      due_ns = std::min(due_ns, checkpointer_.step(now_ns, tracker_));
    }
  }
  const bool stored = claims_stored(now_ns);
  if (session_ != Session::kOpen) {
    return StepResult::again();
  }
  if (next != nullptr && stored && !full_ && now_ns >= write_at_ns_) {
    if (transaction_ && transaction_->stage == TransactionState::Stage::kNone) {
      return begin_transaction(now_ns);
    }
    return write(*next, now_ns);
  }
  bool backing_off = now_ns < write_at_ns_ || !stored;
  if (now_ns < write_at_ns_) {
    due_ns = std::min(due_ns, write_at_ns_);
  }
  if (tracker_.in_flight_items() == 0 && (next == nullptr || backing_off)) {
    return step_idle(now_ns, due_ns, next == nullptr);
  }
  return serve(now_ns, max_wait_ns, due_ns);
}

// Nothing is in flight, and nothing may be written now. The sink is served now and then all the
// same: it may have business of its own.
StepResult SinkWorker::step_idle(int64_t now_ns, int64_t due_ns, bool nothing_to_write) {
  int64_t recovered_at_ns = std::max(write_at_ns_, serve_at_ns_);
  if (nothing_to_write && retrying_ != Call::kNone) {
    if (now_ns < recovered_at_ns) {
      due_ns = std::min(due_ns, recovered_at_ns);
    } else {
      // What failed had done its work all the same; there is nothing left to try again.
      context_.lifecycle->set_phase(Role::kSink, Phase::kOpening);
      call_succeeded(retrying_);
    }
  }
  if (!sink_->has_poll()) {
    return StepResult::wait(due_ns);
  }
  if (int64_t at_ns = std::max(idle_poll_at_ns_, serve_at_ns_); now_ns < at_ns) {
    return StepResult::wait(std::min(due_ns, at_ns));
  }
  idle_poll_at_ns_ = now_ns + kIdleWaitNs;
  return serve(now_ns, 0, due_ns);
}

Delivery* SinkWorker::take_batch(int64_t now_ns) {
  bool room = encoder_ == nullptr || context_.budget->has_room_to_encode() || tracker_.empty();
  QueuedBatch queued;
  while (room && pop_prepared(&queued, now_ns)) {
    context_.budget->release_reserved(queued.reserved);
    Delivery& delivery = tracker_.add(queued);
    if (encoder_ == nullptr) {
      delivery.use_records();
    } else {
      delivery.encode(*encoder_);
      claims_open_ = oversize_ != nullptr && oversize_->claims() != nullptr;
      context_.budget->learn_encoding(queued.bytes, delivery.encoding_bytes_used());
    }
    tracker_.start(delivery);
    if (!delivery.rejects().empty()) {
      rejects_pending_ = true;
      const auto stopping =
          std::find_if(delivery.rejects().begin(), delivery.rejects().end(),
                       [this](const Reject& reject) { return stops_at(reject.reason); });
      if (stopping != delivery.rejects().end()) {
        stops_ = true;
        fail(stopping->reason, now_ns);
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

// What refers to a value is written when the value is durable, and not before (I1).
bool SinkWorker::claims_stored(int64_t now_ns) {
  if (!claims_open_) {
    return true;
  }
  Result<bool> stored = oversize_->claims()->stored();
  if (!stored) {
    stop_before_rejected(std::move(stored.error()), now_ns);
    return false;
  }
  claims_open_ = !*stored;
  context_.lifecycle->set_trouble(Trouble::kClaims,
                                  *stored ? std::nullopt : oversize_->claims()->trouble());
  return *stored;
}

// Before memory goes that a store may be reading.
void SinkWorker::forget_claims() {
  if (std::exchange(claims_open_, false)) {
    oversize_->claims()->forget();
    context_.lifecycle->set_trouble(Trouble::kClaims, std::nullopt);
  }
}

// A batch that the encoder has all it needs for. One that has not stays in the queue, and what is
// behind it too: the source waits when that is full, and nothing is lost (I3, I5, I6).
bool SinkWorker::pop_prepared(QueuedBatch* out, int64_t now_ns) {
  if (encoder_ == nullptr || !encoder_->needs_preparation()) {
    return context_.queue->pop(out);
  }
  std::optional<Error> refused;
  const bool popped = context_.queue->pop_if(out, [&](const dstream_batch& batch) {
    Result<bool> ready = encoder_->prepare(batch);
    if (!ready) {
      refused = std::move(ready.error());
    }
    return ready.value_or(false);
  });
  if (refused) {
    stop_before_rejected(std::move(*refused), now_ns);
    return false;
  }
  context_.lifecycle->set_trouble(Trouble::kEncoder, popped ? std::nullopt : encoder_->trouble());
  return popped;
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
  // A sink that has much to do per poll(), such as an fsync, does it for several deliveries at
  // once. A full one is given time instead.
  ++written_since_serve_;
  poll_next_ =
      !full_ && (written_since_serve_ >= kWritesPerPoll || now_ns - last_serve_ns_ >= kPollWaitNs);
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
  wait_ns = std::max<int64_t>(std::min({wait_ns, max_wait_ns, due_ns - now_ns}), 0);
  if (!flush && !sink_->has_poll()) {
    full_ = false;
    return StepResult::wait(std::min(due_ns, now_ns + kAgainPauseNs));
  }
  if (retrying_ == Call::kPoll) {
    context_.lifecycle->set_phase(Role::kSink, Phase::kOpening);
  }
  written_since_serve_ = 0;
  last_serve_ns_ = now_ns;
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
  if (tracker_.empty()) {
    back_off_.succeeded();  // Nothing is left that could fail again.
  }
  bool retry_is_new = retry_ && session_ == Session::kOpen;
  if (settled_some_ || retry_is_new || max_wait_ns == 0) {
    return StepResult::again();
  }
  // A call that did wait has used this time up already.
  return StepResult::wait(std::min(due_ns, now_ns + std::max(wait_ns, kAgainPauseNs)));
}

bool SinkWorker::wants_flush(int64_t now_ns) {
  if (transaction_ || !context_.queue->empty() || tracker_.in_flight_items() == 0 ||
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

}  // namespace dstream::core
