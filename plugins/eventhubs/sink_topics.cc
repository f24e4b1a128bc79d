// What the sink does about its topics: makes missing ones where it may, and notices more
// partitions.
#include <algorithm>

#include "error_class.h"
#include "sink.h"
#include "topic_admin.h"

namespace eventhubs {
namespace {

using dstream::Error;

constexpr int64_t kMs = 1'000'000;  // nanoseconds
constexpr int kCreateWaitMs = 5'000;
constexpr int kCountWaitMs = 300;

// Answers that only another configuration, or somebody else, changes.
bool is_final(int code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_REQUEST:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
      return true;
    default:
      return classify(code) == ErrorClass::kConfig;
  }
}

}  // namespace

// True: the topic is missing, and need not be for long.
bool Sink::is_being_made(Topic& topic, int code) {
  if (code != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
    return false;
  }
  if (settings_.create_topics && !topic.created) {
    create_missing(topic);
  }
  return settings_.auto_create_topics || settings_.create_topics.has_value();
}

// Throws dstream::Error (CONFIG, DENIED) if it cannot be made. What may pass is tried again by the
// next question about the topic.
void Sink::create_missing(Topic& topic) {
  const NewTopics& wanted = *settings_.create_topics;
  std::string reason;
  const int code = create_topic(producer_->handle(), topic.name, wanted.partitions,
                                wanted.replication, wanted.config, kCreateWaitMs, &reason);
  read_clock();
  const std::string text = scrubber_.clean(reason);
  if (code == 0) {
    topic.created = true;
    metrics_.topics_created.add();
    host_.info("Made a topic that was missing.",
               {{"topic", topic.name}, {"partitions", wanted.partitions}});
  } else if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
             code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED) {
    throw Error(DSTREAM_DENIED,
                "Topic " + topic.name + " is not there and may not be made (" + text +
                    "). Give the user the right to create it, or create it yourself.",
                code);
  } else if (is_final(code)) {
    throw Error(
        DSTREAM_CONFIG,
        "/create_topics: Topic " + topic.name + " is not there and cannot be made (" + text + ").",
        code);
  } else {
    host_.warn("A missing topic could not be made; it is tried again.",
               {{"topic", topic.name}, {"reason", text}});
  }
}

// Everything that is under way is delivered before the new partitions are used: see above
// look_for_partitions().
void Sink::note_growth(Topic& topic, int32_t partitions) {
  topic.has_grown = true;
  growing_ = true;
  metrics_.partition_changes.add();
  status_.found_partitions(topic.name, topic.lines.size(), static_cast<size_t>(partitions),
                           now_ns_);
  host_.warn(
      "A topic has more partitions; its keys move to other ones when all that is under "
      "way has been delivered.",
      {{"topic", topic.name}, {"from", topic.lines.size()}, {"to", partitions}});
}

// A message waits for a partition that was not there when the topic was last asked about. What the
// cluster does not answer now it is asked again by the next poll: nothing is rejected for a count
// that is out of date (I5).
void Sink::count_wanted() {
  for (const auto& topic : topics_) {
    if (growing_ || !topic->is_ready() || !topic->count_wanted) {
      continue;
    }
    const Producer::TopicAnswer answer = producer_->ask(topic->handle, kCountWaitMs);
    read_clock();
    if (answer.code != 0 || answer.partitions <= 0) {
      return;
    }
    topic->count_wanted = false;
    topic->counted_for = offered_messages_;
    if (answer.partitions > static_cast<int32_t>(topic->lines.size())) {
      note_growth(*topic, answer.partitions);
    }
  }
}

// Keys have other places in a topic with more partitions. Messages under way go where they were
// meant to; nothing is accepted until they are there, so that those behind them cannot be read
// first (I3). One question for all topics, now and then, and only while the connection works.
void Sink::look_for_partitions() {
  if (settings_.partition_check_ms == 0 || growing_ || trouble_ ||
      now_ns_ < partition_check_at_ns_) {
    return;
  }
  const bool first = partition_check_at_ns_ < producer_since_ns_;
  partition_check_at_ns_ = now_ns_ + settings_.partition_check_ms * kMs;
  if (first) {
    return;  // their counts have just been asked for
  }
  for (const auto& answer : producer_->count_partitions(kCountWaitMs)) {
    const int32_t partitions = answer.second;
    const auto topic = std::find_if(topics_.begin(), topics_.end(),
                                    [&](const auto& each) { return each->name == answer.first; });
    if (topic == topics_.end() || !(*topic)->is_ready() ||
        partitions <= static_cast<int32_t>((*topic)->lines.size())) {
      continue;
    }
    note_growth(**topic, partitions);
  }
  read_clock();
}

void Sink::take_partitions() {
  if (!growing_ || state_ != State::kRunning || sent_messages_ > 0 || !waiting_.empty()) {
    return;
  }
  for (const auto& topic : topics_) {
    if (topic->has_grown) {
      topic->has_grown = false;
      topic->lines.clear();  // asked for anew before anything is accepted for it
      host_.info("More partitions of a topic are used from now on.", {{"topic", topic->name}});
    }
  }
  growing_ = false;
  status_.uses_partitions();
}

}  // namespace eventhubs
