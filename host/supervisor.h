// Runs all pipelines of a process: starts them, writes status lines, turns signals into stops, and
// does what a reload has decided.
//
// The first signal drains: sources stop reading, what was read is delivered, positions are made
// durable. A second one stops at once; what was not confirmed is read again after the next start.
// A third one ends the process on the spot, which is as safe: a position is durable only after what
// came before it was delivered (I1). SIGHUP is passed on where somebody wants it, unless it says
// that the terminal has gone.
//
// Thread rule: run() is called once; everything happens on that thread but the pipelines, and what
// AdminTarget and ReloadTarget have, which is [any-thread] from the constructor to the destructor.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/pipeline/pipeline.h"
#include "host/admin.h"
#include "host/delivery_rate.h"
#include "host/pipeline_runner.h"
#include "host/reload.h"
#include "host/signals.h"

namespace dstream::host {

class Supervisor final : public AdminTarget, public ReloadTarget {
 public:
  // After a second signal, for a thread that does not come back from a plugin.
  static constexpr int64_t kStopNowTimeoutMs = 3000;

  // `environment` and `signals` are borrowed. `status_interval_ms` 0: no status lines.
  Supervisor(std::vector<core::PipelineSettings> pipelines,
             const core::PipelineEnvironment& environment, StopSignals* signals,
             int64_t status_interval_ms);

  // What SIGHUP calls; without it SIGHUP stops, too. Before run().
  void on_hangup(std::function<void()> reload) { on_hangup_ = std::move(reload); }

  // Returns when every pipeline has ended, with the exit code: 0 if all ended by themselves;
  // 128 + signal after a stop that was asked for; if pipelines failed, their error's exit code if
  // they agree, else 1. Ends the process itself if a plugin keeps a thread.
  int run();
  // Why pipelines failed. REQUIRES: run() returned.
  std::vector<core::Error> errors() const;

  std::vector<PipelineView> pipelines() override;
  core::Result<bool> request_snapshot(const std::string& pipeline,
                                      const std::string& table) override;
  std::vector<ConfiguredPipeline> configured() override;
  core::Result<std::vector<std::shared_ptr<PipelineRunner>>> apply(
      const std::vector<PlannedPipeline>& plan, const core::Rereads& rereads) override;

 private:
  using Runner = std::shared_ptr<PipelineRunner>;

  struct Counters {
    uint64_t records_read = 0;
    uint64_t records_delivered = 0;
    core::PipelineState state = core::PipelineState::kStarting;
    int quiet_lines = 0;
  };

  void handle_signal(int signal);
  void write_status(bool final);
  void write_status(const PipelineRunner& runner, const core::PipelineStatus& status, bool final);
  void report_ended();
  // Notes that nothing more may be started, if so.
  bool all_ended();
  std::vector<Runner> runners() const;
  std::vector<Runner> runners_and_leaving() const;
  Runner make_runner(core::PipelineSettings settings, const core::Rereads& rereads,
                     Runner predecessor);
  Runner carry_out(const PlannedPipeline& planned, const core::Rereads& rereads);
  void forget_left();
  int finish();
  double sampled_rate(const std::string& pipeline, uint64_t delivered);

  const core::PipelineEnvironment environment_;
  StopSignals* const signals_;
  const int64_t status_interval_ms_;
  Notifier ended_;
  Timer status_timer_;
  Timer patience_;
  std::function<void()> on_hangup_;
  std::map<std::string, Counters> last_;
  std::vector<Runner> reported_;
  int64_t last_status_ns_ = 0;
  int signals_seen_ = 0;
  int first_signal_ = 0;

  mutable std::mutex runners_mutex_;  // guards the next three
  std::vector<Runner> runners_;
  std::vector<Runner> leaving_;  // replaced or removed, and not yet gone
  bool closing_ = false;         // a stop was asked for, or all have ended: nothing is started

  std::mutex rates_mutex_;  // guards rates_
  std::map<std::string, DeliveryRate> rates_;
};

}  // namespace dstream::host
