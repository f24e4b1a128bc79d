// `on_oversize` as far as it is the sink's affair.
//
// Thread rule: plain functions; [worker] of `sink`.
#pragma once

#include "core/base/error.h"
#include "core/pipeline/settings.h"
#include "core/plugins/guard.h"

namespace dstream::core {

// Fails if the pipeline says what becomes of messages that are too large and the sink does not say
// how large one may be, so that none would ever be found. Error, at the sink's place in the file:
// DS-CONFIG-UNSUPPORTED.
Result<void> require_size_limit(GuardedSink& sink, const PipelineSettings& pipeline);

}  // namespace dstream::core
