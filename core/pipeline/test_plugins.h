// Connectors for the engine's tests, linked in and run through the real guard. What they share with
// a test is a Stage, found by the name in their configuration.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/log.h"
#include "core/base/metrics.h"
#include "core/pipeline/pipeline.h"
#include "core/plugins/registry.h"
#include "dstream/plugin.hpp"

namespace dstream::core::testing {

// Something a test waits for, at most half a minute.
class Event {
 public:
  void set() {
    std::lock_guard lock(mutex_);
    is_set_ = true;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [this] { return is_set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_set_ = false;
};

// What one pipeline of a test reads from and writes to; outlives the pipeline and its restarts.
struct Stage {
  // The source: records 1..source_records, position "n", then END, or AGAIN if it never ends.
  int64_t source_records = 1000;
  bool source_ends = true;
  uint32_t batch_records = 100;
  size_t payload_bytes = 20;
  // Called before a call does its work; may throw dstream::Error, or wait.
  std::function<void(int64_t next)> before_read;
  std::function<void()> before_open;
  std::function<void()> before_write;
  // open() of the sink waits for the stop, as for a broker that does not answer.
  bool sink_waits_in_open = false;
  // Settles item by item on a thread of the sink's own, instead of at once in write().
  bool settle_from_thread = false;

  std::mutex mutex;  // guards all below
  std::vector<int64_t> delivered;
  std::vector<std::string> opened_at;
  std::vector<std::string> committed;
  std::vector<std::string> topics;
  std::atomic<int64_t> batches_alive{0};
  Event idle;  // the source has nothing more to say
  Event sink_opens;
  Event delivered_enough;
  size_t enough = SIZE_MAX;

  // Registers under a new name, which goes into the configuration of both connectors.
  static std::shared_ptr<Stage> make(std::string* config_json);
  static Stage* find(std::string_view config_json);
  void deliver(int64_t number, const char* topic);
};

// A registry with source "test-source" and sinks "test-records", "test-messages".
const PluginRegistry& test_registry();

// Log lines are kept; nothing is printed.
class MemoryLog final : public Log {
 public:
  using Log::write;
  LogLevel level() const override { return LogLevel::kInfo; }
  void write(LogLevel level, std::string_view message, std::span<const LogField> fields) override;
  bool contains(std::string_view text) const { return count(text) > 0; }
  int64_t count(std::string_view text) const;  // lines

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

}  // namespace dstream::core::testing
