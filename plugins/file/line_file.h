// One file of lines: appended to, made durable, rotated, and whole again after a crash.
//
// Lines that were not made durable are nobody's yet: the sink has not settled them and they will
// come again. So close() takes them back, and open() removes what a crash left of them.
//
// Thread rule: [worker] of the sink.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "disk.h"

namespace file_sink {

struct Rotation {
  uint64_t size_bytes = 0;  // 0: not by size
  int64_t age_ms = 0;       // 0: not by age
};

class LineFile {
 public:
  LineFile(Disk& disk, std::string path, const Rotation& rotation)
      : disk_(disk), path_(std::move(path)), rotation_(rotation) {}
  ~LineFile() { close(); }
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  // Makes the folder and the file, locks it, repairs its end. Returns how many bytes of unfinished
  // lines were removed. Throws dstream::Error: CONFIG if the path cannot be used or the file is
  // not one of lines, RETRY if that may pass (locked, disk full, too many open files).
  uint64_t open();
  // Where a line is to be appended; kept in memory until write_out().
  std::string* buffer() { return &buffer_; }
  bool is_dirty() const { return !buffer_.empty() || size_ != durable_size_; }

  // Hands the buffer to the system. Throws RETRY if the disk is full: what is left stays in the
  // buffer for the next call. Throws REOPEN if the disk fails.
  void write_out();
  // Makes what was handed over durable. Throws REOPEN if that fails: after a failed sync nobody
  // knows what is on the disk, so the file is cut back to what surely was.
  void make_durable();
  // Renames a file that is large or old enough and starts a new one. REQUIRES: not dirty.
  void rotate_if_due(int64_t now_ms);
  void close();

  const std::string& path() const { return path_; }
  uint64_t last_used = 0;  // for the sink's choice of which file to close

 private:
  uint64_t repair();
  std::string folder() const;
  std::string rotated_path(int64_t now_ms, int attempt) const;

  Disk& disk_;
  std::string path_;
  Rotation rotation_;
  int fd_ = -1;
  std::string buffer_;
  int64_t size_ = 0;          // bytes handed to the system
  int64_t durable_size_ = 0;  // bytes surely on the disk
  int64_t born_ms_ = 0;
};

}  // namespace file_sink
