// Messages that the sink does not take as they are: sent in parts and joined by the consumer of the
// manual, or cut and marked.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/end_to_end/child.h"
#include "tests/host/program.h"
#include "tests/standins/kafka/kafka_client.h"
#include "tests/standins/kafka/mock_kafka.h"

namespace dstream::end_to_end {
namespace {

using host_test::Folder;
using standin::KafkaRecord;
using std::chrono::seconds;

constexpr seconds kPatience{60};
constexpr int kRows = 50;
constexpr int kRowBytes = 5000;

class Oversize : public testing::Test {
 protected:
  // Everything that arrives when rows of 5,000 bytes go to a sink that takes 2 KiB.
  std::vector<KafkaRecord> deliver(const std::string& policy) {
    mock_.create_topic("large", 1);
    const std::string config = folder_.write(
        "pipeline.yaml", "name: large\nsource: {type: generator, rows: " + std::to_string(kRows) +
                             ", keys: " + std::to_string(kRows) +
                             ", size: " + std::to_string(kRowBytes) +
                             "}\nsink:\n  type: eventhubs\n  brokers: " + mock_.brokers() +
                             "\n  topic: large\n  message_bytes_max: 2KiB\n  batch_bytes: 2KiB\n" +
                             "on_oversize: " + policy + "\n");
    Child host({DSTREAM_PROGRAM, "run", config, "--plugin-dir", DSTREAM_PLUGIN_DIR, "--state-dir",
                folder_.path("state"), "--log-format", "logfmt"});
    EXPECT_EQ(host.wait_exit(kPatience), 0) << host.output();
    EXPECT_NE(host.output().find("Messages were too large"), std::string::npos) << host.output();
    return standin::read_all(mock_.brokers(), "large");
  }

  static std::string header_of(const KafkaRecord& record, const std::string& name) {
    for (const auto& [key, value] : record.headers) {
      if (key == name) {
        return value.value_or("");
      }
    }
    return "";
  }

  Folder folder_;
  standin::MockKafka mock_;
};

std::string json_string(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    out += (c == '"' || c == '\\') ? std::string("\\") + c : std::string(1, c);
  }
  return out + "\"";
}

TEST_F(Oversize, TheConsumerOfTheManualJoinsTheParts) {
  const std::vector<KafkaRecord> records = deliver("split");
  ASSERT_GT(records.size(), size_t{3 * kRows});
  // As `kcat -J` prints them; the first two parts twice, as after a failure.
  std::ostringstream lines;
  for (size_t i = 0; i < records.size() + 2; ++i) {
    const KafkaRecord& record = records[i < 2 ? i : i - 2];
    lines << R"({"key":)" << json_string(record.key.value_or("")) << R"(,"payload":)"
          << json_string(record.value.value_or("")) << R"(,"headers":[)";
    for (size_t j = 0; j < record.headers.size(); ++j) {
      lines << (j == 0 ? "" : ",") << json_string(record.headers[j].first) << ","
            << json_string(record.headers[j].second.value_or(""));
    }
    lines << "]}\n";
  }
  const std::string input = folder_.write("parts.jsonl", lines.str());
  const std::string output = folder_.path("joined.jsonl");
  const std::string command =
      std::string("python3 ") + DSTREAM_JOIN_PARTS + " < " + input + " > " + output;
  ASSERT_EQ(std::system(command.c_str()), 0);
  std::set<std::string> keys;
  int joined = 0;
  std::ifstream file(output);
  for (std::string line; std::getline(file, line); ++joined) {
    const auto message = host_test::parse_json(line);
    keys.insert(message->getValue<std::string>("key"));
    const auto value = host_test::parse_json(message->getValue<std::string>("payload"));
    EXPECT_EQ(value->getValue<std::string>("op"), "insert");
    EXPECT_GT(line.size(), size_t{kRowBytes});
  }
  EXPECT_EQ(joined, kRows);
  EXPECT_EQ(keys.size(), size_t{kRows});
}

TEST_F(Oversize, WhatIsCutSaysSo) {
  const std::vector<KafkaRecord> records = deliver("truncate_columns");
  ASSERT_EQ(records.size(), size_t{kRows});
  for (const KafkaRecord& record : records) {
    EXPECT_NE(header_of(record, "dstream-truncated"), "");
    EXPECT_LT(record.value.value_or("").size(), 2048u);
    host_test::parse_json(record.value.value_or(""));
  }
}

}  // namespace
}  // namespace dstream::end_to_end
