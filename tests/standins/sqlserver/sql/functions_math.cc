// Trigonometry, logarithms, bits, GREATEST and LEAST.
#include <cmath>
#include <numbers>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/functions.h"

namespace dstream::standin::sql {
namespace {

using Values = std::span<const SqlValue>;
using Types = std::span<const SqlType>;

SqlValue checked(double result) {
  if (!std::isfinite(result)) {
    throw SqlError(3623, 16, 1, "An invalid floating point operation occurred.");
  }
  return SqlValue::of_real(result);
}

ScalarFunction real_function(double (*compute)(double)) {
  ScalarFunction function;
  function.arguments_min = function.arguments_max = 1;
  function.parameters = {float_type()};
  function.result = always(float_type());
  function.body = [compute](const CallContext&, Values values) {
    return checked(compute(values[0].real));
  };
  return function;
}

double cotangent(double x) { return 1 / std::tan(x); }

// DEGREES and RADIANS keep the type of their argument; whole numbers lose the fraction.
ScalarFunction angle(double factor) {
  ScalarFunction function;
  function.arguments_min = function.arguments_max = 1;
  function.result = [](Types types) {
    SqlType type = types[0];
    switch (family_of(type.id)) {
      case Family::kInteger:
        type = type.id == TypeId::kBigInt ? bigint_type() : int_type();
        break;
      case Family::kDecimal:
        type = type.id == TypeId::kMoney || type.id == TypeId::kSmallMoney ? type
                                                                           : decimal_type(38, 18);
        break;
      default:
        type = float_type();
        break;
    }
    type.nullable = true;
    return type;
  };
  function.body = [factor](const CallContext& call, Values values) {
    const SqlValue number = convert_value(values[0], call.types[0], float_type());
    return convert_value(SqlValue::of_real(number.real * factor), float_type(), call.result);
  };
  return function;
}

void add_logarithms(FunctionRegistry* registry) {
  ScalarFunction log;
  log.arguments_min = 1;
  log.arguments_max = 2;
  log.parameters = {float_type(), float_type()};
  log.result = always(float_type());
  log.body = [](const CallContext&, Values values) {
    const double number = values[0].real;
    if (values.size() == 1) {
      return checked(std::log(number));
    }
    const double base = values[1].real;
    // Powers of two and ten have exact answers.
    return checked(base == 2    ? std::log2(number)
                   : base == 10 ? std::log10(number)
                                : std::log(number) / std::log(base));
  };
  registry->add("log", log);
  registry->add("log10", real_function(std::log10));
}

// The bits of a number or of bytes, least significant first.
uint64_t bits_of(const SqlType& type, const SqlValue& value) {
  const int bytes = max_length_bytes(type);
  const auto bits = static_cast<uint64_t>(value.number);
  return bytes >= 8 ? bits : bits & ((uint64_t{1} << (8 * bytes)) - 1);
}

void need_bits(const SqlType& type, std::string_view function) {
  const Family family = family_of(type.id);
  if (family != Family::kInteger && (family != Family::kBytes || is_large(type))) {
    throw SqlError(8116, 16, 1,
                   "Argument data type " + std::string(type_name(type.id)) +
                       " is invalid for argument 1 of " + std::string(function) + " function.");
  }
}

SqlValue shifted(const CallContext& call, Values values, bool left) {
  need_bits(call.types[0], left ? "left_shift" : "right_shift");
  const int64_t places = left ? values[1].number : -values[1].number;
  if (family_of(call.types[0].id) == Family::kBytes) {
    const auto size = static_cast<int64_t>(values[0].text.size()) * 8;
    std::string bytes(values[0].text.size(), '\0');
    for (int64_t i = 0; i < size; ++i) {
      const int64_t from = i - places;  // bit 0 is the last byte's lowest
      if (from < 0 || from >= size) {
        continue;
      }
      const auto source =
          static_cast<unsigned char>(values[0].text[static_cast<size_t>((size - 1 - from) / 8)]);
      if ((source >> (from % 8) & 1) != 0) {
        char& target = bytes[static_cast<size_t>((size - 1 - i) / 8)];
        target = static_cast<char>(static_cast<unsigned char>(target) | (1U << (i % 8)));
      }
    }
    return SqlValue::of_text(bytes);
  }
  const uint64_t bits = bits_of(call.types[0], values[0]);
  const uint64_t moved = places <= -64 || places >= 64 ? 0
                         : places >= 0                 ? bits << places
                                                       : bits >> -places;
  // Bits pushed out are lost, as in a register of the type's width.
  switch (max_length_bytes(call.types[0])) {
    case 1:
      return SqlValue::of_number(static_cast<uint8_t>(moved));
    case 2:
      return SqlValue::of_number(static_cast<int16_t>(moved));
    case 4:
      return SqlValue::of_number(static_cast<int32_t>(moved));
    default:
      return SqlValue::of_number(static_cast<int64_t>(moved));
  }
}

SqlValue count_bits(const CallContext& call, Values values) {
  need_bits(call.types[0], "bit_count");
  if (family_of(call.types[0].id) != Family::kBytes) {
    return SqlValue::of_number(__builtin_popcountll(bits_of(call.types[0], values[0])));
  }
  int64_t count = 0;
  for (const char byte : values[0].text) {
    count += __builtin_popcount(static_cast<unsigned char>(byte));
  }
  return SqlValue::of_number(count);
}

// The byte and bit that GET_BIT and SET_BIT speak of; throws if there is no such bit.
void place_of(const SqlType& type, size_t size, int64_t offset) {
  const auto bits = static_cast<int64_t>(family_of(type.id) == Family::kBytes
                                             ? size * 8
                                             : 8U * static_cast<size_t>(max_length_bytes(type)));
  if (offset < 0 || offset >= bits) {
    throw SqlError(9836, 16, 1, "Invalid bit offset specified.");
  }
}

SqlValue get_bit(const CallContext& call, Values values) {
  need_bits(call.types[0], "get_bit");
  const int64_t offset = values[1].number;
  place_of(call.types[0], values[0].text.size(), offset);
  if (family_of(call.types[0].id) != Family::kBytes) {
    return SqlValue::of_number(
        static_cast<int64_t>(bits_of(call.types[0], values[0]) >> offset & 1));
  }
  const size_t at = values[0].text.size() - 1 - static_cast<size_t>(offset / 8);
  return SqlValue::of_number(static_cast<unsigned char>(values[0].text[at]) >> (offset % 8) & 1);
}

SqlValue set_bit(const CallContext& call, Values values) {
  need_bits(call.types[0], "set_bit");
  const int64_t offset = values[1].number;
  const bool on = values.size() < 3 || values[2].number != 0;
  place_of(call.types[0], values[0].text.size(), offset);
  SqlValue result = values[0];
  if (family_of(call.types[0].id) != Family::kBytes) {
    const uint64_t mask = uint64_t{1} << offset;
    const uint64_t bits = bits_of(call.types[0], values[0]);
    SqlValue number = SqlValue::of_number(static_cast<int64_t>(on ? bits | mask : bits & ~mask));
    const std::string bytes = convert_value(number, bigint_type(), binary_type(8)).text;
    return convert_value(SqlValue::of_text(bytes), binary_type(8), call.result);
  }
  char& byte = result.text[result.text.size() - 1 - static_cast<size_t>(offset / 8)];
  const unsigned mask = 1U << (offset % 8);
  const unsigned bits = static_cast<unsigned char>(byte);
  byte = static_cast<char>(on ? bits | mask : bits & ~mask);
  return result;
}

void add_bits(FunctionRegistry* registry) {
  ScalarFunction function;
  function.arguments_min = function.arguments_max = 2;
  function.parameters = {std::nullopt, bigint_type()};
  function.result = same_as(0);
  function.body = [](const CallContext& call, Values values) {
    return shifted(call, values, true);
  };
  registry->add("left_shift", function);
  function.body = [](const CallContext& call, Values values) {
    return shifted(call, values, false);
  };
  registry->add("right_shift", function);
  function.result = always(bit_type());
  function.body = get_bit;
  registry->add("get_bit", function);
  function.arguments_max = 3;
  function.parameters = {std::nullopt, bigint_type(), bigint_type()};
  function.result = same_as(0);
  function.body = set_bit;
  registry->add("set_bit", function);
  ScalarFunction count;
  count.arguments_min = count.arguments_max = 1;
  count.result = always(bigint_type());
  count.body = count_bits;
  registry->add("bit_count", count);
}

// NULLs do not count; without any value the answer is NULL.
ScalarFunction extreme(bool greatest) {
  ScalarFunction function;
  function.arguments_min = 1;
  function.arguments_max = 254;
  function.null_on_null = false;
  function.result = [](Types types) {
    SqlType type = types[0];
    for (const SqlType& other : types) {
      type = common_type(type, other);
    }
    type.nullable = true;
    return type;
  };
  function.body = [greatest](const CallContext& call, Values values) {
    SqlValue best;
    for (size_t i = 0; i < values.size(); ++i) {
      const SqlValue value = convert_value(values[i], call.types[i], call.result);
      if (value.null) {
        continue;
      }
      const int order = best.null ? 0 : compare_values(call.result, value, best);
      if (best.null || (greatest ? order > 0 : order < 0)) {
        best = value;
      }
    }
    return best;
  };
  return function;
}

}  // namespace

void add_math_functions(FunctionRegistry* registry) {
  ScalarFunction pi;
  pi.result = always(float_type());
  pi.body = [](const CallContext&, Values) { return SqlValue::of_real(std::numbers::pi); };
  registry->add("pi", pi);
  registry->add("acos", real_function(std::acos));
  registry->add("asin", real_function(std::asin));
  registry->add("atan", real_function(std::atan));
  registry->add("cos", real_function(std::cos));
  registry->add("cot", real_function(cotangent));
  registry->add("exp", real_function(std::exp));
  registry->add("sin", real_function(std::sin));
  registry->add("sqrt", real_function(std::sqrt));
  registry->add("tan", real_function(std::tan));
  registry->add("square", real_function([](double x) { return x * x; }));
  registry->add("degrees", angle(180 / std::numbers::pi));
  registry->add("radians", angle(std::numbers::pi / 180));
  ScalarFunction atn2;
  atn2.arguments_min = atn2.arguments_max = 2;
  atn2.parameters = {float_type(), float_type()};
  atn2.result = always(float_type());
  atn2.body = [](const CallContext&, Values values) {
    return checked(std::atan2(values[0].real, values[1].real));
  };
  registry->add("atn2", atn2);
  add_logarithms(registry);
  add_bits(registry);
  registry->add("greatest", extreme(true));
  registry->add("least", extreme(false));
}

}  // namespace dstream::standin::sql
