#include "plugins/sqlserver_cdc/code_page.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "plugins/sqlserver_cdc/column_types.h"

namespace dstream::sqlserver {
namespace {

std::string utf8(int64_t number, const std::string& bytes) {
  std::vector<char> out(CodePage::utf8_size_max(bytes.size()), 'x');
  const auto* start = reinterpret_cast<const uint8_t*>(bytes.data());
  const char* end = CodePage::find(number)->to_utf8(start, bytes.size(), out.data());
  return {out.data(), static_cast<size_t>(end - out.data())};
}

TEST(CodePageTest, EachPageHasItsCharacters) {
  EXPECT_EQ(utf8(437, "\x81"), "ü");
  EXPECT_EQ(utf8(850, "\x9d"), "Ø");
  EXPECT_EQ(utf8(874, "\xa1\xdf"), "ก฿");
  EXPECT_EQ(utf8(1250, "\xe8\x9e"), "čž");
  EXPECT_EQ(utf8(1251, "\xcf\xf0\xe8\xe2\xe5\xf2"), "Привет");
  EXPECT_EQ(utf8(1252, "caf\xe9 \x80"), "café €");
  EXPECT_EQ(utf8(1253, "\xd9\xec"), "Ωμ");
  EXPECT_EQ(utf8(1254, "\xfd\xde"), "ıŞ");
  EXPECT_EQ(utf8(1255, "\xf9\xec"), "של");
  EXPECT_EQ(utf8(1256, "\xd3\xe1"), "سل");
  EXPECT_EQ(utf8(1257, "\xe0\xeb"), "ąė");
  EXPECT_EQ(utf8(1258, "\xd0\xfe"), "Đ₫");
}

TEST(CodePageTest, CombiningCharactersStayByThemselves) {
  EXPECT_EQ(utf8(1258, "a\xcc"), "a\u0300");
  EXPECT_EQ(utf8(1255, "\xf9\xc7"), "\u05e9\u05b7");
}

TEST(CodePageTest, UndefinedBytesAreTakenAsSqlServerTakesThem) {
  EXPECT_EQ(utf8(1252, "\x81\x8d\x8f\x90\x9d"), "\u0081\u008d\u008f\u0090\u009d");
  EXPECT_EQ(utf8(1253, "\xaa"), "\ufffd");
}

// Every length around the widths that are looked at at once, with the character that is not ASCII
// at every place.
TEST(CodePageTest, OneByteThatIsNotAsciiIsFoundAnywhere) {
  for (size_t size = 0; size <= 40; ++size) {
    const std::string ascii(size, 'a');
    EXPECT_EQ(utf8(1252, ascii), ascii);
    for (size_t at = 0; at < size; ++at) {
      std::string bytes = ascii;
      bytes[at] = '\xff';
      std::string expected = ascii;
      expected.replace(at, 1, "ÿ");
      EXPECT_EQ(utf8(1252, bytes), expected);
    }
  }
}

TEST(CodePageTest, EveryByteIsAsciiOrACharacterOfItsOwn) {
  for (const int64_t number :
       {437, 850, 874, 1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257, 1258}) {
    for (int byte = 0; byte < 256; ++byte) {
      const std::string one = utf8(number, std::string(1, static_cast<char>(byte)));
      if (byte < 0x80) {
        EXPECT_EQ(one, std::string(1, static_cast<char>(byte)));
      } else {
        EXPECT_GE(one.size(), 2U) << number << ' ' << byte;
        EXPECT_LE(one.size(), 3U) << number << ' ' << byte;
      }
    }
  }
}

TEST(CodePageTest, OtherPagesAreLeftToTheDriver) {
  for (const int64_t number : {0, 932, 936, 949, 950, 1200, 65001}) {
    EXPECT_EQ(CodePage::find(number), nullptr) << number;
  }
}

TEST(CodePageTest, OnlyTextInACodePageIsReadAsSent) {
  const auto sent = [](const char* declared, SQLSMALLINT sql_type, SQLULEN size, int64_t page) {
    DescribedColumn described;
    described.sql_type = sql_type;
    described.size = size;
    return as_sent(*column_type(declared, described), described, page);
  };
  const auto varchar = sent("varchar", SQL_VARCHAR, 30, 1252);
  ASSERT_TRUE(varchar.has_value());
  EXPECT_EQ(varchar->width, 30U);
  EXPECT_EQ(varchar->c_type, SQL_C_BINARY);
  EXPECT_EQ(varchar->source_type, "varchar(30)");
  EXPECT_TRUE(sent("char", SQL_CHAR, 30, 1250).has_value());
  EXPECT_TRUE(sent("CodeOfGoods", SQL_VARCHAR, 30, 1250).has_value()) << "an alias type";
  EXPECT_FALSE(sent("varchar", SQL_VARCHAR, 30, 65001).has_value());
  EXPECT_FALSE(sent("varchar", SQL_VARCHAR, 30, 0).has_value()) << "not known";
  EXPECT_FALSE(sent("varchar", SQL_VARCHAR, 0, 1252).has_value()) << "(max)";
  EXPECT_FALSE(sent("varchar", SQL_WVARCHAR, 30, 1252).has_value()) << "UTF-8, sent as nvarchar";
  EXPECT_FALSE(sent("nvarchar", SQL_WVARCHAR, 30, 1252).has_value());
  EXPECT_FALSE(sent("sysname", SQL_WVARCHAR, 128, 1252).has_value());
  EXPECT_FALSE(sent("text", SQL_LONGVARCHAR, 2147483647, 1252).has_value());
  EXPECT_FALSE(sent("money", SQL_DECIMAL, 19, 1252).has_value());
}

}  // namespace
}  // namespace dstream::sqlserver
