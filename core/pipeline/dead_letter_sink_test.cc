// The sink worker with a sink of its own for dead letters.
#include "core/pipeline/dead_letter_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "core/pipeline/sink_worker.h"
#include "core/pipeline/test_workers.h"

namespace dstream::core {
namespace {

using testing::call_result;
using ::testing::ElementsAre;
using testing::FaultyFiles;
using ::testing::HasSubstr;
using testing::ScriptedSink;
using testing::TestEncoder;
using testing::TestFolder;
using testing::TestRecord;
using testing::WorkerParts;

std::string text_of(const dstream_bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data), bytes.size};
}

// Remembers what the messages said.
class LetterSink final : public ScriptedSink {
 public:
  LetterSink() : ScriptedSink(true) {}
  CallResult write(const dstream_delivery& delivery, uint32_t first, uint32_t* accepted) override {
    CallResult result = ScriptedSink::write(delivery, first, accepted);
    for (uint32_t i = first; i < first + *accepted; ++i) {
      const dstream_message& message = *DSTREAM_MESSAGE_AT(&delivery, i);
      topics.emplace_back(message.topic);
      keys.push_back(text_of(message.key));
      headers.emplace_back();
      for (uint32_t j = 0; j < message.header_count; ++j) {
        headers.back()[message.headers[j].name] = text_of(message.headers[j].value);
      }
    }
    return result;
  }
  std::vector<std::string> topics;
  std::vector<std::string> keys;
  std::vector<std::map<std::string, std::string>> headers;
};

class DeadLetterSinkTest : public ::testing::Test {
 protected:
  void start(int64_t refused = -1) {
    parts_.settings.on_reject = OnReject::kDeadLetter;
    parts_.settings.dead_letter.sink = ConnectorSettings{"letters", "{}", std::nullopt};
    parts_.lifecycle.set_phase(Role::kSource, Phase::kOpen);
    store_ = std::move(*CheckpointStore::open(files_, folder_.path(), "people", "scripted"));
    worker_ = std::make_unique<SinkWorker>(parts_.context(), store_.get(), &files_, folder_.path(),
                                           std::make_unique<TestEncoder>(refused));
    worker_->set_sink(&sink_);
    letters_ = std::make_unique<DeadLetterSink>(parts_.context(), "letters",
                                                *TopicTemplate::parse("dead.{pipeline}.{table}"));
    letters_->set_sink(&letter_sink_);
    worker_->set_dead_letter_sink(letters_.get());
  }
  void settle_down() {
    for (int i = 0; i < 300; ++i) {
      StepResult result = worker_->step(parts_.clock.now_ns, kNanosPerSecond);
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
    settle_down();
  }
  void settle(uint32_t first, uint32_t count, dstream_status status = DSTREAM_OK) {
    CallResult why = call_result(status, "Not that.");
    worker_->on_settle(sink_.delivery_ids.back(), first, count, status, &why.error);
    settle_down();
  }
  void settle_letters(uint32_t first, uint32_t count, dstream_status status = DSTREAM_OK) {
    CallResult why = call_result(status, "Not here.");
    letters_->on_settle(letter_sink_.delivery_ids.back(), first, count, status, &why.error);
    pass_time(1000);
    pass_time(1000);
  }
  std::string stored() { return store_->current() ? store_->current()->position : ""; }
  std::string file() {
    auto read = files_.read(dead_letter_path(folder_.path(), "people"), 1'000'000);
    return read ? *read : "";
  }

  WorkerParts parts_;
  TestFolder folder_;
  FaultyFiles files_;
  std::unique_ptr<CheckpointStore> store_;
  ScriptedSink sink_{true};
  LetterSink letter_sink_;
  std::unique_ptr<DeadLetterSink> letters_;
  std::unique_ptr<SinkWorker> worker_;
  int64_t next_ = 1;
};

TEST_F(DeadLetterSinkTest, PositionPassesWhenTheirSinkHasConfirmed) {
  start();
  arrive({{'i', "1"}, {'d', "2"}, {'i', "3"}});
  settle(0, 1);
  settle(1, 2, DSTREAM_REJECTED);
  settle(3, 1);
  pass_time(1000);
  EXPECT_EQ(stored(), "1") << "Written is not confirmed (I1).";
  EXPECT_THAT(letter_sink_.keys, ElementsAre("2", "2"));
  EXPECT_THAT(letter_sink_.topics, ElementsAre("dead.people.Persons", "dead.people.Persons"));
  auto& headers = letter_sink_.headers[0];
  EXPECT_EQ(headers["dstream-error-code"], "DS-SINK-REJECTED");
  EXPECT_THAT(headers["dstream-error-reason"], HasSubstr("Not that."));
  EXPECT_EQ(headers["dstream-pipeline"], "people");
  EXPECT_EQ(headers["dstream-op"], "delete");
  EXPECT_EQ(headers["dstream-table"], "shop.dbo.Persons");
  EXPECT_EQ(headers["dstream-topic"], "shop.dbo.Persons");
  EXPECT_EQ(headers["dstream-position"], "32");
  EXPECT_EQ(headers["dstream-source-commit_lsn"], "00000027:000001f4:0003");
  settle_letters(0, 1);
  EXPECT_EQ(stored(), "1") << "A letter is safe when all its messages are.";
  settle_letters(1, 1);
  EXPECT_EQ(stored(), "3");
  EXPECT_EQ(parts_.counters.records_dead_lettered.load(), 1u);
  EXPECT_EQ(file(), "");
}

TEST_F(DeadLetterSinkTest, RecordThatWasNoMessageIsSentAsJson) {
  start(1);
  arrive({{'i', "1"}});
  pass_time(10);
  ASSERT_EQ(letter_sink_.headers.size(), 1u);
  EXPECT_EQ(letter_sink_.headers[0]["dstream-error-code"], "DS-ENCODE-TEST");
  EXPECT_EQ(letter_sink_.headers[0].count("dstream-topic"), 0u);
  settle_letters(0, 1);
  EXPECT_EQ(stored(), "1");
}

TEST_F(DeadLetterSinkTest, SinkThatIsDownHoldsThePositionAndIsSaid) {
  start();
  letter_sink_.opens = {call_result(DSTREAM_RETRY), call_result(DSTREAM_DENIED)};
  arrive({{'i', "1"}, {'i', "2"}});
  settle(1, 1);
  settle(0, 1, DSTREAM_REJECTED);
  EXPECT_EQ(parts_.error_code(), "DS-DEAD-LETTER-SINK");
  pass_time(60'000);
  EXPECT_EQ(stored(), "");
  pass_time(60'000);
  pass_time(60'000);
  EXPECT_THAT(letter_sink_.keys, ElementsAre("1"));
  settle_letters(0, 1);
  EXPECT_EQ(stored(), "2");
  EXPECT_EQ(parts_.error_code(), "");
}

TEST_F(DeadLetterSinkTest, SilenceIsSaidToo) {
  start();
  arrive({{'i', "1"}});
  settle(0, 1, DSTREAM_REJECTED);
  pass_time(9'000);
  EXPECT_EQ(parts_.error_code(), "");
  pass_time(2'000);
  EXPECT_EQ(parts_.error_code(), "DS-DEAD-LETTER-SINK");
  settle_letters(0, 1);
  EXPECT_EQ(parts_.error_code(), "");
  EXPECT_EQ(stored(), "1");
}

TEST_F(DeadLetterSinkTest, AfterARetryEverythingFromTheLowestOnIsSentAgain) {
  start();
  arrive({{'i', "1"}, {'i', "2"}, {'i', "3"}});
  settle(0, 3, DSTREAM_REJECTED);
  EXPECT_THAT(letter_sink_.keys, ElementsAre("1", "2", "3"));
  settle_letters(0, 1);
  settle_letters(2, 1);
  settle_letters(1, 1, DSTREAM_RETRY);
  pass_time(1000);
  EXPECT_THAT(letter_sink_.keys, ElementsAre("1", "2", "3", "2", "3")) << "In order (I3).";
  settle_letters(0, 2);
  EXPECT_EQ(stored(), "3");
}

TEST_F(DeadLetterSinkTest, WhatTheirSinkRefusesGoesToTheFile) {
  start();
  arrive({{'i', "1"}, {'i', "2"}});
  settle(0, 2, DSTREAM_REJECTED);
  files_.failing = "append";
  settle_letters(0, 1, DSTREAM_REJECTED);
  settle_letters(1, 1);
  EXPECT_EQ(parts_.error_code(), "DS-DEAD-LETTER-WRITE");
  EXPECT_EQ(stored(), "");
  files_.failing = "";
  pass_time(60'000);
  settle_letters(0, 1, DSTREAM_REJECTED);
  pass_time(1000);
  EXPECT_THAT(file(), HasSubstr("\"key\":\"MQ==\""));
  EXPECT_THAT(letter_sink_.keys, ElementsAre("1", "2", "1"));
  EXPECT_EQ(stored(), "2");
}

TEST_F(DeadLetterSinkTest, WhatTheirSinkRefusesAtOnceIsSyncedAtOnce) {
  start();
  arrive({{'i', "1"}, {'i', "2"}, {'i', "3"}});
  settle(0, 3, DSTREAM_REJECTED);
  files_.calls.clear();
  settle_letters(0, 3, DSTREAM_REJECTED);
  const std::string name = "people.dead-letter.jsonl";
  EXPECT_EQ(std::count(files_.calls.begin(), files_.calls.end(), "append " + name), 3);
  EXPECT_EQ(std::count(files_.calls.begin(), files_.calls.end(), "sync " + name), 1);
  EXPECT_EQ(stored(), "3");
  EXPECT_EQ(parts_.counters.records_dead_lettered.load(), 3u);
}

TEST_F(DeadLetterSinkTest, WhatFitsBeforeTheFileIsFullIsSafe) {
  parts_.settings.dead_letter.file_bytes_max = 1200;  // two lines
  parts_.settings.dead_letter.files_max = 1;
  parts_.settings.dead_letter.on_full = OnDeadLettersFull::kWait;
  start();
  arrive({{'i', "1"}, {'i', "2"}, {'i', "3"}});
  settle(0, 3, DSTREAM_REJECTED);
  settle_letters(0, 3, DSTREAM_REJECTED);
  EXPECT_EQ(parts_.error_code(), kDeadLettersFullCode);
  EXPECT_EQ(stored(), "2");
  EXPECT_EQ(parts_.counters.records_dead_lettered.load(), 2u);
  ASSERT_TRUE(files_.rename(dead_letter_path(folder_.path(), "people"), folder_.path() + "/away"));
  pass_time(60'000);
  EXPECT_THAT(letter_sink_.keys, ElementsAre("1", "2", "3", "3")) << "Only the third again.";
  settle_letters(0, 1, DSTREAM_REJECTED);
  EXPECT_EQ(stored(), "3");
}

TEST_F(DeadLetterSinkTest, WhatCannotPassStopsThePipelineBeforeTheRecord) {
  start();
  letter_sink_.opens = {call_result(DSTREAM_CONFIG, "No such topic.")};
  arrive({{'i', "1"}, {'i', "2"}});
  settle(0, 1);
  settle(1, 1, DSTREAM_REJECTED);
  pass_time(1000);
  EXPECT_TRUE(parts_.lifecycle.failing());
  EXPECT_EQ(parts_.error_code(), "DS-DEAD-LETTER-SINK");
  EXPECT_EQ(stored(), "1");
  EXPECT_TRUE(parts_.lifecycle.sink_finished());
}

TEST_F(DeadLetterSinkTest, SessionThatRestsIsClosed) {
  start();
  arrive({{'i', "1"}});
  settle(0, 1, DSTREAM_REJECTED);
  settle_letters(0, 1);
  EXPECT_EQ(letter_sink_.calls.back(), "close");
  arrive({{'i', "2"}});
  settle(0, 1, DSTREAM_REJECTED);
  settle_letters(0, 1);
  EXPECT_EQ(stored(), "2");
}

TEST_F(DeadLetterSinkTest, AStopWaitsForThemUntilItsDeadline) {
  start();
  arrive({{'i', "1"}});
  settle(0, 1, DSTREAM_REJECTED);
  parts_.lifecycle.request_stop(parts_.clock.now_ns);
  parts_.lifecycle.set_reading_finished();
  settle_down();
  EXPECT_FALSE(parts_.lifecycle.sink_finished());
  pass_time(2000);
  pass_time(10);
  EXPECT_TRUE(parts_.lifecycle.sink_finished());
  EXPECT_EQ(letter_sink_.calls.back(), "close");
  EXPECT_EQ(stored(), "");
}

}  // namespace
}  // namespace dstream::core
