// The configuration: files in, checked settings out.
//
//   auto files = config_files({"conf/"});                       // or {"dstream.yaml"}
//   auto config = Config::load(*files, sources);                // YAML, the program's own keys
//   for (dir : config->host().plugin_dirs) registry.load_folder(dir);
//   auto pipelines = config->pipelines(registry);               // the connectors' keys
//
// Loading has two halves because the files say where the plugins are, and the plugins say which
// keys they know. Each half reports every error it finds, not only the first. All errors have
// exit code 2 and a place; docs/errors.md lists their codes.
//
// Nothing here prints, and no error, warning or shown text holds a secret (I11).
//
// Thread rule: one thread, but where a function says otherwise; the results are plain values.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/log.h"
#include "core/base/redact.h"
#include "core/config/references.h"
#include "core/pipeline/settings.h"
#include "core/plugins/registry.h"

namespace dstream::core {

using ConfigErrors = std::vector<Error>;  // never empty where it stands for a failure

// The keys outside `pipelines`.
struct HostSettings {
  std::vector<std::string> plugin_dirs;  // relative ones already start at the file's folder
  std::optional<std::string> state_dir;  // likewise
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
  std::string admin_listen;  // "127.0.0.1:9707"; "" if there is none
  std::string admin_host;    // its part before the port, in lower case
};

// The files behind what was named on the command line: a file is itself; a folder is its
// dstream.yaml, where there is one, and its pipelines/*.yaml (and *.yml) in name order.
// Errors: DS-CONFIG-FILE if there is no such file or folder, or nothing in the folder.
Result<std::vector<std::string>> config_files(const std::vector<std::string>& paths);

class Config {
 public:
  // Reads `files` through `sources.files` and checks everything but the connectors' keys.
  // `sources` is borrowed until the last call; its folder is set for each file. What is secret is
  // added to `redactor`, so that one may know the secrets of several readings.
  static tl::expected<Config, ConfigErrors> load(
      const std::vector<std::string>& files, const ReferenceSources& sources,
      std::shared_ptr<Redactor> redactor = std::make_shared<Redactor>());
  Config(Config&&) noexcept;
  Config& operator=(Config&&) noexcept;
  ~Config();

  const HostSettings& host() const;
  // In the order of the files.
  std::vector<std::string> pipeline_names() const;

  // Checks each source and sink against its connector's schema and fills in the defaults.
  // Besides DS-CONFIG-*: DS-PLUGIN-UNKNOWN, DS-PLUGIN-SCHEMA, DS-TOPIC-TEMPLATE.
  tl::expected<std::vector<PipelineSettings>, ConfigErrors> pipelines(
      const PluginRegistry& plugins);

  // The config_json of one connector, with the references to files and variables looked up once
  // more; everything else is as it was read at the start. What the files hold is known to the
  // redactor before this returns. REQUIRES: pipelines() succeeded. Errors: DS-CONFIG-REFERENCE-FILE
  // and its kind, DS-CONFIG-VALUE. [any-thread]
  Result<std::string> reread_connector(const std::string& pipeline, Role role,
                                       const PluginRegistry& plugins) const;
  // The same of a pipeline's claim_check.
  Result<ClaimCheckSettings> reread_claim_check(const std::string& pipeline) const;
  // The same of its schema registry.
  Result<RegistrySettings> reread_registry(const std::string& pipeline) const;

  // What is allowed but probably not meant. Complete after pipelines().
  const std::vector<Error>& warnings() const;
  // Knows the secrets read so far; complete after pipelines().
  std::shared_ptr<const Redactor> redactor() const;
  // Everything with the defaults filled in, secrets redacted, references as they are written.
  // REQUIRES: pipelines() succeeded.
  std::string shown_json() const;
  std::string shown_yaml() const;

 private:
  struct State;
  explicit Config(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace dstream::core
