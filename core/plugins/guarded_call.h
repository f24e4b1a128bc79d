// What the guards of sources and sinks share: one call into a plugin, timed, named and checked.
//
// Thread rule: one call at a time per instance; in_progress() [any-thread].
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/plugins/breadcrumb.h"
#include "core/plugins/guard.h"
#include "core/plugins/host_services.h"

namespace dstream::core {

// What a positive status may be for a call; errors are always allowed.
enum AllowedStatus : uint32_t {
  kAllowOk = 1u << DSTREAM_OK,
  kAllowAgain = 1u << DSTREAM_AGAIN,
  kAllowEnd = 1u << DSTREAM_END,
  kAllowCancelled = 1u << DSTREAM_CANCELLED
};

class GuardedCalls {
 public:
  static constexpr int64_t kNoLimit = -1;
  static constexpr int64_t kGraceMs = 1000;        // the ABI's "plus a second"
  static constexpr int64_t kStopGraceMs = 10'000;  // from request_stop() to the call's return

  GuardedCalls(const LoadedConnector& connector, const InstanceOptions& options,
               std::unique_ptr<HostServices> services);

  // Runs `body(dstream_error*) -> dstream_status` as the call `name` ("read()"), which may take
  // `max_wait_ms` and the grace. The result is OK, an allowed status, or an error with a message.
  template <class Body>
  CallResult run(const char* name, int64_t max_wait_ms, uint32_t allowed, Body&& body) {
    CallResult result;
    result.error.struct_size = sizeof result.error;
    int64_t started = begin(name);
    {
      Breadcrumb crumb(plugin_, name);
      result.status = body(&result.error);
    }
    end(name, started, max_wait_ms);
    check(name, allowed, result);
    return result;
  }
  // The same for functions that return nothing and may take what they need.
  template <class Body>
  void run_void(const char* name, Body&& body) {
    Breadcrumb crumb(plugin_, name);
    body();
  }

  // A call beside those of the worker: named and timed on its own, and a breach in it is noted
  // without ending the pipeline. [any-thread]
  template <class Body>
  CallResult run_beside(const char* name, uint32_t allowed, Body&& body) {
    CallResult result;
    result.error.struct_size = sizeof result.error;
    int64_t started = clock_.monotonic_ns();
    {
      Breadcrumb crumb(plugin_, name);
      result.status = body(&result.error);
    }
    note_overrun(name, started, clock_.monotonic_ns(), 0);
    check_beside(name, allowed, result);
    return result;
  }

  // FATAL with the sentence of the first breach, if there was one.
  std::optional<CallResult> breach() const;
  CallResult breach(const char* kind, const std::string& sentence);
  void stop_requested();
  // The instance was closed: past breaches and stop requests are forgotten.
  void reset();

  const char* plugin() const { return plugin_; }
  const dstream_host* host() const { return services_->host(); }
  HostServices& services() { return *services_; }
  Misbehaviour& misbehaviour() { return services_->misbehaviour(); }
  std::optional<CallInProgress> in_progress() const;

 private:
  int64_t begin(const char* name);
  void end(const char* name, int64_t started, int64_t max_wait_ms);
  void check(const char* name, uint32_t allowed, CallResult& result);
  void check_beside(const char* name, uint32_t allowed, CallResult& result);
  void note_overrun(const char* name, int64_t started, int64_t now, int64_t max_wait_ms);
  void make_readable(CallResult& result) const;

  const char* const plugin_;  // the connector's id: in the library, which is never unloaded
  const Clock& clock_;
  std::unique_ptr<HostServices> services_;
  std::atomic<const char*> call_{nullptr};
  std::atomic<int64_t> call_started_ns_{0};
  std::atomic<int64_t> stop_requested_ns_{0};  // 0: not requested
};

// The error create() came back with, as make_source() and make_sink() return it.
Error create_error(const GuardedCalls& calls, const CallResult& result);

// Calls create() of a table of sources or sinks; *self stays NULL unless it worked.
template <class Api, class Instance>
Result<void> create_instance(GuardedCalls& calls, const Api& api, const std::string& config_json,
                             Instance** self) {
  CallResult result =
      calls.run("create()", GuardedCalls::kNoLimit, kAllowOk, [&](dstream_error* error) {
        return api.create(calls.host(), config_json.c_str(), self, error);
      });
  if (result.ok() && *self == nullptr) {
    result = calls.breach("create", "returned OK from create() without an instance.");
  }
  if (!result.ok()) {
    *self = nullptr;  // what a failed create() leaves behind is not an instance
    return fail(create_error(calls, result));
  }
  return {};
}

}  // namespace dstream::core
