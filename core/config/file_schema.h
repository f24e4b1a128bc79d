// The JSON Schema (draft-07) of configuration files: what this program knows itself, and what the
// loaded connectors add to it. Descriptions in it are the reference that people read.
//
// Thread rule: plain functions; [any-thread].
#pragma once

#include <string>

#include "core/config/schema_view.h"
#include "core/plugins/registry.h"

namespace dstream::core {

// What a file holds: the whole configuration, a list of pipelines, or one pipeline.
enum class FileShape { kWhole, kPipelineList, kPipeline };

// The program's own part. `source` and `sink` are open; a connector's schema closes them.
const SchemaView& file_schema(FileShape shape);

// A connector's schema as its pipeline's `source:` or `sink:` has to satisfy it: with the keys
// `type` and, for sinks that take messages, `topic`, and closed to unknown keys.
// Errors: DS-PLUGIN-SCHEMA.
Result<SchemaView> connector_schema(const LoadedConnector& connector);
// True if the connector itself knows `topic` and wants to see it.
bool connector_knows_topic(const LoadedConnector& connector);

// The schema of a whole file with the parts of all loaded connectors in it, for editors.
// Errors: DS-PLUGIN-SCHEMA.
Result<JsonObject> composed_schema(const PluginRegistry& plugins);

}  // namespace dstream::core
