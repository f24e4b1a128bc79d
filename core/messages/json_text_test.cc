#include "core/messages/json_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace dstream::core {
namespace {

// Escapes a heap copy of exactly the text's size, so that a sanitizer sees a read behind it.
std::string escaped(std::string_view text, bool* replaced = nullptr) {
  const std::vector<char> exact(text.begin(), text.end());
  const std::string_view view(exact.data(), exact.size());
  bool ignored = false;
  std::vector<char> out(escaped_size(view) + kSlackBytes);
  char* end = write_escaped(out.data(), view, replaced != nullptr ? replaced : &ignored);
  const auto size = static_cast<size_t>(end - out.data());
  EXPECT_EQ(size, escaped_size(view));
  EXPECT_LE(size, text.size() * kEscapeGrowthMax);
  return std::string(out.data(), size);
}

TEST(JsonText, PlainTextOfEveryLengthIsCopied) {
  std::string text;
  for (int size = 0; size < 100; ++size) {
    EXPECT_EQ(escaped(text), text);
    text += static_cast<char>('!' + 1 + size % 50);
    text.back() = text.back() == '\\' || text.back() == '"' ? 'x' : text.back();
  }
}

TEST(JsonText, EveryAsciiCharacterAtEveryPlace) {
  for (int size = 1; size < 40; ++size) {
    for (int at = 0; at < size; ++at) {
      for (int c = 0; c < 128; ++c) {
        std::string text(static_cast<size_t>(size), 'a');
        text[static_cast<size_t>(at)] = static_cast<char>(c);
        std::string special(1, static_cast<char>(c));
        if (c == '"' || c == '\\') {
          special = "\\" + special;
        } else if (c == '\b') {
          special = "\\b";
        } else if (c == '\f') {
          special = "\\f";
        } else if (c == '\n') {
          special = "\\n";
        } else if (c == '\r') {
          special = "\\r";
        } else if (c == '\t') {
          special = "\\t";
        } else if (c < 0x20) {
          char code[8];
          std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
          special = code;
        }
        const std::string expected = std::string(static_cast<size_t>(at), 'a') + special +
                                     std::string(static_cast<size_t>(size - at - 1), 'a');
        ASSERT_EQ(escaped(text), expected) << "character " << c << " at " << at << " of " << size;
      }
    }
  }
}

TEST(JsonText, ValidUtf8IsKept) {
  bool replaced = false;
  for (std::string_view text :
       {"é", "ß世界", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
        "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "a😀b\xE2\x80\xA8"}) {
    EXPECT_EQ(escaped(text, &replaced), text);
  }
  EXPECT_FALSE(replaced);
}

TEST(JsonText, BrokenUtf8IsReplacedOnceForEachBrokenSequence) {
  const std::string r = "\xEF\xBF\xBD";
  const std::pair<std::string_view, std::string> cases[] = {
      {"\x80", r},          // continuation alone
      {"\xC0\x80", r + r},  // overlong, two bytes
      {"\xC1\xBF", r + r},
      {"\xE0\x80\x80", r + r + r},  // overlong, three bytes
      {"\xED\xA0\x80", r + r + r},  // a surrogate
      {"\xF0\x80\x80\x80", r + r + r + r},
      {"\xF4\x90\x80\x80", r + r + r + r},  // above U+10FFFF
      {"\xF5", r},
      {"\xFF", r},
      {"\xC3", r},  // cut short at the end
      {"\xE4\xB8", r},
      {"\xF0\x9F\x98", r},
      {"\xE4\xB8q", r + "q"},  // cut short in the middle
      {"\xC3\"", r + "\\\""},
      {"a\xFF\xC3\xA9", "a" + r + "é"}};
  for (const auto& [text, expected] : cases) {
    bool replaced = false;
    EXPECT_EQ(escaped(text, &replaced), expected);
    EXPECT_TRUE(replaced);
  }
}

std::string integer(auto value) {
  char text[kScalarBytesMax];
  return std::string(text, write_integer(text, value));
}

TEST(JsonText, IntegersAtEveryBoundary) {
  uint64_t power = 1;
  for (int digits = 1; digits <= 20; ++digits) {
    for (uint64_t delta : {uint64_t{0}, uint64_t{1}, uint64_t{2}, ~uint64_t{0}}) {
      EXPECT_EQ(integer(power + delta), std::to_string(power + delta));
      const auto number = static_cast<int64_t>(power + delta);
      EXPECT_EQ(integer(number), std::to_string(number));
      const auto negative = static_cast<int64_t>(0 - (power + delta));
      EXPECT_EQ(integer(negative), std::to_string(negative));
    }
    power *= 10;
  }
  EXPECT_EQ(integer(std::numeric_limits<int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(integer(std::numeric_limits<uint64_t>::max()), "18446744073709551615");
}

TEST(JsonText, RandomIntegers) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 200'000; ++i) {
    const uint64_t value = random() >> (random() % 64);
    ASSERT_EQ(integer(value), std::to_string(value));
  }
}

std::string number(double value) {
  char text[kScalarBytesMax + kSlackBytes];
  return std::string(text, write_double(text, value));
}

TEST(JsonText, DoublesAreShortestAndLookLikeFloats) {
  EXPECT_EQ(number(0), "0.0");
  EXPECT_EQ(number(-0.0), "-0.0");
  EXPECT_EQ(number(1), "1.0");
  EXPECT_EQ(number(0.1), "0.1");
  EXPECT_EQ(number(-1234.5), "-1234.5");
  EXPECT_EQ(number(1e22), "1e+22");
  EXPECT_EQ(number(5e-324), "5e-324");
  EXPECT_EQ(number(std::numeric_limits<double>::max()), "1.7976931348623157e+308");
  EXPECT_EQ(number(std::numeric_limits<double>::quiet_NaN()), "\"NaN\"");
  EXPECT_EQ(number(std::numeric_limits<double>::infinity()), "\"Infinity\"");
  EXPECT_EQ(number(-std::numeric_limits<double>::infinity()), "\"-Infinity\"");
  char text[kScalarBytesMax];
  EXPECT_EQ(std::string(text, write_float(text, 0.1f)), "0.1");
}

TEST(JsonText, RandomDoublesReadBackEqualAndFit) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 100'000; ++i) {
    const uint64_t bits = random();
    double value;
    std::memcpy(&value, &bits, sizeof value);
    const std::string text = number(value);
    ASSERT_LE(text.size(), kScalarBytesMax);
    if (std::isfinite(value)) {
      ASSERT_EQ(std::strtod(text.c_str(), nullptr), value);
    }
  }
}

TEST(JsonText, Base64) {
  const std::pair<std::string, std::string> cases[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"},
                                                       {"\xFB\xFF\xFE", "+//+"}};
  for (const auto& [bytes, expected] : cases) {
    char text[32];
    char* end = write_base64(text, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    EXPECT_EQ(std::string(text, end), expected);
    EXPECT_EQ(base64_size(bytes.size()), expected.size());
  }
}

TEST(JsonText, Uuid) {
  const uint8_t uuid[16] = {0x6F, 0x96, 0x19, 0xFF, 0x8B, 0x86, 0xD0, 0x11,
                            0xB4, 0x2D, 0x00, 0xC0, 0x4F, 0xC9, 0x64, 0xFF};
  char text[kScalarBytesMax];
  EXPECT_EQ(std::string(text, write_uuid(text, uuid, true)),
            "6F9619FF-8B86-D011-B42D-00C04FC964FF");
  EXPECT_EQ(std::string(text, write_uuid(text, uuid, false)),
            "6f9619ff-8b86-d011-b42d-00c04fc964ff");
}

}  // namespace
}  // namespace dstream::core
