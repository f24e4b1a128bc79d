// Structured log lines: a sentence and key=value fields. Nothing per record is logged.
//
// ERROR only if an operator must act, WARN if something unexpected happened but nothing is lost,
// INFO for start, stop and state changes, DEBUG for the curious.
#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace dstream::core {

enum class LogLevel { kTrace = 0, kDebug, kInfo, kWarn, kError };  // as dstream_log_level
enum class LogFormat { kText, kJson, kLogfmt };

struct LogField {
  std::string_view key;
  std::string value;
};

// Thread rule: [any-thread].
class Log {
 public:
  virtual ~Log() = default;
  virtual LogLevel level() const = 0;
  // `message` is a sentence with a capital and a full stop.
  virtual void write(LogLevel level, std::string_view message,
                     std::span<const LogField> fields) = 0;

  void write(LogLevel level, std::string_view message,
             std::initializer_list<LogField> fields = {}) {
    if (level >= this->level()) {
      write(level, message, std::span<const LogField>(fields.begin(), fields.size()));
    }
  }
};

// Drops everything; for tests.
std::shared_ptr<Log> make_null_log();
// Writes to stderr; colour only if `color`.
std::shared_ptr<Log> make_stderr_log(LogLevel level, LogFormat format, bool color);

}  // namespace dstream::core
