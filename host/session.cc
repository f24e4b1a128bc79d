#include "host/session.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "host/locations.h"

namespace dstream::host {
namespace {

core::ReferenceSources reference_sources(core::FileSystem& files) {
  core::ReferenceSources sources;
  sources.files = &files;
  sources.environment = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  return sources;
}

}  // namespace

tl::expected<core::Config, std::vector<core::Error>> load_config(
    const std::vector<std::string>& files, const Session& session) {
  return core::Config::load(files, reference_sources(*session.files), session.secrets);
}

std::vector<core::Error> read_config(const Arguments& arguments, Session& session) {
  auto files = core::config_files(arguments.paths);
  if (!files) {
    return {files.error()};
  }
  session.config_files = *files;
  auto config = load_config(*files, session);
  if (!config) {
    return config.error();
  }
  session.config = std::make_shared<core::Config>(std::move(*config));
  session.state_dir = arguments.state_dir
                          ? *arguments.state_dir
                          : session.config->host().state_dir.value_or(default_state_dir());
  return {};
}

std::vector<core::Error> find_state_dir(const Arguments& arguments, Session& session) {
  if (!arguments.paths.empty()) {
    return read_config(arguments, session);
  }
  session.state_dir = arguments.state_dir.value_or(default_state_dir());
  return {};
}

std::vector<core::Error> load_plugins(const Arguments& arguments,
                                      const std::vector<std::string>& configured,
                                      core::PluginRegistry& plugins) {
  std::vector<std::string> folders = arguments.plugin_dirs;
  folders.insert(folders.end(), configured.begin(), configured.end());
  if (arguments.default_plugins) {
    for (const std::string& folder : default_plugin_dirs()) {
      folders.push_back(folder);
    }
  }
  std::vector<core::Error> errors;
  std::vector<std::filesystem::path> done;
  for (const std::string& folder : folders) {
    std::error_code ignored;
    std::filesystem::path canonical = std::filesystem::weakly_canonical(folder, ignored);
    if (std::find(done.begin(), done.end(), canonical) != done.end()) {
      continue;
    }
    done.push_back(canonical);
    if (auto loaded = plugins.load_folder(folder); !loaded) {
      core::Error error = loaded.error();
      error.exit_code = core::ExitCode::kUsage;
      errors.push_back(std::move(error));
    }
  }
  return errors;
}

std::vector<core::Error> open_session(const Arguments& arguments, Session& session) {
  if (auto errors = read_config(arguments, session); !errors.empty()) {
    return errors;
  }
  if (auto errors = load_plugins(arguments, session.config->host().plugin_dirs, session.plugins);
      !errors.empty()) {
    return errors;
  }
  auto pipelines = session.config->pipelines(session.plugins);
  if (!pipelines) {
    return pipelines.error();
  }
  session.pipelines = std::move(*pipelines);
  return {};
}

}  // namespace dstream::host
