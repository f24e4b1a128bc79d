#include "rate_limit.h"

#include <gtest/gtest.h>

#include <random>

#include "throttling.h"

namespace eventhubs {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kSecond = 1'000 * kMs;

// As the sink uses it: what is refused comes again when it may.
uint64_t bytes_in(RateLimit& limit, int64_t from_ns, int64_t duration_ns, uint64_t seed,
                  uint64_t bytes_max) {
  std::mt19937_64 random(seed);
  uint64_t sent = 0;
  uint64_t next = 1 + random() % bytes_max;
  for (int64_t now_ns = from_ns; now_ns < from_ns + duration_ns;) {
    if (limit.take(now_ns, next)) {
      sent += next;
      next = 1 + random() % bytes_max;
    } else {
      const int64_t ready_ns = limit.ready_at_ns(now_ns, next);
      EXPECT_GT(ready_ns, now_ns);
      now_ns = std::max(ready_ns, now_ns + static_cast<int64_t>(random() % (5 * kMs)));
    }
  }
  return sent;
}

TEST(RateLimit, WithoutLimitsEverythingGoes) {
  RateLimit limit(0, 0);
  EXPECT_FALSE(limit.is_on());
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(limit.take(1, 1'000'000));
  }
}

TEST(RateLimit, KeepsMessagesASecond) {
  RateLimit limit(1'000, 0);
  int64_t now_ns = kSecond;
  int sent = 0;
  for (; now_ns < 11 * kSecond; now_ns += kMs / 4) {
    sent += limit.take(now_ns, 1) ? 1 : 0;
  }
  EXPECT_LE(sent, 10'000 + 100);
  EXPECT_GE(sent, 9'900);
}

TEST(RateLimit, KeepsBytesASecondWhateverTheSizes) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    RateLimit limit(0, 1'000'000);
    const uint64_t sent = bytes_in(limit, kSecond, 20 * kSecond, seed, 50'000);
    EXPECT_LE(sent, 20'000'000u + 150'000u) << "seed " << seed;
    EXPECT_GE(sent, 19'400'000u) << "97 percent of the limit; seed " << seed;
  }
}

TEST(RateLimit, ALargeMessageGoesAndIsPaidFor) {
  RateLimit limit(0, 100'000);
  EXPECT_TRUE(limit.take(kSecond, 500'000)) << "larger than the bucket, which is full";
  EXPECT_FALSE(limit.take(kSecond, 1));
  const int64_t ready_ns = limit.ready_at_ns(kSecond, 10'000);
  EXPECT_GE(ready_ns, 5'900 * kMs);
  EXPECT_FALSE(limit.take(ready_ns - 2 * kMs, 10'000));
  EXPECT_TRUE(limit.take(ready_ns, 10'000));
}

TEST(RateLimit, APauseIsNotMadeUpForByABurst) {
  RateLimit limit(1'000, 0);
  EXPECT_TRUE(limit.take(kSecond, 1));
  int sent = 0;
  while (limit.take(100 * kSecond, 1)) {
    ++sent;
  }
  EXPECT_EQ(sent, 100);
}

TEST(Throttling, PauseCountsFromTheSending) {
  Throttling kafka;  // answers at once
  kafka.reported(10 * kSecond, 10 * kSecond - 5 * kMs, 300);
  EXPECT_EQ(kafka.until_ns(), 10 * kSecond + 295 * kMs);
  Throttling event_hubs;  // answers late
  event_hubs.reported(10 * kSecond, 10 * kSecond - 310 * kMs, 300);
  EXPECT_LT(event_hubs.until_ns(), 10 * kSecond) << "the pause is over";
}

TEST(Throttling, TheLongestPauseCounts) {
  Throttling throttling;
  throttling.reported(kSecond, kSecond, 500);
  throttling.reported(kSecond, kSecond, 100);
  EXPECT_EQ(throttling.until_ns(), kSecond + 500 * kMs);
}

TEST(Throttling, TellsTheShareOnceAMinute) {
  Throttling throttling;
  EXPECT_FALSE(throttling.percent_of_last_minute(kSecond));
  throttling.reported(20 * kSecond, 20 * kSecond, 15'000);
  EXPECT_FALSE(throttling.percent_of_last_minute(60 * kSecond));
  EXPECT_EQ(throttling.percent_of_last_minute(61 * kSecond), 25);
  EXPECT_FALSE(throttling.percent_of_last_minute(62 * kSecond));
  throttling.reported(70 * kSecond, 70 * kSecond, 90'000);
  EXPECT_EQ(throttling.percent_of_last_minute(121 * kSecond), 100);
  EXPECT_EQ(throttling.percent_of_last_minute(181 * kSecond), 0);
}

}  // namespace
}  // namespace eventhubs
