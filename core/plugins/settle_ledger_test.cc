#include "core/plugins/settle_ledger.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>
#include <vector>

namespace dstream::core {
namespace {

using Verdict = SettleLedger::Verdict;

dstream_delivery delivery_of(uint64_t id, uint32_t count) {
  dstream_delivery delivery{};
  delivery.struct_size = sizeof delivery;
  delivery.id = id;
  delivery.count = count;
  return delivery;
}

// Settles and, if that was the last item, gives the slot back as the guard does.
Verdict settle(SettleLedger& ledger, uint64_t id, uint32_t first, uint32_t count) {
  auto settled = ledger.settle(id, first, count);
  if (settled.last) {
    ledger.done(settled);
  }
  return settled.verdict;
}

uint64_t write_all(SettleLedger& ledger, uint64_t id, uint32_t count) {
  uint64_t shown = ledger.begin(delivery_of(id, count), 0)->id;
  EXPECT_TRUE(ledger.accepted(count));
  return shown;
}

TEST(SettleLedger, TellsWhichSettleIsTheLast) {
  SettleLedger ledger;
  uint64_t id = write_all(ledger, 7, 100);
  auto first = ledger.settle(id, 40, 60);
  EXPECT_EQ(first.verdict, Verdict::kOk);
  EXPECT_EQ(first.delivery_id, 7u);
  EXPECT_FALSE(first.last);
  EXPECT_EQ(ledger.open_count(), 1u);
  auto second = ledger.settle(id, 0, 40);
  EXPECT_TRUE(second.last);
  ledger.done(second);
  EXPECT_EQ(ledger.open_count(), 0u);
}

TEST(SettleLedger, RefusesWhatWasNotGiven) {
  SettleLedger ledger;
  uint64_t id = write_all(ledger, 7, 33);
  EXPECT_EQ(settle(ledger, id, 33, 1), Verdict::kOutOfRange);
  EXPECT_EQ(settle(ledger, id, 32, 2), Verdict::kOutOfRange);
  EXPECT_EQ(settle(ledger, id, 1, UINT32_MAX), Verdict::kOutOfRange);
  EXPECT_EQ(settle(ledger, id + 1, 0, 1), Verdict::kUnknownDelivery);
  EXPECT_EQ(settle(ledger, 0, 0, 1), Verdict::kUnknownDelivery);
  EXPECT_EQ(settle(ledger, UINT64_MAX, 0, 1), Verdict::kUnknownDelivery);
  EXPECT_EQ(settle(ledger, id, 32, 1), Verdict::kOk);
  EXPECT_EQ(settle(ledger, id, 30, 3), Verdict::kTwice);
}

TEST(SettleLedger, KnowsAStaleIdAfterItsSlotWasGivenAway) {
  SettleLedger ledger;
  uint64_t old = write_all(ledger, 7, 4);
  EXPECT_EQ(settle(ledger, old, 0, 4), Verdict::kOk);
  EXPECT_EQ(settle(ledger, old, 0, 1), Verdict::kUnknownDelivery);
  uint64_t next = write_all(ledger, 8, 4);
  EXPECT_EQ(next >> 32, old >> 32) << "the slot should have been used again";
  EXPECT_EQ(settle(ledger, old, 0, 1), Verdict::kUnknownDelivery);
  EXPECT_EQ(settle(ledger, next, 0, 4), Verdict::kOk);
}

TEST(SettleLedger, AcceptsADeliveryInParts) {
  SettleLedger ledger;
  auto delivery = delivery_of(7, 10);
  uint64_t id = ledger.begin(delivery, 0)->id;
  EXPECT_EQ(settle(ledger, id, 0, 2), Verdict::kOk);  // inside write(), before it returns
  EXPECT_TRUE(ledger.accepted(4));
  EXPECT_EQ(settle(ledger, id, 4, 1), Verdict::kOutOfRange);
  EXPECT_EQ(settle(ledger, id, 2, 2), Verdict::kOk);
  EXPECT_EQ(ledger.open_count(), 1u) << "six items were not accepted yet";
  EXPECT_EQ(ledger.begin(delivery, 4)->id, id);
  EXPECT_TRUE(ledger.accepted(10));
  EXPECT_EQ(settle(ledger, id, 4, 6), Verdict::kOk);
  EXPECT_EQ(ledger.open_count(), 0u);
}

TEST(SettleLedger, SeesItemsSettledButNotAccepted) {
  SettleLedger ledger;
  uint64_t id = ledger.begin(delivery_of(7, 70), 0)->id;
  EXPECT_EQ(settle(ledger, id, 69, 1), Verdict::kOk);
  EXPECT_FALSE(ledger.accepted(3));
  ledger.clear();
  EXPECT_EQ(ledger.open_count(), 0u);
}

TEST(SettleLedger, StartsBehindItemsOfAnEarlierLife) {
  SettleLedger ledger;
  uint64_t id = ledger.begin(delivery_of(7, 50), 40)->id;
  EXPECT_TRUE(ledger.accepted(50));
  EXPECT_EQ(settle(ledger, id, 39, 2), Verdict::kTwice);
  EXPECT_EQ(settle(ledger, id, 40, 10), Verdict::kOk);
  EXPECT_EQ(ledger.open_count(), 0u);
}

TEST(SettleLedger, GivesUpTheRestWhenAnotherDeliveryIsBegun) {
  SettleLedger ledger;
  uint64_t id = ledger.begin(delivery_of(7, 10), 0)->id;
  EXPECT_TRUE(ledger.accepted(3));
  uint64_t other = write_all(ledger, 8, 1);
  EXPECT_EQ(settle(ledger, id, 3, 1), Verdict::kOutOfRange);
  EXPECT_EQ(settle(ledger, id, 0, 3), Verdict::kOk);
  EXPECT_EQ(settle(ledger, other, 0, 1), Verdict::kOk);
  EXPECT_EQ(ledger.open_count(), 0u);
}

TEST(SettleLedger, ForgetsEverythingAtClose) {
  SettleLedger ledger;
  uint64_t first = write_all(ledger, 7, 10);
  uint64_t second = write_all(ledger, 8, 10);
  ledger.clear();
  EXPECT_EQ(ledger.open_count(), 0u);
  EXPECT_EQ(settle(ledger, first, 0, 1), Verdict::kUnknownDelivery);
  EXPECT_EQ(settle(ledger, second, 0, 1), Verdict::kUnknownDelivery);
}

TEST(SettleLedger, IsFullAtItsBoundAndRecovers) {
  SettleLedger ledger;
  uint64_t last = 0;
  for (uint32_t i = 0; i < SettleLedger::kDeliveriesMax; i++) {
    last = write_all(ledger, i, 1);
  }
  EXPECT_EQ(ledger.begin(delivery_of(1'000'000, 1), 0), nullptr);
  EXPECT_EQ(settle(ledger, last, 0, 1), Verdict::kOk);
  EXPECT_NE(ledger.begin(delivery_of(1'000'001, 1), 0), nullptr);
}

TEST(SettleLedger, CountsEveryItemOnceWhenThreadsSettleOutOfOrder) {
  constexpr uint32_t kThreads = 4;
  constexpr uint32_t kRounds = 200;
  constexpr uint32_t kItems = 100;
  SettleLedger ledger;
  for (uint32_t round = 0; round < kRounds; round++) {
    uint64_t id = write_all(ledger, round, kItems);
    std::atomic<uint32_t> lasts{0};
    std::atomic<uint32_t> settled{0};
    std::vector<std::thread> threads;
    for (uint32_t thread = 0; thread < kThreads; thread++) {
      threads.emplace_back([&, thread] {
        // Every item is tried by every thread: exactly one may win it.
        std::vector<uint32_t> items(kItems);
        for (uint32_t i = 0; i < kItems; i++) {
          items[i] = i;
        }
        std::shuffle(items.begin(), items.end(), std::mt19937(round * kThreads + thread));
        for (uint32_t item : items) {
          auto result = ledger.settle(id, item, 1);
          settled += result.verdict == Verdict::kOk ? 1 : 0;
          if (result.last) {
            lasts++;
            ledger.done(result);
          }
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    ASSERT_EQ(settled, kItems) << "round " << round;
    ASSERT_EQ(lasts, 1u) << "round " << round;
    ASSERT_EQ(ledger.open_count(), 0u);
  }
}

TEST(SettleLedger, StaleSettlesNeverTouchALiveDelivery) {
  SettleLedger ledger;
  std::atomic<uint64_t> stale{0};
  std::atomic<bool> stop{false};
  std::atomic<uint32_t> taken{0};
  std::thread bad([&] {
    while (!stop) {
      if (uint64_t id = stale; id != 0) {
        taken += ledger.settle(id, 0, 3).verdict == Verdict::kOk ? 1 : 0;
      }
    }
  });
  for (uint64_t round = 1; round < 20'000; round++) {
    uint64_t id = write_all(ledger, round, 3);
    ASSERT_EQ(settle(ledger, id, 0, 3), Verdict::kOk) << "round " << round;
    stale = id;
  }
  stop = true;
  bad.join();
  EXPECT_EQ(taken, 0u);
}

}  // namespace
}  // namespace dstream::core
