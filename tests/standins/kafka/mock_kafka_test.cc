#include "tests/standins/kafka/mock_kafka.h"

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <cstring>

#include "tests/standins/kafka/kafka_client.h"

namespace dstream::standin {
namespace {

struct Producer {
  explicit Producer(const std::string& brokers) {
    char reason[512];
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers.c_str(), reason, sizeof reason);
    rd_kafka_conf_set(conf, "log_level", "2", reason, sizeof reason);
    rd_kafka_conf_set_dr_msg_cb(conf, [](rd_kafka_t*, const rd_kafka_message_t* message, void*) {
      *static_cast<rd_kafka_resp_err_t*>(message->_private) = message->err;
    });
    handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
  }
  ~Producer() { rd_kafka_destroy(handle); }
  // Produces one message and gives its delivery report.
  rd_kafka_resp_err_t produce(const char* topic, const char* key, const char* value) {
    rd_kafka_resp_err_t result = RD_KAFKA_RESP_ERR__FAIL;
    auto* data = const_cast<char*>(value);
    const size_t size = value == nullptr ? 0 : strlen(value);
    rd_kafka_headers_t* headers = rd_kafka_headers_new(1);
    rd_kafka_header_add(headers, "kind", -1, "test", 4);
    EXPECT_EQ(
        rd_kafka_producev(handle, RD_KAFKA_VTYPE_TOPIC, topic, RD_KAFKA_VTYPE_KEY, key, strlen(key),
                          RD_KAFKA_VTYPE_VALUE, data, size, RD_KAFKA_VTYPE_HEADERS, headers,
                          RD_KAFKA_VTYPE_MSGFLAGS, RD_KAFKA_MSG_F_COPY, RD_KAFKA_VTYPE_OPAQUE,
                          &result, RD_KAFKA_VTYPE_END),
        RD_KAFKA_RESP_ERR_NO_ERROR);
    EXPECT_EQ(rd_kafka_flush(handle, 30'000), RD_KAFKA_RESP_ERR_NO_ERROR);
    return result;
  }
  rd_kafka_t* handle = nullptr;
};

TEST(MockKafka, KeepsWhatIsProduced) {
  MockKafka mock;
  mock.create_topic("orders", 3);
  Producer producer(mock.brokers());
  EXPECT_EQ(producer.produce("orders", "k1", "v1"), RD_KAFKA_RESP_ERR_NO_ERROR);
  EXPECT_EQ(producer.produce("orders", "k1", nullptr), RD_KAFKA_RESP_ERR_NO_ERROR);
  const std::vector<KafkaRecord> records = read_all(mock.brokers(), "orders");
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].key, "k1");
  EXPECT_EQ(records[0].value, "v1");
  ASSERT_EQ(records[0].headers.size(), 1u);
  EXPECT_EQ(records[0].headers[0].first, "kind");
  EXPECT_EQ(records[0].headers[0].second, "test");
  EXPECT_EQ(records[1].value, std::nullopt);
}

TEST(MockKafka, FailsRequestsAsTold) {
  MockKafka mock;
  mock.create_topic("orders", 1);
  EXPECT_EQ(mock.command("error produce POLICY_VIOLATION"), "ok");
  Producer producer(mock.brokers());
  EXPECT_EQ(producer.produce("orders", "k", "v"), RD_KAFKA_RESP_ERR_POLICY_VIOLATION);
  EXPECT_EQ(producer.produce("orders", "k", "v"), RD_KAFKA_RESP_ERR_NO_ERROR);
}

TEST(MockKafka, RefusesWhatIsNoCommand) {
  MockKafka mock;
  for (const char* line :
       {"", "error", "error produce", "error produce NONSENSE", "error x 44", "error produce 44 0",
        "topic t", "topic t x", "down", "rtt 1 -1", "leader t 0", "nonsense", "clear"}) {
    EXPECT_TRUE(mock.command(line).starts_with("error: ")) << line;
  }
  for (const char* line :
       {"topic t 2", "error produce 44 3", "clear produce", "error 22 _TRANSPORT", "clear 22",
        "topic-error t 0", "down 1", "up 1", "rtt 1 0", "leader t 0 1"}) {
    EXPECT_EQ(mock.command(line), "ok") << line;
  }
}

}  // namespace
}  // namespace dstream::standin
