#include "host/status_text.h"

#include <Poco/JSON/Parser.h>
#include <gmock/gmock.h>

namespace dstream::host {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

core::JsonObject parse(const std::string& text) {
  return Poco::JSON::Parser().parse(text).extract<core::JsonObject>();
}

std::string with_pipeline(const std::string& pipeline) {
  return status_text(parse(
      R"({"process": {"version": "1.2.3", "pid": 77, "uptime_ms": 90000, "state_dir": "/state"},
          "pipelines": [)" +
      pipeline + "]}"));
}

TEST(StatusText, SaysDurationsSizesAndCounts) {
  EXPECT_EQ(duration_text(0), "0 ms");
  EXPECT_EQ(duration_text(999), "999 ms");
  EXPECT_EQ(duration_text(59'999), "59 s");
  EXPECT_EQ(duration_text(3'599'000), "59 min");
  EXPECT_EQ(duration_text(3'600'000 * 3 + 20 * 60'000), "3 h 20 min");
  EXPECT_EQ(duration_text(3'600'000 * 52LL), "2 d 4 h");
  EXPECT_EQ(size_text(0), "0 B");
  EXPECT_EQ(size_text(1536), "1.5 KiB");
  EXPECT_EQ(size_text(64ull << 20), "64.0 MiB");
  EXPECT_EQ(size_text(UINT64_MAX), "16777216.0 TiB");
  EXPECT_EQ(count_text(7), "7");
  EXPECT_EQ(count_text(123), "123");
  EXPECT_EQ(count_text(1234567), "1,234,567");
}

TEST(StatusText, HasALineForEachPipeline) {
  std::string text = with_pipeline(
      R"({"name": "people", "state": "running", "in_state_ms": 61000, "lag_ms": 340,
          "records_per_second": 1234.6, "records_read": 5000, "records_delivered": 4990,
          "queue_bytes": 2048, "checkpoint_age_ms": 120, "last_error": null,
          "source": {"type": "s", "status": null}, "sink": {"type": "k", "status": null}})");
  EXPECT_THAT(text, HasSubstr("DStream 1.2.3, process 77, up 1 min, state in /state\n"));
  EXPECT_THAT(text, HasSubstr("people    running  1 min  340 ms  1,235/s  5,000  4,990      "
                              "2.0 KiB  120 ms\n"));
}

TEST(StatusText, SaysHowFarASnapshotIs) {
  std::string text = with_pipeline(
      R"({"name": "people", "state": "running", "last_error": null,
          "source": {"status": {"snapshots": [
            {"table": "dbo.Orders", "state": "running", "rows": 250000, "rows_estimate": 1000000,
             "left_ms": 125000},
            {"table": "dbo.Cars", "state": "waiting"},
            {"table": "dbo.Logs", "state": "running", "rows": 12},
            {"table": "dbo.Over", "state": "running", "rows": 30, "rows_estimate": 20}]}}})");
  EXPECT_THAT(text, HasSubstr("people: snapshot of dbo.Orders running, 250,000 of about 1,000,000 "
                              "rows (25 %), about 2 min left\n"));
  EXPECT_THAT(text, HasSubstr("people: snapshot of dbo.Cars waiting\n"));
  EXPECT_THAT(text, HasSubstr("people: snapshot of dbo.Logs running, 12 rows\n"));
  EXPECT_THAT(text, HasSubstr("30 of about 20 rows (100 %)"));
}

TEST(StatusText, SaysWhatTheSinkFound) {
  std::string text = with_pipeline(
      R"({"name": "people", "state": "running", "sink": {"status": {"partition_changes": [
            {"topic": "a", "from": 2, "to": 5, "state": "used", "ago_ms": 61000},
            {"topic": "b", "from": 1, "to": 2, "state": "draining", "ago_ms": 12}],
          "throttled": {"total_ms": 42, "percent_of_last_minute": 34, "ago_ms": 50}}}})");
  EXPECT_THAT(text,
              HasSubstr("people: topic a has 5 partitions instead of 2, found 1 min ago\n"
                        "people: topic b has 2 partitions instead of 1, found 12 ms ago; it takes "
                        "nothing more until what is under way is delivered\n"
                        "people: the sink was throttled for 34 % of the last minute\n"));
  EXPECT_THAT(with_pipeline(R"({"name": "people", "sink": {"status": {"throttled": {}}}})"),
              Not(HasSubstr("throttled")));
}

TEST(StatusText, SaysWhatIsWrong) {
  std::string text = with_pipeline(
      R"({"name": "people", "state": "backing_off",
          "last_error": {"code": "DS-SINK-RETRY", "message": "No broker.", "hint": "Look."}})");
  EXPECT_THAT(text, HasSubstr("people: DS-SINK-RETRY: No broker.\n    hint: Look.\n"));
}

// What a plugin says is shown where it makes sense, and cannot take over the terminal.
TEST(StatusText, SurvivesWhatPluginsSay) {
  for (const char* status :
       {R"([])", R"({"snapshots": 7})", R"({"snapshots": [7, null, [], "x"]})",
        R"({"snapshots": [{"table": 5, "rows": "many", "rows_estimate": -1, "left_ms": 1e300}]})",
        R"({"partition_changes": [7, {"topic": 5, "from": "x"}], "throttled": 7})",
        R"({"partition_changes": {}, "throttled": {"percent_of_last_minute": 1e300}})",
        R"({"partition_changes": [{"topic": "a\u001b[31mb\n", "to": true}]})",
        R"({"snapshots": [{"table": "a\u001b[31mb\n", "rows": true}]})"}) {
    std::string text = with_pipeline(std::string(R"({"name": "people", "state": "running",
        "lag_ms": "soon", "records_read": null, "source": {"status": )") +
                                     status + "}, \"sink\": {\"status\": " + status + "}}");
    EXPECT_THAT(text, HasSubstr("people")) << status;
    EXPECT_THAT(text, Not(HasSubstr("\x1b"))) << status;
  }
}

}  // namespace
}  // namespace dstream::host
