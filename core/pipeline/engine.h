// One pipeline without threads: both workers and what they share, driven step by step.
//
// ThreadedPipeline drives it with two threads; the simulation drives it with one thread, a seed and
// a simulated clock. Steps of the source and of the sink may run at the same time; two steps of the
// same worker may not.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/messages/encoder.h"
#include "core/pipeline/claim_uploads.h"
#include "core/pipeline/pipeline.h"
#include "core/pipeline/sink_worker.h"
#include "core/pipeline/source_worker.h"
#include "core/pipeline/worker.h"
#include "core/registry/registry_client.h"

namespace dstream::core {

class PipelineEngine {
 public:
  // As Pipeline::create(). `encoder` replaces the one of the settings, for tests.
  static Result<std::unique_ptr<PipelineEngine>> create(const PipelineSettings& settings,
                                                        const PipelineEnvironment& environment,
                                                        std::unique_ptr<Encoder> encoder = nullptr);
  ~PipelineEngine();
  PipelineEngine(const PipelineEngine&) = delete;
  PipelineEngine& operator=(const PipelineEngine&) = delete;

  // One step of a worker at `now_ns` (Clock::monotonic_ns()). At most one plugin call, which may
  // wait for `max_wait_ns`. [worker]
  StepResult step(Role role, int64_t now_ns, int64_t max_wait_ns);
  // What wakes a worker that waits. [any-thread]
  Wakeup& wakeup(Role role);

  // [any-thread]
  void request_stop(int64_t now_ns);
  void stop_now();
  PipelineStatus status(int64_t now_ns) const;
  PluginStatus plugin_status() const;
  std::optional<CallResult> request_snapshot(const std::string& table);
  Lifecycle& lifecycle() { return lifecycle_; }
  std::optional<CallInProgress> call_in_progress(Role role) const;

 private:
  PipelineEngine(const PipelineSettings& settings, const PipelineEnvironment& environment);
  Result<void> make_parts(std::unique_ptr<Encoder> encoder);
  Result<std::unique_ptr<Encoder>> make_own_encoder();
  void make_claims(OversizeEncoder* oversize);
  Result<void> make_dead_letter_sink();
  WorkerContext context(uint64_t seed_offset);

  const PipelineSettings settings_;
  const PipelineEnvironment environment_;
  PipelineMetrics metrics_;
  PipelineCounters counters_;
  Lifecycle lifecycle_;
  ByteBudget budget_;
  PositionExchange positions_;
  std::unique_ptr<CheckpointStore> store_;
  std::unique_ptr<RegistryClient> registry_;
  std::unique_ptr<ClaimUploads> claims_;  // only with on_oversize: claim_check
  // In this order: batches go back before their source is destroyed, a sink is closed before the
  // deliveries it holds are released, and nothing settles into a worker that is gone.
  std::unique_ptr<GuardedSource> source_;
  BatchQueue queue_;
  std::unique_ptr<SinkWorker> sink_worker_;
  std::unique_ptr<GuardedSink> sink_;
  std::unique_ptr<DeadLetterSink> dead_letters_;  // both nullptr if they go to the file
  std::unique_ptr<GuardedSink> dead_letter_sink_;
  std::unique_ptr<SourceWorker> source_worker_;
};

}  // namespace dstream::core
