#include "plugins/sqlserver_cdc/lags.h"

#include <gtest/gtest.h>

namespace dstream::sqlserver {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kServerNs = 1'795'428'672 * kSecond;  // nothing to do with the steady clock

void expect_lag(const std::optional<Lag>& lag, int64_t ms, bool is_bound) {
  ASSERT_TRUE(lag.has_value());
  EXPECT_EQ(lag->value.count(), ms);
  EXPECT_EQ(lag->is_bound, is_bound);
}

ScanAnswer scan(int64_t session, int64_t empty, int64_t latency_s, int64_t ended_s) {
  return {true, session, empty, std::chrono::seconds(latency_s), std::chrono::seconds(ended_s)};
}

TEST(Lags, NothingIsSaidBeforeEveryTableWasLookedAt) {
  Lags lags;
  EXPECT_FALSE(lags.of_source(Millis(100'000)).has_value());
  EXPECT_FALSE(lags.of_capture(Millis(100'000)).has_value());
  lags.probed(Millis(100'000), kServerNs, 0);
  lags.next_look(Millis(0), Lags::kNever);  // another poll group
  EXPECT_FALSE(lags.of_source(Millis(100'000)).has_value());
}

TEST(Lags, SourceIsAsLateAsTheOldestCommitItStillHas) {
  Lags lags;
  lags.probed(Millis(1'000), kServerNs, kServerNs);
  lags.next_look(Millis(9'000), Millis(1'000));
  lags.left(kServerNs - 7 * kSecond);
  expect_lag(lags.of_source(Millis(1'000)), 7'000, false);
  expect_lag(lags.of_source(Millis(1'500)), 7'500, false);
  lags.left(0);
  expect_lag(lags.of_source(Millis(9'000)), 0, false);
}

TEST(Lags, AnOverdueLookIsALagAtMost) {
  Lags lags;
  lags.probed(Millis(1'000), kServerNs, kServerNs);
  lags.next_look(Millis(2'000), Millis(1'000));
  expect_lag(lags.of_source(Millis(4'000)), 0, false);
  expect_lag(lags.of_source(Millis(4'001)), 3'001, true);
  lags.left(kServerNs - 60 * kSecond);
  expect_lag(lags.of_source(Millis(4'001)), 63'001, false);
}

TEST(Lags, AServerWhoseCommitsLieInTheFutureIsNotAheadOfItself) {
  Lags lags;
  lags.probed(Millis(1'000), kServerNs, kServerNs + 3 * kSecond);
  lags.next_look(Millis(2'000), Millis(1'000));
  lags.left(kServerNs + 2 * kSecond);
  expect_lag(lags.of_source(Millis(1'000)), 0, false);
  expect_lag(lags.of_capture(Millis(1'000)), 0, true);
}

TEST(Lags, CaptureLagIsTheLatencyOfScansThatGoOn) {
  Lags lags;
  lags.probed(Millis(1'000), kServerNs, kServerNs - 250 * kSecond);
  EXPECT_TRUE(lags.wants_scans(Millis(1'000)));
  lags.scanned(Millis(1'000), scan(7, 40, 0, 4));
  // An idle database: its newest entry is old, and nothing is late.
  expect_lag(lags.of_capture(Millis(9'000)), 0, false);
  EXPECT_FALSE(lags.wants_scans(Millis(10'999)));
  EXPECT_TRUE(lags.wants_scans(Millis(11'000)));
  lags.scanned(Millis(11'000), scan(8, 0, 12, 1));
  expect_lag(lags.of_capture(Millis(12'000)), 12'000, false);
}

TEST(Lags, ScansThatStandStillLeaveABound) {
  Lags lags;
  lags.scanned(Millis(1'000), scan(7, 0, 3, 600));
  expect_lag(lags.of_capture(Millis(1'000)), 603'000, true);
  expect_lag(lags.of_capture(Millis(5'000)), 607'000, true);
}

TEST(Lags, ACountThatGrowsIsAScanWhateverTheTimeOfItsRow) {
  Lags lags;
  lags.scanned(Millis(1'000), scan(7, 40, 0, 200));
  expect_lag(lags.of_capture(Millis(1'000)), 200'000, true);
  lags.scanned(Millis(11'000), scan(7, 42, 0, 210));
  expect_lag(lags.of_capture(Millis(12'000)), 0, false);
  // The server cannot be asked any more: the scan ended after it was asked for the first time.
  expect_lag(lags.of_capture(Millis(200'000)), 199'000, true);
  // And it can again, but the job stands.
  lags.scanned(Millis(200'000), scan(7, 42, 0, 399));
  expect_lag(lags.of_capture(Millis(200'000)), 199'000, true);
}

TEST(Lags, WhoMayNotSeeScansIsNotAskedAgainAndTimeBounds) {
  Lags lags;
  lags.probed(Millis(1'000), kServerNs, kServerNs - 4 * kSecond);
  lags.scanned(Millis(1'000), ScanAnswer{});
  EXPECT_FALSE(lags.wants_scans(Millis(1'000'000)));
  expect_lag(lags.of_capture(Millis(2'000)), 5'000, true);
}

TEST(Lags, ASecondaryReplicaHasNoScansAndTimeBounds) {
  Lags lags;
  lags.probed(Millis(1'000), kServerNs, kServerNs - 4 * kSecond);
  lags.scanned(Millis(1'000), scan(0, 0, 0, 0));
  EXPECT_FALSE(lags.wants_scans(Millis(5'000)));
  EXPECT_TRUE(lags.wants_scans(Millis(11'000))) << "it may become the primary";
  expect_lag(lags.of_capture(Millis(2'000)), 5'000, true);
}

}  // namespace
}  // namespace dstream::sqlserver
