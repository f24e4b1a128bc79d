#include "core/pipeline/lifecycle.h"

#include <gtest/gtest.h>

#include "core/pipeline/test_plugins.h"
#include "core/pipeline/test_records.h"

namespace dstream::core {
namespace {

using testing::ManualClock;
using testing::MemoryLog;

const Error kError{"DS-X", "It failed.", "", std::nullopt, ExitCode::kFailed};

class LifecycleTest : public ::testing::Test {
 protected:
  void both(Phase phase) {
    lifecycle_.set_phase(Role::kSource, phase);
    lifecycle_.set_phase(Role::kSink, phase);
  }
  std::optional<Error> error() {
    PipelineStatus status;
    lifecycle_.fill(&status);
    return status.last_error;
  }

  ManualClock clock_;
  MemoryLog log_;
  MetricsRegistry metrics_;
  Lifecycle lifecycle_{"people", &clock_, &log_, &metrics_, 1000};
};

TEST_F(LifecycleTest, RunsWhenBothAreOpenAndBacksOffWhenOneIsNot) {
  EXPECT_EQ(lifecycle_.state(), PipelineState::kStarting);
  lifecycle_.set_phase(Role::kSink, Phase::kOpen);
  EXPECT_EQ(lifecycle_.state(), PipelineState::kStarting);
  lifecycle_.set_phase(Role::kSource, Phase::kBackingOff, kError);
  EXPECT_EQ(lifecycle_.state(), PipelineState::kBackingOff);
  EXPECT_EQ(error()->code, "DS-X");
  lifecycle_.set_phase(Role::kSource, Phase::kOpening);
  EXPECT_EQ(lifecycle_.state(), PipelineState::kStarting);
  EXPECT_EQ(error()->code, "DS-X") << "Until it works.";
  lifecycle_.set_phase(Role::kSource, Phase::kOpen);
  EXPECT_EQ(lifecycle_.state(), PipelineState::kRunning);
  EXPECT_FALSE(error().has_value());
  EXPECT_TRUE(log_.contains("The pipeline is running."));
  EXPECT_EQ(
      metrics_
          .gauge("dstream_pipeline_state", "1 for the state the pipeline is in, 0 for the others.",
                 {{"pipeline", "people"}, {"state", "running"}})
          .value(),
      1);
}

TEST_F(LifecycleTest, AReasonIsSaidWhereItCounts) {
  lifecycle_.set_phase(Role::kSource, Phase::kBackingOff, kError);
  EXPECT_TRUE(log_.contains("backing off. pipeline=people state=backing_off code=DS-X reason="));
  EXPECT_FALSE(log_.contains("hint=")) << "there is none";
  lifecycle_.set_phase(Role::kSource, Phase::kOpening);
  EXPECT_FALSE(log_.contains("The pipeline is starting.")) << "the next of many tries";
  lifecycle_.fail(kError, 0);
  EXPECT_FALSE(log_.contains("state=draining code=DS-X reason="));
  both(Phase::kFinished);
  EXPECT_TRUE(log_.contains("failed. pipeline=people state=failed code=DS-X reason="));
}

TEST_F(LifecycleTest, StopDrainsAndHasADeadlineThatASecondRequestDoesNotMove) {
  both(Phase::kOpen);
  lifecycle_.request_stop(500);
  EXPECT_EQ(lifecycle_.state(), PipelineState::kDraining);
  int64_t deadline = 500 + 1000 * kNanosPerMilli;
  EXPECT_EQ(lifecycle_.deadline_ns(), deadline);
  lifecycle_.request_stop(900);
  EXPECT_EQ(lifecycle_.deadline_ns(), deadline);
  EXPECT_FALSE(lifecycle_.must_give_up(deadline - 1));
  EXPECT_TRUE(lifecycle_.must_give_up(deadline));
  lifecycle_.set_phase(Role::kSource, Phase::kBackingOff, kError);
  EXPECT_EQ(lifecycle_.state(), PipelineState::kDraining);
  both(Phase::kFinished);
  EXPECT_EQ(lifecycle_.state(), PipelineState::kStopped);
  EXPECT_TRUE(lifecycle_.finished());
}

TEST_F(LifecycleTest, FirstFailureIsShownAndEndsAsFailed) {
  both(Phase::kOpen);
  lifecycle_.fail(kError, 0);
  lifecycle_.fail(Error{"DS-Y", "It failed as well.", "", std::nullopt, ExitCode::kFailed}, 0);
  EXPECT_EQ(lifecycle_.state(), PipelineState::kDraining);
  EXPECT_TRUE(lifecycle_.failing());
  both(Phase::kFinished);
  EXPECT_EQ(lifecycle_.state(), PipelineState::kFailed);
  EXPECT_EQ(error()->code, "DS-X");
}

TEST_F(LifecycleTest, StopNowGivesUpAtOnce) {
  lifecycle_.stop_now();
  EXPECT_TRUE(lifecycle_.must_give_up(0));
  EXPECT_EQ(lifecycle_.state(), PipelineState::kDraining);
}

TEST_F(LifecycleTest, EndDrainsWithoutADeadline) {
  both(Phase::kOpen);
  lifecycle_.end();
  EXPECT_EQ(lifecycle_.state(), PipelineState::kDraining);
  EXPECT_FALSE(lifecycle_.must_give_up(INT64_MAX - 1));
}

TEST_F(LifecycleTest, TroubleIsShownAndLoggedOnce) {
  both(Phase::kOpen);
  lifecycle_.set_trouble(Trouble::kCheckpoint, kError);
  EXPECT_EQ(lifecycle_.state(), PipelineState::kRunning);
  EXPECT_EQ(error()->code, "DS-X");
  EXPECT_TRUE(log_.contains("It failed."));
  lifecycle_.set_trouble(Trouble::kCheckpoint, std::nullopt);
  EXPECT_FALSE(error().has_value());
}

TEST_F(LifecycleTest, WhatIsInTheWayOfADrainIsSaidOnce) {
  both(Phase::kOpen);
  lifecycle_.end();
  EXPECT_EQ(log_.count("something is in its way"), 0);
  for (int i = 0; i < 3; ++i) {
    lifecycle_.set_phase(Role::kSink, Phase::kBackingOff, kError);
    lifecycle_.set_phase(Role::kSink, Phase::kOpening);
  }
  EXPECT_EQ(log_.count("something is in its way"), 1);
  EXPECT_EQ(lifecycle_.state(), PipelineState::kDraining);
}

TEST_F(LifecycleTest, WorkerThatHangsIsLeftBehind) {
  both(Phase::kOpen);
  lifecycle_.stop_now();
  lifecycle_.set_phase(Role::kSink, Phase::kFinished);
  lifecycle_.leave_behind(Role::kSource, "read()");
  EXPECT_EQ(lifecycle_.state(), PipelineState::kStopped);
  EXPECT_EQ(error()->code, "DS-STOP-HANGING");
  lifecycle_.set_phase(Role::kSource, Phase::kOpen);
  EXPECT_EQ(lifecycle_.state(), PipelineState::kStopped) << "It may wake up; nobody listens.";
}

TEST(LifecycleDeathTest, StatesDoNotGoBackwards) {
  ManualClock clock;
  MemoryLog log;
  MetricsRegistry metrics;
  Lifecycle lifecycle("people", &clock, &log, &metrics, 1000);
  lifecycle.set_phase(Role::kSource, Phase::kOpen);
  lifecycle.set_phase(Role::kSink, Phase::kOpen);
  EXPECT_DEATH(lifecycle.set_phase(Role::kSink, Phase::kOpening), "assertion failed");
}

}  // namespace
}  // namespace dstream::core
