// `on_data_loss` as far as it is the source's affair.
//
// Thread rule: a plain function; [worker] of `source`.
#pragma once

#include "core/base/error.h"
#include "core/pipeline/settings.h"
#include "core/plugins/guard.h"

namespace dstream::core {

// Tells a new instance what the pipeline says. Errors, at their place in the file:
//   DS-CONFIG-UNSUPPORTED  resnapshot, and the source cannot copy its tables again
//   DS-SOURCE-CONFIG       the source's own settings say otherwise
// and DS-SOURCE-FATAL for a plugin that breaks its contract. REQUIRES: not open.
Result<void> set_data_loss_policy(GuardedSource& source, const PipelineSettings& pipeline);

}  // namespace dstream::core
