#include "host/supervisor.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
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
    runners_.push_back(std::make_unique<PipelineRunner>(std::move(settings), environment_,
                                                        [this] { ended_.notify(); }));
    sampled_rate(runners_.back()->name(), 0);
  }
}

int Supervisor::run() {
  last_status_ns_ = environment_.clock->monotonic_ns();
  status_timer_.every(status_interval_ms_);
  for (const auto& runner : runners_) {
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

bool Supervisor::all_ended() const {
  return std::all_of(runners_.begin(), runners_.end(),
                     [](const auto& runner) { return runner->ended(); });
}

void Supervisor::handle_signal(int signal) {
  ++signals_seen_;
  if (signals_seen_ == 1) {
    first_signal_ = signal;
    environment_.log->write(core::LogLevel::kInfo, "Draining; a second signal stops at once.",
                            {{"signal", signal_name(signal)}});
    for (const auto& runner : runners_) {
      runner->request_stop();
    }
    return;
  }
  if (signals_seen_ == 2) {
    environment_.log->write(core::LogLevel::kWarn,
                            "Stopping at once; what is not confirmed will be read again.",
                            {{"signal", signal_name(signal)}});
    for (const auto& runner : runners_) {
      runner->stop_now();
    }
    patience_.once(kStopNowTimeoutMs);
    return;
  }
  std::_Exit(128 + first_signal_);
}

// The engine logs states and failures; only what kept a pipeline from being made is logged here.
void Supervisor::report_ended() {
  for (const auto& runner : runners_) {
    if (!runner->ended() ||
        std::find(reported_.begin(), reported_.end(), runner.get()) != reported_.end()) {
      continue;
    }
    reported_.push_back(runner.get());
    if (auto status = runner->status()) {
      write_status(*runner, *status, true);
    } else if (auto error = runner->error()) {
      environment_.log->write(core::LogLevel::kError, error->message,
                              {{"pipeline", runner->name()},
                               {"code", error->code},
                               {"hint", error->hint},
                               {"place", error->place ? error->place->text() : ""}});
    }
    size_t left = runners_.size() - reported_.size();
    if (runner->error() && left > 0 && signals_seen_ == 0) {
      environment_.log->write(core::LogLevel::kWarn, "The other pipelines go on.",
                              {{"failed", runner->name()}, {"running", std::to_string(left)}});
    }
  }
}

void Supervisor::write_status(bool final) {
  for (const auto& runner : runners_) {
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
  for (const auto& runner : runners_) {
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
  for (const auto& runner : runners_) {
    if (runner->name() == pipeline) {
      return runner->request_snapshot(table);
    }
  }
  return core::fail("DS-ADMIN-NO-PIPELINE", "No pipeline of that name runs here.",
                    "dstream status lists them.");
}

std::vector<core::Error> Supervisor::errors() const {
  std::vector<core::Error> out;
  for (const auto& runner : runners_) {
    if (auto error = runner->error()) {
      out.push_back(*error);
    }
  }
  return out;
}

int Supervisor::finish() {
  std::vector<core::Error> errors = this->errors();
  bool abandoned = std::any_of(runners_.begin(), runners_.end(),
                               [](const auto& runner) { return runner->abandoned(); });
  int exit_code = !errors.empty()      ? exit_code_of(errors)
                  : first_signal_ != 0 ? 128 + first_signal_
                                       : 0;
  environment_.log->write(errors.empty() ? core::LogLevel::kInfo : core::LogLevel::kError,
                          errors.empty() ? "All pipelines have ended." : "Pipelines have failed.",
                          {{"pipelines", std::to_string(runners_.size())},
                           {"failed", std::to_string(errors.size())},
                           {"exit_code", std::to_string(exit_code)}});
  if (abandoned) {
    std::_Exit(exit_code);
  }
  return exit_code;
}

}  // namespace dstream::host
