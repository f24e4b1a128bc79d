// The one writer of a pipeline's checkpoint file.
//
// A write leaves the old or the new file whole, whenever the machine stops (I8): a temporary file
// is written and fsynced, renamed over the old one, and the folder is fsynced. Before that the
// content of the last write is kept as `.previous`, for the person who finds the file damaged.
//
// Thread rule: one thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/base/file_system.h"
#include "core/pipeline/checkpoint.h"

namespace dstream::core {

class CheckpointStore {
 public:
  // Makes the folder, takes the pipeline's lock (I9) and reads what is there. Errors, all with exit
  // code kRefused: DS-STATE-LOCKED if another owner runs this pipeline, DS-STATE-FOLDER if the
  // folder cannot be used, those of read_checkpoint(), and DS-CHECKPOINT-MISMATCH if another kind
  // of source wrote the position.
  static Result<std::unique_ptr<CheckpointStore>> open(FileSystem& files,
                                                       const std::string& state_dir,
                                                       const std::string& pipeline,
                                                       const std::string& source_type);

  // What was read by open() or last written with success.
  const std::optional<Checkpoint>& current() const { return current_; }

  // Durable when it returns without an error. After an error the file is the old or the new one;
  // the caller must take it for the old one and write again later (I2). Errors:
  // DS-CHECKPOINT-WRITE. REQUIRES: pipeline and source are those of open(), the position is not
  // empty.
  Result<void> write(const Checkpoint& checkpoint);

 private:
  CheckpointStore(FileSystem& files, std::string state_dir, std::string pipeline)
      : files_(files), state_dir_(std::move(state_dir)), pipeline_(std::move(pipeline)) {}

  FileSystem& files_;
  const std::string state_dir_;
  const std::string pipeline_;
  std::unique_ptr<FileLock> lock_;
  std::optional<Checkpoint> current_;
  std::string current_content_;  // of the file, empty if there is none
};

}  // namespace dstream::core
