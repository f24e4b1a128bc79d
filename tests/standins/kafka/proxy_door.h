// What every proxy of the tests has: a port that clients knock at, and a way to wake the one thread
// that polls it.
//
// Thread rule: wake() [any-thread], all else the thread of the proxy.
#pragma once

#include <cstdint>
#include <optional>

namespace dstream::standin {

class ProxyDoor {
 public:
  // A client and its connection to the server, both without Nagle's delay. Owned by whoever took
  // them.
  struct Pair {
    int client = -1;
    int server = -1;
  };

  // Listens on a free loopback port. Throws std::system_error if there is none.
  ProxyDoor();
  ~ProxyDoor();
  ProxyDoor(const ProxyDoor&) = delete;
  ProxyDoor& operator=(const ProxyDoor&) = delete;

  uint16_t port() const { return port_; }
  // To be polled for POLLIN.
  int listen_fd() const { return listen_fd_; }
  int wake_fd() const { return wake_fd_; }
  // Ends the poll that is under way, or the next one.
  void wake() const;
  // REQUIRES: the poll has ended. Forgets that it was woken.
  void was_woken() const;
  // Takes the client that waits, and connects to a server; address and port as on the wire. Nothing
  // if the client has left, or if nobody listens there: it sees its connection end. `socket_flags`
  // 0 or SOCK_NONBLOCK, for both; with that the connection to the server is only begun.
  std::optional<Pair> accept(uint32_t target_address, uint16_t target_port, int socket_flags) const;

 private:
  int listen_fd_ = -1;
  int wake_fd_ = -1;
  uint16_t port_ = 0;
};

// Closes it and says so with -1; nothing if it is that already. A reset drops what the receiver's
// kernel was not given yet; without it that arrives first.
void close_end(int* fd, bool reset);

}  // namespace dstream::standin
