// How many records a pipeline delivers in a second, from samples taken when somebody looks.
//
// Thread rule: one thread at a time.
#pragma once

#include <cstdint>
#include <deque>

#include "core/base/clock.h"

namespace dstream::host {

class DeliveryRate {
 public:
  // A rate is over this long at least, unless nothing older is known.
  static constexpr int64_t kWindowNs = 10 * core::kNanosPerSecond;

  // Takes the sample in; the rate since the newest sample that is a window old, else since the
  // oldest. 0 with the first sample and for one at the same instant.
  double sample(int64_t now_ns, uint64_t delivered) {
    if (!samples_.empty() && delivered < samples_.back().delivered) {
      samples_.clear();  // The pipeline was made anew, and counts from 0.
    }
    while (samples_.size() > 1 && now_ns - samples_[1].at_ns >= kWindowNs) {
      samples_.pop_front();
    }
    double rate = 0;
    if (!samples_.empty() && now_ns > samples_.front().at_ns) {
      const Sample& before = samples_.front();
      double seconds = static_cast<double>(now_ns - before.at_ns) / core::kNanosPerSecond;
      rate = static_cast<double>(delivered - before.delivered) / seconds;
    }
    if (samples_.empty() || now_ns - samples_.back().at_ns >= kWindowNs / 10) {
      samples_.push_back({now_ns, delivered});
    }
    return rate;
  }

 private:
  struct Sample {
    int64_t at_ns = 0;
    uint64_t delivered = 0;
  };
  std::deque<Sample> samples_;
};

}  // namespace dstream::host
