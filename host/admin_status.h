// The state of a pipeline as JSON: what `GET /status` has for each.
//
// Thread rule: plain functions.
#pragma once

#include <cstdint>
#include <string>

#include "core/config/json_text.h"
#include "host/admin.h"

namespace dstream::host {

// `wall_ns` is now, for what is told as an age.
core::Json pipeline_json(const PipelineView& view, int64_t wall_ns);

// "starting" until it is made, "failed" if it could not be.
std::string state_text(const PipelineView& view);

}  // namespace dstream::host
