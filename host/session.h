// What `run`, `validate` and `config show` begin with: the files read, the plugins loaded, every
// key checked.
//
// Thread rule: one thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/file_system.h"
#include "core/config/config.h"
#include "core/plugins/registry.h"
#include "host/arguments.h"

namespace dstream::host {

struct Session {
  std::unique_ptr<core::FileSystem> files = core::make_system_file_system();
  std::shared_ptr<core::Redactor> secrets = std::make_shared<core::Redactor>();
  std::vector<std::string> config_files;
  std::shared_ptr<core::Config> config;
  core::PluginRegistry plugins;
  std::vector<core::PipelineSettings> pipelines;
  std::string state_dir;

  // Knows what was read so far, also after an error.
  std::shared_ptr<const core::Redactor> redactor() const { return secrets; }
};

// Errors have exit code 2.
std::vector<core::Error> open_session(const Arguments& arguments, Session& session);

// The keys that are the program's own; what is secret is added to `session.secrets`.
tl::expected<core::Config, std::vector<core::Error>> load_config(
    const std::vector<std::string>& files, const Session& session);

// Only the files and the keys that are the program's own, for commands that need no plugin.
std::vector<core::Error> read_config(const Arguments& arguments, Session& session);

// For commands that only need to know where the state is: from --state-dir, else from the files if
// there are any, else the program's own.
std::vector<core::Error> find_state_dir(const Arguments& arguments, Session& session);

// From the command line, then from `configured`, then the program's own; each folder once.
std::vector<core::Error> load_plugins(const Arguments& arguments,
                                      const std::vector<std::string>& configured,
                                      core::PluginRegistry& plugins);

}  // namespace dstream::host
