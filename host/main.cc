// Reads the command line, calls the command, passes on its exit code.
#include <cstdio>
#include <exception>

#include "core/plugins/guard.h"
#include "core/plugins/inspect.h"
#include "host/arguments.h"
#include "host/commands.h"
#include "host/output.h"

namespace {

using namespace dstream::host;

int call(const Arguments& arguments, Output& output) {
  switch (arguments.command) {
    case Command::kRun:
      return run_command(arguments, output);
    case Command::kValidate:
      return validate_command(arguments, output);
    case Command::kPluginsList:
      return plugins_list_command(arguments, output);
    case Command::kPluginsInspect:
      return plugins_inspect_command(arguments, output);
    case Command::kDoctor:
      return doctor_command(arguments, output);
    case Command::kStatus:
      return status_command(arguments, output);
    case Command::kReplay:
      return replay_command(arguments, output);
    case Command::kReload:
      return reload_command(arguments, output);
    case Command::kSnapshot:
      return snapshot_command(arguments, output);
    case Command::kCheckpointShow:
      return checkpoint_show_command(arguments, output);
    case Command::kConfigShow:
      return config_show_command(arguments, output);
    case Command::kConfigSchema:
      return config_schema_command(arguments, output);
    case Command::kConfigExample:
      return config_example_command(arguments, output);
    case Command::kVersion:
      return version_command(arguments, output);
  }
  return 2;
}

// Expected failures are values; what is thrown this far is a defect, and still gets a sentence.
int dispatch(const Arguments& arguments, Output& output) {
  try {
    return call(arguments, output);
  } catch (const std::exception& defect) {
    return output.fail({{"DS-INTERNAL", std::string("An internal error: ") + defect.what(),
                         "This is a defect of DStream; report it with the command that led here.",
                         std::nullopt, dstream::core::ExitCode::kFailed}});
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (dstream::core::is_inspect_child(argc, argv)) {
    dstream::core::inspect_child_main(argv);
  }
  dstream::core::install_crash_reporter();
  ParsedArguments parsed = parse_arguments(argc, argv);
  if (!parsed.arguments) {
    return parsed.exit_code;
  }
  Output output(parsed.arguments->json, parsed.arguments->command_name);
  int exit_code = dispatch(*parsed.arguments, output);
  if (std::fflush(stdout) != 0 && exit_code == 0) {
    return 1;
  }
  return exit_code;
}
