// What the tests of this folder share: a folder of files that goes away, and a registry with
// connectors whose functions are never called.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>

#include "core/base/file_system.h"
#include "core/config/config.h"

namespace dstream::core::test {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "dstream-XXXXXX").string();
    if (mkdtemp(pattern.data()) != nullptr) {
      path_ = pattern;
    }
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string write(const std::string& name, const std::string& content) const {
    std::filesystem::path file = std::filesystem::path(path_) / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << content;
    return file.string();
  }

 private:
  std::string path_;
};

// A source "numbers", a message sink "topics" and a record sink "lines".
const PluginRegistry& test_plugins();

inline constexpr const char* kSourceSchema = R"json({
  "type": "object", "additionalProperties": false, "required": ["connection"],
  "definitions": {"pause": {"type": "string", "pattern": "^[0-9]+s$", "examples": ["5s", "10s"]}},
  "properties": {
    "connection": {"type": "string", "minLength": 1, "x-secret": true},
    "poll_interval": {"type": "string", "format": "duration", "x-minimum": "10ms", "default": "5s"},
    "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
    "ratio": {"type": "number"},
    "strict": {"type": "boolean", "default": true},
    "label": {"type": "string"},
    "pause": {"$ref": "#/definitions/pause", "default": "3s", "description": "Beside a $ref."},
    "mode": {"type": "string", "enum": ["fast", "careful"]},
    "window": {
      "type": "object", "additionalProperties": false, "default": {},
      "properties": {"size": {"type": "string", "format": "size", "default": "4MiB"},
                     "pin": {"type": "string", "x-secret": true}}
    },
    "tables": {
      "type": "array", "minItems": 1,
      "items": {"oneOf": [
        {"type": "string", "pattern": "^[^.]+\\.[^.]+$",
         "x-expected": "a table such as dbo.Persons"},
        {"type": "object", "additionalProperties": false, "required": ["name"],
         "properties": {"name": {"type": "string"},
                        "pause": {"$ref": "#/definitions/pause"},
                        "poll_interval": {"$ref": "#/properties/poll_interval"}}}
      ]}
    }
  }
})json";

// Tables whose functions are there, as the checks want, and fail.
inline const dstream_source_api& test_source_api() {
  static const dstream_source_api kApi = {
      sizeof(dstream_source_api),
      0,
      [](auto...) noexcept { return dstream_status{DSTREAM_FATAL}; },
      [](auto...) noexcept { return dstream_status{DSTREAM_FATAL}; },
      [](auto...) noexcept { return dstream_status{DSTREAM_FATAL}; },
      nullptr,
      [](dstream_source*) noexcept {},
      [](dstream_source*) noexcept {},
      [](dstream_source*) noexcept {},
      nullptr};
  return kApi;
}

inline const dstream_sink_api& test_sink_api() {
  static const dstream_sink_api kApi = {
      sizeof(dstream_sink_api),
      0,
      [](auto...) noexcept { return dstream_status{DSTREAM_FATAL}; },
      [](auto...) noexcept { return dstream_status{DSTREAM_FATAL}; },
      [](auto...) noexcept { return dstream_status{DSTREAM_FATAL}; },
      nullptr,
      [](auto...) noexcept { return dstream_status{DSTREAM_FATAL}; },
      [](dstream_sink*) noexcept {},
      [](dstream_sink*) noexcept {},
      [](dstream_sink*) noexcept {},
      nullptr};
  return kApi;
}

inline constexpr const char* kTopicsSchema = R"json({
  "type": "object",
  "properties": {"brokers": {"type": "string"}, "password": {"type": "string", "x-secret": true}}
})json";

inline const PluginRegistry& test_plugins() {
  static const dstream_connector kNumbers = {
      sizeof(dstream_connector), 0,      "numbers", "1.0.0", "Counts.", kSourceSchema,
      &test_source_api(),        nullptr};
  static const dstream_connector kTopics = {sizeof(dstream_connector),
                                            DSTREAM_CONNECTOR_MESSAGES,
                                            "topics",
                                            "1.0.0",
                                            "Takes messages.",
                                            kTopicsSchema,
                                            nullptr,
                                            &test_sink_api()};
  static const dstream_connector kLines = {sizeof(dstream_connector),
                                           0,
                                           "lines",
                                           "1.0.0",
                                           "Takes records.",
                                           R"({"type": "object", "additionalProperties": false})",
                                           nullptr,
                                           &test_sink_api()};
  static const dstream_connector* const kConnectors[] = {&kNumbers, &kTopics, &kLines};
  static const dstream_plugin kPlugin = {DSTREAM_MAGIC,
                                         sizeof(dstream_plugin),
                                         DSTREAM_ABI_MINOR,
                                         0,
                                         "test",
                                         "DStream",
                                         "MIT",
                                         "test",
                                         kConnectors,
                                         3,
                                         0};
  static const PluginRegistry kRegistry = [] {
    PluginRegistry registry;
    auto added = registry.add(kPlugin);
    EXPECT_TRUE(added.has_value());
    return registry;
  }();
  return kRegistry;
}

// Loads one file with the given content, as "f.yaml" in a folder of its own.
class Loaded {
 public:
  explicit Loaded(const std::string& content, std::map<std::string, std::string> environment = {})
      : environment_(std::move(environment)), files_(make_system_file_system()) {
    file_ = folder_.write("f.yaml", content);
    load({file_});
  }
  // Several files; names are relative to folder().
  explicit Loaded(const std::map<std::string, std::string>& contents,
                  std::vector<std::string> paths = {})
      : files_(make_system_file_system()) {
    for (const auto& [name, content] : contents) {
      std::string file = folder_.write(name, content);
      if (paths.empty()) {
        all_.push_back(file);
      }
    }
    for (const std::string& path : paths) {
      all_.push_back(folder_.path() + "/" + path);
    }
    load(all_);
  }

  bool ok() const { return errors_.empty(); }
  const ConfigErrors& errors() const { return errors_; }
  Config& config() { return *config_; }
  const std::vector<PipelineSettings>& pipelines() const { return pipelines_; }
  const std::string& folder() const { return folder_.path(); }
  // Every error as "2:4 DS-CONFIG-TYPE", one a line.
  std::string brief() const {
    std::string out;
    for (const Error& error : errors_) {
      EXPECT_EQ(error.exit_code, ExitCode::kUsage) << error.text();
      EXPECT_TRUE(error.place.has_value()) << error.text();
      Place place = error.place.value_or(Place{});
      out += (out.empty() ? "" : "\n") + std::to_string(place.line) + ":" +
             std::to_string(place.column) + " " + error.code;
    }
    return out;
  }
  std::string text() const {
    std::string out;
    for (const Error& error : errors_) {
      out += error.text() + "\n";
    }
    return out;
  }

 private:
  void load(const std::vector<std::string>& paths) {
    auto files = config_files(paths);
    if (!files) {
      errors_ = {files.error()};
      return;
    }
    ReferenceSources sources;
    sources.environment = [this](const std::string& name) -> std::optional<std::string> {
      auto found = environment_.find(name);
      return found == environment_.end() ? std::nullopt : std::optional(found->second);
    };
    sources.files = files_.get();
    auto config = Config::load(*files, sources);
    if (!config) {
      errors_ = config.error();
      return;
    }
    config_ = std::make_unique<Config>(std::move(*config));
    auto pipelines = config_->pipelines(test_plugins());
    if (!pipelines) {
      errors_ = pipelines.error();
      return;
    }
    pipelines_ = std::move(*pipelines);
  }

  TemporaryFolder folder_;
  std::map<std::string, std::string> environment_;
  std::unique_ptr<FileSystem> files_;
  std::string file_;
  std::vector<std::string> all_;
  ConfigErrors errors_;
  std::unique_ptr<Config> config_;
  std::vector<PipelineSettings> pipelines_;
};

// A whole file around the keys of a source; they start in line 5, column 7.
inline std::string with_source(const std::string& keys) {
  return "pipelines:\n"
         "  - name: people\n"
         "    source:\n"
         "      type: numbers\n" +
         keys + "    sink: {type: lines}\n";
}

}  // namespace dstream::core::test
