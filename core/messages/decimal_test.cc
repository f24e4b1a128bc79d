#include "core/messages/decimal.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace dstream::core {
namespace {

std::string unscaled(std::string_view text, int32_t scale) {
  uint8_t bytes[kUnscaledBytesMax];
  size_t size = 0;
  switch (unscaled_bytes(text, scale, bytes, &size)) {
    case UnscaledResult::kDone:
      break;
    case UnscaledResult::kNotADecimal:
      return "not a decimal";
    case UnscaledResult::kTooManyDigits:
      return "too many digits";
    case UnscaledResult::kScaleExceeded:
      return "scale exceeded";
  }
  std::string hexadecimal;
  for (size_t i = 0; i < size; ++i) {
    hexadecimal += "0123456789abcdef"[bytes[i] >> 4];
    hexadecimal += "0123456789abcdef"[bytes[i] & 15];
  }
  return hexadecimal;
}

TEST(Decimal, Spelling) {
  for (std::string_view text :
       {"0", "-0", "12", "12.50", "-0.5", "00.10", "12345678901234567890123456789012345678.0"}) {
    EXPECT_TRUE(is_decimal(text)) << text;
  }
  for (std::string_view text :
       {"", "-", ".", ".5", "5.", "-.5", "+1", "1e5", "1,5", "1.2.3", " 1", "1 ", "abc", "--1"}) {
    EXPECT_FALSE(is_decimal(text)) << text;
    EXPECT_EQ(unscaled(text, 4), "not a decimal") << text;
  }
}

// What java.math.BigInteger.toByteArray() gives.
TEST(Decimal, BytesOfKnownNumbers) {
  const std::tuple<std::string_view, int32_t, std::string> cases[] = {
      {"0", 0, "00"},
      {"-0", 0, "00"},
      {"0.0000", 4, "00"},
      {"127", 0, "7f"},
      {"128", 0, "0080"},
      {"-128", 0, "80"},
      {"-129", 0, "ff7f"},
      {"255", 0, "00ff"},
      {"256", 0, "0100"},
      {"-1", 0, "ff"},
      {"-256", 0, "ff00"},
      {"1.5", 1, "0f"},
      {"1.5", 4, "3a98"},
      {"-0.5", 4, "ec78"},
      {"12.50", 1, "7d"},
      {"922337203685477.5807", 4, "7fffffffffffffff"},
      {"-922337203685477.5808", 4, "8000000000000000"},
      {"922337203685477.5808", 4, "008000000000000000"},
      {"18446744073709551615", 0, "00ffffffffffffffff"},
      {"9999999999999999999999999999.9999999999", 10, "4b3b4ca85a86c47a098a223fffffffff"},
      {"-9999999999999999999999999999.9999999999", 10, "b4c4b357a5793b85f675ddc000000001"}};
  for (const auto& [text, scale, expected] : cases) {
    EXPECT_EQ(unscaled(text, scale), expected) << text << " at scale " << scale;
  }
}

TEST(Decimal, NothingIsLostBehindTheScale) {
  EXPECT_EQ(unscaled("1.25", 1), "scale exceeded");
  EXPECT_EQ(unscaled("12345678901234567890.25", 1), "scale exceeded");
  EXPECT_EQ(unscaled("1.2000000000000000000000000000", 1), "0c");
}

TEST(Decimal, LongOnesAreRefused) {
  EXPECT_EQ(unscaled(std::string(2000, '9'), 0), "too many digits");
  EXPECT_EQ(unscaled("1", 2000), "too many digits");
  EXPECT_EQ(unscaled(std::string(1000, '9'), 4).substr(0, 2).empty(), false);
}

// The short way and the long way agree: leading zeros force the long one.
TEST(Decimal, RandomNumbersBothWays) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 50'000; ++i) {
    const auto value = static_cast<int64_t>(random() >> (random() % 64)) / 100;
    std::string text = std::to_string(value < 0 ? -value : value);
    const auto scale = static_cast<int32_t>(random() % 5);
    if (random() % 2 == 0) {
      text += "." + std::string(static_cast<size_t>(scale), '0') + "0";
    }
    const std::string sign = value < 0 ? "-" : "";
    ASSERT_EQ(unscaled(sign + text, scale), unscaled(sign + std::string(40, '0') + text, scale))
        << sign + text << " at scale " << scale;
  }
}

}  // namespace
}  // namespace dstream::core
