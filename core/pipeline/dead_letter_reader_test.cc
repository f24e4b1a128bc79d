#include "core/pipeline/dead_letter_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "core/pipeline/dead_letter.h"
#include "core/pipeline/replay_source.h"
#include "core/pipeline/test_records.h"
#include "core/pipeline/text.h"

namespace dstream::core {
namespace {

using testing::FaultyFiles;
using ::testing::HasSubstr;
using testing::ManualClock;
using testing::TestBatches;
using testing::TestEncoder;
using testing::TestFolder;

constexpr const char* kLine =
    R"({"format":1,"rejected_at":"2025-11-24T16:00:00.123Z","pipeline":"people","code":"DS-X",)"
    R"("reason":"No.","vendor_code":10,"op":"delete","database":"shop","schema":"dbo",)"
    R"("table":"Persons","position":"7031","commit_time_ns":17,"source":{},"messages":[)"
    R"({"topic":"t","key":"MQ==","value":"","headers":{"b":"eA==","a":null}},)"
    R"({"topic":"u","partition":3,"key":null,"value":null,"headers":{}}],"record":null})";

std::string with(std::string_view from, std::string_view to) {
  std::string line = kLine;
  size_t at = line.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return line.replace(at, from.size(), to);
}

TEST(DeadLetterLine, HasWhatTheMessageHad) {
  auto letter = parse_dead_letter(kLine);
  ASSERT_TRUE(letter.has_value()) << letter.error().text();
  EXPECT_EQ(letter->pipeline, "people");
  EXPECT_EQ(letter->op, "delete");
  EXPECT_EQ(letter->database + "." + letter->name_space + "." + letter->table, "shop.dbo.Persons");
  EXPECT_EQ(letter->commit_time_ns, 17);
  ASSERT_EQ(letter->messages.size(), 2u);
  const DeadLetterMessage& first = letter->messages[0];
  EXPECT_EQ(first.topic, "t");
  EXPECT_EQ(first.key, "1");
  EXPECT_EQ(first.value, "") << "Empty is not null.";
  EXPECT_EQ(first.partition, -1);
  ASSERT_EQ(first.headers.size(), 2u);
  EXPECT_EQ(first.headers[0].first, "b") << "In their order.";
  EXPECT_EQ(first.headers[0].second, "x");
  EXPECT_EQ(first.headers[1].second, std::nullopt);
  EXPECT_EQ(letter->messages[1].key, std::nullopt);
  EXPECT_EQ(letter->messages[1].partition, 3);
}

TEST(DeadLetterLine, WhatIsWrittenIsReadBack) {
  TestBatches batches;
  ManualClock clock;
  TestEncoder encoder;
  Delivery delivery;
  delivery.begin(batches.make({{'d', "p1"}}, 41), 0, true);
  delivery.encode(encoder);
  delivery.reject_item(0, {"DS-SINK-REJECTED", "No \"way\" \xC3\xA4.", "", {}, {}}, 10);
  std::string line =
      format_dead_letter("people", delivery, delivery.rejects().front(), clock.wall_ns(), {});
  line.pop_back();
  auto letter = parse_dead_letter(line);
  ASSERT_TRUE(letter.has_value()) << letter.error().text();
  ASSERT_EQ(letter->messages.size(), delivery.view().count);
  EXPECT_EQ(letter->messages[0].key, "41");
}

TEST(DeadLetterLine, WhatIsDamagedIsSaid) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "no JSON"},
      {"[]", "no JSON object"},
      {std::string(kLine).substr(0, 200), "no JSON"},
      {std::string(kLine) + "x", "no JSON"},
      {with("\"format\":1", "\"format\":2"), "another version"},
      {with("\"format\":1,", ""), "format is missing"},
      {with("\"MQ==\"", "\"MQ=\""), "key is no base64"},
      {with("\"MQ==\"", "\"MR==\""), "key is no base64"},
      {with("\"MQ==\"", "1"), "key is neither"},
      {with("\"eA==\"", "\"e*==\""), "a header is no base64"},
      {with("\"partition\":3", "\"partition\":2147483648"), "partition is out of range"},
      {with("\"partition\":3", "\"partition\":1.5"), "partition is no whole number"},
      {with("\"topic\":\"t\"", "\"topic\":\"t\\u0000\""), "zero byte"},
      {with("\"headers\":{}", "\"headers\":[]"), "headers is no object"},
      {with("\"commit_time_ns\":17", "\"commit_time_ns\":\"x\""), "commit_time_ns"}};
  for (const auto& [line, what] : cases) {
    auto letter = parse_dead_letter(line);
    ASSERT_FALSE(letter.has_value()) << line;
    EXPECT_EQ(letter.error().code, "DS-REPLAY-LINE");
    EXPECT_THAT(letter.error().message, HasSubstr(what)) << line;
  }
}

TEST(DeadLetterLine, RecordThatWasNoMessageIsAnotherThing) {
  std::string line = kLine;
  size_t from = line.find("\"messages\":[") + 12;
  line.erase(from, line.find("],\"record\"") - from);
  EXPECT_EQ(parse_dead_letter(line).error().code, "DS-REPLAY-NO-MESSAGE");
}

// Whatever the bytes are, it is a letter or an error with a code.
TEST(DeadLetterLine, SurvivesAnything) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  auto below = [&random](size_t limit) { return static_cast<size_t>(random() % limit); };
  static constexpr std::string_view kWords[] = {
      "{",    "}",    "[",  "\"", ":", "null", "-1", "1e999", "\\u0000", "99999999999999999999",
      "true", "\xff", "==", ","};
  int letters = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string line = kLine;
    for (size_t changes = 1 + below(4); changes > 0 && !line.empty(); --changes) {
      size_t at = below(line.size());
      switch (below(4)) {
        case 0:
          line[at] = static_cast<char>(random());
          break;
        case 1:
          line.erase(at, 1 + below(20));
          break;
        case 2:
          line.insert(at, kWords[below(std::size(kWords))]);
          break;
        default:
          line.insert(at, line.substr(below(line.size()), below(60)));
      }
    }
    auto letter = parse_dead_letter(line);
    if (letter) {
      ++letters;
      ASSERT_FALSE(letter->messages.empty());
    } else {
      ASSERT_TRUE(letter.error().code.starts_with("DS-REPLAY-"));
    }
  }
  EXPECT_GT(letters, 100) << "Most changes would be noticed at once otherwise.";
}

class DeadLetterReaderTest : public ::testing::Test {
 protected:
  void write(const std::string& content) {
    ASSERT_TRUE(files_.write_durable(path_, content).has_value());
  }
  static std::string whole() { return std::string(kLine) + "\n"; }

  TestFolder folder_;
  FaultyFiles files_;
  const std::string path_ = folder_.path() + "/people.dead-letter.jsonl";
};

TEST_F(DeadLetterReaderTest, LineLargerThanAReadAndOnesBehindIt) {
  const std::string large(3 * 1024 * 1024 + 17, 'x');
  const std::string content = "a\n" + large + "\n\nb\npart";
  write(content);
  DeadLetterReader reader(files_, path_, content.size());
  ASSERT_TRUE(reader.open(0, 0).has_value());
  uint64_t end = 0;
  uint64_t number = 0;
  for (const std::string& expected : {std::string("a"), large, std::string(), std::string("b")}) {
    auto line = reader.next();
    ASSERT_TRUE(line.has_value() && line->has_value());
    EXPECT_EQ((*line)->text, expected);
    EXPECT_EQ((*line)->number, ++number);
    EXPECT_EQ((*line)->end, end += expected.size() + 1);
  }
  EXPECT_EQ(reader.next().value(), std::nullopt);
  EXPECT_TRUE(reader.ends_in_a_part());

  ASSERT_TRUE(reader.open(2 + large.size() + 1, 2).has_value());
  EXPECT_EQ(reader.next().value()->text, "");
  EXPECT_EQ(reader.next().value()->number, 4u);
}

TEST_F(DeadLetterReaderTest, PositionInsideALineIsRefused) {
  write(whole() + whole());
  DeadLetterReader reader(files_, path_, 2 * whole().size());
  EXPECT_TRUE(reader.open(whole().size(), 1).has_value());
  EXPECT_EQ(reader.open(whole().size() - 1, 1).error().code, "DS-REPLAY-POSITION");
  EXPECT_EQ(reader.open(9 * whole().size(), 9).error().code, "DS-REPLAY-POSITION");
}

TEST_F(DeadLetterReaderTest, FileThatIsPutAsideMeanwhileIsNotTakenForTheNextOne) {
  std::string content;
  while (content.size() < 3 * 1024 * 1024) {
    content += whole();
  }
  write(content);
  DeadLetterReader reader(files_, path_, content.size());
  ASSERT_TRUE(reader.open(0, 0).has_value());
  ASSERT_TRUE(reader.next().value().has_value());
  std::string other = content;
  other[60] = 'X';
  write(other);
  for (;;) {
    auto line = reader.next();
    if (!line) {
      EXPECT_EQ(line.error().code, "DS-REPLAY-MOVED");
      break;
    }
    ASSERT_TRUE(line->has_value()) << "The end was reached.";
  }
}

TEST_F(DeadLetterReaderTest, TheLookCountsAndNamesPlaces) {
  write(whole() + "{\"format\":1,\"rej\n" + whole() + "{\"format\":1");
  auto summary = look_at_dead_letters(files_, path_);
  ASSERT_TRUE(summary.has_value()) << summary.error().text();
  EXPECT_EQ(summary->letters, 2u);
  EXPECT_EQ(summary->messages, 4u);
  EXPECT_EQ(summary->unsendable, 1u);
  ASSERT_EQ(summary->why.size(), 1u);
  EXPECT_EQ(summary->why[0].place->line, 2);
  EXPECT_EQ(summary->why[0].place->file, path_);
  EXPECT_TRUE(summary->ends_in_a_part);
  EXPECT_EQ(summary->bytes, 2 * whole().size() + 17);
  EXPECT_EQ(summary->pipeline, "people");
  const std::string fingerprint = summary->fingerprint;
  EXPECT_EQ(fingerprint.size(), 16u);
  write(whole());
  EXPECT_EQ(look_at_dead_letters(files_, path_)->fingerprint, fingerprint) << "It may grow.";
}

TEST_F(DeadLetterReaderTest, NothingThereIsAnErrorAndAnEmptyFileIsNot) {
  EXPECT_EQ(look_at_dead_letters(files_, path_).error().code, "DS-FILE-MISSING");
  write("");
  auto summary = look_at_dead_letters(files_, path_);
  ASSERT_TRUE(summary.has_value());
  EXPECT_EQ(summary->letters, 0u);
  EXPECT_EQ(summary->fingerprint, "");
}

TEST(ReplayPosition, IsReadBackAndNothingElseIs) {
  auto position = parse_replay_position(format_replay_position({123, 45, 67}));
  ASSERT_TRUE(position.has_value());
  EXPECT_EQ(position->offset, 123u);
  EXPECT_EQ(position->lines, 45u);
  EXPECT_EQ(position->messages, 67u);
  for (const char* bad : {"", "dead-letters 1 ", "dead-letters 1 1 2", "dead-letters 1 1 2 3 ",
                          "dead-letters 2 1 2 3", "dead-letters 1 -1 2 3",
                          "dead-letters 1 99999999999999999999 2 3"}) {
    EXPECT_FALSE(parse_replay_position(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace dstream::core
