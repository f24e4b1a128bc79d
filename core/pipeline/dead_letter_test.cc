#include "core/pipeline/dead_letter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "core/pipeline/test_records.h"
#include "core/pipeline/text.h"

namespace dstream::core {
namespace {

using testing::FaultyFiles;
using testing::ManualClock;
using testing::TestBatches;
using testing::TestEncoder;
using testing::TestFolder;

const Error kReason{"DS-SINK-REJECTED", "eventhubs (write): Message size \"too\" large.", "",
                    std::nullopt, ExitCode::kFailed};

class DeadLetterTest : public ::testing::Test {
 protected:
  std::string content() {
    auto read = files_.read(dead_letter_path(folder_.path(), "people"), 1'000'000);
    return read ? *read : "";
  }

  TestFolder folder_;
  FaultyFiles files_;
  ManualClock clock_;
  TestBatches batches_;
  TestEncoder encoder_{3};
  DeadLetterFile letters_{files_, folder_.path(), "people", DeadLetterSettings()};
};

// What is on disk somewhere must stay readable: change the version, not this file.
TEST_F(DeadLetterTest, LinesAreThoseOfTheGoldenFile) {
  Delivery messages;
  messages.begin(batches_.make({{'d', "p1"}, {'i', ""}, {'i', "p3"}}), 0, true);
  messages.encode(encoder_);  // refuses number 3
  messages.reject_item(0, kReason, 10);
  TestEncoder record_encoder;
  std::string lines;
  for (const Reject& reject : messages.rejects()) {
    lines += format_dead_letter("people", messages, reject, clock_.wall_ns(),
                                {&record_encoder, nullptr});
  }
  std::ifstream in(GOLDEN_FOLDER "/golden.dead-letter.jsonl", std::ios::binary);
  std::stringstream golden;
  golden << in.rdbuf();
  EXPECT_EQ(lines, golden.str());
}

TEST_F(DeadLetterTest, RecordThatWasNeverAMessageIsThereAsJson) {
  Delivery records;
  records.begin(batches_.make({{'i', "p4"}}, 4), 0, true);
  records.use_records();
  records.reject_item(0, kReason, 0);
  ASSERT_TRUE(letters_.append(records, clock_.wall_ns()).has_value());
  EXPECT_NE(content().find("\"messages\":[],\"record\":{"), std::string::npos) << content();
  EXPECT_NE(content().find("\"after\":{\"id\":4}"), std::string::npos) << content();
}

TEST_F(DeadLetterTest, FailureIsSaidAndTheLineIsWrittenAgain) {
  Delivery delivery;
  delivery.begin(batches_.make({{'i', "p1"}}), 0, true);
  delivery.encode(encoder_);
  delivery.reject_item(0, kReason, 10);
  for (const char* failing : {"append", "sync"}) {
    files_.failing = failing;
    auto appended = letters_.append(delivery, clock_.wall_ns());
    ASSERT_FALSE(appended.has_value());
    EXPECT_EQ(appended.error().code, "DS-DEAD-LETTER-WRITE");
    EXPECT_NE(appended.error().message.find("people"), std::string::npos);
  }
  files_.failing = "";
  ASSERT_TRUE(letters_.append(delivery, clock_.wall_ns()).has_value());
  // The half line of the first attempt is ended, so that it spoils no other.
  std::string last = content().substr(content().rfind('\n', content().size() - 2) + 1);
  EXPECT_TRUE(last.starts_with("{\"format\":1,")) << content();
  EXPECT_TRUE(last.ends_with("}\n"));
}

TEST_F(DeadLetterTest, LineCutShortByACrashIsEndedByTheNextStart) {
  ASSERT_TRUE(files_
                  .write_durable(dead_letter_path(folder_.path(), "people"),
                                 "{\"format\":1}\n{\"format\":1,\"rej")
                  .has_value());
  Delivery delivery;
  delivery.begin(batches_.make({{'i', "p1"}}), 0, true);
  delivery.encode(encoder_);
  delivery.reject_item(0, kReason, 10);
  ASSERT_TRUE(letters_.append(delivery, clock_.wall_ns()).has_value());
  EXPECT_TRUE(
      content().starts_with("{\"format\":1}\n{\"format\":1,\"rej\n{\"format\":1,\"rejected"));
}

class DeadLetterFilesTest : public DeadLetterTest {
 protected:
  // Two lines do not fit into one file.
  static DeadLetterSettings small(uint32_t files_max) {
    DeadLetterSettings settings;
    settings.file_bytes_max = 700;
    settings.files_max = files_max;
    return settings;
  }
  Result<void> reject(DeadLetterFile& letters, int64_t number) {
    Delivery delivery;
    delivery.begin(batches_.make({{'i', "p"}}, number), 0, true);
    delivery.encode(encoder_);
    delivery.reject_item(0, kReason, 10);
    return letters.append(delivery, clock_.wall_ns());
  }
  // The key of each line, and of which file.
  std::vector<std::string> stored() {
    std::vector<std::string> out;
    auto names = *files_.list_folder(folder_.path());
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      std::istringstream lines(*files_.read(folder_.path() + "/" + name, 1'000'000));
      for (std::string line; std::getline(lines, line);) {
        size_t key = line.find("\"key\":\"") + 7;
        out.push_back(name + " " + line.substr(key, line.find('"', key) - key));
      }
    }
    return out;
  }
  static std::string key(int64_t number) { return to_base64(std::to_string(number)); }
};

TEST_F(DeadLetterFilesTest, FullFileIsPutAsideAndTheNextOneBegun) {
  DeadLetterFile letters(files_, folder_.path(), "people", small(3));
  for (int64_t number : {10, 11, 12}) {
    ASSERT_TRUE(reject(letters, number).has_value());
  }
  EXPECT_THAT(stored(), ::testing::ElementsAre("people.dead-letter.000001.jsonl " + key(10),
                                               "people.dead-letter.000002.jsonl " + key(11),
                                               "people.dead-letter.jsonl " + key(12)));
}

TEST_F(DeadLetterFilesTest, FullMeansAnErrorUntilAFileIsTakenAway) {
  DeadLetterFile letters(files_, folder_.path(), "people", small(2));
  ASSERT_TRUE(reject(letters, 10).has_value());
  ASSERT_TRUE(reject(letters, 11).has_value());
  for (int i = 0; i < 2; ++i) {
    auto full = reject(letters, 12);
    ASSERT_FALSE(full.has_value());
    EXPECT_EQ(full.error().code, kDeadLettersFullCode);
    EXPECT_EQ(stored().size(), 2u);
  }
  ASSERT_TRUE(files_.remove(folder_.path() + "/people.dead-letter.000001.jsonl").has_value());
  ASSERT_TRUE(reject(letters, 12).has_value());
  EXPECT_THAT(stored(), ::testing::ElementsAre("people.dead-letter.000001.jsonl " + key(11),
                                               "people.dead-letter.jsonl " + key(12)));
}

TEST_F(DeadLetterFilesTest, FilesOfOtherPipelinesAndAfterARestartAreKnown) {
  ASSERT_TRUE(
      files_.write_durable(folder_.path() + "/people.dead-letter.000041.jsonl", "").has_value());
  for (const char* other : {"people.dead-letter.x.jsonl", "people.dead-letter.000099.jsonl.gz",
                            "more-people.dead-letter.000098.jsonl"}) {
    ASSERT_TRUE(files_.write_durable(folder_.path() + "/" + other, "").has_value());
  }
  ASSERT_TRUE(
      files_.write_durable(dead_letter_path(folder_.path(), "people"), std::string(699, 'x') + "\n")
          .has_value());
  DeadLetterFile letters(files_, folder_.path(), "people", small(3));
  ASSERT_TRUE(reject(letters, 10).has_value());
  EXPECT_TRUE(files_.exists(folder_.path() + "/people.dead-letter.000042.jsonl"));
  EXPECT_EQ(reject(letters, 11).error().code, kDeadLettersFullCode);
}

TEST_F(DeadLetterFilesTest, FailureWhilePuttingAsideLosesNothing) {
  DeadLetterFile letters(files_, folder_.path(), "people", small(5));
  ASSERT_TRUE(reject(letters, 10).has_value());
  for (const char* failing : {"rename", "sync"}) {
    files_.failing = failing;
    EXPECT_EQ(reject(letters, 11).error().code, "DS-DEAD-LETTER-WRITE") << failing;
    files_.failing = "";
  }
  ASSERT_TRUE(reject(letters, 11).has_value());
  EXPECT_THAT(stored(), ::testing::ElementsAre("people.dead-letter.000001.jsonl " + key(10),
                                               "people.dead-letter.jsonl " + key(11)));
}

}  // namespace
}  // namespace dstream::core
