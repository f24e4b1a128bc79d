#include "core/messages/decimal.h"

#include <algorithm>
#include <array>

namespace dstream::core {
namespace {

constexpr size_t kDigitsOfInt64 = 18;

// Writes `magnitude`, big-endian, as a two's complement number in the fewest bytes.
// REQUIRES: magnitude is at least one byte and one more byte fits in front of it.
size_t to_twos_complement(const uint8_t* magnitude, size_t size, bool negative, uint8_t* out) {
  while (size > 1 && *magnitude == 0) {
    ++magnitude;
    --size;
  }
  // A sign byte in front, so that the top bit is free; dropped again if it says nothing.
  out[0] = 0;
  std::copy(magnitude, magnitude + size, out + 1);
  size_t count = size + 1;
  if (negative) {
    unsigned carry = 1;
    for (size_t i = count; i > 0; --i) {
      carry += static_cast<unsigned>(static_cast<uint8_t>(~out[i - 1]));
      out[i - 1] = static_cast<uint8_t>(carry);
      carry >>= 8;
    }
  }
  const uint8_t sign = out[0];
  if ((sign == 0x00 && out[1] < 0x80) || (sign == 0xFF && out[1] >= 0x80)) {
    std::copy(out + 1, out + count, out);
    --count;
  }
  return count;
}

// The digits of a decimal without its point, scaled.
struct Digits {
  std::array<uint8_t, kUnscaledDigitsMax> values;
  size_t count = 0;
  bool negative = false;
};

UnscaledResult read_digits(std::string_view text, int32_t scale, Digits* digits) {
  if (!is_decimal(text)) {
    return UnscaledResult::kNotADecimal;
  }
  if (text.size() + static_cast<size_t>(scale) > kUnscaledDigitsMax) {
    return UnscaledResult::kTooManyDigits;
  }
  digits->negative = text.front() == '-';
  int32_t behind_point = -1;
  for (char c : text.substr(digits->negative ? 1 : 0)) {
    if (c == '.') {
      behind_point = 0;
      continue;
    }
    if (behind_point == scale && behind_point >= 0) {
      if (c != '0') {
        return UnscaledResult::kScaleExceeded;
      }
      continue;
    }
    behind_point += behind_point >= 0 ? 1 : 0;
    digits->values[digits->count++] = static_cast<uint8_t>(c - '0');
  }
  for (int32_t i = std::max(behind_point, 0); i < scale; ++i) {
    digits->values[digits->count++] = 0;
  }
  return UnscaledResult::kDone;
}

// The common case: everything fits 64 bits. False if it does not, or if something is wrong; the
// long way then says what.
bool short_unscaled_bytes(std::string_view text, int32_t scale, uint8_t* out, size_t* size) {
  if (text.size() + static_cast<size_t>(scale) > kDigitsOfInt64 || text.empty()) {
    return false;
  }
  const bool negative = text[0] == '-';
  text.remove_prefix(negative ? 1 : 0);
  int64_t value = 0;
  size_t i = 0;
  unsigned digit = 0;
  for (; i < text.size() && (digit = static_cast<unsigned>(text[i] - '0')) < 10; ++i) {
    value = value * 10 + digit;
  }
  const size_t whole = i;
  if (i < text.size() && text[i] == '.') {
    for (++i; i < text.size() && (digit = static_cast<unsigned>(text[i] - '0')) < 10; ++i) {
      value = value * 10 + digit;
    }
  }
  const auto behind_point = static_cast<int32_t>(i - whole) - (i > whole ? 1 : 0);
  if (i != text.size() || whole == 0 || (i > whole && behind_point == 0) || behind_point > scale) {
    return false;
  }
  for (int32_t missing = scale - behind_point; missing > 0; --missing) {
    value *= 10;
  }
  value = negative ? -value : value;
  // All bytes but those that only repeat the sign.
  *size = 8 - static_cast<size_t>(__builtin_clrsbll(value)) / 8;
  for (size_t byte = 0; byte < *size; ++byte) {
    out[byte] = static_cast<uint8_t>(value >> (8 * (*size - 1 - byte)));
  }
  return true;
}

}  // namespace

bool is_decimal(std::string_view text) {
  size_t i = !text.empty() && text[0] == '-' ? 1 : 0;
  const size_t first = i;
  while (i < text.size() && static_cast<unsigned>(text[i] - '0') < 10) {
    ++i;
  }
  if (i == first) {
    return false;
  }
  if (i == text.size()) {
    return true;
  }
  if (text[i] != '.' || i + 1 == text.size()) {
    return false;
  }
  for (++i; i < text.size(); ++i) {
    if (static_cast<unsigned>(text[i] - '0') >= 10) {
      return false;
    }
  }
  return true;
}

UnscaledResult unscaled_bytes(std::string_view text, int32_t scale, uint8_t* out, size_t* size) {
  if (short_unscaled_bytes(text, scale, out, size)) {
    return UnscaledResult::kDone;
  }
  Digits digits;
  const UnscaledResult result = read_digits(text, scale, &digits);
  if (result != UnscaledResult::kDone) {
    return result;
  }
  // The number in base 256, least significant byte first, grown digit by digit.
  uint8_t magnitude[kUnscaledBytesMax];
  size_t used = 1;
  uint8_t grown[kUnscaledBytesMax] = {0};
  for (size_t i = 0; i < digits.count; ++i) {
    unsigned carry = digits.values[i];
    for (size_t j = 0; j < used; ++j) {
      carry += grown[j] * 10u;
      grown[j] = static_cast<uint8_t>(carry);
      carry >>= 8;
    }
    if (carry != 0) {
      grown[used++] = static_cast<uint8_t>(carry);
    }
  }
  std::reverse_copy(grown, grown + used, magnitude);
  const bool zero = used == 1 && grown[0] == 0;
  *size = to_twos_complement(magnitude, used, digits.negative && !zero, out);
  return result;
}

}  // namespace dstream::core
