// What a worker waits on between steps: anybody may wake it, and no wake-up is lost.
//
//   uint64_t seen = wakeup.count();            // before looking at what might have changed
//   ... nothing to do ...
//   wakeup.wait(seen, timeout_ns);             // returns at once if notify() came after count()
//
// Sending a thread to sleep and waking it costs microseconds on both sides, which is what a batch
// of 1,000 small records takes. A worker whose last wait was that short looks for a while whether
// the next one is, too; any longer wait makes it sleep at once again, so that an idle one costs
// nothing.
//
// Thread rule: notify() and count() [any-thread]; wait() by one thread, the worker's.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace dstream::core {

class Wakeup {
 public:
  uint64_t count() const { return count_.load(std::memory_order_seq_cst); }

  void notify() {
    count_.fetch_add(1, std::memory_order_seq_cst);
    // Either this sees the sleeper, or the sleeper sees the new count before it sleeps: both sides
    // write theirs before they read the other's.
    if (asleep_.load(std::memory_order_seq_cst)) {
      std::lock_guard lock(mutex_);
      changed_.notify_one();
    }
  }

  void wait(uint64_t seen, int64_t timeout_ns) {
    if (count() != seen) {
      return;
    }
    const auto started = std::chrono::steady_clock::now();
    const std::chrono::nanoseconds timeout(timeout_ns);
    if (last_was_short_ && came_soon(seen, started + std::min(timeout, kShort))) {
      return;
    }
    {
      std::unique_lock lock(mutex_);
      asleep_.store(true, std::memory_order_seq_cst);
      changed_.wait_until(lock, started + timeout, [&] { return count() != seen; });
      asleep_.store(false, std::memory_order_relaxed);
    }
    last_was_short_ = std::chrono::steady_clock::now() - started < kShort;
  }

 private:
  // About what going to sleep and being woken takes.
  static constexpr std::chrono::nanoseconds kShort{50'000};
  static constexpr int kLooksPerClockRead = 64;

  bool came_soon(uint64_t seen, std::chrono::steady_clock::time_point until) const {
    do {
      for (int i = 0; i < kLooksPerClockRead; ++i) {
        if (count() != seen) {
          return true;
        }
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
      }
    } while (std::chrono::steady_clock::now() < until);
    return false;
  }

  std::atomic<uint64_t> count_{0};
  std::atomic<bool> asleep_{false};
  bool last_was_short_ = false;  // of the waiting thread
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace dstream::core
