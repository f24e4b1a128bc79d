// What a plugin file says about itself, for `dstream plugins inspect`.
//
// A stranger's library runs its constructors when it is loaded, so the looking is done in a child
// process: a crash or a hang there becomes an error here.
//
//   parent: auto json = inspect_in_child("/proc/self/exe", file);
//   child:  if (is_inspect_child(argc, argv)) inspect_child_main(argv);  // first thing in main()
#pragma once

#include <cstdint>
#include <string>

#include "core/base/error.h"

namespace dstream::core {

inline constexpr const char* kInspectCommand = "inspect-plugin-in-child";  // hidden
inline constexpr int64_t kInspectTimeoutMs = 5000;

// Loads `file` in this process and describes it: a JSON object with file, bytes, name, vendor,
// license, build, abi and connectors, their config_schema included. Errors: as
// PluginRegistry::load_file().
Result<std::string> inspect_plugin_file(const std::string& file);

// True if this process was started by inspect_in_child().
bool is_inspect_child(int argc, const char* const* argv);
// What such a process does instead of its main: inspects, answers, ends. Never returns.
[[noreturn]] void inspect_child_main(const char* const* argv);

// Runs `self_exe` as that child and returns the document. Errors: those of inspect_plugin_file(),
// DS-PLUGIN-CRASH (the child died; names the signal), DS-PLUGIN-TIMEOUT, DS-PLUGIN-OUTPUT (what
// came back is no document), DS-PLUGIN-CHILD (no child could be started). [any-thread]
Result<std::string> inspect_in_child(const std::string& self_exe, const std::string& file,
                                     int64_t timeout_ms = kInspectTimeoutMs);

}  // namespace dstream::core
