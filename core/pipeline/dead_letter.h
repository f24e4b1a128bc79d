// Where rejected records go: one JSON line each, appended and fsynced before the record counts as
// settled (I1).
//
// `<state_dir>/<pipeline>.dead-letter.jsonl`, one object a line:
//
//   {"format":1,"rejected_at":"2026-11-23T05:42:00.123Z","pipeline":"people",
//    "code":"DS-SINK-REJECTED","reason":"Message size too large.","vendor_code":10,
//    "op":"insert","database":"shop","schema":"dbo","table":"Persons",
//    "position":"00ab","commit_time_ns":1764000000000000000,
//    "source":{"commit_lsn":"00000027:000001f4:0003"},
//    "messages":[{"topic":"shop.dbo.Persons","key":"eyJpZCI6MX0=","value":"...","headers":{...}}],
//    "record":null}
//
// Keys, values and headers of messages are base64, null if there is none. A record that was never a
// message (the sink takes records, or it could not be encoded) is in `record` instead, as the
// `json` format writes it. `position` is hexadecimal, "-" inside a transaction that cannot be
// resumed.
//
// A line that a crash cut short is ended by the next start; its record was not settled and comes
// again.
//
// Thread rule: [worker] of the sink.
#pragma once

#include <memory>
#include <string>

#include "core/base/arena.h"
#include "core/base/clock.h"
#include "core/base/file_system.h"
#include "core/messages/encoder.h"
#include "core/pipeline/delivery.h"

namespace dstream::core {

// Do not change this value, it is stored on disk.
inline constexpr int kDeadLetterFormat = 1;

std::string dead_letter_path(const std::string& state_dir, const std::string& pipeline);

// The line for one rejected record, with the newline. `record_encoder` writes what was never a
// message; may be nullptr.
std::string format_dead_letter(const std::string& pipeline, const Delivery& delivery,
                               const Reject& reject, int64_t wall_ns, Encoder* record_encoder);

class DeadLetterFile {
 public:
  // Nothing is opened before the first append().
  DeadLetterFile(FileSystem& files, std::string state_dir, std::string pipeline)
      : files_(files), state_dir_(std::move(state_dir)), pipeline_(std::move(pipeline)) {}

  // Durable when it returns without an error. After an error the caller appends the same again: a
  // line may then be there twice, never not at all. Errors: DS-DEAD-LETTER-WRITE.
  Result<void> append(const Delivery& delivery, int64_t wall_ns);

 private:
  Result<void> open();
  Result<void> append_lines(const std::string& lines);

  FileSystem& files_;
  const std::string state_dir_;
  const std::string pipeline_;
  std::unique_ptr<AppendFile> file_;
  std::unique_ptr<Encoder> record_encoder_;
};

}  // namespace dstream::core
