#include "core/plugins/misbehaviour.h"

#include <utility>

namespace dstream::core {

Misbehaviour::Misbehaviour(std::string pipeline, std::string plugin, Log* log,
                           MetricsRegistry* metrics)
    : pipeline_(std::move(pipeline)), plugin_(std::move(plugin)), log_(log), metrics_(metrics) {}

void Misbehaviour::note(const char* kind, const std::string& sentence) {
  count(kind);
  {
    std::lock_guard lock(mutex_);
    if (!logged_kinds_.insert(kind).second) {
      return;
    }
  }
  if (log_ != nullptr) {
    log_->write(LogLevel::kWarn, "The plugin broke its contract: it " + sentence,
                {{"pipeline", pipeline_}, {"plugin", plugin_}, {"kind", kind}});
  }
}

void Misbehaviour::fatal(const char* kind, const std::string& sentence) {
  count(kind);
  std::lock_guard lock(mutex_);
  if (fatal_message_.empty()) {
    fatal_message_ = plugin_ + " broke its contract: it " + sentence;
  }
  fatal_.store(true, std::memory_order_release);
}

std::string Misbehaviour::fatal_message() const {
  std::lock_guard lock(mutex_);
  return fatal_message_;
}

void Misbehaviour::forgive() {
  std::lock_guard lock(mutex_);
  fatal_message_.clear();
  fatal_.store(false, std::memory_order_release);
}

void Misbehaviour::count(const char* kind) {
  if (metrics_ != nullptr) {
    metrics_
        ->counter("dstream_plugin_misbehaviour_total", "Breaches of the plugin contract, by kind.",
                  {{"pipeline", pipeline_}, {"plugin", plugin_}, {"kind", kind}})
        .add();
  }
}

}  // namespace dstream::core
