// What a pipeline is doing, and whether it should stop: the one thing its two workers share besides
// the queue.
//
// Each worker says which phase it is in; the pipeline's state follows from both, from stop requests
// and from the first failure. Every transition is asserted against the table in lifecycle.cc.
//
// Thread rule: [any-thread].
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/metrics.h"
#include "core/pipeline/pipeline.h"
#include "core/pipeline/settings.h"
#include "core/pipeline/wakeup.h"

namespace dstream::core {

enum class Phase { kOpening, kOpen, kBackingOff, kFinished };
// Trouble that does not stop delivery; shown by status() until it is over.
enum class Trouble { kCheckpoint = 0, kDeadLetter = 1, kEncoder = 2, kClaims = 3 };

class Lifecycle {
 public:
  // Borrowed, outlive it.
  Lifecycle(std::string pipeline, const Clock* clock, Log* log, MetricsRegistry* metrics,
            int64_t stop_timeout_ms);

  // From a worker. `why` goes with kBackingOff.
  void set_phase(Role role, Phase phase, const std::optional<Error>& why = std::nullopt);
  void set_trouble(Trouble trouble, const std::optional<Error>& what);
  // The pipeline will end as failed; the first failure is the one that is shown. Starts the drain
  // and its deadline.
  void fail(Error error, int64_t now_ns);
  // The source has ended by itself: drain, without a deadline.
  void end();

  // Starts the drain; what is not done at now + stop_timeout is given up (I10).
  void request_stop(int64_t now_ns);
  // Gives up at once.
  void stop_now();
  // The drain was given up; so many records were read and are not covered by the stored position.
  void set_uncovered_records(uint64_t records);
  // A worker hangs in a plugin call past every deadline: the pipeline counts as finished without
  // it.
  void leave_behind(Role role, const std::string& call);

  bool stop_requested() const { return stop_requested_.load(std::memory_order_acquire); }
  bool failing() const { return failing_.load(std::memory_order_acquire); }
  // The drain is over, done or not.
  bool must_give_up(int64_t now_ns) const {
    return stop_now_.load(std::memory_order_acquire) || now_ns >= deadline_ns();
  }
  // INT64_MAX if there is none.
  int64_t deadline_ns() const { return deadline_ns_.load(std::memory_order_acquire); }

  // The source worker reads no more; what is in the queue is all there is.
  void set_reading_finished();
  bool reading_finished() const { return reading_finished_.load(std::memory_order_acquire); }
  // The sink worker will make no more positions durable.
  void set_sink_finished();
  bool sink_finished() const { return sink_finished_.load(std::memory_order_acquire); }

  bool finished() const;
  PipelineState state() const;
  // Fills name, state, since and last error.
  void fill(PipelineStatus* status) const;
  Wakeup& source_wakeup() { return source_wakeup_; }
  Wakeup& sink_wakeup() { return sink_wakeup_; }

 private:
  PipelineState computed_state() const;
  void update_state();
  void log_state(PipelineState state) const;
  void warn_draining(const Error& why);
  std::optional<Error> shown_error() const;
  void set_deadline(int64_t deadline_ns);
  void wake_all();

  const std::string pipeline_;
  const Clock* const clock_;
  Log* const log_;
  const int64_t stop_timeout_ms_;
  std::array<Gauge*, 6> state_gauges_{};  // by PipelineState; 1 for the one it is in
  Wakeup source_wakeup_;
  Wakeup sink_wakeup_;
  std::atomic<bool> stop_requested_{false};
  std::atomic<bool> stop_now_{false};
  std::atomic<bool> failing_{false};
  std::atomic<bool> ended_{false};
  std::atomic<bool> reading_finished_{false};
  std::atomic<bool> sink_finished_{false};
  std::atomic<int64_t> deadline_ns_{INT64_MAX};

  mutable std::mutex mutex_;  // guards all below
  PipelineState state_ = PipelineState::kStarting;
  int64_t since_wall_ns_ = 0;
  std::array<Phase, 2> phases_{Phase::kOpening, Phase::kOpening};
  std::array<std::optional<Error>, 2> errors_;
  std::array<std::optional<Error>, 4> troubles_;
  std::optional<Error> failure_;
  std::optional<Error> given_up_;
  std::string draining_said_;  // the code that was last said while draining
};

}  // namespace dstream::core
