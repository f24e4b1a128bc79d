#include "tests/standins/sqlserver/sql/convert_time.h"

#include <cmath>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/temporal.h"

namespace dstream::standin::sql {
namespace {

SqlError time_failed() {
  return {241, 16, 1, "Conversion failed when converting date and/or time from character string."};
}

SqlError time_out_of_range(const SqlType& from, const SqlType& to) {
  return {242, 16, 3,
          "The conversion of a " + std::string(type_name(from.id)) + " data type to a " +
              std::string(type_name(to.id)) + " data type resulted in an out-of-range value."};
}

SqlValue shape_time(int64_t date_days, int64_t clock, std::optional<int16_t> offset,
                    const SqlType& from, const SqlType& to) {
  SqlValue result = SqlValue::of_number(0);
  switch (family_of(to.id)) {
    case Family::kDate:
      result.number = date_days;
      return result;
    case Family::kTime:
      result.number = round_ticks(to, clock) % kTicksPerDay;
      return result;
    case Family::kDateTime: {
      int64_t ticks = date_days * kTicksPerDay + clock;
      const int64_t low = to.id == TypeId::kDateTime        ? kDaysTo1753 * kTicksPerDay
                          : to.id == TypeId::kSmallDateTime ? kDaysTo1900 * kTicksPerDay
                                                            : 0;
      ticks = round_ticks(to, ticks);
      const int64_t high = to.id == TypeId::kSmallDateTime ? (kDaysTo1900 + 65536) * kTicksPerDay
                                                           : (kDaysMax + 1) * kTicksPerDay;
      if (ticks < low || ticks >= high) {
        throw time_out_of_range(from, to);
      }
      result.number = ticks;
      return result;
    }
    default: {
      result.offset_min = offset.value_or(0);
      result.number =
          round_ticks(to, date_days * kTicksPerDay + clock) - result.offset_min * kTicksPerMinute;
      const int64_t local = result.number + result.offset_min * kTicksPerMinute;
      const int64_t end = (kDaysMax + 1) * kTicksPerDay;
      if (result.number < 0 || result.number >= end || local < 0 || local >= end) {
        throw time_out_of_range(from, to);
      }
      return result;
    }
  }
}

}  // namespace

SqlError explicit_not_allowed(const SqlType& from, const SqlType& to) {
  return {kConversionNotAllowed, 16, 2,
          "Explicit conversion from data type " + std::string(type_name(from.id)) + " to " +
              std::string(type_name(to.id)) + " is not allowed."};
}

SqlValue to_time(const SqlValue& value, const SqlType& from, const SqlType& to, int style) {
  switch (family_of(from.id)) {
    case Family::kDate:
      if (family_of(to.id) == Family::kTime) {
        throw explicit_not_allowed(from, to);
      }
      return shape_time(value.number, 0, {}, from, to);
    case Family::kTime:
      if (family_of(to.id) == Family::kDate) {
        throw explicit_not_allowed(from, to);
      }
      return shape_time(kDaysTo1900, value.number, {}, from, to);
    case Family::kDateTime:
      return shape_time(value.number / kTicksPerDay, value.number % kTicksPerDay, {}, from, to);
    case Family::kOffset: {
      const int64_t local = value.number + value.offset_min * kTicksPerMinute;
      return shape_time(local / kTicksPerDay, local % kTicksPerDay, value.offset_min, from, to);
    }
    case Family::kText: {
      const auto parsed = parse_time(value.text, style);
      if (!parsed) {
        throw time_failed();
      }
      if (parsed->offset_min && to.id == TypeId::kDateTime && *parsed->offset_min != 0) {
        throw time_failed();
      }
      const int64_t ticks = ticks_from_civil(parsed->time);
      return shape_time(ticks / kTicksPerDay, ticks % kTicksPerDay, parsed->offset_min, from, to);
    }
    case Family::kInteger:
    case Family::kReal:
    case Family::kDecimal:
      if (to.id == TypeId::kDateTime || to.id == TypeId::kSmallDateTime) {
        const double days = double_of(from, value);
        if (!(days > -53'691 && days < 2'958'464)) {
          throw arithmetic_overflow("expression", type_name(to.id));
        }
        const double whole = std::floor(days);
        const auto clock = static_cast<int64_t>((days - whole) * static_cast<double>(kTicksPerDay));
        return shape_time(static_cast<int64_t>(whole) + kDaysTo1900, clock, {}, from, to);
      }
      break;
    default:
      break;
  }
  throw explicit_not_allowed(from, to);
}

}  // namespace dstream::standin::sql
