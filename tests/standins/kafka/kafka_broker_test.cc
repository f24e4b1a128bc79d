#include "tests/standins/kafka/kafka_broker.h"

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <filesystem>

#include "tests/standins/kafka/kafka_client.h"

namespace dstream::standin {
namespace {

// Produces `values` and says how many were acknowledged.
int produce(const std::string& brokers, const std::string& topic,
            const std::vector<std::string>& values, const KafkaProperties& properties) {
  char reason[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", brokers.c_str(), reason, sizeof reason);
  rd_kafka_conf_set(conf, "log_level", "2", reason, sizeof reason);
  for (const auto& [name, value] : properties) {
    EXPECT_EQ(rd_kafka_conf_set(conf, name.c_str(), value.c_str(), reason, sizeof reason),
              RD_KAFKA_CONF_OK)
        << reason;
  }
  int delivered = 0;
  rd_kafka_conf_set_opaque(conf, &delivered);
  rd_kafka_conf_set_dr_msg_cb(conf, [](rd_kafka_t*, const rd_kafka_message_t* message, void* own) {
    *static_cast<int*>(own) += message->err == RD_KAFKA_RESP_ERR_NO_ERROR ? 1 : 0;
  });
  rd_kafka_t* handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
  for (const std::string& value : values) {
    EXPECT_EQ(rd_kafka_producev(handle, RD_KAFKA_VTYPE_TOPIC, topic.c_str(), RD_KAFKA_VTYPE_VALUE,
                                value.data(), value.size(), RD_KAFKA_VTYPE_MSGFLAGS,
                                RD_KAFKA_MSG_F_COPY, RD_KAFKA_VTYPE_END),
              RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  rd_kafka_flush(handle, 30'000);
  rd_kafka_destroy(handle);
  return delivered;
}

KafkaProperties as_event_hubs(const KafkaBroker& broker, const std::string& password) {
  return {{"security.protocol", "sasl_ssl"},      {"sasl.mechanism", "PLAIN"},
          {"sasl.username", "$ConnectionString"}, {"sasl.password", password},
          {"ssl.ca.location", broker.ca_file()},  {"message.timeout.ms", "8000"}};
}

// One broker for everything: a start takes seconds.
TEST(KafkaBroker, ServesSaslAndSurvivesKillAndLeavesNothing) {
  std::string folder;
  {
    KafkaBroker broker;
    broker.start();
    folder = broker.folder();
    broker.create_topic("orders", 2);
    const KafkaProperties good = as_event_hubs(broker, broker.connection_string());
    EXPECT_EQ(produce(broker.sasl_ssl(), "orders", {"a", "b", "c"}, good), 3);
    EXPECT_EQ(produce(broker.sasl_ssl(), "orders", {"x"},
                      as_event_hubs(broker, broker.connection_string() + "wrong")),
              0);
    EXPECT_EQ(read_all(broker.plaintext(), "orders").size(), 3u);
    EXPECT_TRUE(read_all(broker.plaintext(), "unknown").empty());

    broker.kill9();
    broker.restart();
    EXPECT_EQ(produce(broker.sasl_ssl(), "orders", {"d"}, good), 1);
    EXPECT_EQ(read_all(broker.plaintext(), "orders").size(), 4u);

    broker.stop();
    broker.restart();
    broker.pause();
    broker.resume();
    EXPECT_EQ(read_all(broker.plaintext(), "orders").size(), 4u);
  }
  EXPECT_FALSE(std::filesystem::exists(folder));
}

}  // namespace
}  // namespace dstream::standin
