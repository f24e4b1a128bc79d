// Format avro into a real broker, with a registry that comes late, and one that refuses. Apache
// Avro reads what arrives.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/end_to_end/child.h"
#include "tests/host/program.h"
#include "tests/standins/kafka/kafka_broker.h"
#include "tests/standins/kafka/kafka_client.h"
#include "tests/standins/registry/schema_registry.h"

namespace dstream::end_to_end {
namespace {

using host_test::Folder;
using standin::KafkaRecord;
using standin::SchemaRegistry;
using std::chrono::seconds;

constexpr seconds kPatience{60};
constexpr int kRows = 2000;

std::string hex_of(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) {
    out += "0123456789abcdef"[static_cast<uint8_t>(c) >> 4];
    out += "0123456789abcdef"[static_cast<uint8_t>(c) & 15];
  }
  return out;
}

class AvroToKafka : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    broker_ = std::make_unique<standin::KafkaBroker>();
    broker_->start();
  }
  static void TearDownTestSuite() { broker_.reset(); }

  std::string pipeline(const std::string& topic, const std::string& registry) {
    broker_->create_topic(topic, 2);
    return folder_.write(
        topic + ".yaml",
        "name: people\nsource: {type: generator, rows: " + std::to_string(kRows) +
            ", keys: 100, delete_percent: 10}\nsink:\n  type: eventhubs\n  brokers: " +
            broker_->plaintext() + "\n  topic: " + topic +
            "\nformat:\n  type: avro\n  registry: {url: \"" + registry +
            "\", username: dstream, password: \"${file:" + folder_.write("key", "s3cret-key\n") +
            "}\"}\n");
  }

  Child run(const std::string& config) {
    return Child({DSTREAM_PROGRAM, "run", config, "--plugin-dir", DSTREAM_PLUGIN_DIR, "--state-dir",
                  folder_.path("state"), "--log-format", "logfmt"});
  }

  // What Apache Avro reads, one message a line.
  std::vector<std::string> read(const std::vector<std::string>& messages,
                                const SchemaRegistry& registry) {
    for (const auto& [id, schema] : registry.schemas()) {
      folder_.write(std::to_string(id) + ".avsc", schema);
    }
    std::string lines;
    for (const std::string& message : messages) {
      lines += hex_of(message) + "\n";
    }
    const std::string out = folder_.path("read.txt");
    const std::string command = std::string("java -cp \"$(") + DSTREAM_REGISTRY_TOOLS +
                                "/fetch-avro.sh)/*\" " + DSTREAM_REGISTRY_TOOLS +
                                "/ReadAvro.java " + folder_.path("") + " < " +
                                folder_.write("messages.txt", lines) + " > " + out;
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    std::vector<std::string> texts;
    std::ifstream file(out);
    for (std::string line; std::getline(file, line);) {
      texts.push_back(line);
    }
    return texts;
  }

  static SchemaRegistry::Options options() {
    SchemaRegistry::Options out;
    out.username = "dstream";
    out.password = "s3cret-key";
    return out;
  }

  Folder folder_;
  static std::unique_ptr<standin::KafkaBroker> broker_;
};
std::unique_ptr<standin::KafkaBroker> AvroToKafka::broker_;

TEST_F(AvroToKafka, NothingIsLostWhileTheRegistryIsAwayAndApacheAvroReadsAll) {
  SchemaRegistry registry(options());
  registry.fail_with(503);
  Child host = run(pipeline("avro-late", registry.url()));
  ASSERT_TRUE(host.wait_line("DS-REGISTRY-AWAY", kPatience)) << host.output();
  ASSERT_TRUE(registry.wait_requests(3, 60'000));
  EXPECT_TRUE(standin::read_all(broker_->plaintext(), "avro-late").empty());
  registry.fail_with(0);
  ASSERT_EQ(host.wait_exit(kPatience), 0) << host.output();
  EXPECT_EQ(host.output().find("s3cret"), std::string::npos) << "(I11)";
  EXPECT_EQ(registry.subjects(), (std::vector<std::string>{"avro-late-key", "avro-late-value"}));

  std::vector<std::string> keys;
  std::vector<std::string> values;
  for (const KafkaRecord& record : standin::read_all(broker_->plaintext(), "avro-late")) {
    keys.push_back(record.key.value());
    if (record.value) {
      values.push_back(*record.value);
    }
  }
  EXPECT_EQ(values.size(), size_t{kRows});
  EXPECT_GT(keys.size(), values.size()) << "deletes have tombstones";
  std::set<std::string> ids;
  for (const std::string& text : read(values, registry)) {
    const size_t begin = text.find("{\"id\": \"") + 8;
    ids.insert(text.substr(begin, text.find('"', begin) - begin));
  }
  EXPECT_EQ(ids.size(), size_t{kRows}) << "every change once";
  EXPECT_EQ(read(keys, registry).size(), keys.size());
}

TEST_F(AvroToKafka, ASchemaThatIsIncompatibleStopsThePipelineBeforeIt) {
  SchemaRegistry registry(options());
  registry.add("avro-frozen-value", "\"string\"");
  registry.freeze("avro-frozen-value");
  const std::string config = pipeline("avro-frozen", registry.url());
  {
    Child host = run(config);
    EXPECT_EQ(host.wait_exit(kPatience), 1) << host.output();
    EXPECT_NE(host.output().find("DS-REGISTRY-INCOMPATIBLE"), std::string::npos) << host.output();
  }
  EXPECT_TRUE(standin::read_all(broker_->plaintext(), "avro-frozen").empty());
  registry.thaw("avro-frozen-value");
  Child again = run(config);
  EXPECT_EQ(again.wait_exit(kPatience), 0) << again.output();
  size_t values = 0;
  for (const KafkaRecord& record : standin::read_all(broker_->plaintext(), "avro-frozen")) {
    values += record.value ? 1 : 0;
  }
  EXPECT_EQ(values, size_t{kRows}) << "(I5)";
}

}  // namespace
}  // namespace dstream::end_to_end
