#include "dstream/host.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <thread>

#include "dstream/testing/fake_host.hpp"

namespace dstream {
namespace {

using testing::FakeHost;

dstream_status status_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.status;
  }
  return DSTREAM_OK;
}

TEST(HostConfig, ConvertsWhatFits) {
  FakeHost fake(R"({"text": "a", "yes": true, "number": 300, "half": 0.5, "none": null,
                    "huge": 18446744073709551615, "tables": ["a", "b"], "object": {"x": 1}})");
  Host host = fake.host();
  EXPECT_EQ(host.config<std::string>("/text"), "a");
  EXPECT_TRUE(host.config<bool>("/yes"));
  EXPECT_EQ(host.config<int>("/number"), 300);
  EXPECT_EQ(host.config<uint16_t>("/number"), 300);
  EXPECT_EQ(host.config<double>("/number"), 300.0);
  EXPECT_EQ(host.config<Millis>("/number"), Millis(300));
  EXPECT_EQ(host.config<float>("/half"), 0.5f);
  EXPECT_EQ(host.config<uint64_t>("/huge"), UINT64_MAX);
  EXPECT_EQ(host.config<int>("/object/x"), 1);
  EXPECT_EQ(host.config_list<std::string>("/tables"), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(host.config_list<std::string>("/absent").empty());
  EXPECT_TRUE(host.has_config("/object"));
  EXPECT_TRUE(host.has_config("/none"));
  EXPECT_FALSE(host.has_config("/absent"));
}

TEST(HostConfig, SaysConfigForWhatDoesNotFit) {
  FakeHost fake(R"({"text": "a", "number": 300, "negative": -1, "huge": 18446744073709551615,
                    "object": {}, "none": null})");
  Host host = fake.host();
  EXPECT_EQ(status_of([&] { host.config<int>("/absent"); }), DSTREAM_CONFIG);
  EXPECT_EQ(status_of([&] { host.config<int>("/none"); }), DSTREAM_CONFIG);
  EXPECT_EQ(status_of([&] { host.config<int>("/text"); }), DSTREAM_CONFIG);
  EXPECT_EQ(status_of([&] { host.config<std::string>("/object"); }), DSTREAM_CONFIG);
  EXPECT_EQ(status_of([&] { host.config<uint8_t>("/number"); }), DSTREAM_CONFIG);
  EXPECT_EQ(status_of([&] { host.config<uint32_t>("/negative"); }), DSTREAM_CONFIG);
  EXPECT_EQ(status_of([&] { host.config<int64_t>("/huge"); }), DSTREAM_CONFIG);
  try {
    host.config<bool>("/text");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "/text: wrong type");
  }
}

TEST(HostConfig, FallsBackOnlyWhenNothingIsThere) {
  FakeHost fake(R"({"number": 3, "none": null, "object": {}})");
  Host host = fake.host();
  EXPECT_EQ(host.config_or("/number", 7), 3);
  EXPECT_EQ(host.config_or("/absent", 7), 7);
  EXPECT_EQ(host.config_or("/none", 7), 7);
  EXPECT_EQ(host.config_or<std::string>("/absent", "x"), "x");
  EXPECT_EQ(status_of([&] { host.config_or<std::string>("/number", "x"); }), DSTREAM_CONFIG);
  EXPECT_EQ(status_of([&] { host.config_or("/object", 7); }), DSTREAM_CONFIG);
}

TEST(HostLog, CarriesFields) {
  FakeHost fake;
  std::string table = "dbo.Persons";
  fake.host().warn("Slow.", {{"table", table}, {"rows", 5}, {"last", true}, {"kind", "cdc"}});
  ASSERT_EQ(fake.lines().size(), 1u);
  testing::LogLine line = fake.lines()[0];
  EXPECT_EQ(line.level, int{DSTREAM_LOG_WARN});
  EXPECT_EQ(line.message, "Slow.");
  EXPECT_EQ(line.fields["table"], "dbo.Persons");
  EXPECT_EQ(line.fields["rows"], "5");
  EXPECT_EQ(line.fields["last"], "true");
  EXPECT_EQ(line.fields["kind"], "cdc");
}

TEST(HostLog, SkipsWhatIsNotHeard) {
  FakeHost fake;
  fake.set_log_level(DSTREAM_LOG_ERROR);
  EXPECT_FALSE(fake.host().logs(DSTREAM_LOG_WARN));
  fake.host().info("Unheard.");
  fake.host().error("Heard.");
  EXPECT_FALSE(fake.logged("Unheard."));
  EXPECT_TRUE(fake.logged("Heard."));
}

TEST(HostSettle, CarriesTheReasonOfAFailure) {
  FakeHost fake;
  fake.host().settle(1, 0, 5);
  fake.host().settle_failed(1, 5, 1, DSTREAM_REJECTED, std::string(2000, 'x'), 10);
  ASSERT_EQ(fake.settles().size(), 2u);
  EXPECT_EQ(fake.settled(1), 5u);
  EXPECT_EQ(fake.settled(1, DSTREAM_REJECTED), 1u);
  EXPECT_EQ(fake.settles()[1].message.size(), sizeof(dstream_error::message) - 1);
  EXPECT_EQ(fake.settles()[1].vendor_code, 10);
  EXPECT_TRUE(fake.problems().empty());
  fake.host().settle(1, 4, 2);
  EXPECT_EQ(fake.problems().size(), 2u) << "items 4 and 5 were settled before";
}

TEST(HostMetrics, MoveInstruments) {
  FakeHost fake;
  Metric sent = fake.host().counter("sent", "bytes", "Bytes.");
  Metric depth = fake.host().gauge("depth", "", "Depth.");
  Metric waited = fake.host().histogram("wait", "Time.");
  sent.add();
  sent.add(4);
  depth.set(9);
  depth.set(2);
  waited.record(0.5);
  EXPECT_EQ(fake.metric("sent"), 5);
  EXPECT_EQ(fake.metric("depth"), 2);
  EXPECT_EQ(fake.metric("wait"), 1);
  Metric none;
  none.add();
  EXPECT_FALSE(none.enabled());
  EXPECT_TRUE(fake.problems().empty());
}

TEST(StopToken, WakesAWaiter) {
  StopToken stop;
  EXPECT_FALSE(stop.wait_for(Millis(0)));
  std::thread waiter([&] { EXPECT_TRUE(stop.wait_for(std::chrono::minutes(1))); });
  stop.request();
  waiter.join();
  EXPECT_TRUE(stop.stopped());
  stop.reset();
  EXPECT_FALSE(stop.stopped());
}

TEST(TestingJson, ReadsDocuments) {
  auto scalars = testing::read_json(R"( {"a/b": [1, {"c~d": "x\n\u00fc\ud83d\ude82\"\\\/"}],
      "e": -2.5e3, "f": [], "g": 9223372036854775808, "h": -9223372036854775808} )");
  EXPECT_EQ(std::get<int64_t>(scalars.at("/a~1b/0")), 1);
  EXPECT_EQ(std::get<std::string>(scalars.at("/a~1b/1/c~0d")), "x\nü\xf0\x9f\x9a\x82\"\\/");
  EXPECT_EQ(std::get<double>(scalars.at("/e")), -2500.0);
  EXPECT_TRUE(std::holds_alternative<testing::Container>(scalars.at("/f")));
  EXPECT_EQ(std::get<uint64_t>(scalars.at("/g")), 9223372036854775808u);
  EXPECT_EQ(std::get<int64_t>(scalars.at("/h")), INT64_MIN);
}

TEST(TestingJson, RefusesWhatIsNotJson) {
  for (const char* text : {"",
                           "{",
                           "[1,]",
                           "{\"a\":}",
                           "{a:1}",
                           "01",
                           "+1",
                           "1.",
                           "nul",
                           "\"a",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\ud800\"",
                           "\"\\ud800\\u0041\"",
                           "[1] 2",
                           "\"\n\"",
                           "1e999",
                           "99999999999999999999",
                           "-",
                           "--1"}) {
    EXPECT_THROW(testing::read_json(text), std::invalid_argument) << text;
  }
  EXPECT_THROW(testing::read_json(std::string(100'000, '[')), std::invalid_argument);
}

}  // namespace
}  // namespace dstream
