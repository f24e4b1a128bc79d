#include "error_class.h"

#include <gtest/gtest.h>

#include <set>

namespace eventhubs {
namespace {

struct Expected {
  int code;
  ErrorClass error_class;
};

// Written down a second time, as protocol numbers, so that a slip in the table shows.
constexpr Expected kExpected[] = {
    {-195, ErrorClass::kConnection},  {-187, ErrorClass::kConnection},
    {-193, ErrorClass::kConnection},  {-181, ErrorClass::kConnection},
    {-185, ErrorClass::kConnection},  {-166, ErrorClass::kConnection},
    {-180, ErrorClass::kConnection},  {-164, ErrorClass::kConnection},
    {5, ErrorClass::kConnection},     {6, ErrorClass::kConnection},
    {7, ErrorClass::kConnection},     {8, ErrorClass::kConnection},
    {9, ErrorClass::kConnection},     {13, ErrorClass::kRetry},
    {14, ErrorClass::kConnection},    {15, ErrorClass::kConnection},
    {19, ErrorClass::kConnection},    {20, ErrorClass::kConnection},
    {56, ErrorClass::kConnection},    {44, ErrorClass::kRetry},
    {89, ErrorClass::kRetry},         {-1, ErrorClass::kRetry},
    {-192, ErrorClass::kRetry},       {-150, ErrorClass::kNewProducer},
    {-148, ErrorClass::kNewProducer}, {-149, ErrorClass::kNewProducer},
    {-152, ErrorClass::kNewProducer}, {-151, ErrorClass::kNewProducer},
    {45, ErrorClass::kNewProducer},   {46, ErrorClass::kNewProducer},
    {47, ErrorClass::kNewProducer},   {49, ErrorClass::kNewProducer},
    {59, ErrorClass::kNewProducer},   {-169, ErrorClass::kDenied},
    {58, ErrorClass::kDenied},        {34, ErrorClass::kDenied},
    {29, ErrorClass::kDenied},        {31, ErrorClass::kDenied},
    {-188, ErrorClass::kConfig},      {-190, ErrorClass::kConfig},
    {3, ErrorClass::kConfig},         {17, ErrorClass::kConfig},
    {43, ErrorClass::kConfig},        {76, ErrorClass::kConfig},
    {21, ErrorClass::kConfig},        {35, ErrorClass::kConfig},
    {33, ErrorClass::kConfig},        {-165, ErrorClass::kConfig},
    {10, ErrorClass::kReject},        {18, ErrorClass::kReject},
    {2, ErrorClass::kReject},         {87, ErrorClass::kReject},
    {32, ErrorClass::kReject},        {-184, ErrorClass::kFull},
};

class ErrorRowTest : public testing::TestWithParam<Expected> {};

TEST_P(ErrorRowTest, IsClassified) {
  EXPECT_EQ(classify(GetParam().code), GetParam().error_class) << "code " << GetParam().code;
}

INSTANTIATE_TEST_SUITE_P(Table, ErrorRowTest, testing::ValuesIn(kExpected),
                         [](const testing::TestParamInfo<Expected>& row) {
                           const int code = row.param.code;
                           return (code < 0 ? "minus_" : "code_") + std::to_string(std::abs(code));
                         });

TEST(ErrorTable, HasNoRowTwiceAndNoneUntested) {
  std::set<int> expected;
  for (const Expected& row : kExpected) {
    expected.insert(row.code);
  }
  std::set<int> seen;
  for (const ErrorRow& row : error_table()) {
    EXPECT_TRUE(seen.insert(row.code).second) << "twice: " << row.code;
    EXPECT_TRUE(expected.contains(row.code)) << "untested: " << row.code;
  }
  EXPECT_EQ(seen.size(), expected.size());
}

TEST(ErrorTable, GivesNothingUpForAnUnknownCode) {
  EXPECT_EQ(classify(4711), ErrorClass::kRetry);
  EXPECT_STREQ(advice_for(4711), "");
}

TEST(ErrorTable, HasAdviceWhereAnOperatorMustAct) {
  for (const int code : {-169, 29, 3, 43, 10, 44}) {
    EXPECT_STRNE(advice_for(code), "") << code;
  }
}

}  // namespace
}  // namespace eventhubs
