// `delivery: exactly_once` as far as it is the sink's affair.
//
// Thread rule: plain functions; [worker] of `sink`.
#pragma once

#include "core/base/error.h"
#include "core/pipeline/settings.h"
#include "core/plugins/guard.h"

namespace dstream::core {

// Fails if the pipeline wants exactly_once and the sink has no transactions. Error, at the sink's
// place in the file: DS-DELIVERY-UNSUPPORTED.
Result<void> require_transactions(const GuardedSink& sink, const PipelineSettings& pipeline);

// The same, and tells a new sink that it is to use them. Errors besides: DS-SINK-* as the sink
// says, for its own settings. Does nothing without exactly_once. REQUIRES: not open.
Result<void> use_transactions(GuardedSink& sink, const PipelineSettings& pipeline);

}  // namespace dstream::core
