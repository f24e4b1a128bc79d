#include "plugins/sqlserver_cdc/utf16.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>

namespace dstream::sqlserver {
namespace {

std::string convert(const std::u16string& text) {
  std::string out(utf8_size_max(text.size()), 'x');
  const char* end = utf16_to_utf8(text.data(), text.size(), out.data());
  out.resize(static_cast<size_t>(end - out.data()));
  return out;
}

// Plain and slow, from the definition of both encodings.
std::string convert_slowly(const std::u16string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    uint32_t c = text[i];
    const bool high = c >= 0xd800 && c <= 0xdbff;
    if (high && i + 1 < text.size() && text[i + 1] >= 0xdc00 && text[i + 1] <= 0xdfff) {
      c = 0x10000 + (c - 0xd800) * 0x400 + (text[++i] - 0xdc00u);
    } else if (c >= 0xd800 && c <= 0xdfff) {
      c = 0xfffd;
    }
    const int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    constexpr unsigned kLead[] = {0, 0xc0, 0xe0, 0xf0};
    out += static_cast<char>(kLead[more] | c >> (6 * more));
    for (int k = more - 1; k >= 0; --k) {
      out += static_cast<char>(0x80 | (c >> (6 * k) & 0x3f));
    }
  }
  return out;
}

TEST(Utf16, ConvertsEveryLengthOfCodePoint) {
  EXPECT_EQ(convert(u""), "");
  EXPECT_EQ(convert(u"plain ascii text, longer than one block"),
            "plain ascii text, longer than one block");
  EXPECT_EQ(convert(u"Käthe €uro \U0001F600 "), std::string("Käthe €uro 😀 "));
  EXPECT_EQ(convert(std::u16string(u"a\0b", 3)), std::string("a\0b", 3));
}

TEST(Utf16, LoneSurrogatesBecomeReplacementCharacters) {
  EXPECT_EQ(convert({0xd83d}), "\xef\xbf\xbd");
  EXPECT_EQ(convert({0xde00, u'a'}),
            "\xef\xbf\xbd"
            "a");
  EXPECT_EQ(convert({0xd83d, 0xd83d, 0xde00}),
            "\xef\xbf\xbd"
            "\xf0\x9f\x98\x80");
  EXPECT_EQ(convert({u'a', u'a', u'a', u'a', u'a', u'a', u'a', 0xd83d, 0xde00}),
            "aaaaaaa\xf0\x9f\x98\x80");
}

TEST(Utf16, AgreesWithTheDefinitionOnRandomText) {
  constexpr unsigned kSeed = 20231;
  std::mt19937 random(kSeed);
  constexpr char16_t kLimits[] = {0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xd800, 0xdbff, 0xdc00, 0xffff};
  for (int round = 0; round < 20000; ++round) {
    std::u16string text(random() % 40, u'.');
    for (char16_t& unit : text) {
      const unsigned kind = random() % 8;
      unit = kind < 5   ? static_cast<char16_t>(random() % 0x80)
             : kind < 7 ? static_cast<char16_t>(random())
                        : kLimits[random() % std::size(kLimits)];
    }
    ASSERT_EQ(convert(text), convert_slowly(text)) << "seed " << kSeed << " round " << round;
  }
}

TEST(Utf16, BoundIsExactButForSurrogatePairs) {
  constexpr unsigned kSeed = 20232;
  std::mt19937 random(kSeed);
  constexpr char16_t kLimits[] = {0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff};
  for (int round = 0; round < 2000; ++round) {
    std::u16string text(random() % 100, u'.');
    for (char16_t& unit : text) {
      unit = random() % 4 != 0 ? u'a' : kLimits[random() % std::size(kLimits)];
    }
    ASSERT_EQ(utf8_size_bound(text.data(), text.size()), convert_slowly(text).size())
        << "seed " << kSeed << " round " << round;
  }
  const std::u16string pair = u"\U0001F600";
  EXPECT_EQ(utf8_size_bound(pair.data(), pair.size()), 6u);
  const std::u16string lone = {0xd83d};
  EXPECT_EQ(utf8_size_bound(lone.data(), lone.size()), 3u);
  const std::u16string longer_than_a_stretch(100'003, u'a');
  EXPECT_EQ(utf8_size_bound(longer_than_a_stretch.data(), longer_than_a_stretch.size()), 100'003u);
}

// Values are written one behind the other: the byte behind a text is another one's.
TEST(Utf16, WritesNothingBehindItsEnd) {
  for (size_t units = 0; units < 100; ++units) {
    for (const char16_t last : {u'a', u'\u00e4', u'\u20ac'}) {
      std::u16string text(units, u'a');
      text += last;
      const size_t size = utf8_size_bound(text.data(), text.size());
      std::string out(size + 32, 'x');
      const char* end = utf16_to_utf8(text.data(), text.size(), out.data());
      ASSERT_EQ(static_cast<size_t>(end - out.data()), size);
      EXPECT_EQ(out.substr(size), std::string(32, 'x')) << units;
    }
  }
}

TEST(Utf16, ReadsUnalignedText) {
  alignas(2) char raw[1 + 20];
  const std::u16string text = u"unaligned!";
  memcpy(raw + 1, text.data(), 20);
  char out[30];
  const char* end = utf16_to_utf8(raw + 1, 10, out);
  EXPECT_EQ(std::string(out, static_cast<size_t>(end - out)), "unaligned!");
}

}  // namespace
}  // namespace dstream::sqlserver
