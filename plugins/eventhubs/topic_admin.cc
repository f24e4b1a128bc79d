#include "topic_admin.h"

#include <memory>

namespace eventhubs {
namespace {

constexpr int kGraceMs = 50;

template <class T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

}  // namespace

std::optional<TopicConfig> describe_topic(rd_kafka_t* handle, const std::string& name, int wait_ms,
                                          std::string* reason) {
  Owned<rd_kafka_queue_t> answers(rd_kafka_queue_new(handle), &rd_kafka_queue_destroy);
  Owned<rd_kafka_AdminOptions_t> options(
      rd_kafka_AdminOptions_new(handle, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS),
      &rd_kafka_AdminOptions_destroy);
  char error[512] = "";
  rd_kafka_AdminOptions_set_request_timeout(options.get(), wait_ms, error, sizeof error);
  rd_kafka_ConfigResource_t* resource =
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name.c_str());
  rd_kafka_DescribeConfigs(handle, &resource, 1, options.get(), answers.get());
  rd_kafka_ConfigResource_destroy(resource);
  Owned<rd_kafka_event_t> event(rd_kafka_queue_poll(answers.get(), wait_ms + kGraceMs),
                                &rd_kafka_event_destroy);
  const rd_kafka_DescribeConfigs_result_t* result =
      event == nullptr ? nullptr : rd_kafka_event_DescribeConfigs_result(event.get());
  size_t count = 0;
  const rd_kafka_ConfigResource_t** found =
      result == nullptr ? nullptr : rd_kafka_DescribeConfigs_result_resources(result, &count);
  if (count != 1 || rd_kafka_ConfigResource_error(found[0]) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* why = count == 1         ? rd_kafka_ConfigResource_error_string(found[0])
                      : event == nullptr ? "no answer"
                                         : rd_kafka_event_error_string(event.get());
    *reason = why != nullptr ? why : "no answer";
    return std::nullopt;
  }
  TopicConfig out;
  const rd_kafka_ConfigEntry_t** entries = rd_kafka_ConfigResource_configs(found[0], &count);
  for (size_t i = 0; i < count; ++i) {
    const char* value = rd_kafka_ConfigEntry_value(entries[i]);
    out[rd_kafka_ConfigEntry_name(entries[i])] = value == nullptr ? "" : value;
  }
  return out;
}

int create_topic(rd_kafka_t* handle, const std::string& name, int partitions, int replication,
                 const TopicConfig& config, int wait_ms, std::string* reason) {
  char error[512] = "";
  Owned<rd_kafka_NewTopic_t> topic(
      rd_kafka_NewTopic_new(name.c_str(), partitions, replication, error, sizeof error),
      &rd_kafka_NewTopic_destroy);
  if (topic == nullptr) {
    *reason = error;
    return RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
  }
  for (const auto& [key, value] : config) {
    rd_kafka_NewTopic_set_config(topic.get(), key.c_str(), value.c_str());
  }
  Owned<rd_kafka_queue_t> answers(rd_kafka_queue_new(handle), &rd_kafka_queue_destroy);
  Owned<rd_kafka_AdminOptions_t> options(
      rd_kafka_AdminOptions_new(handle, RD_KAFKA_ADMIN_OP_CREATETOPICS),
      &rd_kafka_AdminOptions_destroy);
  rd_kafka_AdminOptions_set_request_timeout(options.get(), wait_ms, error, sizeof error);
  rd_kafka_NewTopic_t* topics[] = {topic.get()};
  rd_kafka_CreateTopics(handle, topics, 1, options.get(), answers.get());
  Owned<rd_kafka_event_t> event(rd_kafka_queue_poll(answers.get(), wait_ms + kGraceMs),
                                &rd_kafka_event_destroy);
  if (event == nullptr || rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    *reason = event == nullptr ? "no answer" : rd_kafka_event_error_string(event.get());
    return event == nullptr ? RD_KAFKA_RESP_ERR__TIMED_OUT : rd_kafka_event_error(event.get());
  }
  size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  const int code = count == 1 ? rd_kafka_topic_result_error(results[0]) : 0;
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
    return 0;
  }
  const char* why = rd_kafka_topic_result_error_string(results[0]);
  *reason = why != nullptr ? why : rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(code));
  return code;
}

}  // namespace eventhubs
