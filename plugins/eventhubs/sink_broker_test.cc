// The sink against a real broker: what only Kafka itself can show.
//
// DSTREAM_LONG_TESTS=1 makes the stalls as long as the contract says (60 s).
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "broker_fixture.h"
#include "sink_driver.h"
#include "stream_check.h"
#include "tests/standins/kafka/kafka_client.h"

namespace eventhubs {
namespace {

using dstream::standin::KafkaBroker;
using dstream::standin::KafkaRecord;
using dstream::standin::read_all;
using std::chrono::steady_clock;

int64_t ms_since(steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - start).count();
}

// Resident memory of this process.
size_t resident_mib() {
  std::ifstream file("/proc/self/statm");
  size_t total = 0;
  size_t resident = 0;
  file >> total >> resident;
  return resident * 4096 >> 20;
}

// One broker for all tests; each has topics of its own.
class SinkBroker : public WithBroker {
 protected:
  static void SetUpTestSuite() {
    KafkaBroker::Options options;
    // The client alone keeps a topic from being made by asking about it.
    options.properties = {"auto.create.topics.enable=true"};
    start_broker(options);
  }

  static std::vector<KafkaRecord> read(const std::string& topic) {
    return read_all(broker_->plaintext(), topic);
  }

  // What the broker keeps on its disk of a topic's messages.
  static uint64_t log_bytes_of(const std::string& topic) {
    uint64_t bytes = 0;
    for (const auto& file :
         std::filesystem::recursive_directory_iterator(broker_->folder() + "/data")) {
      if (file.path().extension() == ".log" &&
          file.path().parent_path().filename().string().rfind(topic + "-", 0) == 0) {
        bytes += file.file_size();
      }
    }
    return bytes;
  }
};

TEST_F(SinkBroker, DeliversOverTlsWithAConnectionString) {
  broker_->create_topic("orders", 4);
  SinkDriver driver(config());
  const SinkDriver::Result opened = driver.open();
  ASSERT_EQ(opened.status, DSTREAM_OK) << opened.message;
  driver.add_numbered(0, 20'000, 37, 100);
  driver.add({.key = "k0", .value = std::nullopt, .headers = {{"ce_id", "1:2:3"}}});
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  driver.close();

  std::vector<KafkaRecord> records = read("orders");
  ASSERT_EQ(records.size(), 20'001u);
  const auto tombstone = std::find_if(records.begin(), records.end(),
                                      [](const KafkaRecord& record) { return !record.value; });
  ASSERT_NE(tombstone, records.end());
  EXPECT_EQ(tombstone->headers.size(), 1u);
  records.erase(tombstone);
  const StreamCheck check = check_stream(records, 20'000, 37);
  EXPECT_EQ(check.problem, "");
  EXPECT_EQ(check.duplicates, 0u);
  EXPECT_EQ(driver.host().logged().find("c2VjcmV0"), std::string::npos) << "(I11)";
}

// Every codec arrives as what was sent, and takes the room of a compressed batch on the broker.
TEST_F(SinkBroker, CompressesBatchesWithEveryCodec) {
  std::map<std::string, uint64_t> log_bytes;
  for (const std::string codec : {"none", "gzip", "snappy", "lz4", "zstd"}) {
    const std::string topic = "compressed-" + codec;
    broker_->create_topic(topic, 2);
    SinkDriver driver(R"({"brokers":")" + broker_->plaintext() + R"(","topic":")" + topic +
                      R"(","compression":")" + codec + R"(","linger":"20ms"})");
    const SinkDriver::Result opened = driver.open();
    ASSERT_EQ(opened.status, DSTREAM_OK) << codec << ": " << opened.message;
    constexpr int kCount = 5'000;
    for (int i = 0; i < kCount; ++i) {
      std::string value = std::to_string(i);
      value.resize(400, ' ');
      driver.add({.topic = topic, .key = "k" + std::to_string(i % 37), .value = value});
    }
    ASSERT_EQ(driver.run().status, DSTREAM_OK) << codec << ": " << driver.breach();
    driver.close();
    const StreamCheck check = check_stream(read(topic), kCount, 37);
    EXPECT_EQ(check.problem, "") << codec;
    log_bytes[codec] = log_bytes_of(topic);
  }
  EXPECT_GT(log_bytes["none"], 5'000u * 400);
  for (const char* codec : {"gzip", "snappy", "lz4", "zstd"}) {
    EXPECT_LT(log_bytes[codec] * 2, log_bytes["none"]) << codec;
    EXPECT_GT(log_bytes[codec], 0u) << codec;
  }
}

// The sink has the old count, and never asks by itself.
TEST_F(SinkBroker, AMessageForANewPartitionFindsTheTopicGrown) {
  broker_->create_topic("chosen", 2);
  SinkDriver driver(R"({"brokers":")" + broker_->plaintext() +
                    R"(","topic":"chosen","linger":"5ms","partition_check_interval":"0s"})");
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  auto add = [&](int first, int count, int partitions) {
    for (int i = first; i < first + count; ++i) {
      driver.add(
          {.topic = "chosen", .key = "k", .value = std::to_string(i), .partition = i % partitions});
    }
  };
  add(0, 500, 2);
  ASSERT_EQ(driver.run().status, DSTREAM_OK);
  broker_->run_tool("org.apache.kafka.tools.TopicCommand",
                    {"--bootstrap-server", broker_->plaintext(), "--alter", "--topic", "chosen",
                     "--partitions", "5"});
  dstream::standin::wait_for_partitions(broker_->plaintext(), "chosen", 5);
  add(500, 500, 5);
  ASSERT_EQ(driver.run(60'000).status, DSTREAM_OK) << driver.breach();
  driver.add({.topic = "chosen", .key = "k", .value = "1000", .partition = 5});
  ASSERT_EQ(driver.run(60'000).status, DSTREAM_OK) << driver.breach();
  EXPECT_EQ(driver.rejected(), std::vector<size_t>{1000}) << "only what no partition is there for";
  EXPECT_NE(driver.reject_message().find("has 5 partitions"), std::string::npos);
  EXPECT_EQ(driver.status().find(
                R"({"partition_changes":[{"topic":"chosen","from":2,"to":5,"state":"used",)"),
            0u)
      << driver.status();
  EXPECT_EQ(driver.host().metric("partition_changes"), 1);
  EXPECT_EQ(driver.sessions(), 1);
  driver.close();
  std::map<int32_t, int> last;
  for (const KafkaRecord& record : read("chosen")) {
    const int value = std::atoi(record.value.value().c_str());
    EXPECT_EQ(record.partition, value % (value < 500 ? 2 : 5));
    const auto [before, first] = last.try_emplace(record.partition, value);
    EXPECT_TRUE(first || before->second < value) << "(I3)";
    before->second = value;
  }
  EXPECT_EQ(last.size(), 5u);
}

TEST_F(SinkBroker, KeysMoveToNewPartitionsWhenAllThatIsUnderWayHasBeenDelivered) {
  broker_->create_topic("growing", 2, {{"message.timestamp.type", "LogAppendTime"}});
  SinkDriver driver(R"({"brokers":")" + broker_->plaintext() +
                    R"(","topic":"growing","linger":"5ms","partition_check_interval":"50ms"})");
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  constexpr int kKeys = 101;
  constexpr int kStep = 500;
  int added = 0;
  auto add = [&] {
    for (int i = 0; i < kStep; ++i, ++added) {
      driver.add({.topic = "growing",
                  .key = "k" + std::to_string(added % kKeys),
                  .value = std::to_string(added)});
    }
  };
  add();
  ASSERT_EQ(driver.run().status, DSTREAM_OK);
  broker_->run_tool("org.apache.kafka.tools.TopicCommand",
                    {"--bootstrap-server", broker_->plaintext(), "--alter", "--topic", "growing",
                     "--partitions", "5"});
  const auto start = steady_clock::now();
  while (driver.host().logged().find("used from now on") == std::string::npos) {
    ASSERT_LT(ms_since(start), 60'000) << driver.host().logged();
    if (driver.unsettled() < kStep) {
      add();
    }
    ASSERT_EQ(driver.turn(5).status, DSTREAM_OK);
  }
  add();
  ASSERT_EQ(driver.run(60'000).status, DSTREAM_OK) << driver.breach();
  EXPECT_EQ(driver.breach(), "");
  EXPECT_EQ(driver.host().metric("partition_changes"), 1);
  EXPECT_EQ(driver.sessions(), 1);
  driver.close();

  std::map<std::string, std::map<int, KafkaRecord>> keys;
  for (const KafkaRecord& record : read("growing")) {
    const int value = std::atoi(record.value.value().c_str());
    EXPECT_TRUE(keys[record.key.value()].emplace(value, record).second) << "twice";
  }
  size_t total = 0;
  std::set<int32_t> new_partitions;
  for (const auto& [key, values] : keys) {
    total += values.size();
    int moves = 0;
    int64_t previous_ms = 0;
    int32_t partition = values.begin()->second.partition;
    EXPECT_LT(partition, 2) << key;
    for (const auto& [value, record] : values) {
      moves += record.partition != partition ? 1 : 0;
      partition = record.partition;
      EXPECT_GE(record.timestamp_ms, previous_ms) << key << ": appended before the one before it";
      previous_ms = record.timestamp_ms;
    }
    EXPECT_LE(moves, 1) << key;
    new_partitions.insert(partition);
  }
  EXPECT_EQ(total, static_cast<size_t>(added)) << "(I5)";
  EXPECT_EQ(new_partitions.size(), 5u);
}

TEST_F(SinkBroker, MakesAMissingTopicWhereItIsTold) {
  const std::string create =
      R"(,"create_topics":{"partitions":3,"replication":1,"config":{"cleanup.policy":"compact"}})";
  SinkDriver single(R"({"brokers":")" + broker_->plaintext() + R"(","topic":"made")" + create +
                    "}");
  const SinkDriver::Result opened = single.open();
  ASSERT_EQ(opened.status, DSTREAM_OK) << opened.message;
  single.close();

  SinkDriver many(R"({"brokers":")" + broker_->plaintext() + R"(","linger":"5ms")" + create + "}");
  ASSERT_EQ(many.open().status, DSTREAM_OK);
  for (int i = 0; i < 300; ++i) {
    many.add({.topic = i % 2 == 0 ? "made" : "made-later", .key = std::to_string(i), .value = "v"});
  }
  ASSERT_EQ(many.run(60'000).status, DSTREAM_OK) << many.host().logged();
  EXPECT_EQ(many.host().metric("topics_created"), 1);
  std::set<int32_t> partitions;
  for (const char* topic : {"made", "made-later"}) {
    const auto records = read(topic);
    EXPECT_EQ(records.size(), 150u);
    for (const KafkaRecord& record : records) {
      partitions.insert(record.partition);
    }
  }
  EXPECT_EQ(partitions, (std::set<int32_t>{0, 1, 2}));
}

TEST_F(SinkBroker, SaysWhyATopicCannotBeMade) {
  SinkDriver driver(R"({"brokers":")" + broker_->plaintext() +
                    R"(","topic":"never","create_topics":{"partitions":1,"replication":9}})");
  const SinkDriver::Result opened = driver.open();
  EXPECT_EQ(opened.status, DSTREAM_CONFIG);
  EXPECT_NE(opened.message.find("/create_topics"), std::string::npos) << opened.message;
  EXPECT_NE(opened.message.find("eplication"), std::string::npos) << opened.message;
}

TEST_F(SinkBroker, SendsEverythingToTheEventHubOfTheConnection) {
  broker_->create_topic("hub", 1);
  // The broker takes one password, so that the hub cannot be part of it here.
  SinkDriver driver(config(R"(,"topic":"hub")"));
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  driver.add({.topic = "hub", .key = "k", .value = "v"});
  ASSERT_EQ(driver.run().status, DSTREAM_OK);
  EXPECT_EQ(read("hub").size(), 1u);
}

TEST_F(SinkBroker, IsDeniedWithAWrongPassword) {
  std::string wrong = broker_->connection_string();
  wrong.replace(wrong.find("c2VjcmV0"), 8, "d3Jvbmch");
  SinkDriver driver(config("", wrong));
  const auto start = steady_clock::now();
  const SinkDriver::Result result = driver.open();
  EXPECT_EQ(result.status, DSTREAM_DENIED);
  EXPECT_NE(result.message.find("Invalid username or password"), std::string::npos)
      << result.message;
  EXPECT_EQ(result.message.find("d3Jvbmch"), std::string::npos) << "(I11)";
  EXPECT_EQ(driver.host().logged().find("d3Jvbmch"), std::string::npos) << "(I11)";
  EXPECT_LT(ms_since(start), 10'000);
}

TEST_F(SinkBroker, DoesNotTrustAForeignCertificate) {
  SinkDriver driver(R"({"connection":")" + broker_->connection_string() +
                    R"(","tls":{"ca_file":")" + broker_->other_ca_file() + R"("}})");
  const SinkDriver::Result result = driver.open();
  EXPECT_EQ(result.status, DSTREAM_DENIED);
  EXPECT_NE(result.message.find("certificate"), std::string::npos) << result.message;
}

TEST_F(SinkBroker, SaysThatTheCaFileIsMissing) {
  SinkDriver driver(R"({"connection":")" + broker_->connection_string() +
                    R"(","tls":{"ca_file":"/nonexistent/ca.pem"}})");
  ASSERT_EQ(driver.created().status, DSTREAM_OK) << "create() reads no file";
  const SinkDriver::Result result = driver.open();
  EXPECT_EQ(result.status, DSTREAM_CONFIG);
  EXPECT_NE(result.message.find("ssl.ca.location"), std::string::npos) << result.message;
}

TEST_F(SinkBroker, SaysThatATopicIsUnknownAndDoesNotMakeIt) {
  SinkDriver single(config(R"(,"topic":"nowhere")"));
  const SinkDriver::Result at_start = single.open();
  EXPECT_EQ(at_start.status, DSTREAM_CONFIG);
  EXPECT_NE(at_start.message.find("nowhere"), std::string::npos) << at_start.message;

  SinkDriver driver(config());
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  driver.add({.topic = "nowhere", .key = "k", .value = "v"});
  EXPECT_EQ(driver.run().status, DSTREAM_CONFIG);
  EXPECT_TRUE(read("nowhere").empty());
  EXPECT_EQ(single.open().status, DSTREAM_CONFIG) << "asking did not make it";
}

TEST_F(SinkBroker, LetsTheBrokerMakeATopic) {
  SinkDriver driver(config(R"(,"auto_create_topics":true)"));
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  driver.add({.topic = "made.on.sight", .key = "k", .value = "v"});
  const SinkDriver::Result result = driver.run();
  EXPECT_EQ(result.status, DSTREAM_OK) << result.message;
  EXPECT_EQ(read("made.on.sight").size(), 1u);
}

// The topic takes less than the client thinks: batches shrink until they fit, and the one message
// that never will is named.
TEST_F(SinkBroker, RejectsWhatTheTopicDoesNotTake) {
  broker_->create_topic("small", 2, {{"max.message.bytes", "20000"}});
  SinkDriver driver(config());
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  driver.add({.topic = "small", .key = "k0", .value = "before"});
  driver.add({.topic = "small", .key = "k0", .value = std::string(50'000, 'x')});
  driver.add({.topic = "small", .key = "k0", .value = "after"});
  for (int i = 0; i < 2000; ++i) {
    driver.add(
        {.topic = "small", .key = "j" + std::to_string(i % 9), .value = std::string(100, 'y')});
  }
  const SinkDriver::Result result = driver.run(60'000);
  ASSERT_EQ(result.status, DSTREAM_OK) << result.message;
  EXPECT_EQ(driver.rejected(), std::vector<size_t>{1});
  EXPECT_NE(driver.reject_message().find("50002 bytes"), std::string::npos)
      << driver.reject_message();
  std::vector<std::string> values;
  size_t others = 0;
  for (const KafkaRecord& record : read("small")) {
    if (record.key == "k0" && (values.empty() || values.back() != *record.value)) {
      values.push_back(*record.value);
    }
    others += record.key == "k0" ? 0 : 1;
  }
  EXPECT_EQ(values.front(), "before");
  EXPECT_EQ(values.back(), "after");
  EXPECT_GE(others, 2000u);
}

TEST_F(SinkBroker, RejectsAMessageWithoutAKeyInACompactedTopic) {
  broker_->create_topic("compacted", 1, {{"cleanup.policy", "compact"}});
  SinkDriver driver(config());
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  for (int i = 0; i < 400; ++i) {
    if (i == 250) {
      driver.add({.topic = "compacted", .value = "no key"});
    } else {
      driver.add({.topic = "compacted", .key = "k" + std::to_string(i), .value = "v"});
    }
  }
  const SinkDriver::Result result = driver.run(60'000);
  ASSERT_EQ(result.status, DSTREAM_OK) << result.message;
  EXPECT_EQ(driver.rejected(), std::vector<size_t>{250});
  EXPECT_NE(driver.reject_message().find("INVALID_RECORD"), std::string::npos)
      << driver.reject_message();
  EXPECT_EQ(driver.delivered(), 399u);
}

TEST_F(SinkBroker, SurvivesKillAndRestartUnderLoad) {
  broker_->create_topic("killed", 4);
  SinkDriver driver(config());
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  int added = 0;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 20; ++i) {
      for (int j = added; j < added + 1000; ++j) {
        driver.add({.topic = "killed",
                    .key = "k" + std::to_string(j % 50),
                    .value = std::to_string(j) + std::string(200, ' ')});
      }
      added += 1000;
      ASSERT_GE(driver.turn(1).status, 0);
    }
    broker_->kill9();
    for (int turn = 0; turn < 20; ++turn) {
      ASSERT_GE(driver.turn(10).status, 0);
    }
    broker_->restart();
  }
  const SinkDriver::Result result = driver.run(90'000);
  ASSERT_EQ(result.status, DSTREAM_OK) << result.message;
  const StreamCheck check = check_stream(read("killed"), added, 50);
  EXPECT_EQ(check.problem, "");
  RecordProperty("duplicates", static_cast<int>(check.duplicates));
}

TEST_F(SinkBroker, WaitsOutAStalledBroker) {
  const int stall_ms = std::getenv("DSTREAM_LONG_TESTS") != nullptr ? 60'000 : 10'000;
  broker_->create_topic("stalled", 4);
  SinkDriver driver(config(R"(,"in_flight_bytes":"4MiB")"));
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  constexpr int kCount = 60'000;
  for (int i = 0; i < kCount; ++i) {
    driver.add({.topic = "stalled",
                .key = "k" + std::to_string(i % 50),
                .value = std::to_string(i) + std::string(300, ' ')});
  }
  for (int turn = 0; turn < 10; ++turn) {
    ASSERT_EQ(driver.turn(1).status, DSTREAM_OK);
  }
  broker_->pause();
  const auto start = steady_clock::now();
  size_t resident_start = 0;
  while (ms_since(start) < stall_ms) {
    ASSERT_EQ(driver.turn(100).status, DSTREAM_OK);
    ASSERT_LE(driver.host().metric("in_flight_bytes"), 4 << 20) << "(I6)";
    if (resident_start == 0 && driver.in_flight() + driver.delivered() == kCount) {
      resident_start = resident_mib();
    }
  }
  EXPECT_GT(driver.unsettled(), 0u);
  if (resident_start != 0) {
    EXPECT_LE(resident_mib(), resident_start + 20) << "a stall costs time, not memory";
  }
  broker_->resume();
  const SinkDriver::Result result = driver.run(90'000);
  ASSERT_EQ(result.status, DSTREAM_OK) << result.message;
  const StreamCheck check = check_stream(read("stalled"), kCount, 50);
  EXPECT_EQ(check.problem, "");
}

// The broker's quota decides the pace, and nearly all of it is used.
TEST_F(SinkBroker, ThrottlingIsKeptToAndUsedUp) {
  constexpr int kCount = 14'000;
  constexpr double kQuotaBytesPerSecond = 1'000'000;
  broker_->create_topic("throttled", 2);
  const std::vector<std::string> who = {
      "--bootstrap-server", broker_->plaintext(), "--alter", "--entity-type", "users",
      "--entity-name",      "$ConnectionString"};
  std::vector<std::string> limit = who;
  limit.insert(limit.end(), {"--add-config", "producer_byte_rate=1000000"});
  broker_->run_tool("kafka.admin.ConfigCommand", limit);
  SinkDriver driver(config());
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  for (int i = 0; i < kCount; ++i) {
    driver.add({.topic = "throttled",
                .key = "k" + std::to_string(i % 9),
                .value = std::to_string(i) + std::string(1000, 'x')});
  }
  const auto start = steady_clock::now();
  const SinkDriver::Result result = driver.run(60'000);
  const double seconds = static_cast<double>(ms_since(start)) / 1000;
  std::vector<std::string> unlimited = who;
  unlimited.insert(unlimited.end(), {"--delete-config", "producer_byte_rate"});
  broker_->run_tool("kafka.admin.ConfigCommand", unlimited);
  ASSERT_EQ(result.status, DSTREAM_OK) << result.message;
  EXPECT_GT(driver.host().metric("throttled_seconds"), 0);
  EXPECT_EQ(check_stream(read("throttled"), kCount, 9).problem, "");
  EXPECT_EQ(driver.host().metric("retried_messages"), 0);
  const double goodput = kCount * 1000.0 / seconds;
  RecordProperty("percent_of_quota", static_cast<int>(goodput / kQuotaBytesPerSecond * 100));
  EXPECT_GE(goodput, 0.97 * kQuotaBytesPerSecond);
}

}  // namespace
}  // namespace eventhubs
