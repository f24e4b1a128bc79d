// What the broker says about a quota: how long to hold back, and how much of the time that was.
//
// Thread rule: [worker].
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

namespace eventhubs {

class Throttling {
 public:
  // The broker reports a throttle of `milliseconds` for a request sent at `sent_ns`. Kafka answers
  // at once and wants the pause to follow; Event Hubs holds the answer back and reports a pause
  // that is over. Counted from the sending, both come out right.
  void reported(int64_t now_ns, int64_t sent_ns, int milliseconds) {
    const int64_t until_ns = std::min(sent_ns, now_ns) + milliseconds * kMs;
    throttled_ns_ += milliseconds * kMs;
    until_ns_ = std::max(until_ns_, until_ns);
  }
  // Nothing is handed over before this; 0 or past: no pause.
  int64_t until_ns() const { return until_ns_; }

  // Once a minute: how many percent of it the broker asked to wait, at most 100.
  std::optional<int> percent_of_last_minute(int64_t now_ns) {
    if (minute_began_ns_ == 0) {
      minute_began_ns_ = now_ns;
    }
    if (now_ns - minute_began_ns_ < kMinuteNs) {
      return std::nullopt;
    }
    const int64_t percent = throttled_ns_ * 100 / (now_ns - minute_began_ns_);
    minute_began_ns_ = now_ns;
    throttled_ns_ = 0;
    return static_cast<int>(std::min<int64_t>(percent, 100));
  }

 private:
  static constexpr int64_t kMs = 1'000'000;
  static constexpr int64_t kMinuteNs = 60'000 * kMs;

  int64_t until_ns_ = 0;
  int64_t throttled_ns_ = 0;
  int64_t minute_began_ns_ = 0;
};

}  // namespace eventhubs
