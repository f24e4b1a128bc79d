// A child process that dies with this one, even if this one is killed (see leash_main.cc).
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace dstream::standin {

// Thread rule: one thread at a time; signal() [any-thread] while the process lives.
class LeashedProcess {
 public:
  struct Command {
    std::vector<std::string> arguments;  // [0] is the program, looked up in PATH
    std::vector<std::pair<std::string, std::string>> environment;  // on top of ours
    std::string output_file;  // gets stdout and stderr, appended
  };

  // Throws std::runtime_error if the process cannot be started.
  explicit LeashedProcess(const Command& command);
  ~LeashedProcess();  // kills what still runs
  LeashedProcess(const LeashedProcess&) = delete;
  LeashedProcess& operator=(const LeashedProcess&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  // True once the process has ended; waits at most `timeout_ms`.
  bool wait_end(int timeout_ms);
  // 0 done, 128 + signal, 127 not found. REQUIRES: wait_end() was true.
  int exit_code() const { return exit_code_; }

 private:
  bool read_pid();
  void reap();

  pid_t leash_ = -1;
  pid_t pid_ = -1;
  int hold_fd_ = -1;    // the leash ends when this closes
  int report_fd_ = -1;  // end of file when the leash has ended
  bool ended_ = false;
  int exit_code_ = -1;
};

}  // namespace dstream::standin
