// What both workers have in common: what a step says, and what they are given.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/metrics.h"
#include "core/pipeline/batch_queue.h"
#include "core/pipeline/byte_budget.h"
#include "core/pipeline/checkpoint.h"
#include "core/pipeline/lifecycle.h"
#include "core/pipeline/settings.h"
#include "core/plugins/guard.h"

namespace dstream::core {

// A step made progress (step again at once), waits until a time or until its worker is woken, or
// has finished for good.
struct StepResult {
  bool finished = false;
  int64_t wait_until_ns = 0;

  static StepResult again() { return {false, 0}; }
  static StepResult wait(int64_t until_ns) { return {false, until_ns}; }
  static StepResult done() { return {true, 0}; }
};

// What the sink worker has made durable, for the source worker to commit(); and gaps, the other
// way. With exactly_once also where to start, which the sink knows, and the wish to drop what was
// read of a transaction that will be read again. [any-thread]
class PositionExchange {
 public:
  void publish(const std::string& position) {
    std::lock_guard lock(mutex_);
    durable_ = position;
    ++published_;
  }
  // False if nothing was published since the last take().
  bool take(std::string* position) {
    std::lock_guard lock(mutex_);
    if (taken_ == published_) {
      return false;
    }
    taken_ = published_;
    *position = durable_;
    return true;
  }
  // Where the source is to be opened first. Once.
  void set_start(const std::string& position) {
    std::lock_guard lock(mutex_);
    start_ = position;
  }
  // False while it is not known.
  bool take_start(std::string* position) {
    std::lock_guard lock(mutex_);
    if (!start_) {
      return false;
    }
    *position = *start_;
    return true;
  }
  // The source worker: what was read behind the last position at a batch's end comes again, so it
  // must not be delivered now. The source is opened when dropped() says so.
  void ask_to_drop() { drop_asked_.store(true, std::memory_order_release); }
  bool drop_asked() const { return drop_asked_.load(std::memory_order_acquire); }
  void set_dropped() { drop_asked_.store(false, std::memory_order_release); }

  void add_gap(CheckpointGap gap) {
    std::lock_guard lock(mutex_);
    gap_ = std::move(gap);
    ++gaps_;
  }
  // How many gaps were added since the last call; `last` is the newest one.
  uint64_t take_gaps(CheckpointGap* last) {
    std::lock_guard lock(mutex_);
    if (gaps_ > 0) {
      *last = gap_;
    }
    return std::exchange(gaps_, 0);
  }

 private:
  std::mutex mutex_;  // guards all below
  std::string durable_;
  uint64_t published_ = 0;
  uint64_t taken_ = 0;
  CheckpointGap gap_;
  uint64_t gaps_ = 0;
  std::optional<std::string> start_;
  std::atomic<bool> drop_asked_{false};
};

// The instruments of one pipeline; owned by the registry.
struct PipelineMetrics {
  PipelineMetrics(MetricsRegistry& registry, const std::string& pipeline);

  Counter& source_records;
  Counter& source_retries;
  Counter& source_gaps;
  Counter& sink_records;
  Counter& sink_retries;
  Counter& dead_letters;
  Counter& dead_letters_refused;
  Counter& oversize_refused;
  Counter& oversize_truncated;
  Counter& oversize_split;
  Counter& oversize_claimed;
  Counter& claim_check_bytes;
  Counter& claim_check_retries;
  Counter& checkpoint_writes;
  Counter& checkpoint_failures;
  Gauge& checkpoint_age;
  Gauge& queue_bytes;
  Gauge& queue_bytes_max;
  Gauge& in_flight_items;
  Histogram& latency;
};

// What status() shows; each is written by one worker. [any-thread]
struct PipelineCounters {
  std::atomic<uint64_t> records_read{0};  // watermarks included
  std::atomic<uint64_t> watermarks_read{0};
  std::atomic<uint64_t> records_delivered{0};  // of this start
  std::atomic<uint64_t> records_dead_lettered{0};
  std::atomic<uint64_t> records_durable{0};  // as records_read, up to the durable position
  std::atomic<uint64_t> records_open{0};     // taken from the queue and not retired
  std::atomic<int64_t> last_durable_ns{0};   // monotonic
  std::atomic<int64_t> last_commit_time_ns{0};
};

// Borrowed; everything outlives the workers. `seed` differs from worker to worker.
struct WorkerContext {
  const PipelineSettings* settings = nullptr;
  const Clock* clock = nullptr;
  Log* log = nullptr;
  Lifecycle* lifecycle = nullptr;
  ByteBudget* budget = nullptr;
  BatchQueue* queue = nullptr;
  PositionExchange* positions = nullptr;
  PipelineMetrics* metrics = nullptr;
  PipelineCounters* counters = nullptr;
  RereadConfig reread_config;  // may be empty
  uint64_t seed = 0;
};

// What a plugin said, as an operator should read it. `call` is "open", "read", ...
Error plugin_error(Role role, const std::string& connector, const char* call,
                   const CallResult& result);

// Nanoseconds as the whole milliseconds a plugin call takes; a started one counts.
uint32_t to_wait_ms(int64_t wait_ns);

}  // namespace dstream::core
