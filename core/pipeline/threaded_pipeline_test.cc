#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <numeric>

#include "core/pipeline/checkpoint.h"
#include "core/pipeline/pipeline.h"
#include "core/pipeline/test_plugins.h"

namespace dstream::core {
namespace {

using testing::Event;
using testing::MemoryLog;
using testing::Stage;

class ThreadedPipelineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "dstream-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    settings_.name = "people";
    settings_.source.type = "test-source";
    settings_.sink.type = "test-records";
    stage_ = Stage::make(&settings_.source.config_json);
    settings_.sink.config_json = settings_.source.config_json;
    settings_.messages.pipeline = "people";
    settings_.checkpoint_interval_ms = 20;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Result<std::unique_ptr<Pipeline>> create() {
    PipelineEnvironment environment;
    environment.clock = &clock_;
    environment.files = files_.get();
    environment.log = &log_;
    environment.metrics = &metrics_;
    environment.plugins = &testing::test_registry();
    environment.state_dir = folder_ + "/state";
    return Pipeline::create(settings_, environment);
  }
  std::optional<Checkpoint> checkpoint() {
    auto read = read_checkpoint(*files_, folder_ + "/state", "people");
    EXPECT_TRUE(read.has_value());
    return read ? *read : std::nullopt;
  }
  std::vector<int64_t> numbers(int64_t first, int64_t last) {
    std::vector<int64_t> out(static_cast<size_t>(last - first + 1));
    std::iota(out.begin(), out.end(), first);
    return out;
  }

  std::string folder_;
  SystemClock clock_;
  std::unique_ptr<FileSystem> files_ = make_system_file_system();
  MemoryLog log_;
  MetricsRegistry metrics_;
  PipelineSettings settings_;
  std::shared_ptr<Stage> stage_;
};

TEST_F(ThreadedPipelineTest, DeliversEverythingThenStopsAtTheEnd) {
  stage_->source_records = 25'000;
  auto pipeline = create();
  ASSERT_TRUE(pipeline.has_value()) << pipeline.error().text();
  (*pipeline)->start();
  ASSERT_TRUE((*pipeline)->wait(60'000));
  PipelineStatus status = (*pipeline)->status();
  EXPECT_EQ(status.state, PipelineState::kStopped);
  EXPECT_FALSE(status.last_error.has_value());
  EXPECT_EQ(status.records_delivered, 25'000u);
  EXPECT_EQ(status.in_flight_records, 0u);
  EXPECT_EQ(stage_->delivered, numbers(1, 25'000));
  EXPECT_EQ(stage_->committed.back(), "25000");
  EXPECT_EQ(checkpoint()->position, "25000");
  EXPECT_EQ(checkpoint()->records, 25'000u);
}

TEST_F(ThreadedPipelineTest, EncodesForASinkThatWantsMessages) {
  settings_.sink.type = "test-messages";
  auto pipeline = create();
  ASSERT_TRUE(pipeline.has_value()) << pipeline.error().text();
  (*pipeline)->start();
  ASSERT_TRUE((*pipeline)->wait(60'000));
  EXPECT_EQ(stage_->delivered, numbers(1, 1000));
  EXPECT_EQ(stage_->topics.size(), 1u);
}

TEST_F(ThreadedPipelineTest, SettlesFromAThreadOfTheSink) {
  stage_->settle_from_thread = true;
  stage_->source_records = 5000;
  auto pipeline = create();
  (*pipeline)->start();
  ASSERT_TRUE((*pipeline)->wait(60'000));
  EXPECT_EQ((*pipeline)->status().state, PipelineState::kStopped);
  EXPECT_EQ(stage_->delivered, numbers(1, 5000));
  EXPECT_EQ(checkpoint()->position, "5000");
}

TEST_F(ThreadedPipelineTest, CleanStopLeavesNoDuplicatesBehind) {
  stage_->source_records = 1'000'000'000;
  for (int round = 0; round < 3; ++round) {
    stage_->enough = stage_->delivered.size() + 3000;
    auto pipeline = create();
    ASSERT_TRUE(pipeline.has_value()) << pipeline.error().text();
    (*pipeline)->start();
    ASSERT_TRUE(stage_->delivered_enough.wait());
    (*pipeline)->request_stop();
    ASSERT_TRUE((*pipeline)->wait(60'000));
    EXPECT_EQ((*pipeline)->status().state, PipelineState::kStopped);
    std::optional<Error> last_error = (*pipeline)->status().last_error;
    EXPECT_FALSE(last_error.has_value()) << last_error->text();
  }
  EXPECT_EQ(stage_->delivered, numbers(1, static_cast<int64_t>(stage_->delivered.size())));
  EXPECT_EQ(stage_->committed.back(), std::to_string(stage_->delivered.size()));
}

TEST_F(ThreadedPipelineTest, IdlePipelineStopsAtOnce) {
  stage_->source_ends = false;
  auto pipeline = create();
  (*pipeline)->start();
  ASSERT_TRUE(stage_->idle.wait());
  (*pipeline)->request_stop();
  ASSERT_TRUE((*pipeline)->wait(60'000));
  EXPECT_EQ(checkpoint()->position, "1000");
  EXPECT_FALSE((*pipeline)->abandoned());
}

TEST_F(ThreadedPipelineTest, StopDoesNotWaitForASinkThatConnectsForNothing) {
  stage_->source_records = 0;
  stage_->source_ends = false;
  stage_->sink_waits_in_open = true;
  auto pipeline = create();
  (*pipeline)->start();
  ASSERT_TRUE(stage_->sink_opens.wait());
  (*pipeline)->request_stop();
  ASSERT_TRUE((*pipeline)->wait(15'000));
  EXPECT_EQ((*pipeline)->status().state, PipelineState::kStopped);
  EXPECT_FALSE((*pipeline)->status().last_error.has_value());
  EXPECT_FALSE((*pipeline)->abandoned());
}

TEST_F(ThreadedPipelineTest, SecondOwnerIsRefused) {
  auto first = create();
  ASSERT_TRUE(first.has_value());
  auto second = create();
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, "DS-STATE-LOCKED");
  EXPECT_EQ(second.error().exit_code, ExitCode::kRefused);
  first->reset();
  EXPECT_TRUE(create().has_value());
}

TEST_F(ThreadedPipelineTest, StopNowReturnsAlthoughThePluginHangs) {
  // Never set: the thread that hangs is left behind, and must not wake up after the test.
  auto* const release = new Event;
  auto* const inside = new Event;
  stage_->before_read = [release, inside](int64_t next) {
    if (next > 500) {
      inside->set();
      while (!release->wait()) {
      }
    }
  };
  auto pipeline = create();
  (*pipeline)->start();
  ASSERT_TRUE(inside->wait());
  (*pipeline)->stop_now();
  ASSERT_TRUE((*pipeline)->wait(10'000));
  EXPECT_TRUE((*pipeline)->abandoned());
  EXPECT_EQ((*pipeline)->status().state, PipelineState::kStopped);
  ASSERT_TRUE((*pipeline)->status().last_error.has_value());
  EXPECT_EQ((*pipeline)->status().last_error->code, "DS-STOP-HANGING");
  EXPECT_NE((*pipeline)->status().last_error->message.find("read()"), std::string::npos);
}

TEST_F(ThreadedPipelineTest, UnknownPluginIsNamed) {
  settings_.sink.type = "no-such-sink";
  auto pipeline = create();
  ASSERT_FALSE(pipeline.has_value());
  EXPECT_EQ(pipeline.error().code, "DS-PLUGIN-UNKNOWN");
  EXPECT_NE(pipeline.error().message.find("no-such-sink"), std::string::npos);
}

TEST_F(ThreadedPipelineTest, RefusesExactlyOnceIfTheSinkHasNoTransactions) {
  settings_.exactly_once = true;
  auto made = create();
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code, "DS-DELIVERY-UNSUPPORTED");
}

}  // namespace
}  // namespace dstream::core
