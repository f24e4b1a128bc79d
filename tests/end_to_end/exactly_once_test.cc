// delivery: exactly_once against a real broker: hosts are killed, moved to other state folders and
// started twice, the broker is killed, and a reader of committed messages counts each change once.
//
// DSTREAM_SEED=n repeats the choices; DSTREAM_KILLS=n changes how often a host is killed (100).

#include <gtest/gtest.h>
#include <signal.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "tests/end_to_end/bank.h"
#include "tests/end_to_end/child.h"
#include "tests/standins/kafka/kafka_broker.h"
#include "tests/standins/kafka/kafka_client.h"
#include "tests/standins/kafka/kafka_proxy.h"

namespace dstream::end_to_end {
namespace {

using standin::KafkaBroker;
using standin::KafkaRecord;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kKeys = 40;
constexpr int kPartitions = 4;

// The number of the change that a message carries: of the row as it is after it.
int sequence_of(const KafkaRecord& record) {
  const std::string& json = record.value.value();
  const std::string name = "\"sequence\":";
  const size_t at = json.find(name, json.find("\"after\":"));
  return at == std::string::npos ? -1 : std::atoi(json.c_str() + at + name.size());
}

class ExactlyOnce : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    broker_ = new KafkaBroker();
    broker_->start();
  }
  static void TearDownTestSuite() {
    delete broker_;
    broker_ = nullptr;
  }
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("dstream-exactly-" + std::to_string(getpid()) + "-" + topic());
    std::filesystem::create_directories(folder_);
    broker_->create_topic(topic(), kPartitions);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static std::string topic() {
    return testing::UnitTest::GetInstance()->current_test_info()->name();
  }
  std::string name() const { return "exact-" + std::to_string(rows_); }
  // `connection`: the keys of the sink that say where the broker is; empty: as Event Hubs.
  void configure(int rows, int rate, std::string connection = "",
                 const std::string& interval = "50ms") {
    rows_ = rows;
    if (connection.empty()) {
      connection = "connection: \"" + broker_->connection_string() +
                   "\"\n      tls: {ca_file: " + broker_->ca_file() + "}";
    }
    std::ofstream(folder_ / "dstream.yaml")
        << "pipelines:\n  - name: " << name() << "\n    source: {type: generator, rows: " << rows
        << ", rate: " << rate << ", keys: " << kKeys << ", transaction_size: 7, size: 100}\n"
        << "    sink:\n      type: eventhubs\n      " << connection << "\n      topic: " << topic()
        << "\n      linger: 2ms\n      backoff_min: 10ms\n      backoff_max: 200ms\n"
        << "    delivery: exactly_once\n    format: {type: json}\n"
        << "    checkpoint: {interval: " << interval << "}\n    retry: {backoff_max: 500ms}\n";
  }
  // As on the machine of that name: each has a state folder of its own.
  std::unique_ptr<Child> start(const std::string& machine) {
    return std::make_unique<Child>(std::vector<std::string>{
        DSTREAM_PROGRAM, "run", (folder_ / "dstream.yaml").string(), "--plugin-dir",
        DSTREAM_PLUGIN_DIR, "--state-dir", (folder_ / machine).string(), "--log-level", "info"});
  }
  static std::vector<KafkaRecord> committed() {
    return standin::read_all(broker_->plaintext(), topic(),
                             {{"isolation.level", "read_committed"}});
  }
  // A commit is confirmed a moment before it is seen.
  std::vector<KafkaRecord> wait_committed(size_t count) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(30);
    auto found = committed();
    while (found.size() < count && std::chrono::steady_clock::now() < deadline) {
      found = committed();
    }
    return found;
  }
  // Each change once, the changes of a key in order.
  void judge(const std::vector<KafkaRecord>& records) const {
    std::map<int, int> last;
    for (const KafkaRecord& record : records) {
      const int sequence = sequence_of(record);
      const int key = (sequence - 1) % kKeys;
      const int expected = last.count(key) == 0 ? key + 1 : last[key] + kKeys;
      ASSERT_EQ(sequence, expected) << (sequence < expected ? "twice" : "missing or out of order");
      last[key] = sequence;
    }
    EXPECT_EQ(records.size(), static_cast<size_t>(rows_));
  }

  static KafkaBroker* broker_;
  std::filesystem::path folder_;
  int rows_ = 0;
};

KafkaBroker* ExactlyOnce::broker_ = nullptr;

TEST_F(ExactlyOnce, AcrossKillsOfHostsAndBrokers) {
  const uint64_t seed = number_from_environment("DSTREAM_SEED", std::random_device()());
  const uint64_t kills = number_from_environment("DSTREAM_KILLS", 100);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  auto choose = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  configure(40'000, 2000);
  int ended = 0;
  for (uint64_t kill = 0; kill < kills; ++kill) {
    auto host = start("machine-" + std::to_string(choose(1, 3)));
    if (kill % 40 == 20) {
      host->wait_line("The pipeline is running", seconds(30));
      broker_->kill9();
      broker_->restart();
    }
    // Half of the kills let it deliver first; the others hit its start.
    if (choose(0, 1) == 0) {
      host->wait_line("The pipeline is running", seconds(30));
    }
    const auto early = host->wait_exit(milliseconds(choose(0, 400)));
    if (early) {
      ASSERT_EQ(*early, 0) << host->output();
      ++ended;
    }
    host->signal(choose(0, 9) == 0 ? SIGTERM : SIGKILL);
    ASSERT_TRUE(host->wait_exit(seconds(40))) << host->output();
  }
  const size_t before = committed().size();
  auto last = start("machine-4");
  const auto code = last->wait_exit(seconds(90));
  ASSERT_TRUE(code) << last->output();
  EXPECT_EQ(*code, 0) << last->output();
  judge(wait_committed(static_cast<size_t>(rows_)));
  std::printf("%zu of %d changes were delivered between kills, %d runs ended by themselves\n",
              before, rows_, ended);
}

TEST_F(ExactlyOnce, WithTwoHostsOnOnePipeline) {
  configure(30'000, 3000);
  auto first = start("first");
  ASSERT_TRUE(first->wait_line("The pipeline is running", seconds(60))) << first->output();
  // Its checkpoint file follows its first commit.
  const auto file = folder_ / "first" / (name() + ".checkpoint");
  const auto deadline = std::chrono::steady_clock::now() + seconds(30);
  while (!std::filesystem::exists(file) && std::chrono::steady_clock::now() < deadline) {
    first->wait_exit(milliseconds(5));
  }
  ASSERT_TRUE(std::filesystem::exists(file)) << first->output();
  auto second = start("second");
  const auto first_code = first->wait_exit(seconds(60));
  ASSERT_TRUE(first_code) << "the first goes on beside the second\n" << first->output();
  EXPECT_NE(*first_code, 0);
  EXPECT_NE(first->output().find("Another host runs this pipeline"), std::string::npos)
      << first->output();
  const auto second_code = second->wait_exit(seconds(60));
  ASSERT_TRUE(second_code) << second->output();
  EXPECT_EQ(*second_code, 0) << second->output();
  judge(wait_committed(static_cast<size_t>(rows_)));
}

// The connection is cut wherever it falls: in batches, in commits, and in their answers.
TEST_F(ExactlyOnce, AcrossCutConnections) {
  const uint64_t seed = number_from_environment("DSTREAM_SEED", std::random_device()());
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  standin::KafkaProxy proxy(broker_->plaintext());
  standin::TcpProxy& line = proxy.broker(0);
  configure(20'000, 2000,
            "brokers: " + proxy.brokers() +
                "\n      librdkafka: {reconnect.backoff.ms: 10, reconnect.backoff.max.ms: 100}");
  auto host = start("machine");
  ASSERT_TRUE(host->wait_line("The pipeline is running", seconds(60))) << host->output();
  std::optional<int> code;
  uint64_t cuts = 0;
  const auto deadline = std::chrono::steady_clock::now() + seconds(200);
  while (!code && std::chrono::steady_clock::now() < deadline) {
    if (cuts < 20 && line.counts().cuts >= cuts) {
      ++cuts;
      random() % 2 == 0 ? line.cut_after(standin::TcpProxy::Direction::kToServer, random() % 60'000)
                        : line.cut_after(standin::TcpProxy::Direction::kToClient, random() % 3'000);
    }
    code = host->wait_exit(milliseconds(100));
  }
  ASSERT_TRUE(code) << host->output();
  EXPECT_EQ(*code, 0) << host->output();
  EXPECT_GE(line.counts().cuts, 10u);
  judge(wait_committed(static_cast<size_t>(rows_)));
}

// The host is stopped for longer than the broker keeps a transaction: what was in it is given up,
// and written again when the host goes on.
TEST_F(ExactlyOnce, AfterATransactionThatTheBrokerGaveUp) {
  constexpr auto kLongerThanATransaction = seconds(65);
  configure(21'000, 2000, "", "1s");
  auto host = start("machine");
  ASSERT_TRUE(host->wait_line("The pipeline is running", seconds(60))) << host->output();
  ASSERT_GT(wait_committed(2000).size(), 0u) << host->output();
  host->signal(SIGSTOP);
  EXPECT_FALSE(host->wait_exit(kLongerThanATransaction)) << host->output();
  const size_t before = committed().size();
  EXPECT_LT(before, static_cast<size_t>(rows_));
  host->signal(SIGCONT);
  const auto code = host->wait_exit(seconds(90));
  ASSERT_TRUE(code) << host->output();
  EXPECT_EQ(*code, 0) << host->output();
  judge(wait_committed(static_cast<size_t>(rows_)));
}

}  // namespace
}  // namespace dstream::end_to_end
