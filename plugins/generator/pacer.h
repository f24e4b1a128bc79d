// How many records are due, given a rate and the time.
//
// The pace is kept from the start: after a stall the source catches up, so that a consumer's
// latency is measured against when a record should have been there.
//
// Thread rule: not thread safe. Time is monotonic and comes from the caller.
#pragma once

#include <cstdint>

namespace generator {

class Pacer {
 public:
  // `rate` in records a second; 0 means without limit.
  Pacer(double rate, int64_t now_ns) : rate_(rate), start_ns_(now_ns) {}

  // Records that may be emitted now, at most `wanted`.
  uint64_t due(int64_t now_ns, uint64_t wanted) const {
    if (rate_ <= 0) {
      return wanted;
    }
    const double target = rate_ * static_cast<double>(now_ns - start_ns_) / 1e9 + 1;
    const double open = target - static_cast<double>(emitted_);
    if (open < 1) {
      return 0;
    }
    return open < static_cast<double>(wanted) ? static_cast<uint64_t>(open) : wanted;
  }
  void emitted(uint64_t count) { emitted_ += count; }
  // Until the next record is due; 0 if one is.
  int64_t wait_ns(int64_t now_ns) const {
    if (due(now_ns, 1) > 0) {
      return 0;
    }
    const double at = static_cast<double>(emitted_) / rate_ * 1e9;
    const int64_t wait = start_ns_ + static_cast<int64_t>(at) - now_ns;
    return wait > 0 ? wait : 1;
  }

 private:
  double rate_;
  int64_t start_ns_;
  uint64_t emitted_ = 0;
};

}  // namespace generator
