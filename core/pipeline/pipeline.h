// One source, one bounded queue, one sink, run by two threads.
//
// What a pipeline does with each status of a plugin, and what a stop or a crash leaves behind, is
// in docs/design/001-pipeline-engine.md and docs/delivery-guarantee.md. Files in the state folder:
// `<name>.checkpoint`, `<name>.checkpoint.previous`, `<name>.dead-letter.jsonl`, `<name>.lock`.
//
//   auto pipeline = Pipeline::create(settings, environment);   // checks, locks, loads the
//   checkpoint
//   (*pipeline)->start();
//   ...
//   (*pipeline)->request_stop();                                // drains; honoured in time (I10)
//   (*pipeline)->wait();
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/file_system.h"
#include "core/base/log.h"
#include "core/base/metrics.h"
#include "core/pipeline/settings.h"
#include "core/plugins/guard.h"
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
  uint64_t records_read = 0;        // since this start, without watermarks
  uint64_t records_delivered = 0;   // confirmed by the sink
  uint64_t records_dead_lettered = 0;
  uint64_t queue_bytes = 0;        // memory in the queue, in flight and in encodings
  uint64_t in_flight_records = 0;  // taken by the sink worker and not confirmed
  // Since the last durable checkpoint; 0 while it covers everything that was read.
  int64_t checkpoint_age_ns = 0;
  int64_t last_commit_time_ns = 0;  // commit time of the newest delivered record; 0 unknown
};

// What the instances say of themselves, JSON objects; nullopt if one does not say.
struct PluginStatus {
  std::optional<std::string> source;
  std::optional<std::string> sink;
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
  Rereads rereads;
};

// Thread rule: create, start and wait from one thread; the rest [any-thread].
class Pipeline {
 public:
  // Errors: DS-PLUGIN-UNKNOWN, DS-PLUGIN-CREATE, DS-FORMAT-UNKNOWN, DS-TOPIC-TEMPLATE; and with
  // exit code kRefused DS-STATE-LOCKED, DS-STATE-FOLDER, DS-CHECKPOINT-* (never started over).
  // Settings are copied. The state folder is locked until the pipeline is destroyed.
  static Result<std::unique_ptr<Pipeline>> create(const PipelineSettings& settings,
                                                  const PipelineEnvironment& environment);
  virtual ~Pipeline() = default;
  virtual void start() = 0;
  // Stop reading, deliver what was read, checkpoint, commit, close. Returns at once; a second call
  // does nothing.
  virtual void request_stop() = 0;
  // Give up the drain: what is unsettled will be read again after the next start. Returns at once.
  virtual void stop_now() = 0;
  // Returns when the pipeline is stopped or failed, or after `timeout_ms` (-1: no limit) with
  // false. It is also what holds a stop to its deadline when a plugin does not return: half a
  // second later the thread is left behind and the pipeline counts as stopped (I10).
  virtual bool wait(int64_t timeout_ms) = 0;
  virtual PipelineStatus status() const = 0;
  // Calls into the plugins, which must not wait; one that does holds up the caller and nobody else.
  virtual PluginStatus plugin_status() const = 0;
  // As GuardedSource::request_snapshot().
  virtual std::optional<CallResult> request_snapshot(const std::string& table) = 0;
  // True if wait() left a thread behind in a plugin call. The environment must then never be
  // destroyed: end the process with std::_Exit() once everything else is done.
  virtual bool abandoned() const { return false; }
};

}  // namespace dstream::core
