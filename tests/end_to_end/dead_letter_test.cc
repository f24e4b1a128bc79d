// Dead letters in a topic of their own: confirmed before the position passes, whatever dies.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <set>

#include "tests/end_to_end/child.h"
#include "tests/host/program.h"
#include "tests/standins/kafka/kafka_client.h"
#include "tests/standins/kafka/mock_kafka.h"

namespace dstream::end_to_end {
namespace {

using host_test::call;
using host_test::Ended;
using host_test::Folder;
using host_test::parse_json;
using standin::KafkaRecord;
using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr seconds kPatience{60};
constexpr int kRows = 600;  // the broker of the tests keeps 5 MB a partition

class DeadLetterTopic : public testing::Test {
 protected:
  DeadLetterTopic() {
    mock_.create_topic("people", 1);
    mock_.create_topic("dead.people", 4);
  }
  // Every row is too large for the pipeline's sink.
  std::string config(const std::string& letter_brokers, const std::string& letter_limit) const {
    return folder_.write(
        "pipeline.yaml",
        "name: people\nsource: {type: generator, keys: 600, size: 3000, rate: 600, rows: " +
            std::to_string(kRows) + "}\nsink:\n  type: eventhubs\n  brokers: " + mock_.brokers() +
            "\n  topic: people\n  message_bytes_max: 2KiB\n" +
            "on_oversize: dead_letter\ndead_letter:\n  sink:\n    type: eventhubs\n    brokers: " +
            letter_brokers +
            "\n    topic: dead.{pipeline}\n    message_bytes_max: " + letter_limit + "\n");
  }
  std::vector<std::string> command(const std::string& config) const {
    return {"run",
            config,
            "--state-dir",
            folder_.path("state"),
            "--plugin-dir",
            DSTREAM_PLUGIN_DIR,
            "--log-format",
            "logfmt",
            "--status-interval",
            "10ms"};
  }
  std::unique_ptr<Child> start(const std::string& config) const {
    auto arguments = command(config);
    arguments.insert(arguments.begin(), DSTREAM_PROGRAM);
    return std::make_unique<Child>(arguments);
  }
  // What is delivered or a dead letter, as far as the checkpoint says.
  uint64_t checkpointed() const {
    Ended shown = call({"checkpoint", "show", "--state-dir", folder_.path("state"), "--json"});
    auto list = parse_json(shown.out)->getObject("result")->getArray("checkpoints");
    return list->size() == 1 ? list->getObject(0)->getValue<uint64_t>("records") : 0;
  }
  std::vector<KafkaRecord> letters() const {
    return standin::read_all(mock_.brokers(), "dead.people");
  }
  std::set<std::string> letter_keys() const {
    std::set<std::string> out;
    for (const KafkaRecord& record : letters()) {
      out.insert(record.key.value_or(""));
    }
    return out;
  }

  Folder folder_;
  standin::MockKafka mock_;
};

TEST_F(DeadLetterTopic, KilledAgainAndAgainNothingIsMissing) {
  const std::string file = config(mock_.brokers(), "1MiB");
  int kills = 0;
  while (kills < 3) {
    auto child = start(file);
    // A position that covers dead letters, or the end.
    if (!child->wait_line("dead_lettered=1", kPatience)) {
      break;
    }
    child->signal(SIGKILL);
    if (child->wait_exit(kPatience) != 128 + SIGKILL) {
      break;
    }
    ++kills;
    EXPECT_LE(checkpointed(), letter_keys().size()) << "Kill " << kills;
  }
  EXPECT_GT(kills, 0);
  Ended last = call(command(file));
  EXPECT_EQ(last.exit_code, 0) << last.err;
  EXPECT_EQ(checkpointed(), uint64_t{kRows});
  EXPECT_EQ(letter_keys().size(), size_t{kRows});
  EXPECT_FALSE(std::filesystem::exists(folder_.path("state/people.dead-letter.jsonl")));
  std::map<std::string, std::string> headers;
  const auto first = letters().front();
  for (const auto& [name, value] : first.headers) {
    headers[name] = value.value_or("");
  }
  EXPECT_EQ(headers["dstream-error-code"], "DS-ENCODE-OVERSIZE");
  EXPECT_EQ(headers["dstream-pipeline"], "people");
  EXPECT_EQ(headers["dstream-topic"], "people");
  EXPECT_GT(first.value.value_or("").size(), 3000u) << "Whole.";
}

TEST_F(DeadLetterTopic, ABrokerThatIsDownHoldsThePositionAndIsSaid) {
  auto child = start(config("127.0.0.1:1", "1MiB"));
  ASSERT_TRUE(child->wait_line("code=DS-DEAD-LETTER-SINK", kPatience)) << child->output();
  Ended status = call({"status", "--state-dir", folder_.path("state"), "--json"});
  EXPECT_THAT(status.out, HasSubstr("DS-DEAD-LETTER-SINK"));
  EXPECT_EQ(checkpointed(), 0u);
  child->signal(SIGKILL);
  child->wait_exit(kPatience);
  Ended last = call(command(config(mock_.brokers(), "1MiB")));
  EXPECT_EQ(last.exit_code, 0) << last.err;
  EXPECT_EQ(letter_keys().size(), size_t{kRows});
}

TEST_F(DeadLetterTopic, WhatTheirTopicRefusesIsInTheFile) {
  Ended run = call(command(config(mock_.brokers(), "2KiB")));
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(letters().empty());
  const std::string file = host_test::read_file(folder_.path("state/people.dead-letter.jsonl"));
  EXPECT_EQ(std::count(file.begin(), file.end(), '\n'), kRows);
}

}  // namespace
}  // namespace dstream::end_to_end
