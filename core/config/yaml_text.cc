#include "core/config/yaml_text.h"

#include <Poco/UTF8Encoding.h>

#include <algorithm>
#include <cstdio>

namespace dstream::core {
namespace {

bool is_control(unsigned char byte) {
  return (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f;
}

// Bytes of the character at `at`, 0 if it is not UTF-8.
uint64_t utf8_length(std::string_view text, uint64_t at) {
  auto lead = static_cast<unsigned char>(text[at]);
  if (lead < 0x80) {
    return 1;
  }
  int length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (at + static_cast<uint64_t>(length) > text.size()) {
    return 0;
  }
  auto* bytes = reinterpret_cast<const unsigned char*>(text.data() + at);
  return Poco::UTF8Encoding::isLegal(bytes, length) ? static_cast<uint64_t>(length) : 0;
}

// The encodings an editor may have chosen instead, told by their byte order marks.
std::optional<std::string> byte_order_mark(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) {
    return "a UTF-8 byte order mark";
  }
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff") ||
      text.starts_with(std::string_view("\0\0\xfe\xff", 4))) {
    return "a UTF-16 or UTF-32 byte order mark";
  }
  return std::nullopt;
}

Result<void> check_characters(const std::string& file, std::string_view text,
                              const LineIndex& lines) {
  for (uint64_t at = 0; at < text.size();) {
    auto byte = static_cast<unsigned char>(text[at]);
    if (is_control(byte)) {
      char name[8];
      std::snprintf(name, sizeof name, "0x%02x", byte);
      return fail(config_error(
          "DS-CONFIG-CHARACTER", file, lines.mark_at(at),
          byte == 0 ? std::string("The file has a NUL character here.")
                    : std::string("The file has the control character ") + name + " here.",
          "Remove it; the file must be plain text."));
    }
    uint64_t length = utf8_length(text, at);
    if (length == 0) {
      return fail(config_error("DS-CONFIG-ENCODING", file, lines.mark_at(at),
                               "The file is not UTF-8 from here on.", "Save it as UTF-8."));
    }
    at += length;
  }
  return {};
}

// YAML forbids tabs in indentation; parsers then complain about something else.
Result<void> check_tabs(const std::string& file, std::string_view text, const LineIndex& lines) {
  for (uint64_t start = 0; start < text.size();) {
    uint64_t end = std::min(text.find('\n', start), text.size());
    std::string_view line = text.substr(start, end - start);
    uint64_t content = line.find_first_not_of(" \t\r");
    if (line.starts_with('\t') && content != std::string_view::npos && line[content] != '#') {
      return fail(config_error("DS-CONFIG-TAB", file, lines.mark_at(start),
                               "The line is indented with a tab.", "Indent with spaces."));
    }
    start = end + 1;
  }
  return {};
}

}  // namespace

LineIndex::LineIndex(std::string_view text) : text_(text) {
  starts_.push_back(0);
  for (uint64_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1)) {
    starts_.push_back(at + 1);
  }
}

std::string_view LineIndex::line(int line) const {
  if (line < 0 || static_cast<uint64_t>(line) >= starts_.size()) {
    return {};
  }
  auto index = static_cast<uint64_t>(line);
  uint64_t end = index + 1 < starts_.size() ? starts_[index + 1] - 1 : text_.size();
  return text_.substr(starts_[index], end - starts_[index]);
}

std::string_view LineIndex::rest_of_line(int line, int column_bytes) const {
  std::string_view whole = this->line(line);
  auto from = static_cast<uint64_t>(std::max(column_bytes, 0));
  return from < whole.size() ? whole.substr(from) : std::string_view();
}

std::string_view LineIndex::rest_of_text(int line, int column_bytes) const {
  if (line < 0 || column_bytes < 0 || static_cast<uint64_t>(line) >= starts_.size()) {
    return {};
  }
  uint64_t offset = starts_[static_cast<uint64_t>(line)] + static_cast<uint64_t>(column_bytes);
  return offset < text_.size() ? text_.substr(offset) : std::string_view();
}

Mark LineIndex::mark(int line, int column_bytes) const {
  std::string_view before = this->line(line).substr(
      0, std::min<uint64_t>(static_cast<uint64_t>(std::max(column_bytes, 0)),
                            this->line(line).size()));
  auto characters = std::count_if(before.begin(), before.end(), [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xc0) != 0x80;
  });
  return {std::max(line, 0) + 1, static_cast<int>(characters) + 1};
}

Mark LineIndex::mark_at(uint64_t offset) const {
  auto after = std::upper_bound(starts_.begin(), starts_.end(), offset);
  auto index = static_cast<int>(after - starts_.begin()) - 1;
  return mark(index, static_cast<int>(offset - starts_[static_cast<uint64_t>(index)]));
}

bool quote_closes(std::string_view text) {
  while (text.starts_with('&') || text.starts_with('!')) {
    text.remove_prefix(std::min(text.find_first_of(" \t\r\n"), text.size()));
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  }
  if (!text.starts_with('\'') && !text.starts_with('"')) {
    return true;
  }
  char quote = text[0];
  for (uint64_t at = 1; at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (text[at] == quote) {
      if (quote == '"' || at + 1 == text.size() || text[at + 1] != quote) {
        return true;
      }
      ++at;
    }
  }
  return false;
}

Result<void> check_yaml_text(const std::string& file, std::string_view text, const LineIndex& lines,
                             uint64_t bytes_max) {
  if (text.size() > bytes_max) {
    // The line in which the limit is crossed: with one huge value, the line of that value.
    Mark mark = {lines.mark_at(bytes_max).line, 1};
    return fail(config_error("DS-CONFIG-TOO-LARGE", file, mark,
                             "The file has " + std::to_string(text.size()) + " bytes; at most " +
                                 std::to_string(bytes_max) +
                                 " are read. The limit is passed in "
                                 "this line.",
                             "Split the pipelines over files, and keep long values in files of "
                             "their own, read with ${file:PATH}."));
  }
  if (auto mark = byte_order_mark(text)) {
    return fail(config_error("DS-CONFIG-ENCODING", file, {1, 1},
                             "The file begins with " + *mark + ".",
                             "Save it as UTF-8 without a byte order mark."));
  }
  if (auto checked = check_characters(file, text, lines); !checked) {
    return checked;
  }
  return check_tabs(file, text, lines);
}

}  // namespace dstream::core
