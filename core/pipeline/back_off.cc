#include "core/pipeline/back_off.h"

#include <algorithm>

#include "core/base/clock.h"

namespace dstream::core {

int64_t BackOff::next_ns(int64_t now_ns, uint32_t retry_after_ms) {
  if (!failing_since_ns_) {
    failing_since_ns_ = now_ns;
  }
  int64_t ceiling_ms = settings_.backoff_min_ms;
  for (uint32_t i = 0; i < failures_ && ceiling_ms < settings_.backoff_max_ms; ++i) {
    ceiling_ms *= 2;
  }
  ceiling_ms = std::min(ceiling_ms, settings_.backoff_max_ms);
  ++failures_;
  auto ceiling_ns = static_cast<uint64_t>(std::max<int64_t>(ceiling_ms, 1) * kNanosPerMilli);
  auto delay_ns = static_cast<int64_t>(next_random() % ceiling_ns);
  return std::max(delay_ns, static_cast<int64_t>(retry_after_ms) * kNanosPerMilli);
}

bool BackOff::exhausted(int64_t now_ns) const {
  return settings_.max_elapsed_ms > 0 && failing_since_ns_ &&
         now_ns - *failing_since_ns_ >= settings_.max_elapsed_ms * kNanosPerMilli;
}

bool BackOff::may_be_denied(int64_t now_ns) {
  if (!denied_since_ns_) {
    denied_since_ns_ = now_ns;
  }
  return now_ns - *denied_since_ns_ < settings_.denied_for_ms * kNanosPerMilli;
}

void BackOff::succeeded() {
  failures_ = 0;
  failing_since_ns_.reset();
  denied_since_ns_.reset();
}

// splitmix64: small, seeded, and the same on every machine, so that a schedule can be replayed.
uint64_t BackOff::next_random() {
  uint64_t mixed = (random_ += 0x9E3779B97F4A7C15u);
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
  return mixed ^ (mixed >> 31);
}

}  // namespace dstream::core
