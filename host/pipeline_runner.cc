#include "host/pipeline_runner.h"

#include <utility>

#include "core/base/assert.h"

namespace dstream::host {

PipelineRunner::PipelineRunner(core::PipelineSettings settings,
                               const core::PipelineEnvironment& environment,
                               std::function<void()> on_end)
    : settings_(std::move(settings)), environment_(environment), on_end_(std::move(on_end)) {}

PipelineRunner::~PipelineRunner() {
  if (thread_.joinable()) {
    DSTREAM_ASSERT(ended());
    thread_.join();
  }
}

void PipelineRunner::start() {
  thread_ = std::thread([this] { run(); });
}

void PipelineRunner::run() {
  auto created = core::Pipeline::create(settings_, environment_);
  core::Pipeline* pipeline = nullptr;
  {
    std::lock_guard lock(mutex_);
    if (created) {
      pipeline_ = std::move(*created);
      pipeline = pipeline_.get();
      pipeline->start();
      pass_on_stop();
    } else {
      create_error_ = created.error();
      if (!create_error_->place) {
        create_error_->place = settings_.place;
      }
    }
  }
  if (pipeline != nullptr) {
    pipeline->wait(-1);
  }
  ended_.store(true, std::memory_order_release);
  on_end_();
}

void PipelineRunner::pass_on_stop() {
  if (!pipeline_) {
    return;
  }
  if (stop_ == Stop::kDrain) {
    pipeline_->request_stop();
  } else if (stop_ == Stop::kNow) {
    pipeline_->stop_now();
  }
}

void PipelineRunner::request_stop() {
  std::lock_guard lock(mutex_);
  stop_ = Stop::kDrain;
  pass_on_stop();
}

void PipelineRunner::stop_now() {
  std::lock_guard lock(mutex_);
  stop_ = Stop::kNow;
  pass_on_stop();
}

std::optional<core::PipelineStatus> PipelineRunner::status() const {
  std::lock_guard lock(mutex_);
  return pipeline_ ? std::optional(pipeline_->status()) : std::nullopt;
}

core::Pipeline* PipelineRunner::pipeline() const {
  std::lock_guard lock(mutex_);
  return pipeline_.get();
}

core::PluginStatus PipelineRunner::plugin_status() const {
  core::Pipeline* there = pipeline();
  return there == nullptr ? core::PluginStatus() : there->plugin_status();
}

std::optional<core::Error> PipelineRunner::create_error() const {
  std::lock_guard lock(mutex_);
  return create_error_;
}

core::Result<bool> PipelineRunner::request_snapshot(const std::string& table) {
  core::Pipeline* there = pipeline();
  core::PipelineState state =
      there == nullptr ? core::PipelineState::kFailed : there->status().state;
  if (state == core::PipelineState::kDraining || state == core::PipelineState::kStopped ||
      state == core::PipelineState::kFailed) {
    return core::fail("DS-SNAPSHOT-NOT-RUNNING", "The pipeline " + name() + " does not run.",
                      "dstream status says why.");
  }
  auto result = there->request_snapshot(table);
  if (!result) {
    return core::fail("DS-SNAPSHOT-UNSUPPORTED",
                      "The source " + source_type() + " cannot copy a table while it runs.");
  }
  std::string said(result->message());
  switch (result->status) {
    case DSTREAM_OK:
    case DSTREAM_AGAIN:
      return result->status == DSTREAM_OK;
    case DSTREAM_CONFIG:
      return core::fail("DS-SNAPSHOT-TABLE", said);
    case DSTREAM_UNSUPPORTED:
      return core::fail("DS-SNAPSHOT-UNSUPPORTED", said);
    case DSTREAM_RETRY:
      return core::fail("DS-SNAPSHOT-NOT-YET", said, "Ask again when the pipeline is running.");
    default:
      return core::fail("DS-SNAPSHOT-FAILED", said);
  }
}

std::optional<core::Error> PipelineRunner::error() const {
  std::lock_guard lock(mutex_);
  if (create_error_) {
    return create_error_;
  }
  core::PipelineStatus status = pipeline_->status();
  if (status.state == core::PipelineState::kFailed) {
    return status.last_error.value_or(
        core::Error{"DS-PIPELINE-FAILED", "The pipeline failed.", "", settings_.place});
  }
  // Stopped, but not clean: what was read is not delivered. Asked to stop at once, that is no
  // error.
  bool unclean = status.last_error && status.last_error->code.starts_with("DS-STOP-");
  return unclean && stop_ != Stop::kNow ? status.last_error : std::nullopt;
}

bool PipelineRunner::abandoned() const {
  std::lock_guard lock(mutex_);
  return pipeline_ && pipeline_->abandoned();
}

}  // namespace dstream::host
