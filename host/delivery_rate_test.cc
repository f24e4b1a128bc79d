#include "host/delivery_rate.h"

#include <gtest/gtest.h>

namespace dstream::host {
namespace {

constexpr int64_t kSecond = core::kNanosPerSecond;

TEST(DeliveryRate, IsZeroUntilThereIsAnEarlierSample) {
  DeliveryRate rate;
  EXPECT_EQ(rate.sample(5 * kSecond, 100), 0);
  EXPECT_EQ(rate.sample(5 * kSecond, 200), 0);
}

TEST(DeliveryRate, IsSinceTheBeginningAtFirst) {
  DeliveryRate rate;
  rate.sample(0, 0);
  EXPECT_EQ(rate.sample(4 * kSecond, 400), 100);
}

TEST(DeliveryRate, ForgetsWhatIsOlderThanTheWindow) {
  DeliveryRate rate;
  rate.sample(0, 0);
  rate.sample(60 * kSecond, 6000);
  rate.sample(65 * kSecond, 6000);
  EXPECT_EQ(rate.sample(70 * kSecond, 6000), 0) << "the newest that is ten seconds old";
  EXPECT_EQ(rate.sample(76 * kSecond, 6110), 10) << "since second 65";
}

TEST(DeliveryRate, BeginsAnewWhenThePipelineDoes) {
  DeliveryRate rate;
  rate.sample(0, 5000);
  EXPECT_EQ(rate.sample(1 * kSecond, 10), 0);
  EXPECT_EQ(rate.sample(2 * kSecond, 110), 100);
}

TEST(DeliveryRate, KeepsFewSamplesHoweverOftenItIsAsked) {
  DeliveryRate rate;
  rate.sample(0, 0);
  double last = 0;
  for (int64_t i = 1; i <= 20'000; ++i) {
    last = rate.sample(i * kSecond / 1000, static_cast<uint64_t>(i));
  }
  EXPECT_NEAR(last, 1000, 1);
}

}  // namespace
}  // namespace dstream::host
