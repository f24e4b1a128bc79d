// How long the engine waits where nobody asked it to be configurable, and how that fits together.
//
// A change that is read waits for the sink worker: at most kPollWait, because that is how long the
// worker stays inside poll(). A checkpoint waits at most checkpoint.interval. A stop waits for the
// plugin call that is running: read() is woken by request_stop(), poll() and flush() end by
// themselves. An idle pipeline wakes up once in kIdleWait on either side, and for nothing else.
#pragma once

#include <cstdint>

#include "core/base/clock.h"

namespace dstream::core {

// read() when nothing waits for a checkpoint; poll() of a sink that has nothing in flight.
inline constexpr int64_t kIdleWaitNs = kNanosPerSecond;
// Inside poll() while something is in flight; well below the 10 ms of latency we may add.
inline constexpr int64_t kPollWaitNs = 5 * kNanosPerMilli;
// Deliveries written without a poll() in between, while more are waiting.
inline constexpr int kWritesPerPoll = 16;
// Inside flush() at the end of a drain.
inline constexpr int64_t kFlushWaitNs = 100 * kNanosPerMilli;
// Before a call is repeated that said AGAIN without having waited.
inline constexpr int64_t kAgainPauseNs = 5 * kNanosPerMilli;
// For what is in flight to settle, before the sink is closed because one item must be retried.
inline constexpr int64_t kSettleWaitNs = kNanosPerSecond;
// After a deadline, for a worker that is inside a plugin call, before its thread is left behind.
inline constexpr int64_t kHangGraceNs = 500 * kNanosPerMilli;

}  // namespace dstream::core
