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
  const Line line;
  EXPECT_TRUE(line.has_room(1'000'000, kLimits));
}

TEST(Line, HoldsLessThanABatchByBytes) {
  Line line;
  int taken = 0;
  while (line.has_room(200, kLimits)) {
    line.sent(200, 1);
    ++taken;
  }
  EXPECT_EQ(taken, 4);
  EXPECT_LE(line.sent_bytes, kLimits.line_bytes_max());
}

TEST(Line, HoldsLessThanABatchByMessages) {
  Line line;
  while (line.has_room(1, kLimits)) {
    line.sent(1, 1);
  }
  EXPECT_EQ(line.sent_messages, kLimits.messages - 1);
}

TEST(Line, WithBatchesOfOneHoldsOne) {
  Line line;
  line.sent(1, 1);
  EXPECT_FALSE(line.has_room(1, {1000, 1}));
}

TEST(Line, LingersFromTheOldestMessageOn) {
  Line line;
  line.sent(400, 5);
  EXPECT_TRUE(line.is_lingering());
  EXPECT_EQ(line.unsent_since_ns, 5);
  line.sent(400, 6);
  EXPECT_EQ(line.unsent_since_ns, 5) << "the oldest counts";
}

TEST(Line, NeedNotLingerWhenFull) {
  Line line;
  line.full();
  EXPECT_FALSE(line.is_lingering()) << "there is nothing to send";
  line.sent(400, 5);
  line.full();
  EXPECT_TRUE(line.is_lingering());
  EXPECT_EQ(line.unsent_since_ns, Line::kLongAgoNs);
}

TEST(Line, TakesNothingBeforeAllOfTheBatchIsReported) {
  Line line;
  line.sent(100, 5);
  line.sent(100, 5);
  line.flushed();
  EXPECT_FALSE(line.is_lingering());
  EXPECT_FALSE(line.has_room(100, kLimits));
  line.reported(100, 20);
  EXPECT_FALSE(line.has_room(100, kLimits)) << "half of the batch is still on its way";
  line.reported(100, 20);
  EXPECT_TRUE(line.has_room(100, kLimits));
  EXPECT_EQ(line.sent_messages, 0u);
  EXPECT_EQ(line.sent_bytes, 0u);
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
