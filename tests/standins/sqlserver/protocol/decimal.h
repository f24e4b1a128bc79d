// decimal and numeric between text ("-123.4500") and the 128-bit magnitude on the wire, exact to 38
// digits.
//
// Thread rule: plain functions, no shared state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dstream::standin {

__extension__ typedef unsigned __int128 Uint128;

struct Decimal {
  Uint128 magnitude = 0;  // the value times 10^scale, without sign
  bool negative = false;  // never for zero
};

// Reads `[+-]digits[.digits]` into a value of `scale` fraction digits, rounding half away from zero
// as SQL Server does. False if the text is something else or needs more than `precision` digits.
// REQUIRES: scale <= precision <= 38.
bool parse_decimal(std::string_view text, uint8_t precision, uint8_t scale, Decimal* decimal);

// The text of a value with `scale` fraction digits: "-0.05", "12", "0.00".
std::string decimal_text(const Decimal& decimal, uint8_t scale);

}  // namespace dstream::standin
