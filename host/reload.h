// Reading the configuration of a running host again, and what has come of it.
//
// Requests are numbered and done one after the other by a thread of its own: a plugin that hangs in
// create() holds up neither signals nor the admin interface. What one request comes to:
//
//   waiting -> checking -> refused                the files are wrong; nothing has changed
//                       -> applying -> done       every pipeline has left its start behind
//
//   Reloads reloads(settings);
//   reloads.start();
//   uint64_t number = reloads.request("");        // all pipelines; "people": that one
//   reloads.report(number);                       // again and again, until it is done or refused
//   reloads.stop(3000);
//
// Thread rule: start() and stop() from one thread; the rest [any-thread].
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/base/error.h"
#include "core/base/log.h"
#include "host/pipeline_runner.h"
#include "host/reload_plan.h"

namespace dstream::host {

// The files as they are now, checked.
struct NewConfiguration {
  std::vector<core::PipelineSettings> pipelines;
  std::vector<core::Error> warnings;
  // Keys of the process that have another value than at its start: "log.level".
  std::vector<std::string> restart_needed;
  core::Rereads rereads;  // secrets of these files
};

// What a reload acts on. [any-thread]
class ReloadTarget {
 public:
  virtual ~ReloadTarget() = default;
  // Every pipeline of the process, with its settings.
  virtual std::vector<ConfiguredPipeline> configured() = 0;
  // Does what the plan says, without waiting for it; unchanged pipelines only take over `rereads`.
  // The runners of the plan's entries, in its order; nullptr where there is none. Errors:
  // DS-RELOAD-STOPPING if the process is about to end; nothing has then been done.
  virtual core::Result<std::vector<std::shared_ptr<PipelineRunner>>> apply(
      const std::vector<PlannedPipeline>& plan, const core::Rereads& rereads) = 0;
};

enum class ReloadState { kWaiting, kChecking, kRefused, kApplying, kDone };
const char* to_string(ReloadState state);

struct ReloadedPipeline {
  std::string name;
  ReloadAction action = ReloadAction::kUnchanged;
  std::string state;  // of the pipeline: "running"
  std::optional<core::Error> error;
};

struct ReloadReport {
  uint64_t number = 0;
  ReloadState state = ReloadState::kWaiting;
  std::vector<core::Error> errors;  // why it was refused
  std::vector<core::Error> warnings;
  std::vector<std::string> restart_needed;
  std::vector<ReloadedPipeline> pipelines;
};

struct ReloadSettings {
  // Reads and checks. Called from the thread of the reloads.
  std::function<tl::expected<NewConfiguration, std::vector<core::Error>>()> read;
  // Why a pipeline could not be started with these settings, as far as its state tells.
  std::function<std::optional<core::Error>(const core::PipelineSettings&)> check_state;
  ReloadTarget* target = nullptr;  // borrowed
  core::Log* log = nullptr;        // borrowed
};

class Reloads {
 public:
  static constexpr size_t kReportsMax = 16;  // older ones are forgotten

  explicit Reloads(ReloadSettings settings);
  ~Reloads();  // REQUIRES: never started, or stop() returned true
  Reloads(const Reloads&) = delete;
  Reloads& operator=(const Reloads&) = delete;

  void start();
  // Requests that wait are refused. False if a plugin keeps the thread: end the process with
  // std::_Exit().
  bool stop(int64_t max_wait_ms);

  // The number of a reload that will be done; one that still waits serves all who ask for it.
  // `only` is a pipeline's name, or empty.
  uint64_t request(const std::string& only);
  // How it stands now; nullopt if there is none of that number, or not any more.
  std::optional<ReloadReport> report(uint64_t number);

 private:
  struct Reload {
    ReloadReport report;
    std::string only;
    std::vector<std::shared_ptr<PipelineRunner>> runners;  // of report.pipelines
  };

  void run();
  void carry_out(Reload& reload);
  bool check(const NewConfiguration& configuration, const Reload& reload,
             const std::vector<PlannedPipeline>& plan, std::vector<core::Error>& errors);
  void refuse(Reload& reload, std::vector<core::Error> errors);
  void log_done(const ReloadReport& report);
  Reload* next();

  const ReloadSettings settings_;
  std::promise<void> ended_;
  std::thread thread_;

  std::mutex mutex_;  // guards all below, and what the reloads hold
  std::condition_variable wanted_;
  std::deque<std::unique_ptr<Reload>> reloads_;  // in the order of their numbers
  uint64_t last_number_ = 0;
  bool stops_ = false;
};

}  // namespace dstream::host
