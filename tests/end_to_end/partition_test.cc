// The pipeline's partition through the program to a real broker, in both deliveries: each row where
// its column says, in order, and none anywhere else.
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/host/program.h"
#include "tests/standins/kafka/kafka_broker.h"
#include "tests/standins/kafka/kafka_client.h"

namespace dstream::end_to_end {
namespace {

using host_test::call;
using host_test::Ended;
using host_test::Folder;
using host_test::parse_json;
using standin::KafkaBroker;
using standin::KafkaRecord;

constexpr int kRows = 2'000;
constexpr int kKeys = 8;
constexpr int kPartitions = 6;  // the generator's ids begin with 1: 1 to 5 have one, 6 to 8 none
constexpr int kDelivered = kRows / kKeys * (kPartitions - 1);

int number_behind(const std::string& text, const std::string& name) {
  const size_t at = text.rfind(name);
  return at == std::string::npos ? -1 : std::atoi(text.c_str() + at + name.size());
}

class Partition : public testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() {
    broker_ = std::make_unique<KafkaBroker>();
    broker_->start();
  }
  static void TearDownTestSuite() { broker_.reset(); }

  std::string config(const std::string& partition) const {
    return folder_.write("pipeline.yaml",
                         "name: people\nsource: {type: generator, keys: " + std::to_string(kKeys) +
                             ", rows: " + std::to_string(kRows) +
                             "}\nsink:\n  type: eventhubs\n  brokers: " + broker_->plaintext() +
                             "\n  topic: " + topic() + "\npartition: \"" + partition +
                             "\"\ndelivery: " + GetParam() + "\non_reject: dead_letter\n");
  }
  Ended run(const std::string& file) const {
    return call(
        {"run", file, "--state-dir", folder_.path("state"), "--plugin-dir", DSTREAM_PLUGIN_DIR});
  }
  // A commit is confirmed a moment before it is seen in all partitions.
  static std::vector<KafkaRecord> committed() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    std::vector<KafkaRecord> found;
    do {
      found =
          standin::read_all(broker_->plaintext(), topic(), {{"isolation.level", "read_committed"}});
    } while (found.size() < size_t{kDelivered} && std::chrono::steady_clock::now() < deadline);
    return found;
  }
  static std::string topic() { return "rows-" + GetParam(); }

  Folder folder_;
  inline static std::unique_ptr<KafkaBroker> broker_;
};

TEST_P(Partition, IsWhatTheColumnSays) {
  broker_->create_topic(topic(), kPartitions);
  const Ended ended = run(config("{column:ID}"));
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  std::map<int, int> last;
  int delivered = 0;
  for (const KafkaRecord& record : committed()) {
    const int id = number_behind(record.key.value(), "\"id\":");
    const std::string& value = record.value.value();
    const int sequence = number_behind(value.substr(0, value.rfind("\"source\"")), "\"sequence\":");
    EXPECT_EQ(record.partition, id);
    EXPECT_GT(sequence, last[id]) << "(I3)";
    last[id] = sequence;
    ++delivered;
  }
  EXPECT_EQ(last.size(), static_cast<size_t>(kPartitions - 1));

  std::ifstream letters(folder_.path("state/people.dead-letter.jsonl"));
  int refused = 0;
  for (std::string line; std::getline(letters, line); ++refused) {
    const auto letter = parse_json(line);
    EXPECT_EQ(letter->getValue<std::string>("code"), "DS-SINK-REJECTED");
    const auto message = letter->getArray("messages")->getObject(0);
    EXPECT_GE(message->getValue<int>("partition"), kPartitions) << line;
  }
  EXPECT_EQ(delivered + refused, kRows) << "(I5)";
  EXPECT_EQ(delivered, kDelivered);
}

INSTANTIATE_TEST_SUITE_P(Deliveries, Partition, testing::Values("at_least_once", "exactly_once"),
                         [](const auto& each) { return each.param; });

}  // namespace
}  // namespace dstream::end_to_end
