// DATEADD, DATEDIFF, DATEPART, DATENAME, DATETRUNC: their first argument is a bare word.
#include "tests/standins/sqlserver/sql/binder.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/functions.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/temporal.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

DatePart::Kind part_of(const Expression& expression, std::string_view function) {
  std::optional<DatePart::Kind> part;
  if (expression.kind == ExpressionKind::kColumn && expression.name.parts.size() == 1) {
    part = date_part_by_name(expression.name.last());
  }
  if (!part) {
    throw SqlError(155, 15, 1,
                   "'" + expression.name.text() + "' is not a recognized " + std::string(function) +
                       " option.");
  }
  return *part;
}

std::string_view part_name(DatePart::Kind part) {
  static constexpr std::string_view kNames[] = {
      "year",        "quarter",     "month",      "dayofyear", "day",
      "week",        "weekday",     "hour",       "minute",    "second",
      "millisecond", "microsecond", "nanosecond", "tzoffset",  "iso_week"};
  return kNames[part];
}

bool is_of_day(DatePart::Kind part) {
  return part <= DatePart::kWeekday || part == DatePart::kIsoWeek;
}

// Throws 9810 where the type has no such part, or cannot hold it.
void check_part(DatePart::Kind part, std::string_view function, const SqlType& type) {
  const Family family = family_of(type.id);
  const bool changes = function != "datepart" && function != "datename";
  bool fits = true;
  if (part == DatePart::kOffset) {
    fits = !changes && (family == Family::kOffset || type.id == TypeId::kDateTime2);
  } else if (family == Family::kDate) {
    fits = is_of_day(part);
  } else if (family == Family::kTime) {
    fits = !is_of_day(part);
  }
  if (changes && fits) {
    const bool finer = part == DatePart::kMicrosecond || part == DatePart::kNanosecond;
    fits =
        !(finer && type.id == TypeId::kDateTime) &&
        !((finer || part == DatePart::kMillisecond) && type.id == TypeId::kSmallDateTime) &&
        !(function == "dateadd" && part == DatePart::kIsoWeek) &&
        !(function == "datetrunc" && (part == DatePart::kNanosecond || part == DatePart::kWeekday));
  }
  if (!fits) {
    throw SqlError(9810, 16, 1,
                   "The datepart " + std::string(part_name(part)) +
                       " is not supported by date function " + std::string(function) +
                       " for data type " + std::string(type_name(type.id)) + ".");
  }
}

// What a date function takes its argument for: text has the type the function asks for.
SqlType time_argument(const BoundValue& value, const SqlType& text) {
  if (is_temporal(family_of(value.type.id))) {
    return value.type;
  }
  return family_of(value.type.id) == Family::kText && !value.is_null ? text : datetime_type();
}

}  // namespace

BoundValue Binder::date_add_call(const Expression& expression) {
  const DatePart::Kind part = part_of(*expression.operands[0], "dateadd");
  const BoundValue count = converted(value(expression.operands[1]), bigint_type());
  BoundValue start = value(expression.operands[2]);
  const SqlType type = time_argument(start, datetime_type());
  check_part(part, "dateadd", type);
  start = converted(std::move(start), type);
  BoundValue bound;
  bound.type = type;
  bound.type.nullable = true;
  bound.sources = count.sources | start.sources;
  bound.evaluate = [part, type, n = count.evaluate,
                    from = start.evaluate](const EvaluationContext& context) {
    const SqlValue number = n(context), time = from(context);
    return number.null || time.null ? SqlValue{} : date_add(part, number.number, type, time);
  };
  return bound;
}

BoundValue Binder::date_diff_call(const Expression& expression, bool is_big) {
  const DatePart::Kind part = part_of(*expression.operands[0], "datediff");
  BoundValue from = value(expression.operands[1]), to = value(expression.operands[2]);
  const SqlType from_type = time_argument(from, datetime2_type(7));
  const SqlType to_type = time_argument(to, datetime2_type(7));
  from = converted(std::move(from), from_type);
  to = converted(std::move(to), to_type);
  BoundValue bound;
  bound.type = is_big ? bigint_type() : int_type();
  bound.sources = from.sources | to.sources;
  bound.evaluate = [=, a = from.evaluate, b = to.evaluate](const EvaluationContext& context) {
    const SqlValue x = a(context), y = b(context);
    if (x.null || y.null) {
      return SqlValue{};
    }
    bool overflow = false;
    const int64_t count = date_diff(part, from_type, x, to_type, y, &overflow);
    if (overflow || (!is_big && (count > 2147483647 || count < -2147483648LL))) {
      throw SqlError(535, 16, 0,
                     "The datediff function resulted in an overflow. The number of "
                     "dateparts separating two date/time instances is too large. Try to "
                     "use datediff with a less precise datepart.");
    }
    return SqlValue::of_number(count);
  };
  return bound;
}

BoundValue Binder::date_part_call(const Expression& expression, bool is_name) {
  // YEAR, MONTH and DAY carry the part in their own name.
  const DatePart::Kind part = expression.operands.size() == 1
                                  ? *date_part_by_name(expression.name.last())
                                  : part_of(*expression.operands[0], "datepart");
  BoundValue time = value(expression.operands.back());
  const SqlType type = time_argument(time, make_type(TypeId::kDateTimeOffset, 7, {}));
  check_part(part, is_name ? "datename" : "datepart", type);
  time = converted(std::move(time), type);
  BoundValue bound;
  bound.type = is_name ? nvarchar_type(30) : int_type();
  bound.sources = time.sources;
  bound.evaluate = [=, inner = time.evaluate](const EvaluationContext& context) {
    const SqlValue v = inner(context);
    if (v.null) {
      return v;
    }
    const int32_t date_first = context.session->options().date_first;
    return is_name ? SqlValue::of_text(date_name(part, type, v))
                   : SqlValue::of_number(date_part(part, type, v, date_first));
  };
  return bound;
}

BoundValue Binder::date_trunc_call(const Expression& expression) {
  const DatePart::Kind part = part_of(*expression.operands[0], "datetrunc");
  BoundValue time = value(expression.operands[1]);
  const SqlType type = time_argument(time, datetime2_type(7));
  check_part(part, "datetrunc", type);
  time = converted(std::move(time), type);
  BoundValue bound;
  bound.type = type;
  bound.type.nullable = true;
  bound.sources = time.sources;
  bound.evaluate = [=, inner = time.evaluate](const EvaluationContext& context) {
    const SqlValue v = inner(context);
    return v.null ? v : date_trunc(part, type, v, context.session->options().date_first);
  };
  return bound;
}

}  // namespace dstream::standin::sql
