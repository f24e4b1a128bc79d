#include "tests/standins/sqlserver/protocol/transport.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace dstream::standin {
namespace {

constexpr size_t kEncryptedReadBytes = 32 * 1024;

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

bool Transport::wait_readable(int timeout_ms) {
  return plain_at_ < plain_.size() || wait_for(fd_, POLLIN, timeout_ms);
}

bool Transport::wait_hangup(int timeout_ms) { return wait_for(fd_, POLLRDHUP, timeout_ms); }

std::optional<uint8_t> Transport::peek(int timeout_ms) {
  char byte = 0;
  if (!wait_for(fd_, POLLIN, timeout_ms) || ::recv(fd_, &byte, 1, MSG_PEEK) != 1) {
    return std::nullopt;
  }
  return static_cast<uint8_t>(byte);
}

std::optional<size_t> Transport::read_socket(char* data, size_t capacity, int timeout_ms) {
  if (timeout_ms >= 0 && !wait_for(fd_, POLLIN, timeout_ms)) {
    return std::nullopt;
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

size_t Transport::take_plain(char* data, size_t capacity) {
  const size_t size = std::min(capacity, plain_.size() - plain_at_);
  std::memcpy(data, plain_.data() + plain_at_, size);
  plain_at_ += size;
  if (plain_at_ == plain_.size()) {
    plain_.clear();
    plain_at_ = 0;
  }
  return size;
}

std::optional<size_t> Transport::read(char* data, size_t capacity, int timeout_ms) {
  if (tls_ == nullptr && plain_.empty()) {
    return read_socket(data, capacity, timeout_ms);
  }
  std::vector<char> encrypted(kEncryptedReadBytes);
  while (plain_.empty()) {
    // A record may come in pieces; the wait is for each of them.
    const std::optional<size_t> got = read_socket(encrypted.data(), encrypted.size(), timeout_ms);
    if (!got.has_value() || *got == 0 || !tls_->decrypt({encrypted.data(), *got}, &plain_)) {
      return got.has_value() ? std::optional<size_t>(0) : std::nullopt;
    }
  }
  return take_plain(data, capacity);
}

bool Transport::start_tls(std::unique_ptr<TlsSession> tls, std::string_view received) {
  tls_ = std::move(tls);
  return tls_->decrypt(received, &plain_);
}

bool Transport::write(std::string_view bytes) {
  if (tls_ == nullptr) {
    return write_socket(bytes);
  }
  encrypted_.clear();
  return tls_->encrypt(bytes, &encrypted_) && write_socket(encrypted_);
}

bool Transport::write_socket(std::string_view bytes) {
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
    const ssize_t sent = ::send(fd_, piece.data(), piece.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR) {
      return false;
    }
    const auto count = static_cast<size_t>(std::max<ssize_t>(sent, 0));
    bytes.remove_prefix(count);
    sent_bytes_ += count;
  }
  return true;
}

void Transport::shutdown() {
  is_shut_down_.store(true, std::memory_order_relaxed);
  ::shutdown(fd_, SHUT_RDWR);
}

}  // namespace dstream::standin
