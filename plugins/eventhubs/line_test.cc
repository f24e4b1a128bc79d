#include "line.h"

#include <gtest/gtest.h>

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
  Line line;
  EXPECT_TRUE(line.has_room(1'000'000, 1, kLimits));
}

TEST(Line, HoldsOneBatchByBytes) {
  Line line;
  while (line.has_room(200, 1, kLimits)) {
    line.sent(200, 1, kLimits);
  }
  EXPECT_EQ(line.sent_messages, 4u);
  EXPECT_LE(line.sent_bytes + kBatchOverheadBytes, kLimits.bytes);
  EXPECT_TRUE(line.full);
  EXPECT_TRUE(line.is_filling()) << "somebody has to flush it";
}

TEST(Line, HoldsOneBatchByMessages) {
  Line line;
  while (line.has_room(1, 1, kLimits)) {
    line.sent(1, 1, kLimits);
  }
  EXPECT_EQ(line.sent_messages, kLimits.messages);
  EXPECT_FALSE(line.is_filling()) << "librdkafka sends it at once";
}

TEST(Line, TakesNothingBehindABatchOnItsWay) {
  Line line;
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
  Line line;
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
