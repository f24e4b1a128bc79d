// What tests ask of a broker: topics made, and everything in a topic read back.
//
// Works against the real broker's plaintext port and against the mock broker. All functions throw
// std::runtime_error when the broker says no or does not answer in time.
//
// Thread rule: [any-thread].
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace dstream::standin {

struct KafkaRecord {
  int32_t partition = 0;
  int64_t offset = 0;
  int64_t timestamp_ms = -1;
  std::optional<std::string> key;
  std::optional<std::string> value;  // empty: a tombstone
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
};

// Extra librdkafka properties, for TLS and SASL.
using KafkaProperties = std::vector<std::pair<std::string, std::string>>;

// Returns when every partition has a leader.
void create_topic(const std::string& brokers, const std::string& name, int partitions,
                  const std::vector<std::pair<std::string, std::string>>& config = {});

// Says for each partition which brokers have it, the preferred leader first.
void create_topic(const std::string& brokers, const std::string& name,
                  const std::vector<std::vector<int32_t>>& replicas,
                  const std::vector<std::pair<std::string, std::string>>& config = {});

// Returns when the broker tells of so many, each with a leader: the tool that adds partitions may
// be done before.
void wait_for_partitions(const std::string& brokers, const std::string& topic, int partitions);

// Everything that is in the topic when the call is made: partitions in any order, offsets ascending
// within one. An unknown topic is an empty one.
std::vector<KafkaRecord> read_all(const std::string& brokers, const std::string& topic,
                                  const KafkaProperties& properties = {}, int timeout_ms = 60'000);

// The same without keeping it: `visit` sees each record once.
void for_each_record(const std::string& brokers, const std::string& topic,
                     const std::function<void(const KafkaRecord&)>& visit,
                     const KafkaProperties& properties = {}, int timeout_ms = 60'000);

}  // namespace dstream::standin
