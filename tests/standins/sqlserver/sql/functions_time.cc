// GETDATE and relatives, DATEADD, DATEDIFF, DATEPART.
#include <array>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/engine.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/functions.h"
#include "tests/standins/sqlserver/sql/lexer.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/temporal.h"

namespace dstream::standin::sql {
namespace {

using Values = std::span<const SqlValue>;

constexpr std::array<std::string_view, 12> kMonthNames = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};
constexpr std::array<std::string_view, 7> kDayNames = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};

struct PartName {
  std::string_view name;  // capitals
  DatePart::Kind part;
};
constexpr std::array kParts = {
    PartName{"YEAR", DatePart::kYear},
    PartName{"YY", DatePart::kYear},
    PartName{"YYYY", DatePart::kYear},
    PartName{"QUARTER", DatePart::kQuarter},
    PartName{"QQ", DatePart::kQuarter},
    PartName{"Q", DatePart::kQuarter},
    PartName{"MONTH", DatePart::kMonth},
    PartName{"MM", DatePart::kMonth},
    PartName{"M", DatePart::kMonth},
    PartName{"DAYOFYEAR", DatePart::kDayOfYear},
    PartName{"DY", DatePart::kDayOfYear},
    PartName{"Y", DatePart::kDayOfYear},
    PartName{"DAY", DatePart::kDay},
    PartName{"DD", DatePart::kDay},
    PartName{"D", DatePart::kDay},
    PartName{"WEEK", DatePart::kWeek},
    PartName{"WK", DatePart::kWeek},
    PartName{"WW", DatePart::kWeek},
    PartName{"WEEKDAY", DatePart::kWeekday},
    PartName{"DW", DatePart::kWeekday},
    PartName{"HOUR", DatePart::kHour},
    PartName{"HH", DatePart::kHour},
    PartName{"MINUTE", DatePart::kMinute},
    PartName{"MI", DatePart::kMinute},
    PartName{"N", DatePart::kMinute},
    PartName{"SECOND", DatePart::kSecond},
    PartName{"SS", DatePart::kSecond},
    PartName{"S", DatePart::kSecond},
    PartName{"MILLISECOND", DatePart::kMillisecond},
    PartName{"MS", DatePart::kMillisecond},
    PartName{"MICROSECOND", DatePart::kMicrosecond},
    PartName{"MCS", DatePart::kMicrosecond},
    PartName{"NANOSECOND", DatePart::kNanosecond},
    PartName{"NS", DatePart::kNanosecond},
    PartName{"TZOFFSET", DatePart::kOffset},
    PartName{"TZ", DatePart::kOffset},
    PartName{"ISO_WEEK", DatePart::kIsoWeek},
    PartName{"ISOWK", DatePart::kIsoWeek},
    PartName{"ISOWW", DatePart::kIsoWeek},
};

// Local ticks since 0001-01-01 of any temporal value.
int64_t local_ticks(const SqlType& type, const SqlValue& value) {
  switch (family_of(type.id)) {
    case Family::kDate:
      return value.number * kTicksPerDay;
    case Family::kTime:
      return kDaysTo1900 * kTicksPerDay + value.number;
    case Family::kOffset:
      return value.number + value.offset_min * kTicksPerMinute;
    default:
      return value.number;
  }
}

SqlError adding_overflow(const SqlType& type) {
  return {
      517, 16, 1,
      "Adding a value to a '" + std::string(type_name(type.id)) + "' column caused an overflow."};
}

SqlValue with_local_ticks(const SqlType& type, const SqlValue& original, int64_t ticks) {
  const Family family = family_of(type.id);
  SqlValue result = original;
  if (family == Family::kTime) {
    result.number = ((ticks % kTicksPerDay) + kTicksPerDay) % kTicksPerDay;
    return result;
  }
  const int64_t low = type.id == TypeId::kDateTime ? kDaysTo1753 * kTicksPerDay : 0;
  if (ticks < low || ticks >= (kDaysMax + 1) * kTicksPerDay) {
    throw adding_overflow(type);
  }
  result.number = family == Family::kDate     ? ticks / kTicksPerDay
                  : family == Family::kOffset ? ticks - original.offset_min * kTicksPerMinute
                                              : round_ticks(type, ticks);
  return result;
}

int64_t ticks_per(DatePart::Kind part) {
  switch (part) {
    case DatePart::kWeek:
      return 7 * kTicksPerDay;
    case DatePart::kHour:
      return kTicksPerHour;
    case DatePart::kMinute:
      return kTicksPerMinute;
    case DatePart::kSecond:
      return kTicksPerSecond;
    case DatePart::kMillisecond:
      return kTicksPerMillisecond;
    case DatePart::kMicrosecond:
      return 10;
    default:
      return kTicksPerDay;
  }
}

int64_t day_of_year(const CivilTime& t) {
  return days_from_civil(t.year, t.month, t.day) - days_from_civil(t.year, 1, 1) + 1;
}

int64_t iso_week(const CivilTime& t) {
  // The week belongs to the year of its Thursday. 0001-01-01 was a Monday.
  const int64_t days = days_from_civil(t.year, t.month, t.day);
  const int64_t thursday = days - days % 7 + 3;
  const CivilTime in_week = civil_from_ticks(thursday * kTicksPerDay);
  return (thursday - days_from_civil(in_week.year, 1, 1)) / 7 + 1;
}

ScalarFunction clock(SqlType type, bool is_utc) {
  ScalarFunction function;
  function.result = always(type);
  function.body = [is_utc](const CallContext& call, Values) {
    Engine& engine = call.session.engine();
    SqlValue now = SqlValue::of_number(is_utc ? engine.utc_ticks() : engine.local_ticks());
    if (call.result.id == TypeId::kDateTimeOffset) {
      now.number = engine.utc_ticks();
      now.offset_min = engine.options().utc_offset_min;
    }
    now.number =
        call.result.id == TypeId::kDateTime ? round_ticks(call.result, now.number) : now.number;
    return now;
  };
  return function;
}

}  // namespace

std::optional<DatePart::Kind> date_part_by_name(std::string_view word) {
  const std::string capitals = upper_ascii(word);
  for (const PartName& part : kParts) {
    if (part.name == capitals) {
      return part.part;
    }
  }
  return std::nullopt;
}

SqlValue date_add(DatePart::Kind part, int64_t count, const SqlType& type, const SqlValue& value) {
  const int64_t ticks = local_ticks(type, value);
  if (part == DatePart::kYear || part == DatePart::kQuarter || part == DatePart::kMonth) {
    CivilTime t = civil_from_ticks(ticks);
    if (count > 200'000 || count < -200'000) {
      throw adding_overflow(type);
    }
    const int64_t months = part == DatePart::kYear      ? count * 12
                           : part == DatePart::kQuarter ? count * 3
                                                        : count;
    const int64_t total = t.year * int64_t{12} + t.month - 1 + months;
    t.year = static_cast<int>(total / 12);
    t.month = static_cast<int>(total % 12) + 1;
    if (total < 12 || t.year > 9999) {
      throw adding_overflow(type);
    }
    t.day = std::min(t.day, days_in_month(t.year, t.month));
    return with_local_ticks(type, value, ticks_from_civil(t));
  }
  if (part == DatePart::kOffset || part == DatePart::kIsoWeek) {
    throw SqlError(9810, 16, 1, "The datepart is not supported by date function dateadd.");
  }
  int64_t delta = 0, sum = 0;
  if (part == DatePart::kNanosecond) {
    delta = (count + (count >= 0 ? 50 : -50)) / 100;
  } else if (__builtin_mul_overflow(count, ticks_per(part), &delta)) {
    throw adding_overflow(type);
  }
  if (__builtin_add_overflow(ticks, delta, &sum)) {
    throw adding_overflow(type);
  }
  return with_local_ticks(type, value, sum);
}

int64_t date_diff(DatePart::Kind part, const SqlType& a_type, const SqlValue& a,
                  const SqlType& b_type, const SqlValue& b, bool* overflow) {
  const bool offsets =
      family_of(a_type.id) == Family::kOffset || family_of(b_type.id) == Family::kOffset;
  // Offsets are compared in UTC; counts are of boundaries crossed.
  const int64_t from =
      offsets && family_of(a_type.id) == Family::kOffset ? a.number : local_ticks(a_type, a);
  const int64_t to =
      offsets && family_of(b_type.id) == Family::kOffset ? b.number : local_ticks(b_type, b);
  *overflow = false;
  const CivilTime x = civil_from_ticks(from), y = civil_from_ticks(to);
  switch (part) {
    case DatePart::kYear:
      return y.year - x.year;
    case DatePart::kQuarter:
      return (y.year - x.year) * 4 + (y.month - 1) / 3 - (x.month - 1) / 3;
    case DatePart::kMonth:
      return (y.year - x.year) * 12 + y.month - x.month;
    case DatePart::kWeek:
      // Weeks begin on Sunday; day 6 since 0001-01-01 was one.
      return (to / kTicksPerDay + 1) / 7 - (from / kTicksPerDay + 1) / 7;
    case DatePart::kNanosecond: {
      int64_t result = 0;
      *overflow = __builtin_mul_overflow(to - from, int64_t{100}, &result);
      return result;
    }
    default:
      return to / ticks_per(part) - from / ticks_per(part);
  }
}

SqlValue date_trunc(DatePart::Kind part, const SqlType& type, const SqlValue& value,
                    int32_t date_first) {
  const int64_t ticks = local_ticks(type, value);
  CivilTime t = civil_from_ticks(ticks);
  const int64_t days = ticks / kTicksPerDay;
  switch (part) {
    case DatePart::kYear:
      return with_local_ticks(type, value, days_from_civil(t.year, 1, 1) * kTicksPerDay);
    case DatePart::kQuarter:
      t.month = (t.month - 1) / 3 * 3 + 1;
      return with_local_ticks(type, value, days_from_civil(t.year, t.month, 1) * kTicksPerDay);
    case DatePart::kMonth:
      return with_local_ticks(type, value, days_from_civil(t.year, t.month, 1) * kTicksPerDay);
    case DatePart::kWeek:
    case DatePart::kIsoWeek: {
      // 0001-01-01 was a Monday.
      const int64_t first = part == DatePart::kIsoWeek ? 1 : date_first;
      return with_local_ticks(type, value, (days - (days + 8 - first) % 7) * kTicksPerDay);
    }
    case DatePart::kMicrosecond:
      return with_local_ticks(type, value, ticks - ticks % 10);
    default:
      return with_local_ticks(type, value, ticks - ticks % ticks_per(part));
  }
}

int64_t date_part(DatePart::Kind part, const SqlType& type, const SqlValue& value,
                  int32_t date_first) {
  const int64_t ticks = local_ticks(type, value);
  const CivilTime t = civil_from_ticks(ticks);
  switch (part) {
    case DatePart::kYear:
      return t.year;
    case DatePart::kQuarter:
      return (t.month - 1) / 3 + 1;
    case DatePart::kMonth:
      return t.month;
    case DatePart::kDayOfYear:
      return day_of_year(t);
    case DatePart::kDay:
      return t.day;
    case DatePart::kWeek: {
      const int64_t first = days_from_civil(t.year, 1, 1);
      return (day_of_year(t) - 1 + (first + 8 - date_first) % 7) / 7 + 1;
    }
    case DatePart::kWeekday:
      // 0001-01-01 was a Monday.
      return (ticks / kTicksPerDay + 8 - date_first) % 7 + 1;
    case DatePart::kHour:
      return t.hour;
    case DatePart::kMinute:
      return t.minute;
    case DatePart::kSecond:
      return t.second;
    case DatePart::kMillisecond:
      return t.fraction / kTicksPerMillisecond;
    case DatePart::kMicrosecond:
      return t.fraction / 10;
    case DatePart::kNanosecond:
      return t.fraction * 100;
    case DatePart::kOffset:
      return value.offset_min;
    case DatePart::kIsoWeek:
      return iso_week(t);
  }
  return 0;
}

std::string date_name(DatePart::Kind part, const SqlType& type, const SqlValue& value) {
  const int64_t number = date_part(part, type, value);
  if (part == DatePart::kMonth) {
    return std::string(kMonthNames[static_cast<size_t>(number - 1)]);
  }
  if (part == DatePart::kWeekday) {
    return std::string(kDayNames[static_cast<size_t>(number - 1)]);
  }
  if (part == DatePart::kOffset) {
    SqlType offset;
    offset.id = TypeId::kDateTimeOffset;
    const std::string text = *format_time(offset, value, 121);
    return text.substr(text.size() - 6);
  }
  return std::to_string(number);
}

void add_time_functions(FunctionRegistry* registry) {
  SqlType offset;
  offset.id = TypeId::kDateTimeOffset;
  offset.scale = 7;
  offset.nullable = false;
  SqlType datetime = datetime_type(), datetime2 = datetime2_type(7);
  datetime.nullable = datetime2.nullable = false;
  registry->add("getdate", clock(datetime, false));
  registry->add("current_timestamp", clock(datetime, false));
  registry->add("getutcdate", clock(datetime, true));
  registry->add("sysdatetime", clock(datetime2, false));
  registry->add("sysutcdatetime", clock(datetime2, true));
  registry->add("sysdatetimeoffset", clock(offset, false));
}

}  // namespace dstream::standin::sql
