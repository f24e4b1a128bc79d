#include "tests/standins/kafka/port_lease.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <random>
#include <stdexcept>

namespace dstream::standin {
namespace {

constexpr uint16_t kFirstPort = 20'000;
constexpr uint16_t kPorts = 10'000;

// A name in the abstract namespace belongs to one process and goes away with it. -1 if taken.
int lock_port(uint16_t port) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const int length = std::snprintf(address.sun_path + 1, sizeof address.sun_path - 1,
                                   "dstream-test-port-%u", static_cast<unsigned>(port));
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const auto size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + static_cast<size_t>(length));
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

bool is_free(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return bound;
}

}  // namespace

PortLease::PortLease() {
  std::random_device random;
  uint32_t offset = random();
  for (uint32_t attempt = 0; attempt < kPorts; ++attempt, ++offset) {
    const auto port = static_cast<uint16_t>(kFirstPort + offset % kPorts);
    lock_fd_ = lock_port(port);
    if (lock_fd_ < 0) {
      continue;
    }
    if (is_free(port)) {
      port_ = port;
      return;
    }
    close(lock_fd_);
  }
  throw std::runtime_error("No free port between 20000 and 29999.");
}

PortLease::~PortLease() { close(lock_fd_); }

}  // namespace dstream::standin
