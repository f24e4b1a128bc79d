#include "core/messages/source_type.h"

#include <charconv>

namespace dstream::core {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') {
    text.remove_prefix(1);
  }
  while (!text.empty() && text.back() == ' ') {
    text.remove_suffix(1);
  }
  return text;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') {
      c = static_cast<char>(c - 'A' + 'a');
    }
  }
  return lower;
}

}  // namespace

SourceType parse_source_type(std::string_view text) {
  SourceType type;
  const size_t open = text.find('(');
  type.name = lower_case(trim(text.substr(0, open)));
  if (open == std::string_view::npos) {
    return type;
  }
  std::string_view rest = text.substr(open + 1);
  rest = rest.substr(0, rest.find(')'));
  while (type.argument_count < 2) {
    const size_t comma = rest.find(',');
    const std::string_view word = trim(rest.substr(0, comma));
    int32_t value = SourceType::kMax;
    if (lower_case(word) != "max") {
      const char* end = word.data() + word.size();
      auto [stop, error] = std::from_chars(word.data(), end, value);
      if (error != std::errc() || stop != end || value < 0) {
        return type;
      }
    }
    type.arguments[type.argument_count++] = value;
    if (comma == std::string_view::npos) {
      return type;
    }
    rest.remove_prefix(comma + 1);
  }
  return type;
}

}  // namespace dstream::core
