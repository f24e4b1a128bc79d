// What a plugin gets from the host: configuration, logging, settling, metrics; and how it reports
// errors and hears of a stop.
//
//   explicit MySink(dstream::Host host)
//       : host_(host), topic_(host.config<std::string>("/topic")),
//         sent_(host.counter("sent", "bytes", "Bytes handed to the broker.")) {}
//   ...
//   host_.info("Connected.", {{"broker", name}, {"attempt", attempts}});
//   sent_.add(size);
//   throw dstream::Error(DSTREAM_DENIED, "The broker refused the token.", vendor_code);
//
// Thread rule: everything here may be used from any thread, from the constructor of your class
// until its destructor has returned.
#pragma once

#include <chrono>
#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "dstream/abi.h"

namespace dstream {

using Millis = std::chrono::milliseconds;

// Borrowed bytes of a string, as the C structs carry them; nothing is copied.
inline dstream_bytes bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view view(dstream_bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data), bytes.size};
}

// Ends the call it is thrown from with a status. The status tells the host what to do:
//
//   DSTREAM_RETRY        transient: the host waits and makes the same call again
//   DSTREAM_REOPEN       the connection is gone: close(), wait, open() at the last checkpoint
//   DSTREAM_CONFIG       the configuration is wrong; start the message with the key, "/topic: ..."
//   DSTREAM_DENIED       credentials were refused: retried for some minutes, keys rotate
//   DSTREAM_DATA_LOSS    a source cannot continue at the position it was given: changes are gone
//   DSTREAM_UNSUPPORTED  the other side, or this build, cannot do what is asked
//   DSTREAM_FATAL        anything else; the pipeline stops
//   DSTREAM_END          from read(): no more records will ever come; the pipeline drains and stops
//   DSTREAM_CANCELLED    from open(), read(): a stop request was seen
//
// The message is for an operator: one sentence, what failed and where, no secrets. Any other
// std::exception ends the call with FATAL and its what(); std::bad_alloc with RETRY.
class Error : public std::runtime_error {
 public:
  // `vendor_code` and `sqlstate` are the other side's own numbers, for people who search for them.
  // `retry_after` replaces the host's back-off where the other side said how long to wait.
  Error(dstream_status status_, const std::string& message, int32_t vendor_code_ = 0,
        Millis retry_after_ = Millis{0}, std::string_view sqlstate_ = {})
      : std::runtime_error(message),
        status(status_),
        vendor_code(vendor_code_),
        retry_after(retry_after_) {
    sqlstate_.copy(sqlstate, sizeof sqlstate - 1);
  }
  dstream_status status;
  int32_t vendor_code;
  Millis retry_after;
  char sqlstate[8] = {};
};

// A key and a value for a log line. Made from text, numbers and booleans in place.
struct LogField {
  LogField(const char* key_, std::string_view value_) : key(key_), value(value_) {}
  LogField(const char* key_, const char* value_) : key(key_), value(value_) {}
  template <class T>
  requires std::is_arithmetic_v<T> LogField(const char* key_, T value_)
      : key(key_), value(text_of(value_)) {}
  const char* key;
  std::string value;

 private:
  template <class T>
  static std::string text_of(T value_) {
    if constexpr (std::is_same_v<T, bool>) {
      return value_ ? "true" : "false";
    } else {
      return std::to_string(value_);
    }
  }
};

// One instrument. Moving it costs a relaxed atomic operation; a default-made one, or one the host
// refused, does nothing. Copyable; valid as long as the instance.
class Metric {
 public:
  Metric() = default;
  Metric(const dstream_host* host, const dstream_metrics* metrics, uint64_t id)
      : host_(host), metrics_(metrics), id_(id) {}

  // A counter grows by `value` >= 0, a gauge becomes it, a histogram (of seconds) takes it in.
  void record(double value) const {
    if (id_ != 0) metrics_->record(host_, id_, value);
  }
  void add(double value = 1) const { record(value); }
  void set(double value) const { record(value); }
  bool enabled() const { return id_ != 0; }

 private:
  const dstream_host* host_ = nullptr;
  const dstream_metrics* metrics_ = nullptr;
  uint64_t id_ = 0;
};

// The host as one instance sees it. Copyable: keep one as a member.
class Host {
 public:
  explicit Host(const dstream_host* host)
      : host_(host),
        config_(static_cast<const dstream_config*>(host->get_extension(host, DSTREAM_EXT_CONFIG))) {
  }

  // --- configuration -----------------------------------------------------------------------
  // Values are looked up by JSON Pointer: "/topic", "/tables/0/name". The host has checked them
  // against the connector's config_schema and filled in its defaults. T is bool, an integer, a
  // floating point number, std::string or Millis (from an integer).
  // Throws Error(DSTREAM_CONFIG), naming the pointer, if nothing is there, or it does not fit T.
  template <class T>
  T config(const char* pointer) const {
    dstream_value value{};
    if (lookup(pointer, value) != DSTREAM_OK || value.type == DSTREAM_NULL) {
      throw Error(DSTREAM_CONFIG, std::string(pointer) + ": missing");
    }
    return convert<T>(pointer, value);
  }

  // The same with a default of the plugin's own: `fallback` if nothing is there, or null.
  template <class T>
  T config_or(const char* pointer, T fallback) const {
    dstream_value value{};
    dstream_status status = lookup(pointer, value);
    if (status == DSTREAM_CONFIG || (status == DSTREAM_OK && value.type == DSTREAM_NULL)) {
      return fallback;
    }
    return convert<T>(pointer, value);
  }

  // Every element of an array of scalars; empty if nothing is there.
  template <class T>
  std::vector<T> config_list(const char* pointer) const {
    std::vector<T> out;
    while (has_config((pointer + ("/" + std::to_string(out.size()))).c_str())) {
      out.push_back(config<T>((pointer + ("/" + std::to_string(out.size()))).c_str()));
    }
    return out;
  }

  // True if anything is there, objects and arrays included.
  bool has_config(const char* pointer) const {
    dstream_value value{};
    return lookup(pointer, value) != DSTREAM_CONFIG;
  }

  // --- logging -------------------------------------------------------------------------------
  // `message` is a sentence with a capital and a full stop; what varies goes into the fields.
  // ERROR only if an operator must act, nothing per record. Skip costly preparation with logs().
  bool logs(dstream_log_level level) const { return level >= host_->log_level(host_); }
  void log(dstream_log_level level, const std::string& message,
           std::initializer_list<LogField> fields = {}) const {
    if (!logs(level)) return;
    std::vector<dstream_field> raw;
    raw.reserve(fields.size());
    for (const LogField& field : fields) raw.push_back({field.key, bytes(field.value)});
    host_->log(host_, level, message.c_str(), raw.data(), static_cast<uint32_t>(raw.size()));
  }
  void debug(const std::string& message, std::initializer_list<LogField> fields = {}) const {
    log(DSTREAM_LOG_DEBUG, message, fields);
  }
  void info(const std::string& message, std::initializer_list<LogField> fields = {}) const {
    log(DSTREAM_LOG_INFO, message, fields);
  }
  void warn(const std::string& message, std::initializer_list<LogField> fields = {}) const {
    log(DSTREAM_LOG_WARN, message, fields);
  }
  void error(const std::string& message, std::initializer_list<LogField> fields = {}) const {
    log(DSTREAM_LOG_ERROR, message, fields);
  }

  // --- settling (sinks) ------------------------------------------------------------------------
  // Items [first, first + count) of a delivery are done. Every item that write() took is settled
  // exactly once, in any order, from any thread; cheap enough to be called item by item. After the
  // last one, forget the delivery: its memory may be gone when this returns.
  void settle(uint64_t delivery, uint32_t first, uint32_t count, dstream_status result = DSTREAM_OK,
              const dstream_error* error = nullptr) const {
    host_->settle(host_, delivery, first, count, result, error);
  }
  // Items that were not delivered. RETRY: the host closes, opens and writes again from the lowest
  // item that is not settled, so that the order per key is kept. REJECTED: they can never be
  // delivered (too large, malformed); the pipeline stops or puts them in the dead letters.
  void settle_failed(uint64_t delivery, uint32_t first, uint32_t count, dstream_status result,
                     std::string_view reason, int32_t vendor_code = 0) const {
    dstream_error error{};
    error.struct_size = sizeof error;
    error.vendor_code = vendor_code;
    reason.copy(error.message, sizeof error.message - 1);
    host_->settle(host_, delivery, first, count, result, &error);
  }

  // --- metrics -----------------------------------------------------------------------------------
  // Exported as dstream_<connector id>_<name>[_<unit>][_total], labelled with pipeline and plugin.
  // `name` and `unit` are [a-z0-9_]; units are base units: "bytes", "seconds", "".
  Metric counter(const char* name, const char* unit, const char* help) const {
    return define(name, 0, unit, help);
  }
  Metric gauge(const char* name, const char* unit, const char* help) const {
    return define(name, 1, unit, help);
  }
  Metric histogram(const char* name, const char* help) const {
    return define(name, 2, "seconds", help);
  }

  const dstream_host* raw() const { return host_; }

 private:
  dstream_status lookup(const char* pointer, dstream_value& value) const {
    return config_ != nullptr ? config_->get(host_, pointer, &value)
                              : dstream_status{DSTREAM_CONFIG};
  }

  template <class T>
  static T convert(const char* pointer, const dstream_value& value) {
    if constexpr (std::is_same_v<T, bool>) {
      if (value.type == DSTREAM_BOOL) return value.as.i64 != 0;
    } else if constexpr (std::is_same_v<T, Millis>) {
      return Millis(convert<Millis::rep>(pointer, value));
    } else if constexpr (std::integral<T>) {
      if (value.type == DSTREAM_INT64 || value.type == DSTREAM_UINT64) {
        bool is_signed = value.type == DSTREAM_INT64;
        if (is_signed ? !std::in_range<T>(value.as.i64) : !std::in_range<T>(value.as.u64)) {
          throw Error(DSTREAM_CONFIG, std::string(pointer) + ": out of range");
        }
        return is_signed ? static_cast<T>(value.as.i64) : static_cast<T>(value.as.u64);
      }
    } else if constexpr (std::floating_point<T>) {
      if (value.type == DSTREAM_FLOAT64) return static_cast<T>(value.as.f64);
      if (value.type == DSTREAM_INT64) return static_cast<T>(value.as.i64);
    } else {
      if (value.type == DSTREAM_STRING) {
        return T(reinterpret_cast<const char*>(value.as.data), value.size);
      }
    }
    throw Error(DSTREAM_CONFIG, std::string(pointer) + ": wrong type");
  }

  Metric define(const char* name, uint32_t kind, const char* unit, const char* help) const {
    const auto* metrics =
        static_cast<const dstream_metrics*>(host_->get_extension(host_, DSTREAM_EXT_METRICS));
    if (metrics == nullptr) return {};
    return {host_, metrics, metrics->define(host_, name, kind, unit, help)};
  }

  const dstream_host* host_;
  const dstream_config* config_;
};

// Hears of a stop. Give your class a public member `dstream::StopToken stop`: the layer sets it
// when the host asks, and clears it after close(). Wait on it wherever you would sleep:
//
//   if (stop.wait_for(std::min(interval_, max_wait))) return std::nullopt;
//
// A source that was stopped and returns nothing from read() has ended with CANCELLED; it may first
// return what it still holds.
class StopToken {
 public:
  void request() noexcept {
    {
      std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    wake_.notify_all();
  }
  void reset() {
    std::lock_guard lock(mutex_);
    stopped_ = false;
  }
  bool stopped() const {
    std::lock_guard lock(mutex_);
    return stopped_;
  }
  // Returns when `duration` has passed, or at once when a stop is requested; true if stopped.
  bool wait_for(Millis duration) {
    std::unique_lock lock(mutex_);
    return wake_.wait_for(lock, duration, [this] { return stopped_; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopped_ = false;
};

}  // namespace dstream
