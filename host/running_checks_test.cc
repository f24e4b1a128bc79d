#include "host/running_checks.h"

#include <Poco/JSON/Parser.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dstream::host {
namespace {

using Result = core::InstanceCheck::Result;
using ::testing::HasSubstr;

core::InstanceCheck check(const std::string& sink) {
  const std::string text = R"({"pipelines": [{"name": "other", "sink": 7}, 7, {"name": "people",
      "sink": )" + sink + "}]}";
  return throttle_check(Poco::JSON::Parser().parse(text).extract<core::JsonObject>(), "people");
}

TEST(ThrottleCheck, SaysWhenItWasLately) {
  const auto lately = check(
      R"({"status": {"throttled": {"total_ms": 65000, "percent_of_last_minute": 34,
                                   "ago_ms": 12000}}})");
  EXPECT_EQ(lately.result, Result::kWarning);
  EXPECT_EQ(lately.id, "throttled");
  EXPECT_EQ(lately.sentence,
            "The sink that runs was throttled 12 s ago, 34 % of the last minute, 1 min since it "
            "started.");
  EXPECT_THAT(lately.mend, HasSubstr("max_events_per_second"));
}

TEST(ThrottleCheck, LongAgoAndNeverAreWell) {
  EXPECT_EQ(check(R"({"status": {"throttled": {"total_ms": 9, "ago_ms": 3600000}}})").result,
            Result::kOk);
  EXPECT_EQ(check(R"({"status": {"throttled": {"total_ms": 0}}})").result, Result::kOk);
}

TEST(ThrottleCheck, WithoutAnAnswerItIsNotKnown) {
  const auto away = throttle_check(core::fail("DS-ADMIN-NO-HOST", "Nobody."), "people");
  EXPECT_EQ(away.result, Result::kSkipped);
  EXPECT_EQ(away.sentence, "Not known: the pipeline does not run now.");
  const auto denied = throttle_check(core::fail("DS-ADMIN-DENIED", "It may not be asked."), "a");
  EXPECT_EQ(denied.sentence, "Not known: It may not be asked.");
  for (const char* sink : {"null", "7", "{}", R"({"status": null})", R"({"status": []})",
                           R"({"status": {"throttled": 7}})"}) {
    EXPECT_EQ(check(sink).result, Result::kSkipped) << sink;
  }
}

TEST(ThrottleCheck, SurvivesWhatPluginsSay) {
  for (const char* said : {R"({"ago_ms": "soon"})", R"({"ago_ms": -1, "total_ms": 1e300})",
                           R"({"ago_ms": 5, "percent_of_last_minute": 99999999999})"}) {
    EXPECT_EQ(check(R"({"status": {"throttled": )" + std::string(said) + "}}").id, "throttled");
  }
}

}  // namespace
}  // namespace dstream::host
