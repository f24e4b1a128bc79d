// The sink's own limits: messages and bytes a second, each a bucket that fills all the time.
//
// A bucket holds a tenth of a second's worth, so that a pause is not made up for by a burst which
// the event hub would answer with throttling; a message larger than that goes once the bucket is
// full, and the next ones wait for what it took too much. Over any second the rate is kept within
// that tenth.
//
// Thread rule: [worker].
#pragma once

#include <algorithm>
#include <cstdint>

namespace eventhubs {

class RateLimit {
 public:
  // 0: no limit.
  RateLimit(uint64_t messages_per_second, uint64_t bytes_per_second)
      : messages_(messages_per_second), bytes_(bytes_per_second) {}

  bool is_on() const { return messages_.per_second != 0 || bytes_.per_second != 0; }

  // True if a message of `bytes` may go now; it is counted then.
  bool take(int64_t now_ns, uint64_t bytes) {
    messages_.fill(now_ns);
    bytes_.fill(now_ns);
    if (!messages_.has(1) || !bytes_.has(bytes)) {
      return false;
    }
    messages_.take(1);
    bytes_.take(bytes);
    return true;
  }
  // When it is worth asking again after a refusal: there is room for the message and for what comes
  // in a hundredth of a second, so that one wake-up serves many messages.
  int64_t ready_at_ns(int64_t now_ns, uint64_t bytes) const {
    return now_ns +
           std::max(messages_.missing_ns(std::max(uint64_t{1}, messages_.per_second / 100)),
                    bytes_.missing_ns(std::max(bytes, bytes_.per_second / 100)));
  }

 private:
  struct Bucket {
    explicit Bucket(uint64_t rate)
        : per_second(rate), most(std::max(1.0, static_cast<double>(rate) / 10)), level(most) {}

    void fill(int64_t now_ns) {
      if (filled_at_ns != 0) {
        level = std::min(most, level + static_cast<double>(now_ns - filled_at_ns) / 1e9 *
                                           static_cast<double>(per_second));
      }
      filled_at_ns = now_ns;
    }
    double wanted(uint64_t units) const { return std::min(most, static_cast<double>(units)); }
    bool has(uint64_t units) const { return per_second == 0 || level >= wanted(units); }
    void take(uint64_t units) { level -= static_cast<double>(units); }
    int64_t missing_ns(uint64_t units) const {
      return has(units) ? 0
                        : static_cast<int64_t>((wanted(units) - level) /
                                               static_cast<double>(per_second) * 1e9) +
                              1;
    }

    uint64_t per_second;
    double most;
    double level;
    int64_t filled_at_ns = 0;
  };

  Bucket messages_;
  Bucket bytes_;
};

}  // namespace eventhubs
