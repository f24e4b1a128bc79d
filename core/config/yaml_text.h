// The checks on a YAML file's text that come before any parser sees it.
//
// Thread rule: plain functions and values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/config/yaml_tree.h"

namespace dstream::core {

// Where lines begin, to turn a parser's byte columns into the columns an editor shows.
class LineIndex {
 public:
  explicit LineIndex(std::string_view text);
  // `line` and `column_bytes` count from 0, as parsers do.
  Mark mark(int line, int column_bytes) const;
  Mark mark_at(uint64_t offset) const;
  // Text from that place to the end of its line; empty outside the text.
  std::string_view rest_of_line(int line, int column_bytes) const;
  std::string_view line(int line) const;
  // Text from that place to the end of the file.
  std::string_view rest_of_text(int line, int column_bytes) const;

 private:
  std::string_view text_;
  std::vector<uint64_t> starts_;
};

// Size, encoding, control characters and tabs; see parse_yaml() for the codes.
Result<void> check_yaml_text(const std::string& file, std::string_view text, const LineIndex& lines,
                             uint64_t bytes_max);

// False if a quoted scalar begins at `text` (after its anchor and tag) and its closing quote is
// missing. yaml-cpp 0.7 takes such a scalar for complete when the file ends in a line break.
bool quote_closes(std::string_view text);

}  // namespace dstream::core
