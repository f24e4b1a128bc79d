// delivery: exactly_once from SQL Server to Kafka: the host is killed at random moments, both its
// connections are cut wherever that falls, the broker is killed, a second host takes the pipeline
// over, and two writers go on all the time. A reader of committed messages has every change once,
// in commit order per key.
//
// DSTREAM_SEED=n repeats the choices; DSTREAM_KILLS=n changes how often the host is killed (12; 100
// is the full form).

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/end_to_end/bank.h"
#include "tests/standins/kafka/kafka_client.h"

namespace dstream::end_to_end {
namespace {

using standin::TcpProxy;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kTables = 3;
constexpr int kWriters = 2;
constexpr int kMachines = 3;
constexpr uint64_t kBacklogMax = 20'000;  // changes that the writers may be ahead
constexpr seconds kPatience{60};

class ExactlyOnceFromSqlServer : public testing::Test {
 protected:
  ExactlyOnceFromSqlServer() {
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed_));
    for (int number = 0; number < kWriters; ++number) {
      writers_.push_back(std::make_unique<BankWriter>(
          bank_.port(), seed_ + static_cast<uint64_t>(number) + 1, &ledger_, kTables, number));
      threads_.emplace_back([this, writer = writers_.back().get()] { write(*writer); });
    }
  }
  ~ExactlyOnceFromSqlServer() override { stop_writers(); }

  void write(BankWriter& writer) {
    while (!idle_ || writer.large_transaction_wanted()) {
      if (idle_ || ledger_.committed_count() < seen_.arrived_count() + kBacklogMax) {
        writer.write();
      } else {
        seen_.wait_arrivals(1, milliseconds(50));
      }
    }
  }
  void stop_writers() {
    idle_ = true;
    for (std::thread& each : threads_) {
      each.join();
    }
    threads_.clear();
  }

  int choose(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
  std::unique_ptr<Child> start_anywhere() {
    return bank_.start_host("info", "machine-" + std::to_string(choose(1, kMachines)));
  }
  void expect_running(Child& host) {
    ASSERT_TRUE(host.wait_line("The pipeline is running", kPatience)) << host.output();
  }

  // What happens to the host before it is killed; it goes on by itself after each.
  void cut_somewhere() {
    const auto direction =
        choose(0, 1) == 0 ? TcpProxy::Direction::kToServer : TcpProxy::Direction::kToClient;
    TcpProxy& line = choose(0, 1) == 0 ? bank_.broker_line() : bank_.database_line();
    line.cut_after(direction, static_cast<uint64_t>(choose(0, 60'000)));
  }
  void restart_broker() {
    bank_.broker().kill9();
    bank_.broker().restart();
  }
  // One of two hosts, and it says why, ends; which one depends on who commits when.
  void start_second(std::unique_ptr<Child>& host) {
    expect_running(*host);
    auto second = bank_.start_host("info", "second");
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    std::optional<int> code;
    while (!code && std::chrono::steady_clock::now() < deadline) {
      code = host->wait_exit(milliseconds(50));
      if (!code && (code = second->wait_exit(milliseconds(50)))) {
        std::swap(host, second);
      }
    }
    ASSERT_TRUE(code) << "both go on\n" << host->output() << "\nbeside\n" << second->output();
    EXPECT_NE(*code, 0);
    EXPECT_NE(host->output().find("Another host runs this pipeline"), std::string::npos)
        << host->output();
    std::swap(host, second);
    ++fenced_;
  }

  // Waits until as much has come as was committed, and stops the host in good order.
  void finish(Child& host) {
    stop_writers();
    const auto deadline = std::chrono::steady_clock::now() + 2 * kPatience;
    while (seen_.arrived_count() < ledger_.committed_count() &&
           std::chrono::steady_clock::now() < deadline) {
      seen_.wait_arrivals(1, seconds(1));
    }
    host.signal(SIGTERM);
    const auto code = host.wait_exit(kPatience);
    ASSERT_TRUE(code) << "SIGTERM was not honoured\n" << host.output();
    EXPECT_EQ(*code, 143) << host.output();
  }
  void judge() {
    for (const std::string& topic : bank_.topics()) {
      standin::for_each_record(
          bank_.broker().plaintext(), topic,
          [&](const standin::KafkaRecord& record) {
            Bank::judge({topic, record.key.value_or(""), record.value.value_or(""), !record.value},
                        &ledger_);
          },
          {{"isolation.level", "read_committed"}});
    }
    for (const std::string& breach : ledger_.verdict_exactly_once()) {
      ADD_FAILURE() << breach;
    }
    EXPECT_EQ(ledger_.arrived_count(), ledger_.committed_count());
  }

  const uint64_t seed_ = number_from_environment("DSTREAM_SEED", std::random_device()());
  std::mt19937_64 random_{seed_};
  Bank bank_{{.tables = kTables, .delivery = "exactly_once", .proxies = true}};
  Ledger ledger_;  // what was committed, and at the end what a reader has
  Ledger seen_;    // what has arrived so far
  StreamReader reader_{bank_.broker().plaintext(), bank_.topics(), Bank::kPartitions,
                       [this](const StreamMessage& message) { Bank::judge(message, &seen_); }};
  std::atomic<bool> idle_{false};
  std::vector<std::unique_ptr<BankWriter>> writers_;
  std::vector<std::thread> threads_;
  int fenced_ = 0;
};

TEST_F(ExactlyOnceFromSqlServer, AcrossKillsCutsRestartsAndSecondHosts) {
  const uint64_t kills = number_from_environment("DSTREAM_KILLS", 12);
  for (uint64_t kill = 0; kill < kills; ++kill) {
    auto host = start_anywhere();
    if (kill == kills / 3) {
      writers_.front()->want_large_transaction();
    }
    if (kill % 40 == kills * 2 / 3 % 40) {
      expect_running(*host);
      restart_broker();
    } else if (kill % 10 == 3) {
      ASSERT_NO_FATAL_FAILURE(start_second(host));
    } else if (kill % 2 == 0) {
      cut_somewhere();
    }
    // Half of the kills wait for progress first; the others hit start-up, recovery and idle too.
    if (choose(0, 1) == 0) {
      seen_.wait_arrivals(static_cast<uint64_t>(choose(1, 3000)), seconds(5));
    }
    const auto early = host->wait_exit(milliseconds(choose(0, 600)));
    ASSERT_FALSE(early) << "the host ended by itself:\n" << host->output();
    host->signal(SIGKILL);
    ASSERT_TRUE(host->wait_exit(kPatience));
  }
  auto last = start_anywhere();
  ASSERT_NO_FATAL_FAILURE(finish(*last));
  judge();
  const uint64_t cuts = bank_.broker_line().counts().cuts + bank_.database_line().counts().cuts;
  std::printf("kills %llu, cuts %llu, second hosts %d, committed changes %llu, messages %llu\n",
              static_cast<unsigned long long>(kills), static_cast<unsigned long long>(cuts),
              fenced_, static_cast<unsigned long long>(ledger_.committed_count()),
              static_cast<unsigned long long>(ledger_.arrived_count()));
  EXPECT_GT(fenced_, 0);
  EXPECT_GT(cuts, 0u);
  EXPECT_GT(ledger_.committed_count(), uint64_t{BankWriter::kLargeTransactionRows});
}

}  // namespace
}  // namespace dstream::end_to_end
