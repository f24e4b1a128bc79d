#include "plugins/sqlserver_cdc/lsn.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace dstream::sqlserver {
namespace {

TEST(Lsn, PrintsAsSqlServerDoes) {
  const uint8_t bytes[] = {0, 0, 0, 0x27, 0, 0, 0x01, 0xf4, 0, 3};
  EXPECT_EQ(Lsn::from_bytes(bytes).text(), "00000027:000001f4:0003");
}

TEST(Lsn, RoundTripsThroughBytesAndText) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 1000; ++i) {
    const Lsn lsn{random(), static_cast<uint16_t>(random())};
    uint8_t bytes[Lsn::kBytes];
    lsn.to_bytes(bytes);
    EXPECT_EQ(Lsn::from_bytes(bytes), lsn);
    EXPECT_EQ(Lsn::parse(lsn.text()), lsn);
  }
}

TEST(Lsn, OrdersAsUnsignedBytes) {
  std::mt19937_64 random(8);
  for (int i = 0; i < 1000; ++i) {
    const Lsn a{random() >> (random() % 64), static_cast<uint16_t>(random())};
    const Lsn b{random() >> (random() % 64), static_cast<uint16_t>(random())};
    uint8_t x[Lsn::kBytes];
    uint8_t y[Lsn::kBytes];
    a.to_bytes(x);
    b.to_bytes(y);
    EXPECT_EQ(a < b, memcmp(x, y, sizeof x) < 0);
  }
}

TEST(Lsn, NextLeavesNothingBetween) {
  EXPECT_EQ((Lsn{1, 0xffff}.next()), (Lsn{2, 0}));
  EXPECT_EQ((Lsn{1, 7}.next()), (Lsn{1, 8}));
  EXPECT_EQ(Lsn::max().next(), Lsn::max());
}

TEST(Lsn, RefusesEverythingElse) {
  for (const char* bad :
       {"", "0", "00000027:000001f4:000", "00000027:000001f4:00033", "00000027-000001f4:0003",
        "0000002g:000001f4:0003", "00000027:000001f4 0003", "0x000027:000001f4:0003"}) {
    EXPECT_EQ(Lsn::parse(bad), std::nullopt) << bad;
  }
}

TEST(ChangeKey, FollowsTheClusteredKey) {
  const Lsn commit{5, 1};
  const ChangeKey a{commit, 1, {5, 9}, 4};
  const ChangeKey b{commit, 2, {5, 2}, 1};
  EXPECT_LT(a, b);  // the command decides, although the sequence runs backwards
  EXPECT_LT(ChangeKey::beginning(), a);
  EXPECT_LT(b, ChangeKey::end_of(commit));
  EXPECT_LT(ChangeKey::end_of(commit), (ChangeKey{commit.next(), -1, {}, 1}));
}

TEST(ChangeKey, KnowsWhatIsStillNeeded) {
  const Lsn commit{5, 1};
  EXPECT_EQ(ChangeKey::end_of(commit).first_needed(), commit.next());
  EXPECT_EQ((ChangeKey{commit, 1, {5, 9}, 4}).first_needed(), commit);
  EXPECT_TRUE(ChangeKey::beginning().first_needed().is_zero());
}

}  // namespace
}  // namespace dstream::sqlserver
