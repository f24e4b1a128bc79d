// Waiting of the stand-ins' programs: for a line on standard input, or for the end.
#pragma once

#include <optional>
#include <string>

namespace dstream::standin {

// Construct first thing in main(), before any thread: SIGINT and SIGTERM then end the waiting
// instead of the process.
//
// Standard input counts only if it is a pipe or a socket: whoever holds the other end holds the
// program. A terminal or /dev/null, which a shell gives to programs in the background, does not.
class UntilStopped {
 public:
  UntilStopped();
  ~UntilStopped();
  UntilStopped(const UntilStopped&) = delete;
  UntilStopped& operator=(const UntilStopped&) = delete;

  // The next line, without its end; nothing when it is time to end.
  std::optional<std::string> next_line();
  // True when it is time to end; waits at most `timeout_ms` and drops lines.
  bool stopped(int timeout_ms);

 private:
  bool take(int timeout_ms);

  int signal_fd_ = -1;
  bool reads_input_ = false;
  bool stopped_ = false;
  std::string buffer_;
};

}  // namespace dstream::standin
