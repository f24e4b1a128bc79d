#include "tests/standins/sqlserver/sql/numeric.h"

#include <gtest/gtest.h>

namespace dstream::standin::sql {
namespace {

Numeric number(std::string_view text) { return *parse_numeric(text); }

TEST(Numeric, KeepsDigitsAndScale) {
  for (const char* text : {"0", "-1", "12.50", "-0.05", "99999999999999999999999999999999999999",
                           "0.00000000000000000000000000000000000001"}) {
    EXPECT_EQ(to_text(number(text)), text);
  }
  EXPECT_FALSE(parse_numeric("1e5"));
  EXPECT_FALSE(parse_numeric(""));
  EXPECT_FALSE(parse_numeric("."));
  EXPECT_FALSE(parse_numeric("100000000000000000000000000000000000000"));
}

TEST(Numeric, RoundsHalfAwayFromZero) {
  EXPECT_EQ(to_text(*rescale(number("1.25"), 1)), "1.3");
  EXPECT_EQ(to_text(*rescale(number("-1.25"), 1)), "-1.3");
  EXPECT_EQ(to_text(*rescale(number("1.24"), 1)), "1.2");
  EXPECT_EQ(to_text(*rescale(number("7"), 3)), "7.000");
}

TEST(Numeric, ArithmeticIsExact) {
  EXPECT_EQ(to_text(*add(number("0.1"), number("0.2"), 1)), "0.3");
  EXPECT_EQ(to_text(*multiply(number("12345678901234567890"), number("1.5"), 1)),
            "18518518351851851835.0");
  EXPECT_EQ(to_text(*divide(number("1"), number("3"), 6)), "0.333333");
  EXPECT_EQ(to_text(*divide(number("-10"), number("4"), 2)), "-2.50");
  EXPECT_EQ(to_text(*divide(number("1"), number("0.0003"), 4)), "3333.3333");
  EXPECT_EQ(to_text(*modulo(number("7.5"), number("2"), 1)), "1.5");
}

TEST(Numeric, OverflowIsReported) {
  const Numeric most = number("99999999999999999999999999999999999999");
  EXPECT_FALSE(add(most, number("1"), 0));
  EXPECT_FALSE(multiply(most, number("10"), 0));
  EXPECT_FALSE(divide(most, number("0.1"), 0));
  EXPECT_FALSE(from_double(1e40, 0));
}

TEST(Numeric, BecomesTheNearestDouble) {
  // Not by way of a wider type: that rounds twice.
  EXPECT_EQ(to_double(*parse_numeric("5218701.108474351")), 5218701.108474351);
  EXPECT_EQ(to_double(*parse_numeric("-0.1")), -0.1);
  EXPECT_EQ(to_double(*parse_numeric("12345678901234567890.123456789")),
            12345678901234567890.123456789);
}

TEST(Numeric, ComparesAcrossScales) {
  EXPECT_EQ(compare(number("1.50"), number("1.5")), 0);
  EXPECT_LT(compare(number("-2"), number("1.999")), 0);
  EXPECT_GT(compare(number("99999999999999999999999999999999999999"), number("0.0000000001")), 0);
}

}  // namespace
}  // namespace dstream::standin::sql
