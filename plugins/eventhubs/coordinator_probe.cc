#include "coordinator_probe.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <string_view>

namespace eventhubs {
namespace {

using std::chrono::steady_clock;

constexpr std::string_view kNoCoordinator = "Failed to find transaction coordinator: ";
constexpr int kStepMs = 200;

// What passes by itself: a cluster that starts, a coordinator that moves.
bool passes(std::string_view name) {
  constexpr std::string_view kPassing[] = {"COORDINATOR",          "_",
                                           "BROKER_NOT_AVAILABLE", "NETWORK_EXCEPTION",
                                           "REQUEST_TIMED_OUT",    "NOT_COORDINATOR"};
  return std::any_of(std::begin(kPassing), std::end(kPassing),
                     [name](std::string_view each) { return name.starts_with(each); });
}

// Filled by the client's threads.
struct Heard {
  std::mutex mutex;
  std::string text;  // "NAME: words"
  std::unique_ptr<TokenKeeper> tokens;
};

void listen(const rd_kafka_t* handle, int, const char*, const char* line) {
  auto& heard = *static_cast<Heard*>(rd_kafka_opaque(handle));
  const std::string_view text(line);
  if (const size_t at = text.find(kNoCoordinator); at != std::string_view::npos) {
    const std::lock_guard lock(heard.mutex);
    heard.text = text.substr(at + kNoCoordinator.size());
  }
}

}  // namespace

CoordinatorAnswer probe_coordinator(const Settings& settings, const Scrubber& scrubber,
                                    dstream::Host host, dstream::Millis max_wait) {
  Settings own = settings;
  own.transactional_id += ".probe";
  Heard heard;
  if (settings.oauth) {
    heard.tokens = std::make_unique<TokenKeeper>(*settings.oauth, scrubber, host, nullptr);
  }
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char reason[512] = "";
  Properties properties = make_properties(own, own.batch);
  properties.emplace_back("debug", "eos");
  for (const auto& [name, value] : properties) {
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), reason, sizeof reason) !=
        RD_KAFKA_CONF_OK) {
      rd_kafka_conf_destroy(conf);
      throw dstream::Error(DSTREAM_CONFIG, "/" + name + ": " + scrubber.clean(reason));
    }
  }
  rd_kafka_conf_set_opaque(conf, &heard);
  rd_kafka_conf_set_log_cb(conf, &listen);
  if (heard.tokens) {
    TokenKeeper::install(conf, [](rd_kafka_t* handle, const char*, void* opaque) {
      static_cast<Heard*>(opaque)->tokens->refresh(handle);
    });
  }
  rd_kafka_t* handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
  if (handle == nullptr) {
    rd_kafka_conf_destroy(conf);
    throw dstream::Error(DSTREAM_CONFIG, "/: " + scrubber.clean(reason));
  }
  if (heard.tokens) {
    TokenKeeper::start(handle);
  }
  CoordinatorAnswer out;
  const auto until = steady_clock::now() + max_wait;
  while (!out.works && !out.refused && steady_clock::now() < until) {
    rd_kafka_error_t* error = rd_kafka_init_transactions(handle, kStepMs);
    out.works = error == nullptr;
    if (error != nullptr && rd_kafka_error_is_retriable(error) == 0) {
      out.refused = true;
      out.text = scrubber.clean(rd_kafka_error_string(error));
    }
    if (error != nullptr) {
      rd_kafka_error_destroy(error);
    }
    rd_kafka_poll(handle, 0);
    const std::lock_guard lock(heard.mutex);
    if (!out.works && !out.refused && !heard.text.empty()) {
      out.text = scrubber.clean(heard.text);
      out.refused = !passes(heard.text);
    }
  }
  if (heard.tokens) {
    heard.tokens->cancel();
  }
  rd_kafka_destroy(handle);
  return out;
}

std::string describe_refusal(const Settings& settings, const CoordinatorAnswer& answer) {
  const std::string said = answer.text.empty() ? "" : " It says: " + answer.text + ".";
  if (settings.event_hubs) {
    return "This namespace takes no Kafka transactions; Event Hubs has them in the Premium and "
           "Dedicated tiers." +
           said + " Write delivery: at_least_once, or move to such a tier.";
  }
  return "The brokers take no transactions." + said + " Write delivery: at_least_once.";
}

}  // namespace eventhubs
