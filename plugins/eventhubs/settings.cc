#include "settings.h"

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include <charconv>
#include <span>

#include "dstream/plugin.hpp"

namespace eventhubs {
namespace {

using Poco::JSON::Object;

[[noreturn]] void fail(const std::string& pointer, const std::string& reason) {
  throw dstream::Error(DSTREAM_CONFIG, pointer + ": " + reason);
}

struct Unit {
  std::string_view name;
  uint64_t factor;
};
constexpr Unit kDurations[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
constexpr Unit kSizes[] = {{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};

// "20ms", "16MiB": a whole number and a unit, as everywhere in the configuration.
uint64_t number_with_unit(const std::string& pointer, std::string_view text,
                          std::span<const Unit> units) {
  uint32_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view name(stop, static_cast<size_t>(text.data() + text.size() - stop));
  for (const Unit& unit : units) {
    if (error == std::errc() && unit.name == name) {
      return number * unit.factor;
    }
  }
  fail(pointer, "Expected a number and a unit, such as " +
                    std::string(units[0].name == "ms" ? "20ms or 5s." : "512KiB or 16MiB."));
}

// Reads the keys of one object; `pointer` is where it stands.
class Reader {
 public:
  Reader(Object::Ptr object, std::string pointer)
      : object_(std::move(object)), pointer_(std::move(pointer)) {}

  bool has(const std::string& key) const { return object_->has(key); }

  template <class T>
  void read(const std::string& key, T* out) const {
    if (!has(key)) {
      return;
    }
    try {
      *out = object_->get(key).convert<T>();
    } catch (const Poco::Exception&) {
      fail(pointer_ + "/" + key, "The value has the wrong type.");
    }
  }
  void duration(const std::string& key, uint32_t* out_ms) const {
    std::string text;
    read(key, &text);
    if (!text.empty()) {
      *out_ms = static_cast<uint32_t>(number_with_unit(pointer_ + "/" + key, text, kDurations));
    }
  }
  void size(const std::string& key, uint64_t* out_bytes) const {
    std::string text;
    read(key, &text);
    if (!text.empty()) {
      *out_bytes = number_with_unit(pointer_ + "/" + key, text, kSizes);
    }
  }
  std::optional<Reader> child(const std::string& key) const {
    Object::Ptr object = has(key) ? object_->getObject(key) : nullptr;
    return object.isNull() ? std::nullopt : std::optional<Reader>({object, pointer_ + "/" + key});
  }
  const Object& object() const { return *object_; }

 private:
  Object::Ptr object_;
  std::string pointer_;
};

void read_connection(const Reader& reader, Settings* out) {
  if (reader.has("connection") == reader.has("brokers")) {
    fail("/connection", "Write either connection (Event Hubs) or brokers (Kafka), one of the two.");
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
  if (!reader.has("connection")) {
    return;
  }
  if (!out->sasl.mechanism.empty()) {
    fail("/sasl", "The connection string brings its own user and password; remove sasl.");
  }
  std::string text;
  reader.read("connection", &text);
  const ConnectionString& parsed = out->event_hubs.emplace(parse_connection_string(text));
  out->brokers = parsed.host + ":" + std::to_string(parsed.port);
  // The literal $ConnectionString is the user, the whole string the password.
  out->sasl = {"PLAIN", "$ConnectionString", parsed.text};
  out->tls.enabled = !parsed.emulator;
}

void check_event_hubs(const Settings& settings) {
  const std::string& entity = settings.event_hubs->entity_path;
  if (!entity.empty() && !settings.topic.empty() && settings.topic != entity) {
    fail("/topic", "The connection string is for the event hub \"" + entity +
                       "\" alone. Write topic: " + entity + ", or use the namespace's string.");
  }
  if (settings.compression != "none" && settings.compression != "gzip") {
    fail("/compression", "Event Hubs takes none, or gzip in the Premium and Dedicated tiers.");
  }
}

void read_librdkafka(const Reader& reader, Settings* out) {
  for (const std::string& name : reader.object().getNames()) {
    const std::string refusal = refusal_of_property(name);
    if (!refusal.empty()) {
      fail("/librdkafka/" + name, refusal);
    }
    std::string value;
    reader.read(name, &value);
    out->librdkafka.emplace_back(name, value);
  }
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
  std::erase(out, "");
  return out;
}

Settings parse_settings(std::string_view config) {
  Object::Ptr root;
  try {
    Poco::JSON::Parser parser;
    root = parser.parse(std::string(config)).extract<Object::Ptr>();
  } catch (const Poco::Exception&) {
    fail("", "The configuration is not a JSON object.");
  }
  const Reader reader(root, "");
  Settings out;
  read_connection(reader, &out);
  reader.read("topic", &out.topic);
  reader.read("client_id", &out.client_id);
  reader.duration("linger", &out.linger_ms);
  reader.size("batch_bytes", &out.batch.bytes);
  reader.size("message_bytes_max", &out.message_bytes_max);
  reader.size("in_flight_bytes", &out.in_flight_bytes_max);
  reader.read("max_events_per_second", &out.max_events_per_second);
  reader.size("max_bytes_per_second", &out.max_bytes_per_second);
  reader.read("compression", &out.compression);
  std::string partitioner;
  reader.read("partitioner", &partitioner);
  out.partitioner = partitioner_of(partitioner);
  reader.read("auto_create_topics", &out.auto_create_topics);
  reader.duration("connect_timeout", &out.connect_timeout_ms);
  reader.duration("backoff_min", &out.backoff_min_ms);
  reader.duration("backoff_max", &out.backoff_max_ms);
  if (out.backoff_min_ms == 0 || out.backoff_max_ms < out.backoff_min_ms) {
    fail("/backoff_max", "The longest wait is shorter than backoff_min.");
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
