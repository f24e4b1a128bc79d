#include "line.h"

#include <gtest/gtest.h>

#include <vector>

#include "backoff.h"

namespace eventhubs {
namespace {

constexpr BatchLimits kLimits{1000, 10};

TEST(TicketQueue, KeepsOrderOverCompaction) {
  TicketQueue queue;
  Ticket next_in = 1;
  Ticket next_out = 1;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 1000; ++i) {
      queue.push(next_in++);
    }
    for (int i = 0; i < (round < 40 ? 900 : 1000) && !queue.empty(); ++i) {
      ASSERT_EQ(queue.front(), next_out++);
      queue.pop();
    }
  }
  EXPECT_EQ(queue.size(), next_in - next_out);
}

TEST(Line, TakesAnyFirstMessage) {
  uint32_t batches = 0;
  Line line;
  line.broker_batches = &batches;
  EXPECT_TRUE(line.has_room(1'000'000, 1, kLimits));
}

// What a broker has no request for keeps filling where it can.
TEST(Line, BeginsNoBatchThatWouldWaitBehindOthersOfItsBroker) {
  uint32_t batches = 0;
  std::vector<Line> lines(kRequestsOnWireMax + 1);
  for (Line& line : lines) {
    line.broker_batches = &batches;
  }
  for (uint32_t i = 0; i < kRequestsOnWireMax; ++i) {
    ASSERT_TRUE(lines[i].may_begin());
    lines[i].sent(100, 1, kLimits);
    lines[i].sent(100, 1, kLimits);
  }
  EXPECT_FALSE(lines.back().may_begin());
  EXPECT_EQ(lines[0].reported(), 0u);
  EXPECT_FALSE(lines.back().may_begin()) << "the batch is not done";
  EXPECT_EQ(lines[0].reported(), 200u);
  EXPECT_TRUE(lines.back().may_begin());
}

TEST(Line, HoldsOneBatchByBytes) {
  uint32_t batches = 0;
  Line line;
  line.broker_batches = &batches;
  while (line.has_room(200, 1, kLimits)) {
    line.sent(200, 1, kLimits);
  }
  EXPECT_EQ(line.sent_messages, 4u);
  EXPECT_LE(line.sent_bytes + kBatchOverheadBytes, kLimits.bytes);
  EXPECT_TRUE(line.full);
  EXPECT_TRUE(line.is_filling()) << "somebody has to flush it";
}

TEST(Line, HoldsOneBatchByMessages) {
  uint32_t batches = 0;
  Line line;
  line.broker_batches = &batches;
  while (line.has_room(1, 1, kLimits)) {
    line.sent(1, 1, kLimits);
  }
  EXPECT_EQ(line.sent_messages, kLimits.messages);
  EXPECT_FALSE(line.is_filling()) << "librdkafka sends it at once";
}

TEST(Line, TakesNothingBehindABatchOnItsWay) {
  uint32_t batches = 0;
  Line line;
  line.broker_batches = &batches;
  line.sent(10, 1, kLimits);
  line.sent(10, 1, kLimits);
  line.flush(2);
  EXPECT_FALSE(line.has_room(10, 1, kLimits));
  EXPECT_EQ(line.reported(), 0u);
  EXPECT_FALSE(line.has_room(10, 1, kLimits)) << "not before the last report";
  EXPECT_EQ(line.reported(), 20u);
  EXPECT_TRUE(line.has_room(10, 1, kLimits));
  EXPECT_EQ(line.sent_bytes, 0u);
}

TEST(Line, DoesNotFillForLong) {
  uint32_t batches = 0;
  Line line;
  line.broker_batches = &batches;
  line.sent(10, 5, kLimits);
  EXPECT_TRUE(line.has_room(10, 5 + kFillNsMax, kLimits));
  EXPECT_FALSE(line.has_room(10, 6 + kFillNsMax, kLimits));
  EXPECT_TRUE(line.full);
}

TEST(Backoff, DoublesWithinBoundsAndStartsAgain) {
  Backoff backoff(100, 1000, 1);
  uint32_t upper = 100;
  for (int i = 0; i < 10; ++i) {
    const uint32_t delay = backoff.next_ms();
    EXPECT_GE(delay, upper / 2);
    EXPECT_LE(delay, upper);
    upper = std::min(1000u, upper * 2);
  }
  backoff.reset();
  EXPECT_LE(backoff.next_ms(), 100u);
}

}  // namespace
}  // namespace eventhubs
