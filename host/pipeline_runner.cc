#include "host/pipeline_runner.h"

#include <utility>

#include "core/base/assert.h"

namespace dstream::host {

class PipelineRunner::Use {
 public:
  explicit Use(PipelineRunner* runner) : runner_(runner) {
    std::lock_guard lock(runner_->mutex_);
    pipeline_ = runner_->pipeline_.get();
    runner_->users_ += pipeline_ != nullptr ? 1 : 0;
  }
  ~Use() {
    if (pipeline_ == nullptr) {
      return;
    }
    std::unique_ptr<core::Pipeline> unneeded;
    {
      std::lock_guard lock(runner_->mutex_);
      --runner_->users_;
      unneeded = runner_->take_if_unneeded();
    }
    runner_->give_back(std::move(unneeded));
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  core::Pipeline* get() const { return pipeline_; }

 private:
  PipelineRunner* const runner_;
  core::Pipeline* pipeline_ = nullptr;
};

PipelineRunner::PipelineRunner(core::PipelineSettings settings,
                               const core::PipelineEnvironment& environment,
                               std::function<void()> on_end,
                               std::shared_ptr<PipelineRunner> predecessor)
    : settings_(std::move(settings)),
      environment_(environment),
      on_end_(std::move(on_end)),
      rereads_(environment.rereads),
      predecessor_(std::move(predecessor)) {
  if (rereads_.connector) {
    environment_.rereads.connector = [this](const std::string& pipeline, core::Role role) {
      return rereads().connector(pipeline, role);
    };
  }
  if (rereads_.claim_check) {
    environment_.rereads.claim_check = [this](const std::string& pipeline) {
      return rereads().claim_check(pipeline);
    };
  }
  if (rereads_.registry) {
    environment_.rereads.registry = [this](const std::string& pipeline) {
      return rereads().registry(pipeline);
    };
  }
}

// The caller uses a copy: what is read again may take its time.
core::Rereads PipelineRunner::rereads() const {
  std::lock_guard lock(rereads_mutex_);
  return rereads_;
}

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
  std::optional<core::Error> hanging = await_predecessor();
  bool stopped = false;
  {
    std::lock_guard lock(mutex_);
    create_error_ = hanging;
    stopped = stop_ != Stop::kNo && last_status_.has_value();
  }
  // What was asked to stop before it was made is not made, unless it is the first of its name: that
  // one looks at its state, so that an operator hears of a state that cannot be used.
  if (!hanging && !stopped) {
    make();
  }
  core::Pipeline* pipeline = nullptr;
  {
    std::lock_guard lock(mutex_);
    pipeline = pipeline_.get();
  }
  if (pipeline != nullptr) {
    pipeline->wait(-1);
  }
  end();
  on_end_();
}

std::optional<core::Error> PipelineRunner::await_predecessor() {
  std::shared_ptr<PipelineRunner> before;
  {
    std::lock_guard lock(mutex_);
    before = predecessor_;
  }
  if (!before) {
    return std::nullopt;
  }
  {
    std::unique_lock lock(before->mutex_);
    before->changed_.wait(lock, [&] { return before->gone_ || before->abandoned_; });
  }
  if (before->abandoned()) {
    return core::Error{
        "DS-RELOAD-HANGING",
        "The pipeline " + name() +
            " cannot be made anew: a plugin of the one before did not come back from "
            "a call, and keeps its state locked.",
        "Restart the process; nothing is lost.", settings_.place, core::ExitCode::kFailed};
  }
  std::lock_guard lock(mutex_);
  last_status_ = before->status();
  end_error_ = before->error();
  predecessor_.reset();
  return std::nullopt;
}

void PipelineRunner::make() {
  auto created = core::Pipeline::create(settings_, environment_);
  std::lock_guard lock(mutex_);
  last_status_.reset();
  end_error_.reset();
  if (created) {
    pipeline_ = std::move(*created);
    pipeline_->start();
    pass_on_stop();
    return;
  }
  create_error_ = created.error();
  if (!create_error_->place) {
    create_error_->place = settings_.place;
  }
}

void PipelineRunner::end() {
  std::unique_ptr<core::Pipeline> unneeded;
  {
    std::lock_guard lock(mutex_);
    if (pipeline_) {
      last_status_ = pipeline_->status();
    }
    abandoned_ = pipeline_ && pipeline_->abandoned();
    end_error_ = end_error();
    ended_.store(true, std::memory_order_release);
    unneeded = take_if_unneeded();
  }
  changed_.notify_all();
  give_back(std::move(unneeded));
}

// A pipeline with a thread left behind in it is kept for good: its plugins are still in use.
std::unique_ptr<core::Pipeline> PipelineRunner::take_if_unneeded() {
  if (!retired_ || !ended() || users_ > 0 || abandoned_ || gone_) {
    return nullptr;
  }
  if (!pipeline_) {
    gone_ = true;
    changed_.notify_all();
  }
  return std::move(pipeline_);
}

void PipelineRunner::give_back(std::unique_ptr<core::Pipeline> pipeline) {
  if (!pipeline) {
    return;
  }
  pipeline.reset();
  std::lock_guard lock(mutex_);
  gone_ = true;
  changed_.notify_all();
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
  stop_ = stop_ == Stop::kNow ? Stop::kNow : Stop::kDrain;
  pass_on_stop();
}

void PipelineRunner::stop_now() {
  std::shared_ptr<PipelineRunner> before;
  {
    std::lock_guard lock(mutex_);
    stop_ = Stop::kNow;
    pass_on_stop();
    before = predecessor_;
  }
  if (before) {
    before->stop_now();
  }
}

void PipelineRunner::retire() {
  std::unique_ptr<core::Pipeline> unneeded;
  {
    std::lock_guard lock(mutex_);
    retired_ = true;
    stop_ = stop_ == Stop::kNow ? Stop::kNow : Stop::kDrain;
    pass_on_stop();
    unneeded = take_if_unneeded();
  }
  give_back(std::move(unneeded));
}

void PipelineRunner::set_rereads(core::Rereads rereads) {
  std::lock_guard lock(rereads_mutex_);
  rereads_ = std::move(rereads);
}

bool PipelineRunner::gone() const {
  std::lock_guard lock(mutex_);
  return gone_;
}

bool PipelineRunner::settled() const {
  std::lock_guard lock(mutex_);
  if (ended() || !pipeline_) {
    return ended();
  }
  const core::PipelineStatus status = pipeline_->status();
  switch (status.state) {
    case core::PipelineState::kRunning:
    case core::PipelineState::kBackingOff:
      return true;
    case core::PipelineState::kDraining:
      return !status.last_error;  // One that fails drains first.
    default:
      return false;
  }
}

std::optional<core::PipelineStatus> PipelineRunner::status() const {
  std::shared_ptr<PipelineRunner> before;
  {
    std::lock_guard lock(mutex_);
    if (pipeline_) {
      return pipeline_->status();
    }
    if (!predecessor_ || create_error_) {
      return create_error_ ? std::nullopt : last_status_;
    }
    before = predecessor_;
  }
  return before->status();
}

core::PluginStatus PipelineRunner::plugin_status() {
  Use use(this);
  return use.get() == nullptr ? core::PluginStatus() : use.get()->plugin_status();
}

std::optional<core::Error> PipelineRunner::create_error() const {
  std::lock_guard lock(mutex_);
  return create_error_;
}

core::Result<bool> PipelineRunner::request_snapshot(const std::string& table) {
  Use use(this);
  core::Pipeline* there = use.get();
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

std::optional<core::Error> PipelineRunner::end_error() const {
  if (create_error_ || !last_status_) {
    return create_error_;
  }
  if (!pipeline_) {
    return end_error_;  // Of the predecessor; there was no pipeline of its own.
  }
  if (last_status_->state == core::PipelineState::kFailed) {
    return last_status_->last_error.value_or(
        core::Error{"DS-PIPELINE-FAILED", "The pipeline failed.", "", settings_.place});
  }
  // Stopped, but not clean: what was read is not delivered. Asked to stop at once, that is no
  // error.
  const auto& last = last_status_->last_error;
  bool unclean = last && last->code.starts_with("DS-STOP-");
  return unclean && stop_ != Stop::kNow ? last : std::nullopt;
}

std::optional<core::Error> PipelineRunner::error() const {
  std::lock_guard lock(mutex_);
  return ended() ? end_error_ : std::nullopt;
}

bool PipelineRunner::abandoned() const {
  std::lock_guard lock(mutex_);
  return abandoned_;
}

}  // namespace dstream::host
