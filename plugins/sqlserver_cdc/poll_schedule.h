// When a poll group is looked at next.
#pragma once

#include <algorithm>
#include <chrono>

namespace dstream::sqlserver {

using Millis = std::chrono::milliseconds;

// The interval starts at its minimum, doubles with every poll that finds nothing up to its maximum,
// and is back at the minimum with the first change. Times are those of any steady clock.
class PollSchedule {
 public:
  // REQUIRES: 0 < interval_min <= interval_max. The first poll is due at once.
  PollSchedule(Millis interval_min, Millis interval_max)
      : min_(interval_min), max_(interval_max), interval_(interval_min) {}

  Millis due() const { return due_; }
  Millis interval() const { return interval_; }

  // A poll that began at `started` found something. The next is due an interval after this one
  // began, so that a long round is followed at once by the next.
  void changed(Millis started) {
    interval_ = min_;
    due_ = started + interval_;
  }
  void idle(Millis started) {
    due_ = started + interval_;
    interval_ = std::min(interval_ * 2, max_);
  }
  // The next poll is at `due` instead.
  void move_to(Millis due) { due_ = due; }

 private:
  Millis min_;
  Millis max_;
  Millis interval_;
  Millis due_{0};
};

}  // namespace dstream::sqlserver
