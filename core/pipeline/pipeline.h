// One source, one bounded queue, one sink, run by two threads.
//
//   auto pipeline = Pipeline::create(settings, environment);   // checks, locks, loads the checkpoint
//   (*pipeline)->start();
//   ...
//   (*pipeline)->request_stop();                                // drains; honoured in time (I10)
//   (*pipeline)->wait();
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/file_system.h"
#include "core/base/log.h"
#include "core/base/metrics.h"
#include "core/pipeline/settings.h"
#include "core/plugins/registry.h"

namespace dstream::core {

// Transitions are asserted (design, section 4).
enum class PipelineState { kStarting, kRunning, kBackingOff, kDraining, kStopped, kFailed };
const char* to_string(PipelineState state);

struct PipelineStatus {
  std::string name;
  PipelineState state = PipelineState::kStarting;
  int64_t since_wall_ns = 0;
  std::optional<Error> last_error;  // why it backs off or failed
  uint64_t records_read = 0;
  uint64_t records_delivered = 0;
  uint64_t records_dead_lettered = 0;
  uint64_t queue_bytes = 0;
  uint64_t in_flight_records = 0;
  int64_t checkpoint_age_ns = 0;  // since the last durable checkpoint
  int64_t last_commit_time_ns = 0;  // commit time of the newest delivered record; 0 unknown
};

// Where the outside world comes in. Pointers are borrowed and outlive the pipeline.
struct PipelineEnvironment {
  const Clock* clock = nullptr;
  FileSystem* files = nullptr;
  Log* log = nullptr;
  MetricsRegistry* metrics = nullptr;
  const PluginRegistry* plugins = nullptr;
  std::string state_dir;
  uint64_t seed = 0;  // back-off jitter
};

// Thread rule: create, start and wait from one thread; the rest [any-thread].
class Pipeline {
 public:
  // Errors: DS-PLUGIN-UNKNOWN, DS-PLUGIN-CREATE, DS-STATE-LOCKED, DS-CHECKPOINT-* (refused, never
  // started over), DS-TOPIC-TEMPLATE.
  static Result<std::unique_ptr<Pipeline>> create(const PipelineSettings& settings,
                                                  const PipelineEnvironment& environment);
  virtual ~Pipeline() = default;
  virtual void start() = 0;
  // Stop reading, deliver what was read, checkpoint, commit, close.
  virtual void request_stop() = 0;
  // Give up the drain: what is unsettled will be read again after the next start.
  virtual void stop_now() = 0;
  // Returns when the pipeline is stopped or failed, or after `timeout_ms` (-1: no limit) with false.
  virtual bool wait(int64_t timeout_ms) = 0;
  virtual PipelineStatus status() const = 0;
};

}  // namespace dstream::core
