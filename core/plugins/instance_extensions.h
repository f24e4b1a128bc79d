// What an instance offers beyond its table, behind the guard: its status, snapshots on request,
// checks of the other side, a changed configuration.
//
// Thread rule: find(), run_checks(), set_data_loss_policy() and reconfigure() [worker];
// status_json() and request_snapshot() [any-thread] once find() has returned, and not while the
// instance is destroyed.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "core/plugins/guard.h"
#include "core/plugins/guarded_call.h"
#include "dstream/ext/draft/checks.h"
#include "dstream/ext/draft/data_loss.h"
#include "dstream/ext/draft/limits.h"
#include "dstream/ext/draft/reconfigure.h"
#include "dstream/ext/draft/snapshot.h"
#include "dstream/ext/draft/status.h"

namespace dstream::core {

class InstanceExtensions {
 public:
  explicit InstanceExtensions(GuardedCalls& calls) : calls_(calls) {}

  // Asks the new instance for its tables, once.
  template <class Api, class Instance>
  void find(const Api& api, Instance* self) {
    self_ = self;
    if (api.get_extension == nullptr) {
      return;
    }
    auto ask = [&](const char* id) {
      const void* table = nullptr;
      calls_.run_void("get_extension()", [&] { table = api.get_extension(self, id); });
      return table;
    };
    status_ = static_cast<const dstream_instance_status*>(ask(DSTREAM_EXT_STATUS));
    snapshot_ = static_cast<const dstream_snapshot*>(ask(DSTREAM_EXT_SNAPSHOT));
    limits_ = static_cast<const dstream_limits*>(ask(DSTREAM_EXT_LIMITS));
    data_loss_ = static_cast<const dstream_data_loss*>(ask(DSTREAM_EXT_DATA_LOSS));
    reconfigure_ = static_cast<const dstream_reconfigure*>(ask(DSTREAM_EXT_RECONFIGURE));
    checks_ = static_cast<const dstream_checks*>(ask(DSTREAM_EXT_CHECKS));
    checks_2_ = static_cast<const dstream_checks_2*>(ask(DSTREAM_EXT_CHECKS_2));
    probe_ = static_cast<const dstream_probe*>(ask(DSTREAM_EXT_PROBE));
  }

  // As in guard.h.
  std::optional<std::string> status_json();
  std::optional<CallResult> request_snapshot(const std::string& table);
  std::optional<CallResult> run_checks(uint32_t max_wait_ms, std::string_view position,
                                       const CheckHandler& handler);
  std::optional<CallResult> set_data_loss_policy(dstream_data_loss_policy policy);
  std::optional<CallResult> reconfigure(const std::string& config_json);
  std::optional<uint64_t> message_bytes_max();

 private:
  static void emit(void* context, const dstream_check* check) noexcept;
  void take(const dstream_check* check);
  dstream_status call_checks(uint32_t max_wait_ms, std::string_view position, dstream_error* error);
  CallResult run_probe(uint32_t max_wait_ms, const CheckHandler& handler);

  GuardedCalls& calls_;
  void* self_ = nullptr;
  const dstream_instance_status* status_ = nullptr;
  const dstream_snapshot* snapshot_ = nullptr;
  const dstream_checks* checks_ = nullptr;
  const dstream_checks_2* checks_2_ = nullptr;  // preferred
  const dstream_limits* limits_ = nullptr;
  const dstream_data_loss* data_loss_ = nullptr;
  const dstream_reconfigure* reconfigure_ = nullptr;
  const dstream_probe* probe_ = nullptr;
  // The thread that is inside run_checks(): emit() may come from no other, and never later.
  std::atomic<std::thread::id> checking_thread_{};
  const CheckHandler* handler_ = nullptr;
  uint32_t checks_taken_ = 0;
};

}  // namespace dstream::core
