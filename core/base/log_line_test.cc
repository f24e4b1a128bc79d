#include "core/base/log_line.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace dstream::core {
namespace {

constexpr int64_t kTime = 1'784'021'400'125'999'999;  // 2026-07-14T09:30:00.125999999Z

std::string line(LogFormat format, std::string_view message, std::vector<LogField> fields,
                 bool color = false) {
  return format_log_line(format, LogLevel::kInfo, kTime, message, fields, color);
}

TEST(LogLine, WritesUtcTimes) {
  EXPECT_EQ(utc_time_text(kTime), "2026-07-14T09:30:00.125Z");
  EXPECT_EQ(utc_time_text(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(utc_time_text(-1), "1969-12-31T23:59:59.999Z");
}

TEST(LogLine, Golden) {
  std::vector<LogField> fields = {{"pipeline", "people"}, {"lag", "1.5 s"}, {"empty", ""}};
  EXPECT_EQ(line(LogFormat::kText, "Pipeline runs.", fields),
            "2026-07-14T09:30:00.125Z INFO  Pipeline runs. pipeline=people lag=\"1.5 s\" "
            "empty=\"\"");
  EXPECT_EQ(line(LogFormat::kJson, "Pipeline runs.", fields),
            R"({"time":"2026-07-14T09:30:00.125Z","level":"info","message":"Pipeline runs.",)"
            R"("pipeline":"people","lag":"1.5 s","empty":""})");
  EXPECT_EQ(line(LogFormat::kLogfmt, "Pipeline runs.", fields),
            "time=2026-07-14T09:30:00.125Z level=info msg=\"Pipeline runs.\" pipeline=people "
            "lag=\"1.5 s\" empty=\"\"");
  EXPECT_EQ(line(LogFormat::kText, "Up.", {{"a", "b"}}, true),
            "2026-07-14T09:30:00.125Z \x1b[32mINFO \x1b[0m Up. \x1b[2ma=\x1b[0mb");
}

TEST(LogLine, StaysOneLineAndShowsNoControlCharacters) {
  std::vector<LogField> fields = {{"sql", "a\nb\t\"c\"\\ \x1b[31m"}};
  EXPECT_EQ(line(LogFormat::kText, "One\ntwo \x1b[2J.", fields),
            "2026-07-14T09:30:00.125Z INFO  One\\ntwo \\x1b[2J. "
            "sql=\"a\\nb\\t\\\"c\\\"\\\\ \\x1b[31m\"");
  EXPECT_EQ(line(LogFormat::kLogfmt, "One\ntwo.", fields),
            "time=2026-07-14T09:30:00.125Z level=info msg=\"One\\ntwo.\" "
            "sql=\"a\\nb\\t\\\"c\\\"\\\\ \\x1b[31m\"");
  EXPECT_EQ(line(LogFormat::kJson, "One\ntwo.", fields),
            R"({"time":"2026-07-14T09:30:00.125Z","level":"info","message":"One\ntwo.",)"
            R"("sql":"a\nb\t\"c\"\\ \u001B[31m"})");
}

TEST(LogLine, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(line(LogFormat::kJson, "\xff\xc3\xa4.", {}),
            "{\"time\":\"2026-07-14T09:30:00.125Z\",\"level\":\"info\",\"message\":"
            "\"\xef\xbf\xbd\xc3\xa4.\"}");
  EXPECT_EQ(line(LogFormat::kLogfmt, "A", {{"k", "\xc3"}}),
            "time=2026-07-14T09:30:00.125Z level=info msg=A k=\xef\xbf\xbd");
}

TEST(LogLine, KeepsItsOwnKeys) {
  EXPECT_EQ(line(LogFormat::kLogfmt, "A", {{"level", "x"}, {"a b=", "y"}, {"", "z"}}),
            "time=2026-07-14T09:30:00.125Z level=info msg=A field_level=x a_b_=y field_=z");
}

TEST(LogLine, ReadsNames) {
  EXPECT_EQ(parse_log_level("warn"), LogLevel::kWarn);
  EXPECT_EQ(parse_log_level("WARN"), std::nullopt);
  EXPECT_EQ(parse_log_format("logfmt"), LogFormat::kLogfmt);
  EXPECT_EQ(parse_log_format("xml"), std::nullopt);
  EXPECT_STREQ(to_string(LogLevel::kError), "error");
}

TEST(Log, DropsWhatIsBelowItsLevel) {
  ::testing::internal::CaptureStderr();
  auto log = make_stderr_log(LogLevel::kWarn, LogFormat::kLogfmt, false);
  log->write(LogLevel::kInfo, "Not this.");
  log->write(LogLevel::kWarn, "This. {} %s", {{"a", "{}"}});
  make_null_log()->write(LogLevel::kError, "Nor this.");
  std::string out = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(out.find("level=warn msg=\"This. {} %s\" a={}\n"), out.find(' ') + 1);
  EXPECT_EQ(out.find("Not this"), std::string::npos);
  EXPECT_EQ(out.find("Nor this"), std::string::npos);
}

}  // namespace
}  // namespace dstream::core
