#include "tests/end_to_end/stream_reader.h"

#include <librdkafka/rdkafka.h>

#include <stdexcept>

namespace dstream::end_to_end {
namespace {
constexpr int kPollMs = 100;
}

StreamReader::StreamReader(const std::string& brokers, const std::vector<std::string>& topics,
                           int partitions, std::function<void(const StreamMessage&)> visit)
    : visit_(std::move(visit)) {
  char error[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  const std::pair<const char*, const char*> settings[] = {{"bootstrap.servers", brokers.c_str()},
                                                          {"group.id", "end-to-end"},
                                                          {"enable.auto.commit", "false"},
                                                          {"isolation.level", "read_committed"},
                                                          {"log_level", "0"},
                                                          {"reconnect.backoff.max.ms", "500"}};
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name, value, error, sizeof error) != RD_KAFKA_CONF_OK) {
      throw std::runtime_error(error);
    }
  }
  rd_kafka_t* consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
  if (consumer == nullptr) {
    throw std::runtime_error(error);
  }
  rd_kafka_poll_set_consumer(consumer);
  auto* list = rd_kafka_topic_partition_list_new(static_cast<int>(topics.size()) * partitions);
  for (const auto& topic : topics) {
    for (int partition = 0; partition < partitions; ++partition) {
      rd_kafka_topic_partition_list_add(list, topic.c_str(), partition)->offset =
          RD_KAFKA_OFFSET_BEGINNING;
    }
  }
  rd_kafka_assign(consumer, list);
  rd_kafka_topic_partition_list_destroy(list);
  consumer_ = consumer;
  thread_ = std::thread([this] { run(); });
}

StreamReader::~StreamReader() {
  stopping_ = true;
  thread_.join();
  auto* consumer = static_cast<rd_kafka_t*>(consumer_);
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
}

void StreamReader::run() {
  auto* consumer = static_cast<rd_kafka_t*>(consumer_);
  auto text = [](const void* data, size_t size) {
    return std::string(static_cast<const char*>(data), data == nullptr ? 0 : size);
  };
  while (!stopping_) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer, kPollMs);
    if (message == nullptr) {
      continue;
    }
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      visit_({rd_kafka_topic_name(message->rkt), text(message->key, message->key_len),
              text(message->payload, message->len), message->payload == nullptr});
    }
    rd_kafka_message_destroy(message);
  }
}

}  // namespace dstream::end_to_end
