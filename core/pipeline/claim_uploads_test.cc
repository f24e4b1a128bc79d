// Values on their way to a folder of this machine, and the sink worker that waits for them.
#include "core/pipeline/claim_uploads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "core/pipeline/sink_worker.h"
#include "core/pipeline/test_workers.h"

namespace dstream::core {
namespace {

using namespace core::testing;  // NOLINT(google-build-using-namespace)
using std::chrono::seconds;

constexpr seconds kPatience{60};

dstream_bytes bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

class Uploads : public ::testing::Test {
 protected:
  Uploads() {
    root_ = (std::filesystem::temp_directory_path() / "dstream-uploads-XXXXXX").string();
    root_ = mkdtemp(root_.data());
    parts_.settings.claim_check.folder = root_ + "/values";
    parts_.settings.retry.backoff_min_ms = 1;
    parts_.settings.retry.backoff_max_ms = 2;
  }
  ~Uploads() override {
    uploads_.reset();
    std::filesystem::remove_all(root_);
  }
  void start(RereadClaimCheck reread = nullptr) {
    ClaimUploads::Environment environment;
    environment.files = files_.get();
    environment.clock = &clock_;
    environment.log = &parts_.log;
    environment.metrics = &parts_.metrics;
    environment.reread = std::move(reread);
    environment.changed = [this] {
      const std::lock_guard lock(mutex_);
      ++changes_;
      changed_.notify_all();
    };
    uploads_ = std::make_unique<ClaimUploads>(parts_.settings, std::move(environment));
  }
  // Until `condition` is true, looked at after each change.
  template <class Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, condition);
  }
  bool wait_stored() {
    return wait([this] { return uploads_->stored().value_or(false); });
  }
  void make_folder() { std::filesystem::create_directory(root_ + "/values"); }

  WorkerParts parts_;
  SystemClock clock_;
  std::unique_ptr<FileSystem> files_ = make_system_file_system();
  std::string root_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int changes_ = 0;
  std::unique_ptr<ClaimUploads> uploads_;
};

TEST_F(Uploads, EverythingIsThereWhenItIsStored) {
  make_folder();
  start();
  std::vector<std::string> values;
  for (int i = 0; i < 50; ++i) {
    values.push_back(std::string(1000 + static_cast<size_t>(i), static_cast<char>('a' + i % 26)));
  }
  for (size_t i = 0; i < values.size(); ++i) {
    uploads_->put("people/" + std::to_string(i), bytes_of(values[i]));
  }
  ASSERT_TRUE(wait_stored());
  for (size_t i = 0; i < values.size(); ++i) {
    auto content = files_->read(root_ + "/values/people/" + std::to_string(i), 1 << 20);
    ASSERT_TRUE(content.has_value());
    EXPECT_EQ(*content, values[i]);
  }
  EXPECT_EQ(parts_.metrics.claim_check_bytes.value(), 50 * 1000 + 49 * 50 / 2);
}

TEST_F(Uploads, AStoreThatIsAwayIsWaitedForAndSaid) {
  start();
  const std::string value = "value";
  uploads_->put("people/a", bytes_of(value));
  ASSERT_TRUE(wait([this] { return uploads_->trouble().has_value(); }));
  EXPECT_EQ(uploads_->trouble()->code, "DS-CLAIM-AWAY");
  EXPECT_FALSE(uploads_->stored().value());
  make_folder();
  ASSERT_TRUE(wait_stored());
  EXPECT_FALSE(uploads_->trouble().has_value());
  EXPECT_GT(parts_.metrics.claim_check_retries.value(), 0);
}

TEST_F(Uploads, RetriesEndWhereTheConfigurationSaysSo) {
  parts_.settings.retry.max_elapsed_ms = 1;
  start();
  const std::string value = "value";
  uploads_->put("people/a", bytes_of(value));
  ASSERT_TRUE(wait([this] { return !uploads_->stored().has_value(); }));
  EXPECT_EQ(uploads_->stored().error().code, "DS-CLAIM-AWAY");
  uploads_->forget();
  EXPECT_TRUE(uploads_->stored().value());
}

TEST_F(Uploads, WhatIsForgottenIsNotBorrowedAnyMore) {
  start();
  {
    const std::string value(100'000, 'x');
    for (int i = 0; i < 10; ++i) {
      uploads_->put("people/" + std::to_string(i), bytes_of(value));
    }
    ASSERT_TRUE(wait([this] { return uploads_->trouble().has_value(); }));
    uploads_->forget();
  }
  EXPECT_TRUE(uploads_->stored().value());
  make_folder();
  const std::string value = "another";
  uploads_->put("people/b", bytes_of(value));
  ASSERT_TRUE(wait_stored());
  EXPECT_FALSE(std::filesystem::exists(root_ + "/values/people/0"));
}

TEST_F(Uploads, EndsWhileAStoreIsAway) {
  start();
  const std::string value = "value";
  uploads_->put("people/a", bytes_of(value));
  ASSERT_TRUE(wait([this] { return uploads_->trouble().has_value(); }));
  uploads_.reset();
}

// ---- the sink worker ----------------------------------------------------------------------------

// Says what the test says.
class ToldStore final : public ClaimStore {
 public:
  std::string location(const std::string& name) const override { return "file:///" + name; }
  void put(const std::string& name, dstream_bytes value) override {
    names.push_back(name);
    bytes += value.size;
    is_stored = false;
  }
  Result<bool> stored() override {
    if (failure) {
      return fail(*failure);
    }
    return is_stored;
  }
  std::optional<Error> trouble() const override { return why; }
  void forget() override {
    ++forgotten;
    is_stored = true;
  }

  std::vector<std::string> names;
  uint64_t bytes = 0;
  bool is_stored = true;
  int forgotten = 0;
  std::optional<Error> why;
  std::optional<Error> failure;
};

// Each record as a message with a key, and a value of 3,000 bytes.
class LargeEncoder final : public Encoder {
 public:
  Result<void> encode(const dstream_record&, uint32_t index, Arena&,
                      std::vector<dstream_message>& out) override {
    dstream_message message{};
    message.topic = "people";
    message.partition = -1;
    message.record = index;
    message.key = bytes_of(key_);
    message.value = bytes_of(value_);
    out.push_back(message);
    return {};
  }

 private:
  const std::string key_ = "1";
  const std::string value_ = std::string(3000, 'x');
};

class ClaimWorker : public ::testing::Test {
 protected:
  ClaimWorker() {
    folder_ = (std::filesystem::temp_directory_path() / "dstream-claims-XXXXXX").string();
    folder_ = mkdtemp(folder_.data());
    parts_.lifecycle.set_phase(Role::kSource, Phase::kOpen);
    checkpoints_ = std::move(*CheckpointStore::open(*files_, folder_, "people", "scripted"));
    auto encoder = std::make_unique<OversizeEncoder>(std::make_unique<LargeEncoder>(),
                                                     OnOversize::kClaimCheck, MessageSettings());
    OversizeEncoder* oversize = encoder.get();
    oversize->set_claims(&claims_);
    worker_ = std::make_unique<SinkWorker>(parts_.context(), checkpoints_.get(), files_.get(),
                                           folder_, std::move(encoder));
    worker_->set_sink(&sink_);
    worker_->set_oversize(oversize);
    sink_.bytes_max = 2000;
  }
  ~ClaimWorker() override {
    worker_.reset();
    checkpoints_.reset();
    std::filesystem::remove_all(folder_);
  }
  void arrive(int records) {
    parts_.counters.records_read += static_cast<uint64_t>(records);
    parts_.queue.push(
        parts_.batches.make(std::vector<TestRecord>(static_cast<size_t>(records)), next_));
    next_ += records;
  }
  void settle_down() {
    for (int i = 0; i < 200; ++i) {
      const StepResult result = worker_->step(parts_.clock.now_ns, kNanosPerSecond);
      if (result.finished || result.wait_until_ns > parts_.clock.now_ns) {
        return;
      }
    }
    FAIL() << "It does not come to rest.";
  }

  WorkerParts parts_;
  std::unique_ptr<FileSystem> files_ = make_system_file_system();
  std::string folder_;
  ToldStore claims_;
  std::unique_ptr<CheckpointStore> checkpoints_;
  ScriptedSink sink_{true};
  std::unique_ptr<SinkWorker> worker_;
  int64_t next_ = 0;
};

TEST_F(ClaimWorker, NothingIsWrittenBeforeItsValueIsStored) {
  arrive(2);
  arrive(1);
  settle_down();
  EXPECT_EQ(claims_.names.size(), 2u);
  EXPECT_EQ(claims_.bytes, 6000u);
  EXPECT_TRUE(sink_.delivery_ids.empty());
  EXPECT_FALSE(parts_.queue.empty()) << "what is behind it waits";
  claims_.is_stored = true;
  settle_down();
  EXPECT_EQ(sink_.delivery_ids.size(), 1u);
  EXPECT_EQ(claims_.names.size(), 3u);
  claims_.is_stored = true;
  settle_down();
  EXPECT_EQ(sink_.delivery_ids.size(), 2u);
  EXPECT_EQ(parts_.metrics.oversize_claimed.value(), 3);
}

TEST_F(ClaimWorker, AStoreThatIsAwayIsInTheStatus) {
  claims_.why = Error{"DS-CLAIM-AWAY", "It is away.", "", {}, {}};
  arrive(1);
  settle_down();
  EXPECT_EQ(parts_.error_code(), "DS-CLAIM-AWAY");
  claims_.is_stored = true;
  settle_down();
  EXPECT_EQ(parts_.error_code(), "");
}

TEST_F(ClaimWorker, AStoreThatRefusesStopsThePipelineBeforeTheChange) {
  arrive(1);
  settle_down();
  claims_.failure = Error{"DS-CLAIM-REFUSED", "No such container.", "", {}, {}};
  settle_down();
  EXPECT_EQ(parts_.error_code(), "DS-CLAIM-REFUSED");
  EXPECT_TRUE(parts_.lifecycle.failing());
  EXPECT_TRUE(sink_.delivery_ids.empty());
  EXPECT_EQ(claims_.forgotten, 1) << "before the memory of the delivery goes";
  EXPECT_FALSE(checkpoints_->current().has_value());
}

TEST_F(ClaimWorker, AStopThatIsOverGivesUpWhatIsBeingStored) {
  arrive(1);
  settle_down();
  parts_.lifecycle.set_reading_finished();
  settle_down();
  EXPECT_EQ(claims_.forgotten, 0);
  parts_.lifecycle.stop_now();
  settle_down();
  EXPECT_EQ(claims_.forgotten, 1);
  EXPECT_TRUE(sink_.delivery_ids.empty());
}

}  // namespace
}  // namespace dstream::core
