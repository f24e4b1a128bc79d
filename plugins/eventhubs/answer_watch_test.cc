#include "answer_watch.h"

#include <gtest/gtest.h>

namespace eventhubs {
namespace {

using Change = AnswerWatch::Change;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kStart = 100 * kSecond;

TEST(AnswerWatch, SaysOnceThatAnAnswerIsLate) {
  AnswerWatch watch;
  EXPECT_TRUE(watch.is_due(kStart));
  EXPECT_EQ(watch.look(kStart, kStart - 9 * kSecond), Change::kNone);
  EXPECT_FALSE(watch.is_due(kStart));
  EXPECT_TRUE(watch.is_due(kStart + kSecond));
  EXPECT_EQ(watch.look(kStart + kSecond, kStart - 9 * kSecond), Change::kTooLong);
  EXPECT_EQ(watch.waited_seconds(), 10);
  EXPECT_EQ(watch.look(kStart + 2 * kSecond, kStart - 9 * kSecond), Change::kNone);
  EXPECT_EQ(watch.look(kStart + 3 * kSecond, kStart + 2 * kSecond), Change::kAnswered);
  EXPECT_EQ(watch.look(kStart + 4 * kSecond, 0), Change::kNone);
  EXPECT_EQ(watch.waited_seconds(), 0);
}

TEST(AnswerWatch, SaysItAgainTheNextTime) {
  AnswerWatch watch;
  EXPECT_EQ(watch.look(kStart, kStart - 10 * kSecond), Change::kTooLong);
  EXPECT_EQ(watch.look(kStart + kSecond, 0), Change::kAnswered);
  EXPECT_EQ(watch.look(kStart + 20 * kSecond, kStart + 5 * kSecond), Change::kTooLong);
}

}  // namespace
}  // namespace eventhubs
