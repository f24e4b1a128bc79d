// The command line: which command, and what it was told.
//
// CLI11 is included by arguments.cc alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/log.h"

namespace dstream::host {

enum class Command {
  kRun,
  kValidate,
  kPluginsList,
  kPluginsInspect,
  kDoctor,
  kStatus,
  kReload,
  kSnapshot,
  kReplay,
  kCheckpointShow,
  kConfigShow,
  kConfigSchema,
  kConfigExample,
  kVersion
};

struct Arguments {
  Command command = Command::kVersion;
  bool json = false;
  bool default_plugins = true;     // also load what lies beside the program
  bool watch = false;              // status
  bool markdown = false;           // config schema
  std::string command_name;        // "plugins list", as in --json output
  std::vector<std::string> paths;  // configuration files and folders
  std::vector<std::string> plugin_dirs;
  std::optional<std::string> state_dir;
  std::optional<core::LogLevel> log_level;
  std::optional<core::LogFormat> log_format;
  int64_t status_interval_ms = 10'000;  // 0: no status lines
  std::string plugin_file;              // plugins inspect
  // status, doctor, checkpoint show, reload; empty: all. snapshot, replay: the one
  std::vector<std::string> pipelines;
  int64_t timeout_ms = 30'000;  // doctor: for all checks of one instance
  int64_t reload_timeout_ms = 120'000;
  std::string table;             // snapshot
  std::string dead_letter_file;  // replay
  bool skip = false;             // replay: go past lines that cannot be sent
  bool from_start = false;       // replay
  int64_t watch_interval_ms = 2000;
};

// What main does next: run the command, or end at once with `exit_code`.
struct ParsedArguments {
  std::optional<Arguments> arguments;
  int exit_code = 0;
};

// Prints help to stdout and complaints to stderr (as JSON to stdout where --json is given).
ParsedArguments parse_arguments(int argc, const char* const* argv);

}  // namespace dstream::host
