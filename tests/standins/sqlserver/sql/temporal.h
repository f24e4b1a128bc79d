// Dates and times as SQL Server counts them: days since 0001-01-01 and ticks of 100 ns.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tests/standins/sqlserver/protocol/values.h"

namespace dstream::standin::sql {

inline constexpr int64_t kTicksPerMillisecond = 10'000;
inline constexpr int64_t kTicksPerSecond = 10'000'000;
inline constexpr int64_t kTicksPerMinute = 60 * kTicksPerSecond;
inline constexpr int64_t kTicksPerHour = 60 * kTicksPerMinute;
inline constexpr int64_t kTicksPerDay = 24 * kTicksPerHour;
inline constexpr int64_t kDaysMax = 3'652'058;   // 9999-12-31
inline constexpr int64_t kDaysTo1900 = 693'595;  // day 0 of datetime
inline constexpr int64_t kDaysTo1753 = 639'905;  // the first day of datetime
inline constexpr int64_t kUnixEpochTicks = 719'162 * kTicksPerDay;

struct CivilTime {
  int year = 1900, month = 1, day = 1;
  int hour = 0, minute = 0, second = 0;
  int64_t fraction = 0;  // ticks within the second
};

int64_t days_from_civil(int year, int month, int day);
CivilTime civil_from_ticks(int64_t ticks);
int64_t ticks_from_civil(const CivilTime& time);
bool is_valid_date(int year, int month, int day);
int days_in_month(int year, int month);

// A literal of any form SQL Server takes regardless of language, and of us_english.
struct ParsedTime {
  CivilTime time;
  bool has_date = false;
  bool has_time = false;
  std::optional<int16_t> offset_min;
};
// `style` of CONVERT decides the order of day, month and year; without one the month comes first.
std::optional<ParsedTime> parse_time(std::string_view text, int style = -1);

// Rounds to what the type can hold: 1/300 s for datetime, minutes, `scale` digits.
int64_t round_ticks(const SqlType& type, int64_t ticks);

// CONVERT styles. nullopt for a style the stand-in does not know.
std::optional<std::string> format_time(const SqlType& type, const SqlValue& value, int style);

}  // namespace dstream::standin::sql
