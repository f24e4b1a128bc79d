#include "core/pipeline/sink_worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "core/pipeline/test_workers.h"

namespace dstream::core {
namespace {

using testing::call_result;
using ::testing::ElementsAre;
using testing::FaultyFiles;
using testing::ScriptedSink;
using testing::TestEncoder;
using testing::TestFolder;
using testing::TestRecord;
using testing::WorkerParts;

// What prepare() says, as the test has it.
class WaitingEncoder final : public Encoder {
 public:
  bool needs_preparation() const override { return true; }
  Result<bool> prepare(const dstream_batch& /*batch*/) override {
    ++asked;
    return refusal ? Result<bool>(dstream::core::fail(*refusal)) : Result<bool>(ready);
  }
  std::optional<Error> trouble() const override { return why; }
  Result<void> encode(const dstream_record& record, uint32_t record_index, Arena& arena,
                      std::vector<dstream_message>& out) override {
    return inner_.encode(record, record_index, arena, out);
  }

  bool ready = false;
  int asked = 0;
  std::optional<Error> refusal;
  std::optional<Error> why;

 private:
  TestEncoder inner_;
};

class SinkWorkerTest : public ::testing::Test {
 protected:
  void start(bool messages = true, int64_t refused = -1) {
    parts_.lifecycle.set_phase(Role::kSource, Phase::kOpen);
    auto store = CheckpointStore::open(files_, folder_.path(), "people", "scripted");
    ASSERT_TRUE(store.has_value());
    store_ = std::move(*store);
    sink_ = std::make_unique<ScriptedSink>(messages);
    worker_ =
        std::make_unique<SinkWorker>(parts_.context(), store_.get(), &files_, folder_.path(),
                                     messages ? std::make_unique<TestEncoder>(refused) : nullptr);
    worker_->set_sink(sink_.get());
  }
  void start_with_limit(uint64_t bytes) {
    start();
    auto encoder = std::make_unique<OversizeEncoder>(std::make_unique<TestEncoder>(),
                                                     OnOversize::kStop, MessageSettings());
    OversizeEncoder* oversize = encoder.get();
    worker_ = std::make_unique<SinkWorker>(parts_.context(), store_.get(), &files_, folder_.path(),
                                           std::move(encoder));
    worker_->set_sink(sink_.get());
    worker_->set_oversize(oversize);
    sink_->bytes_max = bytes;
  }
  WaitingEncoder* start_waiting() {
    start();
    auto encoder = std::make_unique<WaitingEncoder>();
    WaitingEncoder* waiting = encoder.get();
    worker_ = std::make_unique<SinkWorker>(parts_.context(), store_.get(), &files_, folder_.path(),
                                           std::move(encoder));
    worker_->set_sink(sink_.get());
    return waiting;
  }
  StepResult step() { return worker_->step(parts_.clock.now_ns, kNanosPerSecond); }
  void settle_down() {
    for (int i = 0; i < 200; ++i) {
      StepResult result = step();
      if (result.finished || result.wait_until_ns > parts_.clock.now_ns) {
        return;
      }
    }
    FAIL() << "It does not come to rest.";
  }
  void pass_time(int64_t milliseconds) {
    parts_.clock.now_ns += milliseconds * kNanosPerMilli;
    settle_down();
  }
  void arrive(const std::vector<TestRecord>& records) {
    parts_.counters.records_read += records.size();
    parts_.queue.push(parts_.batches.make(records, next_));
    next_ += static_cast<int64_t>(records.size());
  }
  // Settles items of the last delivery written, as from a thread of the sink.
  void settle(uint32_t first, uint32_t count, dstream_status status = DSTREAM_OK) {
    CallResult why = call_result(status, "Not that.");
    worker_->on_settle(sink_->delivery_ids.back(), first, count, status, &why.error);
  }
  // The next write() takes one item and ends with `status`.
  void take_one_and_say(dstream_status status) {
    sink_->writes.push_back(
        [status](const dstream_delivery&, uint32_t, uint32_t* accepted) -> CallResult {
          *accepted = 1;
          return call_result(status);
        });
  }
  std::string stored() { return store_->current() ? store_->current()->position : ""; }
  int64_t count(const std::string& call) {
    return std::count(sink_->calls.begin(), sink_->calls.end(), call);
  }
  PipelineState state() { return parts_.lifecycle.state(); }
  std::string dead_letters() {
    auto read = files_.read(dead_letter_path(folder_.path(), "people"), 1'000'000);
    return read ? *read : "";
  }

  TestFolder folder_;
  FaultyFiles files_;
  WorkerParts parts_;
  std::unique_ptr<CheckpointStore> store_;
  std::unique_ptr<ScriptedSink> sink_;
  std::unique_ptr<SinkWorker> worker_;
  int64_t next_ = 1;
};

TEST_F(SinkWorkerTest, ABatchWaitsInTheQueueUntilTheEncoderHasWhatItNeeds) {
  WaitingEncoder* encoder = start_waiting();
  arrive({{'i', "1"}, {'i', "2"}, {'i', "3"}});
  settle_down();
  pass_time(5000);
  EXPECT_GT(encoder->asked, 0);
  EXPECT_THAT(sink_->written, ElementsAre());
  EXPECT_FALSE(parts_.queue.empty()) << "the source waits behind it (I6)";
  EXPECT_EQ(parts_.error_code(), "");
  encoder->why = Error{"DS-REGISTRY-AWAY", "Away.", "", std::nullopt, {}};
  pass_time(1000);
  EXPECT_EQ(parts_.error_code(), "DS-REGISTRY-AWAY");
  EXPECT_EQ(state(), PipelineState::kRunning);
  encoder->why.reset();
  encoder->ready = true;
  pass_time(1000);
  EXPECT_THAT(sink_->written, ElementsAre(1, 2, 3));
  settle(0, 3);
  pass_time(1000);
  EXPECT_EQ(stored(), "3");
  EXPECT_EQ(parts_.error_code(), "");
}

TEST_F(SinkWorkerTest, WhatTheEncoderWillNeverHaveStopsThePipelineBeforeIt) {
  parts_.settings.on_reject = OnReject::kDeadLetter;
  WaitingEncoder* encoder = start_waiting();
  encoder->ready = true;
  arrive({{'i', "1"}});
  settle_down();
  settle(0, 1);
  pass_time(1000);
  encoder->refusal = Error{"DS-REGISTRY-INCOMPATIBLE", "No.", "", std::nullopt, {}};
  arrive({{'i', "2"}});
  settle_down();
  pass_time(2000);
  EXPECT_THAT(sink_->written, ElementsAre(1));
  EXPECT_EQ(parts_.error_code(), "DS-REGISTRY-INCOMPATIBLE");
  EXPECT_EQ(stored(), "1") << "(I1)";
  EXPECT_EQ(dead_letters(), "") << "it is no matter of one record";
}

TEST_F(SinkWorkerTest, AStopGivesUpWhatTheEncoderDoesNotGet) {
  start_waiting();
  arrive({{'i', "1"}});
  settle_down();
  parts_.lifecycle.request_stop(parts_.clock.now_ns);
  parts_.lifecycle.set_reading_finished();
  pass_time(2000);
  EXPECT_TRUE(step().finished) << "(I10)";
  EXPECT_EQ(stored(), "");
}

TEST_F(SinkWorkerTest, AStopEndsAnOpenThatHasNothingToDeliver) {
  start();
  sink_->opens.push_back(call_result(DSTREAM_CANCELLED));
  sink_->in_open = [this] {
    parts_.lifecycle.request_stop(parts_.clock.now_ns);
    parts_.lifecycle.set_reading_finished();
    worker_->end_idle_open();
  };
  settle_down();
  EXPECT_TRUE(step().finished);
  EXPECT_THAT(sink_->calls, ElementsAre("open", "stop"));
  EXPECT_EQ(parts_.error_code(), "");
  EXPECT_EQ(parts_.metrics.sink_retries.value(), 0);
}

TEST_F(SinkWorkerTest, AStopLetsAnOpenGoOnThatHasSomethingToDeliver) {
  start();
  arrive({{'i', "1"}});
  sink_->opens.push_back(call_result(DSTREAM_RETRY));
  sink_->in_open = [this] {
    parts_.lifecycle.request_stop(parts_.clock.now_ns);
    parts_.lifecycle.set_reading_finished();
    worker_->end_idle_open();
  };
  settle_down();
  pass_time(500);
  EXPECT_EQ(count("stop"), 0);
  EXPECT_THAT(sink_->written, ElementsAre(1));
  settle(0, 1);
  pass_time(1000);
  EXPECT_EQ(stored(), "1") << "(I5)";
}

// What is too large has a policy of its own, whatever on_reject says.
TEST_F(SinkWorkerTest, WhatIsTooLargeCanStopThePipelineWhereOthersAreDeadLetters) {
  parts_.settings.on_reject = OnReject::kDeadLetter;
  parts_.settings.on_oversize = OnOversize::kStop;
  start_with_limit(1);
  arrive({{'i', "1"}});
  settle_down();
  pass_time(2000);
  EXPECT_EQ(parts_.error_code(), "DS-ENCODE-OVERSIZE");
  EXPECT_EQ(stored(), "") << "the position stays before it (I1)";
  EXPECT_EQ(dead_letters(), "");
}

TEST_F(SinkWorkerTest, WhatIsTooLargeCanBeADeadLetterWhereOthersStopThePipeline) {
  parts_.settings.on_reject = OnReject::kStop;
  parts_.settings.on_oversize = OnOversize::kDeadLetter;
  start_with_limit(1);
  arrive({{'i', "1"}});
  settle_down();
  pass_time(1000);
  EXPECT_EQ(stored(), "1");
  EXPECT_NE(dead_letters().find("DS-ENCODE-OVERSIZE"), std::string::npos);
  EXPECT_EQ(state(), PipelineState::kRunning);
}

TEST_F(SinkWorkerTest, WhatTheSinkTakesIsAskedForInEachSession) {
  parts_.settings.on_oversize = OnOversize::kDeadLetter;
  start_with_limit(1);
  sink_->polls.push_back([] { return call_result(DSTREAM_REOPEN); });
  settle_down();
  sink_->bytes_max = 1'000'000;
  for (int i = 0; i < 10 && count("open") < 2; ++i) {
    pass_time(1000);
  }
  ASSERT_EQ(count("open"), 2);
  arrive({{'i', "1"}});
  settle_down();
  EXPECT_THAT(sink_->written, ElementsAre(1));
}

TEST_F(SinkWorkerTest, ARefusalInAnOpenSessionHasTheSecretReadAgain) {
  parts_.settings.sink.config_json = "{}";
  parts_.reread_config = [](const std::string&, Role role) -> Result<std::string> {
    EXPECT_EQ(role, Role::kSink);
    return std::string(R"({"key":"new"})");
  };
  start();
  sink_->takes_config = DSTREAM_OK;
  settle_down();
  arrive({{'i', "1"}});
  sink_->polls.push_back([] { return call_result(DSTREAM_DENIED, "The key is refused."); });
  settle_down();
  pass_time(1000);
  EXPECT_THAT(sink_->configs, ElementsAre(R"({"key":"new"})"));
  EXPECT_EQ(count("open"), 2);
  EXPECT_EQ(count("close"), 1);
  settle(0, 1);
  settle_down();
  EXPECT_EQ(state(), PipelineState::kRunning);
}

TEST_F(SinkWorkerTest, DeliversThenStoresThenPublishes) {
  start();
  arrive({{'i', "1"}, {'i', "2"}});
  settle_down();
  EXPECT_THAT(sink_->written, ElementsAre(1, 2));
  EXPECT_EQ(stored(), "");
  settle(0, 2);
  settle_down();
  EXPECT_EQ(stored(), "2");
  std::string durable;
  EXPECT_TRUE(parts_.positions.take(&durable));
  EXPECT_EQ(durable, "2");
  EXPECT_EQ(parts_.counters.records_delivered.load(), 2u);
  EXPECT_EQ(parts_.budget.reserved(), 0u);
}

TEST_F(SinkWorkerTest, StoresOncePerInterval) {
  parts_.settings.checkpoint_interval_ms = 500;
  start();
  for (int i = 1; i <= 5; ++i) {
    arrive({{'i', std::to_string(i)}});
    settle_down();
    settle(0, 1);
    pass_time(10);
  }
  EXPECT_EQ(stored(), "1");
  pass_time(500);
  EXPECT_EQ(stored(), "5");
  EXPECT_EQ(parts_.metrics.checkpoint_writes.value(), 2);
}

TEST_F(SinkWorkerTest, FailedCheckpointCommitsNothingAndDeliversOn) {
  start();
  files_.failing = "write";
  arrive({{'i', "1"}});
  settle_down();
  settle(0, 1);
  settle_down();
  EXPECT_EQ(parts_.error_code(), "DS-CHECKPOINT-WRITE");
  EXPECT_EQ(state(), PipelineState::kRunning);
  std::string durable;
  EXPECT_FALSE(parts_.positions.take(&durable));
  arrive({{'i', "2"}});
  settle_down();
  EXPECT_THAT(sink_->written, ElementsAre(1, 2));
  files_.failing = "";
  pass_time(30'000);
  EXPECT_EQ(stored(), "1");
  EXPECT_EQ(parts_.error_code(), "");
}

TEST_F(SinkWorkerTest, AgainMeansFullAndTheRestFollows) {
  start();
  take_one_and_say(DSTREAM_AGAIN);
  arrive({{'i', "1"}, {'i', "2"}, {'i', "3"}});
  settle_down();
  EXPECT_THAT(sink_->written, ElementsAre(1));
  EXPECT_GE(count("poll"), 1);
  pass_time(5);
  EXPECT_THAT(sink_->written, ElementsAre(1, 2, 3));
}

TEST_F(SinkWorkerTest, RetryOfWriteRepeatsItAfterBackOff) {
  start();
  take_one_and_say(DSTREAM_RETRY);
  arrive({{'i', "1"}, {'i', "2"}});
  settle_down();
  EXPECT_EQ(state(), PipelineState::kBackingOff);
  EXPECT_EQ(parts_.error_code(), "DS-SINK-RETRY");
  pass_time(100);
  EXPECT_EQ(state(), PipelineState::kRunning);
  EXPECT_THAT(sink_->written, ElementsAre(1, 2));
  EXPECT_EQ(count("close"), 0);
}

TEST_F(SinkWorkerTest, WriteThatFailedWithNothingLeftToWriteRecovers) {
  start();
  take_one_and_say(DSTREAM_RETRY);
  arrive({{'i', "1"}});
  settle_down();
  settle(0, 1);
  settle_down();
  EXPECT_EQ(state(), PipelineState::kBackingOff);
  pass_time(100);
  EXPECT_EQ(state(), PipelineState::kRunning);
}

TEST_F(SinkWorkerTest, ReopenWritesAgainWhatHadNotSettled) {
  start();
  arrive({{'i', "1"}, {'i', "2"}});
  settle_down();
  uint64_t old_delivery = sink_->delivery_ids.back();
  settle(0, 1);
  sink_->polls.push_back([] { return call_result(DSTREAM_REOPEN); });
  pass_time(5);
  EXPECT_EQ(state(), PipelineState::kBackingOff);
  EXPECT_EQ(count("close"), 1);
  pass_time(100);
  EXPECT_THAT(sink_->written, ElementsAre(1, 2, 2));
  worker_->on_settle(old_delivery, 1, 1, DSTREAM_OK, nullptr);  // too late to count
  pass_time(1000);
  EXPECT_EQ(stored(), "1");
  settle(0, 1);
  pass_time(1000);
  EXPECT_EQ(stored(), "2");
}

TEST_F(SinkWorkerTest, RetriedItemStopsWritingAndGoesBackToTheLowest) {
  start();
  arrive({{'i', "1"}, {'i', "2"}, {'i', "3"}});
  settle_down();
  settle(1, 1, DSTREAM_RETRY);
  arrive({{'i', "4"}});
  settle_down();
  EXPECT_EQ(state(), PipelineState::kBackingOff);
  EXPECT_THAT(sink_->written, ElementsAre(1, 2, 3)) << "4 must not overtake 2.";
  settle(0, 1);
  settle(2, 1);
  settle_down();
  EXPECT_EQ(count("close"), 1) << "Nothing else is in flight.";
  pass_time(100);
  EXPECT_EQ(state(), PipelineState::kRunning);
  EXPECT_THAT(sink_->written, ElementsAre(1, 2, 3, 2, 3, 4));
}

TEST_F(SinkWorkerTest, SinkThatDoesNotSettleTheRestIsClosedAfterASecond) {
  start();
  arrive({{'i', "1"}, {'i', "2"}});
  settle_down();
  settle(0, 1, DSTREAM_RETRY);
  settle_down();
  EXPECT_EQ(count("close"), 0);
  pass_time(1000);
  EXPECT_EQ(count("close"), 1);
}

TEST_F(SinkWorkerTest, BackOffGrowsWhileTheSameItemIsRetried) {
  start();
  arrive({{'i', "1"}, {'i', "2"}});
  int64_t longest_ms = 0;
  for (int i = 0; i < 12; ++i) {
    while (sink_->delivery_ids.size() <= static_cast<size_t>(i)) {
      pass_time(50);
    }
    int64_t before = parts_.clock.now_ns;
    settle(1, 1);  // What settles behind it is no progress.
    settle(0, 1, DSTREAM_RETRY);
    while (sink_->delivery_ids.size() <= static_cast<size_t>(i) + 1) {
      pass_time(50);
    }
    longest_ms = std::max(longest_ms, (parts_.clock.now_ns - before) / kNanosPerMilli);
  }
  EXPECT_GT(longest_ms, 1000);
}

// A failure was counted from the one before, hours ago, because nothing had been delivered since.
TEST_F(SinkWorkerTest, FailureAfterALongQuietTimeIsAFirstOne) {
  parts_.settings.retry.max_elapsed_ms = 60'000;
  start();
  sink_->opens.push_back(call_result(DSTREAM_RETRY));
  settle_down();
  pass_time(100);
  for (int i = 0; i < 100; ++i) {
    pass_time(1000);
  }
  sink_->polls.push_back([] { return call_result(DSTREAM_REOPEN); });
  pass_time(1000);
  EXPECT_EQ(state(), PipelineState::kBackingOff);
  EXPECT_FALSE(parts_.lifecycle.failing());
}

TEST_F(SinkWorkerTest, RejectedRecordStopsThePipelineAfterTheRestSettled) {
  start();
  arrive({{'i', "1"}, {'i', "2"}, {'i', "3"}});
  settle_down();
  settle(1, 1, DSTREAM_REJECTED);
  settle_down();
  EXPECT_TRUE(parts_.lifecycle.failing());
  EXPECT_EQ(parts_.error_code(), "DS-SINK-REJECTED");
  EXPECT_EQ(count("close"), 0);
  settle(0, 1);
  settle(2, 1);
  settle_down();
  EXPECT_EQ(count("close"), 1);
  EXPECT_EQ(stored(), "1") << "Up to the rejected record, not beyond (I1).";
  EXPECT_EQ(dead_letters(), "");
  EXPECT_TRUE(parts_.lifecycle.sink_finished());
}

TEST_F(SinkWorkerTest, RejectedRecordGoesToTheDeadLettersAndThePositionPasses) {
  parts_.settings.on_reject = OnReject::kDeadLetter;
  start(true, 3);
  arrive({{'i', "1"}, {'d', "2"}, {'i', "3"}, {'i', "4"}});
  settle_down();
  EXPECT_THAT(sink_->written, ElementsAre(1, 2, 2, 4)) << "3 cannot be encoded.";
  settle(0, 1);
  settle(1, 2, DSTREAM_REJECTED);
  settle(3, 1);
  settle_down();
  pass_time(1000);
  EXPECT_EQ(stored(), "4");
  std::string letters = dead_letters();
  EXPECT_EQ(std::count(letters.begin(), letters.end(), '\n'), 2);
  EXPECT_NE(letters.find("DS-ENCODE-TEST"), std::string::npos);
  EXPECT_NE(letters.find("Not that."), std::string::npos);
  EXPECT_EQ(parts_.counters.records_dead_lettered.load(), 2u);
  EXPECT_EQ(parts_.counters.records_delivered.load(), 2u);
}

TEST_F(SinkWorkerTest, DeadLetterThatCannotBeWrittenHoldsThePosition) {
  parts_.settings.on_reject = OnReject::kDeadLetter;
  start();
  arrive({{'i', "1"}, {'i', "2"}});
  settle_down();
  files_.failing = "append";
  settle(0, 1, DSTREAM_REJECTED);
  settle(1, 1);
  pass_time(1000);
  EXPECT_EQ(parts_.error_code(), "DS-DEAD-LETTER-WRITE");
  EXPECT_EQ(stored(), "");
  files_.failing = "";
  pass_time(30'000);
  EXPECT_EQ(stored(), "2");
  EXPECT_EQ(parts_.error_code(), "");
}

TEST_F(SinkWorkerTest, FullDeadLettersStopThePipelineBeforeTheRecord) {
  parts_.settings.on_reject = OnReject::kDeadLetter;
  parts_.settings.dead_letter.file_bytes_max = parts_.settings.dead_letter.files_max = 1;
  start();
  arrive({{'i', "1"}, {'i', "2"}, {'i', "3"}});
  settle_down();
  settle(0, 1, DSTREAM_REJECTED);
  settle_down();
  settle(1, 1, DSTREAM_REJECTED);
  settle(2, 1);
  settle_down();
  EXPECT_TRUE(parts_.lifecycle.failing());
  EXPECT_EQ(parts_.error_code(), kDeadLettersFullCode);
  EXPECT_EQ(count("close"), 1);
  EXPECT_TRUE(parts_.lifecycle.sink_finished());
  EXPECT_EQ(stored(), "1") << "Up to what found no place, not beyond (I1, I5).";
  EXPECT_EQ(parts_.counters.records_dead_lettered.load(), 1u);
}

TEST_F(SinkWorkerTest, FullDeadLettersCanHoldThePositionUntilThereIsRoom) {
  parts_.settings.on_reject = OnReject::kDeadLetter;
  parts_.settings.dead_letter.file_bytes_max = parts_.settings.dead_letter.files_max = 1;
  parts_.settings.dead_letter.on_full = OnDeadLettersFull::kWait;
  start();
  arrive({{'i', "1"}, {'i', "2"}});
  settle_down();
  settle(0, 1, DSTREAM_REJECTED);
  settle_down();
  settle(1, 1, DSTREAM_REJECTED);
  pass_time(1000);
  EXPECT_FALSE(parts_.lifecycle.failing());
  EXPECT_EQ(parts_.error_code(), kDeadLettersFullCode);
  EXPECT_EQ(stored(), "1");
  ASSERT_TRUE(files_.remove(dead_letter_path(folder_.path(), "people")).has_value());
  pass_time(30'000);
  EXPECT_EQ(stored(), "2");
  EXPECT_EQ(parts_.error_code(), "");
}

TEST_F(SinkWorkerTest, FatalClosesAndFailsWithWhatSettledStored) {
  for (dstream_status status : std::initializer_list<dstream_status>{DSTREAM_FATAL, DSTREAM_CONFIG,
                                                                     DSTREAM_UNSUPPORTED, -99}) {
    SCOPED_TRACE(status);
    WorkerParts parts;
    TestFolder folder;
    FaultyFiles files;
    ScriptedSink sink(true);
    auto store = CheckpointStore::open(files, folder.path(), "people", "scripted");
    SinkWorker worker(parts.context(), store->get(), &files, folder.path(),
                      std::make_unique<TestEncoder>());
    worker.set_sink(&sink);
    parts.queue.push(parts.batches.make({{'i', "1"}, {'i', "2"}}));
    sink.polls.push_back([&] {
      worker.on_settle(sink.delivery_ids.back(), 0, 1, DSTREAM_OK, nullptr);
      return call_result(status);
    });
    for (int i = 0; i < 50 && !worker.step(0, 0).finished; ++i) {
    }
    EXPECT_TRUE(parts.lifecycle.failing());
    EXPECT_EQ(sink.calls.back(), "close");
    ASSERT_TRUE((*store)->current().has_value());
    EXPECT_EQ((*store)->current()->position, "1");
    EXPECT_EQ(parts.batches.alive(), 0);
    EXPECT_EQ(parts.budget.used(), 0u);
  }
}

TEST_F(SinkWorkerTest, DrainFlushesStoresAndCloses) {
  start();
  arrive({{'i', "1"}, {'i', "2"}});
  settle_down();
  parts_.lifecycle.request_stop(parts_.clock.now_ns);
  parts_.lifecycle.set_reading_finished();
  sink_->polls.push_back([&] {
    settle(0, 2);
    return call_result(DSTREAM_OK);
  });
  settle_down();
  EXPECT_GE(count("flush"), 1);
  EXPECT_EQ(sink_->calls.back(), "close");
  EXPECT_EQ(stored(), "2");
  EXPECT_TRUE(step().finished);
  EXPECT_EQ(parts_.error_code(), "");
}

TEST_F(SinkWorkerTest, DeadlineDropsWhatDidNotSettleAndSaysSo) {
  start();
  arrive({{'i', "1"}, {'i', "2"}});
  settle_down();
  settle(0, 1);
  parts_.lifecycle.request_stop(parts_.clock.now_ns);
  parts_.lifecycle.set_reading_finished();
  settle_down();
  EXPECT_EQ(count("close"), 0);
  pass_time(1000);
  EXPECT_EQ(sink_->calls.back(), "close");
  EXPECT_EQ(count("stop"), 1);
  EXPECT_EQ(stored(), "1");
  EXPECT_EQ(parts_.error_code(), "DS-STOP-INCOMPLETE");
  EXPECT_EQ(parts_.batches.alive(), 0);
}

TEST_F(SinkWorkerTest, StopBeforeAnythingWasReadDoesNotOpenTheSink) {
  start();
  parts_.lifecycle.request_stop(0);
  parts_.lifecycle.set_reading_finished();
  settle_down();
  EXPECT_TRUE(step().finished);
  EXPECT_TRUE(sink_->calls.empty());
}

TEST_F(SinkWorkerTest, SettlesDuringCloseCount) {
  start();
  arrive({{'i', "1"}});
  settle_down();
  sink_->on_close = [&] { settle(0, 1); };
  parts_.lifecycle.stop_now();
  settle_down();
  EXPECT_EQ(stored(), "1");
}

TEST_F(SinkWorkerTest, SinkWithoutPollSettlesFromItsOwnThread) {
  start(false);
  sink_->polled = false;
  arrive({{'i', "1"}, {'w', "2"}});
  settle_down();
  EXPECT_THAT(sink_->written, ElementsAre(1));
  uint64_t seen = parts_.lifecycle.sink_wakeup().count();
  std::thread([&] { settle(0, 1); }).join();
  EXPECT_GT(parts_.lifecycle.sink_wakeup().count(), seen);
  settle_down();
  EXPECT_EQ(stored(), "2");
  EXPECT_EQ(count("poll"), 0);
}

// A source may wait for it before it gives anything else.
TEST_F(SinkWorkerTest, PositionWithoutARecordIsStoredThoughNothingElseHappens) {
  start(false);
  sink_->polled = false;
  settle_down();
  arrive({{'w', "1"}});
  settle_down();
  EXPECT_EQ(stored(), "1");
  arrive({{'w', "2"}});
  settle_down();
  pass_time(parts_.settings.checkpoint_interval_ms);
  EXPECT_EQ(stored(), "2");
}

TEST_F(SinkWorkerTest, IdleSinkIsServedNowAndThen) {
  start();
  settle_down();
  int64_t before = count("poll");
  for (int i = 0; i < 10; ++i) {
    pass_time(1000);
  }
  EXPECT_EQ(count("poll") - before, 10);
}

TEST_F(SinkWorkerTest, SinkThatHoldsItemsBackIsFlushedAfterAQuietTime) {
  start();
  arrive({{'i', "1"}});
  settle_down();
  EXPECT_EQ(count("flush"), 0);
  for (int i = 0; i < 110 && count("flush") == 0; ++i) {
    pass_time(5);
  }
  EXPECT_EQ(count("flush"), 1);
}

TEST_F(SinkWorkerTest, EncodesOneBatchAtATimeWhenTheBudgetIsFull) {
  parts_.budget.charge(1'000'000);
  start();
  arrive({{'i', "1"}});
  arrive({{'i', "2"}});
  settle_down();
  EXPECT_THAT(sink_->written, ElementsAre(1)) << "One passes, so that it goes on at all (I6).";
  settle(0, 1);
  settle_down();
  EXPECT_THAT(sink_->written, ElementsAre(1, 2));
  parts_.budget.release(1'000'000);
}

TEST_F(SinkWorkerTest, GapIsStoredWithTheOldPosition) {
  start();
  arrive({{'i', "1"}});
  settle_down();
  settle(0, 1);
  pass_time(1000);
  parts_.positions.add_gap({42, "1", "Gone."});
  pass_time(1000);
  EXPECT_EQ(stored(), "1");
  EXPECT_EQ(store_->current()->gaps, 1u);
  EXPECT_EQ(store_->current()->last_gap->reason, "Gone.");
}

}  // namespace
}  // namespace dstream::core
