// A host for unit tests of plugins: it is asked for configuration, and remembers what it is told.
//
//   dstream::testing::FakeHost host(R"({"topic": "orders", "batch": 10})");
//   MySink sink(host.host());                      // your class directly, or
//   SinkDriver driver(connector, host);            // through its C table: drivers.hpp
//   ...
//   EXPECT_EQ(host.settles().size(), 3u);
//   EXPECT_EQ(host.metric("sent"), 3);
//   EXPECT_TRUE(host.logged("Connected."));
//
// Lifetime: the host must outlive every instance made with it.
// Thread rule: [any-thread].
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "dstream/abi.h"
#include "dstream/host.hpp"
#include "dstream/testing/json.hpp"

namespace dstream::testing {

struct LogLine {
  dstream_log_level level = DSTREAM_LOG_INFO;
  std::string message;
  std::map<std::string, std::string> fields;
};

struct Settle {
  uint64_t delivery = 0;
  uint32_t first = 0;
  uint32_t count = 0;
  dstream_status result = DSTREAM_OK;
  std::string message;  // of the error; empty with OK
  int32_t vendor_code = 0;
};

class FakeHost {
 public:
  // `config_json` is what create() is given, its scalars what dstream.config/1 answers. Fill in
  // your schema's defaults as the real host would. Throws std::invalid_argument for bad JSON.
  explicit FakeHost(std::string config_json = "{}")
      : config_json_(std::move(config_json)), config_(read_json(config_json_)) {
    raw_.struct_size = sizeof raw_;
    raw_.abi_minor = DSTREAM_ABI_MINOR;
    raw_.host_data = this;
    raw_.name = "dstream-testing";
    raw_.version = "0";
    raw_.log_level = &log_level;
    raw_.log = &log;
    raw_.settle = &settle;
    raw_.get_extension = &get_extension;
  }
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;

  const dstream_host* raw() const { return &raw_; }
  Host host() const { return Host(&raw_); }
  const char* config_json() const { return config_json_.c_str(); }

  // Lines below `level` are not kept. At first everything is.
  void set_log_level(dstream_log_level level) { level_ = level; }

  std::vector<LogLine> lines() const {
    std::lock_guard lock(mutex_);
    return lines_;
  }
  // True if a line with this very message was written.
  bool logged(std::string_view message) const {
    std::lock_guard lock(mutex_);
    for (const LogLine& line : lines_) {
      if (line.message == message) return true;
    }
    return false;
  }

  // Every settle() call, in order of arrival.
  std::vector<Settle> settles() const {
    std::lock_guard lock(mutex_);
    return settles_;
  }
  // Items of `delivery` settled with `result` so far.
  uint32_t settled(uint64_t delivery, dstream_status result = DSTREAM_OK) const {
    std::lock_guard lock(mutex_);
    uint32_t count = 0;
    for (const Settle& each : settles_) {
      count += each.delivery == delivery && each.result == result ? each.count : 0;
    }
    return count;
  }

  // The sum of a counter, the value of a gauge, the number of observations of a histogram, by the
  // name it was defined with; 0 if it was not.
  double metric(const std::string& name) const {
    std::lock_guard lock(mutex_);
    auto found = metric_ids_.find(name);
    return found == metric_ids_.end() ? 0 : metrics_[found->second - 1].value;
  }

  // What was done wrong with the host: settled twice, an unknown metric recorded. Empty is right.
  std::vector<std::string> problems() const {
    std::lock_guard lock(mutex_);
    return problems_;
  }

 private:
  struct Instrument {
    uint32_t kind = 0;
    double value = 0;
  };

  static FakeHost& of(const dstream_host* host) { return *static_cast<FakeHost*>(host->host_data); }
  static dstream_log_level log_level(const dstream_host* host) noexcept { return of(host).level_; }

  static void log(const dstream_host* host, dstream_log_level level, const char* message,
                  const dstream_field* fields, uint32_t field_count) noexcept {
    FakeHost& self = of(host);
    if (level < self.level_) return;
    LogLine line{level, message, {}};
    for (uint32_t i = 0; i < field_count; i++) {
      line.fields[fields[i].name] = std::string(view(fields[i].value));
    }
    std::lock_guard lock(self.mutex_);
    self.lines_.push_back(std::move(line));
  }

  static void settle(const dstream_host* host, uint64_t delivery, uint32_t first, uint32_t count,
                     dstream_status result, const dstream_error* error) noexcept {
    FakeHost& self = of(host);
    std::lock_guard lock(self.mutex_);
    if (result != DSTREAM_OK && result != DSTREAM_RETRY && result != DSTREAM_REJECTED) {
      self.problems_.push_back("settled with status " + std::to_string(result));
    }
    for (uint32_t item = first; item - first < count; item++) {
      if (!self.settled_items_.emplace(delivery, item).second) {
        self.problems_.push_back("settled item " + std::to_string(item) + " of delivery " +
                                 std::to_string(delivery) + " twice");
      }
    }
    self.settles_.push_back({delivery, first, count, result, error ? error->message : "",
                             error ? error->vendor_code : 0});
  }

  static const void* get_extension(const dstream_host*, const char* id) noexcept {
    static constexpr dstream_config kConfig = {&config_get};
    static constexpr dstream_metrics kMetrics = {&metric_define, &metric_record};
    std::string_view name(id);
    if (name == DSTREAM_EXT_CONFIG) return &kConfig;
    return name == DSTREAM_EXT_METRICS ? &kMetrics : nullptr;
  }

  // NOLINTNEXTLINE(bugprone-exception-escape): out of memory may end a test.
  static dstream_status config_get(const dstream_host* host, const char* json_pointer,
                                   dstream_value* out) noexcept {
    const FakeHost& self = of(host);
    auto found = self.config_.find(json_pointer);
    if (found == self.config_.end()) return DSTREAM_CONFIG;
    *out = {};
    return std::visit([out](const auto& value) { return set(*out, value); }, found->second);
  }
  static dstream_status set(dstream_value& out, std::nullptr_t) {
    out.type = DSTREAM_NULL;
    return DSTREAM_OK;
  }
  static dstream_status set(dstream_value& out, bool value) {
    out.type = DSTREAM_BOOL;
    out.as.i64 = value ? 1 : 0;
    return DSTREAM_OK;
  }
  static dstream_status set(dstream_value& out, int64_t value) {
    out.type = DSTREAM_INT64;
    out.as.i64 = value;
    return DSTREAM_OK;
  }
  static dstream_status set(dstream_value& out, uint64_t value) {
    out.type = DSTREAM_UINT64;
    out.as.u64 = value;
    return DSTREAM_OK;
  }
  static dstream_status set(dstream_value& out, double value) {
    out.type = DSTREAM_FLOAT64;
    out.as.f64 = value;
    return DSTREAM_OK;
  }
  static dstream_status set(dstream_value& out, const std::string& value) {
    out.type = DSTREAM_STRING;
    out.size = static_cast<uint32_t>(value.size());
    out.as.data = bytes(value).data;
    return DSTREAM_OK;
  }
  static dstream_status set(dstream_value& out, Container) {
    out.type = DSTREAM_ABSENT;
    return DSTREAM_UNSUPPORTED;
  }

  static uint64_t metric_define(const dstream_host* host, const char* name, uint32_t kind,
                                const char*, const char*) noexcept {
    FakeHost& self = of(host);
    std::lock_guard lock(self.mutex_);
    auto [at, added] = self.metric_ids_.emplace(name, self.metrics_.size() + 1);
    if (added) self.metrics_.push_back({kind, 0});
    return at->second;
  }
  static void metric_record(const dstream_host* host, uint64_t metric, double value) noexcept {
    FakeHost& self = of(host);
    std::lock_guard lock(self.mutex_);
    if (metric == 0 || metric > self.metrics_.size()) {
      self.problems_.push_back("recorded metric " + std::to_string(metric) + ", which is none");
      return;
    }
    Instrument& instrument = self.metrics_[metric - 1];
    switch (instrument.kind) {
      case 0:
        instrument.value += value;
        break;
      case 1:
        instrument.value = value;
        break;
      default:
        instrument.value += 1;
        break;
    }
  }

  dstream_host raw_{};
  const std::string config_json_;
  const Scalars config_;
  dstream_log_level level_ = DSTREAM_LOG_TRACE;
  mutable std::mutex mutex_;  // guards all below
  std::vector<LogLine> lines_;
  std::vector<Settle> settles_;
  std::set<std::pair<uint64_t, uint32_t>> settled_items_;
  std::map<std::string, uint64_t> metric_ids_;
  std::vector<Instrument> metrics_;
  std::vector<std::string> problems_;
};

}  // namespace dstream::testing
