#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>

#include "core/plugins/guard.h"
#include "core/plugins/scripted_plugin_test.h"

namespace dstream::core {
namespace {

class GuardedSourceTest : public testing::Test {
 protected:
  GuardedSourceTest() {
    options_.pipeline = "people";
    options_.config_json = "{}";
    options_.log = &log_;
    options_.metrics = &metrics_;
    options_.clock = &clock_;
    plugin_.arm();
    auto made = make_source(scripted::source_connector(), options_);
    EXPECT_TRUE(made.has_value());
    source_ = std::move(*made);
  }

  double breaches(const char* kind) {
    return metrics_
        .counter("dstream_plugin_misbehaviour_total", "",
                 {{"pipeline", "people"}, {"plugin", "scripted"}, {"kind", kind}})
        .value();
  }
  // One read() that comes back with `status` and `batch`.
  CallResult read_once(dstream_status status, dstream_batch* batch, dstream_batch** out) {
    plugin_.read = [=](uint32_t, uint32_t, dstream_batch** returned, dstream_error*) {
      *returned = batch;
      return status;
    };
    return source_->read(10, 100, out);
  }

  MemoryLog log_;
  MetricsRegistry metrics_;
  ManualClock clock_;
  InstanceOptions options_;
  ScriptedSource plugin_;
  std::unique_ptr<GuardedSource> source_;
};

TEST_F(GuardedSourceTest, PassesAGoodBatchAndReleasesItOnce) {
  TestBatch batch(3);
  ASSERT_TRUE(source_->open("here").ok());
  dstream_batch* out = nullptr;
  EXPECT_TRUE(read_once(DSTREAM_OK, &batch.raw, &out).ok());
  EXPECT_EQ(out, &batch.raw);
  EXPECT_EQ(batch.releases, 0);
  release_batch(out);
  EXPECT_EQ(batch.releases, 1);
}

TEST_F(GuardedSourceTest, CallsTheLifeCycleInOrder) {
  EXPECT_TRUE(source_->open("").ok());
  EXPECT_TRUE(source_->commit("p").ok());
  source_->close();
  source_->close();
  EXPECT_TRUE(source_->open("").ok());
  source_.reset();
  std::vector<std::string> expected = {"create", "open",  "commit", "close",
                                       "open",   "close", "destroy"};
  EXPECT_EQ(plugin_.calls, expected);
}

TEST_F(GuardedSourceTest, AFailedOpenLeavesItClosed) {
  plugin_.open = [](dstream_bytes, dstream_error* error) {
    std::snprintf(error->message, sizeof error->message, "No route to host.");
    error->vendor_code = 10060;
    return dstream_status{DSTREAM_RETRY};
  };
  CallResult result = source_->open("");
  EXPECT_EQ(result.status, DSTREAM_RETRY);
  EXPECT_EQ(result.message(), "No route to host.");
  EXPECT_EQ(result.error.vendor_code, 10060);
  plugin_.open = nullptr;
  EXPECT_TRUE(source_->open("").ok());
}

TEST_F(GuardedSourceTest, ABadBatchIsFatalAndGivenBack) {
  TestBatch batch(3);
  batch.raw.record_stride = 7;
  ASSERT_TRUE(source_->open("").ok());
  dstream_batch* out = &batch.raw;
  CallResult result = read_once(DSTREAM_OK, &batch.raw, &out);
  EXPECT_EQ(result.status, DSTREAM_FATAL);
  EXPECT_EQ(out, nullptr);
  EXPECT_EQ(batch.releases, 1);
  EXPECT_EQ(result.message().substr(0, 8), "scripted");
  EXPECT_EQ(breaches("batch"), 1);
}

TEST_F(GuardedSourceTest, OkNeedsABatchAndABatchNeedsOk) {
  ASSERT_TRUE(source_->open("").ok());
  dstream_batch* out = nullptr;
  EXPECT_EQ(read_once(DSTREAM_OK, nullptr, &out).status, DSTREAM_FATAL);
  source_->close();
  ASSERT_TRUE(source_->open("").ok());
  TestBatch batch(1);
  EXPECT_EQ(read_once(DSTREAM_AGAIN, &batch.raw, &out).status, DSTREAM_FATAL);
  EXPECT_EQ(batch.releases, 1);
}

TEST_F(GuardedSourceTest, ABreachStandsUntilClose) {
  ASSERT_TRUE(source_->open("").ok());
  dstream_batch* out = nullptr;
  CallResult first = read_once(DSTREAM_OK, nullptr, &out);
  CallResult second = read_once(DSTREAM_AGAIN, nullptr, &out);
  EXPECT_EQ(second.status, DSTREAM_FATAL);
  EXPECT_EQ(second.message(), first.message());
  source_->close();
  ASSERT_TRUE(source_->open("").ok());
  EXPECT_EQ(read_once(DSTREAM_AGAIN, nullptr, &out).status, DSTREAM_AGAIN);
}

TEST_F(GuardedSourceTest, StatusesACallCannotHaveAreFatal) {
  dstream_batch* out = nullptr;
  for (dstream_status status : {4, 31, 32, 1000, -9, -1000, int{DSTREAM_REJECTED}, INT32_MIN}) {
    ASSERT_TRUE(source_->open("").ok());
    EXPECT_EQ(read_once(status, nullptr, &out).status, DSTREAM_FATAL) << status;
    source_->close();
  }
  plugin_.open = [](dstream_bytes, dstream_error*) { return dstream_status{DSTREAM_AGAIN}; };
  EXPECT_EQ(source_->open("").status, DSTREAM_FATAL);
}

TEST_F(GuardedSourceTest, StatusesThatSaySomethingPass) {
  dstream_batch* out = nullptr;
  ASSERT_TRUE(source_->open("").ok());
  for (dstream_status status :
       {DSTREAM_AGAIN, DSTREAM_END, DSTREAM_CANCELLED, DSTREAM_RETRY, DSTREAM_REOPEN,
        DSTREAM_CONFIG, DSTREAM_DENIED, DSTREAM_DATA_LOSS, DSTREAM_UNSUPPORTED, DSTREAM_FATAL}) {
    CallResult result = read_once(status, nullptr, &out);
    EXPECT_EQ(result.status, status);
    EXPECT_EQ(result.message().empty(), status > 0) << "an error has a message, always";
  }
}

TEST_F(GuardedSourceTest, AMessageCannotBreakALine) {
  plugin_.open = [](dstream_bytes, dstream_error* error) {
    std::memset(error->message, 'x', sizeof error->message);  // no NUL
    std::memcpy(error->message, "a\nb\xff", 4);
    std::memset(error->sqlstate, 'S', sizeof error->sqlstate);
    return dstream_status{DSTREAM_RETRY};
  };
  CallResult result = source_->open("");
  EXPECT_EQ(result.message().substr(0, 5), "a?b?x");
  EXPECT_EQ(result.message().size(), sizeof result.error.message - 1);
  EXPECT_EQ(std::strlen(result.error.sqlstate), sizeof result.error.sqlstate - 1);
}

TEST_F(GuardedSourceTest, AnOverrunIsCountedAndLoggedOnce) {
  ASSERT_TRUE(source_->open("").ok());
  plugin_.read = [this](uint32_t, uint32_t max_wait_ms, dstream_batch**, dstream_error*) {
    clock_.advance_ms(max_wait_ms + 1001);
    return dstream_status{DSTREAM_AGAIN};
  };
  dstream_batch* out = nullptr;
  EXPECT_EQ(source_->read(10, 50, &out).status, DSTREAM_AGAIN);
  EXPECT_EQ(source_->read(10, 50, &out).status, DSTREAM_AGAIN);
  EXPECT_EQ(breaches("overrun"), 2);
  ASSERT_EQ(log_.lines.size(), 1u);
  EXPECT_NE(log_.lines[0].find("plugin=scripted"), std::string::npos);
  EXPECT_NE(log_.lines[0].find("1051 ms"), std::string::npos) << log_.lines[0];
}

TEST_F(GuardedSourceTest, AReadWithinItsTimeIsNotCounted) {
  ASSERT_TRUE(source_->open("").ok());
  plugin_.read = [this](uint32_t, uint32_t max_wait_ms, dstream_batch**, dstream_error*) {
    clock_.advance_ms(max_wait_ms + 1000);
    return dstream_status{DSTREAM_AGAIN};
  };
  dstream_batch* out = nullptr;
  source_->read(10, 50, &out);
  EXPECT_EQ(breaches("overrun"), 0);
}

TEST_F(GuardedSourceTest, AStopThatIsIgnoredIsCounted) {
  ASSERT_TRUE(source_->open("").ok());
  plugin_.read = [this](uint32_t, uint32_t, dstream_batch**, dstream_error*) {
    source_->request_stop();
    clock_.advance_ms(10'001);
    return dstream_status{DSTREAM_CANCELLED};
  };
  dstream_batch* out = nullptr;
  source_->read(10, 60'000, &out);
  EXPECT_EQ(breaches("stop_ignored"), 1);
}

TEST_F(GuardedSourceTest, SaysWhichCallIsUnderWay) {
  ASSERT_TRUE(source_->open("").ok());
  std::optional<CallInProgress> seen;
  plugin_.read = [&](uint32_t, uint32_t, dstream_batch**, dstream_error*) {
    seen = source_->call_in_progress();
    return dstream_status{DSTREAM_AGAIN};
  };
  dstream_batch* out = nullptr;
  source_->read(10, 50, &out);
  ASSERT_TRUE(seen.has_value());
  EXPECT_STREQ(seen->call, "read()");
  EXPECT_EQ(seen->since_monotonic_ns, clock_.now_ns);
  EXPECT_FALSE(source_->call_in_progress().has_value());
}

TEST_F(GuardedSourceTest, SettleFromASourceIsABreach) {
  ASSERT_TRUE(source_->open("").ok());
  plugin_.host->settle(plugin_.host, 1, 0, 1, DSTREAM_OK, nullptr);
  dstream_batch* out = nullptr;
  EXPECT_EQ(source_->read(10, 50, &out).status, DSTREAM_FATAL);
  EXPECT_EQ(breaches("settle_from_source"), 1);
}

using GuardedSourceDeathTest = GuardedSourceTest;

TEST_F(GuardedSourceDeathTest, CallsOutOfOrderAreOurOwnBug) {
  dstream_batch* out = nullptr;
  EXPECT_DEATH(source_->read(10, 50, &out), "bug: assertion failed");
  EXPECT_DEATH(source_->commit(""), "bug: assertion failed");
  ASSERT_TRUE(source_->open("").ok());
  EXPECT_DEATH(source_->open(""), "bug: assertion failed");
}

TEST(MakeSource, SaysWhyThePluginRefused) {
  static constexpr auto refuse = [](const dstream_host*, const char*, dstream_source**,
                                    dstream_error* error) noexcept {
    std::snprintf(error->message, sizeof error->message, "/tables: at least one is needed");
    return dstream_status{DSTREAM_CONFIG};
  };
  dstream_source_api table = scripted::kSourceTable;
  table.create = refuse;
  dstream_connector connector = scripted::kSource;
  connector.source = &table;
  InstanceOptions options;
  options.config_json = "{}";
  auto made = make_source({&connector, &scripted::kPlugin, "(test)"}, options);
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code, "DS-PLUGIN-CREATE");
  EXPECT_NE(made.error().message.find("/tables: at least one is needed"), std::string::npos);

  table.create = [](const dstream_host*, const char*, dstream_source**, dstream_error*) noexcept {
    return dstream_status{DSTREAM_OK};
  };
  made = make_source({&connector, &scripted::kPlugin, "(test)"}, options);
  ASSERT_FALSE(made.has_value());
  EXPECT_NE(made.error().message.find("without an instance"), std::string::npos);
}

}  // namespace
}  // namespace dstream::core
