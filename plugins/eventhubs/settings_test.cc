#include "settings.h"

#include <gtest/gtest.h>

#include <map>

#include "dstream/plugin.hpp"
#include "producer.h"

namespace eventhubs {
namespace {

constexpr const char* kConnection =
    "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=c2VjcmV0=";

std::string refusal(const std::string& config) {
  try {
    const Settings settings = parse_settings(config);
    check_properties(settings, Scrubber(settings.secrets()));
  } catch (const dstream::Error& error) {
    EXPECT_EQ(error.status, DSTREAM_CONFIG);
    return error.what();
  }
  return "accepted";
}

std::map<std::string, std::string> properties_of(const std::string& config) {
  const Settings settings = parse_settings(config);
  check_properties(settings, Scrubber(settings.secrets()));
  std::map<std::string, std::string> out;
  for (const auto& [name, value] : make_properties(settings, settings.batch)) {
    out[name] = value;
  }
  return out;
}

std::string event_hubs(const std::string& more = "", const std::string& connection = "") {
  return R"({"connection":")" + std::string(kConnection) + connection + "\"" + more + "}";
}

TEST(Settings, OfEventHubs) {
  auto properties = properties_of(event_hubs());
  EXPECT_EQ(properties["bootstrap.servers"], "shop.servicebus.windows.net:9093");
  EXPECT_EQ(properties["security.protocol"], "sasl_ssl");
  EXPECT_EQ(properties["sasl.mechanism"], "PLAIN");
  EXPECT_EQ(properties["sasl.username"], "$ConnectionString");
  EXPECT_EQ(properties["sasl.password"], kConnection) << "the whole string, unchanged";
}

TEST(Settings, ABatchIsNotLargerThanAMessageMayBe) {
  EXPECT_EQ(
      refusal(event_hubs(R"(,"batch_bytes":"2MiB","message_bytes_max":"1MiB")")).substr(0, 13),
      "/batch_bytes:");
  EXPECT_EQ(refusal(event_hubs(R"(,"batch_bytes":"2MiB","message_bytes_max":"2MiB")")), "accepted");
  // As the host fills in the default.
  auto properties =
      properties_of(event_hubs(R"(,"batch_bytes":"1000000B","message_bytes_max":"64KiB")"));
  EXPECT_EQ(properties["batch.size"], "65536");
}

TEST(Settings, KeepTheGuarantee) {
  auto properties = properties_of(event_hubs());
  const std::pair<const char*, const char*> expected[] = {
      {"enable.idempotence", "true"},
      {"enable.gapless.guarantee", "true"},
      {"acks", "all"},
      {"max.in.flight", "5"},
      {"message.timeout.ms", "0"},
      {"request.timeout.ms", "60000"},
      {"socket.timeout.ms", "90000"},
      {"socket.keepalive.enable", "true"},
      {"connections.max.idle.ms", "180000"},
      {"topic.metadata.refresh.interval.ms", "60000"},
      {"metadata.max.age.ms", "180000"},
      {"allow.auto.create.topics", "false"},
      {"message.max.bytes", "1000000"},
      {"compression.codec", "none"},
      {"socket.nagle.disable", "true"}};
  for (const auto& [name, value] : expected) {
    EXPECT_EQ(properties[name], value) << name;
  }
}

TEST(Settings, OfTheEmulator) {
  auto properties = properties_of(
      R"({"connection":"Endpoint=sb://localhost;SharedAccessKeyName=RootManageSharedAccessKey;)"
      R"(SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;"})");
  EXPECT_EQ(properties["bootstrap.servers"], "localhost:9092");
  EXPECT_EQ(properties["security.protocol"], "sasl_plaintext");
}

TEST(Settings, OfAnyKafka) {
  auto plain = properties_of(R"({"brokers":"a:9092,b:9092"})");
  EXPECT_EQ(plain["bootstrap.servers"], "a:9092,b:9092");
  EXPECT_EQ(plain["security.protocol"], "plaintext");
  EXPECT_FALSE(plain.contains("sasl.password"));
  EXPECT_EQ(properties_of(R"({"brokers":"a","tls":{"ca_file":"/ca.pem"}})")["security.protocol"],
            "ssl");
  auto scram =
      properties_of(R"({"brokers":"a","tls":{"enabled":true},)"
                    R"("sasl":{"mechanism":"SCRAM-SHA-512","username":"u","password":"p"}})");
  EXPECT_EQ(scram["security.protocol"], "sasl_ssl");
  EXPECT_EQ(scram["sasl.mechanism"], "SCRAM-SHA-512");
  EXPECT_EQ(properties_of(R"({"brokers":"a","tls":{"enabled":false},)"
                          R"("sasl":{"username":"u","password":"p"}})")["security.protocol"],
            "sasl_plaintext");
}

TEST(Settings, ReadUnits) {
  const Settings settings = parse_settings(
      R"({"brokers":"a","linger":"5ms","batch_bytes":"256KiB","in_flight_bytes":"1MiB",)"
      R"("connect_timeout":"2s","backoff_min":"10ms","backoff_max":"1m"})");
  EXPECT_EQ(settings.linger_ms, 5u);
  EXPECT_EQ(settings.batch.bytes, 256u * 1024);
  EXPECT_EQ(settings.in_flight_bytes_max, 1u << 20);
  EXPECT_EQ(settings.connect_timeout_ms, 2000u);
  EXPECT_EQ(settings.backoff_max_ms, 60'000u);
}

TEST(Settings, PassPropertiesOn) {
  auto properties = properties_of(
      R"({"brokers":"a","librdkafka":{"socket.send.buffer.bytes":65536,)"
      R"("broker.address.family":"v4","enable.ssl.certificate.verification":false}})");
  EXPECT_EQ(properties["socket.send.buffer.bytes"], "65536");
  EXPECT_EQ(properties["broker.address.family"], "v4");
  EXPECT_EQ(properties["enable.ssl.certificate.verification"], "false");
}

TEST(Settings, RefusePropertiesThatBreakTheGuarantee) {
  for (const char* name :
       {"enable.idempotence", "acks", "request.required.acks", "max.in.flight",
        "max.in.flight.requests.per.connection", "retries", "message.timeout.ms",
        "delivery.timeout.ms", "transactional.id", "test.mock.num.brokers", "linger.ms",
        "sasl.password", "plugin.library.paths", "partitioner", "delivery.report.only.error"}) {
    const std::string reason =
        refusal(R"({"brokers":"a","librdkafka":{")" + std::string(name) + R"(":"1"}})");
    EXPECT_TRUE(reason.starts_with(std::string("/librdkafka/") + name)) << reason;
  }
}

TEST(Settings, SayWhatIsWrong) {
  const std::pair<std::string, const char*> cases[] = {
      {"{}", "/connection"},
      {R"({"brokers":"a","connection":"b"})", "/connection"},
      {"[]", "not a JSON object"},
      {"", "not a JSON object"},
      {R"({"brokers":"a","linger":"5"})", "/linger"},
      {R"({"brokers":"a","linger":"5 ms"})", "/linger"},
      {R"({"brokers":"a","batch_bytes":"1MB"})", "/batch_bytes"},
      {R"({"brokers":"a","backoff_min":"2s","backoff_max":"1s"})", "/backoff_max"},
      {R"({"brokers":"a","librdkafka":{"no.such.property":"1"}})", "/librdkafka/no.such.property"},
      {R"({"brokers":"a","librdkafka":{"socket.timeout.ms":"x"}})",
       "/librdkafka/socket.timeout.ms"},
      {event_hubs(R"(,"sasl":{"username":"u","password":"p"})"), "/sasl"},
      {event_hubs(R"(,"compression":"zstd")"), "/compression"},
      {R"({"namespace":"n.servicebus.windows.net","oauth":{"method":"managed_identity"},)"
       R"("compression":"lz4"})",
       "/compression"},
      {R"({"brokers":"a","auto_create_topics":true,"create_topics":{"partitions":1}})",
       "/create_topics"},
      {event_hubs(R"(,"topic":"other")", ";EntityPath=hub"), "/topic"},
      {event_hubs(R"(,"topic":"{table}")", ";EntityPath=hub"), "/topic"},
  };
  for (const auto& [config, expected] : cases) {
    EXPECT_NE(refusal(config).find(expected), std::string::npos)
        << config << ": " << refusal(config);
  }
}

TEST(Settings, KnowTheSingleTopic) {
  EXPECT_EQ(parse_settings(event_hubs("", ";EntityPath=hub")).single_topic(), "hub");
  EXPECT_EQ(parse_settings(event_hubs(R"(,"topic":"hub")", ";EntityPath=hub")).single_topic(),
            "hub");
  EXPECT_EQ(parse_settings(R"({"brokers":"a","topic":"orders"})").single_topic(), "orders");
  EXPECT_EQ(parse_settings(R"({"brokers":"a","topic":"x.{table}"})").single_topic(), "");
  EXPECT_EQ(parse_settings(R"({"brokers":"a"})").single_topic(), "");
}

TEST(Scrubber, TakesSecretsOut) {
  const Settings settings = parse_settings(event_hubs());
  const Scrubber scrubber(settings.secrets());
  const std::string text =
      scrubber.clean(std::string("sent ") + kConnection + " and c2VjcmV0= and c2VjcmV0=");
  EXPECT_EQ(text, "sent [redacted] and [redacted] and [redacted]");
}

}  // namespace
}  // namespace eventhubs
