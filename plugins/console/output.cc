#include "output.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <string>
#include <system_error>

#include "dstream/plugin.hpp"

namespace console {
namespace {

constexpr size_t kTerminalPiece = 256;

// Keeps SIGPIPE from this thread and takes back the one that a write raised, so that the process
// is left as it was: handlers belong to the host.
class WithoutSigpipe {
 public:
  WithoutSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~WithoutSigpipe() {
    const int saved = errno;
    if (!was_pending_) {
      const timespec now{0, 0};
      while (sigtimedwait(&pipe_, nullptr, &now) == -1 && errno == EINTR) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = saved;
  }
  WithoutSigpipe(const WithoutSigpipe&) = delete;
  WithoutSigpipe& operator=(const WithoutSigpipe&) = delete;

 private:
  sigset_t pipe_;
  sigset_t before_;
  bool was_pending_ = false;
};

ssize_t write_without_sigpipe(int fd, std::string_view text) {
  WithoutSigpipe guard;
  return ::write(fd, text.data(), text.size());
}

[[noreturn]] void fail(int error) {
  if (error == ENOSPC || error == EDQUOT) {
    throw dstream::Error(DSTREAM_RETRY, "The file that the output goes to has no room left.",
                         error);
  }
  throw dstream::Error(
      DSTREAM_FATAL,
      "Nobody can read the output any more: " + std::generic_category().message(error) + ".",
      error);
}

}  // namespace

bool Output::is_terminal() const { return isatty(fd_) == 1; }

bool Output::wait_writable(int64_t wait_ms) const {
  pollfd entry{fd_, POLLOUT, 0};
  const int ready = ::poll(&entry, 1, static_cast<int>(std::clamp<int64_t>(wait_ms, 0, INT_MAX)));
  if (ready < 0) {
    if (errno == EINTR) {
      return false;
    }
    fail(errno);
  }
  if (ready > 0 && (entry.revents & POLLNVAL) != 0) {
    fail(EBADF);
  }
  // An error or a hang-up makes the next write say what it is.
  return ready > 0;
}

size_t Output::write(std::string_view text, int64_t max_wait_ms) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::milliseconds(max_wait_ms);
  // What is writable takes this much without waiting; more than that might wait.
  const size_t piece = is_terminal() ? kTerminalPiece : PIPE_BUF;
  size_t written = 0;
  while (written < text.size()) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (!wait_writable(left)) {
      if (left <= 0) {
        break;
      }
      continue;
    }
    const ssize_t count = write_without_sigpipe(fd_, text.substr(written, piece));
    if (count >= 0) {
      written += static_cast<size_t>(count);
    } else if (errno != EINTR && errno != EAGAIN) {
      if (written > 0) {
        break;  // what is out must be known; the next call fails
      }
      fail(errno);
    }
  }
  return written;
}

}  // namespace console
