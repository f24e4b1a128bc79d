#include "tests/end_to_end/ledger.h"

#include <gtest/gtest.h>

namespace dstream::end_to_end {
namespace {

// The judge of the crash test has to find each kind of breach, or that test proves nothing.
void commit_three(Ledger& ledger) {
  ledger.committed(1, "insert:0");
  ledger.committed(1, "update:1");
  ledger.committed(1, "delete:1");
}

TEST(Ledger, AcceptsTheChangesInOrder) {
  Ledger ledger;
  commit_three(ledger);
  ledger.arrived(1, "insert:0");
  ledger.arrived(1, "update:1");
  ledger.arrived(1, "delete:1");
  EXPECT_TRUE(ledger.verdict().empty());
  EXPECT_EQ(ledger.duplicates(), 0u);
}

TEST(Ledger, AcceptsAReplayThatWalksForwardAgain) {
  Ledger ledger;
  commit_three(ledger);
  for (const char* change : {"insert:0", "update:1", "insert:0", "update:1", "delete:1"}) {
    ledger.arrived(1, change);
  }
  EXPECT_TRUE(ledger.verdict().empty());
  EXPECT_EQ(ledger.duplicates(), 2u);
}

TEST(Ledger, FindsALostChangeAtTheEnd) {
  Ledger ledger;
  commit_three(ledger);
  ledger.arrived(1, "insert:0");
  ledger.arrived(1, "update:1");
  ASSERT_EQ(ledger.verdict().size(), 1u);
  EXPECT_EQ(ledger.verdict()[0], "key 1: lost delete:1 (1 missing)");
}

TEST(Ledger, FindsAGapInTheMiddle) {
  Ledger ledger;
  commit_three(ledger);
  ledger.arrived(1, "insert:0");
  ledger.arrived(1, "delete:1");
  EXPECT_FALSE(ledger.verdict().empty());
}

TEST(Ledger, FindsAnOldChangeAfterTheLast) {
  Ledger ledger;
  commit_three(ledger);
  for (const char* change : {"insert:0", "update:1", "delete:1", "update:1"}) {
    ledger.arrived(1, change);
  }
  EXPECT_FALSE(ledger.verdict().empty());
}

TEST(Ledger, FindsAnInventedChange) {
  Ledger ledger;
  commit_three(ledger);
  for (const char* change : {"insert:0", "update:1", "update:7", "delete:1"}) {
    ledger.arrived(1, change);
  }
  ASSERT_FALSE(ledger.verdict().empty());
  EXPECT_EQ(ledger.verdict()[0], "key 1: invented update:7");
}

}  // namespace
}  // namespace dstream::end_to_end
