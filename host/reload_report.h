// What a reload came to: as JSON between host and command, and for people.
//
// {"number": 3, "state": "done", "exit_code": 0, "errors": [], "warnings": [],
//  "restart_needed": ["log.level"],
//  "pipelines": [{"name", "action", "state", "error"}]}
//
// Thread rule: plain functions.
#pragma once

#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/config/json_text.h"
#include "host/reload.h"

namespace dstream::host {

// `exit_code` is what the command ends with: that of the errors if it was refused, 1 if a pipeline
// it was about has failed.
core::JsonObject reload_json(const ReloadReport& report);

// The other way, for the errors of one that was refused.
std::vector<core::Error> reload_errors(const core::JsonObject& report);

// A table of the pipelines, and a line for each key that waits for a restart.
std::string reload_text(const core::JsonObject& report);

}  // namespace dstream::host
