// The topics messages go to, their partitions, and which partition a key belongs to.
//
// The sink chooses partitions itself, with the count it asked for when it first saw the topic, and
// keeps to that count until it is told of another: a topic that grows changes the place of its keys
// only when nothing is under way (I3).
//
// Thread rule: [worker].
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "line.h"
#include "producer.h"

namespace eventhubs {

struct Topic {
  std::string name;
  rd_kafka_topic_t* handle = nullptr;
  std::vector<Line> lines;     // empty: not known yet
  uint32_t keyless_count = 0;  // messages without a key so far
  bool created = false;        // by us, so that it may take a moment until all brokers know it
  bool has_grown = false;      // it has more partitions than there are lines
  uint64_t counted_for = 0;    // messages offered when the cluster last said how many it has
  bool count_wanted = false;   // a message behind those waits for one that is not there
  bool is_ready() const { return !lines.empty(); }
};

class Topics {
 public:
  // `everything_to` not empty: all messages go there, whatever topic they name.
  Topics(Partitioner partitioner, std::string everything_to)
      : partitioner_(partitioner), everything_to_(std::move(everything_to)) {}

  // The topic of a message; opened with the producer when first seen.
  Topic& of(const dstream_message& message, Producer& producer) {
    if (message.topic_id < by_id_.size() && by_id_[message.topic_id] != nullptr) {
      return *by_id_[message.topic_id];
    }
    return open_for(message, producer);
  }
  Topic& open(const std::string& name, Producer& producer);

  // nullptr: the message asks for a partition that is not there. REQUIRES: the topic is ready.
  Line* line_of(Topic& topic, const dstream_message& message) const;

  // A topic that was asked for and is not ready; nullptr if there is none.
  Topic* first_unready() const;

  // Forgets all: the producer they belong to is gone.
  void clear();

  auto begin() const { return topics_.begin(); }
  auto end() const { return topics_.end(); }

 private:
  Topic& open_for(const dstream_message& message, Producer& producer);

  Partitioner partitioner_;
  std::string everything_to_;
  std::vector<std::unique_ptr<Topic>> topics_;
  std::vector<Topic*> by_id_;
};

}  // namespace eventhubs
