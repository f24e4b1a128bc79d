// The border between the engine and a plugin's functions.
//
// Every call goes through a guard: it checks state and arguments on the way in, results on the way
// out, and leaves a breadcrumb, so that a crash or a breach of contract names plugin and call. A
// breach (a batch with a bad stride, a record settled twice, a call that overran its time) becomes
// status FATAL with a message that starts with the plugin's name, never undefined behaviour here.
//
// Thread rule: as the ABI says: [worker] functions one at a time per instance, request_stop()
// [any-thread].
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/metrics.h"
#include "core/plugins/registry.h"
#include "dstream/abi.h"

namespace dstream::core {

// What a call came back with. `error` is filled for negative statuses.
struct CallResult {
  dstream_status status = DSTREAM_OK;
  dstream_error error{};

  bool ok() const { return status == DSTREAM_OK; }
  std::string_view message() const { return error.message; }
};

// Where a sink's settle() calls arrive, already checked against the deliveries that are open.
// [any-thread]
class SettleHandler {
 public:
  virtual ~SettleHandler() = default;
  virtual void on_settle(uint64_t delivery_id, uint32_t first, uint32_t count,
                         dstream_status result, const dstream_error* error) = 0;
};

// What an instance is made from. Pointers are borrowed and outlive the guard.
struct InstanceOptions {
  std::string pipeline;     // for log lines and metric labels
  std::string config_json;  // valid against the connector's schema, defaults filled in
  Log* log = nullptr;
  MetricsRegistry* metrics = nullptr;
  const Clock* clock = nullptr;
};

class GuardedSource {
 public:
  virtual ~GuardedSource() = default;  // closes if open, then destroys
  virtual CallResult open(std::string_view position) = 0;
  // OK: `*out` has 1..max_records records that passed the checks. The caller releases it once,
  // through release_batch() (I7).
  virtual CallResult read(uint32_t max_records, uint32_t max_wait_ms, dstream_batch** out) = 0;
  virtual CallResult commit(std::string_view position) = 0;
  virtual void request_stop() = 0;
  virtual void close() = 0;
};

class GuardedSink {
 public:
  virtual ~GuardedSink() = default;
  virtual CallResult open() = 0;
  // Accepted deliveries are remembered until their last item is settled or close() is called.
  virtual CallResult write(const dstream_delivery& delivery, uint32_t first,
                           uint32_t* accepted) = 0;
  virtual CallResult poll(uint32_t max_wait_ms) = 0;
  virtual CallResult flush(uint32_t max_wait_ms) = 0;
  virtual void request_stop() = 0;
  virtual void close() = 0;
  virtual bool wants_messages() const = 0;
  // True if the sink settles from its own threads only (poll is NULL).
  virtual bool has_poll() const = 0;
};

// Calls create(). Errors: DS-PLUGIN-CREATE with what the plugin said.
Result<std::unique_ptr<GuardedSource>> make_source(const LoadedConnector& connector,
                                                   const InstanceOptions& options);
Result<std::unique_ptr<GuardedSink>> make_sink(const LoadedConnector& connector,
                                               const InstanceOptions& options,
                                               SettleHandler* settle_handler);

// Calls batch->release exactly once. [any-thread]
void release_batch(dstream_batch* batch);

// Writes plugin and call of the crashed thread to stderr, then lets the signal take its course.
// Installed once by main.
void install_crash_reporter();

}  // namespace dstream::core
