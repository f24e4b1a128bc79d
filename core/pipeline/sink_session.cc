// The sink worker: what becomes of what was written, and of a session that fails or ends.
#include <algorithm>
#include <utility>

#include "core/pipeline/limits.h"
#include "core/pipeline/sink_worker.h"

namespace dstream::core {
namespace {

constexpr int64_t kOversizeSayNs = 60 * kNanosPerSecond;

}  // namespace

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
    if (stops_at(reason) && !reject_) {
      reject_ = *settled.why;
      stops_ = true;
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

bool SinkWorker::stops_at(const Error& reason) const {
  if (reason.code == kOversizeCode && context_.settings->on_oversize == OnOversize::kStop) {
    return true;
  }
  if (reason.code == kOversizeCode && context_.settings->on_oversize == OnOversize::kDeadLetter) {
    return false;
  }
  return context_.settings->on_reject == OnReject::kStop;
}

bool SinkWorker::store_dead_letters(int64_t now_ns) {
  if (stops_) {
    return true;  // The position stays before the record; the pipeline fails.
  }
  if (now_ns < dead_letter_at_ns_) {
    return false;
  }
  if (dead_letter_sink_ != nullptr) {
    return send_dead_letters(now_ns);
  }
  bool stored = true;
  tracker_.for_each([&](Delivery& delivery) {
    if (delivery.rejects().empty() || !stored) {
      return;
    }
    Result<void> appended = dead_letters_.append(delivery, context_.clock->wall_ns());
    if (!appended) {
      stored = false;
      dead_letters_failed(appended.error(), now_ns);
      return;
    }
    note_dead_letters(delivery.rejects().size());
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

// One step of their sink. Until it has confirmed them their deliveries stay open: the budget fills,
// and the source waits (I6).
bool SinkWorker::send_dead_letters(int64_t now_ns) {
  if (!dead_letter_sink_->busy()) {
    dead_letter_sink_->take(tracker_, dead_letters_.encoders(), context_.clock->wall_ns());
    rejects_pending_ = dead_letter_sink_->busy();
    if (!rejects_pending_) {
      return true;
    }
  }
  DeadLetterSink::Progress progress = dead_letter_sink_->step(now_ns);
  dead_letter_call_ = true;
  dead_letter_at_ns_ = progress.due_ns;
  switch (progress.what) {
    case DeadLetterSink::Progress::What::kWaiting:
      return false;
    case DeadLetterSink::Progress::What::kTrouble:
      context_.lifecycle->set_trouble(Trouble::kDeadLetter, progress.error);
      return false;
    case DeadLetterSink::Progress::What::kFatal:
      stop_before_rejected(std::move(progress.error), now_ns);
      return false;
    case DeadLetterSink::Progress::What::kDone:
      return take_confirmed_letters(now_ns);
  }
  return false;
}

// What the sink of the dead letters refused goes to the file; the rest is safe (I1).
bool SinkWorker::take_confirmed_letters(int64_t now_ns) {
  std::vector<RefusedLetter> refused;
  for (const DeadLetterSink::Letter& letter : dead_letter_sink_->letters()) {
    Delivery* delivery = nullptr;
    tracker_.for_each([&](Delivery& each) {
      const uint64_t first = each.first_record();
      if (letter.record >= first && letter.record < first + each.record_count()) {
        delivery = &each;
      }
    });
    const uint32_t index =
        delivery == nullptr ? 0 : static_cast<uint32_t>(letter.record - delivery->first_record());
    if (delivery == nullptr || delivery->find_reject(index) == nullptr) {
      continue;
    }
    if (letter.refused) {
      refused.push_back({delivery, index});
    } else {
      letter_is_safe(*delivery, index);
    }
  }
  const bool stored = refused.empty() || store_refused(refused, now_ns);
  dead_letter_sink_->forget();
  if (stored) {
    context_.lifecycle->set_trouble(Trouble::kDeadLetter, std::nullopt);
    dead_letter_back_off_.succeeded();
  }
  retire();
  return false;  // There may be more of them.
}

// What the file does not take is sent and refused once more, when it takes lines again.
bool SinkWorker::store_refused(const std::vector<RefusedLetter>& refused, int64_t now_ns) {
  size_t durable = 0;
  Result<void> appended = dead_letters_.append(refused, context_.clock->wall_ns(), &durable);
  for (size_t i = 0; i < durable; ++i) {
    context_.metrics->dead_letters_refused.add();
    letter_is_safe(*refused[i].delivery, refused[i].record);
  }
  if (!appended) {
    dead_letters_failed(appended.error(), now_ns);
  }
  return appended.has_value();
}

void SinkWorker::letter_is_safe(Delivery& delivery, uint32_t record) {
  note_dead_letters(1);
  delivery.reject_is_safe(record);
  checkpointer_.note_progress();
}

void SinkWorker::dead_letters_failed(const Error& error, int64_t now_ns) {
  if (error.code == kDeadLettersFullCode &&
      context_.settings->dead_letter.on_full == OnDeadLettersFull::kStop) {
    stop_before_rejected(error, now_ns);
    return;
  }
  context_.lifecycle->set_trouble(Trouble::kDeadLetter, error);
  dead_letter_at_ns_ = now_ns + dead_letter_back_off_.next_ns(now_ns, 0);
}

void SinkWorker::note_dead_letters(size_t count) {
  context_.metrics->dead_letters.add(static_cast<double>(count));
  context_.counters->records_dead_lettered.fetch_add(count, std::memory_order_relaxed);
}

// The pipeline ends, with its position before what was rejected (I5).
void SinkWorker::stop_before_rejected(Error error, int64_t now_ns) {
  stops_ = true;
  fail(std::move(error), now_ns);
  if (session_ == Session::kClosed) {
    failed_ = true;
    return;
  }
  if (session_ == Session::kOpen) {
    begin_settling(now_ns);
  }
  stop_after_settling_ = true;
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
  if (denied) {
    config_refresh_.denied();
  }
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
  if (transaction_) {
    session_of_transactions_ended();
  }
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
  // What is in flight in a transaction settles with its commit only, which will not be.
  settle_until_ns_ = transaction_ ? now_ns : now_ns + kSettleWaitNs;
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
  if (!context_.lifecycle->reading_finished() || !context_.queue->empty() || !tracker_.empty()) {
    return false;
  }
  return !transaction_ || !may_commit();  // Watermarks are committed, too.
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
  if (dead_letter_sink_ != nullptr) {
    dead_letter_sink_->forget();  // It may look at records of the deliveries.
    dead_letter_sink_->close();
  }
  forget_claims();
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

// Counted each time, said at the first and then once a minute.
void SinkWorker::note_oversize(int64_t now_ns) {
  if (oversize_ == nullptr) {
    return;
  }
  const OversizeCounts now = oversize_->counts();
  context_.metrics->oversize_refused.add(
      static_cast<double>(now.refused - oversize_noted_.refused));
  context_.metrics->oversize_truncated.add(
      static_cast<double>(now.truncated - oversize_noted_.truncated));
  context_.metrics->oversize_split.add(static_cast<double>(now.split - oversize_noted_.split));
  context_.metrics->oversize_claimed.add(
      static_cast<double>(now.claimed - oversize_noted_.claimed));
  oversize_noted_ = now;
  const uint64_t changed = now.truncated + now.split + now.claimed;
  if (changed > oversize_said_ && now_ns >= oversize_say_at_ns_) {
    context_.log->write(LogLevel::kWarn,
                        "Messages were too large for the sink and were made smaller.",
                        {{"pipeline", context_.settings->name},
                         {"truncated", std::to_string(now.truncated)},
                         {"split", std::to_string(now.split)},
                         {"claim_check", std::to_string(now.claimed)}});
    oversize_said_ = changed;
    oversize_say_at_ns_ = now_ns + kOversizeSayNs;
  }
}

void SinkWorker::update_gauges(int64_t now_ns) {
  PipelineCounters& counters = *context_.counters;
  counters.records_open.store(tracker_.open_records(), std::memory_order_relaxed);
  context_.metrics->queue_bytes.set(static_cast<double>(context_.budget->used()));
  context_.metrics->in_flight_items.set(static_cast<double>(tracker_.in_flight_items()));
  note_oversize(now_ns);
  bool covered = counters.records_durable.load(std::memory_order_relaxed) >=
                 counters.records_read.load(std::memory_order_relaxed);
  int64_t age_ns = now_ns - counters.last_durable_ns.load(std::memory_order_relaxed);
  context_.metrics->checkpoint_age.set(covered ? 0.0
                                               : static_cast<double>(age_ns) / kNanosPerSecond);
}

}  // namespace dstream::core
