#include "settings.h"

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include <cstdlib>

#include "dstream/plugin.hpp"

namespace eventhubs {
namespace {

using Poco::JSON::Object;

constexpr int kDepthMax = 16;

std::string environment_of(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing sets any
  return value == nullptr ? "" : value;
}

void read_connection_string(const SettingsReader& reader, Settings* out) {
  if (!out->sasl.mechanism.empty()) {
    refuse_key("/sasl", "The connection string brings its own user and password; remove sasl.");
  }
  std::string text;
  reader.read("connection", &text);
  const ConnectionString& parsed = out->event_hubs.emplace(parse_connection_string(text));
  out->brokers = parsed.host + ":" + std::to_string(parsed.port);
  // The literal $ConnectionString is the user, the whole string the password.
  out->sasl = {"PLAIN", "$ConnectionString", parsed.text};
  out->tls.enabled = !parsed.emulator;
}

// "shop.servicebus.windows.net", with ":9093" if no port is there.
void read_namespace(const SettingsReader& reader, Settings* out) {
  std::string text;
  reader.read("namespace", &text);
  const ConnectionString& hub = out->event_hubs.emplace(parse_namespace(text));
  out->brokers = hub.host + ":" + std::to_string(hub.port);
  out->tls.enabled = true;
}

void use_oauth(const SettingsReader& oauth, const SettingsReader& root, Settings* out) {
  if (root.has("connection")) {
    refuse_key("/oauth",
               "The connection string brings its own key. Write namespace instead of "
               "connection.");
  }
  if (!out->sasl.mechanism.empty()) {
    refuse_key("/sasl", "Write either sasl (user and password) or oauth (tokens).");
  }
  if (!root.has("tls")) {
    out->tls.enabled = true;  // a token in plain text is anybody's
  } else if (!out->tls.enabled) {
    refuse_key("/tls/enabled", "Tokens are sent over TLS alone.");
  }
  out->sasl.mechanism = "OAUTHBEARER";
  const std::string scope = out->event_hubs ? "https://" + out->event_hubs->host + "/.default" : "";
  out->oauth = read_oauth(oauth, scope, environment_of);
}

void read_connection(const SettingsReader& reader, Settings* out) {
  const int ways =
      int{reader.has("connection")} + int{reader.has("brokers")} + int{reader.has("namespace")};
  if (ways != 1) {
    refuse_key("/connection",
               "Write one of connection (Event Hubs by key), namespace (Event Hubs by Entra ID) "
               "and brokers (Kafka).");
  }
  reader.read("brokers", &out->brokers);
  if (const auto tls = reader.child("tls")) {
    out->tls.enabled = true;
    tls->read("enabled", &out->tls.enabled);
    tls->read("ca_file", &out->tls.ca_file);
    tls->read("certificate_file", &out->tls.certificate_file);
    tls->read("key_file", &out->tls.key_file);
    tls->read("key_password", &out->tls.key_password);
  }
  if (const auto sasl = reader.child("sasl")) {
    out->sasl.mechanism = "PLAIN";
    sasl->read("mechanism", &out->sasl.mechanism);
    sasl->read("username", &out->sasl.username);
    sasl->read("password", &out->sasl.password);
  }
  if (reader.has("connection")) {
    read_connection_string(reader, out);
  } else if (reader.has("namespace")) {
    read_namespace(reader, out);
  }
  if (const auto oauth = reader.child("oauth")) {
    use_oauth(*oauth, reader, out);
  } else if (reader.has("namespace")) {
    refuse_key("/oauth", "Say how to get tokens for the namespace: oauth: {method: ...}.");
  }
}

void check_event_hubs(const Settings& settings) {
  const std::string& entity = settings.event_hubs->entity_path;
  if (!entity.empty() && !settings.topic.empty() && settings.topic != entity) {
    refuse_key("/topic", "The connection string is for the event hub \"" + entity +
                             "\" alone. Write topic: " + entity +
                             ", or use the namespace's string.");
  }
  if (settings.compression != "none" && settings.compression != "gzip") {
    refuse_key("/compression",
               "Event Hubs takes none, or gzip in the Premium and Dedicated tiers.");
  }
}

void read_librdkafka(const SettingsReader& reader, Settings* out) {
  for (const std::string& name : reader.object().getNames()) {
    const std::string refusal = refusal_of_property(name);
    if (!refusal.empty()) {
      refuse_key("/librdkafka/" + name, refusal);
    }
    std::string value;
    reader.read(name, &value);
    out->librdkafka.emplace_back(name, value);
  }
}

// librdkafka ends a batch at the smaller of the two, so that the sink would wait in vain for the
// rest of a larger one. Who lowers message_bytes_max alone means both.
void check_batch_bytes(Settings* out) {
  if (out->batch.bytes <= out->message_bytes_max) {
    return;
  }
  if (out->batch.bytes != BatchLimits().bytes) {
    refuse_key("/batch_bytes", "It is above message_bytes_max; raise that as well.");
  }
  out->batch.bytes = out->message_bytes_max;
}

NewTopics read_create_topics(const SettingsReader& reader) {
  NewTopics out;
  reader.read("partitions", &out.partitions);
  reader.read("replication", &out.replication);
  if (const auto config = reader.child("config")) {
    for (const std::string& name : config->object().getNames()) {
      config->read(name, &out.config[name]);
    }
  }
  return out;
}

Partitioner partitioner_of(const std::string& name) {
  if (name == "crc32") {
    return Partitioner::kCrc32;
  }
  return name == "fnv1a" ? Partitioner::kFnv1a : Partitioner::kMurmur2;
}

}  // namespace

std::string Settings::single_topic() const {
  if (event_hubs && !event_hubs->entity_path.empty()) {
    return event_hubs->entity_path;
  }
  return topic.find('{') == std::string::npos ? topic : "";
}

std::vector<std::string> Settings::secrets() const {
  std::vector<std::string> out = {sasl.password, tls.key_password};
  if (event_hubs) {
    out.push_back(event_hubs->key);
  }
  if (oauth) {
    out.push_back(oauth->client_secret);
    out.push_back(oauth->identity_header);
  }
  std::erase(out, "");
  return out;
}

Settings parse_settings(std::string_view config) {
  Object::Ptr root;
  try {
    Poco::JSON::Parser parser;
    parser.setDepth(kDepthMax);
    root = parser.parse(std::string(config)).extract<Object::Ptr>();
  } catch (const Poco::Exception&) {
    refuse_key("", "The configuration is not a JSON object.");
  }
  const SettingsReader reader(root, "");
  Settings out;
  read_connection(reader, &out);
  reader.read("topic", &out.topic);
  reader.read("client_id", &out.client_id);
  reader.duration("linger", &out.linger_ms);
  reader.size("batch_bytes", &out.batch.bytes);
  reader.size("message_bytes_max", &out.message_bytes_max);
  check_batch_bytes(&out);
  reader.size("in_flight_bytes", &out.in_flight_bytes_max);
  reader.read("max_events_per_second", &out.max_events_per_second);
  reader.size("max_bytes_per_second", &out.max_bytes_per_second);
  reader.read("compression", &out.compression);
  std::string partitioner;
  reader.read("partitioner", &partitioner);
  out.partitioner = partitioner_of(partitioner);
  reader.read("auto_create_topics", &out.auto_create_topics);
  if (const auto create = reader.child("create_topics")) {
    if (out.auto_create_topics) {
      refuse_key("/create_topics",
                 "Either the sink makes topics or the broker does; remove "
                 "auto_create_topics.");
    }
    out.create_topics = read_create_topics(*create);
  }
  reader.duration("partition_check_interval", &out.partition_check_ms);
  reader.read("transactional_id", &out.transactional_id);
  reader.read("checkpoint_topic", &out.checkpoint_topic);
  reader.duration("connect_timeout", &out.connect_timeout_ms);
  reader.duration("backoff_min", &out.backoff_min_ms);
  reader.duration("backoff_max", &out.backoff_max_ms);
  if (out.backoff_min_ms == 0 || out.backoff_max_ms < out.backoff_min_ms) {
    refuse_key("/backoff_max", "The longest wait is shorter than backoff_min.");
  }
  if (const auto properties = reader.child("librdkafka")) {
    read_librdkafka(*properties, &out);
  }
  if (out.event_hubs) {
    check_event_hubs(out);
  }
  return out;
}

}  // namespace eventhubs
