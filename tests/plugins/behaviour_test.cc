// Plugins that load and then break the contract: the guard says which and how, and a crash names
// plugin and call.
#include <gtest/gtest.h>

#include <string>

#include "core/plugins/guard.h"
#include "core/plugins/registry.h"
#include "dstream/ext/draft/checks.h"

namespace dstream::core {
namespace {

class NoSettle final : public SettleHandler {
 public:
  void on_settle(uint64_t, uint32_t, uint32_t count, dstream_status,
                 const dstream_error*) override {
    items += count;
  }
  uint32_t items = 0;
};

// The registry is loaded once: a library is never unloaded anyway.
const PluginRegistry& zoo() {
  static const PluginRegistry* loaded = [] {
    auto* registry = new PluginRegistry;
    auto result = registry->load_file(std::string(ZOO) + "/behaviour.so");
    EXPECT_TRUE(result.has_value()) << result.error().text();
    return registry;
  }();
  return *loaded;
}

InstanceOptions options_for(const std::string& act, MetricsRegistry* metrics = nullptr) {
  InstanceOptions options;
  options.pipeline = "zoo";
  options.config_json = R"({"do": ")" + act + R"("})";
  options.metrics = metrics;
  return options;
}

CallResult read_once(const std::string& act, MetricsRegistry* metrics = nullptr) {
  auto source = make_source(*zoo().find_source("zoo-source"), options_for(act, metrics));
  EXPECT_TRUE(source.has_value());
  EXPECT_TRUE((*source)->open("").ok());
  dstream_batch* batch = nullptr;
  CallResult result = (*source)->read(100, 10, &batch);
  EXPECT_EQ(batch != nullptr, result.ok());
  if (batch != nullptr) {
    release_batch(batch);
  }
  return result;
}

// write() of three items, then poll(); the first result that is no OK.
CallResult deliver(const std::string& act, NoSettle& handler) {
  auto sink = make_sink(*zoo().find_sink("zoo-sink"), options_for(act), &handler);
  EXPECT_TRUE(sink.has_value());
  EXPECT_TRUE((*sink)->open().ok());
  dstream_delivery delivery{};
  delivery.struct_size = sizeof delivery;
  delivery.id = 1;
  delivery.count = 3;
  uint32_t accepted = 0;
  CallResult result = (*sink)->write(delivery, 0, &accepted);
  return result.ok() ? (*sink)->poll(10) : result;
}

struct Case {
  const char* act;
  const char* part;  // of the message
};
void PrintTo(const Case& each, std::ostream* out) { *out << each.act; }
std::string name_of(const testing::TestParamInfo<Case>& tested) { return tested.param.act; }

class BadSource : public testing::TestWithParam<Case> {};
TEST_P(BadSource, IsStoppedWithItsName) {
  MetricsRegistry metrics;
  CallResult result = read_once(GetParam().act, &metrics);
  EXPECT_EQ(result.status, DSTREAM_FATAL);
  EXPECT_EQ(result.message().substr(0, 10), "zoo-source");
  EXPECT_NE(result.message().find(GetParam().part), std::string::npos) << result.message();
  EXPECT_NE(metrics.prometheus_text().find("dstream_plugin_misbehaviour_total{"),
            std::string::npos);
}
const Case kSourceCases[] = {{"null_batch", "without a batch"},
                             {"bad_stride", "record_stride"},
                             {"too_many", "more records"},
                             {"unknown_op", "unknown operation"},
                             {"no_schema", "without a schema"},
                             {"no_after", "before and after"},
                             {"long_position", "64 KiB"},
                             {"no_release", "release()"},
                             {"batch_with_error", "without OK"},
                             {"unknown_status", "4711"},
                             {"settle", "for sinks"}};
INSTANTIATE_TEST_SUITE_P(Zoo, BadSource, testing::ValuesIn(kSourceCases), name_of);

class BadSink : public testing::TestWithParam<Case> {};
TEST_P(BadSink, IsStoppedWithItsName) {
  NoSettle handler;
  CallResult result = deliver(GetParam().act, handler);
  EXPECT_EQ(result.status, DSTREAM_FATAL);
  EXPECT_EQ(result.message().substr(0, 8), "zoo-sink");
  EXPECT_NE(result.message().find(GetParam().part), std::string::npos) << result.message();
  EXPECT_LE(handler.items, 3u);
}
const Case kSinkCases[] = {{"accept_more", "more items"},
                           {"accept_less", "every item"},
                           {"settle_unaccepted", "did not accept"},
                           {"rejected_from_write", "write()"},
                           {"settle_twice", "twice"},
                           {"settle_unknown", "not open"},
                           {"settle_outside", "not given"},
                           {"settle_nonsense", "status 2"}};
INSTANTIATE_TEST_SUITE_P(Zoo, BadSink, testing::ValuesIn(kSinkCases), name_of);

TEST(GoodSource, Passes) { EXPECT_TRUE(read_once("nothing bad").ok()); }

TEST(BadCreate, WithoutAnInstanceIsRefused) {
  auto source = make_source(*zoo().find_source("zoo-source"), options_for("null_instance"));
  ASSERT_FALSE(source.has_value());
  EXPECT_EQ(source.error().code, "DS-PLUGIN-CREATE");
}

std::unique_ptr<GuardedSource> source_that(const std::string& act,
                                           MetricsRegistry* metrics = nullptr) {
  auto made = make_source(*zoo().find_source("zoo-source"), options_for(act, metrics));
  EXPECT_TRUE(made.has_value());
  return std::move(*made);
}

class BadStatus : public testing::TestWithParam<const char*> {};
TEST_P(BadStatus, IsNotedAndThePipelineGoesOn) {
  MetricsRegistry metrics;
  auto source = source_that(GetParam(), &metrics);
  ASSERT_TRUE(source->open("").ok());
  EXPECT_FALSE(source->status_json().has_value());
  EXPECT_NE(metrics.prometheus_text().find("dstream_plugin_misbehaviour_total{"),
            std::string::npos);
  dstream_batch* batch = nullptr;
  ASSERT_TRUE(source->read(100, 10, &batch).ok());
  release_batch(batch);
}
INSTANTIATE_TEST_SUITE_P(Zoo, BadStatus,
                         testing::Values("status_array", "status_too_long", "status_not_utf8",
                                         "status_unknown"),
                         [](const auto& tested) { return std::string(tested.param); });

class BadChecks : public testing::TestWithParam<Case> {};
TEST_P(BadChecks, EndWithItsName) {
  auto result = source_that(GetParam().act)->run_checks(100, "", [](const InstanceCheck&) {});
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->status, DSTREAM_FATAL);
  EXPECT_EQ(result->message().substr(0, 10), "zoo-source");
  EXPECT_NE(result->message().find(GetParam().part), std::string::npos) << result->message();
}
const Case kCheckCases[] = {{"check_bad_id", "Not An Id"},
                            {"check_no_sentence", "without a sentence"},
                            {"check_small_struct", "struct_size"},
                            {"check_too_many", "more than 100000"},
                            {"check_rejected", "status -3"}};
INSTANTIATE_TEST_SUITE_P(Zoo, BadChecks, testing::ValuesIn(kCheckCases), name_of);

TEST(BadChecks, AnEndlessSentenceIsCutAndOneFromAThreadIsDropped) {
  size_t size = 0;
  EXPECT_TRUE(
      source_that("check_endless")
          ->run_checks(100, "", [&](const InstanceCheck& check) { size = check.sentence.size(); })
          ->ok());
  EXPECT_EQ(size, DSTREAM_MAX_CHECK_TEXT);
  int handled = 0;
  MetricsRegistry metrics;
  EXPECT_TRUE(source_that("check_in_thread", &metrics)
                  ->run_checks(100, "", [&](const InstanceCheck&) { ++handled; })
                  ->ok());
  EXPECT_EQ(handled, 0);
  EXPECT_NE(metrics.prometheus_text().find("kind=\"checks\""), std::string::npos);
}

TEST(BadSnapshot, HasNoOtherStatus) {
  auto source = source_that("snapshot_end");
  EXPECT_EQ(source->request_snapshot("dbo.t")->status, DSTREAM_FATAL);
  EXPECT_TRUE(source->open("").ok());
}

class ZooDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(ZooDeathTest, ACrashNamesPluginAndCall) {
  EXPECT_DEATH(
      {
        install_crash_reporter();
        read_once("crash_in_read");
      },
      "crash: SIGSEGV in read\\(\\) of plugin zoo-source");
  EXPECT_DEATH(
      {
        install_crash_reporter();
        NoSettle handler;
        deliver("crash_in_write", handler);
      },
      "crash: SIGSEGV in write\\(\\) of plugin zoo-sink");
  EXPECT_DEATH(
      {
        install_crash_reporter();
        make_source(*zoo().find_source("zoo-source"), options_for("crash_in_create"));
      },
      "crash: SIGSEGV in create\\(\\) of plugin zoo-source");
  EXPECT_DEATH(
      {
        install_crash_reporter();
        source_that("crash_in_status")->status_json();
      },
      "crash: SIGSEGV in status of plugin zoo-source");
  EXPECT_DEATH(
      {
        install_crash_reporter();
        source_that("crash_in_checks")->run_checks(100, "", [](const InstanceCheck&) {});
      },
      "crash: SIGSEGV in checks of plugin zoo-source");
}

TEST_F(ZooDeathTest, ACrashOutsideOfACallNamesTheLibraryWhoseCodeItIs) {
  EXPECT_DEATH(
      {
        install_crash_reporter();
        read_once("crash_in_thread");
      },
      "crash: SIGSEGV in a thread of plugin .*behaviour\\.so");
  EXPECT_DEATH(
      {
        install_crash_reporter();
        read_once("crash_in_release");
      },
      "crash: SIGSEGV in release\\(\\) of plugin .*behaviour\\.so");
}

TEST_F(ZooDeathTest, AnExceptionThatEscapesNamesPluginAndCall) {
  EXPECT_DEATH(
      {
        install_crash_reporter();
        read_once("throw_in_read");
      },
      "std::terminate in read\\(\\) of plugin zoo-source, an exception of type std::runtime_error");
  EXPECT_DEATH(
      {
        install_crash_reporter();
        NoSettle handler;
        deliver("throw_in_poll", handler);
      },
      "std::terminate in poll\\(\\) of plugin zoo-sink");
  EXPECT_DEATH(
      {
        install_crash_reporter();
        source_that("throw_in_checks")->run_checks(100, "", [](const InstanceCheck&) {});
      },
      "std::terminate in checks of plugin zoo-source");
}

}  // namespace
}  // namespace dstream::core
