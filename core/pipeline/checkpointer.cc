#include "core/pipeline/checkpointer.h"

#include <algorithm>
#include <utility>

#include "core/base/assert.h"

namespace dstream::core {

Checkpointer::Checkpointer(const WorkerContext& context, CheckpointStore* store)
    : context_(context),
      store_(store),
      back_off_(RetrySettings{}, context.seed),
      interval_ns_(context.settings->checkpoint_interval_ms * kNanosPerMilli),
      first_records_(store->current() ? store->current()->records : 0) {
  if (store->current()) {
    gaps_ = store->current()->gaps;
    written_wall_ns_ = store->current()->written_wall_ns;
    last_gap_ = store->current()->last_gap;
  }
}

int64_t Checkpointer::step(int64_t now_ns, const SettleTracker& tracker) {
  CheckpointGap gap;
  if (uint64_t added = context_.positions->take_gaps(&gap); added > 0) {
    gaps_ += added;
    last_gap_ = std::move(gap);
    gap_to_store_ = progress_ = true;
  }
  if (!progress_) {
    return INT64_MAX;
  }
  if (now_ns < next_ns_) {
    return next_ns_;
  }
  return write_if_new(now_ns, tracker) ? INT64_MAX : next_ns_;
}

bool Checkpointer::finish(int64_t now_ns, const SettleTracker& tracker) {
  return write_if_new(now_ns, tracker);
}

// Of two checkpoints with as many records the time says which is the later one, so it never stands
// still and never goes back, whatever the clock does (I4).
int64_t Checkpointer::next_wall_ns() {
  written_wall_ns_ = std::max(context_.clock->wall_ns(), written_wall_ns_ + 1);
  return written_wall_ns_;
}

Checkpoint Checkpointer::checkpoint_at(const Frontier& frontier, int64_t wall_ns) const {
  Checkpoint out = store_->current().value_or(Checkpoint{});
  out.pipeline = context_.settings->name;
  out.source_type = context_.settings->source.type;
  out.position = frontier.position;
  out.records = first_records_ + frontier.data_records;
  out.written_wall_ns = wall_ns;
  out.gaps = gaps_;
  out.last_gap = last_gap_;
  return out;
}

Checkpoint Checkpointer::offer(const Frontier& frontier) {
  offered_wall_ns_ = next_wall_ns();
  return checkpoint_at(frontier, offered_wall_ns_);
}

void Checkpointer::adopt(const Checkpoint& checkpoint) {
  DSTREAM_ASSERT(durable_record_ == 0);
  first_records_ = checkpoint.records;
  gaps_ = checkpoint.gaps;
  last_gap_ = checkpoint.last_gap;
  written_wall_ns_ = std::max(written_wall_ns_, checkpoint.written_wall_ns);
  // If it cannot be written now, the next one will do: the sink has the position.
  if (Result<void> written = store_->write(checkpoint); !written) {
    context_.metrics->checkpoint_failures.add();
    context_.lifecycle->set_trouble(Trouble::kCheckpoint, written.error());
  }
}

bool Checkpointer::write_if_new(int64_t now_ns, const SettleTracker& tracker) {
  tracker.frontier(&frontier_);
  DSTREAM_ASSERT(frontier_.position_record >= durable_record_);  // (I4)
  bool moved = frontier_.position_record > durable_record_;
  if (!moved && !(gap_to_store_ && store_->current())) {
    progress_ = false;
    return true;
  }
  // A file that follows a sink has the time of what it follows: later than that, it would be taken
  // for newer than the commit that is under way (I4).
  const bool follows = context_.settings->exactly_once;
  // Without a new position only the gap is new.
  Checkpoint next = store_->current().value_or(Checkpoint{});
  if (moved) {
    next = checkpoint_at(frontier_, follows ? committed_wall_ns_ : next_wall_ns());
  } else {
    next.written_wall_ns = follows ? next.written_wall_ns : next_wall_ns();
    next.gaps = gaps_;
    next.last_gap = last_gap_;
  }
  if (Result<void> written = store_->write(next); !written) {
    context_.metrics->checkpoint_failures.add();
    context_.lifecycle->set_trouble(Trouble::kCheckpoint, written.error());
    next_ns_ = now_ns + back_off_.next_ns(now_ns, 0);
    return false;
  }
  context_.metrics->checkpoint_writes.add();
  context_.lifecycle->set_trouble(Trouble::kCheckpoint, std::nullopt);
  back_off_.succeeded();
  durable_record_ = frontier_.position_record;
  context_.counters->records_durable.store(durable_record_, std::memory_order_relaxed);
  context_.counters->last_durable_ns.store(now_ns, std::memory_order_relaxed);
  next_ns_ = now_ns + interval_ns_;
  progress_ = gap_to_store_ = false;
  if (moved) {
    context_.positions->publish(next.position);  // Only now may the source hear of it (I2).
    context_.lifecycle->source_wakeup().notify();
  }
  return true;
}

}  // namespace dstream::core
