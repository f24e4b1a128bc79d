// Does the schema registry answer, and does it take the login? What `dstream doctor` looks at for
// formats that need one.
//
// Thread rule: plain functions. They ask which types of schema it takes (an answer of one
// line, unlike the list of subjects), and change nothing.
#pragma once

#include <cstdint>

#include "core/pipeline/settings.h"
#include "core/plugins/guard.h"

namespace dstream::host {

// format.registry: one request, which may take `timeout_ms`. Nothing for formats without a
// registry.
void check_registry(const core::PipelineSettings& pipeline, int64_t timeout_ms,
                    const core::CheckHandler& handler);

}  // namespace dstream::host
