#include "host/supervisor.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iterator>
#include <utility>

#include "host/output.h"

namespace dstream::host {
namespace {

// An idle pipeline repeats its status line only this often.
constexpr int kQuietLinesMax = 30;

const char* signal_name(int signal) {
  return signal == SIGINT ? "SIGINT" : signal == SIGTERM ? "SIGTERM" : "SIGHUP";
}

}  // namespace

Supervisor::Supervisor(std::vector<core::PipelineSettings> pipelines,
                       const core::PipelineEnvironment& environment, StopSignals* signals,
                       int64_t status_interval_ms)
    : environment_(environment), signals_(signals), status_interval_ms_(status_interval_ms) {
  for (core::PipelineSettings& settings : pipelines) {
    runners_.push_back(make_runner(std::move(settings), environment_.rereads, nullptr));
  }
}

Supervisor::Runner Supervisor::make_runner(core::PipelineSettings settings,
                                           const core::Rereads& rereads, Runner predecessor) {
  core::PipelineEnvironment environment = environment_;
  environment.rereads = rereads;
  auto runner = std::make_shared<PipelineRunner>(
      std::move(settings), environment, [this] { ended_.notify(); }, std::move(predecessor));
  sampled_rate(runner->name(), 0);
  return runner;
}

int Supervisor::run() {
  last_status_ns_ = environment_.clock->monotonic_ns();
  status_timer_.every(status_interval_ms_);
  for (const Runner& runner : runners()) {
    runner->start();
  }
  enum { kSignal, kEnded, kStatus, kPatience, kCount };
  pollfd waits[kCount] = {};
  waits[kSignal].fd = signals_->descriptor();
  waits[kEnded].fd = ended_.descriptor();
  waits[kStatus].fd = status_timer_.descriptor();
  waits[kPatience].fd = patience_.descriptor();
  for (pollfd& wait : waits) {
    wait.events = POLLIN;
  }
  while (!all_ended()) {
    if (poll(waits, kCount, -1) < 0) {
      continue;
    }
    ended_.clear();
    report_ended();
    while (auto signal = signals_->take()) {
      handle_signal(*signal);
    }
    if ((waits[kStatus].revents & POLLIN) != 0) {
      status_timer_.clear();
      write_status(false);
    }
    if ((waits[kPatience].revents & POLLIN) != 0) {
      environment_.log->write(core::LogLevel::kError,
                              "A plugin keeps a thread; the process ends without it.");
      std::_Exit(128 + first_signal_);
    }
  }
  report_ended();
  return finish();
}

bool Supervisor::all_ended() {
  auto ended = [](const Runner& runner) { return runner->ended(); };
  std::lock_guard lock(runners_mutex_);
  bool all = std::all_of(runners_.begin(), runners_.end(), ended) &&
             std::all_of(leaving_.begin(), leaving_.end(), ended);
  closing_ = closing_ || all;
  return all;
}

std::vector<Supervisor::Runner> Supervisor::runners() const {
  std::lock_guard lock(runners_mutex_);
  return runners_;
}

std::vector<Supervisor::Runner> Supervisor::runners_and_leaving() const {
  std::lock_guard lock(runners_mutex_);
  std::vector<Runner> out = runners_;
  out.insert(out.end(), leaving_.begin(), leaving_.end());
  return out;
}

void Supervisor::handle_signal(int signal) {
  if (signal == SIGHUP && on_hangup_ && signals_seen_ == 0 && !signals_->terminal_is_gone()) {
    on_hangup_();
    return;
  }
  ++signals_seen_;
  if (signals_seen_ == 1) {
    first_signal_ = signal;
    environment_.log->write(core::LogLevel::kInfo, "Draining; a second signal stops at once.",
                            {{"signal", signal_name(signal)}});
    {
      std::lock_guard lock(runners_mutex_);
      closing_ = true;
    }
    for (const Runner& runner : runners_and_leaving()) {
      runner->request_stop();
    }
    return;
  }
  if (signals_seen_ == 2) {
    environment_.log->write(core::LogLevel::kWarn,
                            "Stopping at once; what is not confirmed will be read again.",
                            {{"signal", signal_name(signal)}});
    for (const Runner& runner : runners_and_leaving()) {
      runner->stop_now();
    }
    patience_.once(kStopNowTimeoutMs);
    return;
  }
  std::_Exit(128 + first_signal_);
}

// The engine logs states and failures; only what kept a pipeline from being made is logged here.
void Supervisor::report_ended() {
  const std::vector<Runner> current = runners();
  for (const Runner& runner : runners_and_leaving()) {
    if (!runner->ended() ||
        std::find(reported_.begin(), reported_.end(), runner) != reported_.end()) {
      continue;
    }
    reported_.push_back(runner);
    auto error = runner->error();
    if (auto status = runner->status()) {
      write_status(*runner, *status, true);
    } else if (error) {
      environment_.log->write(core::LogLevel::kError, error->message,
                              {{"pipeline", runner->name()},
                               {"code", error->code},
                               {"hint", error->hint},
                               {"place", error->place ? error->place->text() : ""}});
    }
    auto left = std::count_if(current.begin(), current.end(),
                              [](const Runner& each) { return !each->ended(); });
    bool leaves = std::find(current.begin(), current.end(), runner) == current.end();
    if (error && left > 0 && signals_seen_ == 0 && !leaves) {
      environment_.log->write(core::LogLevel::kWarn, "The other pipelines go on.",
                              {{"failed", runner->name()}, {"running", std::to_string(left)}});
    }
  }
  forget_left();
}

// One with a thread left behind, or that somebody still looks at, keeps its state locked: it stays,
// so that the next of its name waits for it.
void Supervisor::forget_left() {
  std::vector<Runner> gone;
  std::lock_guard lock(runners_mutex_);
  auto kept = std::stable_partition(leaving_.begin(), leaving_.end(),
                                    [](const Runner& runner) { return !runner->gone(); });
  gone.assign(std::make_move_iterator(kept), std::make_move_iterator(leaving_.end()));
  leaving_.erase(kept, leaving_.end());
  for (const Runner& runner : gone) {
    std::erase(reported_, runner);
  }
}

void Supervisor::write_status(bool final) {
  for (const Runner& runner : runners()) {
    auto status = runner->status();
    if (status && !runner->ended()) {
      write_status(*runner, *status, final);
    }
  }
  last_status_ns_ = environment_.clock->monotonic_ns();
}

void Supervisor::write_status(const PipelineRunner& runner, const core::PipelineStatus& status,
                              bool final) {
  Counters& last = last_[runner.name()];
  if (status.records_read < last.records_read ||
      status.records_delivered < last.records_delivered) {
    last = Counters();  // It was made anew, and counts from 0.
  }
  uint64_t delivered = status.records_delivered - last.records_delivered;
  sampled_rate(runner.name(), status.records_delivered);
  bool quiet =
      delivered == 0 && status.records_read == last.records_read && status.state == last.state;
  if (quiet && !final && ++last.quiet_lines % kQuietLinesMax != 0) {
    return;
  }
  int64_t now_ns = environment_.clock->monotonic_ns();
  double seconds = static_cast<double>(now_ns - last_status_ns_) / core::kNanosPerSecond;
  std::vector<core::LogField> fields = {
      {"pipeline", runner.name()},
      {"state", core::to_string(status.state)},
      {"read", std::to_string(status.records_read)},
      {"delivered", std::to_string(status.records_delivered)},
      {"dead_lettered", std::to_string(status.records_dead_lettered)},
      {"rate", fmt::format("{:.0f}/s", static_cast<double>(delivered) / std::max(seconds, 0.001))},
      {"in_flight", std::to_string(status.in_flight_records)},
      {"queue_bytes", std::to_string(status.queue_bytes)},
      {"checkpoint_age_ms", std::to_string(status.checkpoint_age_ns / core::kNanosPerMilli)}};
  if (delivered > 0 && status.last_commit_time_ns > 0) {
    int64_t lag_ns = environment_.clock->wall_ns() - status.last_commit_time_ns;
    fields.push_back(
        {"lag_ms", std::to_string(std::max<int64_t>(lag_ns, 0) / core::kNanosPerMilli)});
  }
  if (environment_.log->level() <= core::LogLevel::kInfo) {
    environment_.log->write(core::LogLevel::kInfo, final ? "Final status." : "Status.",
                            std::span<const core::LogField>(fields));
  }
  last = {status.records_read, status.records_delivered, status.state, 0};
}

double Supervisor::sampled_rate(const std::string& pipeline, uint64_t delivered) {
  std::lock_guard lock(rates_mutex_);
  return rates_[pipeline].sample(environment_.clock->monotonic_ns(), delivered);
}

std::vector<PipelineView> Supervisor::pipelines() {
  std::vector<PipelineView> out;
  for (const Runner& runner : runners()) {
    PipelineView view;
    view.name = runner->name();
    view.source_type = runner->source_type();
    view.sink_type = runner->sink_type();
    view.status = runner->status();
    view.create_error = runner->create_error();
    if (view.status) {
      view.plugins = runner->plugin_status();
      view.records_per_second = sampled_rate(view.name, view.status->records_delivered);
    }
    out.push_back(std::move(view));
  }
  return out;
}

core::Result<bool> Supervisor::request_snapshot(const std::string& pipeline,
                                                const std::string& table) {
  for (const Runner& runner : runners()) {
    if (runner->name() == pipeline) {
      return runner->request_snapshot(table);
    }
  }
  return core::fail("DS-ADMIN-NO-PIPELINE", "No pipeline of that name runs here.",
                    "dstream status lists them.");
}

std::vector<ConfiguredPipeline> Supervisor::configured() {
  std::vector<ConfiguredPipeline> out;
  for (const Runner& runner : runners()) {
    out.push_back({runner->settings(), runner->error().has_value()});
  }
  return out;
}

core::Result<std::vector<std::shared_ptr<PipelineRunner>>> Supervisor::apply(
    const std::vector<PlannedPipeline>& plan, const core::Rereads& rereads) {
  std::vector<Runner> out;
  std::lock_guard lock(runners_mutex_);
  if (closing_) {
    return core::fail("DS-RELOAD-STOPPING", "The process is about to end; nothing is read again.");
  }
  for (const PlannedPipeline& planned : plan) {
    out.push_back(carry_out(planned, rereads));
  }
  ended_.notify();  // What had ended may be gone now, and all that is left may have ended.
  return out;
}

// REQUIRES: runners_mutex_ held.
Supervisor::Runner Supervisor::carry_out(const PlannedPipeline& planned,
                                         const core::Rereads& rereads) {
  auto same_name = [&](const Runner& runner) { return runner->name() == planned.name; };
  auto found = std::find_if(runners_.begin(), runners_.end(), same_name);
  Runner runner = found == runners_.end() ? nullptr : *found;
  if (planned.action == ReloadAction::kUnchanged) {
    runner->set_rereads(rereads);
    return runner;
  }
  if (planned.action == ReloadAction::kNotAsked) {
    return runner;
  }
  if (runner != nullptr) {
    runner->retire();
    leaving_.push_back(runner);
  }
  if (planned.action == ReloadAction::kStopped) {
    runners_.erase(found);
    return runner;
  }
  // The newest of those that leave: it may itself wait for the one before it.
  auto before = std::find_if(leaving_.rbegin(), leaving_.rend(), same_name);
  Runner next =
      make_runner(*planned.settings, rereads, before == leaving_.rend() ? nullptr : *before);
  if (found == runners_.end()) {
    runners_.push_back(next);
  } else {
    *found = next;
  }
  next->start();
  return next;
}

std::vector<core::Error> Supervisor::errors() const {
  std::vector<core::Error> out;
  for (const Runner& runner : runners()) {
    if (auto error = runner->error()) {
      out.push_back(*error);
    }
  }
  return out;
}

int Supervisor::finish() {
  std::vector<core::Error> errors = this->errors();
  const std::vector<Runner> all = runners_and_leaving();
  bool abandoned =
      std::any_of(all.begin(), all.end(), [](const Runner& runner) { return runner->abandoned(); });
  int exit_code = !errors.empty()      ? exit_code_of(errors)
                  : first_signal_ != 0 ? 128 + first_signal_
                                       : 0;
  environment_.log->write(errors.empty() ? core::LogLevel::kInfo : core::LogLevel::kError,
                          errors.empty() ? "All pipelines have ended." : "Pipelines have failed.",
                          {{"pipelines", std::to_string(runners().size())},
                           {"failed", std::to_string(errors.size())},
                           {"exit_code", std::to_string(exit_code)}});
  if (abandoned) {
    std::_Exit(exit_code);
  }
  return exit_code;
}

}  // namespace dstream::host
