// Writes JSON text into memory that is known to be large enough.
//
// Every function writes at `out` and returns the end of what it wrote. Callers bound the size
// first: nothing here checks for room, and some functions store up to kSlackBytes beyond the end
// they return. No function allocates.
//
// Thread rule: pure functions.
#pragma once

#include <charconv>
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

template <class Integer>
char* write_integer(char* out, Integer value) {
  return std::to_chars(out, out + kScalarBytesMax, value).ptr;
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

// 8-4-4-4-12 hexadecimal digits, without quotes.
char* write_uuid(char* out, const uint8_t (&uuid)[16], bool upper_case);

}  // namespace dstream::core
