// The host is killed at random moments under load, against the real broker, with a transaction of
// 50,000 rows in the mix. Every committed change has to arrive, in order per key, and nothing else.
//
// DSTREAM_SEED=n repeats the writer's and the killer's choices; DSTREAM_KILLS=n changes how often.

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <random>
#include <thread>

#include "tests/end_to_end/bank.h"

namespace dstream::end_to_end {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Crash, EveryCommittedChangeArrivesInOrderAcrossKills) {
  uint64_t seed = number_from_environment("DSTREAM_SEED", std::random_device()());
  uint64_t kills = number_from_environment("DSTREAM_KILLS", 30);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  auto choose = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  Bank bank;
  Ledger ledger;
  BankWriter writer(bank.port(), seed + 1, &ledger);
  StreamReader reader(bank.broker().plaintext(), {Bank::kTopic}, Bank::kPartitions,
                      [&](const StreamMessage& message) { Bank::judge(message, &ledger); });
  std::atomic<bool> stopping{false};
  std::thread writing([&] { writer.run(stopping); });

  auto host = bank.start_host();
  for (uint64_t kill = 0; kill < kills; ++kill) {
    if (kill == kills / 3) {
      writer.want_large_transaction();
    }
    // Half of the kills wait for progress first; the others hit start-up, recovery and idle too.
    if (choose(0, 1) == 0) {
      ledger.wait_arrivals(static_cast<uint64_t>(choose(1, 3000)), seconds(5));
    }
    auto early = host->wait_exit(milliseconds(choose(0, 600)));
    EXPECT_FALSE(early) << "the host ended by itself:\n" << host->output();
    if (early) {
      break;
    }
    host->signal(SIGKILL);
    EXPECT_TRUE(host->wait_exit(seconds(10)));
    host = bank.start_host();
  }
  stopping = true;
  writing.join();
  EXPECT_TRUE(ledger.wait_complete(seconds(60))) << host->output();
  host->signal(SIGTERM);
  auto code = host->wait_exit(seconds(40));
  ASSERT_TRUE(code) << "SIGTERM was not honoured";
  EXPECT_EQ(*code, 143) << host->output();

  for (const auto& breach : ledger.verdict()) {
    ADD_FAILURE() << breach;
  }
  EXPECT_GT(ledger.committed_count(), uint64_t{BankWriter::kLargeTransactionRows});
  EXPECT_GE(ledger.arrived_count(), ledger.committed_count());
  std::printf("kills %llu, committed changes %llu, messages %llu, duplicates %llu\n",
              static_cast<unsigned long long>(kills),
              static_cast<unsigned long long>(ledger.committed_count()),
              static_cast<unsigned long long>(ledger.arrived_count()),
              static_cast<unsigned long long>(ledger.duplicates()));
}

}  // namespace
}  // namespace dstream::end_to_end
