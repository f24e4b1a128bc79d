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

class ExactlyOnceLedger : public testing::Test {
 protected:
  ExactlyOnceLedger() { commit_three(ledger_); }
  std::string verdict(const std::vector<const char*>& changes, int tombstones = 1) {
    for (const char* change : changes) {
      ledger_.arrived(1, change);
    }
    for (int i = 0; i < tombstones; ++i) {
      ledger_.tombstone(1);
    }
    const auto breaches = ledger_.verdict_exactly_once();
    return breaches.empty() ? "" : breaches.front();
  }
  Ledger ledger_;
};

TEST_F(ExactlyOnceLedger, AcceptsEachChangeOnceInOrder) {
  EXPECT_EQ(verdict({"insert:0", "update:1", "delete:1"}), "");
}

TEST_F(ExactlyOnceLedger, FindsARepeatedChange) {
  EXPECT_EQ(verdict({"insert:0", "insert:0", "update:1", "delete:1"}),
            "key 1: change 1 is insert:0, not update:1");
}

TEST_F(ExactlyOnceLedger, FindsARepeatedChangeAtTheEnd) {
  EXPECT_EQ(verdict({"insert:0", "update:1", "delete:1", "delete:1"}),
            "key 1: change 3 is delete:1, not the end");
}

TEST_F(ExactlyOnceLedger, FindsALostChange) {
  EXPECT_EQ(verdict({"insert:0", "update:1"}), "key 1: change 2 is missing, not delete:1");
}

TEST_F(ExactlyOnceLedger, FindsARepeatedTombstone) {
  EXPECT_EQ(verdict({"insert:0", "update:1", "delete:1"}, 2), "key 1: 2 tombstones for 1 deletes");
}

}  // namespace
}  // namespace dstream::end_to_end
