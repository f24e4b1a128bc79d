#include "core/pipeline/checkpoint_store.h"

#include <utility>

#include "core/base/assert.h"

namespace dstream::core {
namespace {

Error refused(std::string code, std::string message, std::string hint) {
  return Error{std::move(code), std::move(message), std::move(hint), std::nullopt,
               ExitCode::kRefused};
}

Result<void> prepare_folder(FileSystem& files, const std::string& state_dir) {
  if (files.exists(state_dir)) {
    return {};
  }
  Result<void> made = files.make_folders(state_dir);
  size_t slash = state_dir.find_last_of('/');
  if (made && slash != std::string::npos && slash > 0) {
    made = files.sync_folder(state_dir.substr(0, slash));
  }
  if (!made) {
    return fail(refused("DS-STATE-FOLDER", made.error().message,
                        "Choose a folder that can be written: state_dir, or --state-dir."));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<CheckpointStore>> CheckpointStore::open(FileSystem& files,
                                                               const std::string& state_dir,
                                                               const std::string& pipeline,
                                                               const std::string& source_type) {
  if (Result<void> prepared = prepare_folder(files, state_dir); !prepared) {
    return fail(prepared.error());
  }
  std::unique_ptr<CheckpointStore> store(new CheckpointStore(files, state_dir, pipeline));
  auto lock = files.lock(state_dir + "/" + pipeline + ".lock");
  if (!lock && lock.error().code == "DS-FILE-LOCKED") {
    return fail(refused("DS-STATE-LOCKED",
                        "The pipeline '" + pipeline + "' already runs with the state folder " +
                            state_dir + ": " + lock.error().message,
                        "Stop the other owner, or give this one a state folder of its own."));
  }
  if (!lock) {
    return fail(refused("DS-STATE-FOLDER", lock.error().message,
                        "Choose a folder that can be written: state_dir, or --state-dir."));
  }
  store->lock_ = std::move(*lock);
  auto read = read_checkpoint(files, state_dir, pipeline);
  if (!read) {
    return fail(read.error());
  }
  store->current_ = std::move(*read);
  if (store->current_ && store->current_->source_type != source_type) {
    std::string path = checkpoint_path(state_dir, pipeline);
    return fail(refused("DS-CHECKPOINT-MISMATCH",
                        path + " was written by the source '" + store->current_->source_type +
                            "', and '" + source_type + "' cannot continue from it.",
                        "Give the pipeline another name, or remove the file and the one that ends "
                        "in .previous to start from the beginning."));
  }
  if (store->current_) {
    // The owner before may have gone between the rename and the sync. What the source is told to
    // forget must not depend on that name (I2).
    if (Result<void> synced = files.sync_folder(state_dir); !synced) {
      return fail(refused("DS-STATE-FOLDER", synced.error().message, synced.error().hint));
    }
    store->current_content_ = format_checkpoint(*store->current_);
  }
  return store;
}

Result<void> CheckpointStore::write(const Checkpoint& checkpoint) {
  DSTREAM_ASSERT(checkpoint.pipeline == pipeline_ && !checkpoint.position.empty());
  std::string path = checkpoint_path(state_dir_, pipeline_);
  std::string temporary = path + ".tmp";
  std::string content = format_checkpoint(checkpoint);
  Result<void> done;
  if (!current_content_.empty()) {
    done = files_.write_durable(temporary, current_content_);
    if (done) {
      done = files_.rename(temporary, previous_checkpoint_path(state_dir_, pipeline_));
    }
  }
  // Each step only if the one before it is done (I8).
  if (done) {
    done = files_.write_durable(temporary, content);
  }
  if (done) {
    done = files_.rename(temporary, path);
  }
  if (done) {
    done = files_.sync_folder(state_dir_);
  }
  if (!done) {
    return fail("DS-CHECKPOINT-WRITE",
                "The checkpoint of '" + pipeline_ + "' cannot be stored: " + done.error().message,
                done.error().hint.empty() ? "It is tried again; nothing is lost meanwhile."
                                          : done.error().hint);
  }
  current_ = checkpoint;
  current_content_ = std::move(content);
  return {};
}

}  // namespace dstream::core
