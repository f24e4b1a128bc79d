// Whether a thread is inside a call of the ODBC driver that does not come back.
//
// Nobody tells a client that its server is gone when the network between them swallows everything.
// A driver's own time-outs end most such calls. Microsoft's driver, once a statement's time is
// over, waits another 120 s for a server that does not confirm that it has stopped, and nothing
// interrupts that. Whoever waits for the answer looks here instead, and gives the connection up.
//
// Thread rule: DriverCalls is written by its connection's thread and read by any. SilenceWatch is
// guarded by its owner.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

namespace dstream::sqlserver {

// The calls of one connection. Marking one is two stores: no lock, and nobody takes the time.
class DriverCalls {
 public:
  using Millis = std::chrono::milliseconds;
  // What a call may take beyond its time-out, which the driver is to notice first: as long again,
  // and no longer than this.
  static constexpr Millis kGraceMax{5'000};

  void begin() noexcept { count_.store(count() + 1, std::memory_order_relaxed); }
  void end() noexcept { begin(); }
  // The driver's own time-out of the calls from now on.
  void set_timeout(Millis timeout) noexcept {
    limit_ms_.store((timeout + std::min(timeout, kGraceMax)).count(), std::memory_order_relaxed);
  }
  Millis limit() const noexcept { return Millis(limit_ms_.load(std::memory_order_relaxed)); }
  // Calls begun and ended so far, together: odd inside of one.
  uint64_t count() const noexcept { return count_.load(std::memory_order_relaxed); }

  void give_up() noexcept { given_up_.store(true, std::memory_order_relaxed); }
  bool is_given_up() const noexcept { return given_up_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> count_{0};
  std::atomic<int64_t> limit_ms_{kGraceMax.count()};
  std::atomic<bool> given_up_{false};
};

// One call.
class DriverCall {
 public:
  explicit DriverCall(DriverCalls& calls) noexcept : calls_(calls) { calls_.begin(); }
  ~DriverCall() { calls_.end(); }
  DriverCall(const DriverCall&) = delete;
  DriverCall& operator=(const DriverCall&) = delete;

 private:
  DriverCalls& calls_;
};

// Connections that are looked at from time to time. What happens between two looks is not seen, so
// that a call is noticed late by as much at most, and never early.
class SilenceWatch {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Until its connection, which owns it, is gone.
  void add(const std::shared_ptr<DriverCalls>& calls) { watched_.push_back({calls, 0, {}}); }
  // True if a call has not come back within its limit; its connection is given up then.
  bool look(Time now);
  bool has_given_up() const { return has_given_up_; }

 private:
  struct Watched {
    std::weak_ptr<DriverCalls> calls;
    uint64_t count = 0;
    Time since;  // since when the count is what it is
  };
  std::vector<Watched> watched_;
  bool has_given_up_ = false;
};

}  // namespace dstream::sqlserver
