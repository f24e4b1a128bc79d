#include "plugins/sqlserver_cdc/commit_times.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace dstream::sqlserver {
namespace {

TEST(CommitTimes, FindsWhatIsThereAndNothingElse) {
  CommitTimes times;
  EXPECT_FALSE(times.covers({1, 0}));
  times.reset({{{1, 0}, 100}, {{2, 0}, 200}, {{5, 0}, 500}}, {6, 0});
  EXPECT_TRUE(times.covers({6, 0}));
  EXPECT_FALSE(times.covers({6, 1}));
  EXPECT_EQ(times.find({1, 0}), 100);
  EXPECT_EQ(times.find({2, 0}), 200);
  EXPECT_EQ(times.find({3, 0}), 0);
  EXPECT_EQ(times.find({5, 0}), 500);
  EXPECT_EQ(times.find({6, 0}), 0);
  EXPECT_EQ(times.find({2, 0}), 200);
}

TEST(CommitTimes, AgreesWithAMapInAnyOrder) {
  std::mt19937_64 random(11);
  std::map<Lsn, int64_t> all;
  for (int i = 0; i < 300; ++i) {
    all[{random() % 1000, 0}] = static_cast<int64_t>(random() % 1'000'000) + 1;
  }
  std::vector<TransactionTime> list;
  for (const auto& [commit, time] : all) {
    list.push_back({commit, time});
  }
  CommitTimes times;
  times.reset(list, {1000, 0});
  for (int i = 0; i < 20000; ++i) {
    const Lsn commit{random() % 1001, 0};
    const auto found = all.find(commit);
    ASSERT_EQ(times.find(commit), found == all.end() ? 0 : found->second);
  }
}

TEST(CommitTimes, FirstFromIsTheNextKnownOne) {
  CommitTimes times;
  EXPECT_EQ(times.first_from({1, 0}), 0);
  times.reset({{{10, 0}, 100}, {{20, 0}, 200}}, {25, 0});
  EXPECT_EQ(times.first_from({1, 0}), 100);
  EXPECT_EQ(times.first_from({10, 1}), 200);
  EXPECT_EQ(times.first_from({20, 0}), 200);
  EXPECT_EQ(times.first_from({21, 0}), 200);
}

}  // namespace
}  // namespace dstream::sqlserver
