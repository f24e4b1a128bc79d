// Time comes in from outside, so that the same engine runs under a simulated scheduler.
#pragma once

#include <cstdint>

namespace dstream::core {

// Thread rule: [any-thread].
class Clock {
 public:
  virtual ~Clock() = default;
  // Monotonic, for deadlines and intervals; never jumps, no relation to the calendar.
  virtual int64_t monotonic_ns() const = 0;
  // Unix time, for what people and consumers read; may jump.
  virtual int64_t wall_ns() const = 0;
};

// The clocks of this machine.
class SystemClock final : public Clock {
 public:
  int64_t monotonic_ns() const override;
  int64_t wall_ns() const override;
};

inline constexpr int64_t kNanosPerMilli = 1'000'000;
inline constexpr int64_t kNanosPerSecond = 1'000'000'000;

}  // namespace dstream::core
