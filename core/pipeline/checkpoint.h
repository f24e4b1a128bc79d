// A checkpoint: how far a pipeline has got, as it stands in a file.
//
// The file is a few lines of text, `docs/checkpoint-format.md` describes it. Whatever is wrong with
// it, the answer is an error that names the file; never an empty position (I5).
//
// Thread rule: plain values and functions; [any-thread].
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/file_system.h"

namespace dstream::core {

// Do not change these values, they are stored on disk.
inline constexpr int kCheckpointFormat = 1;
inline constexpr std::string_view kCheckpointMagic = "dstream-checkpoint";
// The largest position is 64 KiB, twice that in hexadecimal digits; the other lines are short.
inline constexpr uint64_t kCheckpointBytesMax = 256 * 1024;

// Changes that no longer existed upstream when the source asked for them, and that
// `on_data_loss: continue` passed over.
struct CheckpointGap {
  int64_t wall_ns = 0;
  std::string position;  // after which changes are missing
  std::string reason;    // what the source said
};

struct Checkpoint {
  std::string pipeline;
  std::string source_type;  // the connector that wrote the position
  std::string position;     // opaque bytes, up to DSTREAM_MAX_POSITION; never empty in a file
  // Settled up to there since the very first start, dead letters included; what the source read
  // twice, because its connection broke inside a transaction, counts twice.
  uint64_t records = 0;
  int64_t written_wall_ns = 0;
  uint64_t gaps = 0;                      // since the very first start
  std::optional<CheckpointGap> last_gap;  // there if gaps > 0
};

// The whole content of a file, checksum included.
std::string format_checkpoint(const Checkpoint& checkpoint);

// `path` is for messages only. Errors, all with exit code kRefused:
//   DS-CHECKPOINT-CORRUPT  truncated, or changed since it was written
//   DS-CHECKPOINT-FOREIGN  not a checkpoint at all
//   DS-CHECKPOINT-NEWER    a later version of DStream wrote it
Result<Checkpoint> parse_checkpoint(std::string_view content, const std::string& path);

std::string checkpoint_path(const std::string& state_dir, const std::string& pipeline);
std::string previous_checkpoint_path(const std::string& state_dir, const std::string& pipeline);

// The checkpoint of a pipeline, also while it runs; nullopt if it has none yet. Errors: those of
// parse_checkpoint, with a hint at the previous checkpoint if that one is whole, and
//   DS-CHECKPOINT-MISSING   there is none, but there is a previous one: somebody removed it
//   DS-CHECKPOINT-MISMATCH  it belongs to another pipeline
//   DS-CHECKPOINT-READ      it cannot be read
Result<std::optional<Checkpoint>> read_checkpoint(FileSystem& files, const std::string& state_dir,
                                                  const std::string& pipeline);

}  // namespace dstream::core
