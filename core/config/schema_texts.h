// The texts of *.schema.json beside this file, which the build puts into the program.
#pragma once

namespace dstream::core {

extern const char* const kFileSchemaText;
extern const char* const kPipelineSchemaText;
extern const char* const kTopicSchemaText;

}  // namespace dstream::core
