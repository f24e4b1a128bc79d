#include "tests/standins/kafka/kafka_proxy.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <stdexcept>

namespace dstream::standin {
namespace {

// Proxies listen there, and a rewritten port keeps its host.
const std::string kHost = "127.0.0.1";

}  // namespace

KafkaProxy::KafkaProxy(std::string_view brokers) {
  std::map<uint16_t, uint16_t> ports;
  while (!brokers.empty()) {
    const std::string broker(brokers.substr(0, brokers.find(',')));
    brokers.remove_prefix(std::min(brokers.size(), broker.size() + 1));
    if (!broker.starts_with(kHost + ":")) {
      throw std::invalid_argument("Not on " + kHost + ": " + broker);
    }
    proxies_.push_back(std::make_unique<TcpProxy>(broker));
    uint16_t port = 0;  // the proxy has found it to be one
    std::from_chars(broker.data() + kHost.size() + 1, broker.data() + broker.size(), port);
    ports[port] = proxies_.back()->port();
    brokers_ += (brokers_.empty() ? "" : ",") + proxies_.back()->address();
  }
  for (const auto& proxy : proxies_) {
    proxy->rewrite_ports(kHost, ports);
  }
}

void KafkaProxy::set_delay(std::chrono::microseconds one_way) {
  for (const auto& proxy : proxies_) {
    proxy->set_delay(one_way);
  }
}

void KafkaProxy::cut() {
  for (const auto& proxy : proxies_) {
    proxy->cut();
  }
}

}  // namespace dstream::standin
