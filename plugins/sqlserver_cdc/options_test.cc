#include "plugins/sqlserver_cdc/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/sqlserver_cdc/duration.h"
#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

TEST(Duration, ReadsUnits) {
  EXPECT_EQ(parse_duration("250ms"), Millis(250));
  EXPECT_EQ(parse_duration("5s"), seconds(5));
  EXPECT_EQ(parse_duration("2m"), minutes(2));
  EXPECT_EQ(parse_duration("1h"), minutes(60));
  EXPECT_EQ(parse_duration("365d"), std::chrono::hours(365 * 24));
}

TEST(Duration, RefusesEverythingElse) {
  for (const char* bad : {"", "5", "s", "-5s", "5 s", "5S", "5sec", "1.5s", "366d", "+5s", "5s ",
                          "99999999999999999999s", "9223372036854775807ms"}) {
    EXPECT_EQ(parse_duration(bad), std::nullopt) << bad;
  }
}

std::string failure(const char* json) {
  try {
    parse_options(json);
  } catch (const SourceError& error) {
    EXPECT_EQ(error.status, DSTREAM_CONFIG);
    return error.what();
  }
  return "no error";
}

TEST(Options, PollsByTheIntervalUnlessToldOtherwise) {
  EXPECT_EQ(parse_options(R"({"connection":"x","tables":["dbo.t"]})").poll, PollMode::kInterval);
  EXPECT_EQ(parse_options(R"({"connection":"x","tables":["dbo.t"],"poll":"adaptive"})").poll,
            PollMode::kAdaptive);
}

TEST(Options, ReadsTheWholeFile) {
  const Options options = parse_options(R"({"connection":"sqlserver://h?database=d",
    "poll_interval":"5s","max_poll_interval":"1m","page_rows":50,"login_timeout":"2500ms",
    "tables":["dbo.Persons",{"name":"dbo.Cars","poll_interval":"10s","max_poll_interval":"2m",
    "capture_instance":"cars_2"},{"name":"dbo.Dogs","poll_interval":"3s"}]})");
  ASSERT_EQ(options.tables.size(), 3u);
  EXPECT_EQ(options.tables[0].poll_interval, seconds(5));
  EXPECT_EQ(options.tables[0].max_poll_interval, minutes(1));
  EXPECT_EQ(options.tables[1].poll_interval, seconds(10));
  EXPECT_EQ(options.tables[1].max_poll_interval, minutes(2));
  EXPECT_EQ(options.tables[1].capture_instance, "cars_2");
  EXPECT_EQ(options.tables[2].max_poll_interval, seconds(15));
  EXPECT_EQ(options.page_rows, 50u);
  EXPECT_EQ(options.login_timeout, seconds(3));
  EXPECT_EQ(options.query_timeout, seconds(30));
}

TEST(Options, DefaultsAreThoseOfTheSchema) {
  const Options options = parse_options(R"({"connection":"x","tables":["dbo.Persons"]})");
  EXPECT_EQ(options.tables[0].poll_interval, seconds(1));
  EXPECT_EQ(options.tables[0].max_poll_interval, seconds(5));
  EXPECT_EQ(options.page_rows, 10000u);
  EXPECT_EQ(options.read_ahead_bytes, 16u << 20);
}

TEST(Options, ErrorsNameTheKey) {
  using testing::StartsWith;
  EXPECT_THAT(failure(R"({"connection":"x","tables":["Persons"]})"), StartsWith("tables/0: "));
  EXPECT_THAT(failure(R"({"connection":"x","tables":["dbo.A","dbo.A"]})"),
              StartsWith("tables/1: dbo.A is listed twice"));
  EXPECT_THAT(failure(R"({"connection":"x","tables":["a.b"],"poll_interval":"5 s"})"),
              StartsWith("poll_interval: "));
  EXPECT_THAT(failure(R"({"connection":"x","tables":["a.b"],"poll_interval":"1ms"})"),
              StartsWith("poll_interval: "));
  EXPECT_THAT(failure(R"({"connection":"x","tables":[{"name":"a.b","poll_interval":"5s",
                         "max_poll_interval":"1s"}]})"),
              StartsWith("tables/0/max_poll_interval: "));
  EXPECT_THAT(failure(R"({"connection":"x","tables":["a.b"],"query_timeout":"0s"})"),
              StartsWith("query_timeout: "));
}

TEST(Options, BadTextNeverShowsTheSecret) {
  const std::string message = failure(R"({"connection":"sqlserver://u:hunter2@h)");
  EXPECT_THAT(message, testing::Not(testing::HasSubstr("hunter2")));
}

TEST(Options, AGapIsCopiedAgainIfSourceOrPipelineSaysSo) {
  struct Case {
    const char* snapshot;
    dstream_data_loss_policy policy;
    const char* outcome;
  };
  const Case cases[] = {
      {"initial", DSTREAM_DATA_LOSS_STOP, "no"},
      {"initial", DSTREAM_DATA_LOSS_CONTINUE, "no"},
      {"initial", DSTREAM_DATA_LOSS_RESNAPSHOT, "yes"},
      {"only", DSTREAM_DATA_LOSS_RESNAPSHOT, "yes"},
      {"never", DSTREAM_DATA_LOSS_STOP, "no"},
      {"never", DSTREAM_DATA_LOSS_CONTINUE, "no"},
      {"never", DSTREAM_DATA_LOSS_RESNAPSHOT, "snapshot: never copies no table"},
      {"when_gap", DSTREAM_DATA_LOSS_STOP, "yes"},
      {"when_gap", DSTREAM_DATA_LOSS_CONTINUE, "snapshot: when_gap copies a table again"},
      {"when_gap", DSTREAM_DATA_LOSS_RESNAPSHOT, "yes"},
      {"initial", 17, "on_data_loss: this version does not know policy 17."},
  };
  for (const Case& each : cases) {
    Options options = parse_options(std::string(R"({"connection":"x","tables":["dbo.t"],)") +
                                    R"("snapshot":")" + each.snapshot + "\"}");
    std::string outcome;
    try {
      take_data_loss_policy(each.policy, &options);
      outcome = options.copies_gaps ? "yes" : "no";
    } catch (const SourceError& error) {
      outcome = error.what();
    }
    EXPECT_EQ(outcome.substr(0, std::string(each.outcome).size()), each.outcome)
        << each.snapshot << ", policy " << each.policy;
  }
}

}  // namespace
}  // namespace dstream::sqlserver
