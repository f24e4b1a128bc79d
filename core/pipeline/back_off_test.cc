#include "core/pipeline/back_off.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/base/clock.h"

namespace dstream::core {
namespace {

constexpr int64_t kMilli = kNanosPerMilli;

// The longest of many delays after `failures` failures in a row.
int64_t longest_ms(uint32_t failures) {
  int64_t longest = 0;
  for (uint64_t seed = 0; seed < 500; ++seed) {
    BackOff back_off(RetrySettings{}, seed);
    for (uint32_t i = 0; i < failures; ++i) {
      back_off.next_ns(0, 0);
    }
    longest = std::max(longest, back_off.next_ns(0, 0));
  }
  return longest / kMilli;
}

TEST(BackOffTest, GrowsToItsCeilingWithFullJitter) {
  EXPECT_LT(longest_ms(0), 100);
  EXPECT_GT(longest_ms(0), 80);
  EXPECT_LT(longest_ms(3), 800);
  EXPECT_GT(longest_ms(3), 600);
  EXPECT_LT(longest_ms(60), 30'000);
  EXPECT_GT(longest_ms(60), 25'000);
}

TEST(BackOffTest, WaitsAtLeastAsLongAsThePluginAsked) {
  BackOff back_off(RetrySettings{}, 1);
  EXPECT_EQ(back_off.next_ns(0, 60'000), 60'000 * kMilli);
}

TEST(BackOffTest, SuccessStartsAgain) {
  BackOff back_off(RetrySettings{}, 1);
  for (int i = 0; i < 20; ++i) {
    back_off.next_ns(0, 0);
  }
  back_off.succeeded();
  EXPECT_EQ(back_off.failures(), 0u);
  EXPECT_LT(back_off.next_ns(0, 0), 100 * kMilli);
}

TEST(BackOffTest, IsExhaustedOnlyIfThereIsALimit) {
  RetrySettings settings;
  BackOff unlimited(settings, 1);
  unlimited.next_ns(0, 0);
  EXPECT_FALSE(unlimited.exhausted(INT64_MAX));
  settings.max_elapsed_ms = 1000;
  BackOff limited(settings, 1);
  EXPECT_FALSE(limited.exhausted(5000 * kMilli)) << "Nothing has failed yet.";
  limited.next_ns(5000 * kMilli, 0);
  EXPECT_FALSE(limited.exhausted(5999 * kMilli));
  EXPECT_TRUE(limited.exhausted(6000 * kMilli));
  limited.succeeded();
  EXPECT_FALSE(limited.exhausted(9000 * kMilli));
}

TEST(BackOffTest, DeniedIsTriedForAWhile) {
  RetrySettings settings;
  settings.denied_for_ms = 1000;
  BackOff back_off(settings, 1);
  EXPECT_TRUE(back_off.may_be_denied(500 * kMilli));
  EXPECT_TRUE(back_off.may_be_denied(1499 * kMilli));
  EXPECT_FALSE(back_off.may_be_denied(1500 * kMilli));
  back_off.succeeded();
  EXPECT_TRUE(back_off.may_be_denied(9000 * kMilli));
}

TEST(BackOffTest, SameSeedSameDelays) {
  BackOff one(RetrySettings{}, 7);
  BackOff two(RetrySettings{}, 7);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(one.next_ns(0, 0), two.next_ns(0, 0));
  }
}

}  // namespace
}  // namespace dstream::core
