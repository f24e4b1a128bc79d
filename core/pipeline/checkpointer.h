// Decides when the frontier is made durable, and hands it over to be committed.
//
// Every checkpoint.interval if there is something new, at once after a quiet time, and at the end.
// A write that fails is tried again with back-off; until one succeeds nothing is committed (I2) and
// delivery goes on.
//
// Thread rule: [worker] of the sink.
#pragma once

#include <cstdint>

#include "core/pipeline/back_off.h"
#include "core/pipeline/checkpoint_store.h"
#include "core/pipeline/settle_tracker.h"
#include "core/pipeline/worker.h"

namespace dstream::core {

class Checkpointer {
 public:
  // `store` is borrowed.
  Checkpointer(const WorkerContext& context, CheckpointStore* store);

  // Something settled since the last call.
  void note_progress() { progress_ = true; }
  // Writes if it is time to. Returns when to call again, INT64_MAX if only progress changes that.
  int64_t step(int64_t now_ns, const SettleTracker& tracker);
  // Writes now, whatever the time. True if everything that may be stored is durable; else call
  // again at retry_at_ns().
  bool finish(int64_t now_ns, const SettleTracker& tracker);
  int64_t retry_at_ns() const { return next_ns_; }

  // What a checkpoint at `frontier` says, for a sink that keeps it.
  Checkpoint offer(const Frontier& frontier);
  // The sink holds what was offered last: the file follows.
  void committed() { committed_wall_ns_ = offered_wall_ns_; }
  // The sink's checkpoint is ahead of the file: go on from it, and make the file follow. REQUIRES:
  // nothing was written yet.
  void adopt(const Checkpoint& checkpoint);

 private:
  int64_t next_wall_ns();
  Checkpoint checkpoint_at(const Frontier& frontier, int64_t wall_ns) const;
  bool write_if_new(int64_t now_ns, const SettleTracker& tracker);

  const WorkerContext context_;
  CheckpointStore* const store_;
  BackOff back_off_;
  const int64_t interval_ns_;
  uint64_t first_records_;  // what the checkpoint counted before this start
  bool progress_ = true;
  int64_t written_wall_ns_ = 0;    // of the newest checkpoint
  int64_t offered_wall_ns_ = 0;    // of the newest that a sink was given
  int64_t committed_wall_ns_ = 0;  // and of the newest that it holds
  int64_t next_ns_ = 0;
  uint64_t durable_record_ = 0;
  uint64_t gaps_ = 0;
  bool gap_to_store_ = false;
  std::optional<CheckpointGap> last_gap_;
  Frontier frontier_;
};

}  // namespace dstream::core
