#include "core/pipeline/lifecycle.h"

#include <span>
#include <utility>
#include <vector>

#include "core/base/assert.h"

namespace dstream::core {
namespace {

bool may_follow(PipelineState from, PipelineState to) {
  switch (from) {
    case PipelineState::kStarting:
      return to == PipelineState::kRunning || to == PipelineState::kBackingOff ||
             to == PipelineState::kDraining || to == PipelineState::kFailed;
    case PipelineState::kRunning:
      return to == PipelineState::kBackingOff || to == PipelineState::kDraining ||
             to == PipelineState::kFailed;
    case PipelineState::kBackingOff:
      return to == PipelineState::kStarting || to == PipelineState::kDraining ||
             to == PipelineState::kFailed;
    case PipelineState::kDraining:
      return to == PipelineState::kStopped || to == PipelineState::kFailed;
    case PipelineState::kStopped:
    case PipelineState::kFailed:
      return false;
  }
  return false;
}

size_t index_of(Role role) { return static_cast<size_t>(role); }

}  // namespace

const char* to_string(PipelineState state) {
  switch (state) {
    case PipelineState::kStarting:
      return "starting";
    case PipelineState::kRunning:
      return "running";
    case PipelineState::kBackingOff:
      return "backing_off";
    case PipelineState::kDraining:
      return "draining";
    case PipelineState::kStopped:
      return "stopped";
    case PipelineState::kFailed:
      return "failed";
  }
  return "unknown";
}

Lifecycle::Lifecycle(std::string pipeline, const Clock* clock, Log* log, MetricsRegistry* metrics,
                     int64_t stop_timeout_ms)
    : pipeline_(std::move(pipeline)),
      clock_(clock),
      log_(log),
      stop_timeout_ms_(stop_timeout_ms),
      since_wall_ns_(clock->wall_ns()) {
  for (size_t i = 0; i < state_gauges_.size(); ++i) {
    state_gauges_[i] = &metrics->gauge(
        "dstream_pipeline_state", "1 for the state the pipeline is in, 0 for the others.",
        {{"pipeline", pipeline_}, {"state", to_string(static_cast<PipelineState>(i))}});
    state_gauges_[i]->set(i == 0 ? 1 : 0);
  }
}

void Lifecycle::set_phase(Role role, Phase phase, const std::optional<Error>& why) {
  std::lock_guard lock(mutex_);
  if (phases_[index_of(role)] == Phase::kFinished) {
    return;
  }
  phases_[index_of(role)] = phase;
  if (phase == Phase::kBackingOff) {
    errors_[index_of(role)] = why;
  } else if (phase == Phase::kOpen) {
    errors_[index_of(role)].reset();
  }
  update_state();
  if (state_ == PipelineState::kDraining && phase == Phase::kBackingOff && why) {
    warn_draining(*why);
  }
}

// The state stays what it is, so that nothing else would say why nothing is delivered any more.
void Lifecycle::warn_draining(const Error& why) {
  if (why.code == draining_said_) {
    return;
  }
  draining_said_ = why.code;
  log_->write(LogLevel::kWarn, "The pipeline is draining, and something is in its way.",
              {{"pipeline", pipeline_},
               {"state", to_string(state_)},
               {"code", why.code},
               {"reason", why.message},
               {"hint", why.hint}});
}

void Lifecycle::set_trouble(Trouble trouble, const std::optional<Error>& what) {
  std::lock_guard lock(mutex_);
  std::optional<Error>& current = troubles_[static_cast<size_t>(trouble)];
  if (what && !current) {
    log_->write(LogLevel::kError, what->message,
                {{"pipeline", pipeline_}, {"code", what->code}, {"hint", what->hint}});
  } else if (!what && current) {
    log_->write(LogLevel::kInfo, "It works again.",
                {{"pipeline", pipeline_}, {"code", current->code}});
  }
  current = what;
}

void Lifecycle::fail(Error error, int64_t now_ns) {
  {
    std::lock_guard lock(mutex_);
    if (!failure_) {
      failure_ = std::move(error);
      failing_.store(true, std::memory_order_release);
    }
    set_deadline(now_ns + stop_timeout_ms_ * kNanosPerMilli);
    update_state();
  }
  wake_all();
}

void Lifecycle::end() {
  {
    std::lock_guard lock(mutex_);
    ended_.store(true, std::memory_order_release);
    update_state();
  }
  wake_all();
}

void Lifecycle::request_stop(int64_t now_ns) {
  {
    std::lock_guard lock(mutex_);
    stop_requested_.store(true, std::memory_order_release);
    set_deadline(now_ns + stop_timeout_ms_ * kNanosPerMilli);
    update_state();
  }
  wake_all();
}

void Lifecycle::stop_now() {
  {
    std::lock_guard lock(mutex_);
    stop_requested_.store(true, std::memory_order_release);
    stop_now_.store(true, std::memory_order_release);
    update_state();
  }
  wake_all();
}

void Lifecycle::set_uncovered_records(uint64_t records) {
  std::lock_guard lock(mutex_);
  given_up_ = Error{"DS-STOP-INCOMPLETE",
                    "The pipeline '" + pipeline_ + "' was stopped with " + std::to_string(records) +
                        " records that the sink had not confirmed.",
                    "They are delivered again after the next start; a longer stop_timeout gives "
                    "the sink more time.",
                    std::nullopt, ExitCode::kFailed};
}

void Lifecycle::leave_behind(Role role, const std::string& call) {
  const char* name = role == Role::kSource ? "source" : "sink";
  std::lock_guard lock(mutex_);
  if (phases_[index_of(role)] == Phase::kFinished) {
    return;
  }
  phases_[index_of(role)] = Phase::kFinished;
  given_up_ = Error{"DS-STOP-HANGING",
                    std::string("The ") + name + " of '" + pipeline_ + "' did not return from " +
                        call + " in time; it was left behind.",
                    "What it had not confirmed is delivered again after the next start.",
                    std::nullopt, ExitCode::kFailed};
  update_state();
}

void Lifecycle::set_reading_finished() {
  reading_finished_.store(true, std::memory_order_release);
  sink_wakeup_.notify();
}

void Lifecycle::set_sink_finished() {
  sink_finished_.store(true, std::memory_order_release);
  source_wakeup_.notify();
}

bool Lifecycle::finished() const {
  std::lock_guard lock(mutex_);
  return phases_[0] == Phase::kFinished && phases_[1] == Phase::kFinished;
}

PipelineState Lifecycle::state() const {
  std::lock_guard lock(mutex_);
  return state_;
}

void Lifecycle::fill(PipelineStatus* status) const {
  std::lock_guard lock(mutex_);
  status->name = pipeline_;
  status->state = state_;
  status->since_wall_ns = since_wall_ns_;
  status->last_error = shown_error();
}

PipelineState Lifecycle::computed_state() const {
  bool finished = phases_[0] == Phase::kFinished && phases_[1] == Phase::kFinished;
  if (finished) {
    return failure_ ? PipelineState::kFailed : PipelineState::kStopped;
  }
  if (failure_ || stop_requested() || ended_.load(std::memory_order_acquire)) {
    return PipelineState::kDraining;
  }
  if (phases_[0] == Phase::kBackingOff || phases_[1] == Phase::kBackingOff) {
    return PipelineState::kBackingOff;
  }
  if (phases_[0] == Phase::kOpen && phases_[1] == Phase::kOpen) {
    return PipelineState::kRunning;
  }
  return PipelineState::kStarting;
}

void Lifecycle::update_state() {
  PipelineState next = computed_state();
  if (next == state_) {
    return;
  }
  DSTREAM_ASSERT(may_follow(state_, next));
  state_gauges_[static_cast<size_t>(state_)]->set(0);
  state_gauges_[static_cast<size_t>(next)]->set(1);
  state_ = next;
  since_wall_ns_ = clock_->wall_ns();
  log_state(next);
}

void Lifecycle::log_state(PipelineState state) const {
  const bool backing_off = state == PipelineState::kBackingOff;
  std::optional<Error> error = shown_error();
  LogLevel level = LogLevel::kInfo;
  if (state == PipelineState::kFailed) {
    level = LogLevel::kError;
  } else if (backing_off || (state == PipelineState::kStopped && error.has_value())) {
    level = LogLevel::kWarn;
  } else if (state == PipelineState::kStarting && error.has_value()) {
    level = LogLevel::kDebug;  // The next of many tries.
  }
  if (level < log_->level()) {
    return;
  }
  std::vector<LogField> fields = {{"pipeline", pipeline_}, {"state", to_string(state)}};
  if (error) {
    fields.push_back({"code", error->code});
    // The reason is said once, where the pipeline comes to rest.
    if (level >= LogLevel::kWarn) {
      fields.push_back({"reason", error->message});
      if (!error->hint.empty()) {
        fields.push_back({"hint", error->hint});
      }
    }
  }
  log_->write(
      level,
      std::string("The pipeline is ") + (backing_off ? "backing off" : to_string(state)) + ".",
      std::span<const LogField>(fields));
}

std::optional<Error> Lifecycle::shown_error() const {
  for (const auto* each : {&failure_, &given_up_, &errors_[0], &errors_[1], &troubles_[0],
                           &troubles_[1], &troubles_[2], &troubles_[3]}) {
    if (*each) {
      return *each;
    }
  }
  return std::nullopt;
}

void Lifecycle::set_deadline(int64_t deadline_ns) {
  // A second request does not give a drain more time.
  if (deadline_ns < deadline_ns_.load(std::memory_order_relaxed)) {
    deadline_ns_.store(deadline_ns, std::memory_order_release);
  }
}

void Lifecycle::wake_all() {
  source_wakeup_.notify();
  sink_wakeup_.notify();
}

}  // namespace dstream::core
