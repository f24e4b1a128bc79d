// The sink against brokers that are far away: round trips, and connections cut in the middle.
#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "sink_driver.h"
#include "stream_check.h"
#include "tests/standins/kafka/kafka_client.h"
#include "tests/standins/kafka/kafka_proxy.h"
#include "tests/standins/kafka/mock_kafka.h"

namespace eventhubs {
namespace {

using dstream::standin::KafkaProxy;
using dstream::standin::KafkaRecord;
using dstream::standin::MockKafka;
using dstream::standin::read_all;
using dstream::standin::TcpProxy;
using std::chrono::steady_clock;

std::string config_for(const std::string& brokers) {
  return R"({"brokers":")" + brokers +
         R"(","linger":"2ms","batch_bytes":"4KiB","backoff_min":"5ms","backoff_max":"50ms",)"
         R"("connect_timeout":"5s","librdkafka":{"retry.backoff.ms":10,"reconnect.backoff.ms":10,)"
         R"("reconnect.backoff.max.ms":50}})";
}

// One connection has five requests on the wire, and there are 64 partitions: 13 round trips, 130 ms
// a turn. If those behind the first five waited for librdkafka's own linger, a turn would take more
// than a second.
TEST(SinkFar, SendsManyPartitionsOneBehindTheOther) {
  constexpr int kPartitions = 64;
  constexpr int kTurns = 5;
  MockKafka mock;
  mock.create_topic("orders", kPartitions);
  KafkaProxy proxy(mock.brokers());
  SinkDriver driver(config_for(proxy.brokers()));
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  proxy.set_delay(std::chrono::milliseconds(5));
  const auto start = steady_clock::now();
  for (int turn = 0; turn < kTurns; ++turn) {
    for (int i = 0; i < kPartitions; ++i) {
      driver.add({.value = std::to_string(turn), .partition = i});
    }
    ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  }
  EXPECT_LT(steady_clock::now() - start, std::chrono::milliseconds(700) * kTurns);
  const std::vector<KafkaRecord> records = read_all(mock.brokers(), "orders");
  ASSERT_EQ(records.size(), static_cast<size_t>(kPartitions * kTurns));
  for (const KafkaRecord& record : records) {
    EXPECT_EQ(record.value, std::to_string(record.offset));
  }
}

// Cut wherever it falls, in requests and in answers, again and again: nothing is lost, and the
// order of each key holds (I3, I5).
TEST(SinkFar, LosesNothingWhenConnectionsAreCutInTheMiddle) {
  constexpr int kMessages = 20'000;
  constexpr int kKeys = 37;
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  MockKafka mock;
  mock.create_topic("orders", 32);
  KafkaProxy proxy(mock.brokers());
  TcpProxy& broker = proxy.broker(0);
  SinkDriver driver(config_for(proxy.brokers()));
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  proxy.set_delay(std::chrono::milliseconds(1));
  driver.add_numbered(0, kMessages, kKeys, 100);
  const auto give_up = steady_clock::now() + std::chrono::seconds(60);
  uint64_t cuts = broker.counts().cuts;
  broker.cut_after(TcpProxy::Direction::kToServer, 50'000);
  while (driver.unsettled() > 0 && steady_clock::now() < give_up) {
    ASSERT_EQ(driver.turn(5).status, DSTREAM_OK) << driver.breach();
    if (broker.counts().cuts > cuts && cuts < 10) {
      ++cuts;
      random() % 2 == 0
          ? broker.cut_after(TcpProxy::Direction::kToServer, 5'000 + random() % 100'000)
          : broker.cut_after(TcpProxy::Direction::kToClient, 50 + random() % 2'000);
    }
  }
  EXPECT_EQ(driver.unsettled(), 0u) << driver.breach();
  EXPECT_GE(broker.counts().cuts, 3u);
  EXPECT_EQ(check_stream(read_all(mock.brokers(), "orders"), kMessages, kKeys).problem, "");
}

}  // namespace
}  // namespace eventhubs
