// Reads dead letters back: one line, and a file of them. docs/checkpoint-format.md has the format.
//
// What is read may have been cut by a crash, edited or made up: nothing is believed. A file may
// grow while it is read; what was appended after the look at it is left out.
//
// Thread rule: one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/file_system.h"

namespace dstream::core {

// A line that is larger is refused. A message of 1 MiB takes about 1.4 MiB.
inline constexpr uint64_t kDeadLetterLineBytesMax = 256ull * 1024 * 1024;

struct DeadLetterMessage {
  std::string topic;
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  int32_t partition = -1;  // -1: the sink chooses
};

// What sending again needs of a line.
struct DeadLetter {
  std::string pipeline;
  std::string op;
  std::string database;
  std::string name_space;
  std::string table;
  int64_t commit_time_ns = 0;
  std::vector<DeadLetterMessage> messages;  // never empty
};

// `line` without its line feed. Errors, without a place: DS-REPLAY-LINE if it is damaged or of
// another version, DS-REPLAY-NO-MESSAGE if it holds a record that never was a message.
Result<DeadLetter> parse_dead_letter(std::string_view line);

class DeadLetterReader {
 public:
  struct Line {
    std::string_view text;  // without the line feed; valid until the next call
    uint64_t number = 0;    // from 1
    uint64_t end = 0;       // the offset behind its line feed
  };

  // Reads up to `end` bytes. `files` is borrowed.
  DeadLetterReader(FileSystem& files, std::string path, uint64_t end)
      : files_(files), path_(std::move(path)), end_(end) {}

  // Before the first next(). `offset` is 0 or the end of a line, `line` the number of the one
  // before it. Errors: those of FileSystem, DS-REPLAY-POSITION if no line ends there.
  Result<void> open(uint64_t offset, uint64_t line);
  // nullopt: no whole line is left. Errors: those of FileSystem, DS-REPLAY-LINE for a line that is
  // too large, DS-REPLAY-MOVED if the name has become another file's.
  Result<std::optional<Line>> next();
  // The last line has no end: it is being written, or a crash cut it short. After next() has said
  // that none is left.
  bool ends_in_a_part() const { return used_ < buffer_.size(); }

 private:
  Result<void> fill();

  FileSystem& files_;
  const std::string path_;
  const uint64_t end_;
  std::string head_;    // how the file begins
  std::string buffer_;  // from `buffer_at_` on
  uint64_t buffer_at_ = 0;
  size_t used_ = 0;
  uint64_t number_ = 0;
};

// A look at a whole file before any of it is sent.
struct DeadLetterSummary {
  std::string pipeline;     // of the first letter that can be sent
  std::string fingerprint;  // 16 hexadecimal digits of its first line; empty if there is none
  uint64_t bytes = 0;       // up to the end of the last whole line
  uint64_t letters = 0;     // that can be sent
  uint64_t messages = 0;    // of those
  uint64_t unsendable = 0;
  std::vector<Error> why;  // of the first kWhyMax, with their places
  bool ends_in_a_part = false;

  static constexpr size_t kWhyMax = 20;
};
// Errors: as DeadLetterReader, apart from lines that cannot be sent.
Result<DeadLetterSummary> look_at_dead_letters(FileSystem& files, const std::string& path);

}  // namespace dstream::core
