#include "json_check.h"

#include <cstddef>
#include <cstdint>

namespace message_lines {
namespace {

// The length of the UTF-8 sequence that starts at `at`, 0 if it is broken.
size_t utf8_length(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[at + i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) {
    return 1;
  }
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() - at < length) {
    return 0;
  }
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) {
      return 0;
    }
  }
  const uint8_t second = byte(1);
  const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
  const bool surrogate = lead == 0xED && second > 0x9F;
  const bool too_high = lead == 0xF4 && second > 0x8F;
  return overlong || surrogate || too_high ? 0 : length;
}

class Checker {
 public:
  explicit Checker(std::string_view text) : text_(text) {}

  bool whole() {
    skip_spaces();
    if (!value(0)) {
      return false;
    }
    skip_spaces();
    return at_ == text_.size();
  }

 private:
  bool next_is(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool take(char c) {
    if (!next_is(c)) {
      return false;
    }
    ++at_;
    return true;
  }
  // Only the blank: the other spaces of JSON would break the line.
  void skip_spaces() {
    while (next_is(' ')) {
      ++at_;
    }
  }
  bool word(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) {
      return false;
    }
    at_ += expected.size();
    return true;
  }

  bool value(int depth) {
    if (at_ == text_.size() || depth > kJsonDepthMax) {
      return false;
    }
    switch (text_[at_]) {
      case '{':
        return members(depth);
      case '[':
        return elements(depth);
      case '"':
        return string();
      case 't':
        return word("true");
      case 'f':
        return word("false");
      case 'n':
        return word("null");
      default:
        return number();
    }
  }

  bool members(int depth) {
    ++at_;
    skip_spaces();
    if (take('}')) {
      return true;
    }
    do {
      skip_spaces();
      if (!string()) {
        return false;
      }
      skip_spaces();
      if (!take(':')) {
        return false;
      }
      skip_spaces();
      if (!value(depth + 1)) {
        return false;
      }
      skip_spaces();
    } while (take(','));
    return take('}');
  }

  bool elements(int depth) {
    ++at_;
    skip_spaces();
    if (take(']')) {
      return true;
    }
    do {
      skip_spaces();
      if (!value(depth + 1)) {
        return false;
      }
      skip_spaces();
    } while (take(','));
    return take(']');
  }

  bool string() {
    if (!take('"')) {
      return false;
    }
    while (at_ < text_.size()) {
      const auto c = static_cast<uint8_t>(text_[at_]);
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c == '\\') {
        if (!escape()) {
          return false;
        }
        continue;
      }
      const size_t length = c < 0x20 ? 0 : utf8_length(text_, at_);
      if (length == 0) {
        return false;
      }
      at_ += length;
    }
    return false;
  }

  bool escape() {
    constexpr std::string_view kShort = "\"\\/bfnrt";
    ++at_;
    if (at_ == text_.size()) {
      return false;
    }
    const char c = text_[at_++];
    if (c != 'u') {
      return kShort.find(c) != std::string_view::npos;
    }
    constexpr std::string_view kHexadecimal = "0123456789abcdefABCDEF";
    for (int i = 0; i < 4; ++i) {
      if (at_ == text_.size() || kHexadecimal.find(text_[at_++]) == std::string_view::npos) {
        return false;
      }
    }
    return true;
  }

  bool digits() {
    const size_t start = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      ++at_;
    }
    return at_ > start;
  }

  bool number() {
    take('-');
    if (!take('0') && !digits()) {
      return false;
    }
    if (take('.') && !digits()) {
      return false;
    }
    if (take('e') || take('E')) {
      if (!take('+')) {
        take('-');
      }
      return digits();
    }
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

bool is_json_line(std::string_view text) { return Checker(text).whole(); }

bool is_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text, at);
    if (length == 0) {
      return false;
    }
    at += length;
  }
  return true;
}

}  // namespace message_lines
