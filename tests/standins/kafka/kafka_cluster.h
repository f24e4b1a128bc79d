// Three real brokers that are one cluster: leaders move, replicas fall behind.
//
//   KafkaCluster cluster;
//   cluster.start();                                      // 10 s, 0.7 GB
//   cluster.create_topic("orders", {{1, 2}, {2, 3}});     // brokers count from 1; leaders 1 and 2
//   cluster.broker(1).kill9();
//
// Each broker is a controller as well, so one may be away at a time; with two away nothing changes
// any more. Plain text and SASL_SSL as KafkaBroker has them, each with a CA of its own.
//
// Thread rule: one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/standins/kafka/kafka_broker.h"

namespace dstream::standin {

class KafkaCluster {
 public:
  static constexpr int kBrokers = 3;

  KafkaCluster();  // starts nothing yet
  void start();    // as KafkaBroker::start()

  KafkaBroker& broker(int number) { return *brokers_[static_cast<size_t>(number - 1)]; }
  // "127.0.0.1:20001,127.0.0.1:20004,127.0.0.1:20007"
  std::string plaintext() const;
  // For each partition the brokers that have it, its leader first.
  void create_topic(const std::string& name, const std::vector<std::vector<int32_t>>& replicas,
                    const KafkaBroker::Config& config = {});

 private:
  std::vector<std::unique_ptr<KafkaBroker>> brokers_;
};

}  // namespace dstream::standin
