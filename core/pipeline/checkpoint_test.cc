#include "core/pipeline/checkpoint.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "core/pipeline/checkpoint_store.h"
#include "core/pipeline/test_records.h"
#include "core/pipeline/text.h"

namespace dstream::core {
namespace {

using testing::FaultyFiles;
using testing::TestFolder;

Checkpoint sample() {
  Checkpoint checkpoint;
  checkpoint.pipeline = "people";
  checkpoint.source_type = "sqlserver-cdc";
  checkpoint.position = std::string("\x00\x01v1:00000027", 13);
  checkpoint.records = 1'234'567;
  checkpoint.written_wall_ns = 1'764'000'000'123'456'789;
  checkpoint.gaps = 2;
  checkpoint.last_gap = CheckpointGap{1'763'000'000'000'000'000, "abc",
                                      "Changes up to 0x2A are gone.\nRetention is 3 days."};
  return checkpoint;
}

std::string file_content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

void expect_refused(const std::string& content, const char* code) {
  auto parsed = parse_checkpoint(content, "people.checkpoint");
  ASSERT_FALSE(parsed.has_value());
  EXPECT_EQ(parsed.error().code, code);
  EXPECT_EQ(parsed.error().exit_code, ExitCode::kRefused);
  EXPECT_NE(parsed.error().message.find("people.checkpoint"), std::string::npos);
}

// What is on disk somewhere must stay readable: change the version, not this file.
TEST(CheckpointTest, FormatIsTheOneOnDisk) {
  EXPECT_EQ(format_checkpoint(sample()), file_content(GOLDEN_FOLDER "/golden.checkpoint"));
  Checkpoint plain = sample();
  plain.gaps = 0;
  plain.last_gap.reset();
  EXPECT_EQ(format_checkpoint(plain), file_content(GOLDEN_FOLDER "/golden_no_gap.checkpoint"));
}

TEST(CheckpointTest, ReadsWhatItWrote) {
  auto parsed = parse_checkpoint(file_content(GOLDEN_FOLDER "/golden.checkpoint"), "x");
  ASSERT_TRUE(parsed.has_value()) << parsed.error().text();
  EXPECT_EQ(parsed->pipeline, "people");
  EXPECT_EQ(parsed->source_type, "sqlserver-cdc");
  EXPECT_EQ(parsed->position, sample().position);
  EXPECT_EQ(parsed->records, 1'234'567u);
  EXPECT_EQ(parsed->written_wall_ns, 1'764'000'000'123'456'789);
  EXPECT_EQ(parsed->gaps, 2u);
  ASSERT_TRUE(parsed->last_gap.has_value());
  EXPECT_EQ(parsed->last_gap->position, "abc");
  EXPECT_EQ(parsed->last_gap->reason, "Changes up to 0x2A are gone. Retention is 3 days.");
}

TEST(CheckpointTest, EveryFlippedBitIsNoticed) {
  std::string good = format_checkpoint(sample());
  for (size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      auto parsed = parse_checkpoint(bad, "x");
      ASSERT_FALSE(parsed.has_value()) << "byte " << i << ", bit " << bit;
      EXPECT_EQ(parsed.error().exit_code, ExitCode::kRefused);
      EXPECT_TRUE(parsed.error().code.starts_with("DS-CHECKPOINT-"));
    }
  }
}

TEST(CheckpointTest, EveryTruncationIsNoticed) {
  std::string good = format_checkpoint(sample());
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(parse_checkpoint(good.substr(0, size), "x").has_value()) << size;
  }
  expect_refused("", "DS-CHECKPOINT-FOREIGN");
  expect_refused(good.substr(0, good.size() - 1), "DS-CHECKPOINT-CORRUPT");
  expect_refused(good + "\n", "DS-CHECKPOINT-CORRUPT");
  expect_refused(good + good, "DS-CHECKPOINT-CORRUPT");
}

TEST(CheckpointTest, ForeignAndNewerFilesAreNamedAsSuch) {
  expect_refused("{\"offset\": 12}\n", "DS-CHECKPOINT-FOREIGN");
  expect_refused(std::string(5000, '\0'), "DS-CHECKPOINT-FOREIGN");
  expect_refused("dstream-checkpoint 2\nanything goes\n", "DS-CHECKPOINT-NEWER");
  expect_refused("dstream-checkpoint 0\npipeline x\n", "DS-CHECKPOINT-CORRUPT");
  expect_refused("dstream-checkpoint 99999999999999999999\n", "DS-CHECKPOINT-CORRUPT");
}

TEST(CheckpointTest, LinesThatDoNotBelongAreRefusedAlthoughTheChecksumFits) {
  // As somebody would write it who edits the position and computes the checksum anew.
  Checkpoint checkpoint = sample();
  checkpoint.position.clear();
  expect_refused(format_checkpoint(checkpoint), "DS-CHECKPOINT-CORRUPT");
  checkpoint.position = std::string(65537, 'x');
  expect_refused(format_checkpoint(checkpoint), "DS-CHECKPOINT-CORRUPT");
  checkpoint.position = std::string(65536, 'x');
  EXPECT_TRUE(parse_checkpoint(format_checkpoint(checkpoint), "x").has_value());
  EXPECT_LT(format_checkpoint(checkpoint).size(), kCheckpointBytesMax);
}

TEST(TextTest, HexAndBack) {
  for (const std::string& bytes : {std::string(), std::string("\0\xff", 2), std::string("abc")}) {
    EXPECT_EQ(from_hex(to_hex(bytes)), bytes);
  }
  EXPECT_EQ(from_hex("abc"), std::nullopt);
  EXPECT_EQ(from_hex("AB"), std::nullopt);
  EXPECT_EQ(from_hex("g0"), std::nullopt);
  EXPECT_EQ(from_hex(""), std::nullopt);
  EXPECT_EQ(to_base64("any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
  EXPECT_EQ(to_base64(""), "");
  EXPECT_EQ(wall_time_text(1'764'000'000'123'456'789), "2025-11-24T16:00:00.123Z");
  EXPECT_EQ(to_json_string("a\"b\\c\n\xff"), "\"a\\\"b\\\\c\\n\xEF\xBF\xBD\"");
}

class CheckpointStoreTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<CheckpointStore>> open(const char* source = "sqlserver-cdc") {
    return CheckpointStore::open(files_, folder_.path() + "/state", "people", source);
  }
  std::string path(const std::string& suffix = "") {
    return checkpoint_path(folder_.path() + "/state", "people") + suffix;
  }
  Checkpoint at(const std::string& position) {
    Checkpoint checkpoint = sample();
    checkpoint.position = position;
    return checkpoint;
  }

  TestFolder folder_;
  FaultyFiles files_;
};

TEST_F(CheckpointStoreTest, KeepsTheLastAndTheOneBefore) {
  auto store = open();
  ASSERT_TRUE(store.has_value()) << store.error().text();
  EXPECT_FALSE((*store)->current().has_value());
  for (const char* position : {"1", "2", "3"}) {
    ASSERT_TRUE((*store)->write(at(position)).has_value());
  }
  store->reset();
  EXPECT_EQ(parse_checkpoint(file_content(path()), "x")->position, "3");
  EXPECT_EQ(parse_checkpoint(file_content(path(".previous")), "x")->position, "2");
  EXPECT_FALSE(files_.exists(path(".tmp")));
  auto again = open();
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ((*again)->current()->position, "3");
}

TEST_F(CheckpointStoreTest, NameIsSyncedBeforeItIsReliedOn) {
  ASSERT_TRUE((*open())->write(at("1")).has_value());
  files_.calls.clear();
  auto store = open();
  EXPECT_EQ(files_.calls, std::vector<std::string>{"sync state"});
  files_.calls.clear();
  ASSERT_TRUE((*store)->write(at("2")).has_value());
  EXPECT_EQ(files_.calls,
            (std::vector<std::string>{
                "write people.checkpoint.tmp", "rename people.checkpoint.previous",
                "write people.checkpoint.tmp", "rename people.checkpoint", "sync state"}));
}

TEST_F(CheckpointStoreTest, FailedWriteLeavesTheOldOneAndCanBeRepeated) {
  auto store = open();
  ASSERT_TRUE((*store)->write(at("1")).has_value());
  for (const char* failing : {"write", "rename", "sync"}) {
    files_.failing = failing;
    auto written = (*store)->write(at("2"));
    ASSERT_FALSE(written.has_value()) << failing;
    EXPECT_EQ(written.error().code, "DS-CHECKPOINT-WRITE");
    EXPECT_NE(written.error().message.find("No space left"), std::string::npos);
    EXPECT_EQ((*store)->current()->position, "1");
    auto read = read_checkpoint(files_, folder_.path() + "/state", "people");
    ASSERT_TRUE(read.has_value()) << failing;
  }
  files_.failing = "";
  ASSERT_TRUE((*store)->write(at("2")).has_value());
  EXPECT_EQ(parse_checkpoint(file_content(path(".previous")), "x")->position, "1");
}

TEST_F(CheckpointStoreTest, SecondOwnerIsRefused) {
  auto first = open();
  auto second = open();
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, "DS-STATE-LOCKED");
  EXPECT_EQ(second.error().exit_code, ExitCode::kRefused);
}

TEST_F(CheckpointStoreTest, DamagedFileIsRefusedAndThePreviousOneOffered) {
  {
    auto store = open();
    ASSERT_TRUE((*store)->write(at("1")).has_value());
    ASSERT_TRUE((*store)->write(at("2")).has_value());
  }
  std::string content = file_content(path());
  content[content.size() / 2] ^= 1;
  ASSERT_TRUE(files_.write_durable(path(), content).has_value());
  auto refused = open();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, "DS-CHECKPOINT-CORRUPT");
  EXPECT_EQ(refused.error().exit_code, ExitCode::kRefused);
  EXPECT_NE(refused.error().hint.find("cp " + path(".previous") + " " + path()), std::string::npos);
  // The hint works.
  ASSERT_TRUE(files_.write_durable(path(), file_content(path(".previous"))).has_value());
  EXPECT_EQ((*open())->current()->position, "1");
}

TEST_F(CheckpointStoreTest, RemovedFileIsNotTakenForAFreshStart) {
  {
    auto store = open();
    ASSERT_TRUE((*store)->write(at("1")).has_value());
    ASSERT_TRUE((*store)->write(at("2")).has_value());
  }
  ASSERT_TRUE(files_.remove(path()).has_value());
  auto refused = open();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, "DS-CHECKPOINT-MISSING");
  EXPECT_NE(refused.error().hint.find(".previous"), std::string::npos);
  ASSERT_TRUE(files_.remove(path(".previous")).has_value());
  ASSERT_TRUE(open().has_value());
  EXPECT_FALSE((*open())->current().has_value());
}

TEST_F(CheckpointStoreTest, OtherPipelineOrSourceIsRefused) {
  ASSERT_TRUE((*open())->write(at("1")).has_value());
  auto other_source = open("postgres");
  ASSERT_FALSE(other_source.has_value());
  EXPECT_EQ(other_source.error().code, "DS-CHECKPOINT-MISMATCH");
  Checkpoint foreign = at("1");
  foreign.pipeline = "cars";
  ASSERT_TRUE(files_.write_durable(path(), format_checkpoint(foreign)).has_value());
  auto other_pipeline = open();
  ASSERT_FALSE(other_pipeline.has_value());
  EXPECT_EQ(other_pipeline.error().code, "DS-CHECKPOINT-MISMATCH");
  EXPECT_NE(other_pipeline.error().message.find("cars"), std::string::npos);
}

TEST_F(CheckpointStoreTest, TooLargeIsForeignAndAFolderInTheWayIsSaid) {
  ASSERT_TRUE(open().has_value());
  ASSERT_TRUE(files_.write_durable(path(), std::string(300'000, 'x')).has_value());
  EXPECT_EQ(open().error().code, "DS-CHECKPOINT-FOREIGN");
  ASSERT_TRUE(files_.remove(path()).has_value());
  ASSERT_TRUE(files_.make_folders(path()).has_value());
  EXPECT_EQ(open().error().code, "DS-CHECKPOINT-READ");
  ASSERT_TRUE(files_.write_durable(folder_.path() + "/file", "").has_value());
  auto store = CheckpointStore::open(files_, folder_.path() + "/file/below", "people", "x");
  ASSERT_FALSE(store.has_value());
  EXPECT_EQ(store.error().code, "DS-STATE-FOLDER");
  EXPECT_EQ(store.error().exit_code, ExitCode::kRefused);
}

}  // namespace
}  // namespace dstream::core
