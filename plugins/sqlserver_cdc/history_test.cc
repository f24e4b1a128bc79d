// A database that was restored gives LSNs again: a position from before must not be taken for one
// of its new transactions, however many of them there are by then.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/sqlserver_cdc/fault_fixture.h"
#include "plugins/sqlserver_cdc/position.h"

namespace dstream::sqlserver {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class HistoryTest : public FaultFixture {
 public:
  void SetUp() override {
    FaultFixture::SetUp();
    if (IsSkipped()) {
      return;
    }
    run("CREATE TABLE dbo.Cars (ID int NOT NULL PRIMARY KEY, Model nvarchar(40) NULL)");
    enable_table("Cars");
    run("EXEC sys.sp_cdc_stop_job N'capture'");  // from here on only when the test says so
    insert(1);
    capture();
    open({"dbo.Cars"});
    read(1);
    run("EXEC dstream.dummy_entry");  // so that what comes next has the same LSN again
    point_ = parse_position(read_watermark()).entries[0].key.commit.text();
    std::erase(point_, ':');
    source().close();
  }
  void insert(int id) {
    run("INSERT INTO dbo.Cars VALUES (" + std::to_string(id) + ", N'm" + std::to_string(id) + "')");
  }
  void capture() { run("EXEC dstream.capture_scan_all"); }
  // The position behind the first `count` changes.
  std::string position_after(size_t count, const std::string& options = "") {
    capture();
    open({"dbo.Cars"}, options);
    const std::string position = read(count).back().position;
    source().close();
    return position;
  }
  // Back to when car 1 was the only one.
  void restore() {
    run("EXEC dstream.restore_to 0x" + point_);
    advance_clock(std::chrono::seconds(60));
  }
  testing_sdk::CallFailed failure_at(const std::string& position) {
    try {
      open({"dbo.Cars"}, "", position);
      read(1);
    } catch (const testing_sdk::CallFailed& failure) {
      return failure;
    }
    ADD_FAILURE() << "nothing was noticed";
    return {"read()", DSTREAM_OK, {}};
  }

  std::string point_;
};

TEST_F(HistoryTest, NewTransactionsThatPassedThePositionAreNotTakenForTheOldOnes) {
  insert(2);
  insert(3);
  const std::string position = position_after(3);
  ASSERT_NE(parse_position(position).entries[0].time_ms, 0) << position;
  restore();
  for (int id = 2; id < 10; ++id) {
    insert(id);
  }
  capture();
  const testing_sdk::CallFailed failure = failure_at(position);
  EXPECT_EQ(failure.status, DSTREAM_DATA_LOSS);
  EXPECT_THAT(failure.what(), HasSubstr("is of another history than this database"));
  EXPECT_THAT(failure.what(), HasSubstr("on_data_loss: resnapshot"));
}

TEST_F(HistoryTest, APositionInsideATransactionIsToldToo) {
  run("BEGIN TRANSACTION; INSERT INTO dbo.Cars VALUES (2, N'a'), (3, N'b'), (4, N'c'); COMMIT");
  const std::string position = position_after(3);
  ASSERT_FALSE(parse_position(position).entries[0].key.is_end_of_transaction());
  restore();
  run("BEGIN TRANSACTION; INSERT INTO dbo.Cars VALUES (2, N'x'), (3, N'y'), (4, N'z'); COMMIT");
  insert(5);
  capture();
  EXPECT_EQ(failure_at(position).status, DSTREAM_DATA_LOSS);
}

TEST_F(HistoryTest, AnLsnThatWasGivenAgainIsToldByItsTime) {
  insert(2);
  const std::string position = position_after(2);
  restore();
  insert(2);
  insert(3);
  capture();
  const testing_sdk::CallFailed failure = failure_at(position);
  EXPECT_EQ(failure.status, DSTREAM_DATA_LOSS);
  EXPECT_THAT(failure.what(), HasSubstr("here that LSN is of a transaction of 2"));
}

TEST_F(HistoryTest, APositionBeyondEverythingIsToldAsBefore) {
  insert(2);
  insert(3);
  const std::string position = position_after(3);
  restore();
  const testing_sdk::CallFailed failure = failure_at(position);
  EXPECT_EQ(failure.status, DSTREAM_DATA_LOSS);
  EXPECT_THAT(failure.what(), HasSubstr("what was captured ends at"));
}

TEST_F(HistoryTest, WhenGapCopiesAgain) {
  insert(2);
  insert(3);
  const std::string position = position_after(3);
  restore();
  for (int id = 12; id < 15; ++id) {
    insert(id);
  }
  capture();
  run("EXEC sys.sp_cdc_start_job N'capture'");
  open({"dbo.Cars"}, R"("snapshot":"when_gap")", position);
  EXPECT_THAT(texts(read(5)), ElementsAre("t Cars", "r Cars after 1|m1", "r Cars after 12|m12",
                                          "r Cars after 13|m13", "r Cars after 14|m14"));
  insert(15);
  EXPECT_THAT(texts(read(1)), ElementsAre("i Cars after 15|m15 $"));
}

TEST_F(HistoryTest, APositionFromBeforeThePointGoesOn) {
  const std::string position = position_after(1);
  insert(2);
  capture();
  restore();
  insert(12);
  capture();
  open({"dbo.Cars"}, "", position);
  EXPECT_THAT(texts(read(1)), ElementsAre("i Cars after 12|m12 $"));
}

TEST_F(HistoryTest, ATransactionThatWasCleanedUpIsAGapAndNoOtherHistory) {
  const std::string position = position_after(1);
  insert(2);
  run("EXEC dstream.capture_scan_all");
  run("EXEC dstream.dummy_entry");
  clean_up("dbo_Cars");
  const testing_sdk::CallFailed failure = failure_at(position);
  EXPECT_EQ(failure.status, DSTREAM_DATA_LOSS);
  EXPECT_THAT(failure.what(), HasSubstr("are gone"));
}

// Looks that find nothing move the position; what they leave behind is checked like any other.
TEST_F(HistoryTest, PositionsOfLooksThatFoundNothingAreTold) {
  open({"dbo.Cars"});
  read(1);
  read_watermark();  // of the point
  run("EXEC dstream.dummy_entry");
  const std::string position = read_watermark();
  source().close();
  ASSERT_NE(parse_position(position).entries[0].time_ms, 0) << position;
  restore();
  for (int id = 12; id < 16; ++id) {
    insert(id);
  }
  capture();
  EXPECT_EQ(failure_at(position).status, DSTREAM_DATA_LOSS);
}

}  // namespace
}  // namespace dstream::sqlserver
