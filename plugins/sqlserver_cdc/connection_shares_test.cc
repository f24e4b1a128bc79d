#include "plugins/sqlserver_cdc/connection_shares.h"

#include <gtest/gtest.h>

#include <random>

namespace dstream::sqlserver {
namespace {

TEST(ConnectionShares, EitherSideMayHaveAllThatTheOtherDoesNotWant) {
  ConnectionShares shares(3, 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(shares.take_for_changes());
  }
  EXPECT_FALSE(shares.take_for_changes());
  ConnectionShares others(3, 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(others.take_for_copies());
  }
  EXPECT_FALSE(others.take_for_copies());
}

TEST(ConnectionShares, CopiesMakeRoomForChangesAndKeepOne) {
  ConnectionShares shares(3, 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(shares.take_for_copies());
  }
  EXPECT_FALSE(shares.copies_should_yield());
  EXPECT_FALSE(shares.take_for_changes());
  EXPECT_TRUE(shares.copies_should_yield());
  shares.give_back_of_copies();
  EXPECT_FALSE(shares.take_for_copies()) << "it is for changes";
  EXPECT_TRUE(shares.take_for_changes());
  EXPECT_FALSE(shares.take_for_changes());
  EXPECT_TRUE(shares.copies_should_yield());
  shares.give_back_of_copies();
  EXPECT_TRUE(shares.take_for_changes());
  EXPECT_FALSE(shares.take_for_changes());
  EXPECT_FALSE(shares.copies_should_yield()) << "the last one stays";
}

TEST(ConnectionShares, ChangesMakeRoomForOneCopy) {
  ConnectionShares shares(2, 2);
  EXPECT_TRUE(shares.take_for_changes());
  EXPECT_TRUE(shares.take_for_changes());
  EXPECT_FALSE(shares.changes_should_yield());
  EXPECT_FALSE(shares.take_for_copies());
  EXPECT_TRUE(shares.changes_should_yield());
  shares.give_back_of_changes();
  EXPECT_FALSE(shares.changes_should_yield()) << "one is enough";
  EXPECT_FALSE(shares.take_for_changes()) << "it is for copies";
  EXPECT_TRUE(shares.take_for_copies());
  EXPECT_FALSE(shares.changes_should_yield());
}

TEST(ConnectionShares, WithdrawnWishesCountNoMore) {
  ConnectionShares shares(2, 2);
  EXPECT_TRUE(shares.take_for_copies());
  EXPECT_TRUE(shares.take_for_copies());
  EXPECT_FALSE(shares.take_for_changes());
  shares.withdraw_wish_of_changes();
  EXPECT_FALSE(shares.copies_should_yield());
  shares.give_back_of_copies();
  shares.give_back_of_copies();
  EXPECT_TRUE(shares.take_for_changes());
  EXPECT_TRUE(shares.take_for_changes());
  EXPECT_FALSE(shares.take_for_copies());
  EXPECT_TRUE(shares.copies_wish());
  shares.withdraw_wish_of_copies();
  EXPECT_FALSE(shares.changes_should_yield());
  EXPECT_FALSE(shares.copies_wish());
}

TEST(ConnectionShares, OneConnectionHasNoneForChanges) {
  ConnectionShares shares(1, 0);
  EXPECT_FALSE(shares.take_for_changes());
  EXPECT_FALSE(shares.changes_should_yield());
  EXPECT_TRUE(shares.take_for_copies());
}

// Both sides always want more and give back what they should: never more than there are, and
// neither side is without for long.
TEST(ConnectionShares, NeitherSideStarves) {
  for (uint32_t count = 1; count <= 5; ++count) {
    std::mt19937 random(count);
    ConnectionShares shares(count, count);
    uint32_t changes = 0;
    uint32_t copies = 0;
    uint32_t steps_with_copies = 0;
    uint32_t steps_with_changes = 0;
    for (int step = 0; step < 2000; ++step) {
      switch (random() % 4) {
        case 0:
          changes += shares.take_for_changes() ? 1 : 0;
          break;
        case 1:
          copies += shares.take_for_copies() ? 1 : 0;
          break;
        case 2:
          if (changes > 0 && shares.changes_should_yield()) {
            shares.give_back_of_changes();
            --changes;
          }
          break;
        default:
          if (copies > 0 && shares.copies_should_yield()) {
            shares.give_back_of_copies();
            --copies;
          }
      }
      ASSERT_LE(changes + copies, count);
      steps_with_copies += copies > 0 ? 1 : 0;
      steps_with_changes += changes > 0 ? 1 : 0;
    }
    EXPECT_GT(steps_with_copies, 1900u) << count;
    if (count > 1) {  // the first connection is for changes anyway
      EXPECT_GT(steps_with_changes, 1900u) << count;
    }
  }
}

}  // namespace
}  // namespace dstream::sqlserver
