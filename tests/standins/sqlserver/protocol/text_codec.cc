#include "tests/standins/sqlserver/protocol/text_codec.h"

#include <array>
#include <cstdint>

namespace dstream::standin {
namespace {

constexpr uint32_t kReplacement = 0xFFFD;

// What bytes 0x80-0x9F mean in code page 1252. The five undefined ones map to the control character
// of the same number, as Windows does.
constexpr std::array<uint16_t, 32> kCp1252High = {
    0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008D, 0x017D, 0x008F, 0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178};

bool is_continuation(char byte) { return (static_cast<uint8_t>(byte) & 0xC0) == 0x80; }

// Takes one character off the front of `text`. Overlong forms, surrogates and values past U+10FFFF
// are replaced; the text always gets shorter.
uint32_t take_utf8(std::string_view* text) {
  const auto lead = static_cast<uint8_t>(text->front());
  if (lead < 0x80) {
    text->remove_prefix(1);
    return lead;
  }
  size_t length = 0;
  uint32_t value = 0;
  uint32_t least = 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2, value = lead & 0x1Fu, least = 0x80;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3, value = lead & 0x0Fu, least = 0x800;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4, value = lead & 0x07u, least = 0x10000;
  }
  if (length == 0 || text->size() < length) {
    text->remove_prefix(1);
    return kReplacement;
  }
  for (size_t i = 1; i < length; ++i) {
    if (!is_continuation((*text)[i])) {
      text->remove_prefix(1);
      return kReplacement;
    }
    value = (value << 6) | (static_cast<uint8_t>((*text)[i]) & 0x3Fu);
  }
  if (value < least || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
    text->remove_prefix(1);
    return kReplacement;
  }
  text->remove_prefix(length);
  return value;
}

void put_utf8(uint32_t value, std::string* out) {
  const auto put = [out](uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (value < 0x80) {
    put(value);
  } else if (value < 0x800) {
    put(0xC0 | (value >> 6));
    put(0x80 | (value & 0x3F));
  } else if (value < 0x10000) {
    put(0xE0 | (value >> 12));
    put(0x80 | ((value >> 6) & 0x3F));
    put(0x80 | (value & 0x3F));
  } else {
    put(0xF0 | (value >> 18));
    put(0x80 | ((value >> 12) & 0x3F));
    put(0x80 | ((value >> 6) & 0x3F));
    put(0x80 | (value & 0x3F));
  }
}

uint32_t unit_at(std::string_view bytes, size_t at) {
  return static_cast<uint8_t>(bytes[at]) |
         (static_cast<uint32_t>(static_cast<uint8_t>(bytes[at + 1])) << 8);
}

}  // namespace

void append_utf16(std::string_view utf8, std::string* out) {
  // No character takes more than two bytes of UTF-16 for each of its bytes.
  size_t end = out->size();
  out->resize(end + utf8.size() * 2);
  char* bytes = out->data();
  const auto put_unit = [&](uint32_t unit) {
    bytes[end++] = static_cast<char>(unit & 0xFF);
    bytes[end++] = static_cast<char>(unit >> 8);
  };
  while (!utf8.empty()) {
    const uint32_t value = take_utf8(&utf8);
    if (value < 0x10000) {
      put_unit(value);
    } else {
      put_unit(0xD800 + ((value - 0x10000) >> 10));
      put_unit(0xDC00 + ((value - 0x10000) & 0x3FF));
    }
  }
  out->resize(end);
}

void append_utf8_of_utf16(std::string_view bytes, std::string* out) {
  size_t at = 0;
  while (at + 2 <= bytes.size()) {
    uint32_t value = unit_at(bytes, at);
    at += 2;
    if (value >= 0xD800 && value <= 0xDBFF && at + 2 <= bytes.size()) {
      const uint32_t low = unit_at(bytes, at);
      if (low >= 0xDC00 && low <= 0xDFFF) {
        put_utf8(0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00), out);
        at += 2;
        continue;
      }
    }
    if (value >= 0xD800 && value <= 0xDFFF) {
      value = kReplacement;
    }
    put_utf8(value, out);
  }
  if (at < bytes.size()) {
    put_utf8(kReplacement, out);
  }
}

std::string utf8_of_utf16(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() / 2);
  append_utf8_of_utf16(bytes, &text);
  return text;
}

size_t utf16_units(std::string_view utf8) {
  size_t units = 0;
  while (!utf8.empty()) {
    units += take_utf8(&utf8) < 0x10000 ? 1 : 2;
  }
  return units;
}

void append_cp1252(std::string_view utf8, std::string* out) {
  while (!utf8.empty()) {
    const uint32_t value = take_utf8(&utf8);
    if (value < 0x80 || (value >= 0xA0 && value <= 0xFF)) {
      out->push_back(static_cast<char>(value));
      continue;
    }
    char byte = '?';
    for (size_t i = 0; i < kCp1252High.size(); ++i) {
      if (kCp1252High[i] == value) {
        byte = static_cast<char>(0x80 + i);
      }
    }
    out->push_back(byte);
  }
}

std::string utf8_of_cp1252(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (const char raw : bytes) {
    const auto byte = static_cast<uint8_t>(raw);
    put_utf8(byte >= 0x80 && byte < 0xA0 ? kCp1252High[byte - 0x80] : byte, &text);
  }
  return text;
}

}  // namespace dstream::standin
