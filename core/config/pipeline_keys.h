// Reads one pipeline's checked keys into settings.
//
// Thread rule: plain functions.
#pragma once

#include <string>
#include <vector>

#include "core/config/typed_json.h"
#include "core/pipeline/settings.h"

namespace dstream::core {

// Everything but source, sink and topic. REQUIRES: `pipeline` is valid against the file's schema
// and has its defaults. What this version cannot do is an error with code DS-CONFIG-UNSUPPORTED.
PipelineSettings read_pipeline_keys(const JsonObject& pipeline, const Origins& origins,
                                    const std::string& pointer, std::vector<Error>& errors);
// `claim_check` as it is written; empty without one.
ClaimCheckSettings read_claim_check(const JsonObject& pipeline);
// `format.registry`, likewise.
RegistrySettings read_registry(const JsonObject& pipeline);

}  // namespace dstream::core
