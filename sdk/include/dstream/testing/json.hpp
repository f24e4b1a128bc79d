// A small JSON reader for the fake host: turns a document into scalars by JSON Pointer.
//
// For tests only. It accepts RFC 8259 and throws std::invalid_argument, with the byte offset, for
// anything else. No library is needed, so that a plugin's unit tests need none.
//
// Thread rule: plain functions, no shared state.
#pragma once

#include <charconv>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <variant>

namespace dstream::testing {

// What a pointer leads to. Container stands for an object or an array.
struct Container {};
using Scalar =
    std::variant<std::nullptr_t, bool, int64_t, uint64_t, double, std::string, Container>;
using Scalars = std::map<std::string, Scalar>;

namespace detail {

class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  Scalars read() {
    read_value("");
    skip_blanks();
    if (at_ != text_.size()) fail("text after the document");
    return std::move(out_);
  }

 private:
  static constexpr int kDepthMax = 64;

  [[noreturn]] void fail(const char* what) const {
    throw std::invalid_argument("JSON, byte " + std::to_string(at_) + ": " + what);
  }
  void skip_blanks() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) at_++;
  }
  char peek() {
    skip_blanks();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char wanted) {
    if (peek() != wanted || at_ == text_.size()) return false;
    at_++;
    return true;
  }
  bool take_word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  void read_value(const std::string& pointer) {
    if (++depth_ > kDepthMax) fail("nested too deeply");
    switch (peek()) {
      case '{':
        read_object(pointer);
        break;
      case '[':
        read_array(pointer);
        break;
      case '"':
        out_[pointer] = read_string();
        break;
      default:
        read_word(pointer);
        break;
    }
    depth_--;
  }
  void read_object(const std::string& pointer) {
    out_[pointer] = Container{};
    at_++;
    if (take('}')) return;
    do {
      if (peek() != '"') fail("a key is expected");
      std::string key = read_string();
      if (!take(':')) fail("':' is expected");
      read_value(pointer + "/" + escaped(key));
    } while (take(','));
    if (!take('}')) fail("'}' is expected");
  }
  void read_array(const std::string& pointer) {
    out_[pointer] = Container{};
    at_++;
    if (take(']')) return;
    size_t index = 0;
    do {
      read_value(pointer + "/" + std::to_string(index++));
    } while (take(','));
    if (!take(']')) fail("']' is expected");
  }
  void read_word(const std::string& pointer) {
    if (take_word("true")) {
      out_[pointer] = true;
    } else if (take_word("false")) {
      out_[pointer] = false;
    } else if (take_word("null")) {
      out_[pointer] = nullptr;
    } else {
      out_[pointer] = read_number();
    }
  }

  Scalar read_number() {
    size_t size = text_.substr(at_).find_first_not_of("+-.eE0123456789");
    std::string_view word = text_.substr(at_, size);
    size_t digits = word.starts_with('-') ? 1 : 0;
    bool is_number = word.size() > digits && word[digits] >= '0' && word[digits] <= '9' &&
                     !(word[digits] == '0' && word.size() > digits + 1 && word[digits + 1] >= '0' &&
                       word[digits + 1] <= '9');
    if (!is_number) fail("a value is expected");
    size_t point = word.find('.');
    if (point != word.npos && word.find_first_of("0123456789", point) != point + 1) {
      fail("a digit is expected after the point");
    }
    const char* end = word.data() + word.size();
    Scalar out;
    if (word.find_first_of(".eE") != word.npos) {
      out = convert<double>(word, end);
    } else if (word.starts_with('-') || word.size() < 19) {
      out = convert<int64_t>(word, end);
    } else {
      auto number = convert<uint64_t>(word, end);
      out = number <= INT64_MAX ? Scalar(static_cast<int64_t>(number)) : Scalar(number);
    }
    at_ += word.size();
    return out;
  }
  template <class T>
  T convert(std::string_view word, const char* end) const {
    T number{};
    auto [stopped, error] = std::from_chars(word.data(), end, number);
    if (error != std::errc() || stopped != end) fail("not a number that fits");
    return number;
  }

  std::string read_string() {
    std::string out;
    for (at_++; at_ < text_.size() && text_[at_] != '"'; at_++) {
      if (static_cast<unsigned char>(text_[at_]) < 0x20) fail("a control character in a string");
      text_[at_] == '\\' ? read_escape(out) : out.push_back(text_[at_]);
    }
    if (at_ == text_.size()) fail("a string does not end");
    at_++;
    return out;
  }
  void read_escape(std::string& out) {
    static constexpr std::string_view kLetters = "\"\\/bfnrt";
    static constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    char letter = ++at_ < text_.size() ? text_[at_] : '\0';
    if (size_t found = kLetters.find(letter); letter != '\0' && found != kLetters.npos) {
      out.push_back(kMeanings[found]);
    } else if (letter == 'u') {
      append_utf8(out, read_code_point());
    } else {
      fail("an unknown escape");
    }
  }
  uint32_t read_hex() {
    uint32_t number = 0;
    const char* begin = text_.data() + at_ + 1;
    if (text_.size() - at_ <= 4) fail("a \\u escape is cut short");
    auto [stopped, error] = std::from_chars(begin, begin + 4, number, 16);
    if (error != std::errc() || stopped != begin + 4) fail("a \\u escape needs four digits");
    at_ += 4;
    return number;
  }
  uint32_t read_code_point() {
    uint32_t high = read_hex();
    if (high < 0xd800 || high > 0xdfff) return high;
    if (high > 0xdbff || text_.substr(at_ + 1, 2) != "\\u") fail("half of a surrogate pair");
    at_ += 2;
    uint32_t low = read_hex();
    if (low < 0xdc00 || low > 0xdfff) fail("half of a surrogate pair");
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
  }
  static void append_utf8(std::string& out, uint32_t point) {
    auto add = [&out](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
    if (point < 0x80) {
      add(point);
    } else if (point < 0x800) {
      add(0xc0 | (point >> 6));
      add(0x80 | (point & 0x3f));
    } else if (point < 0x10000) {
      add(0xe0 | (point >> 12));
      add(0x80 | ((point >> 6) & 0x3f));
      add(0x80 | (point & 0x3f));
    } else {
      add(0xf0 | (point >> 18));
      add(0x80 | ((point >> 12) & 0x3f));
      add(0x80 | ((point >> 6) & 0x3f));
      add(0x80 | (point & 0x3f));
    }
  }
  static std::string escaped(const std::string& key) {
    std::string out;
    for (char c : key) {
      c == '~' ? out.append("~0") : c == '/' ? out.append("~1") : out.append(1, c);
    }
    return out;
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
  Scalars out_;
};

}  // namespace detail

// Every value of the document by its JSON Pointer; "" is the document itself.
inline Scalars read_json(std::string_view text) { return detail::JsonReader(text).read(); }

}  // namespace dstream::testing
