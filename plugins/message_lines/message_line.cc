#include "message_line.h"

#include <chrono>
#include <cstdio>

#include "json_check.h"

namespace message_lines {
namespace {

std::string_view view(dstream_bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data), bytes.size};
}

void append_base64(std::string_view bytes, std::string* out) {
  constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = bytes.size() - i;
    const auto byte = [&](size_t n) -> uint32_t {
      return n < left ? static_cast<uint8_t>(bytes[i + n]) : 0u;
    };
    const uint32_t group = byte(0) << 16 | byte(1) << 8 | byte(2);
    *out += kAlphabet[group >> 18];
    *out += kAlphabet[group >> 12 & 63];
    *out += left > 1 ? kAlphabet[group >> 6 & 63] : '=';
    *out += left > 2 ? kAlphabet[group & 63] : '=';
  }
}

// "name":value, in the clearest of the three ways.
void append_content(std::string_view name, dstream_bytes bytes, std::string* out) {
  out->append("\"").append(name);
  const std::string_view text = view(bytes);
  if (bytes.data == nullptr) {
    *out += "\":null";
  } else if (is_json_line(text)) {
    *out += "\":";
    *out += text;
  } else if (is_utf8(text)) {
    *out += "_text\":\"";
    append_escaped(text, out);
    *out += '"';
  } else {
    *out += "_base64\":\"";
    append_base64(text, out);
    *out += '"';
  }
}

// Header values are text by contract; what is none is still kept.
void append_headers(const dstream_message& message, std::string* out) {
  *out += "\"headers\":{";
  for (uint32_t i = 0; i < message.header_count; ++i) {
    const dstream_field& header = message.headers[i];
    *out += i > 0 ? ",\"" : "\"";
    append_escaped(is_utf8(header.name) ? header.name : "?", out);
    *out += "\":\"";
    if (is_utf8(view(header.value))) {
      append_escaped(view(header.value), out);
    } else {
      append_base64(view(header.value), out);
    }
    *out += '"';
  }
  *out += "},";
}

}  // namespace

void append_escaped(std::string_view text, std::string* out) {
  size_t plain = 0;  // where the part that needs no escapes begins
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') {
      continue;
    }
    *out += text.substr(plain, i - plain);
    plain = i + 1;
    if (c == '"' || c == '\\') {
      *out += '\\';
      *out += static_cast<char>(c);
    } else if (c == '\n') {
      *out += "\\n";
    } else if (c == '\t') {
      *out += "\\t";
    } else {
      *out += "\\u00";
      *out += "0123456789abcdef"[c >> 4];
      *out += "0123456789abcdef"[c & 15];
    }
  }
  *out += text.substr(plain);
}

void append_json_line(const dstream_message& message, std::string* out) {
  *out += "{\"topic\":\"";
  append_escaped(message.topic, out);
  *out += "\",";
  if (message.partition >= 0) {
    *out += "\"partition\":" + std::to_string(message.partition) + ",";
  }
  append_content("key", message.key, out);
  *out += ',';
  if (message.header_count > 0) {
    append_headers(message, out);
  }
  *out += "\"timestamp\":";
  if (message.timestamp_ns == 0) {
    *out += "null";
  } else {
    *out += '"';
    append_time(message.timestamp_ns, out);
    *out += '"';
  }
  *out += ',';
  append_content("value", message.value, out);
  *out += "}\n";
}

std::string_view op_word(dstream_op op, const dstream_message& message) {
  if (message.value.data == nullptr) {
    return "tombstone";
  }
  switch (op) {
    case DSTREAM_OP_SNAPSHOT:
      return "snapshot";
    case DSTREAM_OP_INSERT:
      return "insert";
    case DSTREAM_OP_UPDATE:
      return "update";
    case DSTREAM_OP_DELETE:
      return "delete";
    case DSTREAM_OP_TRUNCATE:
      return "truncate";
    default:
      return "message";
  }
}

void append_time(int64_t unix_ns, std::string* out) {
  using namespace std::chrono;
  const sys_time<milliseconds> time{floor<milliseconds>(nanoseconds(unix_ns))};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  char text[80];
  const int size = std::snprintf(
      text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  out->append(text, static_cast<size_t>(size));
}

}  // namespace message_lines
