// Classes with and without the methods of the draft extensions, through the layer's tables.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "dstream/ext/draft/testing.hpp"
#include "dstream/plugin.hpp"

namespace dstream {
namespace {

using testing::CallFailed;
using testing::ContractBroken;
using testing::FakeHost;
using testing::SinkDriver;
using testing::SourceDriver;

class TalkingSource {
 public:
  StopToken stop;

  explicit TalkingSource(Host host) : says_(host.config_or("/says", std::string(R"({"n": 1})"))) {}
  void open(std::string_view) {
    std::lock_guard lock(mutex_);
    connected_ = true;
  }
  dstream_batch* read(uint32_t, Millis) { return nullptr; }
  void close() {
    std::lock_guard lock(mutex_);
    connected_ = false;
  }

  std::string status_json() {
    std::lock_guard lock(mutex_);
    if (says_ == "throws") throw Error(DSTREAM_RETRY, "Not now.");
    return says_ == "long" ? std::string(DSTREAM_MAX_STATUS + 1, ' ') : says_;
  }
  bool request_snapshot(std::string_view table) {
    std::lock_guard lock(mutex_);
    if (!connected_) throw Error(DSTREAM_RETRY, "Not connected yet.");
    if (table != "dbo.t") throw Error(DSTREAM_CONFIG, "Only dbo.t is read.");
    return asked_.insert(std::string(table)).second;
  }
  void reconfigure(std::string_view config) {
    if (config != R"({"says": "new"})") throw Error(DSTREAM_CONFIG, "/says: Only new is taken.");
    reconfigured_ = true;
  }
  void set_data_loss_policy(dstream_data_loss_policy policy) {
    if (policy == DSTREAM_DATA_LOSS_RESNAPSHOT) {
      throw Error(DSTREAM_CONFIG, "/says: Nothing is copied.");
    }
  }
  void check(Checks& checks) {
    if (reconfigured_) checks.ok("config", "It is the new one.");
    checks.ok("connect", "Connected.");
    if (!checks.position().empty()) checks.ok("position", std::string(checks.position()));
    checks.warning("retention", "Short.", "EXEC sys.sp_cdc_change_job;", "dbo.t");
    checks.failed("agent", "It does not run.", "Start it.");
    checks.skipped("clock", checks.left() > Millis(0) ? "There is time." : "No time is left.");
    if (says_ == "throws") throw Error(DSTREAM_REOPEN, "Connection lost.");
  }

 private:
  const std::string says_;
  std::mutex mutex_;  // guards all below
  bool connected_ = false;
  bool reconfigured_ = false;
  std::set<std::string> asked_;
};

class SilentSource {
 public:
  explicit SilentSource(Host) {}
  void open(std::string_view) {}
  dstream_batch* read(uint32_t, Millis) { return nullptr; }
  void close() {}
  int status_json() { return 0; }        // another meaning: not the extension
  void request_snapshot(std::string) {}  // likewise
};

class TalkingSink {
 public:
  explicit TalkingSink(Host) {}
  void open() {}
  uint32_t write(const Delivery&, uint32_t) { return 0; }
  bool flush(Millis) { return true; }
  void close() {}
  std::string status_json() { return "{}"; }
  bool request_snapshot(std::string_view) { return true; }  // sinks do not offer it
  void set_data_loss_policy(dstream_data_loss_policy) {}    // likewise
  void check(Checks& checks) { checks.ok("resolve", "The name resolves."); }
  uint64_t message_bytes_max() const { return 1'000'000; }
};

class CommittingSink {
 public:
  explicit CommittingSink(Host) {}
  void open() {}
  uint32_t write(const Delivery&, uint32_t) { return 0; }
  bool flush(Millis) { return true; }
  void close() {}
  void use_transactions(std::string_view pipeline) { pipeline_ = pipeline; }
  std::string committed_checkpoint() {
    return kept_ == "long" ? std::string(DSTREAM_MAX_CHECKPOINT + 1, 'x') : pipeline_ + kept_;
  }
  void begin_transaction() { ready_ = false; }
  bool commit_transaction(std::string_view checkpoint, Millis) {
    if (!std::exchange(ready_, true)) return false;
    kept_ = checkpoint;
    return true;
  }

 private:
  std::string pipeline_;
  std::string kept_;
  bool ready_ = false;
};

constexpr auto kCommitting = message_sink<CommittingSink>("committing", "1.0.0", "Commits.", "{}");
constexpr auto kTalking = source<TalkingSource>("talking", "1.0.0", "Talks.", "{}");
constexpr auto kSilent = source<SilentSource>("silent", "1.0.0", "Does not.", "{}");
constexpr auto kSink = message_sink<TalkingSink>("sink", "1.0.0", "Talks.", "{}");

TEST(Drafts, AreOfferedByClassesThatHaveTheMethod) {
  FakeHost host;
  SourceDriver talking(kTalking, host);
  SourceDriver silent(kSilent, host);
  SinkDriver sink(kSink, host);
  for (const char* id :
       {DSTREAM_EXT_STATUS, DSTREAM_EXT_SNAPSHOT, DSTREAM_EXT_CHECKS, DSTREAM_EXT_RECONFIGURE}) {
    EXPECT_TRUE(testing::offers(talking, id)) << id;
    EXPECT_FALSE(testing::offers(silent, id)) << id;
  }
  EXPECT_TRUE(testing::offers(sink, DSTREAM_EXT_STATUS));
  EXPECT_FALSE(testing::offers(sink, DSTREAM_EXT_SNAPSHOT));
  EXPECT_TRUE(testing::offers(sink, DSTREAM_EXT_CHECKS));
  EXPECT_FALSE(testing::offers(talking, "dstream.status/2"));
  EXPECT_TRUE(testing::offers(sink, DSTREAM_EXT_LIMITS));
  EXPECT_FALSE(testing::offers(talking, DSTREAM_EXT_LIMITS)) << "a source sends no messages";
  const auto* limits = static_cast<const dstream_limits*>(sink.extension(DSTREAM_EXT_LIMITS));
  EXPECT_EQ(limits->message_bytes_max(sink.self()), 1'000'000u);
  EXPECT_THROW(testing::status_json(silent), std::invalid_argument);
}

TEST(Drafts, AStatusIsAnObjectWithinItsBounds) {
  FakeHost host;
  EXPECT_EQ(testing::status_json(SourceDriver(kTalking, host)), R"({"n": 1})");
  FakeHost quiet(R"({"says": ""})");
  EXPECT_EQ(testing::status_json(SourceDriver(kTalking, quiet)), "");
  FakeHost too_long(R"({"says": "long"})");
  EXPECT_THROW(testing::status_json(SourceDriver(kTalking, too_long)), CallFailed);
  FakeHost throwing(R"({"says": "throws"})");
  EXPECT_THROW(testing::status_json(SourceDriver(kTalking, throwing)), CallFailed);
  for (const char* bad : {R"({"says": "[]"})", R"({"says": "7"})", R"({"says": "{"})"}) {
    FakeHost broken(bad);
    EXPECT_THROW(testing::status_json(SourceDriver(kTalking, broken)), ContractBroken) << bad;
  }
}

TEST(Drafts, ASnapshotIsTakenDownOnce) {
  FakeHost host;
  SourceDriver source(kTalking, host);
  auto status_of = [&](const char* table) -> dstream_status {
    try {
      return testing::request_snapshot(source, table);
    } catch (const CallFailed& failed) {
      return failed.status;
    }
  };
  EXPECT_EQ(status_of("dbo.t"), DSTREAM_RETRY);
  source.open("");
  EXPECT_EQ(status_of("dbo.t"), DSTREAM_OK);
  EXPECT_EQ(status_of("dbo.t"), DSTREAM_AGAIN);
  EXPECT_EQ(status_of("dbo.x"), DSTREAM_CONFIG);
}

TEST(Drafts, AChangedConfigurationIsTakenOrRefused) {
  FakeHost host;
  SourceDriver source(kTalking, host);
  EXPECT_THROW(testing::reconfigure(source, "{}"), CallFailed);
  EXPECT_EQ(testing::run_checks(source).front().id, "connect") << "a refusal changes nothing";
  testing::reconfigure(source, R"({"says": "new"})");
  EXPECT_EQ(testing::run_checks(source).front().id, "config");
}

TEST(Drafts, ChecksAreEmittedInOrder) {
  FakeHost host;
  SourceDriver source(kTalking, host);
  auto lines = testing::run_checks(source);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0].result, DSTREAM_CHECK_OK);
  EXPECT_EQ(lines[1].result, DSTREAM_CHECK_WARNING);
  EXPECT_EQ(lines[1].subject, "dbo.t");
  EXPECT_EQ(lines[1].mend, "EXEC sys.sp_cdc_change_job;");
  EXPECT_EQ(lines[2].result, DSTREAM_CHECK_FAILED);
  EXPECT_EQ(lines[3].sentence, "There is time.");
  EXPECT_EQ(testing::run_checks(SinkDriver(kSink, host)).size(), 1u);
}

TEST(Drafts, ASourceIsCheckedWithItsStoredPosition) {
  FakeHost host;
  SourceDriver source(kTalking, host);
  EXPECT_EQ(testing::run_checks(source, Millis(10), "0017")[1].sentence, "0017");
  EXPECT_EQ(SinkDriver(kSink, host).extension(DSTREAM_EXT_CHECKS_2), nullptr);
  const auto* older = static_cast<const dstream_checks*>(source.extension(DSTREAM_EXT_CHECKS));
  int seen = 0;
  auto count = [](void* context, const dstream_check*) { ++*static_cast<int*>(context); };
  dstream_error error{};
  error.struct_size = sizeof error;
  EXPECT_EQ(older->run(source.self(), 10, count, &seen, &error), DSTREAM_OK);
  EXPECT_EQ(seen, 4) << "a host that knows no position still gets every other check";
}

TEST(Drafts, ChecksEndWithAStopAndWithWhatIsThrown) {
  FakeHost host;
  SourceDriver source(kTalking, host);
  source.request_stop();
  auto lines = testing::run_checks(source);
  EXPECT_EQ(lines.back().sentence, "No time is left.");
  FakeHost throwing(R"({"says": "throws"})");
  SourceDriver lost(kTalking, throwing);
  EXPECT_THROW(testing::run_checks(lost), CallFailed);
}

TEST(Drafts, APolicyForDataLossIsTakenOrRefused) {
  FakeHost host;
  SourceDriver source(kTalking, host);
  testing::set_data_loss_policy(source, DSTREAM_DATA_LOSS_CONTINUE);
  EXPECT_THROW(testing::set_data_loss_policy(source, DSTREAM_DATA_LOSS_RESNAPSHOT), CallFailed);
  EXPECT_FALSE(testing::offers(SourceDriver(kSilent, host), DSTREAM_EXT_DATA_LOSS));
  EXPECT_FALSE(testing::offers(SinkDriver(kSink, host), DSTREAM_EXT_DATA_LOSS));
}

TEST(Drafts, ATransactionIsCommittedWhenItIsReady) {
  FakeHost host;
  SinkDriver without(kSink, host);
  EXPECT_FALSE(testing::offers(without, DSTREAM_EXT_TRANSACTIONS));
  SinkDriver sink(kCommitting, host);
  testing::Transactions transactions(sink, "people");
  sink.open();
  EXPECT_EQ(transactions.committed(), "people");
  transactions.begin();
  EXPECT_EQ(transactions.commit("-1", Millis(0)), DSTREAM_AGAIN);
  EXPECT_EQ(transactions.commit("-1", Millis(0)), DSTREAM_OK);
  EXPECT_EQ(transactions.committed(), "people-1");
  transactions.begin();
  transactions.commit("long", Millis(0));
  transactions.commit("long", Millis(0));
  EXPECT_THROW(transactions.committed(), CallFailed);
}

TEST(Drafts, AStatusIsAskedBesideTheWorker) {
  FakeHost host;
  SourceDriver source(kTalking, host);
  std::atomic<bool> done{false};
  std::thread asker([&] {
    while (!done.load()) EXPECT_EQ(testing::status_json(source), R"({"n": 1})");
  });
  for (int i = 0; i < 50; i++) {
    source.open("");
    source.read(1, Millis(0));
    source.close();
  }
  done.store(true);
  asker.join();
}

}  // namespace
}  // namespace dstream
