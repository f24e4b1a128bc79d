// The sink against three real brokers: leaders that move or are gone, replicas that fall behind.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "aftermath.h"
#include "sink_driver.h"
#include "tests/standins/kafka/kafka_client.h"
#include "tests/standins/kafka/kafka_cluster.h"

namespace eventhubs {
namespace {

using dstream::standin::KafkaCluster;
using dstream::standin::read_all;
using std::chrono::steady_clock;

constexpr int kKeys = 40;
constexpr double kInFlightBytesMax = 256 * 1024;
constexpr auto kPatience = std::chrono::seconds(60);

class SinkCluster : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = new KafkaCluster();
    cluster_->start();
  }
  static void TearDownTestSuite() {
    delete cluster_;
    cluster_ = nullptr;
  }
  static std::string topic() {
    return testing::UnitTest::GetInstance()->current_test_info()->name();
  }
  static std::string config() {
    return R"({"brokers":")" + cluster_->plaintext() + R"(","topic":")" + topic() +
           R"(","linger":"5ms","in_flight_bytes":"256KiB","backoff_min":"10ms",)"
           R"("backoff_max":"200ms","librdkafka":{"statistics.interval.ms":200,)"
           R"("request.timeout.ms":2000}})";
  }
  // Adds and writes until the predicate pleases; false if it does not in time.
  template <typename Predicate>
  bool write_until(SinkDriver& driver, const Predicate& pleases) {
    const auto give_up = steady_clock::now() + kPatience;
    while (!pleases() && steady_clock::now() < give_up) {
      if (driver.in_flight() < 5000) {
        add(driver, 100);
      }
      EXPECT_GE(driver.turn(5).status, 0);
    }
    return pleases();
  }
  void add(SinkDriver& driver, int count) {
    for (int i = 0; i < count; ++i, ++added_) {
      driver.add({.topic = topic(),
                  .key = "k" + std::to_string(added_ % kKeys),
                  .value = std::to_string(added_) + std::string(100, ' ')});
    }
  }
  void judge(SinkDriver& driver, const std::string& metric, const std::string& logged,
             int warnings_max) {
    eventhubs::judge(driver, read_all(cluster_->plaintext(), topic()),
                     {.count = added_,
                      .keys = kKeys,
                      .in_flight_bytes_max = kInFlightBytesMax,
                      .metric = metric,
                      .logged = logged,
                      .warnings_max = warnings_max});
    EXPECT_EQ(driver.rewinds(), 0) << "the client itself got over it";
  }

  static KafkaCluster* cluster_;
  int added_ = 0;
};

KafkaCluster* SinkCluster::cluster_ = nullptr;

// The leader of a third of the partitions dies; the others take over.
TEST_F(SinkCluster, GoesOnWhenALeaderDies) {
  cluster_->create_topic(topic(), {{1, 2, 3}, {2, 3, 1}, {3, 1, 2}},
                         {{"min.insync.replicas", "2"}});
  SinkDriver driver(config());
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  ASSERT_TRUE(write_until(driver, [&] { return driver.delivered() > 5000; }));
  cluster_->broker(1).kill9();
  const size_t before = driver.delivered();
  EXPECT_TRUE(write_until(driver, [&] { return driver.delivered() > before + 10'000; }));
  ASSERT_EQ(driver.run(60'000).status, DSTREAM_OK) << driver.breach();
  cluster_->broker(1).restart();
  judge(driver, "connection_errors", "No connection; messages wait.", 1);
}

// Fewer replicas than the topic wants: the broker holds a batch for request.timeout.ms, refuses
// those behind it, and says so to nobody but the client.
TEST_F(SinkCluster, WaitsForEnoughReplicas) {
  cluster_->create_topic(topic(), {{1, 2}}, {{"min.insync.replicas", "2"}});
  SinkDriver driver(config());
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  ASSERT_TRUE(write_until(driver, [&] { return driver.delivered() > 2000; }));
  cluster_->broker(2).kill9();
  EXPECT_TRUE(write_until(driver, [&] { return times_logged(driver, "A batch waits") == 1; }));
  EXPECT_EQ(times_logged(driver, "1 of 2 replicas are in sync"), 1u) << driver.host().logged();
  EXPECT_GE(driver.host().metric("oldest_batch_seconds"), 10);
  cluster_->broker(2).restart();
  EXPECT_TRUE(write_until(driver, [&] { return times_logged(driver, "answered again") == 1; }));
  ASSERT_EQ(driver.run(60'000).status, DSTREAM_OK) << driver.breach();
  judge(driver, "resent_messages", "Batches are answered again.", 2);
}

// Nobody else has the partition: what is for the others goes on.
TEST_F(SinkCluster, WaitsForTheOnlyReplica) {
  cluster_->create_topic(topic(), {{3}, {1}});
  SinkDriver driver(config());
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  ASSERT_TRUE(write_until(driver, [&] { return driver.delivered() > 2000; }));
  cluster_->broker(3).kill9();
  EXPECT_TRUE(write_until(driver, [&] { return times_logged(driver, "A batch waits") == 1; }));
  cluster_->broker(3).restart();
  ASSERT_EQ(driver.run(60'000).status, DSTREAM_OK) << driver.breach();
  judge(driver, "connection_errors", "No connection; messages wait.", 2);
}

}  // namespace
}  // namespace eventhubs
