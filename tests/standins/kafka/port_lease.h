// A TCP port of the loopback address for a server that must get the same port again after a crash.
#pragma once

#include <cstdint>

namespace dstream::standin {

// The ports lie below the range that the kernel hands out to clients: a client that keeps trying to
// reach a crashed server on a port inside that range may be given this very port as its own end,
// connect to itself, and keep the server from coming back.
//
// No two leases of one machine are equal, also across processes; a lease ends with its process.
// Thread rule: [any-thread].
class PortLease {
 public:
  PortLease();  // throws std::runtime_error when no port is free
  ~PortLease();
  PortLease(const PortLease&) = delete;
  PortLease& operator=(const PortLease&) = delete;
  uint16_t port() const { return port_; }

 private:
  uint16_t port_ = 0;
  int lock_fd_ = -1;
};

}  // namespace dstream::standin
