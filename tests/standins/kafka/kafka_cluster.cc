#include "tests/standins/kafka/kafka_cluster.h"

#include "tests/standins/kafka/kafka_client.h"

namespace dstream::standin {

KafkaCluster::KafkaCluster() {
  std::string voters;
  for (int number = 1; number <= kBrokers; ++number) {
    brokers_.push_back(std::make_unique<KafkaBroker>());
    voters +=
        (voters.empty() ? "" : ",") + std::to_string(number) + "@" + broker(number).controller();
  }
  for (int number = 1; number <= kBrokers; ++number) {
    broker(number).set_properties({"node.id=" + std::to_string(number),
                                   "controller.quorum.voters=" + voters,
                                   // Leaders stay where a test has put them.
                                   "auto.leader.rebalance.enable=false"});
  }
}

void KafkaCluster::start() {
  for (const auto& broker : brokers_) {
    broker->launch();
  }
  for (const auto& broker : brokers_) {
    broker->wait_until_serving();
  }
}

std::string KafkaCluster::plaintext() const {
  std::string out;
  for (const auto& broker : brokers_) {
    out += (out.empty() ? "" : ",") + broker->plaintext();
  }
  return out;
}

void KafkaCluster::create_topic(const std::string& name,
                                const std::vector<std::vector<int32_t>>& replicas,
                                const KafkaBroker::Config& config) {
  standin::create_topic(plaintext(), name, replicas, config);
}

}  // namespace dstream::standin
