// What read() and open() wait on: an answer of the fetcher, a stop, or a point in time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace dstream::sqlserver {

// [any-thread]
class StopSignal {
 public:
  using Clock = std::chrono::steady_clock;

  // Sticky until reset(): wakes every wait.
  void request() noexcept {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    wake_.notify_all();
  }
  void reset() {
    const std::lock_guard lock(mutex_);
    stopped_ = false;
  }
  bool stopped() const {
    const std::lock_guard lock(mutex_);
    return stopped_;
  }

  // Something happened that a waiter should look at.
  void notify() noexcept {
    {
      const std::lock_guard lock(mutex_);
      ++events_;
    }
    wake_.notify_all();
  }
  // Events so far: taken before looking, so that none is missed between looking and waiting.
  uint64_t events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }

  // Returns at `deadline`, with a stop, or when there were events after `seen`.
  void wait_event(uint64_t seen, Clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    wake_.wait_until(lock, deadline, [this, seen] { return stopped_ || events_ != seen; });
  }
  // Returns at `deadline` or with a stop.
  void wait_until(Clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    wake_.wait_until(lock, deadline, [this] { return stopped_; });
  }

 private:
  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable wake_;
  bool stopped_ = false;
  uint64_t events_ = 0;
};

}  // namespace dstream::sqlserver
