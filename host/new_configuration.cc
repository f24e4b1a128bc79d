#include "host/new_configuration.h"

#include <utility>

#include "core/pipeline/checkpoint.h"
#include "host/locations.h"
#include "host/rehearsal.h"

namespace dstream::host {
namespace {

// Those that only a start can take over. What the command line says comes before the files.
std::vector<std::string> changed_keys(const Arguments& arguments,
                                      const core::HostSettings& at_start,
                                      const core::HostSettings& now) {
  std::vector<std::string> out;
  if (now.plugin_dirs != at_start.plugin_dirs) {
    out.push_back("plugin_dirs");
  }
  if (!arguments.log_level && now.log_level != at_start.log_level) {
    out.push_back("log.level");
  }
  if (!arguments.log_format && now.log_format != at_start.log_format) {
    out.push_back("log.format");
  }
  if (now.admin_listen != at_start.admin_listen) {
    out.push_back("admin.listen");
  }
  return out;
}

}  // namespace

core::Rereads rereads_from(std::shared_ptr<const core::Config> config,
                           const core::PluginRegistry* plugins) {
  core::Rereads out;
  out.connector = [config, plugins](const std::string& pipeline, core::Role role) {
    return config->reread_connector(pipeline, role, *plugins);
  };
  out.claim_check = [config](const std::string& pipeline) {
    return config->reread_claim_check(pipeline);
  };
  out.registry = [config](const std::string& pipeline) {
    return config->reread_registry(pipeline);
  };
  return out;
}

tl::expected<NewConfiguration, std::vector<core::Error>> read_again(const Arguments& arguments,
                                                                    const Session& session) {
  auto files = core::config_files(arguments.paths);
  if (!files) {
    return tl::unexpected(std::vector<core::Error>{files.error()});
  }
  auto loaded = load_config(*files, session);
  if (!loaded) {
    return tl::unexpected(loaded.error());
  }
  auto config = std::make_shared<core::Config>(std::move(*loaded));
  NewConfiguration out;
  out.restart_needed = changed_keys(arguments, session.config->host(), config->host());
  std::vector<core::Error> errors;
  const std::string state_dir =
      arguments.state_dir.value_or(config->host().state_dir.value_or(default_state_dir()));
  if (state_dir != session.state_dir) {
    errors.push_back({"DS-RELOAD-RESTART",
                      "The state folder has changed to " + state_dir + ", and the pipelines keep " +
                          "their positions in " + session.state_dir + ".",
                      "Restart the process, with the files of the old folder in the new one.",
                      core::Place{files->front(), 0, 0}, core::ExitCode::kUsage});
  }
  auto pipelines = config->pipelines(session.plugins);
  if (!pipelines) {
    errors.insert(errors.end(), pipelines.error().begin(), pipelines.error().end());
    return tl::unexpected(std::move(errors));
  }
  Rehearsal rehearsal;
  for (const core::PipelineSettings& pipeline : *pipelines) {
    for (core::Error& error : rehearsal.check(pipeline, session.plugins)) {
      errors.push_back(std::move(error));
    }
  }
  if (!errors.empty()) {
    return tl::unexpected(std::move(errors));
  }
  out.pipelines = std::move(*pipelines);
  out.warnings = config->warnings();
  out.rereads = rereads_from(std::move(config), &session.plugins);
  return out;
}

std::optional<core::Error> check_stored_position(const core::PipelineSettings& settings,
                                                 const Session& session) {
  auto read = core::read_checkpoint(*session.files, session.state_dir, settings.name);
  if (!read) {
    return read.error();
  }
  if (!*read || (*read)->source_type == settings.source.type) {
    return std::nullopt;
  }
  return core::Error{
      "DS-CHECKPOINT-MISMATCH",
      "The position of " + settings.name + " is one of the source '" + (*read)->source_type +
          "', and '" + settings.source.type + "' cannot continue from it.",
      "Give the pipeline another name.", settings.source.place, core::ExitCode::kRefused};
}

}  // namespace dstream::host
