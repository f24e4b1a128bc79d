// What only the host that runs a pipeline can tell `dstream doctor`.
//
// Thread rule: plain functions.
#pragma once

#include <string>

#include "core/base/error.h"
#include "core/config/json_text.h"
#include "core/plugins/guard.h"

namespace dstream::host {

// Whether the other side has made the sink of `pipeline` wait in the last hour. `status` is the
// answer of GET /status, or why there is none: then, and if the sink does not tell, it is not
// known.
core::InstanceCheck throttle_check(const core::Result<core::JsonObject>& status,
                                   const std::string& pipeline);

}  // namespace dstream::host
