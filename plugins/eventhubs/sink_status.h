// What `dstream status` shows of a sink besides its numbers: topics that got more partitions, and
// when the broker last asked it to wait.
//
// Thread rule: [any-thread]; nothing here is called per message. Times are of the steady clock.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

namespace eventhubs {

class SinkStatus {
 public:
  // More changes than this, and the oldest is forgotten.
  static constexpr size_t kChangesMax = 16;

  // `topic` was found with more partitions; nothing is accepted until they are in use.
  void found_partitions(const std::string& topic, size_t from, size_t to, int64_t now_ns);
  // What was found is in use, for all topics.
  void uses_partitions();
  // The producer with its counts is gone, and the next one asks for all counts anew.
  void forgets_counts() { uses_partitions(); }
  void throttled(int milliseconds, int64_t now_ns);
  void throttled_percent(int of_last_minute);

  // {"partition_changes":[{"topic","from","to","state":"draining"|"used","ago_ms"}],
  //  "throttled":{"total_ms","percent_of_last_minute","ago_ms"}}; "ago_ms" is left out while it
  // never was, the percentage before the first minute is over.
  std::string json(int64_t now_ns) const;

 private:
  struct Change {
    std::string topic;
    size_t from = 0;
    size_t to = 0;
    int64_t at_ns = 0;
    bool used = false;
  };

  mutable std::mutex mutex_;  // guards all below
  std::deque<Change> changes_;
  int64_t throttled_ms_ = 0;
  std::optional<int64_t> throttled_at_ns_;
  std::optional<int> percent_;
};

}  // namespace eventhubs
