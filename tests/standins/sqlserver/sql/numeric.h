// Exact decimal arithmetic on 128-bit integers: what decimal, numeric and money compute with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dstream::standin::sql {

__extension__ typedef __int128 Int128;
__extension__ typedef unsigned __int128 UInt128;

// units * 10^-scale; |units| < 10^38.
struct Numeric {
  Int128 units = 0;
  int scale = 0;
};

// [+-]digits[.digits], blanks around allowed; nothing else. nullopt if it is not a number or has
// more than 38 digits.
std::optional<Numeric> parse_numeric(std::string_view text);
std::string to_text(const Numeric& value);

// Another scale, rounded half away from zero. nullopt beyond 38 digits.
std::optional<Numeric> rescale(const Numeric& value, int scale);
// True if the value has at most precision - scale integral digits.
bool fits(const Numeric& value, int precision);

int compare(const Numeric& a, const Numeric& b);
// nullopt on overflow beyond 38 digits. The result has the given scale, rounded.
std::optional<Numeric> add(const Numeric& a, const Numeric& b, int scale);
std::optional<Numeric> subtract(const Numeric& a, const Numeric& b, int scale);
std::optional<Numeric> multiply(const Numeric& a, const Numeric& b, int scale);
// REQUIRES: b is not zero. Truncates at `scale`, as SQL Server's division does.
std::optional<Numeric> divide(const Numeric& a, const Numeric& b, int scale);
std::optional<Numeric> modulo(const Numeric& a, const Numeric& b, int scale);

double to_double(const Numeric& value);
// Rounded to `scale` digits. nullopt if it does not fit in 38 digits or is no number.
std::optional<Numeric> from_double(double value, int scale);
Int128 power_of_ten(int exponent);

}  // namespace dstream::standin::sql
