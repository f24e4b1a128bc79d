// What a worker waits on between steps: anybody may wake it, and no wake-up is lost.
//
//   uint64_t seen = wakeup.count();            // before looking at what might have changed
//   ... nothing to do ...
//   wakeup.wait(seen, timeout_ns);             // returns at once if notify() came after count()
//
// Thread rule: [any-thread].
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace dstream::core {

class Wakeup {
 public:
  uint64_t count() const {
    std::lock_guard lock(mutex_);
    return count_;
  }
  void notify() {
    {
      std::lock_guard lock(mutex_);
      ++count_;
    }
    changed_.notify_all();
  }
  void wait(uint64_t seen, int64_t timeout_ns) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::nanoseconds(timeout_ns), [&] { return count_ != seen; });
  }

 private:
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  uint64_t count_ = 0;
};

}  // namespace dstream::core
