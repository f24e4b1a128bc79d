// The sink worker with a sink that keeps the position: what is committed when, and what a session
// after a failure goes on with. Schedules of crashes are in tests/simulation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/pipeline/sink_worker.h"
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

// Keeps a checkpoint. Everything written is settled when a commit succeeds.
class CommittingSink final : public testing::SinkOfTransactions {
 public:
  std::deque<dstream_status> commits;  // without one, a commit succeeds
  bool answer_is_lost = false;         // the next commit that fails has succeeded all the same
  std::string kept;
  SinkWorker* worker = nullptr;

  CallResult write(const dstream_delivery& delivery, uint32_t first, uint32_t* accepted) override {
    open_items_.emplace_back(delivery.id, delivery.count);
    return ScriptedSink::write(delivery, first, accepted);
  }
  void close() override {
    open_items_.clear();
    ScriptedSink::close();
  }
  CallResult committed_checkpoint(std::string* out) override {
    calls.emplace_back("committed");
    *out = kept;
    return call_result(DSTREAM_OK);
  }
  CallResult commit_transaction(std::string_view checkpoint, uint32_t) override {
    calls.emplace_back("commit");
    dstream_status status = DSTREAM_OK;
    if (!commits.empty()) {
      status = commits.front();
      commits.pop_front();
    }
    if (status == DSTREAM_OK || answer_is_lost) {
      kept = checkpoint;
      answer_is_lost = false;
    }
    if (status == DSTREAM_OK) {
      for (auto [id, count] : std::exchange(open_items_, {})) {
        worker->on_settle(id, 0, count, DSTREAM_OK, nullptr);
      }
    }
    return call_result(status);
  }

 private:
  std::vector<std::pair<uint64_t, uint32_t>> open_items_;
};

class TransactionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    parts_.settings.exactly_once = true;
    parts_.settings.checkpoint_interval_ms = 500;
    parts_.lifecycle.set_phase(Role::kSource, Phase::kOpen);
    auto store = CheckpointStore::open(files_, folder_.path(), "people", "scripted");
    ASSERT_TRUE(store.has_value());
    store_ = std::move(*store);
  }
  void start() {
    worker_ = std::make_unique<SinkWorker>(parts_.context(), store_.get(), &files_, folder_.path(),
                                           std::make_unique<TestEncoder>(-1));
    sink_.worker = worker_.get();
    worker_->set_sink(&sink_);
    settle_down();
  }
  void settle_down() {
    for (int i = 0; i < 200; ++i) {
      StepResult result = worker_->step(parts_.clock.now_ns, kNanosPerSecond);
      if (result.finished || result.wait_until_ns > parts_.clock.now_ns) {
        return;
      }
    }
    FAIL() << "It does not come to rest.";
  }
  void pass_time(int64_t milliseconds) {
    for (int64_t i = 0; i < milliseconds; i += 100) {
      parts_.clock.now_ns += std::min<int64_t>(100, milliseconds - i) * kNanosPerMilli;
      settle_down();
    }
  }
  void arrive(const std::vector<TestRecord>& records) {
    parts_.counters.records_read += records.size();
    parts_.queue.push(parts_.batches.make(records, next_));
    next_ += static_cast<int64_t>(records.size());
    settle_down();
  }
  static std::string checkpoint(const std::string& position, uint64_t records, int64_t written_ns,
                                const std::string& source = "scripted") {
    Checkpoint out;
    out.pipeline = "people";
    out.source_type = source;
    out.position = position;
    out.records = records;
    out.written_wall_ns = written_ns;
    return format_checkpoint(out);
  }
  void store(const std::string& position, uint64_t records, int64_t written_ns) {
    auto parsed = parse_checkpoint(checkpoint(position, records, written_ns), "");
    ASSERT_TRUE(store_->write(*parsed).has_value());
  }
  std::string kept() {
    auto parsed = parse_checkpoint(sink_.kept, "");
    return parsed ? parsed->position : "";
  }
  std::string stored() { return store_->current() ? store_->current()->position : ""; }
  std::string starts_at() {
    std::string position = "unknown";
    parts_.positions.take_start(&position);
    return position;
  }
  int64_t count(const std::string& call) {
    return std::count(sink_.calls.begin(), sink_.calls.end(), call);
  }

  TestFolder folder_;
  FaultyFiles files_;
  WorkerParts parts_;
  std::unique_ptr<CheckpointStore> store_;
  CommittingSink sink_;
  std::unique_ptr<SinkWorker> worker_;
  int64_t next_ = 1;
};

TEST_F(TransactionsTest, CommitsOnceAnIntervalAndTheFileFollows) {
  start();
  EXPECT_EQ(starts_at(), "");
  arrive({{'i', "1"}, {'i', "2"}});
  arrive({{'i', "3"}});
  EXPECT_EQ(count("begin"), 1);
  EXPECT_EQ(parts_.counters.records_delivered.load(), 0u);
  pass_time(400);
  EXPECT_EQ(kept(), "");
  EXPECT_EQ(stored(), "");
  pass_time(100);
  EXPECT_EQ(kept(), "3");
  EXPECT_EQ(stored(), "3");
  EXPECT_EQ(parts_.counters.records_delivered.load(), 3u);
  std::string durable;
  EXPECT_TRUE(parts_.positions.take(&durable));
  EXPECT_EQ(durable, "3");
  pass_time(2000);
  EXPECT_EQ(count("begin"), 1) << "nothing to write, nothing to begin";
}

TEST_F(TransactionsTest, EndsWhereTheSourceCanGoOn) {
  start();
  arrive({{'i', "1"}});
  arrive({{'i', ""}});
  pass_time(1000);
  EXPECT_EQ(kept(), "") << "the second batch has no position to continue from";
  arrive({{'i', "3"}});
  EXPECT_EQ(kept(), "3");
  EXPECT_THAT(sink_.written, ElementsAre(1, 2, 3));
}

TEST_F(TransactionsTest, WatermarksAreCommittedToo) {
  start();
  arrive({{'i', "1"}});
  pass_time(500);
  arrive({{'w', "2"}});
  pass_time(500);
  EXPECT_EQ(kept(), "2");
  EXPECT_EQ(stored(), "2");
  EXPECT_THAT(sink_.written, ElementsAre(1));
}

TEST_F(TransactionsTest, GoOnFromTheSinkWhenItIsAhead) {
  store("5", 5, 100);
  sink_.kept = checkpoint("9", 9, 50);
  start();
  EXPECT_EQ(starts_at(), "9");
  EXPECT_EQ(stored(), "9");
  arrive({{'i', "10"}});
  pass_time(500);
  EXPECT_EQ(parse_checkpoint(sink_.kept, "")->records, 10u);
}

// It has delivered at least once in between, and from here on exactly once.
TEST_F(TransactionsTest, GoOnFromTheFileWhenThatIsAhead) {
  store("9", 9, 50);
  sink_.kept = checkpoint("5", 5, 100);
  start();
  EXPECT_EQ(starts_at(), "9");
  arrive({{'i', "10"}});
  pass_time(500);
  EXPECT_EQ(kept(), "10");
}

TEST_F(TransactionsTest, TheTimeDecidesBetweenCheckpointsOfAsManyRecords) {
  store("9w", 9, 101);
  sink_.kept = checkpoint("9", 9, 100);
  start();
  EXPECT_EQ(starts_at(), "9w");
}

// (I4)
TEST_F(TransactionsTest, AFileThatFollowsLateIsNotNewerThanTheNextCommit) {
  start();
  files_.failing = "write";
  arrive({{'i', "1"}});
  pass_time(500);
  ASSERT_EQ(kept(), "1");
  ASSERT_EQ(stored(), "");
  sink_.commits.assign(20, DSTREAM_AGAIN);
  arrive({{'w', "2"}});
  pass_time(600);
  files_.failing.clear();
  pass_time(600);
  ASSERT_EQ(stored(), "1");
  sink_.commits.clear();
  files_.failing = "write";
  pass_time(1100);
  ASSERT_EQ(kept(), "2");
  ASSERT_EQ(stored(), "1") << "the machine stops before the file has followed";
  EXPECT_LT(store_->current()->written_wall_ns, parse_checkpoint(sink_.kept, "")->written_wall_ns);
}

TEST_F(TransactionsTest, RefusesWhatItCannotReadOrAnotherSourceWrote) {
  sink_.kept = "something else";
  start();
  EXPECT_EQ(parts_.error_code(), "DS-CHECKPOINT-FOREIGN");
  EXPECT_EQ(starts_at(), "unknown") << "never from the beginning";
}

TEST_F(TransactionsTest, RefusesThePositionOfAnotherSource) {
  sink_.kept = checkpoint("5", 5, 100, "other");
  start();
  EXPECT_EQ(parts_.error_code(), "DS-CHECKPOINT-MISMATCH");
}

TEST_F(TransactionsTest, WritesAgainWhatWasNotCommitted) {
  start();
  arrive({{'i', "1"}, {'i', "2"}});
  sink_.commits = {DSTREAM_REOPEN};
  pass_time(3000);
  EXPECT_THAT(sink_.written, ElementsAre(1, 2, 1, 2));
  EXPECT_EQ(kept(), "2");
  EXPECT_EQ(parts_.counters.records_delivered.load(), 2u);
}

TEST_F(TransactionsTest, ACommitWhoseAnswerWasLostIsFoundOut) {
  start();
  arrive({{'i', "1"}, {'i', "2"}});
  sink_.commits = {DSTREAM_REOPEN};
  sink_.answer_is_lost = true;
  pass_time(3000);
  EXPECT_THAT(sink_.written, ElementsAre(1, 2)) << "committed, so not written again";
  EXPECT_EQ(stored(), "2");
  EXPECT_EQ(parts_.counters.records_delivered.load(), 2u);
  arrive({{'i', "3"}});
  pass_time(500);
  EXPECT_THAT(sink_.written, ElementsAre(1, 2, 3));
  EXPECT_EQ(kept(), "3");
}

TEST_F(TransactionsTest, StopsWhenThePositionMovesWithoutIt) {
  start();
  arrive({{'i', "1"}});
  sink_.commits = {DSTREAM_REOPEN};
  pass_time(500);
  sink_.kept = checkpoint("70", 70, 7);
  pass_time(3000);
  EXPECT_EQ(parts_.error_code(), "DS-DELIVERY-FENCED");
  EXPECT_NE(parts_.status().last_error->message.find("Another host runs the pipeline"),
            std::string::npos);
  EXPECT_THAT(sink_.written, ElementsAre(1));
}

TEST_F(TransactionsTest, CommitsEarlyWhenHalfOfTheMemoryIsTaken) {
  start();
  std::vector<TestRecord> many(3000, TestRecord{'i', "7"});
  arrive(many);
  EXPECT_GE(count("commit"), 1) << parts_.budget.used();
}

TEST_F(TransactionsTest, ATransactionOfTheSourceThatDoesNotFitIsSaid) {
  start();
  for (int i = 0; i < 40 && parts_.error_code().empty(); ++i) {
    arrive(std::vector<TestRecord>(1000, TestRecord{'i', ""}));
  }
  EXPECT_EQ(parts_.error_code(), "DS-DELIVERY-TRANSACTION-SIZE");
}

TEST_F(TransactionsTest, AStopCommitsAtOnce) {
  start();
  arrive({{'i', "1"}});
  parts_.lifecycle.request_stop(parts_.clock.now_ns);
  parts_.lifecycle.set_reading_finished();
  settle_down();
  EXPECT_EQ(kept(), "1");
  EXPECT_EQ(stored(), "1");
  EXPECT_EQ(sink_.calls.back(), "close");
}

// The end of the source's transaction never comes: its part is not delivered, all before it is.
TEST_F(TransactionsTest, AStopInsideATransactionLeavesItOut) {
  start();
  arrive({{'i', "1"}});
  arrive({{'i', ""}});
  parts_.lifecycle.request_stop(parts_.clock.now_ns);
  parts_.lifecycle.set_reading_finished();
  settle_down();
  EXPECT_EQ(kept(), "1");
  EXPECT_THAT(sink_.written, ElementsAre(1, 2, 1)) << "the first transaction was given up";
}

}  // namespace
}  // namespace dstream::core
