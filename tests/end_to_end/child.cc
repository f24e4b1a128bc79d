#include "tests/end_to_end/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

namespace dstream::end_to_end {
namespace {

[[noreturn]] void become(std::vector<std::string>& command, std::vector<std::string>& environment,
                         int output) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(nothing, 0);
  dup2(output, 1);
  dup2(output, 2);
  for (auto& variable : environment) {
    putenv(variable.data());
  }
  std::vector<char*> arguments;
  for (auto& argument : command) {
    arguments.push_back(argument.data());
  }
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  _exit(127);
}

}  // namespace

Child::Child(std::vector<std::string> command, std::vector<std::string> environment) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    throw std::runtime_error("pipe2 failed");
  }
  pid_ = fork();
  if (pid_ == 0) {
    become(command, environment, ends[1]);
  }
  close(ends[1]);
  reader_ = std::thread([this, fd = ends[0]] { collect(fd); });
}

Child::~Child() {
  if (!wait_exit(std::chrono::milliseconds(0))) {
    kill(pid_, SIGKILL);
    wait_exit(std::chrono::seconds(30));
  }
  reader_.join();
}

// Runs until the child has closed its output, which its death does at the latest; then reaps it.
void Child::collect(int fd) {
  std::string pending;
  char buffer[4096];
  ssize_t got = 0;
  while ((got = read(fd, buffer, sizeof buffer)) > 0) {
    pending.append(buffer, static_cast<size_t>(got));
    std::lock_guard lock(mutex_);
    for (size_t end = 0; (end = pending.find('\n')) != std::string::npos;) {
      lines_.push_back(pending.substr(0, end));
      pending.erase(0, end + 1);
    }
    changed_.notify_all();
  }
  close(fd);
  int status = 0;
  waitpid(pid_, &status, 0);
  std::lock_guard lock(mutex_);
  if (!pending.empty()) {
    lines_.push_back(pending);
  }
  output_ended_ = true;
  exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  changed_.notify_all();
}

std::optional<std::string> Child::wait_line(const std::string& text,
                                            std::chrono::milliseconds timeout) {
  auto deadline = std::chrono::steady_clock::now() + timeout;
  std::unique_lock lock(mutex_);
  size_t next = 0;
  for (;;) {
    for (; next < lines_.size(); ++next) {
      if (lines_[next].find(text) != std::string::npos) {
        return lines_[next];
      }
    }
    if (output_ended_ || changed_.wait_until(lock, deadline) == std::cv_status::timeout) {
      return std::nullopt;
    }
  }
}

void Child::signal(int number) {
  std::lock_guard lock(mutex_);
  if (!exit_) {
    kill(pid_, number);
  }
}

std::optional<int> Child::wait_exit(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, timeout, [this] { return exit_.has_value(); });
  return exit_;
}

std::string Child::output() const {
  std::lock_guard lock(mutex_);
  std::string all;
  for (const auto& line : lines_) {
    all += line + '\n';
  }
  return all;
}

}  // namespace dstream::end_to_end
