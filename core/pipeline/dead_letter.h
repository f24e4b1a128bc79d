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
// Keys, values and headers of messages are base64, null if there is none; `partition` is there if
// the message names one. A record that was never a message (the sink takes records, or it could not
// be encoded) is in `record` instead, as the `json` format writes it. `position` is hexadecimal,
// "-" inside a transaction that cannot be resumed.
//
// A file that would grow beyond its limit is renamed, `<pipeline>.dead-letter.000001.jsonl` and so
// on in the order of time, and another one is begun. When there are as many as may be, nothing is
// written and nothing is dropped (I5): append() fails until files have been taken away.
//
// A line that a crash cut short is ended by the next start; its record was not settled and comes
// again.
//
// Thread rule: [worker] of the sink.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/arena.h"
#include "core/base/clock.h"
#include "core/base/file_system.h"
#include "core/messages/encoder.h"
#include "core/pipeline/delivery.h"
#include "core/pipeline/settings.h"

namespace dstream::core {

// Do not change this value, it is stored on disk.
inline constexpr int kDeadLetterFormat = 1;

inline constexpr const char* kDeadLettersFullCode = "DS-DEAD-LETTER-FULL";

// The file that is written.
std::string dead_letter_path(const std::string& state_dir, const std::string& pipeline);

struct DeadLetterEncoders {
  Encoder* records = nullptr;   // writes what was never a message; may be nullptr
  Encoder* messages = nullptr;  // writes messages that are not in the delivery; may be nullptr
};

// The messages of a rejected record, appended to `out`: those of the delivery, else made anew if
// that can be done, because they were too large for the sink or a new session left them out. False
// if there are none: then one with the record as the `json` format writes it, without a topic, if
// there is an encoder for it. What they point to lives in `arena` or in the delivery.
bool rejected_messages(const Delivery& delivery, const Reject& reject,
                       const DeadLetterEncoders& encoders, Arena& arena,
                       std::vector<dstream_message>& out);

// The line for one rejected record, with the newline.
std::string format_dead_letter(const std::string& pipeline, const Delivery& delivery,
                               const Reject& reject, int64_t wall_ns,
                               const DeadLetterEncoders& encoders);

// One that the sink of the dead letters refused.
struct RefusedLetter {
  Delivery* delivery;
  uint32_t record;  // as in Reject
};

class DeadLetterFile {
 public:
  // Nothing is opened before the first append().
  DeadLetterFile(FileSystem& files, std::string state_dir, std::string pipeline,
                 const DeadLetterSettings& settings)
      : files_(files),
        state_dir_(std::move(state_dir)),
        pipeline_(std::move(pipeline)),
        settings_(settings) {}

  // Borrowed; for messages that are not in the delivery.
  void set_message_encoder(Encoder* encoder) { message_encoder_ = encoder; }
  DeadLetterEncoders encoders();

  // Lines for all rejects() of the delivery. Durable when it returns without an error. After an
  // error the caller appends the same again: a line may then be there twice, never not at all.
  // Errors: DS-DEAD-LETTER-WRITE, DS-DEAD-LETTER-FULL.
  Result<void> append(const Delivery& delivery, int64_t wall_ns);
  // The same for rejects() of several deliveries, with one fsync. `durable` is how many of them are
  // safe, from the first on, after an error as well: those before a file that is full are.
  Result<void> append(const std::vector<RefusedLetter>& refused, int64_t wall_ns, size_t* durable);

 private:
  Result<void> open();
  // Puts the file aside. Nothing has happened if it fails, or all of it has.
  Result<void> rotate();
  Result<void> append_reject(const Delivery& delivery, const Reject& reject, int64_t wall_ns);
  Result<void> append_line(const std::string& line);
  // fsync, if `done` and there is anything to sync; else the error as the operator reads it.
  Result<void> finish(Result<void> done);

  FileSystem& files_;
  const std::string state_dir_;
  const std::string pipeline_;
  const DeadLetterSettings settings_;
  std::unique_ptr<AppendFile> file_;
  uint64_t file_bytes_ = 0;
  std::unique_ptr<Encoder> record_encoder_;
  Encoder* message_encoder_ = nullptr;
};

}  // namespace dstream::core
