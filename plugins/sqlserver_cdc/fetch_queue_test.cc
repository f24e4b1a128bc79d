#include "plugins/sqlserver_cdc/fetch_queue.h"

#include <gtest/gtest.h>

namespace dstream::sqlserver {
namespace {

using Time = FetchQueue::Time;

PageRequest page(uint32_t table) { return {table, {}, {9, 9}, 10}; }

uint32_t table_of(const FetchQueue::Task& task) {
  return std::get<PageRequest>(task.request).table;
}

PageAnswer answer_of(uint32_t table) {
  PageAnswer answer;
  answer.table = table;
  return answer;
}

TEST(FetchQueue, FirstReaderTakesWhatOnlyItCanAnswerFirst) {
  FetchQueue queue;
  queue.submit(page(1), {});
  queue.submit(TimesRequest{}, {});
  queue.submit(ScanRequest{}, {});
  EXPECT_TRUE(std::holds_alternative<TimesRequest>(queue.next_for_first(0)->request));
  EXPECT_TRUE(std::holds_alternative<ScanRequest>(queue.next_for_first(0)->request));
  EXPECT_EQ(table_of(*queue.next_for_first(0)), 1u);
  EXPECT_FALSE(queue.next_for_first(0));
}

TEST(FetchQueue, FirstReaderLeavesPagesToIdleHelpers) {
  FetchQueue queue;
  for (uint32_t table = 0; table < 3; ++table) {
    queue.submit(page(table), {});
  }
  EXPECT_EQ(table_of(*queue.next_for_first(2)), 0u);
  EXPECT_FALSE(queue.next_for_first(2));
  EXPECT_EQ(table_of(*queue.next_for_helper()), 1u);
  EXPECT_EQ(table_of(*queue.next_for_helper()), 2u);
  EXPECT_FALSE(queue.next_for_helper());
}

TEST(FetchQueue, PageThatWasHandedBackIsForTheFirstReader) {
  FetchQueue queue;
  queue.submit(page(4), {});
  queue.hand_back(*queue.next_for_helper());
  EXPECT_FALSE(queue.next_for_helper());
  EXPECT_EQ(queue.pages_waiting(), 0u);
  const auto task = queue.next_for_first(3);  // however many helpers have nothing to do
  ASSERT_TRUE(task);
  EXPECT_EQ(table_of(*task), 4u);
}

TEST(FetchQueue, FailureForgetsWhatWasAskedForAndIsToldOnce) {
  FetchQueue queue;
  for (uint32_t table = 0; table < 4; ++table) {
    queue.submit(page(table), {});
  }
  const auto answered = queue.next_for_helper();
  const auto busy = queue.next_for_helper();
  const auto failing = queue.next_for_helper();
  queue.answer(*answered, answer_of(0));
  EXPECT_TRUE(queue.fail(*failing, {DSTREAM_RETRY, "deadlock", 1205, "40001"}));
  EXPECT_FALSE(queue.next_for_first(0)) << "what waited is forgotten";
  queue.answer(*busy, answer_of(1));
  queue.hand_back(*busy);
  EXPECT_FALSE(queue.fail(*busy, {DSTREAM_DATA_LOSS, "of a request that nobody waits for"}));
  // What was answered before still counts; then the failure, and nothing behind it.
  EXPECT_EQ(std::get<PageAnswer>(*queue.take()).table, 0u);
  try {
    queue.take();
    FAIL() << "the failure is not told";
  } catch (const SourceError& error) {
    EXPECT_EQ(error.status, DSTREAM_RETRY);
    EXPECT_STREQ(error.what(), "deadlock");
    EXPECT_EQ(error.vendor_code, 1205);
    EXPECT_EQ(error.sqlstate, "40001");
  }
  EXPECT_EQ(queue.take(), nullptr);
  EXPECT_FALSE(queue.next_for_first(0));
}

// The stream may ask for more before it hears of a failure, and asks for all of it again when it
// has: were both answered, a page would arrive twice.
TEST(FetchQueue, WhatIsAskedBeforeAFailureIsToldIsForgottenToo) {
  FetchQueue queue;
  queue.submit(page(0), {});
  queue.fail(*queue.next_for_first(0), {DSTREAM_RETRY, "time-out"});
  queue.submit(page(1), {});
  EXPECT_THROW(queue.take(), SourceError);
  EXPECT_FALSE(queue.next_for_first(0));
  queue.submit(page(1), {});
  EXPECT_TRUE(queue.next_for_first(0));
}

}  // namespace
}  // namespace dstream::sqlserver
