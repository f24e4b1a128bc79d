#include "core/pipeline/source_worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/pipeline/test_workers.h"

namespace dstream::core {
namespace {

using testing::call_result;
using ::testing::ElementsAre;
using testing::ScriptedSource;
using testing::TestRecord;
using testing::WorkerParts;

class SourceWorkerTest : public ::testing::Test {
 protected:
  void start(const std::string& position = "") {
    parts_.lifecycle.set_phase(Role::kSink, Phase::kOpen);
    worker_ = std::make_unique<SourceWorker>(parts_.context(), &source_, position);
  }
  StepResult step() { return worker_->step(parts_.clock.now_ns, kNanosPerSecond); }
  // Steps until nothing more happens at this instant.
  void settle_down() {
    for (int i = 0; i < 100; ++i) {
      StepResult result = step();
      if (result.finished || result.wait_until_ns > parts_.clock.now_ns) {
        return;
      }
    }
    FAIL() << "It does not come to rest.";
  }
  // Lets the longest back-off of a first failure pass.
  void pass_time(int64_t milliseconds = 100) {
    parts_.clock.now_ns += milliseconds * kNanosPerMilli;
    settle_down();
  }
  void will_read(const std::vector<TestRecord>& records) {
    source_.reads.emplace_back(call_result(DSTREAM_OK), parts_.batches.make(records));
  }
  void will_fail(dstream_status status, uint32_t retry_after_ms = 0) {
    source_.reads.emplace_back(call_result(status, "It failed.", retry_after_ms), nullptr);
  }
  int64_t count(const std::string& call) {
    return std::count(source_.calls.begin(), source_.calls.end(), call);
  }
  PipelineState state() { return parts_.lifecycle.state(); }

  WorkerParts parts_;
  ScriptedSource source_;
  std::unique_ptr<SourceWorker> worker_;
};

TEST_F(SourceWorkerTest, ReadsFromTheCheckpointAndCommitsItFirst) {
  will_read({{'i', "6"}});
  start("5");
  settle_down();
  // The commit may have been lost between the durable checkpoint and a crash (I2).
  EXPECT_THAT(source_.calls, ElementsAre("open 5", "commit 5", "read", "read"));
  EXPECT_EQ(state(), PipelineState::kRunning);
  EXPECT_EQ(parts_.counters.records_read.load(), 1u);
  EXPECT_FALSE(parts_.queue.empty());
}

TEST_F(SourceWorkerTest, WatermarksAreNoRecordsToThoseWhoCount) {
  will_read({{'w', "6"}, {'i', "7"}, {'w', "8"}});
  start("5");
  settle_down();
  EXPECT_EQ(parts_.counters.records_read.load(), 3u);
  EXPECT_EQ(parts_.counters.watermarks_read.load(), 2u);
  EXPECT_EQ(parts_.metrics.source_records.value(), 1);
}

TEST_F(SourceWorkerTest, AgainIsNotRepeatedAtOnce) {
  start();
  settle_down();
  EXPECT_EQ(count("read"), 1);
  pass_time(5);
  EXPECT_EQ(count("read"), 2);
}

TEST_F(SourceWorkerTest, WaitsWhileTheBudgetIsFull) {
  parts_.budget.charge(1'000'000);
  start();
  settle_down();
  EXPECT_EQ(count("read"), 0);
  parts_.budget.release(1);
  settle_down();
  EXPECT_EQ(count("read"), 1);
  parts_.budget.release(999'999);
}

TEST_F(SourceWorkerTest, RetryRepeatsTheSameCall) {
  will_fail(DSTREAM_RETRY);
  start();
  settle_down();
  EXPECT_EQ(state(), PipelineState::kBackingOff);
  EXPECT_EQ(parts_.error_code(), "DS-SOURCE-RETRY");
  pass_time();
  EXPECT_EQ(state(), PipelineState::kRunning);
  EXPECT_THAT(source_.calls, ElementsAre("open ", "read", "read"));
  EXPECT_EQ(parts_.error_code(), "");
}

TEST_F(SourceWorkerTest, RetryAfterIsRespected) {
  will_fail(DSTREAM_RETRY, 5000);
  start();
  settle_down();
  pass_time(4999);
  EXPECT_EQ(count("read"), 1);
  pass_time(1);
  EXPECT_EQ(count("read"), 2);
}

TEST_F(SourceWorkerTest, ReopenContinuesAfterWhatWasRead) {
  will_read({{'i', "6"}, {'i', "7"}, {'i', ""}});
  will_fail(DSTREAM_REOPEN);
  start("5");
  settle_down();
  EXPECT_EQ(state(), PipelineState::kBackingOff);
  EXPECT_EQ(source_.calls.back(), "close");
  pass_time();
  EXPECT_EQ(count("open 7"), 1);
  EXPECT_EQ(state(), PipelineState::kRunning);
}

TEST_F(SourceWorkerTest, RetryIsGivenUpAfterMaxElapsed) {
  parts_.settings.retry.max_elapsed_ms = 1000;
  for (int i = 0; i < 100; ++i) {
    source_.opens.push_back(call_result(DSTREAM_RETRY));
  }
  start();
  for (int i = 0; i < 100 && !parts_.lifecycle.failing(); ++i) {
    pass_time();
  }
  EXPECT_TRUE(parts_.lifecycle.failing());
  EXPECT_GE(parts_.clock.now_ns, 1000 * kNanosPerMilli);
  EXPECT_EQ(parts_.error_code(), "DS-SOURCE-RETRY");
}

TEST_F(SourceWorkerTest, DeniedIsTriedForAWhileThenFails) {
  parts_.settings.retry.denied_for_ms = 1000;
  parts_.settings.retry.backoff_max_ms = 100;
  for (int i = 0; i < 1000; ++i) {
    source_.opens.push_back(call_result(DSTREAM_DENIED, "Login failed."));
  }
  start();
  settle_down();
  EXPECT_EQ(state(), PipelineState::kBackingOff);
  for (int i = 0; i < 100 && !parts_.lifecycle.failing(); ++i) {
    pass_time();
  }
  EXPECT_EQ(parts_.error_code(), "DS-SOURCE-DENIED");
  EXPECT_GE(parts_.clock.now_ns, 1000 * kNanosPerMilli);
  EXPECT_LT(parts_.clock.now_ns, 1300 * kNanosPerMilli);
}

TEST_F(SourceWorkerTest, ARefusedLoginIsTriedWithTheSecretAsItIsNow) {
  parts_.settings.source.config_json = R"({"password":"old"})";
  std::string secret = "old";
  parts_.reread_config = [&](const std::string& pipeline, Role role) -> Result<std::string> {
    EXPECT_EQ(pipeline, "people");
    EXPECT_EQ(role, Role::kSource);
    return "{\"password\":\"" + secret + "\"}";
  };
  source_.takes_config = DSTREAM_OK;
  source_.opens.assign(4, call_result(DSTREAM_DENIED, "Login failed."));
  start();
  settle_down();
  pass_time();
  EXPECT_EQ(count("reconfigure"), 0) << "nothing has changed";
  secret = "new";
  for (int i = 0; i < 10; ++i) {
    pass_time(1000);
  }
  EXPECT_THAT(source_.configs, ElementsAre(R"({"password":"new"})"));
  EXPECT_EQ(state(), PipelineState::kRunning);
  EXPECT_TRUE(parts_.log.contains("A secret has changed and is used from now on."));
}

TEST_F(SourceWorkerTest, OnlyARefusalHasSecretsReadAgain) {
  parts_.reread_config = [](const std::string&, Role) -> Result<std::string> {
    ADD_FAILURE() << "the connection was lost, nothing else";
    return std::string("{}");
  };
  source_.opens.assign(3, call_result(DSTREAM_REOPEN));
  start();
  for (int i = 0; i < 10; ++i) {
    pass_time(1000);
  }
  EXPECT_EQ(state(), PipelineState::kRunning);
}

TEST_F(SourceWorkerTest, ASecretThatCannotBeReadOrTakenIsSaidOnce) {
  bool readable = false;
  parts_.reread_config = [&](const std::string&, Role) -> Result<std::string> {
    if (!readable) {
      return fail(Error{"DS-CONFIG-REFERENCE-FILE", "There is no such file.", "", {}, {}});
    }
    return std::string(R"({"password":"new"})");
  };
  source_.opens.assign(40, call_result(DSTREAM_DENIED, "Login failed."));
  start();
  for (int i = 0; i < 10; ++i) {
    pass_time(1000);
  }
  EXPECT_EQ(parts_.log.count("could not be read again"), 1);
  readable = true;
  for (int i = 0; i < 10; ++i) {
    pass_time(1000);
  }
  EXPECT_EQ(parts_.log.count("only at a restart"), 1) << "this plugin does not offer it";
}

TEST_F(SourceWorkerTest, ConfigUnsupportedFatalAndUnknownFailAtOnce) {
  struct Case {
    dstream_status status;
    const char* code;
    ExitCode exit_code;
  };
  for (const Case& each : {Case{DSTREAM_CONFIG, "DS-SOURCE-CONFIG", ExitCode::kUsage},
                           Case{DSTREAM_UNSUPPORTED, "DS-SOURCE-UNSUPPORTED", ExitCode::kFailed},
                           Case{DSTREAM_FATAL, "DS-SOURCE-FATAL", ExitCode::kFailed},
                           Case{-77, "DS-SOURCE-FATAL", ExitCode::kFailed}}) {
    WorkerParts parts;
    ScriptedSource source;
    source.opens.push_back(call_result(each.status, "No."));
    SourceWorker worker(parts.context(), &source, "");
    worker.step(0, 0);
    EXPECT_TRUE(parts.lifecycle.failing());
    EXPECT_EQ(parts.error_code(), each.code);
    EXPECT_EQ(parts.status().last_error->exit_code, each.exit_code);
    EXPECT_EQ(parts.status().last_error->message, "scripted (open): No.");
  }
}

TEST_F(SourceWorkerTest, FailureDrainsWhatWasRead) {
  will_read({{'i', "6"}});
  will_fail(DSTREAM_FATAL);
  start();
  settle_down();
  EXPECT_TRUE(parts_.lifecycle.reading_finished());
  EXPECT_FALSE(parts_.queue.empty());
  EXPECT_EQ(count("close"), 0) << "It still has to hear of the last position.";
  parts_.positions.publish("6");
  parts_.lifecycle.set_sink_finished();
  settle_down();
  EXPECT_EQ(source_.calls[source_.calls.size() - 2], "commit 6");
  EXPECT_EQ(source_.calls.back(), "close");
}

TEST_F(SourceWorkerTest, DataLossStopsUnlessItMayContinue) {
  source_.opens.push_back(call_result(DSTREAM_DATA_LOSS, "Gone."));
  start("5");
  settle_down();
  EXPECT_TRUE(parts_.lifecycle.failing());
  EXPECT_EQ(parts_.error_code(), "DS-SOURCE-GAP");
  EXPECT_EQ(parts_.status().last_error->exit_code, ExitCode::kRefused);
  EXPECT_EQ(count("open "), 0);
}

TEST_F(SourceWorkerTest, DataLossContinuesWithTheOldestAndKeepsTheGap) {
  parts_.settings.on_data_loss = OnDataLoss::kContinue;
  source_.opens.push_back(call_result(DSTREAM_DATA_LOSS, "Gone."));
  start("5");
  settle_down();
  pass_time();
  EXPECT_EQ(count("open "), 1);
  EXPECT_EQ(state(), PipelineState::kRunning);
  EXPECT_TRUE(parts_.log.contains("Changes are missing"));
  EXPECT_EQ(parts_.metrics.source_gaps.value(), 1);
  CheckpointGap gap;
  EXPECT_EQ(parts_.positions.take_gaps(&gap), 1u);
  EXPECT_EQ(gap.position, "5");
  EXPECT_EQ(gap.reason, "Gone.");
}

TEST_F(SourceWorkerTest, DataLossAtTheBeginningIsAFailure) {
  parts_.settings.on_data_loss = OnDataLoss::kContinue;
  source_.opens.push_back(call_result(DSTREAM_DATA_LOSS, "Gone."));
  start();
  settle_down();
  EXPECT_TRUE(parts_.lifecycle.failing()) << "There is nothing older to go on with.";
}

TEST_F(SourceWorkerTest, EndDrainsAndClosesAfterTheLastCommit) {
  will_read({{'i', "1"}});
  will_fail(DSTREAM_END);
  start();
  settle_down();
  EXPECT_EQ(state(), PipelineState::kDraining);
  EXPECT_EQ(count("close"), 0);
  parts_.positions.publish("1");
  parts_.lifecycle.set_sink_finished();
  settle_down();
  EXPECT_THAT(source_.calls, ElementsAre("open ", "read", "read", "commit 1", "close"));
  EXPECT_TRUE(step().finished);
}

TEST_F(SourceWorkerTest, StopWakesAnIdleSourceAtOnce) {
  will_read({{'i', "1"}});
  start();
  settle_down();
  parts_.lifecycle.request_stop(parts_.clock.now_ns);
  worker_->request_stop();
  EXPECT_EQ(count("stop"), 1);
  settle_down();
  EXPECT_TRUE(parts_.lifecycle.reading_finished());
}

TEST_F(SourceWorkerTest, StopInsideATransactionReadsItToItsEnd) {
  will_read({{'i', "1"}, {'i', ""}});
  start();
  step();
  step();
  parts_.lifecycle.request_stop(parts_.clock.now_ns);
  worker_->request_stop();
  EXPECT_EQ(count("stop"), 0);
  will_read({{'i', ""}});
  will_read({{'i', "4"}});
  settle_down();
  EXPECT_EQ(count("read"), 3);
  EXPECT_TRUE(parts_.lifecycle.reading_finished());
}

TEST_F(SourceWorkerTest, StopInsideATransactionThatDoesNotGoOnEndsAllTheSame) {
  will_read({{'i', "1"}, {'i', ""}});
  start();
  step();
  step();
  parts_.lifecycle.request_stop(parts_.clock.now_ns);
  settle_down();
  EXPECT_EQ(count("stop"), 1) << "It is told, and may give what it still holds.";
  EXPECT_FALSE(parts_.lifecycle.reading_finished());
  pass_time(5);
  EXPECT_TRUE(parts_.lifecycle.reading_finished());
}

// It has given positions before the gap, so the transaction has an end (I10).
TEST_F(SourceWorkerTest, StopInsideTheFirstTransactionBehindAGapReadsItToItsEnd) {
  parts_.settings.on_data_loss = OnDataLoss::kContinue;
  source_.opens.push_back(call_result(DSTREAM_DATA_LOSS, "Gone."));
  start("5");
  settle_down();
  will_read({{'i', ""}});
  will_fail(DSTREAM_REOPEN);
  pass_time();
  parts_.lifecycle.request_stop(parts_.clock.now_ns);
  will_read({{'i', ""}, {'i', "9"}});
  pass_time(500);
  EXPECT_EQ(count("open "), 2);
  EXPECT_EQ(count("stop"), 0);
  EXPECT_EQ(parts_.counters.records_read.load(), 3u);
  EXPECT_TRUE(parts_.lifecycle.reading_finished());
}

TEST_F(SourceWorkerTest, StopDoesNotWaitForATransactionThatEndsInAGap) {
  parts_.settings.on_data_loss = OnDataLoss::kContinue;
  will_read({{'i', ""}});
  will_fail(DSTREAM_DATA_LOSS);
  start("5");
  settle_down();
  parts_.lifecycle.request_stop(parts_.clock.now_ns);
  will_fail(DSTREAM_CANCELLED);
  pass_time();
  EXPECT_EQ(count("stop"), 1);
  EXPECT_TRUE(parts_.lifecycle.reading_finished());
}

TEST_F(SourceWorkerTest, SourceWithoutPositionsStops) {
  will_read({{'i', ""}});
  start();
  step();
  step();
  parts_.lifecycle.request_stop(parts_.clock.now_ns);
  step();
  EXPECT_EQ(count("stop"), 1);
  will_fail(DSTREAM_CANCELLED);
  settle_down();
  EXPECT_TRUE(parts_.lifecycle.reading_finished());
}

TEST_F(SourceWorkerTest, StopDuringOpenIsNoFailure) {
  source_.opens.push_back(call_result(DSTREAM_CANCELLED));
  source_.in_open = [this] { parts_.lifecycle.request_stop(parts_.clock.now_ns); };
  start("5");
  settle_down();
  EXPECT_TRUE(parts_.lifecycle.reading_finished());
  EXPECT_EQ(parts_.error_code(), "");
  EXPECT_EQ(parts_.metrics.source_retries.value(), 0);
  parts_.lifecycle.set_sink_finished();
  settle_down();
  EXPECT_THAT(source_.calls, ElementsAre("open 5"));
}

TEST_F(SourceWorkerTest, CancelledWithoutAStopIsAReopen) {
  will_fail(DSTREAM_CANCELLED);
  start();
  settle_down();
  EXPECT_EQ(state(), PipelineState::kBackingOff);
  pass_time();
  EXPECT_EQ(state(), PipelineState::kRunning);
  EXPECT_EQ(count("open "), 2);
}

TEST_F(SourceWorkerTest, CommitThatFailsIsRepeatedAlsoAtTheEnd) {
  start();
  settle_down();
  source_.commits.push_back(call_result(DSTREAM_RETRY));
  source_.commits.push_back(call_result(DSTREAM_RETRY));
  parts_.positions.publish("1");
  parts_.lifecycle.request_stop(parts_.clock.now_ns);
  parts_.lifecycle.set_sink_finished();
  settle_down();
  EXPECT_EQ(count("close"), 0);
  pass_time();
  pass_time(200);
  EXPECT_EQ(count("commit 1"), 3);
  EXPECT_EQ(source_.calls.back(), "close");
}

TEST_F(SourceWorkerTest, DeadlineEndsItWithoutTheLastCommit) {
  start();
  settle_down();
  parts_.lifecycle.request_stop(parts_.clock.now_ns);
  settle_down();
  EXPECT_EQ(count("close"), 0) << "It waits for the last position.";
  pass_time(1000);
  EXPECT_EQ(source_.calls.back(), "close");
  EXPECT_TRUE(step().finished);
}

}  // namespace
}  // namespace dstream::core
