#include "topics.h"

namespace eventhubs {
namespace {

constexpr uint32_t kTopicIdsMax = 1 << 16;  // above that a topic is looked up by name
constexpr uint32_t kKeylessRun = 256;       // messages without a key that stay together

}  // namespace

Topic& Topics::open(const std::string& name, Producer& producer) {
  for (const auto& topic : topics_) {
    if (topic->name == name) {
      return *topic;
    }
  }
  auto topic = std::make_unique<Topic>();
  topic->name = name;
  topic->handle = producer.open_topic(name, topic.get());
  topics_.push_back(std::move(topic));
  return *topics_.back();
}

Topic& Topics::open_for(const dstream_message& message, Producer& producer) {
  Topic& topic = open(everything_to_.empty() ? message.topic : everything_to_, producer);
  if (message.topic_id < kTopicIdsMax) {
    if (message.topic_id >= by_id_.size()) {
      by_id_.resize(message.topic_id + 1);
    }
    by_id_[message.topic_id] = &topic;
  }
  return topic;
}

Line* Topics::line_of(Topic& topic, const dstream_message& message) const {
  const auto count = static_cast<int32_t>(topic.lines.size());
  int32_t partition = message.partition;
  if (partition >= count) {
    return nullptr;
  }
  if (partition < 0 && message.key.data == nullptr) {
    partition =
        static_cast<int32_t>(topic.keyless_count++ / kKeylessRun % static_cast<uint32_t>(count));
  } else if (partition < 0) {
    // librdkafka's own functions; they look at nothing but the key.
    const auto choose = partitioner_ == Partitioner::kMurmur2 ? &rd_kafka_msg_partitioner_murmur2
                        : partitioner_ == Partitioner::kCrc32 ? &rd_kafka_msg_partitioner_consistent
                                                              : &rd_kafka_msg_partitioner_fnv1a;
    partition = choose(topic.handle, message.key.data, message.key.size, count, nullptr, nullptr);
  }
  return &topic.lines[static_cast<size_t>(partition)];
}

Topic* Topics::first_unready() const {
  for (const auto& topic : topics_) {
    if (!topic->is_ready()) {
      return topic.get();
    }
  }
  return nullptr;
}

void Topics::clear() {
  topics_.clear();
  by_id_.clear();
}

}  // namespace eventhubs
