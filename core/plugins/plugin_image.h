// Reads the descriptor of a plugin library from the file's own bytes, without mapping or running
// anything of it.
//
// A library is refused here for everything that can be known before dlopen(): a file cut short
// would kill the process with SIGBUS, a library for another machine or another ABI would run its
// constructors before it could be turned away.
//
// Thread rule: plain functions, no shared state.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/error.h"

namespace dstream::core {

// The first four words of dstream_plugin_v1, the only ones that need no relocation.
struct PluginImage {
  uint32_t magic = 0;
  uint32_t struct_size = 0;
  uint32_t abi_minor = 0;
  uint32_t abi_minor_needed = 0;
};

// Errors: DS-PLUGIN-FILE (missing, unreadable, not a regular file), DS-PLUGIN-FORMAT (not a shared
// library for this machine), DS-PLUGIN-TRUNCATED, DS-PLUGIN-SYMBOL (a library, but no plugin),
// DS-PLUGIN-ABI-MAJOR (a plugin for another major version), and those of check_plugin_image().
Result<PluginImage> read_plugin_image(const std::string& file);

// Errors: DS-PLUGIN-MAGIC, DS-PLUGIN-STRUCT-SIZE, DS-PLUGIN-ABI-MINOR.
Result<void> check_plugin_image(const PluginImage& image);

}  // namespace dstream::core
