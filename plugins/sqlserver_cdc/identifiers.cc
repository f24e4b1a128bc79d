#include "plugins/sqlserver_cdc/identifiers.h"

#include <Poco/String.h>

#include <algorithm>
#include <cctype>

namespace dstream::sqlserver {
namespace {

constexpr size_t kPartBytesMax = size_t{128} * 4;  // sysname, in UTF-8

bool plain_character(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || std::isalnum(byte) || c == '_' || c == '@' || c == '#' || c == '$';
}

std::string part_text(const std::string& part) {
  return std::all_of(part.begin(), part.end(), plain_character) ? part : quote_identifier(part);
}

// Takes one part off the front of `rest`.
std::optional<std::string> take_part(std::string_view& rest) {
  std::string part;
  if (!rest.empty() && (rest.front() == '[' || rest.front() == '"')) {
    const char close = rest.front() == '[' ? ']' : '"';
    rest.remove_prefix(1);
    for (;;) {
      const size_t end = rest.find(close);
      if (end == std::string_view::npos) {
        return std::nullopt;
      }
      part += rest.substr(0, end);
      rest.remove_prefix(end + 1);
      if (rest.empty() || rest.front() != close) {
        break;
      }
      part += close;
      rest.remove_prefix(1);
    }
  } else {
    const size_t end = std::min(rest.find('.'), rest.size());
    part = rest.substr(0, end);
    rest.remove_prefix(end);
    if (part.find_first_of("[]\"") != std::string::npos) {
      return std::nullopt;
    }
  }
  if (part.empty() || part.size() > kPartBytesMax || part.find('\0') != std::string::npos) {
    return std::nullopt;
  }
  return part;
}

}  // namespace

std::string quote_identifier(std::string_view name) {
  std::string out = "[";
  for (const char c : name) {
    out += c;
    if (c == ']') {
      out += c;
    }
  }
  return out += ']';
}

std::string quote_literal(std::string_view text) {
  std::string out = "N'";
  for (const char c : text) {
    out += c;
    if (c == '\'') {
      out += c;
    }
  }
  return out += '\'';
}

std::string TableName::text() const { return part_text(schema) + '.' + part_text(table); }

std::string TableName::quoted() const {
  return quote_identifier(schema) + '.' + quote_identifier(table);
}

std::optional<TableName> TableName::parse(std::string_view text) {
  const auto schema = take_part(text);
  if (!schema || text.empty() || text.front() != '.') {
    return std::nullopt;
  }
  text.remove_prefix(1);
  const auto table = take_part(text);
  if (!table || !text.empty()) {
    return std::nullopt;
  }
  return TableName{*schema, *table};
}

bool same_name(const TableName& a, const TableName& b) {
  return Poco::icompare(a.schema, b.schema) == 0 && Poco::icompare(a.table, b.table) == 0;
}

}  // namespace dstream::sqlserver
