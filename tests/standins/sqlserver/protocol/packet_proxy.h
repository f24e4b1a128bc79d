// A proxy before a server that knows where a TDS packet begins and ends, counts packets, and spoils
// the connection at the one that a test names: before it, in its middle, or after it.
//
//   PacketProxy proxy(server.port());
//   ... a whole run of a client through proxy.port(): proxy.packets() tells how many there are ...
//   proxy.spoil({.packet = 17, .where = Where::kMiddle, .how = How::kReset});
//   ... the same run again ...
//
// Requests and answers are counted alike, over all connections. TLS inside PRELOGIN is followed, as
// for a login that is encrypted alone; TLS for everything is counted by its records.
//
// Thread rule: [any-thread].
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/standins/kafka/proxy_door.h"

namespace dstream::standin {

class PacketProxy {
 public:
  enum class Where : uint8_t { kBefore, kMiddle, kAfter };
  enum class How : uint8_t {
    kReset,    // TCP reset at both ends; what was not read yet is gone
    kEnd,      // both ends see an orderly end
    kSilence,  // half-open: the connection stays and carries nothing any more
    kPieces,   // nothing is lost: the packet arrives byte by byte
  };
  struct Spoil {
    uint64_t packet = 0;  // counted from spoil(), the next one is 1; 0: none
    Where where = Where::kBefore;
    How how = How::kReset;
  };

  // Listens on a free loopback port for a server on another one. Throws std::system_error if there
  // is none.
  explicit PacketProxy(uint16_t target_port);
  ~PacketProxy();
  PacketProxy(const PacketProxy&) = delete;
  PacketProxy& operator=(const PacketProxy&) = delete;

  uint16_t port() const { return door_.port(); }
  // Counting begins anew; `spoil` happens once. Connections that carry nothing are reset.
  void spoil(Spoil spoil);
  // Packets since the last spoil(), what it hit included.
  uint64_t packets() const;
  bool has_happened() const;
  // What was hit, for messages: "to server 0x03, 212 bytes".
  std::string what() const;
  // Where connections go from now on, as a listener that moves; those that are open are reset.
  void move_to(uint16_t target_port);

 private:
  struct Connection;
  enum class Fate : uint8_t { kPassed, kReset, kEnded, kSilenced };

  void run();
  void turn(std::unique_lock<std::mutex>& lock);
  void accept_one();
  void receive(Connection& connection, size_t from);
  // What becomes of the connection as `packet` goes on.
  Fate pass(Connection& connection, size_t from, const std::string& packet);
  static void close(Connection& connection, bool reset);
  void reset_if(bool silent_only);

  const ProxyDoor door_;

  mutable std::mutex mutex_;  // guards all below
  bool stopping_ = false;
  uint16_t target_port_;
  Spoil spoil_;
  bool has_happened_ = false;
  uint64_t packets_ = 0;
  std::string what_;
  std::vector<std::unique_ptr<Connection>> connections_;

  std::thread thread_;
};

}  // namespace dstream::standin
