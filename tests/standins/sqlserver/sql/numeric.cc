#include "tests/standins/sqlserver/sql/numeric.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace dstream::standin::sql {
namespace {

constexpr int kDigitsMax = 38;

constexpr std::array<Int128, kDigitsMax + 1> make_powers() {
  std::array<Int128, kDigitsMax + 1> powers{};
  powers[0] = 1;
  for (size_t i = 1; i < powers.size(); ++i) {
    powers[i] = powers[i - 1] * 10;
  }
  return powers;
}
constexpr auto kPowers = make_powers();

Int128 magnitude(Int128 value) { return value < 0 ? -value : value; }

bool in_range(Int128 units) { return magnitude(units) < kPowers[kDigitsMax]; }

bool align(const Numeric& a, const Numeric& b, Int128* left, Int128* right, int* scale) {
  *scale = std::max(a.scale, b.scale);
  return !__builtin_mul_overflow(a.units, power_of_ten(*scale - a.scale), left) &&
         !__builtin_mul_overflow(b.units, power_of_ten(*scale - b.scale), right);
}

}  // namespace

Int128 power_of_ten(int exponent) {
  return kPowers[static_cast<size_t>(std::clamp(exponent, 0, kDigitsMax))];
}

std::optional<Numeric> parse_numeric(std::string_view text) {
  while (!text.empty() && text.front() == ' ') {
    text.remove_prefix(1);
  }
  while (!text.empty() && text.back() == ' ') {
    text.remove_suffix(1);
  }
  const bool negative = !text.empty() && text.front() == '-';
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    text.remove_prefix(1);
  }
  Numeric value;
  bool fraction = false;
  bool any = false;
  for (const char c : text) {
    if (c == '.' && !fraction) {
      fraction = true;
      continue;
    }
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    any = true;
    if (value.units >= power_of_ten(kDigitsMax - 1)) {
      return std::nullopt;  // one digit more than there is room for
    }
    value.units = value.units * 10 + (c - '0');
    value.scale += fraction ? 1 : 0;
    if (!in_range(value.units) || value.scale > kDigitsMax) {
      return std::nullopt;
    }
  }
  if (!any) {
    return std::nullopt;
  }
  value.units = negative ? -value.units : value.units;
  return value;
}

std::string to_text(const Numeric& value) {
  std::string digits;
  Int128 rest = magnitude(value.units);
  do {
    digits.push_back(static_cast<char>('0' + static_cast<int>(rest % 10)));
    rest /= 10;
  } while (rest > 0);
  while (digits.size() <= static_cast<size_t>(value.scale)) {
    digits.push_back('0');
  }
  if (value.scale > 0) {
    digits.insert(static_cast<size_t>(value.scale), ".");
  }
  if (value.units < 0) {
    digits.push_back('-');
  }
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::optional<Numeric> rescale(const Numeric& value, int scale) {
  Numeric result{value.units, scale};
  if (scale >= value.scale) {
    if (__builtin_mul_overflow(value.units, power_of_ten(scale - value.scale), &result.units)) {
      return std::nullopt;
    }
  } else {
    const Int128 divisor = power_of_ten(value.scale - scale);
    const Int128 rest = magnitude(value.units % divisor);
    result.units = value.units / divisor;
    if (rest * 2 >= divisor) {
      result.units += value.units < 0 ? -1 : 1;
    }
  }
  return in_range(result.units) ? std::optional(result) : std::nullopt;
}

bool fits(const Numeric& value, int precision) {
  return magnitude(value.units) < power_of_ten(precision);
}

int compare(const Numeric& a, const Numeric& b) {
  Int128 left = 0, right = 0;
  int scale = 0;
  if (align(a, b, &left, &right, &scale)) {
    return left < right ? -1 : left > right ? 1 : 0;
  }
  // Too wide to align: the integral parts differ, or decide by the fraction cut to what fits.
  const Int128 whole_a = a.units / power_of_ten(a.scale);
  const Int128 whole_b = b.units / power_of_ten(b.scale);
  if (whole_a != whole_b) {
    return whole_a < whole_b ? -1 : 1;
  }
  const Numeric rest_a{a.units % power_of_ten(a.scale), a.scale};
  const Numeric rest_b{b.units % power_of_ten(b.scale), b.scale};
  return align(rest_a, rest_b, &left, &right, &scale) ? (left < right   ? -1
                                                         : left > right ? 1
                                                                        : 0)
                                                      : 0;
}

std::optional<Numeric> add(const Numeric& a, const Numeric& b, int scale) {
  Int128 left = 0, right = 0, sum = 0;
  int aligned = 0;
  if (!align(a, b, &left, &right, &aligned) || __builtin_add_overflow(left, right, &sum)) {
    return std::nullopt;
  }
  return rescale({sum, aligned}, scale);
}

std::optional<Numeric> subtract(const Numeric& a, const Numeric& b, int scale) {
  return add(a, {-b.units, b.scale}, scale);
}

std::optional<Numeric> multiply(const Numeric& a, const Numeric& b, int scale) {
  Numeric left = a, right = b;
  Int128 product = 0;
  // Digits beyond the result's scale are given up only when the exact product does not fit.
  while (__builtin_mul_overflow(left.units, right.units, &product)) {
    Numeric& longer = left.scale >= right.scale ? left : right;
    if (longer.scale == 0) {
      return std::nullopt;
    }
    longer = *rescale(longer, longer.scale - 1);
  }
  return rescale({product, left.scale + right.scale}, scale);
}

std::optional<Numeric> divide(const Numeric& a, const Numeric& b, int scale) {
  const bool negative = (a.units < 0) != (b.units < 0);
  const auto divisor = static_cast<UInt128>(magnitude(b.units));
  const auto dividend = static_cast<UInt128>(magnitude(a.units));
  UInt128 quotient = dividend / divisor;
  UInt128 rest = dividend % divisor;
  // The quotient of the units has scale a.scale - b.scale; digits are added one by one from there.
  int at = a.scale - b.scale;
  for (; at < scale; ++at) {
    // rest * 10 / divisor as ten additions: the product itself may not fit.
    UInt128 sum = 0;
    UInt128 digit = 0;
    for (int i = 0; i < 10; ++i) {
      if (sum >= divisor - rest) {
        sum -= divisor - rest;
        ++digit;
      } else {
        sum += rest;
      }
    }
    rest = sum;
    if (quotient >= static_cast<UInt128>(kPowers[kDigitsMax - 1])) {
      return std::nullopt;
    }
    quotient = quotient * 10 + digit;
  }
  for (; at > scale; --at) {
    quotient /= 10;
  }
  const Numeric result{negative ? -static_cast<Int128>(quotient) : static_cast<Int128>(quotient),
                       scale};
  return in_range(result.units) ? std::optional(result) : std::nullopt;
}

std::optional<Numeric> modulo(const Numeric& a, const Numeric& b, int scale) {
  Int128 left = 0, right = 0;
  int aligned = 0;
  if (!align(a, b, &left, &right, &aligned) || right == 0) {
    return std::nullopt;
  }
  return rescale({left % right, aligned}, scale);
}

double to_double(const Numeric& value) {
  // Rounded once: both parts are exact, or the decimal text decides.
  constexpr Int128 kExactMax = Int128{1} << 53;
  constexpr int kExactScaleMax = 22;
  if (value.units <= kExactMax && value.units >= -kExactMax && value.scale <= kExactScaleMax) {
    return static_cast<double>(value.units) / static_cast<double>(power_of_ten(value.scale));
  }
  return std::strtod(to_text(value).c_str(), nullptr);
}

std::optional<Numeric> from_double(double value, int scale) {
  if (!std::isfinite(value) || std::fabs(value) >= 1e38) {
    return std::nullopt;
  }
  // Seventeen digits tell every double apart; a half among them is rounded away from zero.
  char text[400];
  const int integral =
      value == 0 ? 1 : static_cast<int>(std::floor(std::log10(std::fabs(value)))) + 1;
  const int fraction = std::clamp(17 - integral, 0, 37 - std::max(integral, 0));
  std::snprintf(text, sizeof(text), "%.*f", fraction, value);
  const auto parsed = parse_numeric(text);
  return parsed ? rescale(*parsed, scale) : std::nullopt;
}

}  // namespace dstream::standin::sql
