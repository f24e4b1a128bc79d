// How long to wait before the next attempt: doubling from min to max, the upper half at random, so
// that many sinks do not come back at the same instant.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>

namespace eventhubs {

class Backoff {
 public:
  Backoff(uint32_t min_ms, uint32_t max_ms, uint64_t seed)
      : min_ms_(min_ms), max_ms_(max_ms), next_ms_(min_ms), random_(seed) {}

  uint32_t next_ms() {
    const uint32_t upper = next_ms_;
    next_ms_ = static_cast<uint32_t>(std::min<uint64_t>(max_ms_, uint64_t{next_ms_} * 2));
    return upper / 2 + static_cast<uint32_t>(random_() % (uint64_t{upper} - upper / 2 + 1));
  }
  void reset() { next_ms_ = min_ms_; }

 private:
  uint32_t min_ms_;
  uint32_t max_ms_;
  uint32_t next_ms_;
  std::mt19937_64 random_;
};

}  // namespace eventhubs
