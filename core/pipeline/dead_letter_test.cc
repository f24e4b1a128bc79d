#include "core/pipeline/dead_letter.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "core/pipeline/test_records.h"

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
  DeadLetterFile letters_{files_, folder_.path(), "people"};
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
    lines += format_dead_letter("people", messages, reject, clock_.wall_ns(), &record_encoder);
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

}  // namespace
}  // namespace dstream::core
