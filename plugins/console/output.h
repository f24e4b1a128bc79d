// A file descriptor that is written to without ever waiting longer than told: a terminal may be
// stopped with Ctrl-S, a pipe's reader may be slow or gone.
//
// Not thread safe.
#pragma once

#include <cstdint>
#include <string_view>

namespace console {

class Output {
 public:
  // Borrows `fd`; does not change its flags, which other processes may share.
  explicit Output(int fd) : fd_(fd) {}

  bool is_terminal() const;

  // Writes as much of `text` as it can within `max_wait_ms` and returns how much that was.
  // Throws dstream::Error: FATAL if nobody can read the output any more (closed, reader gone,
  // terminal hung up), RETRY if it is a file on a full disk. A broken pipe raises no signal.
  size_t write(std::string_view text, int64_t max_wait_ms);

 private:
  bool wait_writable(int64_t wait_ms) const;

  int fd_;
};

}  // namespace console
