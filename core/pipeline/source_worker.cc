#include "core/pipeline/source_worker.h"

#include <algorithm>
#include <utility>

#include "core/pipeline/limits.h"

namespace dstream::core {

SourceWorker::SourceWorker(const WorkerContext& context, GuardedSource* source,
                           std::string position)
    : context_(context),
      source_(source),
      config_refresh_(context, Role::kSource, context.settings->source.config_json),
      back_off_(context.settings->retry, context.seed),
      commit_back_off_(context.settings->retry, context.seed + 1),
      position_(std::move(position)) {
  gives_positions_ = !position_.empty();
  start_known_ = !context.settings->exactly_once;
  // The process may have ended between making it durable and committing it (I2).
  if (start_known_ && !position_.empty()) {
    to_commit_ = position_;
    commit_pending_ = true;
  }
}

StepResult SourceWorker::step(int64_t now_ns, int64_t max_wait_ns) {
  if (finished_) {
    return StepResult::done();
  }
  Lifecycle& lifecycle = *context_.lifecycle;
  // Before the positions are looked at: the sink worker publishes the last one, then says so.
  bool last_position = lifecycle.sink_finished();
  if (context_.positions->take(&to_commit_)) {
    commit_pending_ = true;
  }
  if (commit_pending_ && open_ && now_ns >= commit_at_ns_) {
    return commit(now_ns);
  }
  if (last_position || lifecycle.must_give_up(now_ns)) {
    return finish(now_ns);
  }
  if (!reading_finished_ && lifecycle.failing()) {
    finish_reading();
  }
  if (!reading_finished_ && lifecycle.stop_requested()) {
    if (between_transactions_.load(std::memory_order_relaxed)) {
      finish_reading();
    } else if ((!gives_positions_ || gap_inside_) && open_ && !stop_passed_on_) {
      // It may never give a position, or the rest may be gone: there may be no end to wait for.
      stop_passed_on_ = true;
      source_->request_stop();
    }
  }
  int64_t due_ns = commit_pending_ && open_ ? commit_at_ns_ : INT64_MAX;
  if (reading_finished_) {
    return StepResult::wait(std::min(due_ns, lifecycle.deadline_ns()));
  }
  if (!open_) {
    if (!may_open()) {
      return StepResult::wait(lifecycle.deadline_ns());  // The sink worker wakes this one.
    }
    return now_ns < open_at_ns_ ? StepResult::wait(open_at_ns_) : open(now_ns);
  }
  if (now_ns < read_at_ns_) {
    return StepResult::wait(std::min(due_ns, read_at_ns_));
  }
  if (!context_.budget->has_room_to_read()) {
    return StepResult::wait(due_ns);  // (I6); the sink worker wakes this one when it releases.
  }
  return read(now_ns, std::min(max_wait_ns, std::max<int64_t>(due_ns - now_ns, 0)));
}

// With exactly_once: the sink has said where to start, and what will be read a second time is out
// of the way.
bool SourceWorker::may_open() {
  if (!start_known_) {
    start_known_ = context_.positions->take_start(&position_);
    gives_positions_ = !position_.empty();
    if (start_known_ && !position_.empty()) {
      to_commit_ = position_;
      commit_pending_ = true;  // (I2)
    }
    return start_known_;
  }
  if (!context_.settings->exactly_once || between_transactions_.load(std::memory_order_relaxed)) {
    return true;
  }
  if (!drop_asked_) {
    uint64_t watermarks = 0;
    const uint64_t dropped = context_.queue->drop_incomplete(&watermarks);
    context_.counters->records_read.fetch_sub(dropped, std::memory_order_relaxed);
    context_.counters->watermarks_read.fetch_sub(watermarks, std::memory_order_relaxed);
    drop_asked_ = true;
    context_.positions->ask_to_drop();
    context_.lifecycle->sink_wakeup().notify();
  }
  if (context_.positions->drop_asked()) {
    return false;
  }
  drop_asked_ = false;
  between_transactions_.store(true, std::memory_order_relaxed);
  return true;
}

void SourceWorker::request_stop() {
  if (between_transactions_.load(std::memory_order_relaxed)) {
    source_->request_stop();
  }
}

StepResult SourceWorker::open(int64_t now_ns) {
  context_.lifecycle->set_phase(Role::kSource, Phase::kOpening);
  config_refresh_.apply(*source_);
  CallResult result = source_->open(position_);
  if (result.status == DSTREAM_CANCELLED && context_.lifecycle->stop_requested()) {
    finish_reading();  // It did as it was told: no failure to show.
    return StepResult::again();
  }
  if (!result.ok()) {
    handle_failure(Call::kOpen, "open", result, now_ns);
    return StepResult::again();
  }
  open_ = true;
  stop_passed_on_ = read_since_open_ = false;
  read_at_ns_ = 0;
  retrying_ = Call::kNone;
  context_.lifecycle->set_phase(Role::kSource, Phase::kOpen);
  return StepResult::again();
}

StepResult SourceWorker::read(int64_t now_ns, int64_t max_wait_ns) {
  // While something waits to be committed, the next position is at most an interval away.
  bool idle = context_.counters->records_durable.load(std::memory_order_relaxed) >=
              context_.counters->records_read.load(std::memory_order_relaxed);
  int64_t wait_ns = idle ? kIdleWaitNs : context_.settings->checkpoint_interval_ms * kNanosPerMilli;
  wait_ns = std::min({wait_ns, max_wait_ns, kIdleWaitNs});
  if (retrying_ == Call::kRead) {
    context_.lifecycle->set_phase(Role::kSource, Phase::kOpening);
  }
  dstream_batch* batch = nullptr;
  CallResult result =
      source_->read(context_.settings->batch_max_records, to_wait_ms(wait_ns), &batch);
  switch (result.status) {
    case DSTREAM_OK:
      call_succeeded(Call::kRead);
      take_batch(batch);
      return StepResult::again();
    case DSTREAM_AGAIN:
      call_succeeded(Call::kRead);
      if (context_.lifecycle->stop_requested()) {
        stop_inside_transaction();
      }
      // A call that did wait has used this time up already.
      read_at_ns_ = now_ns + std::min(wait_ns, kAgainPauseNs);
      return StepResult::again();
    case DSTREAM_END:
      // First the end, then the word to the sink: a sink with nothing to do finishes at once, and a
      // pipeline whose sink has finished must be draining by then.
      context_.lifecycle->end();
      finish_reading();
      return StepResult::again();
    case DSTREAM_CANCELLED:
      if (context_.lifecycle->stop_requested()) {
        finish_reading();
        return StepResult::again();
      }
      [[fallthrough]];
    default:
      handle_failure(Call::kRead, "read", result, now_ns);
      return StepResult::again();
  }
}

// The rest of the transaction is not there yet. The source is told, and gives what it still holds;
// but one that was opened again does not know yet that it is inside a transaction.
void SourceWorker::stop_inside_transaction() {
  if (!read_since_open_) {
    return;
  }
  if (stop_passed_on_) {
    finish_reading();
    return;
  }
  stop_passed_on_ = true;
  source_->request_stop();
}

void SourceWorker::take_batch(dstream_batch* batch) {
  read_since_open_ = true;
  gap_inside_ = false;
  uint32_t count = batch->record_count;
  context_.counters->records_read.fetch_add(count, std::memory_order_relaxed);
  bool at_end = ends_with_position(*batch);
  // A position before the batch's end would continue in the middle of what is dropped as a whole.
  const bool resumable = at_end || !context_.settings->exactly_once;
  for (uint32_t i = count; i > 0 && resumable; --i) {
    const dstream_bytes& position = DSTREAM_RECORD_AT(batch, i - 1)->position;
    if (position.size > 0) {
      position_.assign(reinterpret_cast<const char*>(position.data), position.size);
      gives_positions_ = true;
      break;
    }
  }
  between_transactions_.store(at_end, std::memory_order_relaxed);
  const uint32_t watermarks = context_.queue->push(batch);
  context_.counters->watermarks_read.fetch_add(watermarks, std::memory_order_relaxed);
  context_.metrics->source_records.add(count - watermarks);
}

StepResult SourceWorker::commit(int64_t now_ns) {
  if (retrying_ == Call::kCommit) {
    context_.lifecycle->set_phase(Role::kSource, Phase::kOpening);
  }
  CallResult result = source_->commit(to_commit_);  // (I2)
  if (result.ok()) {
    commit_pending_ = false;
    commit_back_off_.succeeded();
    call_succeeded(Call::kCommit);
  } else {
    handle_failure(Call::kCommit, "commit", result, now_ns);
  }
  return StepResult::again();
}

StepResult SourceWorker::finish(int64_t now_ns) {
  if (!reading_finished_) {
    finish_reading();
  }
  if (!start_known_) {
    may_open();  // What the sink has is to be told to the source, if there is still a connection.
  }
  if (commit_pending_ && open_ && !context_.lifecycle->must_give_up(now_ns)) {
    return StepResult::wait(std::min(commit_at_ns_, context_.lifecycle->deadline_ns()));
  }
  if (commit_pending_) {
    context_.log->write(LogLevel::kWarn, "The source was closed without the last commit.",
                        {{"pipeline", context_.settings->name}});
  }
  if (open_) {
    source_->close();
    open_ = false;
  }
  finished_ = true;
  context_.lifecycle->set_phase(Role::kSource, Phase::kFinished);
  return StepResult::done();
}

void SourceWorker::finish_reading() {
  reading_finished_ = true;
  context_.lifecycle->set_reading_finished();
}

void SourceWorker::handle_failure(Call call, const char* name, const CallResult& result,
                                  int64_t now_ns) {
  Error error = plugin_error(Role::kSource, context_.settings->source.type, name, result);
  if (result.status == DSTREAM_DATA_LOSS) {
    handle_data_loss(call, result, std::move(error), now_ns);
    return;
  }
  BackOff& back_off = call == Call::kCommit ? commit_back_off_ : back_off_;
  bool denied = result.status == DSTREAM_DENIED;
  bool again = result.status == DSTREAM_RETRY || result.status == DSTREAM_REOPEN || denied ||
               result.status == DSTREAM_CANCELLED;
  if (!again || (denied && !back_off.may_be_denied(now_ns)) || back_off.exhausted(now_ns)) {
    context_.lifecycle->fail(std::move(error), now_ns);
    if (call == Call::kCommit) {
      commit_pending_ =
          false;  // Told once that it cannot be; the position is durable all the same.
    }
    return;
  }
  context_.metrics->source_retries.add();
  int64_t at_ns = now_ns + back_off.next_ns(now_ns, result.error.retry_after_ms);
  context_.lifecycle->set_phase(Role::kSource, Phase::kBackingOff, error);
  retrying_ = call;
  if (denied) {
    config_refresh_.denied();
  }
  if (result.status == DSTREAM_RETRY && call == Call::kRead) {
    read_at_ns_ = at_ns;
  } else if (result.status == DSTREAM_RETRY && call == Call::kCommit) {
    commit_at_ns_ = at_ns;
  } else {
    reopen(at_ns);
  }
}

// What was to come next is gone upstream.
void SourceWorker::handle_data_loss(Call call, const CallResult& result, Error error,
                                    int64_t now_ns) {
  bool go_on = context_.settings->on_data_loss == OnDataLoss::kContinue && call != Call::kCommit;
  if (!go_on || (call == Call::kOpen && position_.empty())) {
    context_.lifecycle->fail(std::move(error), now_ns);
    return;
  }
  context_.log->write(
      LogLevel::kError, "Changes are missing; the pipeline goes on with the oldest still there.",
      {{"pipeline", context_.settings->name}, {"code", error.code}, {"reason", error.message}});
  context_.metrics->source_gaps.add();
  context_.positions->add_gap(
      {context_.clock->wall_ns(), position_, std::string(result.message())});
  context_.lifecycle->sink_wakeup().notify();
  position_.clear();  // An empty position is the oldest the source has.
  gap_inside_ = true;
  context_.lifecycle->set_phase(Role::kSource, Phase::kBackingOff, error);
  retrying_ = call;
  reopen(now_ns + back_off_.next_ns(now_ns, 0));
}

void SourceWorker::reopen(int64_t at_ns) {
  open_at_ns_ = at_ns;
  if (open_) {
    source_->close();
    open_ = false;
  }
}

void SourceWorker::call_succeeded(Call call) {
  if (call == Call::kRead) {
    back_off_.succeeded();
  }
  if (retrying_ == call) {
    retrying_ = Call::kNone;
    context_.lifecycle->set_phase(Role::kSource, Phase::kOpen);
  }
}

}  // namespace dstream::core
