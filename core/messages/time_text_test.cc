#include "core/messages/time_text.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <string>

namespace dstream::core {
namespace {

constexpr int64_t kFirstDay = -719'162;
constexpr int64_t kLastDay = 2'932'896;
constexpr int64_t kNanosPerDay = kSecondsPerDay * 1'000'000'000;

std::string text_or_null(const char* begin, const char* end) {
  return end == nullptr ? "null" : std::string(begin, end);
}
std::string date(int64_t days) {
  char text[64];
  return text_or_null(text, write_date(text, days));
}
std::string time_of_day(int64_t nanos) {
  char text[64];
  return text_or_null(text, write_time(text, nanos));
}
std::string timestamp(int64_t seconds, int32_t nanos) {
  char text[64];
  return text_or_null(text, write_timestamp(text, seconds, nanos));
}
std::string zoned(int64_t seconds, int32_t nanos, int32_t offset, bool shortest = false) {
  char text[64];
  return text_or_null(text, write_timestamp_with_zone(text, seconds, nanos, offset, shortest));
}

TEST(TimeText, EveryDateOfTheCalendar) {
  using namespace std::chrono;
  char expected[32];
  for (int64_t day = kFirstDay; day <= kLastDay; ++day) {
    const year_month_day ymd{sys_days{days{day}}};
    std::snprintf(expected, sizeof expected, "%04d-%02u-%02u", static_cast<int>(ymd.year()),
                  static_cast<unsigned>(ymd.month()), static_cast<unsigned>(ymd.day()));
    ASSERT_EQ(date(day), expected);
  }
  EXPECT_EQ(date(kFirstDay), "0001-01-01");
  EXPECT_EQ(date(kLastDay), "9999-12-31");
}

TEST(TimeText, WhatIsOutOfRangeIsRefused) {
  EXPECT_EQ(date(kFirstDay - 1), "null");
  EXPECT_EQ(date(kLastDay + 1), "null");
  EXPECT_EQ(date(INT64_MIN), "null");
  EXPECT_EQ(date(INT64_MAX), "null");
  EXPECT_EQ(time_of_day(-1), "null");
  EXPECT_EQ(time_of_day(kNanosPerDay), "null");
  EXPECT_EQ(timestamp(kFirstDay * kSecondsPerDay - 1, 0), "null");
  EXPECT_EQ(timestamp((kLastDay + 1) * kSecondsPerDay, 0), "null");
  EXPECT_EQ(timestamp(0, -1), "null");
  EXPECT_EQ(timestamp(0, 1'000'000'000), "null");
  EXPECT_EQ(zoned(0, 0, 18 * 60 + 1), "null");
  EXPECT_EQ(zoned(INT64_MAX, 0, 60), "null");
  EXPECT_EQ(zoned(INT64_MIN, 0, -60), "null");
  EXPECT_EQ(zoned((kLastDay + 1) * kSecondsPerDay - 1, 0, 1), "null");
}

TEST(TimeText, FractionsHaveTheFewestDigitsOfThreeSixSevenNine) {
  EXPECT_EQ(time_of_day(0), "00:00:00");
  EXPECT_EQ(time_of_day(kNanosPerDay - 1), "23:59:59.999999999");
  EXPECT_EQ(time_of_day(500'000'000), "00:00:00.500");
  EXPECT_EQ(time_of_day(1'000'000), "00:00:00.001");
  EXPECT_EQ(time_of_day(1'000), "00:00:00.000001");
  EXPECT_EQ(time_of_day(100), "00:00:00.0000001");
  EXPECT_EQ(time_of_day(10), "00:00:00.000000010");
  EXPECT_EQ(time_of_day(37'425'678'901'200), "10:23:45.6789012");
}

TEST(TimeText, TimestampsAroundTheirEdges) {
  EXPECT_EQ(timestamp(0, 0), "1970-01-01T00:00:00");
  EXPECT_EQ(timestamp(-1, 999'999'900), "1969-12-31T23:59:59.9999999");
  EXPECT_EQ(timestamp(kFirstDay * kSecondsPerDay, 0), "0001-01-01T00:00:00");
  EXPECT_EQ(timestamp((kLastDay + 1) * kSecondsPerDay - 1, 999'999'999),
            "9999-12-31T23:59:59.999999999");
}

TEST(TimeText, ZonesShowTheLocalClock) {
  EXPECT_EQ(zoned(0, 0, 0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(zoned(0, 0, 11 * 60), "1970-01-01T11:00:00+11:00");
  EXPECT_EQ(zoned(0, 120'000'000, -90), "1969-12-31T22:30:00.120-01:30");
  EXPECT_EQ(zoned(0, 120'000'000, -90, true), "1969-12-31T22:30:00.12-01:30");
  EXPECT_EQ(zoned(0, 0, 60, true), "1970-01-01T01:00:00+01:00");
  EXPECT_EQ(zoned(kFirstDay * kSecondsPerDay - 3600, 0, 60), "0001-01-01T00:00:00+01:00");
}

TEST(TimeText, InstantsOverTheWholeRange) {
  char text[64];
  const auto instant = [&](int64_t unix_ns) {
    return std::string(text, write_instant(text, unix_ns));
  };
  EXPECT_EQ(instant(1), "1970-01-01T00:00:00.000000001Z");
  EXPECT_EQ(instant(-1), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(instant(INT64_MAX), "2262-04-11T23:47:16.854775807Z");
  EXPECT_EQ(instant(INT64_MIN), "1677-09-21T00:12:43.145224192Z");
}

TEST(TimeText, AnInstantWriterForgetsAnEarlierSecond) {
  InstantWriter writer;
  char text[64];
  for (int64_t unix_ns : {int64_t{0}, int64_t{999'999'999}, int64_t{1'000'000'000},
                          int64_t{-1'000'000'000}, int64_t{86'400'000'000'000}, int64_t{5}}) {
    char expected[64];
    EXPECT_EQ(std::string(text, writer.write(text, unix_ns)),
              std::string(expected, write_instant(expected, unix_ns)));
  }
}

}  // namespace
}  // namespace dstream::core
