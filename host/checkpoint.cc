// dstream checkpoint show
#include <Poco/JSON/Array.h>

#include <algorithm>
#include <filesystem>

#include "core/base/log_line.h"
#include "core/pipeline/checkpoint.h"
#include "host/commands.h"
#include "host/locations.h"
#include "host/session.h"

namespace dstream::host {
namespace {

constexpr std::string_view kSuffix = ".checkpoint";

// As it is if that can be read, else in hexadecimal digits.
std::string position_text(const std::string& position) {
  bool readable = std::all_of(position.begin(), position.end(),
                              [](char letter) { return letter >= ' ' && letter <= '~'; });
  if (readable) {
    return position;
  }
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out = "0x";
  for (char letter : position) {
    auto byte = static_cast<unsigned char>(letter);
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

// Names of the pipelines with a checkpoint in the folder.
std::vector<std::string> pipelines_in(const std::string& state_dir,
                                      std::vector<core::Error>& errors) {
  std::vector<std::string> out;
  std::error_code error;
  std::filesystem::directory_iterator at(state_dir, error);
  for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    std::string name = at->path().filename().string();
    if (name.size() > kSuffix.size() && name.ends_with(kSuffix)) {
      out.push_back(name.substr(0, name.size() - kSuffix.size()));
    }
  }
  if (error) {
    errors.push_back({"DS-STATE-FOLDER",
                      "The state folder cannot be read: " + error.message() + ".",
                      "Name another one with --state-dir.", core::Place{state_dir, 0, 0},
                      core::ExitCode::kFailed});
  }
  std::sort(out.begin(), out.end());
  return out;
}

core::Json checkpoint_json(const core::Checkpoint& checkpoint) {
  core::JsonObject out = new_object();
  out->set("pipeline", checkpoint.pipeline);
  out->set("source", checkpoint.source_type);
  out->set("position", position_text(checkpoint.position));
  out->set("records", checkpoint.records);
  out->set("written_at", core::utc_time_text(checkpoint.written_wall_ns));
  out->set("gaps", checkpoint.gaps);
  if (checkpoint.last_gap) {
    core::JsonObject gap = new_object();
    gap->set("at", core::utc_time_text(checkpoint.last_gap->wall_ns));
    gap->set("after_position", position_text(checkpoint.last_gap->position));
    gap->set("reason", checkpoint.last_gap->reason);
    out->set("last_gap", gap);
  }
  return out;
}

// State folder and pipelines: from the files if there are any, else what the folder holds.
std::vector<std::string> wanted(const Arguments& arguments, Session& session,
                                std::vector<core::Error>& errors) {
  if (!arguments.paths.empty()) {
    errors = read_config(arguments, session);
    return errors.empty() ? session.config->pipeline_names() : std::vector<std::string>();
  }
  session.state_dir = arguments.state_dir.value_or(default_state_dir());
  return arguments.pipelines.empty() ? pipelines_in(session.state_dir, errors)
                                     : arguments.pipelines;
}

}  // namespace

int checkpoint_show_command(const Arguments& arguments, Output& output) {
  Session session;
  std::vector<core::Error> errors;
  std::vector<std::string> names = wanted(arguments, session, errors);
  Poco::JSON::Array::Ptr list = new Poco::JSON::Array;
  std::vector<std::vector<std::string>> rows = {
      {"PIPELINE", "SOURCE", "RECORDS", "WRITTEN", "GAPS", "POSITION"}};
  for (const std::string& name : names) {
    bool chosen = arguments.pipelines.empty() ||
                  std::find(arguments.pipelines.begin(), arguments.pipelines.end(), name) !=
                      arguments.pipelines.end();
    if (!chosen) {
      continue;
    }
    auto checkpoint = core::read_checkpoint(*session.files, session.state_dir, name);
    if (!checkpoint) {
      errors.push_back(checkpoint.error());
      continue;
    }
    if (!*checkpoint) {
      rows.push_back({name, "-", "-", "-", "-", "none yet"});
      continue;
    }
    const core::Checkpoint& found = **checkpoint;
    list->add(checkpoint_json(found));
    rows.push_back({found.pipeline, found.source_type, std::to_string(found.records),
                    core::utc_time_text(found.written_wall_ns), std::to_string(found.gaps),
                    position_text(found.position)});
  }
  if (!errors.empty()) {
    return output.fail(errors);
  }
  core::JsonObject result = new_object();
  result->set("state_dir", session.state_dir);
  result->set("checkpoints", list);
  return output.succeed(core::Json(result), rows.size() == 1
                                                ? "No checkpoints in " + session.state_dir + ".\n"
                                                : text_table(rows));
}

}  // namespace dstream::host
