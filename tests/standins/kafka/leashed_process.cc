#include "tests/standins/kafka/leashed_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

extern char** environ;

namespace dstream::standin {
namespace {

constexpr int kStartTimeoutMs = 10'000;

[[noreturn]] void fail(const char* what, int error) {
  throw std::runtime_error(std::string(what) + ": " + std::strerror(error));
}

std::vector<std::string> merged_environment(const LeashedProcess::Command& command) {
  std::vector<std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::string_view text(*entry);
    bool replaced = false;
    for (const auto& [name, value] : command.environment) {
      replaced = replaced || (text.starts_with(name) && text.substr(name.size()).starts_with('='));
    }
    if (!replaced) {
      merged.emplace_back(text);
    }
  }
  for (const auto& [name, value] : command.environment) {
    merged.push_back(name + "=" + value);
  }
  return merged;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) {
    out.push_back(text.data());
  }
  out.push_back(nullptr);
  return out;
}

}  // namespace

LeashedProcess::LeashedProcess(const Command& command) {
  int hold[2];
  int report[2];
  if (pipe2(hold, O_CLOEXEC) != 0 || pipe2(report, O_CLOEXEC) != 0) {
    fail("pipe", errno);
  }
  hold_fd_ = hold[1];
  report_fd_ = report[0];

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, hold[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, report[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, command.output_file.c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0600);
  std::vector<std::string> arguments = {DSTREAM_LEASH_PROGRAM};
  arguments.insert(arguments.end(), command.arguments.begin(), command.arguments.end());
  std::vector<std::string> environment = merged_environment(command);
  posix_spawnattr_t attributes;  // a mask of blocked signals would be inherited down to the broker
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  const int error = posix_spawn(&leash_, DSTREAM_LEASH_PROGRAM, &actions, &attributes,
                                pointers(arguments).data(), pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  ::close(hold[0]);
  ::close(report[1]);
  if (error != 0) {
    ::close(hold_fd_);
    ::close(report_fd_);
    fail(DSTREAM_LEASH_PROGRAM, error);
  }
  if (!read_pid()) {
    ::close(hold_fd_);
    reap();
    ::close(report_fd_);
    throw std::runtime_error("The leash did not start its process.");
  }
}

LeashedProcess::~LeashedProcess() {
  ::close(hold_fd_);
  if (!ended_) {
    reap();
  }
  ::close(report_fd_);
}

bool LeashedProcess::read_pid() {
  std::string line;
  while (!line.ends_with('\n')) {
    pollfd waited{report_fd_, POLLIN, 0};
    char character = 0;
    if (poll(&waited, 1, kStartTimeoutMs) <= 0 || ::read(report_fd_, &character, 1) != 1) {
      return false;
    }
    line += character;
  }
  pid_ = std::atoi(line.c_str() + std::strlen("pid "));
  return true;
}

void LeashedProcess::signal(int number) const { ::kill(pid_, number); }

bool LeashedProcess::wait_end(int timeout_ms) {
  if (ended_) {
    return true;
  }
  pollfd waited{report_fd_, POLLIN, 0};
  if (poll(&waited, 1, timeout_ms) <= 0) {
    return false;
  }
  reap();
  return true;
}

void LeashedProcess::reap() {
  int status = 0;
  while (waitpid(leash_, &status, 0) < 0 && errno == EINTR) {
  }
  ended_ = true;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace dstream::standin
