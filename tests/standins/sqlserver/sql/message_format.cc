#include "tests/standins/sqlserver/sql/message_format.h"

#include <algorithm>
#include <cstdio>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

constexpr int kWidthMax = 2047;

struct Place {
  bool left = false, plus = false, zeros = false, sharp = false, blank = false;
  int width = 0;
  int precision = -1;
  bool is_big = false;  // I64
  char kind = 0;
};

class Formatter {
 public:
  Formatter(std::string_view format, std::span<const SqlType> types,
            std::span<const SqlValue> values)
      : format_(format), types_(types), values_(values) {}

  std::string run() {
    std::string text;
    while (at_ < format_.size()) {
      const char c = format_[at_++];
      if (c != '%') {
        text.push_back(c);
      } else if (peek() == '%') {
        ++at_;
        text.push_back('%');
      } else {
        text += one(place());
      }
    }
    return text;
  }

 private:
  char peek() const { return at_ < format_.size() ? format_[at_] : '\0'; }

  [[noreturn]] void bad_place() const {
    throw SqlError(2787, 16, 1,
                   "Invalid format specification: '" + std::string(format_.substr(start_)) + "'.");
  }

  int number() {
    if (peek() == '*') {
      ++at_;
      if (next_ >= values_.size() || values_[next_].null) {
        bad_place();
      }
      return static_cast<int>(std::clamp<int64_t>(values_[next_++].number, 0, kWidthMax));
    }
    int value = 0;
    while (peek() >= '0' && peek() <= '9') {
      value = std::min(value * 10 + (format_[at_++] - '0'), kWidthMax);
    }
    return value;
  }

  Place place() {
    start_ = at_ - 1;
    Place place;
    for (bool more = true; more;) {
      switch (peek()) {
        case '-':
          place.left = true;
          break;
        case '+':
          place.plus = true;
          break;
        case '0':
          place.zeros = true;
          break;
        case '#':
          place.sharp = true;
          break;
        case ' ':
          place.blank = true;
          break;
        default:
          more = false;
          continue;
      }
      ++at_;
    }
    place.width = number();
    if (peek() == '.') {
      ++at_;
      place.precision = number();
    }
    if (format_.substr(at_, 3) == "I64") {
      place.is_big = true;
      at_ += 3;
    } else if (peek() == 'h' || peek() == 'l') {
      ++at_;
    }
    place.kind = peek();
    if (place.kind == '\0' ||
        std::string_view("diosuxX").find(place.kind) == std::string_view::npos) {
      bad_place();
    }
    ++at_;
    return place;
  }

  std::string one(const Place& place) {
    const size_t at = next_++;
    if (at >= values_.size() || values_[at].null) {
      return padded("(null)", place);
    }
    const bool is_text = family_of(types_[at].id) == Family::kText;
    // A literal above int is a numeric without fraction.
    const bool is_whole =
        place.is_big && family_of(types_[at].id) == Family::kDecimal && types_[at].scale == 0;
    const bool is_number = family_of(types_[at].id) == Family::kInteger || is_whole;
    if (place.kind == 's' ? !is_text : !is_number) {
      throw SqlError(2786, 16, 1,
                     "The data type of substitution parameter " + std::to_string(at + 1) +
                         " does not match the expected type of the format specification.");
    }
    if (is_text) {
      const std::string& text = values_[at].text;
      return padded(place.precision < 0 ? text : utf16_substring(text, 0, place.precision), place);
    }
    return padded(
        digits(place,
               convert_value(values_[at], types_[at], make_type(TypeId::kBigInt, {}, {})).number),
        place);
  }

  static std::string digits(const Place& place, int64_t value) {
    char text[32];
    const auto bits = place.is_big ? static_cast<unsigned long long>(value)
                                   : static_cast<unsigned long long>(static_cast<uint32_t>(value));
    switch (place.kind) {
      case 'd':
      case 'i':
        std::snprintf(text, sizeof(text), "%lld", static_cast<long long>(value));
        return (value >= 0 && place.plus    ? "+"
                : value >= 0 && place.blank ? " "
                                            : "") +
               std::string(text);
      case 'o':
        std::snprintf(text, sizeof(text), "%llo", bits);
        return (place.sharp && bits != 0 ? "0" : "") + std::string(text);
      case 'u':
        std::snprintf(text, sizeof(text), "%llu", bits);
        return text;
      case 'x':
        std::snprintf(text, sizeof(text), "%llx", bits);
        return (place.sharp && bits != 0 ? "0x" : "") + std::string(text);
      default:
        std::snprintf(text, sizeof(text), "%llX", bits);
        return (place.sharp && bits != 0 ? "0X" : "") + std::string(text);
    }
  }

  static std::string padded(std::string text, const Place& place) {
    const auto length = static_cast<int>(utf16_length(text));
    if (length >= place.width) {
      return text;
    }
    const auto missing = static_cast<size_t>(place.width - length);
    if (place.left) {
      return text + std::string(missing, ' ');
    }
    if (!place.zeros || place.kind == 's') {
      return std::string(missing, ' ') + text;
    }
    const bool sign = !text.empty() && (text[0] == '-' || text[0] == '+');
    return text.insert(sign ? 1 : 0, missing, '0');
  }

  std::string_view format_;
  std::span<const SqlType> types_;
  std::span<const SqlValue> values_;
  size_t at_ = 0, start_ = 0, next_ = 0;
};

}  // namespace

std::string format_message(std::string_view format, std::span<const SqlType> types,
                           std::span<const SqlValue> values) {
  return Formatter(format, types, values).run();
}

}  // namespace dstream::standin::sql
