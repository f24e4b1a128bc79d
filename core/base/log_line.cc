#include "core/base/log_line.h"

#include <Poco/JSONString.h>
#include <Poco/UTF8Encoding.h>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "core/base/clock.h"

namespace dstream::core {
namespace {

constexpr const char* kLevelNames[] = {"trace", "debug", "info", "warn", "error"};

bool is_control(char letter) {
  auto byte = static_cast<unsigned char>(letter);
  return byte < 0x20 || byte == 0x7f;
}

// Replaces what is not UTF-8 by U+FFFD, byte by byte.
std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    auto byte = static_cast<unsigned char>(text[at]);
    size_t length = byte < 0x80 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    bool legal = byte < 0x80 || (at + length <= text.size() &&
                                 Poco::UTF8Encoding::isLegal(
                                     reinterpret_cast<const unsigned char*>(text.data() + at),
                                     static_cast<int>(length)));
    out += legal ? text.substr(at, length) : std::string_view("\xef\xbf\xbd");
    at += legal ? length : 1;
  }
  return out;
}

// Line breaks and other control characters as backslash escapes, so that a line stays a line.
std::string escape_controls(std::string_view text, bool escape_quotes) {
  std::string out;
  for (char letter : valid_utf8(text)) {
    if (letter == '\n') {
      out += "\\n";
    } else if (letter == '\t') {
      out += "\\t";
    } else if (letter == '\r') {
      out += "\\r";
    } else if (is_control(letter)) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(letter));
    } else {
      if (escape_quotes && (letter == '"' || letter == '\\')) {
        out += '\\';
      }
      out += letter;
    }
  }
  return out;
}

// A logfmt value: bare where nothing in it could be misread.
std::string quoted_if_needed(std::string_view value) {
  bool bare = !value.empty() && std::none_of(value.begin(), value.end(), [](char letter) {
    return letter == ' ' || letter == '"' || letter == '=' || letter == '\\' || is_control(letter);
  });
  return bare ? valid_utf8(value) : '"' + escape_controls(value, true) + '"';
}

std::string logfmt_key(std::string_view key) {
  std::string out;
  for (char letter : valid_utf8(key)) {
    bool usable = letter != ' ' && letter != '=' && letter != '"' && !is_control(letter);
    out += usable ? letter : '_';
  }
  bool taken = out == "time" || out == "level" || out == "message" || out == "msg";
  return taken || out.empty() ? "field_" + out : out;
}

std::string json_string(std::string_view text) {
  return Poco::toJSON(valid_utf8(text), Poco::JSON_WRAP_STRINGS);
}

std::string text_line(LogLevel level, const std::string& time, std::string_view message,
                      std::span<const LogField> fields, bool color) {
  static constexpr const char* kColors[] = {"\x1b[2m", "\x1b[2m", "\x1b[32m", "\x1b[33m",
                                            "\x1b[31m"};
  std::string name = kLevelNames[static_cast<int>(level)];
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char letter) { return static_cast<char>(letter - 'a' + 'A'); });
  std::string out = time + ' ';
  out += color ? kColors[static_cast<int>(level)] + fmt::format("{:5}", name) + "\x1b[0m"
               : fmt::format("{:5}", name);
  out += ' ' + escape_controls(message, false);
  for (const LogField& field : fields) {
    out += ' ';
    out += color ? "\x1b[2m" + logfmt_key(field.key) + "=\x1b[0m" : logfmt_key(field.key) + "=";
    out += quoted_if_needed(field.value);
  }
  return out;
}

std::string json_line(LogLevel level, const std::string& time, std::string_view message,
                      std::span<const LogField> fields) {
  std::string out = R"({"time":")" + time + R"(","level":")" +
                    kLevelNames[static_cast<int>(level)] + R"(","message":)" + json_string(message);
  for (const LogField& field : fields) {
    out += "," + json_string(logfmt_key(field.key)) + ":" + json_string(field.value);
  }
  return out + "}";
}

std::string logfmt_line(LogLevel level, const std::string& time, std::string_view message,
                        std::span<const LogField> fields) {
  std::string out = "time=" + time + " level=" + kLevelNames[static_cast<int>(level)] +
                    " msg=" + quoted_if_needed(message);
  for (const LogField& field : fields) {
    out += ' ' + logfmt_key(field.key) + '=' + quoted_if_needed(field.value);
  }
  return out;
}

}  // namespace

const char* to_string(LogLevel level) { return kLevelNames[static_cast<int>(level)]; }

std::optional<LogLevel> parse_log_level(std::string_view text) {
  for (size_t i = 0; i < std::size(kLevelNames); ++i) {
    if (text == kLevelNames[i]) {
      return static_cast<LogLevel>(i);
    }
  }
  return std::nullopt;
}

std::optional<LogFormat> parse_log_format(std::string_view text) {
  if (text == "text") {
    return LogFormat::kText;
  }
  if (text == "json") {
    return LogFormat::kJson;
  }
  return text == "logfmt" ? std::optional(LogFormat::kLogfmt) : std::nullopt;
}

std::string utc_time_text(int64_t wall_ns) {
  std::chrono::sys_time<std::chrono::nanoseconds> time{std::chrono::nanoseconds(wall_ns)};
  auto milliseconds = std::chrono::floor<std::chrono::milliseconds>(time);
  auto seconds = std::chrono::floor<std::chrono::seconds>(milliseconds);
  return fmt::format("{:%FT%T}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                     (milliseconds - seconds).count());
}

std::string format_log_line(LogFormat format, LogLevel level, int64_t wall_ns,
                            std::string_view message, std::span<const LogField> fields,
                            bool color) {
  std::string time = utc_time_text(wall_ns);
  switch (format) {
    case LogFormat::kJson:
      return json_line(level, time, message, fields);
    case LogFormat::kLogfmt:
      return logfmt_line(level, time, message, fields);
    case LogFormat::kText:
      break;
  }
  return text_line(level, time, message, fields, color);
}

}  // namespace dstream::core
