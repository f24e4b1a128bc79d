// The sink's checks against mock brokers, and where there is nobody.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "dstream/ext/draft/testing.hpp"
#include "tests/standins/kafka/mock_kafka.h"

namespace eventhubs {
namespace {

using dstream::standin::KafkaRequest;
using dstream::standin::MockKafka;
using dstream::testing::CheckLine;

constexpr int kUnknownTopic = 3;
constexpr int kClusterAuthorizationFailed = 31;

std::map<std::string, CheckLine> look(const std::string& config) {
  dstream::testing::FakeHost host(config);
  dstream::testing::SinkDriver sink(
      *dstream::testing::find_connector(dstream_plugin_v1, "eventhubs"), host);
  std::map<std::string, CheckLine> out;
  for (const CheckLine& line : dstream::testing::run_checks(sink)) {
    out[line.id] = line;
  }
  return out;
}

// What a namespace of the Standard tier does.
void refuse_transactions(MockKafka& mock) {
  constexpr int kInvalidRequest = 42;
  mock.push_errors(KafkaRequest::kFindCoordinator, std::vector<int>(100, kInvalidRequest));
}

std::string config_for(const std::string& brokers, const std::string& more = "") {
  return R"({"brokers":")" + brokers + R"(","connect_timeout":"5s")" + more + "}";
}

TEST(SinkChecksMock, SaysWhetherThereAreTransactions) {
  for (const bool refused : {false, true}) {
    MockKafka mock;
    if (refused) {
      refuse_transactions(mock);
    }
    dstream::testing::FakeHost host(config_for(mock.brokers()));
    dstream::testing::SinkDriver sink(
        *dstream::testing::find_connector(dstream_plugin_v1, "eventhubs"), host);
    const dstream::testing::Transactions transactions(sink);
    for (const CheckLine& line : dstream::testing::run_checks(sink)) {
      if (line.id == "transactions") {
        EXPECT_EQ(line.result, refused ? DSTREAM_CHECK_FAILED : DSTREAM_CHECK_OK) << line.sentence;
        EXPECT_EQ(line.sentence.find("INVALID_REQUEST") != std::string::npos, refused)
            << line.sentence;
      }
    }
  }
}

TEST(SinkChecksMock, APipelineStopsWhereThereAreNoTransactions) {
  MockKafka mock;
  refuse_transactions(mock);
  dstream::testing::FakeHost host(R"({"brokers":")" + mock.brokers() +
                                  R"(","connect_timeout":"1s"})");
  dstream::testing::SinkDriver sink(
      *dstream::testing::find_connector(dstream_plugin_v1, "eventhubs"), host);
  const dstream::testing::Transactions transactions(sink);
  try {
    sink.open();
    FAIL() << "It opened.";
  } catch (const dstream::testing::CallFailed& failed) {
    EXPECT_EQ(failed.status, DSTREAM_CONFIG) << failed.what();
    EXPECT_NE(std::string(failed.what()).find("take no transactions"), std::string::npos)
        << failed.what();
  }
}

TEST(SinkChecksMock, AClusterWithTheTopicIsFine) {
  MockKafka mock(2);
  mock.create_topic("orders", 3);
  auto found = look(config_for(mock.brokers(), R"(,"topic":"orders")"));
  for (const char* id : {"name.resolves", "tcp.connects", "tls", "credentials", "api.versions",
                         "topic", "compression"}) {
    EXPECT_EQ(found[id].result, DSTREAM_CHECK_OK) << id << ": " << found[id].sentence;
  }
  EXPECT_EQ(found["topic"].sentence, "It has 3 partitions.");
  EXPECT_NE(found["credentials"].sentence.find("2 brokers"), std::string::npos);
  EXPECT_EQ(found["message.size"].result, DSTREAM_CHECK_SKIPPED) << "mocks do not tell";
  EXPECT_EQ(found["transactions"].result, DSTREAM_CHECK_SKIPPED);
}

TEST(SinkChecksMock, TopicsOfTablesAreNotKnownBefore) {
  MockKafka mock;
  auto found = look(config_for(mock.brokers()));
  EXPECT_EQ(found["topic"].result, DSTREAM_CHECK_SKIPPED);
  EXPECT_EQ(found["message.size"].result, DSTREAM_CHECK_SKIPPED);
}

TEST(SinkChecksMock, ATopicThatIsNotThereFailsWithHowToMakeIt) {
  MockKafka mock;
  mock.create_topic("orders", 1);
  mock.set_topic_error("orders", kUnknownTopic);
  auto found = look(config_for(mock.brokers(), R"(,"topic":"orders")"));
  EXPECT_EQ(found["topic"].result, DSTREAM_CHECK_FAILED) << found["topic"].sentence;
  EXPECT_EQ(found["topic"].subject, "orders");
  EXPECT_EQ(found["topic"].mend, "kafka-topics.sh --bootstrap-server " + mock.brokers() +
                                     " --create --topic orders --partitions 4");
}

TEST(SinkChecksMock, APartitionWithoutALeaderIsAWarning) {
  MockKafka mock;
  mock.create_topic("orders", 3);
  mock.set_leader("orders", 1, -1);
  auto found = look(config_for(mock.brokers(), R"(,"topic":"orders")"));
  EXPECT_EQ(found["topic"].result, DSTREAM_CHECK_WARNING);
  EXPECT_EQ(found["topic"].sentence, "1 of 3 partitions have no leader now.");
}

TEST(SinkChecksMock, ABrokerWithoutProducerIdsFails) {
  MockKafka mock;
  mock.push_errors(KafkaRequest::kInitProducerId,
                   std::vector<int>(50, kClusterAuthorizationFailed));
  auto found = look(config_for(mock.brokers()));
  EXPECT_EQ(found["api.versions"].result, DSTREAM_CHECK_FAILED) << found["api.versions"].sentence;
}

// A port that nobody listens on: bound, so that nobody else takes it.
class ClosedPort {
 public:
  ClosedPort() : descriptor_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    bind(descriptor_, reinterpret_cast<sockaddr*>(&address), size);
    getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~ClosedPort() { close(descriptor_); }
  ClosedPort(const ClosedPort&) = delete;
  ClosedPort& operator=(const ClosedPort&) = delete;
  std::string text() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  int descriptor_;
  uint16_t port_ = 0;
};

TEST(SinkChecksMock, WhereNobodyListensTheRestIsSkipped) {
  ClosedPort port;
  auto found = look(config_for(port.text()));
  EXPECT_EQ(found["name.resolves"].result, DSTREAM_CHECK_OK);
  EXPECT_EQ(found["tcp.connects"].result, DSTREAM_CHECK_FAILED);
  EXPECT_EQ(found["tcp.connects"].subject, port.text());
  EXPECT_EQ(found["credentials"].result, DSTREAM_CHECK_SKIPPED);
  EXPECT_EQ(found.size(), 9u) << "every check has its line";
}

TEST(SinkChecksMock, ANameThatIsNotKnownFails) {
  auto found = look(config_for("nobody.invalid:9092"));
  EXPECT_EQ(found["name.resolves"].result, DSTREAM_CHECK_FAILED);
  EXPECT_EQ(found.count("tcp.connects"), 0u);
}

TEST(SinkChecksMock, OneBrokerOfSeveralIsEnough) {
  ClosedPort port;
  MockKafka mock;
  auto found = look(config_for(port.text() + ", " + mock.brokers()));
  EXPECT_EQ(found["credentials"].result, DSTREAM_CHECK_OK);
}

TEST(SinkChecksMock, ABrokerThatDoesNotSpeakTlsFailsThere) {
  MockKafka mock;
  auto found = look(R"({"brokers":")" + mock.brokers() +
                    R"(","connect_timeout":"1s","tls":{"enabled":true}})");
  EXPECT_EQ(found["tls"].result, DSTREAM_CHECK_FAILED);
  EXPECT_EQ(found["credentials"].result, DSTREAM_CHECK_SKIPPED);
}

}  // namespace
}  // namespace eventhubs
