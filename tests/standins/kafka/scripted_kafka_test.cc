#include "tests/standins/kafka/scripted_kafka.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <map>

#include "tests/standins/kafka/kafka_batch.h"
#include "tests/standins/kafka/kafka_wire.h"

namespace dstream::standin {
namespace {

struct Client {
  explicit Client(const std::string& brokers, std::map<std::string, std::string> more = {}) {
    char reason[512];
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    more.insert({{"bootstrap.servers", brokers},
                 {"enable.idempotence", "true"},
                 {"log_level", "2"},
                 {"linger.ms", "0"},
                 {"retry.backoff.ms", "10"},
                 {"reconnect.backoff.ms", "10"},
                 {"reconnect.backoff.max.ms", "50"}});
    for (const auto& [name, value] : more) {
      EXPECT_EQ(rd_kafka_conf_set(conf, name.c_str(), value.c_str(), reason, sizeof reason),
                RD_KAFKA_CONF_OK)
          << reason;
    }
    rd_kafka_conf_set_dr_msg_cb(conf, [](rd_kafka_t*, const rd_kafka_message_t* message, void*) {
      *static_cast<int*>(message->_private) = message->err;
    });
    rd_kafka_conf_set_throttle_cb(conf, [](rd_kafka_t*, const char*, int32_t, int ms, void* self) {
      static_cast<Client*>(self)->throttled_ms += ms;
    });
    rd_kafka_conf_set_opaque(conf, this);
    handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    EXPECT_NE(handle, nullptr) << reason;
  }
  ~Client() {
    rd_kafka_purge(handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_destroy(handle);
  }
  int produce(const std::string& value) {
    int result = RD_KAFKA_RESP_ERR__FAIL;
    rd_kafka_headers_t* headers = rd_kafka_headers_new(1);
    rd_kafka_header_add(headers, "kind", -1, "test", 4);
    EXPECT_EQ(
        rd_kafka_producev(handle, RD_KAFKA_VTYPE_TOPIC, "orders", RD_KAFKA_VTYPE_KEY, "k",
                          size_t{1}, RD_KAFKA_VTYPE_VALUE, value.data(), value.size(),
                          RD_KAFKA_VTYPE_HEADERS, headers, RD_KAFKA_VTYPE_MSGFLAGS,
                          RD_KAFKA_MSG_F_COPY, RD_KAFKA_VTYPE_OPAQUE, &result, RD_KAFKA_VTYPE_END),
        RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_flush(handle, 10'000);
    return result;
  }
  rd_kafka_t* handle;
  int throttled_ms = 0;
};

std::vector<std::string> values_of(const ScriptedKafka& hub) {
  std::vector<std::string> out;
  for (const KafkaRecord& record : hub.records("orders")) {
    out.push_back(record.value.value_or("(none)"));
  }
  return out;
}

TEST(ScriptedKafka, StoresWhatIsProduced) {
  ScriptedKafka hub;
  hub.create_topic("orders", 1);
  Client client(hub.brokers());
  EXPECT_EQ(client.produce("one"), 0);
  EXPECT_EQ(client.produce("two"), 0);
  EXPECT_EQ(values_of(hub), (std::vector<std::string>{"one", "two"}));
  const KafkaRecord record = hub.records("orders")[1];
  EXPECT_EQ(record.key, "k");
  EXPECT_EQ(record.offset, 1);
  EXPECT_GT(record.timestamp_ms, 0);
  ASSERT_EQ(record.headers.size(), 1u);
  EXPECT_EQ(record.headers[0].second, "test");
  EXPECT_EQ(hub.counts().producer_ids, 1u);
  EXPECT_EQ(hub.counts().broken, 0u);
}

TEST(ScriptedKafka, FailsAsScripted) {
  ScriptedKafka hub;
  hub.create_topic("orders", 1);
  Client client(hub.brokers(), {{"enable.idempotence", "false"}});
  hub.script(KafkaRequest::kProduce, {{.code = 44, .throttle_ms = 70, .hold_ms = 20}});
  EXPECT_EQ(client.produce("refused"), 44);
  EXPECT_EQ(client.produce("taken"), 0);
  EXPECT_EQ(client.throttled_ms, 70);
  EXPECT_EQ(values_of(hub), std::vector<std::string>{"taken"});
}

TEST(ScriptedKafka, ABatchSentAgainIsStoredOnce) {
  ScriptedKafka hub;
  hub.create_topic("orders", 1);
  Client client(hub.brokers());
  hub.script(KafkaRequest::kProduce, {{.close = true, .applied = true}});
  EXPECT_EQ(client.produce("one"), 0);
  EXPECT_EQ(client.produce("two"), 0);
  EXPECT_EQ(values_of(hub), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(hub.counts().duplicates, 1u);
}

TEST(ScriptedKafka, ForgetsProducers) {
  ScriptedKafka hub;
  hub.create_topic("orders", 1);
  Client client(hub.brokers());
  EXPECT_EQ(client.produce("one"), 0);
  hub.forget_producers();
  EXPECT_EQ(client.produce("two"), 49);
  Client other(hub.brokers());
  EXPECT_EQ(other.produce("two"), 0);
}

TEST(ScriptedKafka, ClosesTheConnectionOnALargeRequest) {
  ScriptedKafka hub;
  hub.create_topic("orders", 1);
  Client client(
      hub.brokers(),
      {{"message.max.bytes", "2000000"}, {"enable.idempotence", "false"}, {"retries", "2"}});
  EXPECT_EQ(client.produce(std::string(1'046'528, 'x')), RD_KAFKA_RESP_ERR__TRANSPORT);
  EXPECT_EQ(hub.counts().too_large, 3u);
  EXPECT_EQ(client.produce(std::string(1'000'000, 'x')), 0);
}

TEST(ScriptedKafka, TakesNoCompression) {
  ScriptedKafka::Options options;
  options.produce_version_lowest = 0;
  ScriptedKafka hub(options);
  hub.create_topic("orders", 1);
  Client client(hub.brokers(), {{"compression.codec", "gzip"}});
  EXPECT_EQ(client.produce(std::string(1000, 'x')), 43);
}

// Whatever comes, the connection is closed or waits, and the next client is served.
TEST(ScriptedKafka, SurvivesWhatIsNoRequest) {
  ScriptedKafka hub;
  hub.create_topic("orders", 1);
  WireWriter produce;
  produce.number(int16_t{0}).number(int16_t{7}).number(int32_t{1}).text("c").no_text();
  produce.number(int16_t{-1}).number(int32_t{1000}).number(int32_t{1}).text("orders");
  produce.number(int32_t{1}).number(int32_t{0}).bytes("no batch");
  const std::string whole = produce.str();
  for (size_t length = 0; length <= whole.size(); ++length) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port =
        htons(static_cast<uint16_t>(std::stoi(hub.brokers().substr(hub.brokers().find(':') + 1))));
    ASSERT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const std::string frame = WireWriter().bytes(whole.substr(0, length)).str();
    ASSERT_EQ(send(fd, frame.data(), frame.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(frame.size()));
    char byte = 0;
    EXPECT_EQ(recv(fd, &byte, 1, 0), 0) << length;
    close(fd);
  }
  EXPECT_EQ(hub.counts().broken, whole.size() + 1);
  Client client(hub.brokers());
  EXPECT_EQ(client.produce("one"), 0);
}

TEST(KafkaBatch, IsNotReadFromOtherBytes) {
  for (const size_t size : {0u, 11u, 12u, 60u, 61u, 200u}) {
    EXPECT_THROW(read_batch(std::string(size, '\0')), std::runtime_error) << size;
    EXPECT_THROW(read_batch(std::string(size, '\xff')), std::runtime_error) << size;
  }
}

}  // namespace
}  // namespace dstream::standin
