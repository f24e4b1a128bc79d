#include "tests/standins/sqlserver/protocol/transport.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace dstream::standin {

namespace {

bool wait_for(int fd, short events, int timeout_ms) {
  pollfd poller{fd, events, 0};
  for (;;) {
    const int ready = ::poll(&poller, 1, timeout_ms);
    if (ready >= 0) {
      return ready > 0;
    }
    if (errno != EINTR) {
      return true;
    }
  }
}

}  // namespace

Transport::Transport(int fd) : fd_(fd) {}

Transport::~Transport() { ::close(fd_); }

bool Transport::wait_readable(int timeout_ms) { return wait_for(fd_, POLLIN, timeout_ms); }

bool Transport::wait_hangup(int timeout_ms) { return wait_for(fd_, POLLRDHUP, timeout_ms); }

size_t Transport::read(char* data, size_t capacity, int timeout_ms) {
  if (timeout_ms >= 0 && !wait_readable(timeout_ms)) {
    return 0;
  }
  for (;;) {
    const ssize_t got = ::recv(fd_, data, capacity, 0);
    if (got >= 0) {
      return static_cast<size_t>(got);
    }
    if (errno != EINTR) {
      return 0;
    }
  }
}

bool Transport::send_some(std::string_view* bytes) {
  const ssize_t sent = ::send(fd_, bytes->data(), bytes->size(), MSG_NOSIGNAL);
  if (sent < 0) {
    return errno == EINTR;
  }
  bytes->remove_prefix(static_cast<size_t>(sent));
  sent_bytes_ += static_cast<uint64_t>(sent);
  return true;
}

bool Transport::write(std::string_view bytes) {
  while (!bytes.empty()) {
    if (is_shut_down_.load(std::memory_order_relaxed)) {
      return false;
    }
    std::string_view piece = bytes;
    if (filter_ != nullptr) {
      piece = piece.substr(0, filter_->allow(sent_bytes_, piece.size()));
      if (piece.empty()) {
        shutdown();
        return false;
      }
    }
    const size_t before = piece.size();
    if (!send_some(&piece)) {
      return false;
    }
    bytes.remove_prefix(before - piece.size());
  }
  return true;
}

void Transport::shutdown() {
  is_shut_down_.store(true, std::memory_order_relaxed);
  ::shutdown(fd_, SHUT_RDWR);
}

}  // namespace dstream::standin
