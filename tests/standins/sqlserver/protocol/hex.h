// Bytes as hexadecimal text, for tests. Anything but hexadecimal digits is skipped, so that a
// vector can be written with spaces where the fields end.
#pragma once

#include <string>
#include <string_view>

namespace dstream::standin {

inline int hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

inline std::string from_hex(std::string_view text) {
  std::string bytes;
  int high = -1;
  for (const char c : text) {
    const int digit = hex_digit(c);
    if (digit >= 0) {
      if (high >= 0) {
        bytes.push_back(static_cast<char>(high * 16 + digit));
      }
      high = high >= 0 ? -1 : digit;
    }
  }
  return bytes;
}

inline std::string to_hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace dstream::standin
