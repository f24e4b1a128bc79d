#include "host/state_checks.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "core/base/log_line.h"
#include "core/pipeline/checkpoint.h"
#include "host/status_text.h"

namespace dstream::host {
namespace {

namespace fs = std::filesystem;
using Result = core::InstanceCheck::Result;

void say(const core::CheckHandler& handler, Result result, const char* id,
         const std::string& sentence, const std::string& mend = {}) {
  handler({result, id, "", sentence, mend});
}

// The folder itself, or the nearest one above it that is there.
fs::path existing_part(const fs::path& folder) {
  std::error_code error;
  fs::path at = fs::absolute(folder, error).lexically_normal();
  while (!at.has_filename() && at.has_relative_path()) {
    at = at.parent_path();
  }
  while (!fs::exists(at, error) && at.has_relative_path()) {
    at = at.parent_path();
  }
  return at;
}

void check_owner(const fs::path& folder, const core::CheckHandler& handler) {
  struct stat info {};
  if (stat(folder.c_str(), &info) != 0) {
    return;
  }
  if (info.st_uid != geteuid()) {
    say(handler, Result::kWarning, "state.owner",
        "The folder belongs to user " + std::to_string(info.st_uid) + ", and this is user " +
            std::to_string(geteuid()) + ".",
        "Call dstream doctor as the user who runs DStream, or: chown the folder to that user.");
    return;
  }
  if ((info.st_mode & 022) != 0) {
    say(handler, Result::kWarning, "state.owner", "Others than its owner may write to the folder.",
        "chmod go-w '" + folder.string() + "'");
    return;
  }
  say(handler, Result::kOk, "state.owner", "The folder is this user's alone to write.");
}

}  // namespace

void check_state_folder(const std::string& state_dir, const core::CheckHandler& handler) {
  std::error_code error;
  bool there = fs::exists(state_dir, error);
  fs::path existing = existing_part(state_dir);
  if (there && !fs::is_directory(state_dir, error)) {
    say(handler, Result::kFailed, "state.folder", state_dir + " is not a folder.",
        "Name another one: state_dir, or --state-dir.");
    return;
  }
  if (access(existing.c_str(), W_OK | X_OK) != 0) {
    say(handler, Result::kFailed, "state.folder",
        existing.string() + " cannot be written: " + std::generic_category().message(errno) + ".",
        "Let this user write there, or name another folder: state_dir, or --state-dir.");
    return;
  }
  say(handler, Result::kOk, "state.folder",
      there ? state_dir + " can be written." : state_dir + " will be made by dstream run.");
  if (there) {
    check_owner(state_dir, handler);
  }
  fs::space_info space = fs::space(existing, error);
  if (error) {
    say(handler, Result::kSkipped, "state.space",
        "The space on the disk is not known: " + error.message() + ".");
  } else if (space.available < kStateSpaceBytesMin) {
    say(handler, Result::kWarning, "state.space",
        "Only " + size_text(space.available) + " are left on the disk.",
        "Make room: without it no checkpoint is written, and a restart delivers again what came "
        "after the last one.");
  } else {
    say(handler, Result::kOk, "state.space", size_text(space.available) + " are left on the disk.");
  }
}

std::string check_pipeline_state(core::FileSystem& files, const std::string& state_dir,
                                 const std::string& pipeline, const std::string& source_type,
                                 const core::CheckHandler& handler) {
  std::string lock_file = state_dir + "/" + pipeline + ".lock";
  bool runs = false;
  if (files.exists(lock_file)) {
    auto lock = files.lock(lock_file);
    runs = !lock && lock.error().code == "DS-FILE-LOCKED";
    if (!lock && !runs) {
      say(handler, Result::kFailed, "state.lock", lock.error().message,
          "Let this user write to " + lock_file + ".");
      return {};
    }
  }
  say(handler, Result::kOk, "state.lock",
      runs ? "The pipeline runs now." : "Nobody runs this pipeline.");
  auto checkpoint = core::read_checkpoint(files, state_dir, pipeline);
  if (!checkpoint) {
    say(handler, Result::kFailed, "state.checkpoint", checkpoint.error().message,
        checkpoint.error().hint);
  } else if (!*checkpoint) {
    say(handler, Result::kOk, "state.checkpoint",
        "There is none yet: the pipeline starts at the beginning.");
  } else if ((*checkpoint)->source_type != source_type) {
    say(handler, Result::kFailed, "state.checkpoint",
        "It was written by the source " + (*checkpoint)->source_type + ", and " + source_type +
            " cannot continue from it.",
        "Give the pipeline another name.");
  } else {
    say(handler, Result::kOk, "state.checkpoint",
        "Written " + core::utc_time_text((*checkpoint)->written_wall_ns) + ", after " +
            count_text((*checkpoint)->records) + " records.");
    return (*checkpoint)->position;
  }
  return {};
}

}  // namespace dstream::host
