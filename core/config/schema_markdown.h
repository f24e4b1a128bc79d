// The configuration reference for people, made from the same schemas that check a file.
//
// Thread rule: plain functions; [any-thread].
#pragma once

#include <string>

#include "core/base/error.h"
#include "core/plugins/registry.h"

namespace dstream::core {

// Tables of the program's own keys: those of a whole file, then those of a pipeline.
std::string file_schema_markdown();

// The same, and a section for each loaded connector. Errors: DS-PLUGIN-SCHEMA.
Result<std::string> schema_markdown(const PluginRegistry& plugins);

}  // namespace dstream::core
