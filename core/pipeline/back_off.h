// How long to wait before something that failed is tried again: exponential with full jitter.
//
// The n-th failure in a row waits a random time between zero and min(max, min * 2^n), but never
// less than the plugin asked for. Full jitter keeps many pipelines that lost the same server from
// coming back at the same instant.
//
// Not thread safe.
#pragma once

#include <cstdint>
#include <optional>

#include "core/pipeline/settings.h"

namespace dstream::core {

class BackOff {
 public:
  BackOff(const RetrySettings& settings, uint64_t seed) : settings_(settings), random_(seed) {}

  // A failure at `now`: nanoseconds to wait. `retry_after_ms` is the plugin's hint, 0 if none.
  int64_t next_ns(int64_t now_ns, uint32_t retry_after_ms);
  // True if failures have gone on for longer than retry.max_elapsed. False if that is unlimited.
  bool exhausted(int64_t now_ns) const;
  // True if `now` is the first DENIED in a row, or still within retry.denied_for of it.
  bool may_be_denied(int64_t now_ns);
  // It worked: the next failure is a first one again.
  void succeeded();
  uint32_t failures() const { return failures_; }

 private:
  uint64_t next_random();

  RetrySettings settings_;
  uint64_t random_;
  uint32_t failures_ = 0;
  std::optional<int64_t> failing_since_ns_;
  std::optional<int64_t> denied_since_ns_;
};

}  // namespace dstream::core
