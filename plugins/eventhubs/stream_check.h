// Judges what arrived of SinkDriver::add_numbered(): nothing lost, order per key.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/standins/kafka/kafka_client.h"

namespace eventhubs {

struct StreamCheck {
  std::string problem;  // empty: all is well
  size_t duplicates = 0;
};

// Key k<i mod keys> carries i, i + keys, ... in this order. After a failure a sink may start again
// at an earlier one, but what is new for a reader must always be the next one: a gap that is filled
// later is a broken order.
inline StreamCheck check_stream(const std::vector<dstream::standin::KafkaRecord>& records,
                                int count, int keys) {
  StreamCheck out;
  std::map<std::string, int> next;
  std::map<std::string, int32_t> partitions;
  std::set<int> seen;
  for (const auto& record : records) {
    const int value = std::atoi(record.value.value_or("").c_str());
    const std::string key = record.key.value_or("");
    if (key != "k" + std::to_string(value % keys)) {
      out.problem = "value " + std::to_string(value) + " under key " + key;
      return out;
    }
    if (partitions.try_emplace(key, record.partition).first->second != record.partition) {
      out.problem = "key " + key + " in two partitions";
      return out;
    }
    int& expected = next.try_emplace(key, value % keys).first->second;
    if (value > expected) {
      out.problem =
          "key " + key + ": " + std::to_string(value) + " before " + std::to_string(expected);
      return out;
    }
    expected = value == expected ? expected + keys : expected;
    out.duplicates += seen.insert(value).second ? 0 : 1;
  }
  if (seen.size() != static_cast<size_t>(count)) {
    out.problem = std::to_string(seen.size()) + " of " + std::to_string(count) + " arrived";
  }
  return out;
}

}  // namespace eventhubs
