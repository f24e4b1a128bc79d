// ABS, ROUND, RAND, CHECKSUM and the other functions on numbers.
#include <cmath>
#include <limits>
#include <random>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/functions.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

using Values = std::span<const SqlValue>;
using Types = std::span<const SqlType>;

bool is_text(const SqlType& type) { return family_of(type.id) == Family::kText; }

// Numbers keep their type; text becomes float; nothing else is taken for a number.
SqlType number_type(Types types) {
  const Family family = family_of(types[0].id);
  if (family != Family::kInteger && family != Family::kReal && family != Family::kDecimal &&
      family != Family::kText) {
    throw SqlError(8116, 16, 1,
                   "Argument data type " + std::string(type_name(types[0].id)) +
                       " is invalid for argument 1 of a numeric function.");
  }
  SqlType type = is_text(types[0]) ? float_type() : types[0];
  if (type.id == TypeId::kTinyInt || type.id == TypeId::kSmallInt || type.id == TypeId::kBit) {
    type = int_type();
  }
  type.nullable = true;
  return type;
}

SqlValue as_number(const CallContext& call, const SqlValue& value) {
  return convert_value(value, call.types[0], call.result);
}

int64_t lowest(TypeId id) {
  return id == TypeId::kInt ? std::numeric_limits<int32_t>::min()
                            : std::numeric_limits<int64_t>::min();
}

SqlValue absolute(const CallContext& call, Values values) {
  SqlValue v = as_number(call, values[0]);
  switch (family_of(call.result.id)) {
    case Family::kReal:
      v.real = std::fabs(v.real);
      return v;
    case Family::kDecimal: {
      Numeric n = numeric_of(call.result, v);
      n.units = n.units < 0 ? -n.units : n.units;
      return value_of(n, call.result);
    }
    default:
      if (v.number < 0 && v.number == lowest(call.result.id)) {
        throw arithmetic_overflow("expression", type_name(call.result.id));
      }
      v.number = v.number < 0 ? -v.number : v.number;
      return v;
  }
}

SqlValue rounded(const CallContext& call, Values values) {
  const auto digits = static_cast<int>(values[1].number);
  const bool truncate = values.size() > 2 && values[2].number != 0;
  const SqlValue v = as_number(call, values[0]);
  if (family_of(call.result.id) == Family::kReal) {
    const double scale = std::pow(10.0, digits);
    const double scaled = v.real * scale;
    return SqlValue::of_real((truncate ? std::trunc(scaled) : std::round(scaled)) / scale);
  }
  const bool whole = family_of(call.result.id) == Family::kInteger;
  Numeric n = numeric_of(call.result, v);
  const int scale = n.scale;
  const int drop = scale - digits;
  if (drop > 0) {
    const Int128 unit = power_of_ten(drop);
    const Int128 rest = n.units % unit;
    n.units -= rest;
    const Int128 size = rest < 0 ? -rest : rest;
    if (!truncate && size * 2 >= unit) {
      n.units += rest < 0 ? -unit : unit;
    }
  }
  if (whole) {
    return convert_value(SqlValue::of_text(to_text(n)), decimal_type(38, 0), call.result);
  }
  return value_of(n, call.result, "expression");
}

SqlValue floor_or_ceiling(const CallContext& call, const SqlValue& value, bool up) {
  if (family_of(call.result.id) == Family::kReal) {
    const SqlValue v = as_number(call, value);
    return SqlValue::of_real(up ? std::ceil(v.real) : std::floor(v.real));
  }
  if (family_of(call.result.id) == Family::kInteger) {
    return as_number(call, value);
  }
  // The argument's own digits: the result's type has no fraction left.
  const Numeric n = numeric_of(call.types[0], value);
  const Int128 unit = power_of_ten(n.scale);
  Int128 whole = n.units / unit;
  if (n.units % unit != 0 && (n.units > 0) == up) {
    whole += up ? 1 : -1;
  }
  return value_of({whole, 0}, call.result);
}

SqlType whole_decimal(Types types) {
  SqlType type = number_type(types);
  if (type.id == TypeId::kDecimal || type.id == TypeId::kNumeric) {
    type.scale = 0;
  }
  return type;
}

// Not SQL Server's own function, but one with its properties: equal values, equal sums.
SqlValue checksum(const CallContext& call, Values values) {
  uint32_t sum = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    std::string key;
    append_key(call.types[i], values[i], false, &key);
    for (const char c : key) {
      sum = (sum << 4 | sum >> 28) ^ static_cast<unsigned char>(c);
    }
  }
  return SqlValue::of_number(static_cast<int32_t>(sum));
}

SqlValue random_number(const CallContext&, Values values) {
  thread_local std::mt19937_64 generator{std::random_device{}()};
  if (!values.empty() && !values[0].null) {
    generator.seed(static_cast<uint64_t>(values[0].number));
  }
  return SqlValue::of_real(static_cast<double>(generator() >> 11) * 0x1.0p-53);
}

void add_random(FunctionRegistry* registry) {
  ScalarFunction random;
  random.arguments_max = 1;
  random.parameters = {int_type()};
  random.null_on_null = false;
  random.result = always(float_type());
  random.body = random_number;
  registry->add("rand", random);

  ScalarFunction guid;
  guid.result = always(make_type(TypeId::kUniqueIdentifier, {}, {}));
  guid.body = [](const CallContext&, Values) {
    thread_local std::mt19937_64 generator{std::random_device{}()};
    std::string bytes;
    for (int i = 0; i < 2; ++i) {
      const uint64_t bits = generator();
      for (int shift = 0; shift < 64; shift += 8) {
        bytes.push_back(static_cast<char>(bits >> shift));
      }
    }
    bytes[7] = static_cast<char>((bytes[7] & 0x0F) | 0x40);  // version 4
    bytes[8] = static_cast<char>((bytes[8] & 0x3F) | 0x80);
    return SqlValue::of_text(bytes);
  };
  registry->add("newid", guid);
  registry->add("newsequentialid", guid);
}

void add_power(FunctionRegistry* registry) {
  ScalarFunction power;
  power.arguments_min = power.arguments_max = 2;
  power.parameters = {std::nullopt, float_type()};
  power.result = [](Types types) {
    const SqlType type = number_type(types);
    const bool exact = type.id == TypeId::kDecimal || type.id == TypeId::kNumeric;
    return exact ? decimal_type(38, type.scale) : type.id == TypeId::kReal ? float_type() : type;
  };
  power.body = [](const CallContext& call, Values values) {
    const double base = double_of(call.types[0], values[0]);
    const double result = std::pow(base, values[1].real);
    if (!std::isfinite(result)) {
      throw arithmetic_overflow("expression", type_name(call.result.id));
    }
    if (family_of(call.result.id) == Family::kReal) {
      return SqlValue::of_real(result);
    }
    // 10 to the power of LOG10(5) is 5 in whole numbers, whatever the last bit of the real is.
    if (std::fabs(result) >= 9.2e18 && family_of(call.result.id) == Family::kInteger) {
      throw arithmetic_overflow("expression", type_name(call.result.id));
    }
    const double steady = std::fabs(result) < 1e9 ? std::round(result * 1e6) / 1e6 : result;
    return convert_value(SqlValue::of_real(steady), float_type(), call.result);
  };
  registry->add("power", power);
}

}  // namespace

void add_number_functions(FunctionRegistry* registry) {
  ScalarFunction one;
  one.arguments_min = one.arguments_max = 1;
  one.result = number_type;
  one.body = absolute;
  registry->add("abs", one);
  one.result = whole_decimal;
  one.body = [](const CallContext& call, Values values) {
    return floor_or_ceiling(call, values[0], false);
  };
  registry->add("floor", one);
  one.body = [](const CallContext& call, Values values) {
    return floor_or_ceiling(call, values[0], true);
  };
  registry->add("ceiling", one);
  one.result = [](Types types) {
    const SqlType type = number_type(types);
    return type.id == TypeId::kReal ? float_type() : type;
  };
  one.body = [](const CallContext& call, Values values) {
    const SqlValue v = as_number(call, values[0]);
    const double number = double_of(call.result, v);
    const int sign = number > 0 ? 1 : number < 0 ? -1 : 0;
    return convert_value(SqlValue::of_number(sign), int_type(), call.result);
  };
  registry->add("sign", one);

  ScalarFunction round;
  round.arguments_min = 2;
  round.arguments_max = 3;
  round.parameters = {std::nullopt, int_type(), int_type()};
  round.result = number_type;
  round.body = rounded;
  registry->add("round", round);

  add_power(registry);

  ScalarFunction sum;
  sum.arguments_min = 1;
  sum.arguments_max = 254;
  sum.null_on_null = false;
  sum.result = always(int_type());
  sum.body = checksum;
  registry->add("checksum", sum);
  registry->add("binary_checksum", sum);
  add_random(registry);
}

}  // namespace dstream::standin::sql
