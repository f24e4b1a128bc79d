#include "producer.h"

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include <algorithm>
#include <cstring>

#include "cluster_answer.h"
#include "error_class.h"

namespace eventhubs {
namespace {

constexpr int kFlushMs = 1;
constexpr int kEvents = RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_STATS;

struct ConfDeleter {
  void operator()(rd_kafka_conf_t* conf) const { rd_kafka_conf_destroy(conf); }
};
using Conf = std::unique_ptr<rd_kafka_conf_t, ConfDeleter>;

// "/librdkafka/NAME" if the user set it there, for the key it comes from is named by then.
std::string pointer_of(const Settings& settings, const std::string& name) {
  for (const auto& [own_name, value] : settings.librdkafka) {
    if (own_name == name) {
      return "/librdkafka/" + name;
    }
  }
  return "/" + name;
}

Conf make_conf(const Settings& settings, const BatchLimits& batch, const Scrubber& scrubber) {
  char reason[512];
  Conf conf(rd_kafka_conf_new());
  for (const auto& [name, value] : make_properties(settings, batch)) {
    if (rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), reason, sizeof reason) !=
        RD_KAFKA_CONF_OK) {
      throw dstream::Error(DSTREAM_CONFIG,
                           pointer_of(settings, name) + ": " + scrubber.clean(reason));
    }
  }
  return conf;
}

// What librdkafka says as error events too is said where those are handled.
dstream_log_level log_level_of(int syslog_level, std::string_view facility) {
  constexpr std::string_view kSaidElsewhere[] = {"FAIL",      "ERROR",    "FATAL", "CONFWARN",
                                                 "TERMINATE", "REQTMOUT", "GETPID"};
  if (syslog_level >= 7) {
    return DSTREAM_LOG_TRACE;
  }
  const bool elsewhere = std::find(std::begin(kSaidElsewhere), std::end(kSaidElsewhere),
                                   facility) != std::end(kSaidElsewhere);
  return syslog_level <= 4 && !elsewhere ? DSTREAM_LOG_WARN : DSTREAM_LOG_DEBUG;
}

rd_kafka_headers_t* make_headers(const dstream_message& message) {
  if (message.header_count == 0) {
    return nullptr;
  }
  rd_kafka_headers_t* headers = rd_kafka_headers_new(message.header_count);
  for (uint32_t i = 0; i < message.header_count; ++i) {
    const dstream_field& field = message.headers[i];
    rd_kafka_header_add(headers, field.name, static_cast<ssize_t>(std::strlen(field.name)),
                        field.value.data, static_cast<ssize_t>(field.value.size));
  }
  return headers;
}

// Of librdkafka's statistics: what was sent, less what was acknowledged or is on the wire.
uint64_t failed_sends_of(const char* statistics) {
  using Poco::JSON::Object;
  int64_t failed = 0;
  Poco::JSON::Parser parser;
  const auto root = parser.parse(statistics).extract<Object::Ptr>();
  const Object::Ptr topics = root->getObject("topics");
  for (const std::string& topic : topics->getNames()) {
    const Object::Ptr partitions = topics->getObject(topic)->getObject("partitions");
    for (const std::string& name : partitions->getNames()) {
      const Object::Ptr partition = partitions->getObject(name);
      const auto number = [&partition](const char* key) {
        return partition->optValue<int64_t>(key, 0);
      };
      failed +=
          std::max<int64_t>(0, number("txmsgs") - number("acked_msgid") - number("msgs_inflight"));
    }
  }
  return static_cast<uint64_t>(failed);
}

}  // namespace

std::string Scrubber::clean(std::string_view text) const {
  std::string out(text);
  for (const std::string& secret : secrets_) {
    for (size_t at = 0; (at = out.find(secret, at)) != std::string::npos;) {
      out.replace(at, secret.size(), "[redacted]");
    }
  }
  return out;
}

void check_properties(const Settings& settings, const Scrubber& scrubber) {
  make_conf(settings, settings.batch, scrubber);
}

Producer::Producer(const Settings& settings, const BatchLimits& batch, dstream::Host host,
                   const Scrubber& scrubber, const Metrics& metrics, ProducerListener& listener)
    : host_(host), scrubber_(scrubber), listener_(listener) {
  if (settings.oauth) {
    tokens_ = std::make_unique<TokenKeeper>(*settings.oauth, scrubber, host, &metrics);
  }
  make_handle(settings, batch);
  queue_ = rd_kafka_queue_get_main(handle_);
}

void Producer::make_handle(const Settings& settings, const BatchLimits& batch) {
  Conf conf = make_conf(settings, batch, scrubber_);
  rd_kafka_conf_set_opaque(conf.get(), this);
  rd_kafka_conf_set_events(conf.get(), kEvents);
  rd_kafka_conf_set_log_cb(conf.get(), &Producer::on_log);
  rd_kafka_conf_set_throttle_cb(
      conf.get(), [](rd_kafka_t*, const char*, int32_t, int milliseconds, void* opaque) {
        static_cast<Producer*>(opaque)->listener_.on_throttle(milliseconds);
      });
  if (tokens_) {
    TokenKeeper::install(conf.get(), [](rd_kafka_t* handle, const char*, void* opaque) {
      static_cast<Producer*>(opaque)->tokens_->refresh(handle);
    });
  }
  char reason[512];
  handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), reason, sizeof reason);
  if (handle_ == nullptr) {
    throw dstream::Error(DSTREAM_CONFIG, "/: " + scrubber_.clean(reason));
  }
  (void)conf.release();  // rd_kafka_new() took it
  if (tokens_) {
    TokenKeeper::start(handle_);
  }
}

Producer::~Producer() {
  if (tokens_) {
    tokens_->cancel();  // librdkafka's end waits for its thread
  }
  for (rd_kafka_topic_t* topic : topics_) {
    rd_kafka_topic_destroy(topic);
  }
  purge();
  rd_kafka_queue_destroy(queue_);
  rd_kafka_destroy(handle_);
}

void Producer::on_log(const rd_kafka_t* handle, int level, const char* facility, const char* text) {
  if (handle == nullptr) {
    return;
  }
  const auto* self = static_cast<const Producer*>(rd_kafka_opaque(handle));
  const dstream_log_level host_level = log_level_of(level, facility);
  if (self->host_.logs(host_level)) {
    self->host_.log(host_level,
                    std::string("librdkafka ") + facility + ": " + self->scrubber_.clean(text));
  }
}

rd_kafka_topic_t* Producer::open_topic(const std::string& name, void* opaque) {
  rd_kafka_topic_conf_t* conf = rd_kafka_default_topic_conf_dup(handle_);
  rd_kafka_topic_conf_set_opaque(conf, opaque);
  rd_kafka_topic_t* topic = rd_kafka_topic_new(handle_, name.c_str(), conf);
  if (topic == nullptr) {
    throw dstream::Error(DSTREAM_CONFIG,
                         "/topic: " + name + ": " + rd_kafka_err2str(rd_kafka_last_error()));
  }
  topics_.push_back(topic);
  return topic;
}

Producer::TopicAnswer Producer::ask(rd_kafka_topic_t* topic, int timeout_ms) {
  const ClusterAnswer cluster = ask_cluster(handle_, topic, timeout_ms);
  TopicAnswer answer;
  answer.code = cluster.code;
  if (const auto* found = cluster.topic(); topic != nullptr && found != nullptr) {
    answer.code = found->err;
    answer.partitions = found->partition_cnt;
    answer.leaders.assign(static_cast<size_t>(answer.partitions), -1);
    for (int i = 0; i < answer.partitions; ++i) {
      const rd_kafka_metadata_partition_t& one = found->partitions[i];
      if (one.id >= 0 && one.id < answer.partitions) {
        answer.leaders[static_cast<size_t>(one.id)] = one.leader;
      }
    }
  }
  return answer;
}

Producer::PartitionAnswer Producer::ask_partition(rd_kafka_topic_t* topic, int32_t partition,
                                                  int timeout_ms) {
  const ClusterAnswer cluster = ask_cluster(handle_, topic, timeout_ms);
  PartitionAnswer answer;
  answer.code = cluster.code;
  if (const auto* found = cluster.topic(); found != nullptr) {
    answer.code = found->err;
    for (int i = 0; i < found->partition_cnt; ++i) {
      const rd_kafka_metadata_partition_t& one = found->partitions[i];
      if (one.id == partition) {
        answer = {found->err, one.leader, one.replica_cnt, one.isr_cnt};
      }
    }
  }
  return answer;
}

std::vector<std::pair<std::string, int32_t>> Producer::count_partitions(int timeout_ms) {
  const ClusterAnswer cluster = ask_cluster(handle_, nullptr, timeout_ms);
  std::vector<std::pair<std::string, int32_t>> out;
  for (int i = 0; cluster.metadata != nullptr && i < cluster.metadata->topic_cnt; ++i) {
    const rd_kafka_metadata_topic_t& topic = cluster.metadata->topics[i];
    if (topic.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      out.emplace_back(topic.topic, topic.partition_cnt);
    }
  }
  return out;
}

rd_kafka_resp_err_t Producer::produce(rd_kafka_topic_t* topic, int32_t partition,
                                      const dstream_message& message, uint64_t ticket) {
  const int64_t timestamp_ms = std::max<int64_t>(0, message.timestamp_ns / 1'000'000);
  auto* value = const_cast<uint8_t*>(message.value.data);
  rd_kafka_headers_t* headers = make_headers(message);
  // Without F_COPY and F_FREE the value stays where it is until the report. 0 as timestamp is
  // "now". The RD_KAFKA_V_ macros would be shorter, but are not standard C++.
  const rd_kafka_resp_err_t error = rd_kafka_producev(
      handle_, RD_KAFKA_VTYPE_RKT, topic, RD_KAFKA_VTYPE_PARTITION, partition, RD_KAFKA_VTYPE_VALUE,
      static_cast<void*>(value), static_cast<size_t>(message.value.size), RD_KAFKA_VTYPE_KEY,
      static_cast<const void*>(message.key.data), static_cast<size_t>(message.key.size),
      RD_KAFKA_VTYPE_TIMESTAMP, timestamp_ms, RD_KAFKA_VTYPE_HEADERS, headers,
      RD_KAFKA_VTYPE_OPAQUE, reinterpret_cast<void*>(ticket), RD_KAFKA_VTYPE_END);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR && headers != nullptr) {
    rd_kafka_headers_destroy(headers);
  }
  return error;
}

bool Producer::serve_one(int wait_ms) {
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue_, wait_ms);
  if (event == nullptr) {
    return false;
  }
  if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR) {
    while (const rd_kafka_message_t* message = rd_kafka_event_message_next(event)) {
      listener_.on_report(*message);
    }
  } else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_STATS) {
    listener_.on_statistics(failed_sends_of(rd_kafka_event_stats(event)));
  } else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR) {
    const bool fatal = rd_kafka_event_error_is_fatal(event) != 0;
    int code = rd_kafka_event_error(event);
    if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION && tokens_ && tokens_->is_unreachable()) {
      code = RD_KAFKA_RESP_ERR__TRANSPORT;  // nobody refused us: the token endpoint is away
    }
    listener_.on_error(code, scrubber_.clean(rd_kafka_event_error_string(event)), fatal);
  }
  rd_kafka_event_destroy(event);
  return true;
}

void Producer::flush() { rd_kafka_flush(handle_, kFlushMs); }

void Producer::purge_queue() {
  rd_kafka_purge(handle_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

void Producer::purge() {
  rd_kafka_purge(
      handle_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

}  // namespace eventhubs
