#include "tests/standins/kafka/kafka_client.h"

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <memory>
#include <stdexcept>

namespace dstream::standin {
namespace {

constexpr int kRequestTimeoutMs = 30'000;
constexpr int kPollMs = 100;

struct HandleDeleter {
  void operator()(rd_kafka_t* handle) const { rd_kafka_destroy(handle); }
};
struct MetadataDeleter {
  void operator()(const rd_kafka_metadata_t* metadata) const {
    rd_kafka_metadata_destroy(metadata);
  }
};
struct PartitionsDeleter {
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
};
struct NewTopicDeleter {
  void operator()(rd_kafka_NewTopic_t* topic) const { rd_kafka_NewTopic_destroy(topic); }
};
using Handle = std::unique_ptr<rd_kafka_t, HandleDeleter>;
using NewTopic = std::unique_ptr<rd_kafka_NewTopic_t, NewTopicDeleter>;
using Metadata = std::unique_ptr<const rd_kafka_metadata_t, MetadataDeleter>;
using Partitions = std::unique_ptr<rd_kafka_topic_partition_list_t, PartitionsDeleter>;

[[noreturn]] void fail(const std::string& what, const std::string& reason) {
  throw std::runtime_error(what + ": " + reason);
}

Handle make_handle(rd_kafka_type_t type, const std::string& brokers,
                   const KafkaProperties& properties) {
  char reason[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  KafkaProperties all = {{"bootstrap.servers", brokers},
                         {"log_level", "2"},
                         {"broker.address.family", "v4"},
                         {"allow.auto.create.topics", "false"}};
  if (type == RD_KAFKA_CONSUMER) {
    all.insert(all.end(), {{"group.id", "dstream-test-reader"},
                           {"enable.auto.commit", "false"},
                           {"enable.partition.eof", "true"},
                           {"isolation.level", "read_uncommitted"}});
  }
  all.insert(all.end(), properties.begin(), properties.end());
  for (const auto& [name, value] : all) {
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), reason, sizeof reason) !=
        RD_KAFKA_CONF_OK) {
      rd_kafka_conf_destroy(conf);
      fail(name, reason);
    }
  }
  Handle handle(rd_kafka_new(type, conf, reason, sizeof reason));
  if (handle == nullptr) {
    rd_kafka_conf_destroy(conf);
    fail("Kafka client", reason);
  }
  return handle;
}

// Partitions of the topic; 0 if it does not exist.
int partition_count(rd_kafka_t* handle, const std::string& topic) {
  rd_kafka_topic_t* object = rd_kafka_topic_new(handle, topic.c_str(), nullptr);
  const rd_kafka_metadata_t* raw = nullptr;
  const rd_kafka_resp_err_t error = rd_kafka_metadata(handle, 0, object, &raw, kRequestTimeoutMs);
  rd_kafka_topic_destroy(object);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    fail("Metadata of " + topic, rd_kafka_err2str(error));
  }
  Metadata metadata(raw);
  if (metadata->topic_cnt != 1 || metadata->topics[0].err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return 0;
  }
  for (int i = 0; i < metadata->topics[0].partition_cnt; ++i) {
    if (metadata->topics[0].partitions[i].err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return 0;
    }
  }
  return metadata->topics[0].partition_cnt;
}

void wait_for_partitions(rd_kafka_t* handle, const std::string& topic, int partitions) {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(kRequestTimeoutMs);
  while (partition_count(handle, topic) != partitions) {
    if (std::chrono::steady_clock::now() > deadline) {
      fail("Topic " + topic, "its partitions got no leader");
    }
  }
}

std::optional<std::string> text_of(const void* data, size_t size) {
  if (data == nullptr) {
    return std::nullopt;
  }
  return std::string(static_cast<const char*>(data), size);
}

KafkaRecord record_of(const rd_kafka_message_t* message) {
  KafkaRecord record;
  record.partition = message->partition;
  record.offset = message->offset;
  rd_kafka_timestamp_type_t type;
  record.timestamp_ms = rd_kafka_message_timestamp(message, &type);
  record.key = text_of(message->key, message->key_len);
  record.value = text_of(message->payload, message->len);
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    size_t size = 0;
    for (size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i) {
      record.headers.emplace_back(name, text_of(value, size));
    }
  }
  return record;
}

NewTopic make_topic(const std::string& name, int partitions, int replicas,
                    const std::vector<std::pair<std::string, std::string>>& config) {
  char reason[512];
  NewTopic topic(rd_kafka_NewTopic_new(name.c_str(), partitions, replicas, reason, sizeof reason));
  if (topic == nullptr) {
    fail("Topic " + name, reason);
  }
  for (const auto& [key, value] : config) {
    rd_kafka_NewTopic_set_config(topic.get(), key.c_str(), value.c_str());
  }
  return topic;
}

void create(const std::string& brokers, const std::string& name, int partitions, NewTopic made) {
  Handle handle = make_handle(RD_KAFKA_PRODUCER, brokers, {});
  rd_kafka_NewTopic_t* topic = made.get();
  rd_kafka_queue_t* queue = rd_kafka_queue_new(handle.get());
  rd_kafka_CreateTopics(handle.get(), &topic, 1, nullptr, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, kRequestTimeoutMs);
  std::string error = event == nullptr ? "no answer" : "";
  if (event != nullptr) {
    size_t count = 0;
    const rd_kafka_CreateTopics_result_t* result = rd_kafka_event_CreateTopics_result(event);
    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      error = rd_kafka_event_error_string(event);
    } else if (const auto* const* topics = rd_kafka_CreateTopics_result_topics(result, &count);
               rd_kafka_topic_result_error(topics[0]) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      error = rd_kafka_topic_result_error_string(topics[0]);
    }
    rd_kafka_event_destroy(event);
  }
  rd_kafka_queue_destroy(queue);
  if (!error.empty()) {
    fail("Topic " + name, error);
  }
  wait_for_partitions(handle.get(), name, partitions);
}

// A broker tells of the leaders of a new topic before it knows that it is one: as the protocol has
// it, the client then asks for the leaders again.
void ask_offsets(rd_kafka_t* handle, const std::string& topic, int partition, int64_t* low,
                 int64_t* end) {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(kRequestTimeoutMs);
  for (;;) {
    const rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(
        handle, topic.c_str(), partition, low, end, kRequestTimeoutMs);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      return;
    }
    if (error != RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
        std::chrono::steady_clock::now() > deadline) {
      fail("Offsets of " + topic, rd_kafka_err2str(error));
    }
    partition_count(handle, topic);
  }
}

}  // namespace

void wait_for_partitions(const std::string& brokers, const std::string& topic, int partitions) {
  wait_for_partitions(make_handle(RD_KAFKA_PRODUCER, brokers, {}).get(), topic, partitions);
}

void create_topic(const std::string& brokers, const std::string& name, int partitions,
                  const std::vector<std::pair<std::string, std::string>>& config) {
  create(brokers, name, partitions, make_topic(name, partitions, 1, config));
}

void create_topic(const std::string& brokers, const std::string& name,
                  const std::vector<std::vector<int32_t>>& replicas,
                  const std::vector<std::pair<std::string, std::string>>& config) {
  const auto partitions = static_cast<int>(replicas.size());
  NewTopic topic = make_topic(name, partitions, -1, config);
  for (int32_t partition = 0; partition < partitions; ++partition) {
    std::vector<int32_t> nodes = replicas[static_cast<size_t>(partition)];
    char reason[512];
    if (rd_kafka_NewTopic_set_replica_assignment(topic.get(), partition, nodes.data(), nodes.size(),
                                                 reason,
                                                 sizeof reason) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      fail("Topic " + name, reason);
    }
  }
  create(brokers, name, partitions, std::move(topic));
}

void for_each_record(const std::string& brokers, const std::string& topic,
                     const std::function<void(const KafkaRecord&)>& visit,
                     const KafkaProperties& properties, int timeout_ms) {
  Handle consumer = make_handle(RD_KAFKA_CONSUMER, brokers, properties);
  rd_kafka_poll_set_consumer(consumer.get());
  Partitions partitions(rd_kafka_topic_partition_list_new(1));
  const int count = partition_count(consumer.get(), topic);
  std::vector<int64_t> ends(static_cast<size_t>(count));
  int open = 0;
  for (int i = 0; i < count; ++i) {
    int64_t low = 0;
    ask_offsets(consumer.get(), topic, i, &low, &ends[static_cast<size_t>(i)]);
    if (low < ends[static_cast<size_t>(i)]) {
      ++open;
      rd_kafka_topic_partition_list_add(partitions.get(), topic.c_str(), i)->offset = low;
    }
  }
  rd_kafka_assign(consumer.get(), partitions.get());

  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (open > 0) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer.get(), kPollMs);
    if (message != nullptr) {
      const auto index = static_cast<size_t>(message->partition);
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (message->offset < ends[index]) {
          visit(record_of(message));
        }
        if (message->offset + 1 == ends[index]) {
          --open;
          ends[index] = -1;
        }
      } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF && ends[index] >= 0) {
        --open;  // transaction markers take offsets, too, but are never seen
        ends[index] = -1;
      }
      rd_kafka_message_destroy(message);
    }
    if (std::chrono::steady_clock::now() > deadline) {
      fail("Reading " + topic, "took longer than " + std::to_string(timeout_ms) + " ms");
    }
  }
  rd_kafka_assign(consumer.get(), nullptr);
}

std::vector<KafkaRecord> read_all(const std::string& brokers, const std::string& topic,
                                  const KafkaProperties& properties, int timeout_ms) {
  std::vector<KafkaRecord> records;
  for_each_record(
      brokers, topic, [&records](const KafkaRecord& record) { records.push_back(record); },
      properties, timeout_ms);
  return records;
}

}  // namespace dstream::standin
