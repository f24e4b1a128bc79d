#include "tests/standins/kafka/until_stopped.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace dstream::standin {
namespace {

constexpr size_t kLineBytesMax = 4096;

}  // namespace

UntilStopped::UntilStopped() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  signal_fd_ = signalfd(-1, &signals, SFD_CLOEXEC);
  struct stat input {};
  reads_input_ =
      fstat(STDIN_FILENO, &input) == 0 && (S_ISFIFO(input.st_mode) || S_ISSOCK(input.st_mode));
}

UntilStopped::~UntilStopped() { ::close(signal_fd_); }

// Takes what there is within the time. False if nothing came.
bool UntilStopped::take(int timeout_ms) {
  pollfd waited[2] = {{signal_fd_, POLLIN, 0}, {reads_input_ ? STDIN_FILENO : -1, POLLIN, 0}};
  if (poll(waited, 2, timeout_ms) <= 0) {
    return false;
  }
  if (waited[0].revents != 0) {
    stopped_ = true;
    return true;
  }
  char bytes[kLineBytesMax];
  const ssize_t count = ::read(STDIN_FILENO, bytes, sizeof bytes);
  if (count > 0) {
    buffer_.append(bytes, static_cast<size_t>(count));
  } else if (count == 0 || errno != EINTR) {
    stopped_ = true;
  }
  return true;
}

std::optional<std::string> UntilStopped::next_line() {
  for (;;) {
    if (const size_t end = buffer_.find('\n'); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    if (stopped_ || buffer_.size() > kLineBytesMax) {
      return std::nullopt;
    }
    take(-1);
  }
}

bool UntilStopped::stopped(int timeout_ms) {
  if (!stopped_ && take(timeout_ms)) {
    buffer_.clear();
  }
  return stopped_;
}

}  // namespace dstream::standin
