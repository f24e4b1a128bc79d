#include "core/plugins/text.h"

#include <Poco/UTF8Encoding.h>

namespace dstream::core {
namespace {

// Bytes of the well-formed character at the start of `text`; 0 if there is none.
size_t character_size(std::string_view text) {
  static const Poco::UTF8Encoding encoding;
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  int size = encoding.sequenceLength(bytes, 1);
  if (size < 1 || static_cast<size_t>(size) > text.size() ||
      !Poco::UTF8Encoding::isLegal(bytes, size)) {
    return 0;
  }
  return static_cast<size_t>(size);
}

std::string shown_text(std::string_view text, size_t bytes_max, bool keep_lines) {
  std::string out;
  out.reserve(text.size() < bytes_max ? text.size() : bytes_max);
  while (!text.empty()) {
    size_t size = character_size(text);
    auto first = static_cast<unsigned char>(text.front());
    bool shown = size > 0 && (first >= 0x20 || (keep_lines && first == '\n')) && first != 0x7f;
    size_t taken = size > 0 ? size : 1;
    if (out.size() + (shown ? taken : 1) > bytes_max) {
      break;
    }
    shown ? out.append(text.substr(0, taken)) : out.append(1, '?');
    text.remove_prefix(taken);
  }
  return out;
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    size_t size = character_size(text);
    if (size == 0 || text.front() == '\0') {
      return false;
    }
    text.remove_prefix(size);
  }
  return true;
}

std::string printable(std::string_view text, size_t bytes_max) {
  return shown_text(text, bytes_max, false);
}

std::string printable_lines(std::string_view text, size_t bytes_max) {
  return shown_text(text, bytes_max, true);
}

}  // namespace dstream::core
