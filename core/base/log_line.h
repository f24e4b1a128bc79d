// The three forms of a log line. Times are ISO 8601 in UTC with milliseconds. Whatever a field or a
// message holds, a line stays one line and a terminal sees no control characters.
//
// Thread rule: plain functions; [any-thread].
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/base/log.h"

namespace dstream::core {

// "info"; also what parse_log_level() reads.
const char* to_string(LogLevel level);
std::optional<LogLevel> parse_log_level(std::string_view text);
// "text", "json", "logfmt".
std::optional<LogFormat> parse_log_format(std::string_view text);

// "2026-07-14T09:30:00.125Z"; `wall_ns` is Unix time.
std::string utc_time_text(int64_t wall_ns);

// Without the line break. A field named like one of the line's own (time, level, message, msg) is
// written as field_<name>. `color` concerns kText only.
std::string format_log_line(LogFormat format, LogLevel level, int64_t wall_ns,
                            std::string_view message, std::span<const LogField> fields,
                            bool color = false);

}  // namespace dstream::core
