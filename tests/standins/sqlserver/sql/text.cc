#include "tests/standins/sqlserver/sql/text.h"

#include <algorithm>
#include <array>
#include <vector>

#include "tests/standins/sqlserver/sql/types.h"

namespace dstream::standin::sql {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

// Code page 1252 at 0x80-0x9F; the rest is Latin-1.
constexpr std::array<char32_t, 32> kPage1252 = {
    0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x8D,   0x017D, 0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};

char32_t fold(char32_t c) {
  if (c < 0x80) {
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
  }
  if (c >= 0xC0 && c <= 0xDE && c != 0xD7) {
    return c + 32;
  }
  if ((c >= 0x100 && c <= 0x137) || (c >= 0x14A && c <= 0x177)) {
    return c | 1;
  }
  if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E)) {
    return c % 2 == 1 ? c + 1 : c;
  }
  if (c == 0x178) {
    return 0xFF;
  }
  if (c >= 0x391 && c <= 0x3A9) {
    return c + 32;
  }
  if (c >= 0x410 && c <= 0x42F) {
    return c + 32;
  }
  if (c >= 0x400 && c <= 0x40F) {
    return c + 80;
  }
  return c;
}

char32_t unfold(char32_t c) {
  if (c < 0x80) {
    return c >= 'a' && c <= 'z' ? c - 32 : c;
  }
  if ((c >= 0xE0 && c <= 0xFE && c != 0xF7) || (c >= 0x3B1 && c <= 0x3C9 && c != 0x3C2) ||
      (c >= 0x430 && c <= 0x44F)) {
    return c - 32;
  }
  if ((c >= 0x100 && c <= 0x137) || (c >= 0x14A && c <= 0x177)) {
    return c & ~char32_t{1};
  }
  if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E)) {
    return c % 2 == 0 ? c - 1 : c;
  }
  if (c >= 0x450 && c <= 0x45F) {
    return c - 80;
  }
  return c == 0xFF ? 0x178 : c;
}

std::string map_text(std::string_view text, char32_t (*change)(char32_t)) {
  std::string result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    append_utf8(change(next_code_point(text, &at)), &result);
  }
  return result;
}

std::string_view trim_right(std::string_view text) {
  while (!text.empty() && text.back() == ' ') {
    text.remove_suffix(1);
  }
  return text;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

int byte_1252(char32_t c) {
  if (c < 0x80 || (c >= 0xA0 && c <= 0xFF)) {
    return static_cast<int>(c);
  }
  const auto it = std::find(kPage1252.begin(), kPage1252.end(), c);
  return it == kPage1252.end() ? -1 : 0x80 + static_cast<int>(it - kPage1252.begin());
}

std::vector<char32_t> code_points(std::string_view text) {
  std::vector<char32_t> result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    result.push_back(next_code_point(text, &at));
  }
  return result;
}

using Points = std::vector<char32_t>;

// Matches one [set] at pattern[*at], which is behind the bracket; moves *at behind the set.
bool match_set(const Points& pattern, size_t* at, char32_t c) {
  bool negated = false;
  bool found = false;
  if (*at < pattern.size() && pattern[*at] == '^') {
    negated = true;
    ++*at;
  }
  bool first = true;
  while (*at < pattern.size() && (pattern[*at] != ']' || first)) {
    first = false;
    const char32_t low = pattern[*at];
    if (*at + 2 < pattern.size() && pattern[*at + 1] == '-' && pattern[*at + 2] != ']') {
      found = found || (c >= low && c <= pattern[*at + 2]);
      *at += 3;
    } else {
      found = found || c == low;
      ++*at;
    }
  }
  ++*at;
  return found != negated;
}

// Backtracks only to the last %: enough for LIKE, and linear in text times pattern.
bool match_like(const Points& text, const Points& pattern, char32_t escape, bool anchored_end) {
  constexpr size_t kNone = ~size_t{0};
  size_t t = 0, p = 0, star = kNone, star_text = 0;
  while (true) {
    bool matched = false;
    size_t next = p;
    if (p < pattern.size() && (escape == 0 || pattern[p] != escape) && pattern[p] == '%') {
      star = ++p;
      star_text = t;
      continue;
    }
    if (p == pattern.size() && (t == text.size() || !anchored_end)) {
      return true;
    }
    if (p < pattern.size() && t < text.size()) {
      next = p + 1;
      if (escape != 0 && pattern[p] == escape && next < pattern.size()) {
        matched = pattern[next] == text[t];
        ++next;
      } else if (pattern[p] == '_') {
        matched = true;
      } else if (pattern[p] == '[') {
        matched = match_set(pattern, &next, text[t]);
      } else {
        matched = pattern[p] == text[t];
      }
    }
    if (matched) {
      p = next;
      ++t;
    } else if (star != kNone && star_text < text.size()) {
      p = star;
      t = ++star_text;
    } else {
      return false;
    }
  }
}

}  // namespace

char32_t next_code_point(std::string_view text, size_t* at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte((*at)++);
  if (lead < 0x80) {
    return lead;
  }
  const int more = lead >= 0xF0 && lead < 0xF8   ? 3
                   : lead >= 0xE0 && lead < 0xF0 ? 2
                   : lead >= 0xC2 && lead < 0xE0 ? 1
                                                 : 0;
  char32_t value = more == 3 ? lead & 0x07 : more == 2 ? lead & 0x0F : lead & 0x1F;
  if (more == 0 || *at + static_cast<size_t>(more) > text.size()) {
    return kReplacement;
  }
  for (int i = 0; i < more; ++i) {
    if ((byte(*at + static_cast<size_t>(i)) & 0xC0) != 0x80) {
      return kReplacement;
    }
    value = (value << 6) | (byte(*at + static_cast<size_t>(i)) & 0x3F);
  }
  *at += static_cast<size_t>(more);
  return value;
}

void append_utf8(char32_t c, std::string* out) {
  const auto put = [out](char32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

int64_t utf16_length(std::string_view text) {
  int64_t units = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    units += (byte & 0xC0) != 0x80 ? 1 : 0;
    units += byte >= 0xF0 ? 1 : 0;
  }
  return units;
}

std::string utf16_substring(std::string_view text, int64_t start, int64_t length) {
  std::string result;
  int64_t unit = 0;
  for (size_t at = 0; at < text.size() && unit < start + length;) {
    const char32_t c = next_code_point(text, &at);
    const int64_t width = c >= 0x10000 ? 2 : 1;
    if (unit >= start && unit + width <= start + length) {
      append_utf8(c, &result);
    }
    unit += width;
  }
  return result;
}

std::string utf16_bytes(std::string_view text) {
  std::string result;
  const auto put = [&result](char32_t unit) {
    result.push_back(static_cast<char>(unit & 0xFF));
    result.push_back(static_cast<char>((unit >> 8) & 0xFF));
  };
  for (size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, &at);
    if (c >= 0x10000) {
      put(0xD800 + ((c - 0x10000) >> 10));
      put(0xDC00 + ((c - 0x10000) & 0x3FF));
    } else {
      put(c);
    }
  }
  return result;
}

std::string utf8_from_utf16(std::string_view bytes) {
  std::string result;
  const auto unit = [&bytes](size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(bytes[i])) |
           (static_cast<char32_t>(static_cast<unsigned char>(bytes[i + 1])) << 8);
  };
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    char32_t c = unit(i);
    if (c >= 0xD800 && c < 0xDC00 && i + 3 < bytes.size()) {
      const char32_t low = unit(i + 2);
      if (low >= 0xDC00 && low < 0xE000) {
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        i += 2;
      }
    }
    append_utf8(c >= 0xD800 && c < 0xE000 ? kReplacement : c, &result);
  }
  return result;
}

std::string bytes_1252(std::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const int byte = byte_1252(next_code_point(text, &at));
    result.push_back(byte < 0 ? '?' : static_cast<char>(byte));
  }
  return result;
}

std::string utf8_from_1252(std::string_view bytes) {
  std::string result;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    append_utf8(byte >= 0x80 && byte < 0xA0 ? kPage1252[byte - size_t{0x80}] : byte, &result);
  }
  return result;
}

std::string through_1252(std::string text) {
  return is_ascii(text) ? std::move(text) : utf8_from_1252(bytes_1252(text));
}

int64_t declared_length(const SqlType& type, std::string_view text) {
  if (family_of(type.id) == Family::kText && (is_unicode(type.id) || !type.utf8)) {
    // In code page 1252 every character is one byte.
    return utf16_length(text);
  }
  return static_cast<int64_t>(text.size());
}

std::string cut_to_length(const SqlType& type, std::string_view text, int64_t length) {
  if (family_of(type.id) == Family::kText && !type.utf8) {
    return utf16_substring(text, 0, length);
  }
  auto end = static_cast<size_t>(length);
  while (type.utf8 && end > 0 && end < text.size() && (text[end] & 0xC0) == 0x80) {
    --end;  // never half a character
  }
  return std::string(text.substr(0, end));
}

std::string collation_key(std::string_view text) {
  text = trim_right(text);
  if (is_ascii(text)) {
    std::string key(text);
    std::transform(key.begin(), key.end(), key.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return key;
  }
  return map_text(text, fold);
}

int compare_text(std::string_view a, std::string_view b) {
  return collation_key(a).compare(collation_key(b));
}

bool equal_names(std::string_view a, std::string_view b) { return fold_name(a) == fold_name(b); }
std::string fold_name(std::string_view name) { return map_text(name, fold); }
std::string upper_text(std::string_view text) { return map_text(text, unfold); }
std::string lower_text(std::string_view text) { return map_text(text, fold); }

bool like(std::string_view text, std::string_view pattern, char32_t escape, bool blanks_count) {
  const Points folded_text = code_points(map_text(text, fold));
  const Points folded_pattern = code_points(map_text(pattern, fold));
  if (match_like(folded_text, folded_pattern, fold(escape), true)) {
    return true;
  }
  if (blanks_count) {
    return false;
  }
  // Trailing blanks of the text are ignored, those of the pattern are not.
  const Points trimmed = code_points(map_text(trim_right(text), fold));
  return trimmed.size() != folded_text.size() &&
         match_like(trimmed, folded_pattern, fold(escape), true);
}

int64_t pattern_index(std::string_view pattern, std::string_view text) {
  const bool open_start = !pattern.empty() && pattern.front() == '%';
  const bool open_end = pattern.size() > 1 && pattern.back() == '%';
  pattern.remove_prefix(open_start ? 1 : 0);
  pattern.remove_suffix(open_end && !pattern.empty() ? 1 : 0);
  const Points folded_pattern = code_points(map_text(pattern, fold));
  Points rest = code_points(map_text(text, fold));
  int64_t position = 1;
  while (true) {
    if (match_like(rest, folded_pattern, 0, !open_end)) {
      return position;
    }
    if (!open_start || rest.empty()) {
      return 0;
    }
    position += rest.front() >= 0x10000 ? 2 : 1;
    rest.erase(rest.begin());
  }
}

std::string hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

std::string quote_name(std::string_view name) {
  std::string text = "[";
  for (const char c : name) {
    text.append(c == ']' ? 2 : 1, c);
  }
  return text + "]";
}

}  // namespace dstream::standin::sql
