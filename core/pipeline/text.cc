#include "core/pipeline/text.h"

#include <Poco/DateTimeFormatter.h>
#include <Poco/JSONString.h>
#include <Poco/TextConverter.h>
#include <Poco/Timestamp.h>
#include <Poco/UTF8Encoding.h>

namespace dstream::core {
namespace {

int digit_value(char digit) {
  if (digit >= '0' && digit <= '9') {
    return digit - '0';
  }
  return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

int base64_value(char digit) {
  if (digit >= 'A' && digit <= 'Z') {
    return digit - 'A';
  }
  if (digit >= 'a' && digit <= 'z') {
    return digit - 'a' + 26;
  }
  if (digit >= '0' && digit <= '9') {
    return digit - '0' + 52;
  }
  return digit == '+' ? 62 : digit == '/' ? 63 : -1;
}

}  // namespace

std::string to_hex(std::string_view bytes) {
  if (bytes.empty()) {
    return "-";
  }
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (char each : bytes) {
    auto value = static_cast<unsigned char>(each);
    out += kDigits[value >> 4];
    out += kDigits[value & 15];
  }
  return out;
}

std::optional<std::string> from_hex(std::string_view digits) {
  if (digits == "-") {
    return std::string();
  }
  if (digits.empty() || digits.size() % 2 != 0) {
    return std::nullopt;
  }
  std::string out;
  out.reserve(digits.size() / 2);
  for (size_t i = 0; i < digits.size(); i += 2) {
    int high = digit_value(digits[i]);
    int low = digit_value(digits[i + 1]);
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    out += static_cast<char>(high * 16 + low);
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) {
    return std::nullopt;
  }
  size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  text.remove_suffix(padding);
  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  int held = 0;
  for (char each : text) {
    int value = base64_value(each);
    if (value < 0) {
      return std::nullopt;
    }
    bits = (bits << 6 | static_cast<uint32_t>(value)) & 0xFFFFFF;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out += static_cast<char>(bits >> held & 0xFF);
    }
  }
  bool left_over = (bits & ((1u << held) - 1)) != 0;
  return left_over ? std::nullopt : std::optional(out);
}

std::string wall_time_text(int64_t wall_ns) {
  return Poco::DateTimeFormatter::format(Poco::Timestamp(wall_ns / 1000), "%Y-%m-%dT%H:%M:%S.%iZ");
}

std::string to_json_string(std::string_view text) {
  Poco::UTF8Encoding utf8;
  std::string clean;
  // The converter replaces what it cannot read.
  Poco::TextConverter(utf8, utf8, 0xFFFD)
      .convert(text.data(), static_cast<int>(text.size()), clean);
  return Poco::toJSON(clean, 0 | Poco::JSON_WRAP_STRINGS);
}

}  // namespace dstream::core
