// Writes JSON text into memory that is known to be large enough.
//
// Every function writes at `out` and returns the end of what it wrote. Callers bound the size
// first: nothing here checks for room, and some functions store up to kSlackBytes beyond the end
// they return. No function allocates.
//
// Thread rule: pure functions.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace dstream::core {

// Room that must be left behind the last byte written.
inline constexpr size_t kSlackBytes = 32;
// The longest text of a number, a date, a timestamp or a UUID, with quotes.
inline constexpr size_t kScalarBytesMax = 48;
// A text longer than this is measured before it is written, instead of reserving the worst case.
inline constexpr size_t kMeasuredTextBytes = 4096;
// The worst case: every byte becomes \u00xx.
inline constexpr size_t kEscapeGrowthMax = 6;

// A constant piece of text that is copied in one or two stores. `data` has at least 16 readable
// bytes, whatever `size` says.
struct Fragment {
  const char* data = nullptr;
  uint32_t size = 0;
};

inline char* write_fragment(char* out, const Fragment& fragment) {
  std::memcpy(out, fragment.data, 16);
  if (fragment.size > 16) {
    std::memcpy(out + 16, fragment.data + 16, fragment.size - 16);
  }
  return out + fragment.size;
}

inline char* write_raw(char* out, std::string_view text) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

inline char* write_quoted(char* out, std::string_view text) {
  *out++ = '"';
  out = write_raw(out, text);
  *out++ = '"';
  return out;
}

namespace detail {

inline constexpr uint64_t kEightDigits = 100'000'000;
inline constexpr uint64_t kZeros = 0x3030303030303030u;

// The 8 digits of a number below 10^8 as 8 bytes 0..9, the first digit in the lowest byte. All
// digits come out of three multiplications, side by side in one register.
inline uint64_t eight_digits(uint32_t value) {
  const uint64_t halves = value / 10'000 | uint64_t{value % 10'000} << 32;
  const uint64_t hundreds = (halves * 10'486 >> 20) & 0x0000007F'0000007Fu;
  const uint64_t pairs = ((halves - 100 * hundreds) << 16) + hundreds;
  const uint64_t tens = (pairs * 103 >> 10) & 0x000F'000F'000F'000Fu;
  return ((pairs - 10 * tens) << 8) + tens;
}

inline char* write_eight(char* out, uint32_t value) {
  const uint64_t text = eight_digits(value) | kZeros;
  std::memcpy(out, &text, 8);
  return out + 8;
}

// Without leading zeros. REQUIRES: value < 10^8.
inline char* write_short(char* out, uint32_t value) {
  const uint64_t digits = eight_digits(value);
  // The last digit stays even if it is zero.
  const int skipped = __builtin_ctzll(digits | uint64_t{1} << 56) / 8;
  const uint64_t text = (digits | kZeros) >> (8 * skipped);
  std::memcpy(out, &text, 8);
  return out + 8 - skipped;
}

}  // namespace detail

inline char* write_integer(char* out, uint64_t value) {
  static_assert(std::endian::native == std::endian::little);
  using detail::kEightDigits;
  if (value < kEightDigits) {
    return detail::write_short(out, static_cast<uint32_t>(value));
  }
  const uint64_t upper = value / kEightDigits;
  const auto lower = static_cast<uint32_t>(value % kEightDigits);
  if (upper < kEightDigits) {
    out = detail::write_short(out, static_cast<uint32_t>(upper));
  } else {
    out = detail::write_short(out, static_cast<uint32_t>(upper / kEightDigits));
    out = detail::write_eight(out, static_cast<uint32_t>(upper % kEightDigits));
  }
  return detail::write_eight(out, lower);
}

inline char* write_integer(char* out, int64_t value) {
  if (value >= 0) {
    return write_integer(out, static_cast<uint64_t>(value));
  }
  *out++ = '-';
  return write_integer(out, uint64_t{0} - static_cast<uint64_t>(value));
}

// The inside of a JSON string. Bytes that are no UTF-8 become U+FFFD, one for each maximal broken
// sequence, and `*replaced` becomes true (it is left alone otherwise).
char* write_escaped(char* out, std::string_view text, bool* replaced);
// How many bytes write_escaped() would write.
size_t escaped_size(std::string_view text);
// At least as many; cheap for short texts.
inline size_t escaped_size_bound(std::string_view text) {
  return text.size() <= kMeasuredTextBytes ? text.size() * kEscapeGrowthMax : escaped_size(text);
}

inline char* write_string(char* out, std::string_view text, bool* replaced) {
  *out++ = '"';
  out = write_escaped(out, text, replaced);
  *out++ = '"';
  return out;
}

// How many bytes at the beginning of `text` are UTF-8.
size_t valid_utf8_size(std::string_view text);
// The text as it is, but with U+FFFD for what is no UTF-8, as write_escaped() has it.
char* write_repaired_utf8(char* out, std::string_view text);
size_t repaired_utf8_size(std::string_view text);

// A string with its quotes, for texts made once.
std::string json_string(std::string_view text);

// The shortest text that reads back as the same number; always with a point or an exponent, so
// that readers that tell integers from floats see a float. What JSON has no number for becomes
// the string "NaN", "Infinity" or "-Infinity".
char* write_double(char* out, double value);
char* write_float(char* out, float value);

// RFC 4648 base64 with padding, without quotes.
char* write_base64(char* out, const uint8_t* data, size_t size);
inline size_t base64_size(size_t size) { return (size + 2) / 3 * 4; }

inline char* write_quoted_base64(char* out, const void* data, size_t size) {
  *out++ = '"';
  out = write_base64(out, static_cast<const uint8_t*>(data), size);
  *out++ = '"';
  return out;
}

// The same without quotes, for texts made once.
std::string to_base64(std::string_view bytes);

// 8-4-4-4-12 hexadecimal digits, without quotes.
char* write_uuid(char* out, const uint8_t (&uuid)[16], bool upper_case);

}  // namespace dstream::core
