// Can values that are too large be stored? What `dstream doctor` looks at for `claim_check`.
//
// Thread rule: plain functions. They store one small value, always under the same name.
#pragma once

#include <cstdint>

#include "core/base/file_system.h"
#include "core/pipeline/settings.h"
#include "core/plugins/guard.h"

namespace dstream::host {

// claim_check.sas: what the signature allows and until when; claim_check.store: writes
// `<pipeline>/doctor`. Nothing without on_oversize: claim_check. `now_s` is Unix time.
void check_claim_store(core::FileSystem& files, const core::PipelineSettings& pipeline,
                       int64_t timeout_ms, int64_t now_s, const core::CheckHandler& handler);

}  // namespace dstream::host
