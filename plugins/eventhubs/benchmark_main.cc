// What the sink costs on top of librdkafka: the same messages through the connector's C table, and
// through a bare loop of rd_kafka_producev() with the same properties.
//
// usage: eventhubs-benchmark bare|sink BROKERS TOPIC MESSAGES VALUE_BYTES [KEY=VALUE...]
// Prints one JSON line. KEY=VALUE, such as in_flight_bytes=32MiB, is for the sink's configuration.
#include <librdkafka/rdkafka.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "dstream/abi.h"
#include "settings.h"

namespace {

constexpr uint32_t kDeliveryItems = 1000;
constexpr uint32_t kKeys = 100'000;
constexpr uint64_t kInFlightMax = 100'000;  // as much as a host's budget of 64 MiB allows

// Keys and one value that all messages share: nothing here is to be measured.
struct Load {
  Load(size_t count_, size_t value_bytes) : count(count_), value(value_bytes, 'x') {
    for (uint32_t i = 0; i < kKeys; ++i) {
      keys.push_back(std::to_string(i * 2654435761u));
    }
  }
  size_t count;
  std::string value;
  std::vector<std::string> keys;
};

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

long peak_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

// ---- the sink -----------------------------------------------------------------------------------

uint64_t settled = 0;
uint64_t failed = 0;

dstream_host make_host() {
  dstream_host host{};
  host.struct_size = sizeof host;
  host.log_level = [](const dstream_host*) noexcept { return dstream_log_level{DSTREAM_LOG_WARN}; };
  host.log = [](const dstream_host*, dstream_log_level, const char* message, const dstream_field*,
                uint32_t) noexcept { std::fprintf(stderr, "%s\n", message); };
  host.settle = [](const dstream_host*, uint64_t, uint32_t, uint32_t count, dstream_status result,
                   const dstream_error*) noexcept {
    (result == DSTREAM_OK ? settled : failed) += count;
  };
  host.get_extension = [](const dstream_host*, const char*) noexcept -> const void* {
    return nullptr;
  };
  return host;
}

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "eventhubs-benchmark: %s\n", what);
  std::exit(1);
}

void run_sink(const Load& load, const std::string& brokers, const std::string& topic,
              const std::string& more) {
  const dstream_sink_api& api = *dstream_plugin_v1.connectors[0]->sink;
  const dstream_host host = make_host();
  dstream_error error{};
  error.struct_size = sizeof error;
  dstream_sink* sink = nullptr;
  const std::string config =
      R"({"brokers":")" + brokers + R"(","topic":")" + topic + "\"" + more + "}";
  if (api.create(&host, config.c_str(), &sink, &error) != DSTREAM_OK ||
      api.open(sink, &error) != DSTREAM_OK) {
    die(error.message);
  }
  // Deliveries are reused in a ring that is longer than what can be in flight.
  std::vector<std::vector<dstream_message>> ring(kInFlightMax / kDeliveryItems + 2);
  uint64_t written = 0;
  uint64_t id = 0;
  while (settled + failed < load.count) {
    if (written < load.count && written - settled - failed < kInFlightMax) {
      std::vector<dstream_message>& messages = ring[++id % ring.size()];
      messages.assign(kDeliveryItems, {});
      for (uint32_t i = 0; i < kDeliveryItems; ++i) {
        const std::string& key = load.keys[(written + i) % kKeys];
        messages[i].topic = topic.c_str();
        messages[i].partition = -1;
        messages[i].key = {reinterpret_cast<const uint8_t*>(key.data()), key.size()};
        messages[i].value = {reinterpret_cast<const uint8_t*>(load.value.data()),
                             load.value.size()};
        messages[i].timestamp_ns = 1'700'000'000'000'000'000;
      }
      dstream_delivery delivery{};
      delivery.struct_size = sizeof delivery;
      delivery.id = id;
      delivery.count = kDeliveryItems;
      delivery.messages = messages.data();
      delivery.message_stride = sizeof(dstream_message);
      uint32_t accepted = 0;
      for (uint32_t first = 0; first < kDeliveryItems; first += accepted) {
        accepted = 0;
        if (api.write(sink, &delivery, first, &accepted, &error) < 0 ||
            api.poll(sink, first + accepted < kDeliveryItems ? 5 : 0, &error) < 0) {
          die(error.message);
        }
      }
      written += kDeliveryItems;
    } else if (api.poll(sink, 5, &error) < 0) {
      die(error.message);
    }
  }
  api.close(sink);
  api.destroy(sink);
}

// ---- the bare loop ------------------------------------------------------------------------------

void run_bare(const Load& load, const std::string& brokers, const std::string& topic_name) {
  eventhubs::Settings settings;
  settings.brokers = brokers;
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char reason[512];
  for (const auto& [name, value] : make_properties(settings, settings.batch)) {
    rd_kafka_conf_set(conf, name.c_str(), value.c_str(), reason, sizeof reason);
  }
  rd_kafka_conf_set(conf, "linger.ms", "20", reason, sizeof reason);
  rd_kafka_conf_set(conf, "log_level", "2", reason, sizeof reason);
  rd_kafka_conf_set(conf, "queue.buffering.max.messages", "100000", reason, sizeof reason);
  rd_kafka_conf_set(conf, "partitioner", "murmur2_random", reason, sizeof reason);
  rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR);
  rd_kafka_t* handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
  rd_kafka_topic_t* topic = rd_kafka_topic_new(handle, topic_name.c_str(), nullptr);
  rd_kafka_queue_t* queue = rd_kafka_queue_get_main(handle);
  size_t next = 0;
  size_t done = 0;
  while (done < load.count) {
    bool full = next == load.count;
    for (uint32_t i = 0; i < kDeliveryItems && next < load.count && !full; ++i) {
      const std::string& key = load.keys[next % kKeys];
      full = rd_kafka_producev(handle, RD_KAFKA_VTYPE_RKT, topic, RD_KAFKA_VTYPE_PARTITION,
                               RD_KAFKA_PARTITION_UA, RD_KAFKA_VTYPE_VALUE, load.value.data(),
                               load.value.size(), RD_KAFKA_VTYPE_KEY, key.data(), key.size(),
                               RD_KAFKA_VTYPE_TIMESTAMP, int64_t{1'700'000'000'000},
                               RD_KAFKA_VTYPE_END) != RD_KAFKA_RESP_ERR_NO_ERROR;
      next += full ? 0 : 1;
    }
    rd_kafka_event_t* event = rd_kafka_queue_poll(queue, full ? 5 : 0);
    while (event != nullptr && rd_kafka_event_message_next(event) != nullptr) {
      ++done;
    }
    rd_kafka_event_destroy(event);
  }
  rd_kafka_queue_destroy(queue);
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(handle);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fprintf(stderr,
                 "usage: eventhubs-benchmark bare|sink BROKERS TOPIC MESSAGES VALUE_BYTES "
                 "[KEY=VALUE...]\n");
    return 2;
  }
  std::string more;
  for (int i = 6; i < argc; ++i) {
    const std::string pair = argv[i];
    const size_t equals = std::min(pair.size(), pair.find('='));
    more += ",\"" + pair.substr(0, equals) + "\":\"" +
            pair.substr(std::min(pair.size(), equals + 1)) + "\"";
  }
  const Load load(std::strtoul(argv[4], nullptr, 10) / kDeliveryItems * kDeliveryItems,
                  std::strtoul(argv[5], nullptr, 10));
  const std::string what = argv[1];
  const double cpu_start = cpu_seconds();
  const auto start = std::chrono::steady_clock::now();
  what == "bare" ? run_bare(load, argv[2], argv[3]) : run_sink(load, argv[2], argv[3], more);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const auto count = static_cast<double>(load.count);
  std::printf(
      "{\"what\":\"%s\",\"messages_per_second\":%.0f,\"cpu_us_per_message\":%.3f,"
      "\"peak_kib\":%ld,\"failed\":%llu}\n",
      what.c_str(), count / seconds, (cpu_seconds() - cpu_start) * 1e6 / count, peak_kib(),
      static_cast<unsigned long long>(failed));
  return failed == 0 ? 0 : 1;
}
