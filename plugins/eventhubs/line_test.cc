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

TEST(Line, HoldsLessThanTwoBatchesByBytes) {
  Line line;
  int taken = 0;
  while (line.has_room(300, kLimits)) {
    line.sent(300, 1, kLimits);
    ++taken;
  }
  EXPECT_EQ(taken, 6);
  EXPECT_LT(line.sent_bytes, 2 * kLimits.bytes);
}

TEST(Line, HoldsLessThanTwoBatchesByMessages) {
  Line line;
  while (line.has_room(1, kLimits)) {
    line.sent(1, 1, kLimits);
  }
  EXPECT_EQ(line.sent_messages, 2 * kLimits.messages - 1);
}

TEST(Line, WithBatchesOfOneHoldsOne) {
  Line line;
  line.sent(1, 1, {1000, 1});
  EXPECT_FALSE(line.has_room(1, {1000, 1}));
}

TEST(Line, LingersUntilTheBatchIsFull) {
  Line line;
  line.sent(400, 5, kLimits);
  EXPECT_TRUE(line.is_lingering());
  EXPECT_EQ(line.unsent_since_ns, 5);
  line.sent(400, 6, kLimits);
  EXPECT_EQ(line.unsent_since_ns, 5) << "the oldest counts";
  line.sent(400, 7, kLimits);
  EXPECT_FALSE(line.is_lingering()) << "librdkafka sends a full batch at once";
}

TEST(Line, DoesNotLingerBehindABatchInFlight) {
  Line line;
  for (uint32_t i = 0; i < kClientInFlightMax; ++i) {
    line.sent(100, 5, kLimits);
  }
  line.flushed();
  EXPECT_FALSE(line.is_lingering());
  ASSERT_TRUE(line.has_room(100, kLimits));
  line.sent(100, 8, kLimits);
  EXPECT_FALSE(line.is_lingering()) << "nothing can be sent before the answer";
  for (uint32_t i = 0; i < kClientInFlightMax; ++i) {
    line.reported(100, 20);
  }
  EXPECT_TRUE(line.is_lingering());
  EXPECT_EQ(line.unsent_since_ns, 8) << "its time has run all along";
  line.reported(100, 21);
  EXPECT_FALSE(line.is_lingering());
  EXPECT_EQ(line.sent_messages, 0u);
  EXPECT_EQ(line.sent_bytes, 0u);
}

TEST(Line, WaitsBehindABatchOfFewMessages) {
  Line line;
  for (uint32_t i = 0; i + 1 < kClientInFlightMax; ++i) {
    line.sent(100, 5, kLimits);
    EXPECT_TRUE(line.has_room(100, kLimits));
  }
  line.flushed();
  EXPECT_FALSE(line.has_room(100, kLimits)) << "librdkafka would send it in a second request";
}

TEST(Line, LingersWithWhatABatchLeftBehind) {
  Line line;
  line.sent(100, 5, kLimits);
  line.sent(100, 5, kLimits);
  line.flushed();
  line.reported(100, 30);
  EXPECT_TRUE(line.is_lingering());
  EXPECT_EQ(line.unsent_since_ns, 30);
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
