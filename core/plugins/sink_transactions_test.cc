// The guard of a sink's transactions: what does not fit the contract ends the pipeline, by name.
#include "core/plugins/sink_transactions.h"

#include <gtest/gtest.h>

#include "core/plugins/scripted_plugin_test.h"

namespace dstream::core {
namespace {

class Settles final : public SettleHandler {
 public:
  void on_settle(uint64_t, uint32_t, uint32_t count, dstream_status result,
                 const dstream_error*) override {
    (result == DSTREAM_OK ? delivered : others) += count;
  }
  uint32_t delivered = 0;
  uint32_t others = 0;
};

// What the table of the test does; one test at a time.
struct Script {
  std::string checkpoint;
  uint32_t size_told = 0;
  std::string committed;
  std::function<dstream_status()> commit;
  static inline Script* current = nullptr;
};

constexpr dstream_transactions kTable = {
    [](void*, const char*, dstream_error*) noexcept { return dstream_status{DSTREAM_OK}; },
    [](void*, uint8_t* buffer, uint32_t, uint32_t* size, dstream_error*) noexcept {
      const std::string& text = Script::current->checkpoint;
      std::copy(text.begin(), text.end(), buffer);
      *size = std::max(Script::current->size_told, static_cast<uint32_t>(text.size()));
      return dstream_status{DSTREAM_OK};
    },
    [](void*, dstream_error*) noexcept { return dstream_status{DSTREAM_OK}; },
    [](void*, dstream_bytes checkpoint, uint32_t, dstream_error*) noexcept {
      Script::current->committed.assign(reinterpret_cast<const char*>(checkpoint.data),
                                        checkpoint.size);
      return Script::current->commit();
    }};

class GuardedTransactions : public testing::Test {
 protected:
  GuardedTransactions() {
    Script::current = &script_;
    options_ = {"people", "{}", &log_, &metrics_, &clock_};
    plugin_.extension = [](std::string_view id) -> const void* {
      return id == DSTREAM_EXT_TRANSACTIONS ? &kTable : nullptr;
    };
    plugin_.write = [this](const dstream_delivery* delivery, uint32_t first, uint32_t* accepted,
                           dstream_error*) {
      shown_id_ = delivery->id;
      *accepted = delivery->count - first;
      return dstream_status{DSTREAM_OK};
    };
    script_.commit = [this] {
      plugin_.settle(shown_id_, 0, 3);
      return dstream_status{DSTREAM_OK};
    };
    plugin_.arm();
    auto made = make_sink(scripted::sink_connector(), options_, &settles_);
    EXPECT_TRUE(made.has_value());
    sink_ = std::move(*made);
    EXPECT_TRUE(sink_->offers_transactions());
    EXPECT_TRUE(sink_->use_transactions("people").ok());
    EXPECT_TRUE(sink_->open().ok());
  }
  void write_in_transaction() {
    EXPECT_TRUE(sink_->begin_transaction().ok());
    dstream_delivery delivery{};
    delivery.struct_size = sizeof delivery;
    delivery.id = 1;
    delivery.count = 3;
    uint32_t accepted = 0;
    EXPECT_TRUE(sink_->write(delivery, 0, &accepted).ok());
  }
  void expect_breach(const CallResult& result, const char* part) {
    EXPECT_EQ(result.status, DSTREAM_FATAL);
    EXPECT_NE(result.message().find(part), std::string::npos) << result.message();
    EXPECT_EQ(result.message().substr(0, 8), "scripted");
  }

  Script script_;
  MemoryLog log_;
  MetricsRegistry metrics_;
  ManualClock clock_;
  Settles settles_;
  InstanceOptions options_;
  ScriptedSink plugin_;
  std::unique_ptr<GuardedSink> sink_;
  uint64_t shown_id_ = 0;
};

TEST_F(GuardedTransactions, CommitWithWhatWasWritten) {
  script_.checkpoint = "before";
  std::string found;
  EXPECT_TRUE(sink_->committed_checkpoint(&found).ok());
  EXPECT_EQ(found, "before");
  write_in_transaction();
  EXPECT_TRUE(sink_->commit_transaction("after", 10).ok());
  EXPECT_EQ(script_.committed, "after");
  EXPECT_EQ(settles_.delivered, 3u);
  EXPECT_TRUE(sink_->begin_transaction().ok()) << "the one before is over";
}

TEST_F(GuardedTransactions, ACommitThatIsNotReadyIsCalledAgain) {
  write_in_transaction();
  auto ready = std::exchange(script_.commit, [] { return dstream_status{DSTREAM_AGAIN}; });
  EXPECT_EQ(sink_->commit_transaction("after", 10).status, DSTREAM_AGAIN);
  script_.commit = ready;
  EXPECT_TRUE(sink_->commit_transaction("after", 10).ok());
}

TEST_F(GuardedTransactions, NothingIsSettledOkBeforeItsCommit) {
  write_in_transaction();
  plugin_.settle(shown_id_, 0, 1, DSTREAM_RETRY);
  EXPECT_EQ(settles_.others, 1u);
  plugin_.settle(shown_id_, 1, 1);
  EXPECT_EQ(settles_.delivered, 0u);
  expect_breach(sink_->poll(0), "before its transaction was committed");
}

TEST_F(GuardedTransactions, ACommitLeavesNothingUnsettled) {
  write_in_transaction();
  script_.commit = [this] {
    plugin_.settle(shown_id_, 0, 2);
    return dstream_status{DSTREAM_OK};
  };
  expect_breach(sink_->commit_transaction("after", 10), "left items unsettled");
}

TEST_F(GuardedTransactions, ACommitThatFailsSettlesNothingOk) {
  write_in_transaction();
  script_.commit = [this] {
    plugin_.settle(shown_id_, 0, 3);
    return dstream_status{DSTREAM_REOPEN};
  };
  expect_breach(sink_->commit_transaction("after", 10), "did not succeed");
}

TEST_F(GuardedTransactions, ACommitWithARejectedItemWaitsForItsDeadLetter) {
  write_in_transaction();
  script_.commit = [this] {
    plugin_.settle(shown_id_, 0, 2);
    plugin_.settle(shown_id_, 2, 1, DSTREAM_REJECTED);
    return dstream_status{DSTREAM_OK};
  };
  expect_breach(sink_->commit_transaction("after", 10), "rejected an item");
}

TEST_F(GuardedTransactions, ACheckpointFitsItsBuffer) {
  script_.size_told = DSTREAM_MAX_CHECKPOINT + 1;
  std::string found;
  expect_breach(sink_->committed_checkpoint(&found), "smaller buffer");
  EXPECT_EQ(found, "");
}

TEST_F(GuardedTransactions, ASessionEndsItsTransaction) {
  write_in_transaction();
  sink_->close();
  EXPECT_TRUE(sink_->use_transactions("people").ok());
  EXPECT_TRUE(sink_->open().ok());
  std::string found;
  EXPECT_TRUE(sink_->committed_checkpoint(&found).ok())
      << "it may be asked: no transaction is open";
}

}  // namespace
}  // namespace dstream::core
