// dstream replay: a pipeline from a file of dead letters to the sink of another pipeline.
#include <Poco/JSON/Object.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "core/base/clock.h"
#include "core/base/metrics.h"
#include "core/messages/passed_message.h"
#include "core/pipeline/checkpoint.h"
#include "core/pipeline/dead_letter_reader.h"
#include "core/pipeline/replay_source.h"
#include "host/commands.h"
#include "host/session.h"
#include "host/signals.h"
#include "host/supervisor.h"

namespace dstream::host {
namespace {

core::Error usage(std::string code, std::string message, std::string hint) {
  return {std::move(code), std::move(message), std::move(hint), std::nullopt,
          core::ExitCode::kUsage};
}

struct Replay {
  std::string file;  // absolute
  core::DeadLetterSummary summary;
  core::PipelineSettings settings;
  std::string sink_of;  // the pipeline whose sink it is
  uint64_t sent_before = 0;
};

core::Result<core::PipelineSettings> find_pipeline(const Arguments& arguments,
                                                   const Session& session,
                                                   const core::DeadLetterSummary& summary) {
  const bool named = !arguments.pipelines.empty();
  const std::string name = named ? arguments.pipelines.front() : summary.pipeline;
  auto found = std::find_if(session.pipelines.begin(), session.pipelines.end(),
                            [&](const core::PipelineSettings& each) { return each.name == name; });
  if (found == session.pipelines.end()) {
    return core::fail(usage("DS-REPLAY-PIPELINE",
                            "The configuration has no pipeline " + name +
                                (named ? "." : ", from which the dead letters come."),
                            "Name the one whose sink is meant with --pipeline."));
  }
  if (!session.plugins.find_sink(found->sink.type)->wants_messages()) {
    return core::fail(usage("DS-REPLAY-SINK",
                            "The sink " + found->sink.type +
                                " takes records; dead letters that can be sent are messages.",
                            "Name a pipeline with another sink with --pipeline."));
  }
  return *found;
}

std::string source_config(const std::string& file, uint64_t bytes, bool skip) {
  core::JsonObject keys = new_object();
  keys->set("file", file);
  keys->set("bytes", bytes);
  keys->set("skip", skip);
  return core::json_text(core::Json(keys));
}

// Its own name, and with it its own position, for each file: what was sent of it is remembered
// though it is put aside or copied.
core::PipelineSettings replay_settings(core::PipelineSettings settings, const Replay& replay,
                                       bool skip) {
  settings.name += ".replay-" + replay.summary.fingerprint;
  settings.source = {core::kReplaySourceId, source_config(replay.file, replay.summary.bytes, skip),
                     std::nullopt};
  settings.messages = core::MessageSettings();
  settings.messages.format = core::kPassedMessageFormat;
  settings.exactly_once = false;
  if (settings.on_oversize == core::OnOversize::kTruncateColumns) {
    settings.on_oversize = core::OnOversize::kOnReject;  // There are no columns any more.
  }
  settings.on_data_loss = core::OnDataLoss::kStop;
  return settings;
}

// Under the lock, so that no other replay of the file is under way.
core::Result<void> forget(core::FileSystem& files, const std::string& state_dir,
                          const std::string& name) {
  auto lock = files.lock(state_dir + "/" + name + ".lock");
  if (!lock) {
    return core::fail(lock.error());
  }
  for (const std::string& path :
       {core::previous_checkpoint_path(state_dir, name), core::checkpoint_path(state_dir, name)}) {
    if (auto removed = files.remove(path); !removed) {
      return removed;
    }
  }
  return files.sync_folder(state_dir);
}

core::Result<void> find_start(const Arguments& arguments, const Session& session, Replay& replay) {
  core::FileSystem& files = *session.files;
  const std::string& name = replay.settings.name;
  if (auto made = files.make_folders(session.state_dir); !made) {
    return made;
  }
  if (arguments.from_start) {
    return forget(files, session.state_dir, name);
  }
  auto checkpoint = core::read_checkpoint(files, session.state_dir, name);
  if (!checkpoint) {
    return core::fail(checkpoint.error());
  }
  if (*checkpoint) {
    auto position = core::parse_replay_position((*checkpoint)->position);
    replay.sent_before = position ? position->messages : 0;
  }
  return {};
}

int say(const Replay& replay, const core::PipelineStatus& status, const Output& output) {
  const uint64_t refused = status.records_dead_lettered;
  const uint64_t sent = status.records_delivered;
  const uint64_t done = replay.sent_before + sent + refused;
  const uint64_t left = replay.summary.messages - std::min(done, replay.summary.messages);
  core::JsonObject result = new_object();
  result->set("file", replay.file);
  result->set("pipeline", replay.sink_of);
  result->set("replay", replay.settings.name);
  result->set("letters", replay.summary.letters);
  result->set("messages", replay.summary.messages);
  result->set("sent_before", replay.sent_before);
  result->set("sent", sent);
  result->set("refused_again", refused);
  result->set("left", left);
  result->set("skipped_lines", replay.summary.unsendable);
  result->set("ends_in_a_part", replay.summary.ends_in_a_part);
  std::string text = std::to_string(sent) + " message(s) sent, " +
                     std::to_string(replay.sent_before) + " before, " + std::to_string(refused) +
                     " refused again, " + std::to_string(left) + " left; " +
                     std::to_string(replay.summary.unsendable) + " line(s) skipped.\n";
  if (replay.summary.ends_in_a_part) {
    text += "The last line has no end and was left out.\n";
  }
  if (sent == 0 && left == 0 && replay.sent_before > 0) {
    text += "All of it was sent before; --from-start sends it once more.\n";
  }
  return output.succeed(core::Json(result), text);
}

// Everything up to the first message. Errors as the command's.
std::vector<core::Error> prepare(const Arguments& arguments, Session& session, Replay& replay) {
  if (auto errors = open_session(arguments, session); !errors.empty()) {
    return errors;
  }
  replay.file = std::filesystem::absolute(arguments.dead_letter_file).string();
  auto summary = core::look_at_dead_letters(*session.files, replay.file);
  if (!summary) {
    return {summary.error()};
  }
  replay.summary = std::move(*summary);
  if (replay.summary.unsendable > 0 && !arguments.skip) {
    return replay.summary.why;
  }
  if (replay.summary.letters == 0) {
    return {};
  }
  auto pipeline = find_pipeline(arguments, session, replay.summary);
  if (!pipeline) {
    return {pipeline.error()};
  }
  replay.sink_of = pipeline->name;
  replay.settings = replay_settings(std::move(*pipeline), replay, arguments.skip);
  if (auto added = session.plugins.add(core::replay_plugin()); !added) {
    return {added.error()};
  }
  if (auto found = find_start(arguments, session, replay); !found) {
    return {found.error()};
  }
  return {};
}

}  // namespace

int replay_command(const Arguments& arguments, Output& output) {
  core::SystemClock clock;
  StopSignals signals;
  umask(077);  // state files are for their owner
  Session session;
  Replay replay;
  auto errors = prepare(arguments, session, replay);
  output.redact_with(session.redactor());
  if (!errors.empty()) {
    return output.fail(errors);
  }
  if (replay.summary.letters == 0) {
    return say(replay, core::PipelineStatus(), output);
  }
  const core::HostSettings& host = session.config->host();
  auto log =
      core::make_redacting_log(core::make_stderr_log(arguments.log_level.value_or(host.log_level),
                                                     arguments.log_format.value_or(host.log_format),
                                                     wants_color(STDERR_FILENO)),
                               session.redactor());
  core::MetricsRegistry metrics;
  core::PipelineEnvironment environment;
  environment.clock = &clock;
  environment.files = session.files.get();
  environment.log = log.get();
  environment.metrics = &metrics;
  environment.plugins = &session.plugins;
  environment.state_dir = session.state_dir;
  environment.seed = std::random_device()();
  environment.rereads.connector = [&](const std::string&, core::Role role) {
    return role == core::Role::kSource
               ? core::Result<std::string>(replay.settings.source.config_json)
               : session.config->reread_connector(replay.sink_of, role, session.plugins);
  };
  environment.rereads.claim_check = [&](const std::string&) {
    return session.config->reread_claim_check(replay.sink_of);
  };
  Supervisor supervisor({replay.settings}, environment, &signals, arguments.status_interval_ms);
  const int exit_code = supervisor.run();
  if (auto failed = supervisor.errors(); !failed.empty()) {
    // In text form the log has said it all.
    return arguments.json ? output.fail(failed) : exit_code;
  }
  say(replay, supervisor.pipelines().front().status.value_or(core::PipelineStatus()), output);
  return exit_code;
}

}  // namespace dstream::host
