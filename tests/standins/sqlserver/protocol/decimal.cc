#include "tests/standins/sqlserver/protocol/decimal.h"

#include <algorithm>

namespace dstream::standin {
namespace {

Uint128 power_of_ten(uint8_t exponent) {
  Uint128 value = 1;
  for (uint8_t i = 0; i < exponent; ++i) {
    value *= 10;
  }
  return value;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

bool parse_decimal(std::string_view text, uint8_t precision, uint8_t scale, Decimal* decimal) {
  bool negative = false;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  const Uint128 limit = power_of_ten(precision);
  Uint128 magnitude = 0;
  bool seen_point = false;
  bool seen_digit = false;
  bool round_up = false;
  uint8_t fraction_digits = 0;
  for (const char c : text) {
    if (c == '.' && !seen_point) {
      seen_point = true;
      continue;
    }
    if (!is_digit(c)) {
      return false;
    }
    seen_digit = true;
    if (seen_point && fraction_digits >= scale) {
      // Only the first digit beyond the scale decides; later ones cannot change a half.
      if (fraction_digits == scale) {
        round_up = c >= '5';
        ++fraction_digits;
      }
      continue;
    }
    if (magnitude >= limit / 10) {
      return false;
    }
    magnitude = magnitude * 10 + static_cast<unsigned>(c - '0');
    fraction_digits = static_cast<uint8_t>(fraction_digits + (seen_point ? 1 : 0));
  }
  if (!seen_digit) {
    return false;
  }
  for (; fraction_digits < scale; ++fraction_digits) {
    if (magnitude >= limit / 10) {
      return false;
    }
    magnitude *= 10;
  }
  magnitude += round_up ? 1u : 0u;
  if (magnitude >= limit) {
    return false;
  }
  decimal->magnitude = magnitude;
  decimal->negative = negative && magnitude != 0;
  return true;
}

std::string decimal_text(const Decimal& decimal, uint8_t scale) {
  std::string digits;
  Uint128 rest = decimal.magnitude;
  while (rest != 0) {
    digits.push_back(static_cast<char>('0' + static_cast<int>(rest % 10)));
    rest /= 10;
  }
  while (digits.size() < static_cast<size_t>(scale) + 1) {
    digits.push_back('0');
  }
  if (scale > 0) {
    digits.insert(scale, 1, '.');
  }
  if (decimal.negative) {
    digits.push_back('-');
  }
  std::reverse(digits.begin(), digits.end());
  return digits;
}

}  // namespace dstream::standin
