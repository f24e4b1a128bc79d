// For sinks that are made to be looked at and never written to.
#pragma once

#include "core/plugins/guard.h"

namespace dstream::host {

class NoSettles final : public core::SettleHandler {
 public:
  void on_settle(uint64_t, uint32_t, uint32_t, dstream_status, const dstream_error*) override {}
};

}  // namespace dstream::host
