#include "tests/standins/kafka/kafka_proxy.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "tests/standins/kafka/kafka_client.h"
#include "tests/standins/kafka/mock_kafka.h"

namespace dstream::standin {
namespace {

constexpr std::chrono::seconds kPatience(20);

TEST(KafkaProxy, StandsBeforeEveryBrokerOfACluster) {
  MockKafka mock(2);
  mock.create_topic("orders", 2);
  mock.set_leader("orders", 0, 1);
  mock.set_leader("orders", 1, 2);
  KafkaProxy proxy(mock.brokers());
  EXPECT_EQ(read_all(proxy.brokers(), "orders").size(), 0u);
  for (size_t i = 0; i < 2; ++i) {
    // The leader of a partition is asked where it ends: by way of its own proxy.
    EXPECT_GE(proxy.broker(i).counts().accepted, 1u) << i;
    EXPECT_GT(proxy.broker(i).counts().bytes[0], 0u) << i;
    EXPECT_TRUE(
        proxy.broker(i).wait_until([](const auto& counts) { return counts.open == 0; }, kPatience));
  }
}

TEST(KafkaProxy, RefusesBrokersElsewhere) {
  EXPECT_THROW(KafkaProxy("127.0.0.2:9092"), std::invalid_argument);
  EXPECT_THROW(KafkaProxy("127.0.0.1:nine"), std::invalid_argument);
}

}  // namespace
}  // namespace dstream::standin
