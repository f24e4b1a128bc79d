#include "tests/standins/kafka/proxy_door.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace dstream::standin {
namespace {

void set_no_delay(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

ProxyDoor::ProxyDoor() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  listen_fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (listen_fd_ < 0 || wake_fd_ < 0 ||
      bind(listen_fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listen_fd_, SOMAXCONN) != 0 ||
      getsockname(listen_fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    const int error = errno;
    close_end(&listen_fd_, false);
    close_end(&wake_fd_, false);
    throw std::system_error(error, std::generic_category(), "A port for the proxy");
  }
  port_ = ntohs(address.sin_port);
}

ProxyDoor::~ProxyDoor() {
  close_end(&listen_fd_, false);
  close_end(&wake_fd_, false);
}

void ProxyDoor::wake() const { eventfd_write(wake_fd_, 1); }

void ProxyDoor::was_woken() const {
  eventfd_t ignored = 0;
  eventfd_read(wake_fd_, &ignored);
}

std::optional<ProxyDoor::Pair> ProxyDoor::accept(uint32_t target_address, uint16_t target_port,
                                                 int socket_flags) const {
  Pair pair;
  pair.client = accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC | socket_flags);
  if (pair.client < 0) {
    return std::nullopt;
  }
  pair.server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | socket_flags, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = target_address;
  address.sin_port = target_port;
  if (pair.server < 0 ||
      (connect(pair.server, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 &&
       errno != EINPROGRESS)) {
    close_end(&pair.client, false);
    close_end(&pair.server, false);
    return std::nullopt;
  }
  set_no_delay(pair.client);
  set_no_delay(pair.server);
  return pair;
}

void close_end(int* fd, bool reset) {
  if (*fd < 0) {
    return;
  }
  if (reset) {
    const linger none{1, 0};
    setsockopt(*fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  }
  ::close(*fd);
  *fd = -1;
}

}  // namespace dstream::standin
