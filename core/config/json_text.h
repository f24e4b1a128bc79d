// JSON values as text.
//
// Thread rule: plain functions.
#pragma once

#include <string>

#include "core/config/schema_view.h"

namespace dstream::core {

// One line, or indented by two spaces.
std::string json_text(const Json& value, bool pretty = false);

// YAML that reads back as the same values.
std::string yaml_text(const Json& value);

}  // namespace dstream::core
