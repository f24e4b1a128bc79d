#include "host/reload.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

namespace dstream::host {
namespace {

core::Error stopping() {
  return {"DS-RELOAD-STOPPING", "The process is about to end; nothing is read again.", "",
          std::nullopt, core::ExitCode::kFailed};
}

std::string state_of(const PipelineRunner& runner) {
  auto status = runner.status();
  return core::to_string(status                  ? status->state
                         : runner.create_error() ? core::PipelineState::kFailed
                                                 : core::PipelineState::kStarting);
}

void look_at(const PipelineRunner& runner, ReloadedPipeline& pipeline) {
  pipeline.state = state_of(runner);
  auto status = runner.status();
  pipeline.error = runner.create_error();
  if (!pipeline.error && status) {
    pipeline.error = status->last_error;
  }
}

// Stopped ones have to end; the others only to leave their start behind.
bool is_settled(const PipelineRunner& runner, ReloadAction action) {
  return action == ReloadAction::kStopped ? runner.ended() : runner.settled();
}

bool starts(ReloadAction action) {
  return action == ReloadAction::kChanged || action == ReloadAction::kStarted ||
         action == ReloadAction::kStartedAgain;
}

}  // namespace

const char* to_string(ReloadState state) {
  switch (state) {
    case ReloadState::kWaiting:
      return "waiting";
    case ReloadState::kChecking:
      return "checking";
    case ReloadState::kRefused:
      return "refused";
    case ReloadState::kApplying:
      return "applying";
    case ReloadState::kDone:
      return "done";
  }
  return "unknown";
}

Reloads::Reloads(ReloadSettings settings) : settings_(std::move(settings)) {}

Reloads::~Reloads() {
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Reloads::start() {
  thread_ = std::thread([this] { run(); });
}

bool Reloads::stop(int64_t max_wait_ms) {
  {
    std::lock_guard lock(mutex_);
    stops_ = true;
  }
  wanted_.notify_all();
  return !thread_.joinable() ||
         ended_.get_future().wait_for(std::chrono::milliseconds(max_wait_ms)) ==
             std::future_status::ready;
}

uint64_t Reloads::request(const std::string& only) {
  std::lock_guard lock(mutex_);
  for (const auto& reload : reloads_) {
    if (reload->report.state == ReloadState::kWaiting && reload->only == only) {
      return reload->report.number;
    }
  }
  auto reload = std::make_unique<Reload>();
  reload->report.number = ++last_number_;
  reload->only = only;
  reloads_.push_back(std::move(reload));
  wanted_.notify_all();
  return last_number_;
}

std::optional<ReloadReport> Reloads::report(uint64_t number) {
  std::lock_guard lock(mutex_);
  for (auto& reload : reloads_) {
    if (reload->report.number != number) {
      continue;
    }
    ReloadReport& report = reload->report;
    if (report.state != ReloadState::kApplying) {
      return report;
    }
    bool settled = true;
    for (size_t i = 0; i < report.pipelines.size(); ++i) {
      if (const auto& runner = reload->runners[i]) {
        settled = settled && is_settled(*runner, report.pipelines[i].action);
        look_at(*runner, report.pipelines[i]);
      }
    }
    if (settled) {
      report.state = ReloadState::kDone;
      reload->runners.clear();
    }
    return report;
  }
  return std::nullopt;
}

// The oldest that waits; nullptr when there will be none any more.
Reloads::Reload* Reloads::next() {
  std::unique_lock lock(mutex_);
  for (;;) {
    while (reloads_.size() > kReportsMax &&
           reloads_.front()->report.state != ReloadState::kWaiting) {
      reloads_.pop_front();
    }
    auto waiting = std::find_if(reloads_.begin(), reloads_.end(), [](const auto& each) {
      return each->report.state == ReloadState::kWaiting;
    });
    if (waiting != reloads_.end()) {
      Reload* reload = waiting->get();
      if (!stops_) {
        reload->report.state = ReloadState::kChecking;
        return reload;
      }
      reload->report.state = ReloadState::kRefused;
      reload->report.errors = {stopping()};
      continue;
    }
    if (stops_) {
      return nullptr;
    }
    wanted_.wait(lock);
  }
}

void Reloads::run() {
  while (Reload* reload = next()) {
    carry_out(*reload);
  }
  ended_.set_value();
}

// `reload` stays where it is: only what no longer waits is forgotten, and that by this thread.
void Reloads::carry_out(Reload& reload) {
  auto read = settings_.read();
  if (!read) {
    refuse(reload, read.error());
    return;
  }
  std::vector<PlannedPipeline> plan =
      plan_reload(settings_.target->configured(), read->pipelines, reload.only);
  std::vector<core::Error> errors;
  if (!check(*read, reload, plan, errors)) {
    refuse(reload, std::move(errors));
    return;
  }
  auto runners = settings_.target->apply(plan, read->rereads);
  if (!runners) {
    refuse(reload, {runners.error()});
    return;
  }
  ReloadReport report;
  report.warnings = std::move(read->warnings);
  report.restart_needed = std::move(read->restart_needed);
  for (const PlannedPipeline& each : plan) {
    report.pipelines.push_back({each.name, each.action, "", std::nullopt});
  }
  log_done(report);
  std::lock_guard lock(mutex_);
  report.number = reload.report.number;
  report.state = ReloadState::kApplying;
  reload.report = std::move(report);
  reload.runners = std::move(*runners);
}

bool Reloads::check(const NewConfiguration& configuration, const Reload& reload,
                    const std::vector<PlannedPipeline>& plan, std::vector<core::Error>& errors) {
  bool known = reload.only.empty() ||
               std::any_of(plan.begin(), plan.end(),
                           [&](const PlannedPipeline& each) { return each.name == reload.only; });
  if (!known) {
    errors.push_back({"DS-ADMIN-NO-PIPELINE",
                      "No pipeline named " + reload.only + " runs here or is in the files (" +
                          std::to_string(configuration.pipelines.size()) + " are).",
                      "dstream status lists those that run.", std::nullopt,
                      core::ExitCode::kFailed});
  }
  for (const PlannedPipeline& each : plan) {
    if (starts(each.action)) {
      if (auto error = settings_.check_state(*each.settings)) {
        errors.push_back(std::move(*error));
      }
    }
  }
  return errors.empty();
}

void Reloads::refuse(Reload& reload, std::vector<core::Error> errors) {
  for (const core::Error& error : errors) {
    settings_.log->write(
        core::LogLevel::kError,
        "The configuration was not read again; everything runs on as it was: " + error.message,
        {{"place", error.place ? error.place->text() : ""},
         {"code", error.code},
         {"hint", error.hint}});
  }
  std::lock_guard lock(mutex_);
  reload.report.state = ReloadState::kRefused;
  reload.report.errors = std::move(errors);
}

void Reloads::log_done(const ReloadReport& report) {
  auto count = [&](ReloadAction action) {
    return std::to_string(
        std::count_if(report.pipelines.begin(), report.pipelines.end(),
                      [&](const ReloadedPipeline& each) { return each.action == action; }));
  };
  settings_.log->write(core::LogLevel::kInfo, "The configuration was read again.",
                       {{"unchanged", count(ReloadAction::kUnchanged)},
                        {"changed", count(ReloadAction::kChanged)},
                        {"started", count(ReloadAction::kStarted)},
                        {"started_again", count(ReloadAction::kStartedAgain)},
                        {"stopped", count(ReloadAction::kStopped)}});
  for (const std::string& key : report.restart_needed) {
    settings_.log->write(core::LogLevel::kWarn,
                         "A key of the process has changed; it takes effect at the next start.",
                         {{"key", key}});
  }
  for (const core::Error& warning : report.warnings) {
    settings_.log->write(core::LogLevel::kWarn, warning.message,
                         {{"place", warning.place ? warning.place->text() : ""},
                          {"code", warning.code},
                          {"hint", warning.hint}});
  }
}

}  // namespace dstream::host
