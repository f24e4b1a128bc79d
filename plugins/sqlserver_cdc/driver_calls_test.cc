#include "plugins/sqlserver_cdc/driver_calls.h"

#include <gtest/gtest.h>

#include "plugins/sqlserver_cdc/left_behind.h"

namespace dstream::sqlserver {
namespace {

using std::chrono::seconds;

class SilenceWatchTest : public ::testing::Test {
 protected:
  SilenceWatchTest() {
    calls_->set_timeout(seconds(30));
    watch_.add(calls_);
  }
  bool look_after(std::chrono::milliseconds time) { return watch_.look(now_ += time); }

  std::shared_ptr<DriverCalls> calls_ = std::make_shared<DriverCalls>();
  SilenceWatch watch_;
  SilenceWatch::Time now_{seconds(1000)};
};

TEST_F(SilenceWatchTest, ACallThatDoesNotComeBackIsNoticedBeyondItsTimeOut) {
  calls_->begin();
  EXPECT_FALSE(look_after(seconds(0)));
  EXPECT_FALSE(look_after(seconds(35))) << "the driver has its time-out, and a grace";
  EXPECT_FALSE(calls_->is_given_up());
  EXPECT_TRUE(look_after(seconds(1)));
  EXPECT_TRUE(calls_->is_given_up());
  EXPECT_TRUE(watch_.has_given_up());
}

TEST_F(SilenceWatchTest, ManyCallsAreNoSilence) {
  for (int i = 0; i < 100; ++i) {
    const DriverCall call(*calls_);
    EXPECT_FALSE(look_after(seconds(30)));
  }
}

TEST_F(SilenceWatchTest, AConnectionThatDoesNothingIsNotSilent) {
  { const DriverCall call(*calls_); }
  EXPECT_FALSE(look_after(seconds(0)));
  EXPECT_FALSE(look_after(seconds(3600)));
}

TEST_F(SilenceWatchTest, WhoeverLooksSeldomIsNotMisled) {
  EXPECT_FALSE(look_after(seconds(0)));
  calls_->begin();
  EXPECT_FALSE(look_after(seconds(3600))) << "it may have begun a moment ago";
  EXPECT_TRUE(look_after(seconds(36)));
}

TEST_F(SilenceWatchTest, AShortTimeOutHasAShortGrace) {
  calls_->set_timeout(seconds(1));
  EXPECT_EQ(calls_->limit(), seconds(2));
  calls_->set_timeout(seconds(30));
  EXPECT_EQ(calls_->limit(), seconds(35));
}

TEST_F(SilenceWatchTest, AConnectionThatIsGoneIsForgotten) {
  calls_->begin();
  EXPECT_FALSE(look_after(seconds(0)));
  calls_.reset();
  EXPECT_FALSE(look_after(seconds(3600)));
}

TEST(LeftBehind, ThereAreOnlySoManyAtATime) {
  std::atomic<int> count{0};
  auto first = LeftBehind::take(count, 2);
  auto second = LeftBehind::take(count, 2);
  EXPECT_NE(first, nullptr);
  EXPECT_NE(second, nullptr);
  EXPECT_EQ(LeftBehind::take(count, 2), nullptr);
  first.reset();
  EXPECT_NE(LeftBehind::take(count, 2), nullptr);
}

}  // namespace
}  // namespace dstream::sqlserver
