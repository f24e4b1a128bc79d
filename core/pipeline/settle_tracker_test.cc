#include "core/pipeline/settle_tracker.h"

#include <gtest/gtest.h>

#include "core/pipeline/test_records.h"

namespace dstream::core {
namespace {

using testing::TestBatches;
using testing::TestEncoder;
using testing::TestRecord;

class SettleTrackerTest : public ::testing::Test {
 protected:
  // Adds a batch whose numbers go on, and writes all of it.
  Delivery& write(const std::vector<TestRecord>& records, bool messages) {
    dstream_batch* batch = batches_.make(records, next_);
    next_ += static_cast<int64_t>(records.size());
    budget_.charge(100);
    Delivery& delivery = tracker_.add({batch, 100, 0, true});
    if (messages) {
      delivery.encode(encoder_);
    } else {
      delivery.use_records();
    }
    tracker_.start(delivery);
    tracker_.written(delivery, delivery.view().count);
    return delivery;
  }
  // Positions may not be looked at before what is done has retired.
  std::string position() {
    tracker_.retire(&retired_);
    Frontier frontier;
    tracker_.frontier(&frontier);
    return frontier.position;
  }
  // The numbers the sink is shown, "t" for a tombstone.
  static std::string items(const Delivery& delivery) {
    std::string out;
    const dstream_delivery& view = delivery.view();
    for (uint32_t i = 0; i < view.count; ++i) {
      uint32_t record = i;
      if (view.messages != nullptr) {
        record = DSTREAM_MESSAGE_AT(&view, i)->record;
        out += DSTREAM_MESSAGE_AT(&view, i)->value.data == nullptr ? "t" : "";
      }
      const dstream_record& each = *DSTREAM_RECORD_AT(&view, record);
      out += std::to_string((each.after != nullptr ? each.after : each.before)->as.i64) + " ";
    }
    return out;
  }

  TestBatches batches_;
  ByteBudget budget_{1'000'000};
  SettleTracker tracker_{&budget_};
  TestEncoder encoder_{13};
  Retired retired_;
  int64_t next_ = 1;
};

TEST_F(SettleTrackerTest, PositionFollowsTheLowestUnsettledRecord) {
  Delivery& delivery = write({{'i', "1"}, {'i', "2"}, {'i', "3"}, {'i', "4"}}, true);
  EXPECT_EQ(position(), "");
  tracker_.settle(delivery, 1, 2);
  EXPECT_EQ(position(), "");
  tracker_.settle(delivery, 0, 1);
  EXPECT_EQ(position(), "3");
  EXPECT_EQ(tracker_.in_flight_items(), 1u);
  tracker_.settle(delivery, 3, 1);
  EXPECT_EQ(position(), "4");
  EXPECT_TRUE(tracker_.empty());
  EXPECT_EQ(batches_.alive(), 0);
  EXPECT_EQ(retired_.delivered, 4u);
}

TEST_F(SettleTrackerTest, SettlesAcrossWordsInAnyOrder) {
  std::vector<TestRecord> records;
  for (int i = 1; i <= 200; ++i) {
    records.push_back({'i', std::to_string(i)});
  }
  Delivery& delivery = write(records, false);
  for (uint32_t i = 199; i > 0; --i) {
    tracker_.settle(delivery, i, 1);
    EXPECT_EQ(position(), "");
  }
  tracker_.settle(delivery, 0, 1);
  EXPECT_EQ(position(), "200");
}

TEST_F(SettleTrackerTest, RecordsInsideATransactionDoNotMoveThePosition) {
  Delivery& delivery = write({{'i', "1"}, {'i', ""}, {'i', ""}, {'i', "4"}}, false);
  tracker_.settle(delivery, 0, 3);
  EXPECT_EQ(position(), "1");
  tracker_.settle(delivery, 3, 1);
  EXPECT_EQ(position(), "4");
}

TEST_F(SettleTrackerTest, PositionOfAnEarlierBatchHoldsInsideALongTransaction) {
  Delivery& first = write({{'i', "1"}, {'i', ""}}, false);
  Delivery& second = write({{'i', ""}, {'i', ""}}, false);
  tracker_.settle(first, 0, 2);
  tracker_.settle(second, 0, 2);
  EXPECT_EQ(position(), "1");
  EXPECT_TRUE(tracker_.empty());
}

TEST_F(SettleTrackerTest, WatermarksMoveThePositionAndAreShownToNoSink) {
  Delivery& delivery = write({{'w', "1"}, {'i', "2"}, {'w', "3"}, {'i', "4"}, {'w', "5"}}, false);
  EXPECT_EQ(items(delivery), "2 4 ");
  EXPECT_EQ(position(), "1");
  tracker_.settle(delivery, 0, 1);
  EXPECT_EQ(position(), "3");
  tracker_.settle(delivery, 1, 1);
  EXPECT_EQ(position(), "5");
  EXPECT_EQ(retired_.delivered, 2u) << "Watermarks are no data.";
  write({{'w', "6"}}, true);
  EXPECT_EQ(position(), "6");
}

TEST_F(SettleTrackerTest, TombstoneIsPartOfItsRecord) {
  Delivery& delivery = write({{'d', "1"}, {'i', "2"}}, true);
  EXPECT_EQ(items(delivery), "1 t1 2 ");
  tracker_.settle(delivery, 0, 1);
  EXPECT_EQ(position(), "");
  tracker_.settle(delivery, 2, 1);
  EXPECT_EQ(position(), "");
  tracker_.settle(delivery, 1, 1);
  EXPECT_EQ(position(), "2");
}

TEST_F(SettleTrackerTest, RejectedRecordHoldsThePositionUntilItsDeadLetterIsSafe) {
  Delivery& delivery = write({{'i', "1"}, {'i', "2"}, {'i', "3"}}, true);
  tracker_.settle(delivery, 0, 1);
  tracker_.reject_item(delivery, 1, Error{"DS-X", "No.", "", std::nullopt, ExitCode::kFailed}, 10);
  tracker_.settle(delivery, 2, 1);
  EXPECT_EQ(position(), "1");
  ASSERT_EQ(delivery.rejects().size(), 1u);
  delivery.rejects_are_safe();
  EXPECT_EQ(position(), "3");
  EXPECT_EQ(retired_.delivered, 2u);
  EXPECT_EQ(retired_.dead_lettered, 1u);
}

TEST_F(SettleTrackerTest, BothMessagesRejectedAreOneDeadLetter) {
  Delivery& delivery = write({{'d', "1"}}, true);
  Error no{"DS-X", "No.", "", std::nullopt, ExitCode::kFailed};
  tracker_.reject_item(delivery, 1, no, 0);
  tracker_.reject_item(delivery, 0, no, 0);
  EXPECT_EQ(delivery.rejects().size(), 1u);
}

TEST_F(SettleTrackerTest, RecordThatCannotBeEncodedIsARejectBeforeAnythingIsWritten) {
  next_ = 12;
  Delivery& delivery = write({{'i', "12"}, {'i', "13"}, {'i', "14"}}, true);
  EXPECT_EQ(items(delivery), "12 14 ");
  ASSERT_EQ(delivery.rejects().size(), 1u);
  EXPECT_EQ(delivery.rejects()[0].reason.code, "DS-ENCODE-TEST");
  tracker_.settle(delivery, 0, 2);
  EXPECT_EQ(position(), "12");
  delivery.rejects_are_safe();
  EXPECT_EQ(position(), "14");
}

TEST_F(SettleTrackerTest, RewindStartsAtTheLowestUnsettledItem) {
  for (bool messages : {true, false}) {
    Delivery& delivery = write({{'i', "1"}, {'i', "2"}, {'i', "3"}, {'i', "4"}}, messages);
    int64_t first = next_ - 4;
    uint64_t id_before = delivery.id();
    tracker_.settle(delivery, 0, 1);
    tracker_.settle(delivery, 2, 1);
    tracker_.rewind();
    EXPECT_NE(delivery.id(), id_before);
    EXPECT_EQ(tracker_.find(id_before), nullptr) << "A late settle must not hit the new items.";
    EXPECT_EQ(items(delivery), std::to_string(first + 1) + " " + std::to_string(first + 2) + " " +
                                   std::to_string(first + 3) + " ");
    EXPECT_EQ(tracker_.in_flight_items(), 0u);
    EXPECT_EQ(tracker_.next_to_write(), &delivery);
    tracker_.written(delivery, 3);
    tracker_.settle(delivery, 0, 3);
    EXPECT_EQ(position(), "4");
  }
}

// A later batch that was settled completely was left out of what is written again, and a change of
// the same key in an earlier batch came to rest behind it.
TEST_F(SettleTrackerTest, RewindWritesAgainWhatHadSettledInLaterBatches) {
  for (bool messages : {true, false}) {
    Delivery& first = write({{'i', "1"}}, messages);
    Delivery& second = write({{'w', "2"}, {'i', "3"}}, messages);
    int64_t last = next_ - 1;
    tracker_.settle(second, 0, 1);
    tracker_.rewind();
    EXPECT_EQ(tracker_.next_to_write(), &first);
    EXPECT_EQ(items(second), std::to_string(last) + " ");
    tracker_.written(first, 1);
    tracker_.settle(first, 0, 1);
    EXPECT_EQ(position(), "2") << "Not 3: it must settle again.";
    EXPECT_EQ(tracker_.next_to_write(), &second);
    tracker_.written(second, 1);
    tracker_.settle(second, 0, 1);
    EXPECT_EQ(position(), "3");
  }
}

TEST_F(SettleTrackerTest, RewindLeavesOutDeadLetters) {
  for (bool messages : {true, false}) {
    Delivery& delivery = write({{'i', "1"}, {'i', "2"}, {'i', "3"}}, messages);
    int64_t first = next_ - 3;
    Error no{"DS-X", "No.", "", std::nullopt, ExitCode::kFailed};
    tracker_.reject_item(delivery, 1, no, 0);
    delivery.rejects_are_safe();
    tracker_.rewind();
    EXPECT_EQ(items(delivery), std::to_string(first) + " " + std::to_string(first + 2) + " ");
    tracker_.written(delivery, 2);
    tracker_.settle(delivery, 0, 2);
    EXPECT_EQ(position(), "3");
  }
}

TEST_F(SettleTrackerTest, BatchOfWatermarksBetweenUnwrittenOnesHidesNone) {
  Delivery& first = write({{'i', "1"}}, true);
  write({{'w', "2"}}, true);
  Delivery& third = write({{'i', "3"}}, true);
  tracker_.rewind();
  EXPECT_EQ(tracker_.next_to_write(), &first);
  tracker_.written(first, 1);
  EXPECT_EQ(tracker_.next_to_write(), &third);
}

TEST_F(SettleTrackerTest, GivesEverythingBackToTheBudget) {
  next_ = 100;
  for (int i = 0; i < 50; ++i) {
    Delivery& delivery = write({{'i', "1"}, {'d', "2"}}, true);
    if (i % 2 == 0) {
      tracker_.settle(delivery, 0, 3);
    }
  }
  tracker_.retire(&retired_);
  tracker_.clear();
  EXPECT_EQ(budget_.used(), 0u);
  EXPECT_EQ(batches_.alive(), 0);
}

// The source goes on in front of it, so the position inside it is nothing to commit.
TEST_F(SettleTrackerTest, WithTransactionsAPartOfOneDoesNotRetire) {
  tracker_.set_committed({});
  Delivery& whole = write({{'i', "1"}}, true);
  Delivery& part = write({{'w', "2"}, {'i', ""}}, true);
  tracker_.settle(whole, 0, 1);
  tracker_.settle(part, 0, 1);
  EXPECT_TRUE(tracker_.retire(&retired_));
  EXPECT_FALSE(tracker_.empty());
  EXPECT_EQ(tracker_.retired_position_record(), 1u);
  EXPECT_EQ(retired_.delivered, 1u);
  Delivery& rest = write({{'i', "4"}}, true);
  EXPECT_FALSE(tracker_.retire(&retired_));
  tracker_.settle(rest, 0, 1);
  EXPECT_TRUE(tracker_.retire(&retired_));
  EXPECT_TRUE(tracker_.empty());
  EXPECT_EQ(tracker_.retired_position_record(), 4u);
}

}  // namespace
}  // namespace dstream::core
