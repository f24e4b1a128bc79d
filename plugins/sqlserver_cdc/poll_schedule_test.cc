#include "plugins/sqlserver_cdc/poll_schedule.h"

#include <gtest/gtest.h>

namespace dstream::sqlserver {
namespace {

TEST(PollSchedule, DoublesWhileIdleUpToTheMaximum) {
  PollSchedule schedule(Millis(1000), Millis(5000));
  EXPECT_EQ(schedule.due(), Millis(0));
  Millis now(50);
  for (const int expected : {1000, 2000, 4000, 5000, 5000}) {
    schedule.idle(now);
    EXPECT_EQ(schedule.due() - now, Millis(expected));
    now = schedule.due();
  }
}

TEST(PollSchedule, IsBackAtOnceWithAChange) {
  PollSchedule schedule(Millis(1000), Millis(60000));
  Millis now(0);
  for (int i = 0; i < 10; ++i) {
    schedule.idle(now);
    now = schedule.due();
  }
  EXPECT_EQ(schedule.interval(), Millis(60000));
  schedule.changed(now);
  EXPECT_EQ(schedule.due() - now, Millis(1000));
  schedule.idle(schedule.due());
  EXPECT_EQ(schedule.interval(), Millis(2000));
}

TEST(PollSchedule, EqualBoundsKeepTheInterval) {
  PollSchedule schedule(Millis(300), Millis(300));
  schedule.idle(Millis(0));
  schedule.idle(Millis(300));
  EXPECT_EQ(schedule.due(), Millis(600));
}

}  // namespace
}  // namespace dstream::sqlserver
