// Threads that a server which does not answer keeps inside its driver are left behind, and end with
// their connection: a few at a time, for each has a stack and a connection.
#pragma once

#include <atomic>
#include <memory>

namespace dstream::sqlserver {

// One place among those that may be left behind; free again when it is destroyed. [any-thread]
class LeftBehind {
 public:
  // nullptr if there are `max` of them already. `count` outlives it.
  static std::shared_ptr<LeftBehind> take(std::atomic<int>& count, int max) {
    int now = count.load();
    while (now < max) {
      if (count.compare_exchange_weak(now, now + 1)) {
        return std::shared_ptr<LeftBehind>(new LeftBehind(count));
      }
    }
    return nullptr;
  }
  ~LeftBehind() { --count_; }
  LeftBehind(const LeftBehind&) = delete;
  LeftBehind& operator=(const LeftBehind&) = delete;

 private:
  explicit LeftBehind(std::atomic<int>& count) : count_(count) {}
  std::atomic<int>& count_;
};

}  // namespace dstream::sqlserver
