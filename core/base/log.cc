#include "core/base/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "core/base/clock.h"
#include "core/base/log_line.h"

namespace dstream::core {
namespace {

class NullLog final : public Log {
 public:
  using Log::write;
  LogLevel level() const override { return LogLevel::kError; }
  void write(LogLevel, std::string_view, std::span<const LogField>) override {}
};

// spdlog keeps lines of several threads apart; what is in a line is ours.
class StderrLog final : public Log {
 public:
  StderrLog(LogLevel level, LogFormat format, bool color)
      : level_(level),
        format_(format),
        color_(color),
        logger_("dstream", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_level(spdlog::level::trace);
    logger_.set_pattern("%v");
  }

  using Log::write;
  LogLevel level() const override { return level_; }
  void write(LogLevel level, std::string_view message, std::span<const LogField> fields) override {
    if (level < level_) {
      return;
    }
    std::string line = format_log_line(format_, level, clock_.wall_ns(), message, fields, color_);
    logger_.log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
  }

 private:
  const LogLevel level_;
  const LogFormat format_;
  const bool color_;
  SystemClock clock_;
  spdlog::logger logger_;
};

}  // namespace

std::shared_ptr<Log> make_null_log() { return std::make_shared<NullLog>(); }

std::shared_ptr<Log> make_stderr_log(LogLevel level, LogFormat format, bool color) {
  return std::make_shared<StderrLog>(level, format, color);
}

}  // namespace dstream::core
