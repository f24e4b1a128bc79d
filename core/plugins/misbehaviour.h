// Keeps account of a plugin instance's breaches of the contract.
//
// Every breach is counted in dstream_plugin_misbehaviour_total{pipeline,plugin,kind}. A breach that
// makes the result of a call unusable (fatal()) also decides the outcome: from then on every call
// ends with FATAL and the first breach's sentence, until close(). The others (note()) are logged,
// once a kind.
//
// Thread rule: [any-thread].
#pragma once

#include <atomic>
#include <mutex>
#include <set>
#include <string>

#include "core/base/log.h"
#include "core/base/metrics.h"

namespace dstream::core {

class Misbehaviour {
 public:
  // `log` and `metrics` may be null.
  Misbehaviour(std::string pipeline, std::string plugin, Log* log, MetricsRegistry* metrics);

  // `kind` is a short stable word for the metric; `sentence` goes on after the plugin's name.
  void note(const char* kind, const std::string& sentence);
  void fatal(const char* kind, const std::string& sentence);

  bool is_fatal() const { return fatal_.load(std::memory_order_acquire); }
  // Starts with the plugin's name; empty if nothing fatal happened.
  std::string fatal_message() const;
  void forgive();

 private:
  void count(const char* kind);

  const std::string pipeline_;
  const std::string plugin_;
  Log* const log_;
  MetricsRegistry* const metrics_;
  std::atomic<bool> fatal_{false};
  mutable std::mutex mutex_;  // guards all below
  std::string fatal_message_;
  std::set<std::string> logged_kinds_;
};

}  // namespace dstream::core
