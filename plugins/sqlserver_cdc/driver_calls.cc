#include "plugins/sqlserver_cdc/driver_calls.h"

namespace dstream::sqlserver {

bool SilenceWatch::look(Time now) {
  std::erase_if(watched_, [](const Watched& each) { return each.calls.expired(); });
  for (Watched& each : watched_) {
    const std::shared_ptr<DriverCalls> calls = each.calls.lock();
    if (calls == nullptr || calls->is_given_up()) {
      continue;
    }
    const uint64_t count = calls->count();
    if (count != each.count) {
      each.count = count;
      each.since = now;
    } else if (count % 2 != 0 && now - each.since > calls->limit()) {
      calls->give_up();
      has_given_up_ = true;
    }
  }
  return has_given_up_;
}

}  // namespace dstream::sqlserver
