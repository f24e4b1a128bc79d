// Pipeline in production: one thread a worker, and wait() as the one who watches the deadline.
#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "core/pipeline/engine.h"
#include "core/pipeline/limits.h"
#include "core/pipeline/pipeline.h"

namespace dstream::core {
namespace {

// What the threads share with the pipeline. A thread that is left behind in a plugin keeps it, and
// with it the plugin's instances and batches, alive.
struct Driven {
  std::unique_ptr<PipelineEngine> engine;
  const Clock* clock = nullptr;
  std::mutex mutex;  // guards running
  std::condition_variable changed;
  int running = 0;
};

void drive(const std::shared_ptr<Driven>& driven, Role role) {
  PipelineEngine& engine = *driven->engine;
  Wakeup& wakeup = engine.wakeup(role);
  for (;;) {
    uint64_t seen = wakeup.count();
    StepResult result = engine.step(role, driven->clock->monotonic_ns(), kIdleWaitNs);
    if (result.finished) {
      break;
    }
    if (result.wait_until_ns != 0) {
      int64_t wait_ns = result.wait_until_ns - driven->clock->monotonic_ns();
      if (wait_ns > 0) {
        wakeup.wait(seen, std::min(wait_ns, 3600 * kNanosPerSecond));
      }
    }
  }
  std::lock_guard lock(driven->mutex);
  --driven->running;
  driven->changed.notify_all();
}

class ThreadedPipeline final : public Pipeline {
 public:
  ThreadedPipeline(std::unique_ptr<PipelineEngine> engine, const Clock* clock)
      : driven_(std::make_shared<Driven>()), clock_(clock) {
    driven_->engine = std::move(engine);
    driven_->clock = clock;
  }

  ~ThreadedPipeline() override {
    if (started_) {
      stop_now();
      wait(-1);
    }
  }

  void start() override {
    started_ = true;
    driven_->running = 2;
    for (Role role : {Role::kSink, Role::kSource}) {
      threads_[static_cast<size_t>(role)] =
          std::thread([driven = driven_, role] { drive(driven, role); });
    }
  }

  void request_stop() override { driven_->engine->request_stop(clock_->monotonic_ns()); }

  void stop_now() override {
    {
      std::lock_guard lock(driven_->mutex);
      hang_at_ns_ = std::min(hang_at_ns_, clock_->monotonic_ns() + kHangGraceNs);
    }
    driven_->engine->stop_now();
    driven_->changed.notify_all();
  }

  bool wait(int64_t timeout_ms) override {
    int64_t now_ns = clock_->monotonic_ns();
    int64_t until_ns = timeout_ms < 0 ? INT64_MAX : now_ns + timeout_ms * kNanosPerMilli;
    std::unique_lock lock(driven_->mutex);
    while (driven_->running > 0 && now_ns < std::min(until_ns, hang_at_ns())) {
      // A deadline that is set meanwhile does not wake this wait; a second is soon enough.
      int64_t wait_ns = std::min({until_ns, hang_at_ns(), now_ns + kIdleWaitNs}) - now_ns;
      driven_->changed.wait_for(lock, std::chrono::nanoseconds(wait_ns));
      now_ns = clock_->monotonic_ns();
    }
    bool finished = driven_->running == 0;
    bool hangs = !finished && now_ns >= hang_at_ns();
    lock.unlock();
    if (finished || hangs) {
      let_go(hangs);
    }
    return finished || hangs;
  }

  PipelineStatus status() const override { return driven_->engine->status(clock_->monotonic_ns()); }

  PluginStatus plugin_status() const override { return driven_->engine->plugin_status(); }

  std::optional<CallResult> request_snapshot(const std::string& table) override {
    return driven_->engine->request_snapshot(table);
  }

  bool abandoned() const override { return abandoned_; }

 private:
  // When a worker that has not finished is taken for hanging (I10).
  int64_t hang_at_ns() const {
    int64_t deadline_ns = driven_->engine->lifecycle().deadline_ns();
    return deadline_ns == INT64_MAX ? hang_at_ns_
                                    : std::min(hang_at_ns_, deadline_ns + kHangGraceNs);
  }

  void let_go(bool hangs) {
    for (Role role : {Role::kSource, Role::kSink}) {
      std::thread& thread = threads_[static_cast<size_t>(role)];
      if (!thread.joinable()) {
        continue;
      }
      if (!hangs) {
        thread.join();
        continue;
      }
      auto call = driven_->engine->call_in_progress(role);
      driven_->engine->lifecycle().leave_behind(role, call ? call->call : "its work");
      abandoned_ = true;
      thread.detach();
    }
  }

  std::shared_ptr<Driven> driven_;
  const Clock* const clock_;
  std::array<std::thread, 2> threads_;
  int64_t hang_at_ns_ = INT64_MAX;  // guarded by driven_->mutex
  bool started_ = false;
  bool abandoned_ = false;
};

}  // namespace

Result<std::unique_ptr<Pipeline>> Pipeline::create(const PipelineSettings& settings,
                                                   const PipelineEnvironment& environment) {
  auto engine = PipelineEngine::create(settings, environment);
  if (!engine) {
    return fail(engine.error());
  }
  return std::make_unique<ThreadedPipeline>(std::move(*engine), environment.clock);
}

}  // namespace dstream::core
