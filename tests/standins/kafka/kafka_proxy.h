// TcpProxy for a whole cluster that speaks plaintext, real or mock: clients go through it from the
// first connection on, whatever ports the brokers announce.
//
// Behind TLS nothing can be rewritten: give a real broker the proxy's port as an advertised
// listener instead.
//
// Thread rule: [any-thread].
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/kafka/tcp_proxy.h"

namespace dstream::standin {

class KafkaProxy {
 public:
  // "127.0.0.1:45001,127.0.0.1:45002". Throws std::invalid_argument if a broker is elsewhere.
  explicit KafkaProxy(std::string_view brokers);

  // What a client is given as bootstrap servers.
  const std::string& brokers() const { return brokers_; }
  // In the order of the constructor's argument, from 0.
  TcpProxy& broker(size_t index) { return *proxies_[index]; }
  size_t broker_count() const { return proxies_.size(); }
  // Of all brokers; see TcpProxy.
  void set_delay(std::chrono::microseconds one_way);
  void cut();

 private:
  std::vector<std::unique_ptr<TcpProxy>> proxies_;
  std::string brokers_;
};

}  // namespace dstream::standin
