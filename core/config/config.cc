#include "core/config/config.h"

#include <Poco/JSON/Array.h>
#include <Poco/String.h>
#include <arpa/inet.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "core/base/assert.h"
#include "core/config/file_schema.h"
#include "core/config/json_text.h"
#include "core/config/nearest.h"
#include "core/config/pipeline_keys.h"
#include "core/config/schema_check.h"
#include "core/messages/topic_template.h"

namespace dstream::core {
namespace {

// A file over the limit is read once more, up to this, so that the error can point into it.
constexpr uint64_t kReadBytesMax = 16 << 20;

struct File {
  YamlNodePointer root;
  FileShape shape = FileShape::kWhole;
  Origins origins;
  std::string folder;
};

// One pipeline, on its way from a file to settings.
struct Draft {
  File* file = nullptr;
  std::string pointer;
  const YamlNode* node = nullptr;
  Json keys;
};

FileShape shape_of(const YamlNode& root) {
  if (root.kind == YamlNode::Kind::kSequence) {
    return FileShape::kPipelineList;
  }
  bool whole = root.find("pipelines") != nullptr ||
               (root.find("source") == nullptr && root.find("sink") == nullptr);
  return whole ? FileShape::kWhole : FileShape::kPipeline;
}

std::string folder_of(const std::string& file) {
  size_t slash = file.rfind('/');
  return slash == std::string::npos ? "." : file.substr(0, std::max<size_t>(slash, 1));
}

std::string from_folder(const std::string& folder, const std::string& path) {
  return path.starts_with('/') || folder == "." ? path : folder + "/" + path;
}

LogLevel log_level(const std::string& name) {
  static const std::map<std::string, LogLevel> kLevels = {{"trace", LogLevel::kTrace},
                                                          {"debug", LogLevel::kDebug},
                                                          {"info", LogLevel::kInfo},
                                                          {"warn", LogLevel::kWarn},
                                                          {"error", LogLevel::kError}};
  return kLevels.at(name);
}

LogFormat log_format(const std::string& name) {
  return name == "json"     ? LogFormat::kJson
         : name == "logfmt" ? LogFormat::kLogfmt
                            : LogFormat::kText;
}

// Of this machine alone; a name other than localhost may be anybody's.
bool is_loopback(const std::string& host) {
  in_addr address{};
  return host == "localhost" || host == "[::1]" ||
         (inet_pton(AF_INET, host.c_str(), &address) == 1 && host.starts_with("127."));
}

Error unknown_connector(const PluginRegistry& plugins, const std::string& type, bool is_source,
                        const Place& place) {
  const char* side = is_source ? "source" : "sink";
  std::vector<std::string> known;
  bool other_side = false;
  for (const LoadedConnector& loaded : plugins.connectors()) {
    if (loaded.is_source() == is_source) {
      known.push_back(loaded.connector->id);
    } else {
      other_side = other_side || loaded.connector->id == type;
    }
  }
  auto nearest = nearest_name(type, known);
  std::string hint = nearest      ? "Did you mean " + *nearest + "? "
                     : other_side ? type + " is a " + (is_source ? "sink" : "source") + ". "
                                  : "";
  hint += known.empty() ? std::string("No ") + side +
                              " is loaded; name the folder of the plugins "
                              "with --plugin-dir or plugin_dirs."
                        : std::string("Known ") + side + "s: " + join_names(known) + ".";
  if (!plugins.refusals().empty()) {
    hint += " " + std::to_string(plugins.refusals().size()) +
            " plugin file(s) were refused; dstream plugins list says why.";
  }
  std::string shown = harmless_text(type);
  return {"DS-PLUGIN-UNKNOWN",
          std::string("No plugin offers the ") + side + (shown.empty() ? "" : " " + shown) + ".",
          hint, place, ExitCode::kUsage};
}

// The entry at "dead_letter/sink". REQUIRES: it is there.
const YamlEntry* find_path(const YamlNode& node, std::string_view path) {
  const size_t slash = path.find('/');
  const YamlEntry* entry = node.find(std::string(path.substr(0, slash)));
  return slash == std::string_view::npos ? entry : find_path(*entry->value, path.substr(slash + 1));
}

ClaimCheckSettings claims_of(const Draft& draft, const JsonObject& keys) {
  ClaimCheckSettings claims = read_claim_check(keys);
  if (!claims.folder.empty()) {
    claims.folder = from_folder(draft.file->folder, claims.folder);
  }
  return claims;
}

// What a connector is given: `type` is the host's key, and `topic` where the sink has none.
void take_own_keys(const LoadedConnector& loaded, JsonObject own) {
  own->remove("type");
  if (!loaded.is_source() && loaded.wants_messages() && !connector_knows_topic(loaded)) {
    own->remove("topic");
  }
}

}  // namespace

struct Config::State {
  std::mutex reread_mutex;  // guards `sources` once the pipelines run
  ReferenceSources sources;
  std::vector<std::unique_ptr<File>> files;
  std::vector<Draft> drafts;
  HostSettings host;
  std::map<std::string, Place> host_places;
  JsonObject host_shown = new Poco::JSON::Object(Poco::JSON_PRESERVE_KEY_ORDER);
  Poco::JSON::Array::Ptr pipelines_shown = new Poco::JSON::Array;
  std::vector<Error> warnings;
  std::shared_ptr<Redactor> redactor;

  void read_file(const std::string& path, ConfigErrors& errors);
  void check_file(File& file, ConfigErrors& errors);
  void take_host_keys(const File& file, const JsonObject& keys, ConfigErrors& errors);
  void take_admin_keys(const File& file, const JsonObject& keys, ConfigErrors& errors);
  void take_pipelines(File& file, const Json& keys);
  void check_names(ConfigErrors& errors) const;
  Json shown() const;
  TypedJsonContext context(const SchemaView& view, File& file, ConfigErrors& errors);
  Result<std::string> reread(const std::string& pipeline, Role role, const PluginRegistry& plugins);
  Draft& draft_of(const std::string& pipeline);
  Result<JsonObject> reread_keys(const Draft& draft);
  void warn(std::string code, Place place, std::string message, std::string hint);

  PipelineSettings finish(Draft& draft, const PluginRegistry& plugins, ConfigErrors& errors);
  std::optional<ConnectorSettings> connector(Draft& draft, bool is_source,
                                             const PluginRegistry& plugins,
                                             PipelineSettings& settings, JsonObject& shown,
                                             ConfigErrors& errors);
  Json connector_keys(const Draft& draft, const char* side, const LoadedConnector& loaded,
                      Origins& origins, ConfigErrors& errors);
  void dead_letter_sink(Draft& draft, const PluginRegistry& plugins, PipelineSettings& settings,
                        JsonObject& shown, ConfigErrors& errors);
  void check_templates(const Draft& draft, const PipelineSettings& settings, ConfigErrors& errors);
};

Json Config::State::shown() const {
  JsonObject whole = deep_copy(Json(host_shown)).extract<JsonObject>();
  whole->set("pipelines", pipelines_shown);
  Json out = whole;
  const SchemaView& view = file_schema(FileShape::kWhole);
  fill_defaults(view, view.root(), out);
  return out;
}

TypedJsonContext Config::State::context(const SchemaView& view, File& file, ConfigErrors& errors) {
  sources.folder = file.folder;
  return {&view, &sources, &file.origins, redactor.get(), &errors};
}

void Config::State::warn(std::string code, Place place, std::string message, std::string hint) {
  warnings.push_back(
      {std::move(code), std::move(message), std::move(hint), std::move(place), ExitCode::kDone});
}

void Config::State::read_file(const std::string& path, ConfigErrors& errors) {
  auto text = sources.files->read(path, YamlLimits().bytes_max);
  bool large = !text && text.error().code == "DS-FILE-TOO-LARGE";
  if (large) {
    text = sources.files->read(path, kReadBytesMax);
  }
  if (!text) {
    errors.push_back(config_error(large ? "DS-CONFIG-TOO-LARGE" : "DS-CONFIG-FILE", path, {},
                                  "The file cannot be read: " + text.error().message));
    return;
  }
  auto root = parse_yaml(path, *text);
  if (!root) {
    errors.push_back(root.error());
    return;
  }
  files.push_back(
      std::make_unique<File>(File{*root, shape_of(**root), Origins(path), folder_of(path)}));
  check_file(*files.back(), errors);
}

void Config::State::check_file(File& file, ConfigErrors& errors) {
  const SchemaView& view = file_schema(file.shape);
  size_t before = errors.size();
  Json keys =
      build_typed_json(context(view, file, errors), *file.root, view.root(), "", file.root->mark);
  if (errors.size() == before) {
    check_schema(view, keys, file.origins, "", errors);
  }
  if (errors.size() != before) {
    return;
  }
  if (file.shape == FileShape::kWhole) {
    take_host_keys(file, keys.extract<JsonObject>(), errors);
  }
  take_pipelines(file, keys);
}

void Config::State::take_host_keys(const File& file, const JsonObject& keys, ConfigErrors& errors) {
  JsonObject shown = redacted_copy(Json(keys), file.origins, "").extract<JsonObject>();
  for (const std::string& key : keys->getNames()) {
    if (key == "pipelines") {
      continue;
    }
    auto [earlier, is_new] = host_places.emplace(key, file.origins.key_place("/" + key));
    if (!is_new && key != "plugin_dirs") {
      errors.push_back({"DS-CONFIG-DUPLICATE-KEY",
                        "The key \"" + key + "\" stands in two files; the first is at " +
                            earlier->second.text() + ".",
                        "Keep it in one of them.", file.origins.key_place("/" + key),
                        ExitCode::kUsage});
      continue;
    }
    if (is_new) {
      host_shown->set(key, shown->get(key));
    } else {
      for (const Json& folder : *shown->getArray(key)) {
        host_shown->getArray(key)->add(folder);
      }
    }
  }
  Json filled = deep_copy(Json(keys));
  const SchemaView& view = file_schema(FileShape::kWhole);
  fill_defaults(view, view.root(), filled);
  JsonObject all = filled.extract<JsonObject>();
  for (const Json& folder : *all->getArray("plugin_dirs")) {
    host.plugin_dirs.push_back(from_folder(file.folder, folder.toString()));
  }
  if (keys->has("state_dir")) {
    host.state_dir = from_folder(file.folder, keys->getValue<std::string>("state_dir"));
  }
  if (keys->has("log")) {
    host.log_level = log_level(all->getObject("log")->getValue<std::string>("level"));
    host.log_format = log_format(all->getObject("log")->getValue<std::string>("format"));
  }
  if (keys->has("admin") && keys->getObject("admin")->has("listen")) {
    take_admin_keys(file, all->getObject("admin"), errors);
  }
}

void Config::State::take_admin_keys(const File& file, const JsonObject& keys,
                                    ConfigErrors& errors) {
  host.admin_listen = keys->getValue<std::string>("listen");
  host.admin_host = Poco::toLower(host.admin_listen.substr(0, host.admin_listen.rfind(':')));
  Place place = file.origins.value_place("/admin/listen");
  if (is_loopback(host.admin_host)) {
    return;
  }
  if (!keys->getValue<bool>("allow_remote")) {
    errors.push_back({"DS-CONFIG-ADMIN-REMOTE",
                      "The admin interface has no passwords, and this address is not of this "
                      "machine alone.",
                      "Use 127.0.0.1, or say allow_remote: true where the network keeps strangers "
                      "away.",
                      place, ExitCode::kUsage});
    return;
  }
  warn("DS-CONFIG-ADMIN-REMOTE", place,
       "Whoever reaches this address may see the state of the pipelines and start snapshots: there "
       "are no passwords.",
       "Keep strangers away by the network.");
}

void Config::State::take_pipelines(File& file, const Json& keys) {
  if (file.shape == FileShape::kPipeline) {
    drafts.push_back({&file, "", file.root.get(), keys});
    return;
  }
  bool list = file.shape == FileShape::kPipelineList;
  const YamlNode* items = list ? file.root.get() : file.root->find("pipelines")->value.get();
  auto array = list ? keys.extract<Poco::JSON::Array::Ptr>()
                    : keys.extract<JsonObject>()->getArray("pipelines");
  for (unsigned i = 0; i < array->size(); ++i) {
    std::string pointer = (list ? "/" : "/pipelines/") + std::to_string(i);
    drafts.push_back({&file, pointer, items->items[i].get(), array->get(i)});
  }
}

void Config::State::check_names(ConfigErrors& errors) const {
  std::map<std::string, Place> first;
  for (const Draft& draft : drafts) {
    auto name = draft.keys.extract<JsonObject>()->getValue<std::string>("name");
    Place place = draft.file->origins.value_place(draft.pointer + "/name");
    auto [earlier, is_new] = first.emplace(name, place);
    if (!is_new) {
      errors.push_back(
          {"DS-CONFIG-DUPLICATE-PIPELINE",
           "A pipeline named \"" + name + "\" is already at " + earlier->second.text() + ".",
           "Names tell checkpoints and metrics apart; choose another.", place, ExitCode::kUsage});
    }
  }
}

Json Config::State::connector_keys(const Draft& draft, const char* side,
                                   const LoadedConnector& loaded, Origins& origins,
                                   ConfigErrors& errors) {
  auto view = connector_schema(loaded);
  if (!view) {
    Error error = view.error();
    error.place = draft.file->origins.key_place(draft.pointer + "/" + side);
    error.exit_code = ExitCode::kUsage;
    errors.push_back(std::move(error));
    return {};
  }
  const YamlEntry* entry = find_path(*draft.node, side);
  std::string pointer = draft.pointer + "/" + side;
  size_t before = errors.size();
  TypedJsonContext into = context(*view, *draft.file, errors);
  into.origins = &origins;
  Json keys = build_typed_json(into, *entry->value, view->root(), pointer, entry->key_mark);
  if (errors.size() == before) {
    check_schema(*view, keys, origins, pointer, errors);
  }
  if (errors.size() != before) {
    return {};
  }
  fill_defaults(*view, view->root(), keys);
  return keys;
}

Draft& Config::State::draft_of(const std::string& pipeline) {
  auto draft = std::find_if(drafts.begin(), drafts.end(), [&](const Draft& each) {
    return each.keys.extract<JsonObject>()->getValue<std::string>("name") == pipeline;
  });
  DSTREAM_ASSERT(draft != drafts.end());
  return *draft;
}

// A pipeline's own keys, with the references looked up once more.
Result<JsonObject> Config::State::reread_keys(const Draft& draft) {
  const SchemaView& view = file_schema(FileShape::kPipeline);
  ConfigErrors errors;
  Origins origins = draft.file->origins;
  TypedJsonContext into = context(view, *draft.file, errors);
  into.origins = &origins;
  Json keys = build_typed_json(into, *draft.node, view.root(), draft.pointer, draft.node->mark);
  if (errors.empty()) {
    check_schema(view, keys, origins, draft.pointer, errors);
  }
  if (!errors.empty()) {
    return fail(errors.front());
  }
  fill_defaults(view, view.root(), keys);
  return keys.extract<JsonObject>();
}

Result<std::string> Config::State::reread(const std::string& pipeline, Role role,
                                          const PluginRegistry& plugins) {
  const bool is_source = role == Role::kSource;
  const char* side = is_source ? "source" : "sink";
  const Draft* draft = &draft_of(pipeline);
  auto type = draft->keys.extract<JsonObject>()->getObject(side)->getValue<std::string>("type");
  const LoadedConnector& loaded = is_source ? *plugins.find_source(type) : *plugins.find_sink(type);
  ConfigErrors errors;
  Origins origins = draft->file->origins;
  Json keys = connector_keys(*draft, side, loaded, origins, errors);
  if (!errors.empty()) {
    return fail(errors.front());
  }
  take_own_keys(loaded, keys.extract<JsonObject>());
  return json_text(keys);
}

std::optional<ConnectorSettings> Config::State::connector(Draft& draft, bool is_source,
                                                          const PluginRegistry& plugins,
                                                          PipelineSettings& settings,
                                                          JsonObject& shown, ConfigErrors& errors) {
  const char* side = is_source ? "source" : "sink";
  std::string pointer = draft.pointer + "/" + side;
  auto type = draft.keys.extract<JsonObject>()->getObject(side)->getValue<std::string>("type");
  Place place = draft.file->origins.value_place(pointer + "/type");
  const LoadedConnector* loaded = is_source ? plugins.find_source(type) : plugins.find_sink(type);
  if (loaded == nullptr) {
    errors.push_back(unknown_connector(plugins, type, is_source, place));
    return std::nullopt;
  }
  Json keys = connector_keys(draft, side, *loaded, draft.file->origins, errors);
  if (keys.isEmpty()) {
    return std::nullopt;
  }
  shown->set(side, redacted_copy(keys, draft.file->origins, pointer));
  JsonObject own = keys.extract<JsonObject>();
  if (!is_source && loaded->wants_messages()) {
    // A sink that knows the key itself may leave it unset: its schema then has no default for it.
    settings.messages.topic = own->optValue<std::string>("topic", settings.messages.topic);
  } else if (!is_source) {
    for (const char* key : {"format", "partition"}) {
      if (draft.node->find(key) != nullptr) {
        warn(
            "DS-CONFIG-UNUSED", draft.file->origins.key_place(draft.pointer + "/" + key),
            std::string(key) + " has no effect: the sink " + type + " takes records, not messages.",
            "");
      }
    }
  }
  take_own_keys(*loaded, own);
  return ConnectorSettings{type, json_text(keys), place};
}

void Config::State::dead_letter_sink(Draft& draft, const PluginRegistry& plugins,
                                     PipelineSettings& settings, JsonObject& shown,
                                     ConfigErrors& errors) {
  JsonObject keys = draft.keys.extract<JsonObject>();
  if (!keys->isObject("dead_letter") || !keys->getObject("dead_letter")->isObject("sink")) {
    return;
  }
  constexpr const char* kSide = "dead_letter/sink";
  const std::string pointer = draft.pointer + "/" + kSide;
  auto type = keys->getObject("dead_letter")->getObject("sink")->getValue<std::string>("type");
  Place place = draft.file->origins.value_place(pointer + "/type");
  const LoadedConnector* loaded = plugins.find_sink(type);
  if (loaded == nullptr) {
    errors.push_back(unknown_connector(plugins, type, false, place));
    return;
  }
  if (!loaded->wants_messages()) {
    errors.push_back({"DS-CONFIG-UNSUPPORTED",
                      "dead_letter.sink: the sink " + type +
                          " takes records; dead letters are "
                          "messages.",
                      "Name a sink that takes messages.", place, ExitCode::kUsage});
    return;
  }
  Json own_keys = connector_keys(draft, kSide, *loaded, draft.file->origins, errors);
  if (own_keys.isEmpty()) {
    return;
  }
  JsonObject own = own_keys.extract<JsonObject>();
  if (draft.node->find("dead_letter")->value->find("sink")->value->find("topic") == nullptr) {
    errors.push_back({"DS-CONFIG-MISSING-KEY",
                      "dead_letter.sink.topic is missing; dead letters do not belong into the "
                      "topics of their tables.",
                      "Name a topic, for example {pipeline}.dead-letters.",
                      draft.file->origins.key_place(pointer), ExitCode::kUsage});
    return;
  }
  shown->getObject("dead_letter")
      ->set("sink", redacted_copy(own_keys, draft.file->origins, pointer));
  settings.dead_letter.topic = own->getValue<std::string>("topic");
  if (auto parsed = TopicTemplate::parse(settings.dead_letter.topic); !parsed) {
    Error error = parsed.error();
    error.place = draft.file->origins.value_place(pointer + "/topic");
    error.exit_code = ExitCode::kUsage;
    errors.push_back(std::move(error));
  }
  take_own_keys(*loaded, own);
  settings.dead_letter.sink = ConnectorSettings{type, json_text(own_keys), place};
}

void Config::State::check_templates(const Draft& draft, const PipelineSettings& settings,
                                    ConfigErrors& errors) {
  auto encoder = make_encoder(settings.messages);
  if (!encoder) {
    Error error = encoder.error();
    const char* key = error.code == "DS-PARTITION-TEMPLATE" ? "/partition" : "/sink/topic";
    error.place = draft.file->origins.value_place(draft.pointer + key);
    error.exit_code = ExitCode::kUsage;
    errors.push_back(std::move(error));
  }
}

PipelineSettings Config::State::finish(Draft& draft, const PluginRegistry& plugins,
                                       ConfigErrors& errors) {
  const SchemaView& view = file_schema(FileShape::kPipeline);
  JsonObject shown =
      redacted_copy(draft.keys, draft.file->origins, draft.pointer).extract<JsonObject>();
  Json shown_keys = shown;
  fill_defaults(view, view.root(), shown_keys);
  Json keys = deep_copy(draft.keys);
  fill_defaults(view, view.root(), keys);
  size_t before = errors.size();
  PipelineSettings settings =
      read_pipeline_keys(keys.extract<JsonObject>(), draft.file->origins, draft.pointer, errors);
  settings.claim_check = claims_of(draft, keys.extract<JsonObject>());
  auto source = connector(draft, true, plugins, settings, shown, errors);
  auto sink = connector(draft, false, plugins, settings, shown, errors);
  dead_letter_sink(draft, plugins, settings, shown, errors);
  if (source && sink) {
    settings.source = std::move(*source);
    settings.sink = std::move(*sink);
    if (plugins.find_sink(settings.sink.type)->wants_messages() && errors.size() == before) {
      check_templates(draft, settings, errors);
    }
  }
  pipelines_shown->add(shown);
  return settings;
}

Config::Config(std::unique_ptr<State> state) : state_(std::move(state)) {}
Config::Config(Config&&) noexcept = default;
Config& Config::operator=(Config&&) noexcept = default;
Config::~Config() = default;

tl::expected<Config, ConfigErrors> Config::load(const std::vector<std::string>& files,
                                                const ReferenceSources& sources,
                                                std::shared_ptr<Redactor> redactor) {
  auto state = std::make_unique<State>();
  state->redactor = std::move(redactor);
  state->sources = sources;
  ConfigErrors errors;
  for (const std::string& file : files) {
    state->read_file(file, errors);
  }
  if (errors.empty()) {
    state->check_names(errors);
  }
  if (errors.empty() && state->drafts.empty()) {
    errors.push_back(config_error("DS-CONFIG-NO-PIPELINES", files.empty() ? "" : files.front(), {},
                                  "There is no pipeline to run.",
                                  "dstream config example prints one to start from."));
  }
  if (!errors.empty()) {
    return tl::unexpected(std::move(errors));
  }
  return Config(std::move(state));
}

const HostSettings& Config::host() const { return state_->host; }

std::vector<std::string> Config::pipeline_names() const {
  std::vector<std::string> out;
  for (const Draft& draft : state_->drafts) {
    out.push_back(draft.keys.extract<JsonObject>()->getValue<std::string>("name"));
  }
  return out;
}

tl::expected<std::vector<PipelineSettings>, ConfigErrors> Config::pipelines(
    const PluginRegistry& plugins) {
  ConfigErrors errors;
  std::vector<PipelineSettings> out;
  state_->pipelines_shown = new Poco::JSON::Array;
  for (Draft& draft : state_->drafts) {
    out.push_back(state_->finish(draft, plugins, errors));
  }
  if (!errors.empty()) {
    return tl::unexpected(std::move(errors));
  }
  return out;
}

Result<std::string> Config::reread_connector(const std::string& pipeline, Role role,
                                             const PluginRegistry& plugins) const {
  std::lock_guard lock(state_->reread_mutex);
  return state_->reread(pipeline, role, plugins);
}

Result<ClaimCheckSettings> Config::reread_claim_check(const std::string& pipeline) const {
  std::lock_guard lock(state_->reread_mutex);
  const Draft& draft = state_->draft_of(pipeline);
  return state_->reread_keys(draft).map(
      [&](const JsonObject& keys) { return claims_of(draft, keys); });
}

Result<RegistrySettings> Config::reread_registry(const std::string& pipeline) const {
  std::lock_guard lock(state_->reread_mutex);
  return state_->reread_keys(state_->draft_of(pipeline)).map(read_registry);
}

const std::vector<Error>& Config::warnings() const { return state_->warnings; }

std::shared_ptr<const Redactor> Config::redactor() const { return state_->redactor; }

std::string Config::shown_json() const { return json_text(state_->shown(), true); }

std::string Config::shown_yaml() const { return yaml_text(state_->shown()); }

}  // namespace dstream::core
