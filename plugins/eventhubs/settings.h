// The connector's configuration, checked, and what librdkafka is told because of it.
//
// Thread rule: plain values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connection_string.h"
#include "line.h"
#include "oauth_settings.h"

namespace eventhubs {

struct TlsSettings {
  bool enabled = false;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::string key_password;
};

struct SaslSettings {
  std::string mechanism;  // empty: no authentication
  std::string username;
  std::string password;
};

enum class Partitioner { kMurmur2, kCrc32, kFnv1a };

// What topics are like that the sink makes because they are missing.
struct NewTopics {
  int partitions = 0;
  int replication = -1;  // as many as the broker makes by itself
  std::map<std::string, std::string> config;
};

using Properties = std::vector<std::pair<std::string, std::string>>;

// What the broker waits for before it gives an open transaction up.
inline constexpr int kTransactionTimeoutMs = 60'000;

struct Settings {
  std::string brokers;                         // host:port,...
  std::optional<ConnectionString> event_hubs;  // without text and key if tokens are used
  std::optional<OAuthSettings> oauth;          // tokens instead of user and password
  std::string topic;                           // as written; empty if it was not
  TlsSettings tls;
  SaslSettings sasl;
  std::string client_id = "dstream";
  uint32_t linger_ms = 20;
  BatchLimits batch;
  uint64_t message_bytes_max = 1'000'000;
  uint64_t in_flight_bytes_max = 16 << 20;
  uint64_t max_events_per_second = 0;  // 0: no limit
  uint64_t max_bytes_per_second = 0;
  std::string compression = "none";
  Partitioner partitioner = Partitioner::kMurmur2;
  bool auto_create_topics = false;
  std::optional<NewTopics> create_topics;
  uint32_t partition_check_ms = 60'000;  // 0: never
  std::string transactional_id;          // empty: after the pipeline
  std::string checkpoint_topic = "dstream-checkpoints";
  bool transactional = false;  // the host has asked for transactions
  uint32_t connect_timeout_ms = 10'000;
  uint32_t backoff_min_ms = 1'000;
  uint32_t backoff_max_ms = 30'000;
  Properties librdkafka;

  // The one topic everything goes to: EntityPath, or `topic` without a placeholder. Empty: many.
  std::string single_topic() const;
  // What must never be shown (I11).
  std::vector<std::string> secrets() const;
};

// `config` is JSON that satisfies the schema. Throws dstream::Error (CONFIG) that starts with the
// JSON pointer of the key that is wrong.
Settings parse_settings(std::string_view config);

// Every librdkafka property, in order; later ones win. `batch` may be smaller than the settings'
// own (see sink.h).
Properties make_properties(const Settings& settings, const BatchLimits& batch);

// Those of them that say how to connect, for clients that do not write.
Properties make_connection_properties(const Settings& settings);

// Why the property may not be set under `librdkafka`; empty if it may.
std::string refusal_of_property(std::string_view name);

}  // namespace eventhubs
