// Signals and other events as file descriptors, so that the program waits for all of them in one
// poll() and wakes up for nothing else.
#pragma once

#include <cstdint>
#include <optional>

namespace dstream::host {

// Blocks SIGINT, SIGTERM and SIGHUP for the whole process and reads them from a descriptor. Made
// before any thread starts: threads inherit the mask. SIGPIPE is ignored: a broken connection is an
// error, not a death.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  int descriptor() const { return descriptor_; }
  // The next signal that came; nullopt if there is none.
  std::optional<int> take();
  // The program was started at a terminal, not by nohup, and has lost it since: what a SIGHUP means
  // that nobody sent on purpose.
  bool terminal_is_gone() const;

 private:
  int descriptor_ = -1;
  bool had_terminal_ = false;
};

// Wakes up the thread that polls descriptor(). notify() is [any-thread].
class Notifier {
 public:
  Notifier();
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  int descriptor() const { return descriptor_; }
  void notify();
  void clear();

 private:
  int descriptor_ = -1;
};

// Becomes readable when time is up. 0 switches it off.
class Timer {
 public:
  Timer();
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  int descriptor() const { return descriptor_; }
  void every(int64_t interval_ms) { set(interval_ms, interval_ms); }
  void once(int64_t delay_ms) { set(delay_ms, 0); }
  void clear();

 private:
  void set(int64_t delay_ms, int64_t interval_ms);

  int descriptor_ = -1;
};

}  // namespace dstream::host
