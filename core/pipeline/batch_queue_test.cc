#include "core/pipeline/batch_queue.h"

#include <gtest/gtest.h>

#include <thread>

#include "core/pipeline/test_records.h"
#include "core/plugins/guard.h"

namespace dstream::core {
namespace {

using testing::TestBatches;

class BatchQueueTest : public ::testing::Test {
 protected:
  TestBatches batches_;
  ByteBudget budget_{10'000};
  Wakeup pushed_;
  BatchQueue queue_{&budget_, &pushed_};
};

TEST_F(BatchQueueTest, ChargesWhatWaitsAndWhatItsEncodingWillNeed) {
  uint64_t before = pushed_.count();
  queue_.push(batches_.make({{'i', "1"}}, 1, 4000));
  EXPECT_EQ(pushed_.count(), before + 1);
  EXPECT_EQ(budget_.used(), 4000u);
  EXPECT_EQ(budget_.reserved(), 6000u);
  EXPECT_FALSE(budget_.has_room_to_read());
  EXPECT_TRUE(budget_.has_room_to_encode());
  QueuedBatch taken;
  ASSERT_TRUE(queue_.pop(&taken));
  EXPECT_FALSE(queue_.pop(&taken));
  EXPECT_EQ(taken.bytes, 4000u);
  EXPECT_EQ(queue_.bytes(), 0u);
  EXPECT_EQ(budget_.used(), 4000u) << "The charge goes with the batch.";
  release_batch(taken.batch);
}

TEST_F(BatchQueueTest, BatchLargerThanTheBudgetPassesAlone) {
  ASSERT_TRUE(budget_.has_room_to_read());
  queue_.push(batches_.make({{'i', "1"}}, 1, 1'000'000));
  EXPECT_FALSE(budget_.has_room_to_read());
  EXPECT_FALSE(budget_.has_room_to_encode()) << "Nothing else may be encoded beside it.";
}

TEST_F(BatchQueueTest, BatchWeighsAtLeastItsRecords) {
  queue_.push(batches_.make({{'i', "1"}, {'i', "2"}}, 1, 0));
  EXPECT_EQ(budget_.used(), 2 * sizeof(dstream_record));
}

TEST_F(BatchQueueTest, LearnsWhatEncodingsNeed) {
  for (int i = 0; i < 100; ++i) {
    budget_.learn_encoding(1000, 500);
  }
  EXPECT_NEAR(static_cast<double>(budget_.expected_encoding(10'000)), 5000, 600);
  budget_.expect_no_encoding();
  EXPECT_EQ(budget_.expected_encoding(10'000), 0u);
}

TEST_F(BatchQueueTest, CloseReleasesWhatIsThereAndWhatComes) {
  queue_.push(batches_.make({{'i', "1"}}));
  queue_.push(batches_.make({{'i', "2"}}));
  queue_.close();
  EXPECT_EQ(batches_.alive(), 0);
  EXPECT_EQ(budget_.used(), 0u);
  EXPECT_EQ(budget_.reserved(), 0u);
  queue_.push(batches_.make({{'i', "3"}}));
  EXPECT_EQ(batches_.alive(), 0);
  EXPECT_TRUE(queue_.empty());
}

// For ThreadSanitizer: a source that fills the budget and a sink that empties it.
TEST(BatchQueueThreadTest, HandsOverInOrderWithinTheBudget) {
  TestBatches batches;
  ByteBudget budget(50 * 1000);
  budget.expect_no_encoding();
  Wakeup pushed;
  Wakeup released;
  BatchQueue queue(&budget, &pushed);
  constexpr int64_t kBatches = 5000;
  std::vector<dstream_batch*> made;
  for (int64_t i = 0; i < kBatches; ++i) {
    made.push_back(batches.make({{'i', "x"}}, i, 1000));
  }
  std::thread source([&] {
    for (dstream_batch* batch : made) {
      for (uint64_t seen = released.count(); !budget.has_room_to_read(); seen = released.count()) {
        released.wait(seen, kNanosPerSecond);
      }
      queue.push(batch);
    }
  });
  uint64_t most_bytes = 0;
  for (int64_t i = 0; i < kBatches; ++i) {
    QueuedBatch taken;
    for (uint64_t seen = pushed.count(); !queue.pop(&taken); seen = pushed.count()) {
      pushed.wait(seen, kNanosPerSecond);
    }
    most_bytes = std::max(most_bytes, budget.used());
    EXPECT_EQ(taken.batch->records->after->as.i64, i);
    budget.release(taken.bytes);
    budget.release_reserved(taken.reserved);
    release_batch(taken.batch);
    released.notify();
  }
  source.join();
  EXPECT_LE(most_bytes, 51'000u);
  EXPECT_EQ(budget.used(), 0u);
}

}  // namespace
}  // namespace dstream::core
