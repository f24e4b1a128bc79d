// A TCP proxy that makes the network bad on demand: far away, silent, cut in the middle of an
// answer.
//
//   TcpProxy proxy("127.0.0.1:1433");
//   proxy.set_delay(std::chrono::milliseconds(10));        // 20 ms there and back
//   ... a client connects to proxy.address() ...
//   proxy.cut_after(TcpProxy::Direction::kToClient, 5000); // in the middle of what is answered
//
// The delay takes nothing from the bandwidth. Only the bytes are late: the connection itself stands
// at once. A client of Kafka leaves a plain proxy after the first answer; see kafka_proxy.h.
//
// Thread rule: [any-thread].
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/standins/kafka/proxy_door.h"

namespace dstream::standin {

class TcpProxy {
 public:
  enum class Direction { kToServer = 0, kToClient = 1 };

  // Listens on a free loopback port. `target` is an IPv4 address and a port, "127.0.0.1:1433".
  // Throws std::invalid_argument if it is not, std::system_error if there is no port.
  explicit TcpProxy(const std::string& target);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  uint16_t port() const { return door_.port(); }
  std::string address() const;  // "127.0.0.1:40001"

  // Each way, for what is read from now on. Order is kept when it becomes shorter.
  void set_delay(std::chrono::microseconds one_way);
  // Nothing goes that way any more, connections stay open; false lets it go on.
  void set_stalled(Direction direction, bool stalled);
  // Resets all connections, with what is on the way. Returns when it is done.
  void cut();
  // Lets this many more bytes pass, counted over all connections, and closes the one that has more
  // to send. Once; a second call replaces the first.
  void cut_after(Direction direction, uint64_t bytes);
  // Rewrites the ports in what goes to clients (port_rewrite.h), on connections made from now on.
  void rewrite_ports(const std::string& host, const std::map<uint16_t, uint16_t>& ports);

  struct Counts {
    uint64_t bytes[2] = {0, 0};  // passed on, by Direction
    uint64_t accepted = 0;       // connections ever
    uint64_t open = 0;           // connections now
    uint64_t cuts = 0;           // connections that cut() and cut_after() ended
  };
  Counts counts() const;
  // Waits until the counts please; false if they do not in time.
  template <typename Predicate>
  bool wait_until(const Predicate& pleases, std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return pleases(counts_); });
  }

 private:
  struct Connection;

  void run();
  void wait_for_work(std::unique_lock<std::mutex>& lock);
  void accept_one();
  void receive(Connection& connection, Direction direction);
  void send_due(Connection& connection, Direction direction);
  static void close(Connection& connection, bool reset);

  const uint32_t target_address_;  // both as on the wire
  const uint16_t target_port_;
  const ProxyDoor door_;

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  bool stopping_ = false;
  bool cutting_ = false;
  int64_t delay_ns_ = 0;
  int64_t now_ns_ = 0;  // of the proxy's thread, read once a turn
  bool stalled_[2] = {false, false};
  std::optional<uint64_t> cut_at_[2];  // by counts_.bytes
  std::string rewritten_host_;
  std::map<uint16_t, uint16_t> rewritten_ports_;
  std::vector<std::unique_ptr<Connection>> connections_;
  Counts counts_;

  std::thread thread_;
};

}  // namespace dstream::standin
