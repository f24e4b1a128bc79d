#include "core/plugins/text.h"

#include <gtest/gtest.h>

namespace dstream::core {
namespace {

TEST(Text, KnowsUtf8) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("plain"));
  EXPECT_TRUE(is_utf8("Zürich \xe2\x82\xac \xf0\x9f\x9a\x82"));
  EXPECT_FALSE(is_utf8("\xff"));
  EXPECT_FALSE(is_utf8("cut \xe2\x82"));
  EXPECT_FALSE(is_utf8("overlong \xc0\xaf"));
  EXPECT_FALSE(is_utf8("surrogate \xed\xa0\x80"));
  EXPECT_FALSE(is_utf8(std::string_view("a\0b", 3)));
}

TEST(Text, PrintableKeepsOneLineAndLegalCharacters) {
  EXPECT_EQ(printable("Zürich"), "Zürich");
  EXPECT_EQ(printable("a\nb\x1b[31m\xff"), "a?b?[31m?");
  EXPECT_EQ(printable("abcdef", 3), "abc");
  EXPECT_EQ(printable("ab\xe2\x82\xac", 4), "ab") << "a character is not cut in two";
}

TEST(Text, PrintableLinesKeepsTheEndsOfLines) {
  EXPECT_EQ(printable_lines("a\nb\r\x1b", 10), "a\nb??");
  EXPECT_EQ(printable_lines("a\nb", 2), "a\n");
}

}  // namespace
}  // namespace dstream::core
