// One pipeline from its creation to its end, on a thread that does nothing but wait for it.
//
// A pipeline that cannot be created or fails ends its own runner only; the others go on. A runner
// may follow another one of the same name: it then waits until that has ended and has given back
// the lock on the state (I9), and shows what that one is doing meanwhile.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "core/pipeline/pipeline.h"

namespace dstream::host {

class PipelineRunner {
 public:
  // `on_end` is called from the runner's thread when ended() has become true. A `predecessor` has
  // been told to retire().
  PipelineRunner(core::PipelineSettings settings, const core::PipelineEnvironment& environment,
                 std::function<void()> on_end,
                 std::shared_ptr<PipelineRunner> predecessor = nullptr);
  ~PipelineRunner();  // REQUIRES: ended(), or start() was never called
  PipelineRunner(const PipelineRunner&) = delete;
  PipelineRunner& operator=(const PipelineRunner&) = delete;

  void start();
  // Each also before the pipeline is there, which is then not made. [any-thread]
  void request_stop();
  void stop_now();
  // Drains, and gives the pipeline back once it has ended and nobody looks at it any more: what it
  // has locked is free then. [any-thread]
  void retire();
  // Where the secrets are read again from now on. [any-thread]
  void set_rereads(core::Rereads rereads);

  const core::PipelineSettings& settings() const { return settings_; }
  const std::string& name() const { return settings_.name; }
  const std::string& source_type() const { return settings_.source.type; }
  const std::string& sink_type() const { return settings_.sink.type; }
  // Nothing of a retired one is left. [any-thread]
  bool gone() const;
  bool ended() const { return ended_.load(std::memory_order_acquire); }
  // It has ended, or its pipeline has been made and is past its start, and not on its way to fail.
  // [any-thread]
  bool settled() const;
  // The predecessor's until there is a pipeline; nullopt if there is neither. [any-thread]
  std::optional<core::PipelineStatus> status() const;
  // Calls into the plugins; while one of them hangs there, stops and status() still work.
  // [any-thread]
  core::PluginStatus plugin_status();
  // DS-SNAPSHOT-* if the source does not take it; false: it was asked for already. [any-thread]
  core::Result<bool> request_snapshot(const std::string& table);
  // Why it could not be created; nullopt if it was, or may still be. [any-thread]
  std::optional<core::Error> create_error() const;
  // Why it could not be created, failed, or stopped with records undelivered though it had its
  // time. nullopt while it has not ended. [any-thread]
  std::optional<core::Error> error() const;
  // A plugin call never returned: nothing of this process may be torn down. [any-thread]
  bool abandoned() const;

 private:
  enum class Stop { kNo, kDrain, kNow };
  class Use;  // keeps the pipeline while somebody calls it

  void run();
  // Nothing of the predecessor is left, or it hangs (DS-RELOAD-HANGING).
  std::optional<core::Error> await_predecessor();
  void make();
  void end();
  void pass_on_stop();                                 // REQUIRES: mutex_ held
  std::optional<core::Error> end_error() const;        // REQUIRES: mutex_ held
  std::unique_ptr<core::Pipeline> take_if_unneeded();  // REQUIRES: mutex_ held
  void give_back(std::unique_ptr<core::Pipeline> pipeline);

  core::Rereads rereads() const;

  const core::PipelineSettings settings_;
  core::PipelineEnvironment environment_;
  const std::function<void()> on_end_;
  std::thread thread_;
  std::atomic<bool> ended_{false};

  mutable std::mutex rereads_mutex_;  // guards rereads_; a worker of the pipeline takes it
  core::Rereads rereads_;

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::shared_ptr<PipelineRunner> predecessor_;
  std::unique_ptr<core::Pipeline> pipeline_;
  int users_ = 0;         // of pipeline_, without the runner's own thread
  bool retired_ = false;  // asked to give the pipeline back
  bool gone_ = false;     // and it has been destroyed, or there never was one
  Stop stop_ = Stop::kNo;
  std::optional<core::Error> create_error_;
  std::optional<core::PipelineStatus> last_status_;  // of the end
  std::optional<core::Error> end_error_;
  bool abandoned_ = false;
};

}  // namespace dstream::host
