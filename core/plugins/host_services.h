// What the host offers to one plugin instance: the dstream_host struct and what is behind it.
//
// Thread rule: [any-thread] after create(); a callback never throws, and never calls the plugin.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "core/base/error.h"
#include "core/plugins/config_values.h"
#include "core/plugins/guard.h"
#include "core/plugins/misbehaviour.h"
#include "dstream/abi.h"

namespace dstream::core {

// Where settle() of one instance goes. [any-thread]
class SettleReceiver {
 public:
  virtual ~SettleReceiver() = default;
  virtual void settle(uint64_t delivery_id, uint32_t first, uint32_t count, dstream_status result,
                      const dstream_error* error) = 0;
};

class HostServices {
 public:
  static constexpr uint32_t kMetricsMax = 256;  // instruments one instance may define

  // Errors: DS-PLUGIN-CONFIG-JSON.
  static Result<std::unique_ptr<HostServices>> create(const InstanceOptions& options,
                                                      const std::string& connector_id);
  HostServices(const HostServices&) = delete;
  HostServices& operator=(const HostServices&) = delete;

  // For create(). Stays where it is until this object goes.
  const dstream_host* host() const { return &host_; }
  Misbehaviour& misbehaviour() { return misbehaviour_; }
  // Set before the plugin's create(); a source has none, and settle() is then misbehaviour.
  void set_settle_receiver(SettleReceiver* receiver) { receiver_ = receiver; }

 private:
  // One instrument a plugin has defined. `kind` is written last.
  struct Instrument {
    std::atomic<int> kind{-1};  // as dstream_metrics::define
    void* instrument = nullptr;
    std::string name;
  };

  HostServices(const InstanceOptions& options, const std::string& connector_id,
               ConfigValues config);
  static HostServices& of(const dstream_host* host);
  static dstream_log_level log_level(const dstream_host* host) noexcept;
  static void log(const dstream_host* host, dstream_log_level level, const char* message,
                  const dstream_field* fields, uint32_t field_count) noexcept;
  static void settle(const dstream_host* host, uint64_t delivery_id, uint32_t first, uint32_t count,
                     dstream_status result, const dstream_error* error) noexcept;
  static const void* get_extension(const dstream_host* host, const char* id) noexcept;
  static dstream_status config_get(const dstream_host* host, const char* json_pointer,
                                   dstream_value* out) noexcept;
  static uint64_t metric_define(const dstream_host* host, const char* name, uint32_t kind,
                                const char* unit, const char* help) noexcept;
  static void metric_record(const dstream_host* host, uint64_t metric, double value) noexcept;

  void write_log(dstream_log_level level, const char* message, const dstream_field* fields,
                 uint32_t field_count) const;
  uint64_t define_metric(const char* name, uint32_t kind, const char* unit, const char* help);
  static const dstream_config kConfigExtension;
  static const dstream_metrics kMetricsExtension;

  dstream_host host_{};
  const std::string pipeline_;
  const std::string connector_id_;
  Log* const log_;
  MetricsRegistry* const metrics_;
  const ConfigValues config_;
  Misbehaviour misbehaviour_;
  SettleReceiver* receiver_ = nullptr;
  std::mutex define_mutex_;  // guards adding to the instruments, not reading them
  uint32_t instrument_count_ = 0;
  std::unique_ptr<Instrument[]> instruments_;
};

// The name an instrument is exported under: "dstream_<connector id>_<name>[_<unit>][_total]".
// Empty if `name` or `unit` has a character other than a-z, 0-9 and '_', or is too long.
std::string exported_metric_name(const std::string& connector_id, const std::string& name,
                                 const std::string& unit, bool counter);

}  // namespace dstream::core
