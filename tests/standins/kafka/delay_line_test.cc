#include "tests/standins/kafka/delay_line.h"

#include <gtest/gtest.h>

namespace dstream::standin {
namespace {

TEST(DelayLine, GivesEachChunkWhenItIsDue) {
  DelayLine line(100);
  EXPECT_EQ(line.next_due_ns(), std::nullopt);
  line.push("one", 10);
  line.push("two", 12);
  EXPECT_EQ(line.due(9), "");
  EXPECT_EQ(line.next_due_ns(), 10);
  EXPECT_EQ(line.due(10), "one");
  line.pop(1);
  EXPECT_EQ(line.due(11), "ne");
  line.pop(2);
  EXPECT_EQ(line.due(11), "");
  EXPECT_EQ(line.next_due_ns(), 12);
  EXPECT_EQ(line.due(12), "two");
}

TEST(DelayLine, HoldsManyChunksAtOnce) {
  DelayLine line(1000);
  for (int64_t i = 0; i < 100; ++i) {
    line.push("x", 50 + i);  // a chunk a nanosecond, each 50 under way
  }
  for (int64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(line.due(49 + i), "");
    EXPECT_EQ(line.due(50 + i), "x");
    line.pop(1);
  }
}

TEST(DelayLine, KeepsTheOrderWhenTheDelayBecomesShorter) {
  DelayLine line(100);
  line.push("far", 20);
  line.push("near", 5);
  EXPECT_EQ(line.due(19), "");
  EXPECT_EQ(line.due(20), "far");
  line.pop(3);
  EXPECT_EQ(line.due(20), "near");
}

TEST(DelayLine, EndsBehindItsBytes) {
  DelayLine line(100);
  line.push("x", 10);
  EXPECT_FALSE(line.is_ended());
  line.end(5);
  EXPECT_TRUE(line.is_ended());
  EXPECT_FALSE(line.end_is_due(10));
  line.pop(1);
  EXPECT_FALSE(line.end_is_due(4));
  EXPECT_EQ(line.next_due_ns(), 5);
  EXPECT_TRUE(line.end_is_due(5));
}

TEST(DelayLine, SaysWhenItIsFull) {
  DelayLine line(4);
  EXPECT_EQ(line.room_bytes(), 4u);
  line.push("abc", 1);
  EXPECT_EQ(line.room_bytes(), 1u);
  line.push("def", 1);
  EXPECT_EQ(line.room_bytes(), 0u);
  line.pop(3);
  EXPECT_EQ(line.room_bytes(), 1u);
}

}  // namespace
}  // namespace dstream::standin
