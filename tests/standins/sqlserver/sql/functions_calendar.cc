// DATEFROMPARTS and relatives, EOMONTH, SWITCHOFFSET, ISDATE, AT TIME ZONE.
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/functions.h"
#include "tests/standins/sqlserver/sql/temporal.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

using Values = std::span<const SqlValue>;
using Types = std::span<const SqlType>;

SqlError bad_parts(std::string_view type, uint8_t state) {
  return {289, 16, state,
          "Cannot construct data type " + std::string(type) +
              ", some of the arguments have values which are not valid."};
}

bool is_clock(int64_t hour, int64_t minute, int64_t second) {
  return hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second < 60;
}

int64_t clock_ticks(int64_t hour, int64_t minute, int64_t second, int64_t fraction) {
  return hour * kTicksPerHour + minute * kTicksPerMinute + second * kTicksPerSecond + fraction;
}

// Ticks of a fraction counted in units of 10^-scale seconds; -1 if it has more digits than that.
int64_t fraction_ticks(int64_t fraction, int scale) {
  int64_t unit = kTicksPerSecond;
  for (int i = 0; i < scale; ++i) {
    unit /= 10;
  }
  return fraction < 0 || fraction * unit >= kTicksPerSecond ? -1 : fraction * unit;
}

int64_t date_days(Values values, std::string_view type) {
  const auto whole = [](int64_t n) { return n < 0 || n > 9999 ? 0 : static_cast<int>(n); };
  const int year = whole(values[0].number), month = whole(values[1].number),
            day = whole(values[2].number);
  if (!is_valid_date(year, month, day)) {
    throw bad_parts(type, 1);
  }
  return days_from_civil(year, month, day);
}

ScalarFunction from_parts(size_t count, SqlType result,
                          std::function<SqlValue(const CallContext&, Values)> body) {
  ScalarFunction function;
  function.arguments_min = function.arguments_max = count;
  function.parameters.assign(count, int_type());
  result.nullable = true;
  function.result = always(result);
  function.body = std::move(body);
  return function;
}

// hour, minute, second, fraction at `first`; the last argument is the precision.
int64_t exact_clock(Values values, size_t first, int scale, std::string_view type) {
  const int64_t fraction = fraction_ticks(values[first + 3].number, scale);
  if (!is_clock(values[first].number, values[first + 1].number, values[first + 2].number) ||
      fraction < 0) {
    throw bad_parts(type, 2);
  }
  return clock_ticks(values[first].number, values[first + 1].number, values[first + 2].number,
                     fraction);
}

SqlValue old_datetime(const SqlType& type, Values values) {
  const int64_t days = date_days(values, type_name(type.id));
  const bool small = type.id == TypeId::kSmallDateTime;
  const int64_t second = small ? 0 : values[5].number, fraction = small ? 0 : values[6].number;
  if (!is_clock(values[3].number, values[4].number, second) || fraction < 0 || fraction > 999 ||
      days < (small ? kDaysTo1900 : kDaysTo1753) || (small && days > kDaysTo1900 + 65535)) {
    throw bad_parts(type_name(type.id), 3);
  }
  return SqlValue::of_number(round_ticks(
      type, days * kTicksPerDay + clock_ticks(values[3].number, values[4].number, second,
                                              fraction * kTicksPerMillisecond)));
}

// The scale of time, datetime2 and datetimeoffset made from parts is their last argument; it has to
// be a constant, and is in the type by the time the body runs.
void add_scaled(FunctionRegistry* registry) {
  const auto scaled = [](TypeId id) { return make_type(id, 7, {}); };
  registry->add("timefromparts",
                from_parts(5, scaled(TypeId::kTime), [](const CallContext& call, Values v) {
                  return SqlValue::of_number(exact_clock(v, 0, call.result.scale, "time"));
                }));
  registry->add("datetime2fromparts",
                from_parts(8, scaled(TypeId::kDateTime2), [](const CallContext& call, Values v) {
                  return SqlValue::of_number(date_days(v, "datetime2") * kTicksPerDay +
                                             exact_clock(v, 3, call.result.scale, "datetime2"));
                }));
  registry->add(
      "datetimeoffsetfromparts",
      from_parts(10, scaled(TypeId::kDateTimeOffset), [](const CallContext& call, Values v) {
        const int64_t hours = v[7].number, minutes = v[8].number;
        if (hours < -14 || hours > 14 || minutes < -59 || minutes > 59 ||
            (hours > 0 && minutes < 0) || (hours < 0 && minutes > 0) ||
            hours * 60 + minutes > 840 || hours * 60 + minutes < -840) {
          throw bad_parts("datetimeoffset", 4);
        }
        const int64_t local = date_days(v, "datetimeoffset") * kTicksPerDay +
                              exact_clock(v, 3, call.result.scale, "datetimeoffset");
        SqlValue result = SqlValue::of_number(local - (hours * 60 + minutes) * kTicksPerMinute);
        result.offset_min = static_cast<int16_t>(hours * 60 + minutes);
        if (result.number < 0 || result.number >= (kDaysMax + 1) * kTicksPerDay) {
          throw bad_parts("datetimeoffset", 5);
        }
        return result;
      }));
}

SqlValue end_of_month(const CallContext& call, Values values) {
  if (values[0].null) {
    return {};
  }
  const int64_t months = values.size() > 1 && !values[1].null ? values[1].number : 0;
  const SqlType& date = call.types[0];
  const SqlValue moved = date_add(DatePart::kMonth, months, date, values[0]);
  const CivilTime t = civil_from_ticks(moved.number * kTicksPerDay);
  return SqlValue::of_number(days_from_civil(t.year, t.month, days_in_month(t.year, t.month)));
}

SqlValue is_date(const CallContext& call, Values values) {
  if (values[0].null) {
    return SqlValue::of_number(0);
  }
  const TypeId id = call.types[0].id;
  if (id == TypeId::kDateTime || id == TypeId::kSmallDateTime) {
    return SqlValue::of_number(1);
  }
  if (family_of(id) != Family::kText) {
    return SqlValue::of_number(0);
  }
  try {
    convert_value(values[0], call.types[0], datetime_type());
    return SqlValue::of_number(values[0].text.empty() ? 0 : 1);
  } catch (const SqlError&) {
    return SqlValue::of_number(0);
  }
}

int16_t zone_minutes(const SqlType& type, const SqlValue& value, const std::string& function) {
  const SqlError invalid(9812, 16, 0,
                         "The timezone provided to builtin function " + function + " is invalid.");
  int64_t minutes = value.number;
  if (family_of(type.id) == Family::kText) {
    const auto parsed = parse_time("2000-01-01 00:00:00 " + value.text);
    if (!parsed || !parsed->offset_min) {
      throw invalid;
    }
    minutes = *parsed->offset_min;
  } else if (family_of(type.id) != Family::kInteger) {
    throw invalid;
  }
  if (minutes < -840 || minutes > 840) {
    throw invalid;
  }
  return static_cast<int16_t>(minutes);
}

int64_t ticks_of(const SqlType& type, const SqlValue& value) {
  return family_of(type.id) == Family::kOffset ? value.number + value.offset_min * kTicksPerMinute
                                               : value.number;
}

SqlValue switched(const CallContext& call, Values values) {
  SqlValue result = values[0];
  result.offset_min = zone_minutes(call.types[1], values[1], "switchoffset");
  const int64_t local = result.number + result.offset_min * kTicksPerMinute;
  if (local < 0 || local >= (kDaysMax + 1) * kTicksPerDay) {
    throw SqlError(517, 16, 3, "Adding a value to a 'datetimeoffset' column caused an overflow.");
  }
  return result;
}

SqlValue with_offset(const CallContext& call, Values values) {
  const int16_t minutes = zone_minutes(call.types[1], values[1], "todatetimeoffset");
  SqlValue result =
      SqlValue::of_number(ticks_of(call.types[0], values[0]) - minutes * kTicksPerMinute);
  if (result.number < 0 || result.number >= (kDaysMax + 1) * kTicksPerDay) {
    throw SqlError(517, 16, 3, "Adding a value to a 'datetimeoffset' column caused an overflow.");
  }
  result.offset_min = minutes;
  return result;
}

// The scale of the offset is that of the time it is made of; what has none becomes a datetime2(7).
SqlType offset_of_same_scale(Types types) {
  const bool scaled = types[0].id == TypeId::kDateTime2 || types[0].id == TypeId::kDateTimeOffset;
  return make_type(TypeId::kDateTimeOffset, scaled ? types[0].scale : 7, {});
}

void add_offsets(FunctionRegistry* registry) {
  ScalarFunction function;
  function.arguments_min = function.arguments_max = 2;
  function.result = offset_of_same_scale;
  function.body = [](const CallContext& call, Values values) {
    const SqlType local = datetime2_type(7);
    const CallContext plain{call.session, call.database, call.types, call.result};
    const std::vector<SqlValue> moved = {family_of(call.types[0].id) == Family::kOffset
                                             ? values[0]
                                             : convert_value(values[0], call.types[0], local),
                                         values[1]};
    return with_offset(plain, moved);
  };
  registry->add("todatetimeoffset", function);
  function.body = [](const CallContext& call, Values values) {
    const std::vector<SqlValue> moved = {
        convert_value(values[0], call.types[0], make_type(TypeId::kDateTimeOffset, 7, {})),
        values[1]};
    return switched(call, moved);
  };
  registry->add("switchoffset", function);
  // x AT TIME ZONE 'UTC'. Other zones need rules of daylight saving, which are not here.
  function.body = [](const CallContext& call, Values values) {
    if (fold_name(values[1].text) != "utc") {
      throw not_understood("AT TIME ZONE '" + values[1].text + "'");
    }
    SqlValue result =
        convert_value(values[0], call.types[0], make_type(TypeId::kDateTimeOffset, 7, {}));
    result.offset_min = 0;
    return result;
  };
  registry->add("$at_time_zone", function);
}

}  // namespace

void add_calendar_functions(FunctionRegistry* registry) {
  registry->add("datefromparts",
                from_parts(3, make_type(TypeId::kDate, {}, {}), [](const CallContext&, Values v) {
                  return SqlValue::of_number(date_days(v, "date"));
                }));
  const auto old = [](const CallContext& call, Values v) { return old_datetime(call.result, v); };
  registry->add("datetimefromparts", from_parts(7, datetime_type(), old));
  registry->add("smalldatetimefromparts",
                from_parts(5, make_type(TypeId::kSmallDateTime, {}, {}), old));
  add_scaled(registry);
  ScalarFunction month_end;
  month_end.arguments_min = 1;
  month_end.arguments_max = 2;
  month_end.parameters = {make_type(TypeId::kDate, {}, {}), int_type()};
  month_end.result = always(make_type(TypeId::kDate, {}, {}));
  month_end.null_on_null = false;
  month_end.body = end_of_month;
  registry->add("eomonth", month_end);
  ScalarFunction date;
  date.arguments_min = date.arguments_max = 1;
  date.null_on_null = false;
  date.result = always(int_type());
  date.body = is_date;
  registry->add("isdate", date);
  add_offsets(registry);
}

}  // namespace dstream::standin::sql
