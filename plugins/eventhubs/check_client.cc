#include "check_client.h"

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "cluster_answer.h"
#include "error_class.h"

namespace eventhubs {
namespace {

using dstream::Millis;
using std::chrono::steady_clock;

constexpr Millis kAskMax{500};
constexpr int kServeMs = 50;
constexpr const char* kStatisticsMs = "100";

template <class T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

int milliseconds(Millis wait) { return static_cast<int>(std::max<Millis::rep>(wait.count(), 1)); }

}  // namespace

CheckClient::CheckClient(const Settings& settings, const Scrubber& scrubber, dstream::Host host)
    : scrubber_(scrubber) {
  if (settings.oauth) {
    tokens_ = std::make_unique<TokenKeeper>(*settings.oauth, scrubber, host, nullptr);
  }
  char reason[512];
  Owned<rd_kafka_conf_t> conf(rd_kafka_conf_new(), &rd_kafka_conf_destroy);
  Properties properties = make_properties(settings, settings.batch);
  properties.emplace_back("statistics.interval.ms", kStatisticsMs);
  for (const auto& [name, value] : properties) {
    if (rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), reason, sizeof reason) !=
        RD_KAFKA_CONF_OK) {
      throw dstream::Error(DSTREAM_CONFIG, "/" + name + ": " + scrubber_.clean(reason));
    }
  }
  rd_kafka_conf_set_events(conf.get(), RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_STATS);
  rd_kafka_conf_set_log_cb(conf.get(), [](const rd_kafka_t*, int, const char*, const char*) {});
  rd_kafka_conf_set_opaque(conf.get(), this);
  if (tokens_) {
    TokenKeeper::install(conf.get(), [](rd_kafka_t* handle, const char*, void* opaque) {
      static_cast<CheckClient*>(opaque)->tokens_->refresh(handle);
    });
  }
  handle_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), reason, sizeof reason));
  if (handle_ == nullptr) {
    throw dstream::Error(DSTREAM_CONFIG, "/: " + scrubber_.clean(reason));
  }
  (void)conf.release();  // rd_kafka_new() took it
  if (tokens_) {
    TokenKeeper::start(handle_.get());
  }
  queue_.reset(rd_kafka_queue_get_main(handle_.get()));
}

CheckClient::~CheckClient() {
  if (tokens_) {
    tokens_->cancel();
  }
}

void CheckClient::serve(int wait_ms) {
  for (int wait = wait_ms; serve_one(wait); wait = 0) {
  }
}

bool CheckClient::serve_one(int wait_ms) {
  Owned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue_.get(), wait_ms),
                                &rd_kafka_event_destroy);
  if (event == nullptr) {
    return false;
  }
  if (rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_ERROR) {
    take_error(rd_kafka_event_error(event.get()), rd_kafka_event_error_string(event.get()));
  } else if (rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_STATS) {
    take_statistics(rd_kafka_event_stats(event.get()));
  }
  return true;
}

void CheckClient::take_error(int code, const std::string& text) {
  if (code == RD_KAFKA_RESP_ERR__FATAL) {
    char reason[512] = "";
    code = rd_kafka_fatal_error(handle_.get(), reason, sizeof reason);
    trouble_ = Trouble{code, scrubber_.clean(reason)};
    final_trouble_ = true;
    return;
  }
  if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION && tokens_ && tokens_->is_unreachable()) {
    code = RD_KAFKA_RESP_ERR__TRANSPORT;
  }
  const bool is_final = classify(code) == ErrorClass::kDenied || code == RD_KAFKA_RESP_ERR__SSL;
  if (!trouble_ || (is_final && !final_trouble_)) {
    trouble_ = Trouble{code, scrubber_.clean(text)};
  }
  final_trouble_ = final_trouble_ || is_final;
}

void CheckClient::take_statistics(const char* json) {
  try {
    const auto root = Poco::JSON::Parser().parse(json).extract<Poco::JSON::Object::Ptr>();
    const auto eos = root->getObject("eos");
    has_producer_id_ =
        has_producer_id_ || (eos && eos->optValue<std::string>("idemp_state", "") == "Assigned");
  } catch (const Poco::Exception&) {
    // The next ones come in a moment; without any the check says that it does not know.
  }
}

int CheckClient::wait_for_cluster(const dstream::Checks& checks, Millis max_wait) {
  const auto until = steady_clock::now() + max_wait;
  while (!final_trouble_ && checks.left() > Millis(0) && steady_clock::now() < until) {
    const ClusterAnswer cluster =
        ask_cluster(handle_.get(), nullptr, milliseconds(std::min(checks.left(), kAskMax)));
    if (cluster.metadata != nullptr) {
      trouble_.reset();
      return std::max(cluster.metadata->broker_cnt, 1);
    }
    serve(kServeMs);
  }
  return 0;
}

CheckClient::TopicState CheckClient::ask_for_topic(const std::string& name,
                                                   const dstream::Checks& checks) {
  TopicState state;
  Owned<rd_kafka_topic_t> topic(rd_kafka_topic_new(handle_.get(), name.c_str(), nullptr),
                                &rd_kafka_topic_destroy);
  if (topic == nullptr) {
    state.code = rd_kafka_last_error();
    return state;
  }
  const ClusterAnswer cluster =
      ask_cluster(handle_.get(), topic.get(), milliseconds(std::min(checks.left(), 10 * kAskMax)));
  state.code = cluster.code;
  if (const auto* found = cluster.topic(); found != nullptr) {
    state.code = found->err;
    state.partitions = found->partition_cnt;
    for (int i = 0; i < found->partition_cnt; ++i) {
      state.without_leader += found->partitions[i].leader < 0 ? 1 : 0;
    }
  }
  return state;
}

std::optional<TopicConfig> CheckClient::topic_config(const std::string& name,
                                                     const dstream::Checks& checks,
                                                     std::string* reason) {
  auto found = describe_topic(handle_.get(), name,
                              milliseconds(std::min(checks.left(), 10 * kAskMax)), reason);
  *reason = scrubber_.clean(*reason);
  return found;
}

bool CheckClient::wait_for_producer_id(const dstream::Checks& checks, Millis max_wait) {
  const auto until = steady_clock::now() + max_wait;
  while (!has_producer_id_ && !final_trouble_ && checks.left() > Millis(0) &&
         steady_clock::now() < until) {
    serve(kServeMs);
  }
  return has_producer_id_;
}

}  // namespace eventhubs
