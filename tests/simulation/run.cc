#include "tests/simulation/run.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "core/pipeline/engine.h"
#include "core/pipeline/limits.h"
#include "tests/simulation/connectors.h"
#include "tests/simulation/world.h"

namespace dstream::simulation {
namespace {

using core::Role;

constexpr uint64_t kChaosStepsMax = 3000;  // then nothing fails any more
constexpr uint64_t kStepsMax = 100'000;    // a run that takes longer does not get anywhere

class QuietLog final : public core::Log {
 public:
  explicit QuietLog(World* world) : world_(world) {}
  core::LogLevel level() const override { return core::LogLevel::kInfo; }
  void write(core::LogLevel, std::string_view message,
             std::span<const core::LogField> fields) override {
    std::string line(message);
    for (const core::LogField& field : fields) {
      line.append(" ").append(field.key).append("=").append(field.value);
    }
    world_->note("log: " + line);
    if (message == "The source was closed without the last commit.") {
      world_->commit_given_up();
    }
  }

 private:
  World* const world_;
};

class Run {
 public:
  Run(uint64_t seed, bool verbose) : world_(seed, verbose), log_(&world_) {}

  Outcome go() {
    try {
      run_to_the_end();
      outcome_.ok = true;
    } catch (const Violation& violation) {
      outcome_.violation = violation.what;
    }
    ++world_.epoch;
    engine_.reset();
    outcome_.duplicates = world_.duplicates;
    return outcome_;
  }

 private:
  // One worker as its driver sees it.
  struct Driven {
    Role role;
    bool finished = false;
    int64_t wait_until_ns = 0;
    uint64_t seen = 0;
    uint64_t late_steps = 0;
  };

  void run_to_the_end() {
    for (;;) {
      if (!start()) {
        continue;
      }
      bool crashed = drive();
      if (crashed) {
        continue;
      }
      if (stopped()) {
        return;
      }
    }
  }

  // False if the disk did not let it.
  bool start() {
    try {
      core::PipelineEnvironment environment;
      environment.clock = &world_.clock;
      environment.files = &world_.disk;
      environment.log = &log_;
      metrics_ = std::make_unique<core::MetricsRegistry>();
      environment.metrics = metrics_.get();
      environment.plugins = &connectors();
      environment.state_dir = "/state";
      environment.seed = world_.random.next();
      auto made =
          core::PipelineEngine::create(world_.scenario.settings, environment, make_sim_encoder());
      if (!made && made.error().code == "DS-STATE-FOLDER") {
        world_.disk.set_failures(0);
        return false;
      }
      if (!made) {
        world_.violated("I8: refused to start: " + made.error().text());
      }
      engine_ = std::move(*made);
    } catch (const MachineStopped&) {
      crash();
      return false;
    }
    world_.pipeline_starts();
    source_ = Driven{Role::kSource};
    sink_ = Driven{Role::kSink};
    stop_at_ns_.reset();
    final_stop_ = false;
    return true;
  }

  // True if the machine stopped.
  bool drive() {
    world_.note("the pipeline starts");
    while (!source_.finished || !sink_.finished) {
      if (++outcome_.steps > kStepsMax) {
        world_.violated("It does not come to an end");
      }
      world_.calm = outcome_.steps > kChaosStepsMax;
      try {
        if (happen()) {
          crash();
          return true;
        }
      } catch (const MachineStopped&) {
        crash();
        return true;
      }
      if (world_.verdict) {
        world_.violated(*world_.verdict);
      }
    }
    return false;
  }

  void crash() {
    ++outcome_.crashes;
    world_.crash();
    engine_.reset();
  }

  // One thing happens. True if the machine stops.
  bool happen() {
    Random& random = world_.random;
    const Scenario& scenario = world_.scenario;
    world_.disk.set_failures(world_.calm ? 0 : disk_failures_);
    if (!world_.calm) {
      if (random.chance(scenario.crashes)) {
        if (random.chance(500)) {
          return true;
        }
        world_.disk.stop_at_operation(static_cast<uint64_t>(random.between(1, 12)));
      }
      if (random.chance(scenario.stops)) {
        request_stop();
      }
      if (random.chance(4)) {
        world_.stalled = !world_.stalled && random.chance(500);
      }
      if (random.chance(10)) {
        disk_failures_ = random.chance(500) ? scenario.disk_fails : 0;
      }
    }
    if (random.chance(150)) {
      world_.make_available(random.between(1, 20));
    }
    if (scenario.pruned_before > 0 && random.chance(5)) {
      world_.prune();
    }
    if (world_.calm) {
      world_.stalled = false;
      world_.make_available(1000);
      world_.disk.stop_at_operation(0);
      if (!scenario.ends && delivered_everything() && !stop_at_ns_) {
        request_stop();
        final_stop_ = true;
      }
    }
    if (random.chance(100) && world_.settle_now && !world_.in_flight().empty()) {
      settle_from_another_thread();
      return false;
    }
    step_or_wait();
    return false;
  }

  void settle_from_another_thread() {
    auto settle = world_.settle_now;
    world_.serve(false, settle);
  }

  bool delivered_everything() {
    return world_.all_stored() && engine_->lifecycle().state() == core::PipelineState::kRunning;
  }

  void request_stop() {
    ++outcome_.stops;
    if (world_.random.chance(150)) {
      world_.note("stop_now()");
      engine_->stop_now();
      stop_at_ns_ = std::min(stop_at_ns_.value_or(INT64_MAX), world_.clock.now_ns);
      return;
    }
    world_.note("request_stop()");
    engine_->request_stop(world_.clock.now_ns);
    stop_at_ns_ = std::min(
        stop_at_ns_.value_or(INT64_MAX),
        world_.clock.now_ns + world_.scenario.settings.stop_timeout_ms * core::kNanosPerMilli);
  }

  bool ready(const Driven& worker) {
    return !worker.finished && (world_.clock.now_ns >= worker.wait_until_ns ||
                                engine_->wakeup(worker.role).count() != worker.seen);
  }

  void step_or_wait() {
    bool source_ready = ready(source_);
    bool sink_ready = ready(sink_);
    bool spurious = world_.random.chance(20);
    if ((source_ready || sink_ready || spurious) && !world_.random.chance(50)) {
      bool source = source_ready && sink_ready ? world_.random.chance(500) : source_ready;
      Driven& worker = source ? source_ : sink_;
      if (!worker.finished) {
        step(worker);
      }
      return;
    }
    int64_t next = std::min(source_.finished ? INT64_MAX : source_.wait_until_ns,
                            sink_.finished ? INT64_MAX : sink_.wait_until_ns);
    int64_t pause = world_.random.between(0, 3 * core::kNanosPerMilli);
    if (!source_ready && !sink_ready && next != INT64_MAX && world_.random.chance(700)) {
      pause = std::max<int64_t>(next - world_.clock.now_ns, 0);
    }
    world_.clock.now_ns += pause;
  }

  void step(Driven& worker) {
    worker.seen = engine_->wakeup(worker.role).count();
    int64_t max_wait_ns = world_.random.chance(100) ? 0 : core::kIdleWaitNs;
    core::StepResult result = engine_->step(worker.role, world_.clock.now_ns, max_wait_ns);
    worker.finished = result.finished;
    worker.wait_until_ns = result.wait_until_ns;
    check_after_step(worker);
  }

  void check_after_step(Driven& worker) {
    core::PipelineStatus status = engine_->status(world_.clock.now_ns);
    uint64_t limit = world_.scenario.settings.queue_max_bytes;
    // One batch, and what an encoding of it may hold: an arena chunk and the messages.
    uint64_t batch = 20 * (sizeof(dstream_record) + world_.scenario.row_bytes) + 64 * 1024;
    if (status.queue_bytes > limit + batch) {
      world_.violated("I6: the pipeline holds " + std::to_string(status.queue_bytes) +
                      " bytes of " + std::to_string(limit));
    }
    if (stop_at_ns_ && world_.clock.now_ns > *stop_at_ns_ && ++worker.late_steps > 20) {
      world_.violated("I10: still at work after the deadline of a stop");
    }
  }

  // The pipeline has stopped or failed by itself. True if the run is over.
  bool stopped() {
    core::PipelineStatus status = engine_->status(world_.clock.now_ns);
    world_.note(std::string("the pipeline is ") + core::to_string(status.state));
    bool all_read = world_.available() == static_cast<int64_t>(world_.scenario.log.size());
    bool in_time = !stop_at_ns_ || world_.clock.now_ns < *stop_at_ns_;
    bool clean = !status.last_error && in_time;
    engine_.reset();
    if (world_.verdict) {
      world_.violated(*world_.verdict);
    }
    if (status.state == core::PipelineState::kFailed) {
      ++outcome_.failures;
      return after_failure(*status.last_error);
    }
    if (status.state != core::PipelineState::kStopped) {
      world_.violated(std::string("It ended as ") + core::to_string(status.state));
    }
    if (clean) {
      world_.check_clean_stop();
    }
    bool by_itself = !stop_at_ns_;
    if (clean && all_read && (by_itself || final_stop_)) {
      world_.check_end();
      return true;
    }
    return false;
  }

  // A failure must have a reason; the operator removes it, or the run ends there.
  bool after_failure(const core::Error& error) {
    core::PipelineSettings& settings = world_.scenario.settings;
    bool rejected = error.code == "DS-SINK-REJECTED" || error.code == "DS-ENCODE-SIM";
    if (rejected && settings.on_reject == core::OnReject::kStop) {
      for (Change& change : world_.scenario.log) {
        change.rejected = change.unencodable = false;
      }
      return false;
    }
    bool gap = error.code == "DS-SOURCE-GAP";
    if (gap && settings.on_data_loss == core::OnDataLoss::kStop && world_.oldest() > 0) {
      return true;
    }
    world_.violated("It failed: " + error.text());
  }

  World world_;
  QuietLog log_;
  std::unique_ptr<core::MetricsRegistry> metrics_;
  std::unique_ptr<core::PipelineEngine> engine_;
  Outcome outcome_;
  Driven source_{Role::kSource};
  Driven sink_{Role::kSink};
  std::optional<int64_t> stop_at_ns_;
  bool final_stop_ = false;  // asked for when everything was delivered
  uint64_t disk_failures_ = 0;
};

}  // namespace

Outcome run(uint64_t seed, bool verbose) {
  Outcome outcome = Run(seed, verbose).go();
  forget_batches();
  return outcome;
}

}  // namespace dstream::simulation
