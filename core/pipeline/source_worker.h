// The half of a pipeline that reads: opens the source at a position, reads batches while there is
// room in the byte budget, commits what the sink worker has made durable.
//
// Thread rule: step() [worker]; request_stop() [any-thread].
#pragma once

#include <atomic>
#include <string>

#include "core/pipeline/back_off.h"
#include "core/pipeline/config_refresh.h"
#include "core/pipeline/worker.h"

namespace dstream::core {

class SourceWorker {
 public:
  // `source` is borrowed. `position`: of the checkpoint, empty for the beginning; with exactly_once
  // PositionExchange::take_start() says it later.
  SourceWorker(const WorkerContext& context, GuardedSource* source, std::string position);

  // At most one plugin call, which may wait for `max_wait_ns`.
  StepResult step(int64_t now_ns, int64_t max_wait_ns);
  // Wakes a read() that waits, so that a stop need not. Between two transactions only: one that has
  // been read in part is read to its end first, because what is delivered of it could not be
  // skipped after the next start (I10).
  void request_stop();

 private:
  enum class Call { kNone, kOpen, kRead, kCommit };

  StepResult open(int64_t now_ns);
  StepResult read(int64_t now_ns, int64_t max_wait_ns);
  StepResult commit(int64_t now_ns);
  StepResult finish(int64_t now_ns);
  void take_batch(dstream_batch* batch);
  void stop_inside_transaction();
  bool may_open();
  void handle_failure(Call call, const char* name, const CallResult& result, int64_t now_ns);
  void handle_data_loss(Call call, const CallResult& result, Error error, int64_t now_ns);
  void reopen(int64_t at_ns);
  void call_succeeded(Call call);
  void finish_reading();

  const WorkerContext context_;
  GuardedSource* const source_;
  ConfigRefresh config_refresh_;
  BackOff back_off_;
  BackOff commit_back_off_;

  std::string position_;  // where open() continues: the last one read, or the checkpoint's
  std::string to_commit_;
  bool commit_pending_ = false;
  bool open_ = false;
  bool finished_ = false;
  bool reading_finished_ = false;
  bool drop_asked_ = false;   // the sink worker has been asked to drop what will be read again
  bool start_known_ = false;  // position_ is where to start; with exactly_once the sink says
  bool stop_passed_on_ = false;
  bool read_since_open_ = false;
  bool gives_positions_ = false;  // so that a transaction of which a part was read has an end
  bool gap_inside_ = false;       // but changes were lost since that part was read
  Call retrying_ = Call::kNone;   // the call that failed last and has not worked since
  int64_t open_at_ns_ = 0;
  int64_t read_at_ns_ = 0;
  int64_t commit_at_ns_ = 0;
  std::atomic<bool> between_transactions_{true};
};

}  // namespace dstream::core
