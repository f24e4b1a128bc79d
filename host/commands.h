// One function a command, each in a file of its own; it prints and returns the exit code.
#pragma once

#include "host/arguments.h"
#include "host/output.h"

namespace dstream::host {

int run_command(const Arguments& arguments, Output& output);
int validate_command(const Arguments& arguments, Output& output);
int plugins_list_command(const Arguments& arguments, Output& output);
int plugins_inspect_command(const Arguments& arguments, Output& output);
int doctor_command(const Arguments& arguments, Output& output);
int status_command(const Arguments& arguments, Output& output);
int replay_command(const Arguments& arguments, Output& output);
int reload_command(const Arguments& arguments, Output& output);
int snapshot_command(const Arguments& arguments, Output& output);
int checkpoint_show_command(const Arguments& arguments, Output& output);
int config_show_command(const Arguments& arguments, Output& output);
int config_schema_command(const Arguments& arguments, Output& output);
int config_example_command(const Arguments& arguments, Output& output);
int version_command(const Arguments& arguments, Output& output);

}  // namespace dstream::host
