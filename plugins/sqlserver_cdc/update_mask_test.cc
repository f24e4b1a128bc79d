#include "plugins/sqlserver_cdc/update_mask.h"

#include <gtest/gtest.h>

namespace dstream::sqlserver {
namespace {

constexpr MaskOrder kFirst = MaskOrder::kFirstByteLowest;
constexpr MaskOrder kLast = MaskOrder::kLastByteLowest;

TEST(UpdateMask, HasABitAColumnInEitherOrder) {
  const std::string_view mask("\x05\x80", 2);
  EXPECT_TRUE(is_changed(mask, 0, kFirst));
  EXPECT_FALSE(is_changed(mask, 1, kFirst));
  EXPECT_TRUE(is_changed(mask, 2, kFirst));
  EXPECT_TRUE(is_changed(mask, 15, kFirst));
  EXPECT_FALSE(is_changed(mask, 0, kLast));
  EXPECT_TRUE(is_changed(mask, 7, kLast));
  EXPECT_TRUE(is_changed(mask, 8, kLast));
  EXPECT_TRUE(is_changed(mask, 10, kLast));
  for (const MaskOrder order : {kFirst, kLast}) {
    EXPECT_FALSE(is_changed(mask, 16, order)) << "bytes that were not sent are zero";
    EXPECT_FALSE(is_changed("", 0, order));
    EXPECT_TRUE(is_changed("\x02", 1, order)) << "one byte has one order";
  }
}

TEST(MaskOrderLearner, TakesWhatIsAssumedUntilValuesDecide) {
  MaskOrderLearner learner;
  EXPECT_TRUE(learner.is_open());
  EXPECT_EQ(learner.order(), kLast);
  learner.assume(kFirst);
  EXPECT_EQ(learner.order(), kFirst);
  learner.see_changed(std::string_view("\x03\x03", 2), 1);  // says the same in both orders
  EXPECT_TRUE(learner.is_open());
  learner.see_changed(std::string_view("\x00\x02", 2), 1);
  EXPECT_FALSE(learner.is_open());
  EXPECT_EQ(learner.order(), kLast) << "values count more than what was assumed";
}

TEST(MaskOrderLearner, LearnsTheOtherOrderAsWell) {
  MaskOrderLearner learner;
  learner.see_changed(std::string_view("\x00\x02", 2), 9);
  EXPECT_EQ(learner.order(), kFirst);
  // A mask that fits neither teaches nothing any more.
  learner.see_changed(std::string_view("\x00\x00", 2), 9);
  EXPECT_TRUE(learner.is_open());
  EXPECT_EQ(learner.order(), kLast);
}

}  // namespace
}  // namespace dstream::sqlserver
