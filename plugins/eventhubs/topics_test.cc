#include "topics.h"

#include <gtest/gtest.h>

#include <set>

#include "sink_driver.h"

namespace eventhubs {
namespace {

class Silent : public ProducerListener {
  void on_report(const rd_kafka_message_t&) override {}
  void on_error(int, const std::string&, bool) override {}
  void on_throttle(int) override {}
  void on_statistics(uint64_t) override {}
};

class TopicsTest : public testing::Test {
 protected:
  static Settings settings() {
    Settings out;
    out.brokers = "127.0.0.1:1";  // nobody is asked
    return out;
  }
  int32_t partition_of(Partitioner partitioner, const std::string& key, int partitions) {
    Topics topics(partitioner, "");
    Topic& topic = topics.open("t", producer_);
    topic.lines.resize(static_cast<size_t>(partitions));
    for (int i = 0; i < partitions; ++i) {
      topic.lines[static_cast<size_t>(i)].partition = i;
    }
    dstream_message message{};
    message.partition = -1;
    message.key = dstream::bytes(key);
    return topics.line_of(topic, message)->partition;
  }

  Settings settings_ = settings();
  Scrubber scrubber_{{}};
  TestHost host_;
  Silent silent_;
  Metrics metrics_{dstream::Host(host_.raw())};
  Producer producer_{settings_, settings_.batch, dstream::Host(host_.raw()),
                     scrubber_, metrics_,        silent_};
};

// Values of org.apache.kafka.common.utils.Utils.murmur2, as Kafka's own test lists them.
TEST_F(TopicsTest, ChoosesThePartitionThatJavaChooses) {
  const std::pair<const char*, int32_t> kHashes[] = {
      {"21", -973932308},
      {"foobar", -790332482},
      {"a-little-bit-long-string", -985981536},
      {"a-little-bit-longer-string", -1486304829},
      {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
      {"abc", 479470107}};
  for (const auto& [key, hash] : kHashes) {
    for (const int partitions : {1, 4, 7, 32}) {
      EXPECT_EQ(partition_of(Partitioner::kMurmur2, key, partitions),
                (hash & 0x7fffffff) % partitions)
          << key;
    }
  }
}

TEST_F(TopicsTest, KnowsOtherPartitioners) {
  // CRC-32 of "123456789" is 0xCBF43926 by definition.
  EXPECT_EQ(partition_of(Partitioner::kCrc32, "123456789", 1000),
            static_cast<int32_t>(0xCBF43926u % 1000));
  // FNV-1a, 32 bits, of "foobar" is 0xBF9CF968; Sarama takes the absolute value of the signed hash.
  const int32_t fnv = static_cast<int32_t>(0xBF9CF968u);
  EXPECT_EQ(partition_of(Partitioner::kFnv1a, "foobar", 1000), -fnv % 1000);
}

TEST_F(TopicsTest, SpreadsMessagesWithoutAKey) {
  Topics topics(Partitioner::kMurmur2, "");
  Topic& topic = topics.open("t", producer_);
  topic.lines.resize(4);
  dstream_message message{};
  message.partition = -1;
  std::set<Line*> seen;
  for (int i = 0; i < 2000; ++i) {
    seen.insert(topics.line_of(topic, message));
  }
  EXPECT_EQ(seen.size(), 4u);
}

TEST_F(TopicsTest, TakesThePartitionOfTheMessage) {
  Topics topics(Partitioner::kMurmur2, "");
  Topic& topic = topics.open("t", producer_);
  topic.lines.resize(4);
  dstream_message message{};
  message.partition = 3;
  EXPECT_EQ(topics.line_of(topic, message), &topic.lines[3]);
  message.partition = 4;
  EXPECT_EQ(topics.line_of(topic, message), nullptr);
}

TEST_F(TopicsTest, FindsTopicsByIdAndByName) {
  Topics topics(Partitioner::kMurmur2, "");
  dstream_message message{};
  message.topic = "a";
  message.topic_id = 0;
  Topic& a = topics.of(message, producer_);
  EXPECT_EQ(&topics.of(message, producer_), &a);
  message.topic = "b";
  message.topic_id = 4'000'000'000;
  Topic& b = topics.of(message, producer_);
  EXPECT_NE(&a, &b);
  EXPECT_EQ(&topics.of(message, producer_), &b);
  EXPECT_EQ(b.name, "b");
}

TEST_F(TopicsTest, SendsEverythingToTheEventHubOfTheConnection) {
  Topics topics(Partitioner::kMurmur2, "hub");
  dstream_message message{};
  message.topic = "db.dbo.Orders";
  EXPECT_EQ(topics.of(message, producer_).name, "hub");
}

}  // namespace
}  // namespace eventhubs
