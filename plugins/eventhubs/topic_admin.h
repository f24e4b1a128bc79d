// What a client asks and does about topics beyond writing to them: their configuration, and making
// one.
//
// Thread rule: one thread at a time per handle. Each call blocks for at most `wait_ms`.
#pragma once

#include <librdkafka/rdkafka.h>

#include <map>
#include <optional>
#include <string>

namespace eventhubs {

using TopicConfig = std::map<std::string, std::string>;

// As the broker tells it; nullopt, and why, if it does not. The reason may hold secrets.
std::optional<TopicConfig> describe_topic(rd_kafka_t* handle, const std::string& name, int wait_ms,
                                          std::string* reason);

// Makes a topic; with -1 it has as many replicas as the broker makes by itself. A code and a
// reason, 0 if it is there now, also if somebody else was faster.
int create_topic(rd_kafka_t* handle, const std::string& name, int partitions, int replication,
                 const TopicConfig& config, int wait_ms, std::string* reason);

}  // namespace eventhubs
