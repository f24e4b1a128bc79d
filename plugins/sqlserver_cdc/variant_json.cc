#include "plugins/sqlserver_cdc/variant_json.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "plugins/sqlserver_cdc/column_decoder.h"

namespace dstream::sqlserver {
namespace {

constexpr size_t kEscapeSize = 6;  // of the longest escape, \u001f

char* put(char* at, std::string_view text) {
  std::memcpy(at, text.data(), text.size());
  return at + text.size();
}

char* put_escaped(char* at, std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      *at++ = '\\';
      *at++ = c;
    } else if (byte < 0x20) {
      at = put(at, "\\u00");
      *at++ = kDigits[byte >> 4];
      *at++ = kDigits[byte & 15];
    } else {
      *at++ = c;
    }
  }
  return at;
}

}  // namespace

std::pair<char*, char*> variant_json(const char* start, const char* end, Arena& arena) {
  constexpr std::string_view kType = "{\"type\":\"";
  constexpr std::string_view kValue = "\",\"value\":\"";
  constexpr std::string_view kEnd = "\"}";
  const char* colon = std::find(start, end, ':');
  if (colon == end || colon == start) {
    throw BadValue("a sql_variant has no base type");
  }
  const std::string_view type(start, static_cast<size_t>(colon - start));
  const std::string_view value(colon + 1, static_cast<size_t>(end - colon - 1));
  char* out = arena.reserve(kType.size() + kValue.size() + kEnd.size() +
                            (type.size() + value.size()) * kEscapeSize);
  char* at = put_escaped(put(out, kType), type);
  at = put(put_escaped(put(at, kValue), value), kEnd);
  arena.use(at);
  return {out, at};
}

}  // namespace dstream::sqlserver
