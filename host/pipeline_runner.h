// One pipeline from its creation to its end, on a thread that does nothing but wait for it.
//
// A pipeline that cannot be created or fails ends its own runner only; the others go on.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "core/pipeline/pipeline.h"

namespace dstream::host {

class PipelineRunner {
 public:
  // `on_end` is called once, from the runner's thread, when everything below it is true.
  PipelineRunner(core::PipelineSettings settings, const core::PipelineEnvironment& environment,
                 std::function<void()> on_end);
  ~PipelineRunner();  // REQUIRES: ended(), or start() was never called
  PipelineRunner(const PipelineRunner&) = delete;
  PipelineRunner& operator=(const PipelineRunner&) = delete;

  void start();
  void request_stop();  // also before the pipeline is there
  void stop_now();

  const std::string& name() const { return settings_.name; }
  const std::string& source_type() const { return settings_.source.type; }
  const std::string& sink_type() const { return settings_.sink.type; }
  bool ended() const { return ended_.load(std::memory_order_acquire); }
  // nullopt if it could not be created.
  std::optional<core::PipelineStatus> status() const;
  // Calls into the plugins; while one of them hangs there, stops and status() still work.
  // [any-thread]
  core::PluginStatus plugin_status() const;
  // DS-SNAPSHOT-* if the source does not take it; false: it was asked for already. [any-thread]
  core::Result<bool> request_snapshot(const std::string& table);
  // Why it could not be created; nullopt if it was, or may still be. [any-thread]
  std::optional<core::Error> create_error() const;
  // Why it could not be created, failed, or stopped with records undelivered though it had its
  // time. REQUIRES: ended().
  std::optional<core::Error> error() const;
  // A plugin call never returned: nothing of this process may be torn down. REQUIRES: ended().
  bool abandoned() const;

 private:
  enum class Stop { kNo, kDrain, kNow };

  void run();
  void pass_on_stop();  // REQUIRES: mutex_ held
  // Once there, it stays until this object goes.
  core::Pipeline* pipeline() const;

  const core::PipelineSettings settings_;
  const core::PipelineEnvironment environment_;
  const std::function<void()> on_end_;
  std::thread thread_;
  std::atomic<bool> ended_{false};

  mutable std::mutex mutex_;  // guards all below
  std::unique_ptr<core::Pipeline> pipeline_;
  Stop stop_ = Stop::kNo;
  std::optional<core::Error> create_error_;
};

}  // namespace dstream::host
