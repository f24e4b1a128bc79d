// A program under test: started, watched through its output, signalled, and never left behind.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace dstream::end_to_end {

// Thread rule: one thread starts and stops; the output is collected by a thread of its own. The
// child dies with the test (PR_SET_PDEATHSIG), however that ends.
class Child {
 public:
  // Standard output and error are read together. `environment` adds to the test's own.
  Child(std::vector<std::string> command, std::vector<std::string> environment = {});
  ~Child();  // kill -9 if it still runs
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // The first line, from the start of the output, that contains `text`; nullopt if the child ended
  // or `timeout` passed before.
  std::optional<std::string> wait_line(const std::string& text, std::chrono::milliseconds timeout);
  void signal(int number);
  // Exit code, or 128 + signal number; nullopt if it still runs after `timeout`.
  std::optional<int> wait_exit(std::chrono::milliseconds timeout);
  pid_t pid() const { return pid_; }
  std::string output() const;

 private:
  void collect(int fd);

  pid_t pid_ = -1;
  std::thread reader_;
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::vector<std::string> lines_;
  bool output_ended_ = false;
  std::optional<int> exit_;
};

}  // namespace dstream::end_to_end
