// The broker stops answering, and the broker dies: memory stays in budget, nothing is lost, and the
// host is still there.
//
// DSTREAM_STALL_SECONDS=n changes how long the broker is stopped (60).

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>

#include "tests/end_to_end/bank.h"

namespace dstream::end_to_end {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// The queue's budget is 8 MiB; librdkafka, ODBC and the program itself come on top of it.
constexpr long kResidentKibMax = 96 * 1024;

long resident_kib(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::string word;
  while (status >> word) {
    if (word == "VmRSS:") {
      long kib = 0;
      status >> kib;
      return kib;
    }
  }
  return 0;
}

class BrokerOutage : public testing::Test {
 protected:
  void SetUp() override {
    reader_ = std::make_unique<StreamReader>(
        bank_.broker().plaintext(), std::vector<std::string>{Bank::kTopic}, Bank::kPartitions,
        [this](const StreamMessage& message) { Bank::judge(message, &ledger_); });
    writing_ = std::thread([this] { writer_.run(stopping_); });
    host_ = bank_.start_host("info");
    ASSERT_TRUE(ledger_.wait_arrivals(500, seconds(60))) << host_->output();
  }

  // Everything committed arrives, and SIGTERM still drains.
  void finish() {
    stopping_ = true;
    writing_.join();
    EXPECT_TRUE(ledger_.wait_complete(seconds(120))) << host_->output();
    host_->signal(SIGTERM);
    auto code = host_->wait_exit(seconds(40));
    ASSERT_TRUE(code) << "SIGTERM was not honoured";
    EXPECT_EQ(*code, 143) << host_->output();
    for (const auto& breach : ledger_.verdict()) {
      ADD_FAILURE() << breach;
    }
    std::printf("committed %llu, duplicates %llu\n",
                static_cast<unsigned long long>(ledger_.committed_count()),
                static_cast<unsigned long long>(ledger_.duplicates()));
  }

  void TearDown() override {
    if (writing_.joinable()) {
      stopping_ = true;
      writing_.join();
    }
  }

  Bank bank_;
  Ledger ledger_;
  std::unique_ptr<StreamReader> reader_;
  BankWriter writer_{bank_.port(), 7, &ledger_};
  std::atomic<bool> stopping_{false};
  std::thread writing_;
  std::unique_ptr<Child> host_;
};

TEST_F(BrokerOutage, StalledForAMinute) {
  auto stall = seconds(number_from_environment("DSTREAM_STALL_SECONDS", 60));
  bank_.broker().pause();
  auto end = std::chrono::steady_clock::now() + stall;
  long peak_kib = 0;
  while (std::chrono::steady_clock::now() < end) {
    ASSERT_FALSE(host_->wait_exit(milliseconds(250))) << host_->output();
    peak_kib = std::max(peak_kib, resident_kib(host_->pid()));
  }
  bank_.broker().resume();
  std::printf("stalled %lld s, peak resident %ld KiB\n", static_cast<long long>(stall.count()),
              peak_kib);
  EXPECT_LT(peak_kib, kResidentKibMax);
  finish();
}

TEST_F(BrokerOutage, KilledAndStartedAgain) {
  bank_.broker().kill9();
  EXPECT_FALSE(host_->wait_exit(seconds(3))) << host_->output();
  bank_.broker().restart();
  ASSERT_TRUE(ledger_.wait_arrivals(500, seconds(60))) << host_->output();
  finish();
}

}  // namespace
}  // namespace dstream::end_to_end
