// Dead letters and back: what a sink did not take is put aside, and `dstream replay` sends it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <map>

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
constexpr int kRows = 50;
constexpr int kLetters = 20'000;

class Replay : public testing::Test {
 protected:
  Replay() { mock_.create_topic("people", 2); }

  std::string config(const std::string& limit) const {
    return folder_.write(
        "pipeline.yaml",
        "name: people\nsource: {type: generator, rows: " + std::to_string(kRows) +
            ", keys: 50, size: 5000}\nsink:\n  type: eventhubs\n  brokers: " + mock_.brokers() +
            "\n  topic: people\n  message_bytes_max: " + limit + "\n" +
            "on_oversize: dead_letter\ndead_letter: {file_bytes_max: 64KiB, files_max: 100}\n");
  }
  std::vector<std::string> command(const std::string& letters, const std::string& config,
                                   const std::vector<std::string>& more = {}) const {
    std::vector<std::string> out = {"replay",      letters,        "--config",
                                    config,        "--plugin-dir", DSTREAM_PLUGIN_DIR,
                                    "--state-dir", state()};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
  core::JsonObject replay(const std::string& letters, const std::vector<std::string>& more = {}) {
    auto arguments = command(letters, config("1MiB"), more);
    arguments.emplace_back("--json");
    Ended ended = call(arguments);
    EXPECT_EQ(ended.exit_code, 0) << ended.out << ended.err;
    auto result = parse_json(ended.out)->getObject("result");
    EXPECT_FALSE(result.isNull()) << ended.out;
    return result;
  }
  std::string state() const { return folder_.path("state"); }
  // A file of letters with the keys 0 .. count - 1.
  std::string write_letters(int count, const std::string& between = "") const {
    std::string content;
    for (int i = 0; i < count; ++i) {
      if (i == count / 2) {
        content += between;
      }
      content +=
          R"({"format":1,"pipeline":"people","code":"DS-SINK-REJECTED","op":"insert",)"
          R"("database":"d","schema":"s","table":"t","commit_time_ns":1,"messages":[{"topic":)"
          R"("people","key":")" +
          key(i) + R"(","value":")" + key(i) +
          R"(","headers":{"ce_id":"eA=="}}],"record":null})"
          "\n";
    }
    return folder_.write("letters.jsonl", content);
  }
  // Six digits, in base64.
  static std::string key(int number) {
    static constexpr char kDigits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out = "AAAAAA";
    for (size_t i = 0; i < out.size(); ++i, number /= 64) {
      out[out.size() - 1 - i] = kDigits[number % 64];
    }
    return out + "AA";
  }
  std::map<std::string, int> arrivals_by_key() {
    std::map<std::string, int> out;
    for (const KafkaRecord& record : standin::read_all(mock_.brokers(), "people")) {
      ++out[record.key.value_or("")];
    }
    return out;
  }

  Folder folder_;
  standin::MockKafka mock_;
};

TEST_F(Replay, WhatWasTooLargeArrivesOnceTheLimitIsRaised) {
  Ended run =
      call({"run", config("2KiB"), "--plugin-dir", DSTREAM_PLUGIN_DIR, "--state-dir", state()});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  ASSERT_TRUE(standin::read_all(mock_.brokers(), "people").empty());
  int files = 0;
  uint64_t messages = 0;
  for (const auto& entry : std::filesystem::directory_iterator(state())) {
    const std::string path = entry.path().string();
    if (path.find("people.dead-letter.") != std::string::npos) {
      auto result = replay(path);
      EXPECT_EQ(result->getValue<uint64_t>("sent"), result->getValue<uint64_t>("messages"));
      EXPECT_EQ(result->getValue<uint64_t>("left"), 0u);
      messages += result->getValue<uint64_t>("sent");
      ++files;
    }
  }
  EXPECT_GT(files, 3) << "64 KiB hold a few of them only.";
  EXPECT_EQ(messages, uint64_t{kRows});
  const auto records = standin::read_all(mock_.brokers(), "people");
  ASSERT_EQ(records.size(), size_t{kRows});
  for (const KafkaRecord& record : records) {
    EXPECT_GT(record.value.value_or("").size(), 5000u);
    EXPECT_EQ(parse_json(record.value.value_or(""))->getValue<std::string>("op"), "insert");
  }
}

TEST_F(Replay, ASecondTimeSendsNothingUnlessItIsAskedTo) {
  const std::string letters = write_letters(100);
  EXPECT_EQ(replay(letters)->getValue<uint64_t>("sent"), 100u);
  auto again = replay(letters);
  EXPECT_EQ(again->getValue<uint64_t>("sent"), 0u);
  EXPECT_EQ(again->getValue<uint64_t>("sent_before"), 100u);
  EXPECT_EQ(standin::read_all(mock_.brokers(), "people").size(), 100u);
  // What was appended since is sent.
  write_letters(103);
  auto more = replay(letters);
  EXPECT_EQ(more->getValue<uint64_t>("sent"), 3u);
  EXPECT_EQ(replay(letters, {"--from-start"})->getValue<uint64_t>("sent"), 103u);
  EXPECT_EQ(standin::read_all(mock_.brokers(), "people").size(), 206u);
}

TEST_F(Replay, DamagedLineIsRefusedByItsPlaceBeforeAnythingIsSent) {
  const std::string letters = write_letters(10, "{\"format\":1,\"rej\n");
  Ended refused = call(command(letters, config("1MiB"), {"--json"}));
  EXPECT_EQ(refused.exit_code, 1);
  auto error = parse_json(refused.out)->getObject("error");
  EXPECT_EQ(error->getValue<std::string>("code"), "DS-REPLAY-LINE");
  EXPECT_EQ(error->getObject("place")->getValue<int>("line"), 6);
  EXPECT_TRUE(standin::read_all(mock_.brokers(), "people").empty());
  auto skipped = replay(letters, {"--skip"});
  EXPECT_EQ(skipped->getValue<uint64_t>("sent"), 10u);
  EXPECT_EQ(skipped->getValue<uint64_t>("skipped_lines"), 1u);
}

TEST_F(Replay, WrongCallsSaySo) {
  const std::string letters = write_letters(1);
  Ended unknown = call(command(letters, config("1MiB"), {"--pipeline", "other"}));
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("DS-REPLAY-PIPELINE"));
  Ended missing = call(command(folder_.path("none"), config("1MiB")));
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.err, HasSubstr("DS-FILE-MISSING"));
}

TEST_F(Replay, KilledInTheMiddleItGoesOnAndLosesNothing) {
  const std::string letters = write_letters(kLetters);
  std::vector<std::string> arguments =
      command(letters, config("1MiB"), {"--status-interval", "5ms", "--log-format", "logfmt"});
  arguments.insert(arguments.begin(), DSTREAM_PROGRAM);
  int killed = 0;
  for (; killed < 3; ++killed) {
    Child child(arguments);
    if (!child.wait_line("msg=Status.", kPatience)) {
      break;  // It was done before.
    }
    child.signal(SIGKILL);
    if (child.wait_exit(kPatience) != 128 + SIGKILL) {
      break;
    }
  }
  EXPECT_GT(killed, 0);
  auto last = replay(letters);
  EXPECT_EQ(last->getValue<uint64_t>("sent_before") + last->getValue<uint64_t>("sent"),
            uint64_t{kLetters});
  EXPECT_EQ(last->getValue<uint64_t>("left"), 0u);
  const auto arrived = arrivals_by_key();
  EXPECT_EQ(arrived.size(), size_t{kLetters});
}

}  // namespace
}  // namespace dstream::end_to_end
