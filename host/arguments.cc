#include "host/arguments.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cstdio>
#include <map>

#include "core/base/log_line.h"
#include "core/config/nearest.h"
#include "core/config/units.h"
#include "host/output.h"

namespace dstream::host {
namespace {

class Parser {
 public:
  Parser() : app_("Copies row changes from databases to event streams and loses none of them.") {
    app_.name("dstream");
    app_.require_subcommand(1);
    app_.fallthrough(false);
    app_.set_help_flag("-h,--help", "Say what there is.");
    app_.set_version_flag("--version", "dstream " DSTREAM_VERSION, "Print the version.");
    app_.footer(
        "Exit codes: 0 done, 1 it failed, 2 the configuration or the call is wrong,\n"
        "3 refused for safety, 130 and 143 after SIGINT and SIGTERM.");
    add_run();
    add_validate();
    add_plugins();
    add_doctor();
    add_status();
    add_reload();
    add_snapshot();
    add_replay();
    add_checkpoint();
    add_config();
    add_version();
  }

  ParsedArguments parse(int argc, const char* const* argv) {
    for (int i = 1; i < argc; ++i) {
      json_anywhere_ = json_anywhere_ || std::string(argv[i]) == "--json";
    }
    try {
      app_.parse(argc, argv);
    } catch (const CLI::Success& asked) {  // --help and --version
      return {std::nullopt, app_.exit(asked)};
    } catch (const CLI::ParseError& failure) {
      return complain(failure);
    }
    return {std::move(arguments_), 0};
  }

 private:
  CLI::App* add(CLI::App* parent, const std::string& name, const std::string& help,
                Command command) {
    CLI::App* sub = parent->add_subcommand(name, help);
    std::string full = parent == &app_ ? name : parent->get_name() + " " + name;
    sub->add_flag("--json", arguments_.json, "Print the result as one JSON document.");
    sub->parse_complete_callback([this, command, full] {
      arguments_.command = command;
      arguments_.command_name = full;
    });
    return sub;
  }

  void add_paths(CLI::App* sub, bool required) {
    CLI::Option* paths =
        sub->add_option("FILE", arguments_.paths,
                        "Configuration files, or folders with dstream.yaml and pipelines/*.yaml.");
    if (required) {
      paths->required();
    }
  }

  void add_plugin_dirs(CLI::App* sub) {
    sub->add_option("--plugin-dir", arguments_.plugin_dirs,
                    "A folder of plugins; may be given again. Comes before those of the file.")
        ->allow_extra_args(false)
        ->type_name("FOLDER");
    sub->add_flag_callback(
        "--no-default-plugins", [this] { arguments_.default_plugins = false; },
        "Do not load the plugins that come with the program.");
  }

  void add_state_dir(CLI::App* sub) {
    sub->add_option("--state-dir", arguments_.state_dir,
                    "Folder of checkpoints and dead letters; before that of the file.")
        ->type_name("FOLDER");
  }

  static void add_duration(CLI::App* sub, const std::string& name, int64_t& milliseconds,
                           const std::string& help, const std::string& usual) {
    sub->add_option_function<std::string>(
           name,
           [&milliseconds](const std::string& text) {
             milliseconds = *core::parse_duration_ms(text);
           },
           help)
        ->check(CLI::Validator(
            [](const std::string& text) {
              return core::parse_duration_ms(text)
                         ? std::string()
                         : std::string("must be ") + core::kDurationExpected;
            },
            "", "duration"))
        ->type_name("DURATION")
        ->default_str(usual);
  }

  void add_run() {
    CLI::App* sub =
        add(&app_, "run", "Run pipelines until they end or a signal comes.", Command::kRun);
    add_paths(sub, true);
    add_plugin_dirs(sub);
    add_state_dir(sub);
    add_log(sub);
    add_duration(sub, "--status-interval", arguments_.status_interval_ms,
                 "Time between status lines in the log; 0s: none.", "10s");
  }

  void add_log(CLI::App* sub) {
    sub->add_option_function<std::string>(
           "--log-level",
           [this](const std::string& text) { arguments_.log_level = core::parse_log_level(text); },
           "trace, debug, info, warn or error; before that of the file.")
        ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}))
        ->type_name("LEVEL");
    sub->add_option_function<std::string>(
           "--log-format",
           [this](const std::string& text) {
             arguments_.log_format = core::parse_log_format(text);
           },
           "text, json or logfmt; before that of the file.")
        ->check(CLI::IsMember({"text", "json", "logfmt"}))
        ->type_name("FORMAT");
  }

  void add_validate() {
    CLI::App* sub =
        add(&app_, "validate", "Check configuration files without connecting.", Command::kValidate);
    add_paths(sub, true);
    add_plugin_dirs(sub);
  }

  void add_plugins() {
    CLI::App* group = app_.add_subcommand("plugins", "What plugins there are.");
    group->require_subcommand(1);
    CLI::App* list =
        add(group, "list", "List connectors, and files that were refused.", Command::kPluginsList);
    add_plugin_dirs(list);
    list->add_option("--config", arguments_.paths, "Files whose plugin_dirs count, too.")
        ->type_name("FILE");
    CLI::App* inspect = add(group, "inspect", "Describe one plugin file, or say why it is refused.",
                            Command::kPluginsInspect);
    inspect->add_option("FILE", arguments_.plugin_file, "The shared library.")->required();
  }

  void add_pipelines(CLI::App* sub) {
    sub->add_option("--pipeline", arguments_.pipelines, "Only this one; may be given again.")
        ->allow_extra_args(false)
        ->type_name("NAME");
  }

  void add_doctor() {
    CLI::App* sub =
        add(&app_, "doctor", "Look at what pipelines need: state folder, databases, brokers.",
            Command::kDoctor);
    add_paths(sub, true);
    add_plugin_dirs(sub);
    add_state_dir(sub);
    add_pipelines(sub);
    add_duration(sub, "--timeout", arguments_.timeout_ms,
                 "For all checks of one source or sink together.", "30s");
  }

  void add_status() {
    CLI::App* sub =
        add(&app_, "status", "Ask a running host how its pipelines are.", Command::kStatus);
    add_paths(sub, false);
    add_state_dir(sub);
    add_pipelines(sub);
    sub->add_flag("--watch", arguments_.watch, "Ask again and again, until a signal comes.");
    add_duration(sub, "--interval", arguments_.watch_interval_ms, "Time between two of a --watch.",
                 "2s");
  }

  void add_reload() {
    CLI::App* sub =
        add(&app_, "reload", "Have a running host read its configuration again.", Command::kReload);
    sub->add_option_function<std::string>(
        "PIPELINE", [this](const std::string& name) { arguments_.pipelines = {name}; },
        "Only this one; the others stay as they are.");
    add_state_dir(sub);
    sub->add_option("--config", arguments_.paths, "Files whose state_dir it is.")
        ->type_name("FILE");
    add_duration(sub, "--timeout", arguments_.reload_timeout_ms,
                 "How long to wait until every pipeline has drained and started.", "2m");
  }

  void add_snapshot() {
    CLI::App* sub =
        add(&app_, "snapshot", "Have a running pipeline copy one table again.", Command::kSnapshot);
    sub->add_option_function<std::string>(
           "PIPELINE", [this](const std::string& name) { arguments_.pipelines = {name}; },
           "Its name.")
        ->required();
    sub->add_option("TABLE", arguments_.table, "As its configuration names it: dbo.Orders.")
        ->required();
    add_state_dir(sub);
    sub->add_option("--config", arguments_.paths, "Files whose state_dir it is.")
        ->type_name("FILE");
  }

  void add_replay() {
    CLI::App* sub = add(&app_, "replay", "Send dead letters again, through the sink of a pipeline.",
                        Command::kReplay);
    sub->add_option("DEAD-LETTERS", arguments_.dead_letter_file,
                    "The file: NAME.dead-letter.jsonl, or one that was put aside.")
        ->required();
    sub->add_option("--config", arguments_.paths,
                    "The configuration files or folders that have the pipeline.")
        ->required()
        ->type_name("FILE");
    sub->add_option_function<std::string>(
           "--pipeline", [this](const std::string& name) { arguments_.pipelines = {name}; },
           "Whose sink it is, if not that of the pipeline they come from.")
        ->type_name("NAME");
    sub->add_flag("--skip", arguments_.skip, "Go past lines that cannot be sent, and count them.");
    sub->add_flag("--from-start", arguments_.from_start,
                  "Forget how far an earlier replay of the file has got.");
    add_plugin_dirs(sub);
    add_state_dir(sub);
    add_log(sub);
    add_duration(sub, "--status-interval", arguments_.status_interval_ms,
                 "Time between status lines in the log; 0s: none.", "10s");
  }

  void add_checkpoint() {
    CLI::App* group = app_.add_subcommand("checkpoint", "How far pipelines have got.");
    group->require_subcommand(1);
    CLI::App* show = add(group, "show", "Print checkpoints, also of running pipelines.",
                         Command::kCheckpointShow);
    add_paths(show, false);
    add_state_dir(show);
    add_pipelines(show);
  }

  void add_config() {
    CLI::App* group = app_.add_subcommand("config", "The configuration: shown, described, begun.");
    group->require_subcommand(1);
    CLI::App* show = add(group, "show", "Print it with its defaults; secrets are redacted.",
                         Command::kConfigShow);
    add_paths(show, true);
    add_plugin_dirs(show);
    CLI::App* schema = add(group, "schema", "Print the JSON Schema of a file, plugins included.",
                           Command::kConfigSchema);
    add_plugin_dirs(schema);
    schema->add_flag("--markdown", arguments_.markdown, "As tables for people.");
    add(group, "example", "Print a commented file to start from.", Command::kConfigExample);
  }

  void add_version() { add(&app_, "version", "Print the version.", Command::kVersion); }

  // The innermost command that was recognised: its usage is what the reader needs.
  const CLI::App* innermost() const {
    const CLI::App* at = &app_;
    while (!at->get_subcommands().empty()) {
      at = at->get_subcommands().front();
    }
    return at;
  }

  ParsedArguments complain(const CLI::ParseError& failure) {
    const CLI::App* at = innermost();
    std::string name = at == &app_ ? "" : at->get_name();
    if (at->get_parent() != nullptr && at->get_parent() != &app_) {
      name = at->get_parent()->get_name() + " " + name;
    }
    std::vector<std::string> known;
    for (const CLI::App* sub : at->get_subcommands([](const CLI::App*) { return true; })) {
      known.push_back(sub->get_name());
    }
    std::string message = failure.what();
    std::string hint;
    for (const std::string& left : at->remaining()) {
      if (!known.empty() && !left.starts_with('-')) {
        auto nearest = core::nearest_name(left, known);
        message = "There is no command " + (name.empty() ? "" : name + " ") + left;
        hint = nearest ? "Did you mean " + *nearest + "? " : "";
        break;
      }
    }
    hint += "See dstream " + (name.empty() ? "" : name + " ") + "--help.";
    if (!message.ends_with('.')) {
      message += '.';
    }
    Output output(json_anywhere_, name);
    core::Error error{"DS-USAGE", message, hint, std::nullopt, core::ExitCode::kUsage};
    return {std::nullopt, output.fail({error})};
  }

  CLI::App app_;
  Arguments arguments_;
  bool json_anywhere_ = false;
};

}  // namespace

ParsedArguments parse_arguments(int argc, const char* const* argv) {
  return Parser().parse(argc, argv);
}

}  // namespace dstream::host
