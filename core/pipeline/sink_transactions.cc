// The sink worker under `delivery: exactly_once`; see docs/design/007-exactly-once.md.
#include <algorithm>
#include <utility>

#include "core/base/assert.h"
#include "core/pipeline/limits.h"
#include "core/pipeline/sink_worker.h"

namespace dstream::core {
namespace {

using Stage = TransactionState::Stage;

// The newer of two checkpoints of one pipeline. Both are safe to go on from; the one that covers
// more repeats less. Watermarks move the position without a record, so the time decides then.
bool is_newer(const Checkpoint& one, const std::optional<Checkpoint>& other) {
  return !other || one.records > other->records ||
         (one.records == other->records && one.written_wall_ns > other->written_wall_ns);
}

Error refused(std::string code, std::string message, std::string hint) {
  return {std::move(code), std::move(message), std::move(hint), std::nullopt, ExitCode::kRefused};
}

}  // namespace

// ---- where to start ----------------------------------------------------------------------------

StepResult SinkWorker::read_committed(int64_t now_ns) {
  std::string found;
  CallResult result;
  {
    InsideCall inside(this);
    result = sink_->committed_checkpoint(&found);
  }
  if (!result.ok()) {
    handle_failure(Call::kOpen, "committed", result, now_ns);
    return StepResult::again();
  }
  if (!transaction_->started) {
    start_from(found, now_ns);
  } else {
    resume_from(found, now_ns);
  }
  transaction_->stage = Stage::kNone;
  transaction_->committed_at_ns = now_ns;
  return StepResult::again();
}

void SinkWorker::start_from(const std::string& found, int64_t now_ns) {
  const std::string where = "The checkpoint that " + context_.settings->sink.type + " keeps";
  const std::optional<Checkpoint>& file = store_->current();
  std::string position = file ? file->position : std::string();
  if (!found.empty()) {
    Result<Checkpoint> parsed = parse_checkpoint(found, where);
    if (!parsed) {
      failed_ = true;
      fail(parsed.error(), now_ns);
      return;
    }
    if (parsed->pipeline != context_.settings->name ||
        parsed->source_type != context_.settings->source.type) {
      failed_ = true;
      fail(refused("DS-CHECKPOINT-MISMATCH",
                   where + " belongs to the pipeline '" + parsed->pipeline + "' with the source '" +
                       parsed->source_type + "'.",
                   "Give the pipeline another name."),
           now_ns);
      return;
    }
    if (is_newer(*parsed, file)) {
      position = parsed->position;
      checkpointer_.adopt(*parsed);
    }
  }
  transaction_->started = true;
  transaction_->committed = found;
  context_.positions->set_start(position);
  context_.lifecycle->source_wakeup().notify();
}

// A session after the first: what the sink holds says how the last transaction ended.
void SinkWorker::resume_from(const std::string& found, int64_t now_ns) {
  TransactionState& state = *transaction_;
  if (!state.committing.empty() && found == state.committing) {
    tracker_.settle_all();
    settled_some_ = true;
    took_committed();
  } else if (found != state.committed) {
    failed_ = true;
    fail(refused("DS-DELIVERY-FENCED",
                 "Another host runs the pipeline '" + context_.settings->name +
                     "': the position that " + context_.settings->sink.type +
                     " keeps has moved without this one.",
                 "Stop one of the two. Started again, this one goes on where the other is."),
         now_ns);
  }
  state.committing.clear();
}

// What comes before any write; nullopt if writing may go on.
std::optional<StepResult> SinkWorker::step_transaction(int64_t now_ns, int64_t max_wait_ns,
                                                       int64_t* due_ns) {
  if (transaction_->stage == Stage::kUnread) {
    return read_committed(now_ns);
  }
  if (transaction_->stage == Stage::kCommitting && rejects_pending_) {
    return StepResult::wait(*due_ns);  // Until the dead letter is safe (I1).
  }
  if (transaction_->stage == Stage::kCommitting && now_ns < transaction_->commit_again_at_ns) {
    return StepResult::wait(std::min(*due_ns, transaction_->commit_again_at_ns));
  }
  if (transaction_->stage == Stage::kCommitting) {
    return commit_transaction(now_ns, max_wait_ns, *due_ns);
  }
  if (tracker_.next_to_write() != nullptr) {
    return std::nullopt;
  }
  if (wants_commit(now_ns)) {
    return transaction_->stage == Stage::kNone ? begin_transaction(now_ns)
                                               : commit_transaction(now_ns, max_wait_ns, *due_ns);
  }
  if (is_stuck()) {
    failed_ = true;
    fail({"DS-DELIVERY-TRANSACTION-SIZE",
          "A transaction of the source does not fit into the memory of the pipeline '" +
              context_.settings->name + "', and exactly_once cannot deliver a part of it.",
          "Raise queue.max_bytes.", context_.settings->place, ExitCode::kFailed},
         now_ns);
    return StepResult::again();
  }
  *due_ns = std::min(*due_ns, commit_due_ns());
  return std::nullopt;
}

// ---- one transaction ---------------------------------------------------------------------------

// It may end here: the position belongs to exactly what was written.
bool SinkWorker::may_commit() const {
  if (rejects_pending_) {
    return false;  // (I1)
  }
  return tracker_.empty() ? tracker_.retired_position_record() > transaction_->committed_record
                          : tracker_.ends_with_position();
}

// REQUIRES: everything that was taken from the queue is written.
bool SinkWorker::wants_commit(int64_t now_ns) const {
  const TransactionState& state = *transaction_;
  if (!may_commit() || (state.stage == Stage::kNone && !tracker_.empty())) {
    return false;
  }
  // Half of the memory is left for what is read meanwhile (I6).
  return now_ns >= commit_due_ns() ||
         context_.budget->used() - context_.queue->bytes() >= context_.budget->bytes_max() / 2 ||
         (context_.lifecycle->reading_finished() && context_.queue->empty());
}

// INT64_MAX if time alone brings no commit.
int64_t SinkWorker::commit_due_ns() const {
  const TransactionState& state = *transaction_;
  if (!may_commit()) {
    return INT64_MAX;
  }
  const int64_t since_ns = state.stage == Stage::kOpen ? state.begun_at_ns : state.committed_at_ns;
  return since_ns + context_.settings->checkpoint_interval_ms * kNanosPerMilli;
}

// The source is inside a transaction that it cannot resume, and there is no room for its end.
bool SinkWorker::is_stuck() const {
  if (tracker_.empty() || tracker_.ends_with_position()) {
    return false;
  }
  return context_.queue->empty() ? !context_.budget->has_room_to_read()
                                 : !context_.budget->has_room_to_encode();
}

StepResult SinkWorker::begin_transaction(int64_t now_ns) {
  CallResult result;
  {
    InsideCall inside(this);
    result = sink_->begin_transaction();
  }
  if (!result.ok()) {
    handle_failure(Call::kBegin, "begin", result, now_ns);
    return StepResult::again();
  }
  transaction_->stage = Stage::kOpen;
  // With nothing to write it is for watermarks, which have waited for their time already.
  transaction_->begun_at_ns = tracker_.empty() ? transaction_->committed_at_ns : now_ns;
  return StepResult::again();
}

StepResult SinkWorker::commit_transaction(int64_t now_ns, int64_t max_wait_ns, int64_t due_ns) {
  TransactionState& state = *transaction_;
  if (state.stage == Stage::kOpen) {
    tracker_.frontier_of_all(&state.committing_frontier);
    DSTREAM_ASSERT(state.committing_frontier.position_record > state.committed_record);  // (I4)
    state.committing = format_checkpoint(checkpointer_.offer(state.committing_frontier));
    state.stage = Stage::kCommitting;
    state.commit_again_at_ns = 0;
  }
  const int64_t wait_ns =
      std::max<int64_t>(std::min({kFlushWaitNs, max_wait_ns, due_ns - now_ns}), 0);
  CallResult result;
  {
    InsideCall inside(this);
    result = sink_->commit_transaction(state.committing, to_wait_ms(wait_ns));
  }
  if (result.status == DSTREAM_AGAIN) {
    // A call that did wait has used this time up already.
    state.commit_again_at_ns = now_ns + std::max(wait_ns, kAgainPauseNs);
    return StepResult::wait(std::min(due_ns, state.commit_again_at_ns));
  }
  if (!result.ok()) {
    handle_failure(Call::kCommit, "commit", result, now_ns);
    return StepResult::again();
  }
  state.stage = Stage::kNone;
  state.committed_at_ns = now_ns;
  took_committed();
  return StepResult::again();
}

// What was being committed is: the file may follow, and then the source is told (I2).
void SinkWorker::took_committed() {
  TransactionState& state = *transaction_;
  state.committed = std::exchange(state.committing, {});
  state.committed_record = state.committing_frontier.position_record;
  tracker_.set_committed(state.committing_frontier);
  checkpointer_.committed();
  checkpointer_.note_progress();
}

// close() has aborted what was not committed; only of a commit under way it is not known.
void SinkWorker::session_of_transactions_ended() {
  if (transaction_->stage != Stage::kCommitting && transaction_->stage != Stage::kUnread) {
    transaction_->committing.clear();
  }
  transaction_->stage = Stage::kUnread;
}

// ---- what is read a second time ----------------------------------------------------------------

// The source lost its place inside a transaction, or has ended there: what was read behind the last
// position comes again and must not be delivered now.
void SinkWorker::drop_what_comes_again(int64_t now_ns) {
  const bool ended = context_.lifecycle->reading_finished();
  if ((!ended && !context_.positions->drop_asked()) || session_ == Session::kSettling) {
    return;
  }
  if (context_.queue->empty() && !tracker_.empty() && !tracker_.ends_with_position()) {
    if (session_ != Session::kClosed) {
      end_session();
      open_at_ns_ = now_ns;
    }
    if (dead_letter_sink_ != nullptr) {
      dead_letter_sink_->forget();  // It may look at records that are given back.
    }
    forget_claims();
    tracker_.drop_tail();
    tracker_.rewind();
    context_.lifecycle->source_wakeup().notify();
  }
  if (context_.positions->drop_asked()) {
    context_.positions->set_dropped();
    context_.lifecycle->source_wakeup().notify();
  }
}

}  // namespace dstream::core
