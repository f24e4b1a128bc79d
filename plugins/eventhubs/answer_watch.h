// How long the batches on their way have waited for an answer, and when that has to be said.
//
// librdkafka sends again without end and without a word while a partition has no leader, too few
// replicas are in sync, or a broker is silent; without this nobody would know why nothing moves.
//
// Thread rule: [worker].
#pragma once

#include <cstdint>

namespace eventhubs {

class AnswerWatch {
 public:
  // Longer than a broker's restart, shorter than an operator's patience.
  static constexpr int64_t kLongNs = 10'000'000'000;
  // How often is worth a look.
  static constexpr int64_t kLookEveryNs = 500'000'000;

  enum class Change { kNone, kTooLong, kAnswered };

  bool is_due(int64_t now_ns) const { return now_ns >= next_look_ns_; }
  // `oldest_sent_ns`: when the batch that has waited longest was sent on its way; 0: none waits.
  // kTooLong and kAnswered follow each other, each said once.
  Change look(int64_t now_ns, int64_t oldest_sent_ns) {
    next_look_ns_ = now_ns + kLookEveryNs;
    waited_ns_ = oldest_sent_ns == 0 ? 0 : now_ns - oldest_sent_ns;
    if (!is_long_ && waited_ns_ >= kLongNs) {
      is_long_ = true;
      return Change::kTooLong;
    }
    if (is_long_ && waited_ns_ < kLongNs) {
      is_long_ = false;
      return Change::kAnswered;
    }
    return Change::kNone;
  }
  double waited_seconds() const { return static_cast<double>(waited_ns_) / 1e9; }

 private:
  int64_t next_look_ns_ = 0;
  int64_t waited_ns_ = 0;
  bool is_long_ = false;
};

}  // namespace eventhubs
