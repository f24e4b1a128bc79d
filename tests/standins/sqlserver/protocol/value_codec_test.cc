// Values against the byte vectors of the TDS notes, and round trips over every type.
#include "tests/standins/sqlserver/protocol/value_codec.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/standins/sqlserver/protocol/decimal.h"
#include "tests/standins/sqlserver/protocol/hex.h"
#include "tests/standins/sqlserver/protocol/row_codec.h"
#include "tests/standins/sqlserver/protocol/sample_values.h"
#include "tests/standins/sqlserver/protocol/text_codec.h"

namespace dstream::standin {
namespace {

constexpr int64_t kDay20261123 = 739'942;  // 2026-11-23
constexpr int64_t kTime123456 = (12 * 3600 + 34 * 60 + 56) * kTicksPerSecond + 1'234'567;

SqlType type_of(TypeId id, int32_t length = 0, uint8_t precision = 0, uint8_t scale = 0) {
  return {id, length, precision, scale, true, false};
}

struct Vector {
  const char* what;
  SqlType type;
  const char* type_info;
  SqlValue value;
  const char* bytes;
};

SqlValue offset_value(int64_t utc_ticks, int16_t offset_min) {
  SqlValue value = SqlValue::of_number(utc_ticks);
  value.offset_min = offset_min;
  return value;
}

SqlValue variant_value(SqlType base, SqlValue value) {
  base.nullable = false;
  value.variant_type = base;
  return value;
}

std::vector<Vector> vectors() {
  const auto number = [](int64_t v) { return SqlValue::of_number(v); };
  const auto text = [](const char* v) { return SqlValue::of_text(v); };
  const int64_t instant = kDay20261123 * kTicksPerDay + kTime123456;
  return {
      {"tinyint", type_of(TypeId::kTinyInt), "2601", number(0xC8), "01C8"},
      {"smallint", type_of(TypeId::kSmallInt), "2602", number(-3), "02FDFF"},
      {"int", type_of(TypeId::kInt), "2604", number(-2), "04FEFFFFFF"},
      {"bigint", type_of(TypeId::kBigInt), "2608", number(-2), "08FEFFFFFFFFFFFFFF"},
      {"bit", type_of(TypeId::kBit), "6801", number(1), "0101"},
      {"decimal", type_of(TypeId::kDecimal, 0, 18, 4), "6A091204", text("-123456.7890"),
       "0900D202964900000000"},
      {"numeric", type_of(TypeId::kNumeric, 0, 38, 10), "6C11260A", text("0.0000000001"),
       "110101000000000000000000000000000000"},
      {"money", type_of(TypeId::kMoney), "6E08", text("-1.2345"), "08FFFFFFFFC7CFFFFF"},
      {"smallmoney", type_of(TypeId::kSmallMoney), "6E04", text("1.2345"), "0439300000"},
      {"float", type_of(TypeId::kFloat), "6D08", SqlValue::of_real(0.1), "089A9999999999B93F"},
      {"real", type_of(TypeId::kReal), "6D04", SqlValue::of_real(0.5), "040000003F"},
      {"datetime", type_of(TypeId::kDateTime), "6F08",
       number((45'000 + kDaysOf1900) * kTicksPerDay + 0x107AC1 * int64_t{100'000} / 3),
       "08 C8AF0000 C17A1000"},
      {"smalldatetime", type_of(TypeId::kSmallDateTime), "6F04",
       number((45'000 + kDaysOf1900) * kTicksPerDay + 61 * 60 * kTicksPerSecond), "04 C8AF 3D00"},
      {"date", type_of(TypeId::kDate), "28", number(kDay20261123), "03664A0B"},
      {"time", type_of(TypeId::kTime, 0, 0, 7), "2907", number(kTime123456), "0587EE977669"},
      {"datetime2(7)", type_of(TypeId::kDateTime2, 0, 0, 7), "2A07", number(instant),
       "0887EE977669664A0B"},
      {"datetime2(3)", type_of(TypeId::kDateTime2, 0, 0, 3), "2A03", number(instant),
       "07FB29B302664A0B"},
      {"datetimeoffset", type_of(TypeId::kDateTimeOffset, 0, 0, 7), "2B07",
       offset_value(instant, 330), "0A 87EE977669 664A0B 4A01"},
      {"char", type_of(TypeId::kChar, 10), "AF0A00 0904D00034", text("a\xC3\xA9"),
       "0A00 61E92020202020202020"},
      {"varchar", type_of(TypeId::kVarChar, 10), "A70A00 0904D00034", text("\xE2\x82\xAC"),
       "0100 80"},
      {"varchar utf8",
       {TypeId::kVarChar, 10, 0, 0, true, true},
       "A70A00 0904D02400",
       text("\xE2\x82\xAC"),
       "0300 E282AC"},
      {"nvarchar", type_of(TypeId::kNVarChar, 50), "E76400 0904D00034", text("\xF0\x9F\x98\x80z"),
       "0600 3DD800DE7A00"},
      {"nvarchar(max)", type_of(TypeId::kNVarChar, kMaxLength), "E7FFFF 0904D00034", text("ab"),
       "0400000000000000 04000000 61006200 00000000"},
      {"varbinary(max) empty", type_of(TypeId::kVarBinary, kMaxLength), "A5FFFF", text(""),
       "0000000000000000 00000000"},
      {"binary", type_of(TypeId::kBinary, 4), "AD0400", text("ab"), "0400 61620000"},
      {"uniqueidentifier", type_of(TypeId::kUniqueIdentifier), "2410",
       SqlValue::of_text(from_hex("FF19966F868B11D0B42D00C04FC964FF")),
       "10FF19966F868B11D0B42D00C04FC964FF"},
      {"rowversion", type_of(TypeId::kRowVersion), "AD0800",
       SqlValue::of_text(from_hex("00000000000007D1")), "0800 00000000000007D1"},
      {"variant int", type_of(TypeId::kSqlVariant), "62491F0000",
       variant_value(type_of(TypeId::kInt), number(42)), "06000000 38 00 2A000000"},
      {"variant nvarchar", type_of(TypeId::kSqlVariant), "62491F0000",
       variant_value(type_of(TypeId::kNVarChar, 4000), text("ab")),
       "0D000000 E7 07 0904D00034 401F 61006200"},
      {"xml", type_of(TypeId::kXml), "F100", text("<a/>"),
       "0800000000000000 08000000 3C0061002F003E00 00000000"},
  };
}

TEST(ValueCodec, MatchesTheVectors) {
  for (const Vector& vector : vectors()) {
    std::string info;
    append_type_info(vector.type, &info);
    EXPECT_EQ(to_hex(info), to_hex(from_hex(vector.type_info))) << vector.what;
    std::string bytes;
    ASSERT_TRUE(append_value(vector.type, vector.value, &bytes)) << vector.what;
    EXPECT_EQ(to_hex(bytes), to_hex(from_hex(vector.bytes))) << vector.what;
  }
}

TEST(ValueCodec, NullHasTheFormOfItsType) {
  const auto null_bytes = [](const SqlType& type) {
    std::string bytes;
    EXPECT_TRUE(append_value(type, SqlValue{}, &bytes));
    return to_hex(bytes);
  };
  EXPECT_EQ(null_bytes(type_of(TypeId::kInt)), "00");
  EXPECT_EQ(null_bytes(type_of(TypeId::kNVarChar, 10)), "ffff");
  EXPECT_EQ(null_bytes(type_of(TypeId::kNVarChar, kMaxLength)), "ffffffffffffffff");
  EXPECT_EQ(null_bytes(type_of(TypeId::kSqlVariant)), "00000000");
  EXPECT_EQ(null_bytes(type_of(TypeId::kText)), "00");
  SqlType not_null = type_of(TypeId::kInt);
  not_null.nullable = false;
  std::string bytes = "kept";
  EXPECT_FALSE(append_value(not_null, SqlValue{}, &bytes));
  EXPECT_EQ(bytes, "kept");
}

TEST(ValueCodec, RefusesWhatDoesNotFit) {
  const auto fits = [](const SqlType& type, const SqlValue& value) {
    std::string bytes;
    const bool ok = append_value(type, value, &bytes);
    EXPECT_EQ(bytes.empty(), !ok);
    return ok;
  };
  EXPECT_FALSE(fits(type_of(TypeId::kTinyInt), SqlValue::of_number(256)));
  EXPECT_FALSE(fits(type_of(TypeId::kTinyInt), SqlValue::of_number(-1)));
  EXPECT_FALSE(fits(type_of(TypeId::kSmallInt), SqlValue::of_number(32768)));
  EXPECT_FALSE(fits(type_of(TypeId::kInt), SqlValue::of_number(int64_t{1} << 31)));
  EXPECT_FALSE(fits(type_of(TypeId::kDecimal, 0, 5, 2), SqlValue::of_text("1000.00")));
  EXPECT_FALSE(fits(type_of(TypeId::kDecimal, 0, 5, 2), SqlValue::of_text("999.995")));
  EXPECT_TRUE(fits(type_of(TypeId::kDecimal, 0, 5, 2), SqlValue::of_text("999.994")));
  EXPECT_FALSE(fits(type_of(TypeId::kDecimal, 0, 5, 2), SqlValue::of_text("abc")));
  EXPECT_FALSE(fits(type_of(TypeId::kMoney), SqlValue::of_text("922337203685477.5808")));
  EXPECT_TRUE(fits(type_of(TypeId::kMoney), SqlValue::of_text("-922337203685477.5808")));
  EXPECT_FALSE(fits(type_of(TypeId::kNVarChar, 2), SqlValue::of_text("abc")));
  EXPECT_FALSE(fits(type_of(TypeId::kNVarChar, 1), SqlValue::of_text("\xF0\x9F\x98\x80")));
  EXPECT_FALSE(fits(type_of(TypeId::kUniqueIdentifier), SqlValue::of_text("short")));
  EXPECT_FALSE(fits(type_of(TypeId::kDate), SqlValue::of_number(kDaysMax + 1)));
  EXPECT_FALSE(fits(type_of(TypeId::kDateTime), SqlValue::of_number(0)));
  EXPECT_FALSE(fits(type_of(TypeId::kSmallDateTime), SqlValue::of_number(0)));
}

TEST(ValueCodec, DateTimeRoundsToThirdsOfAHundredthSecond) {
  const SqlType type = type_of(TypeId::kDateTime);
  const auto rounded = [&](int64_t ticks) {
    std::string bytes;
    EXPECT_TRUE(append_raw(type, SqlValue::of_number(kDaysOf1900 * kTicksPerDay + ticks), &bytes));
    SqlValue value;
    EXPECT_TRUE(read_raw(type, bytes, &value));
    return value.number - kDaysOf1900 * kTicksPerDay;
  };
  EXPECT_EQ(rounded(0), 0);
  EXPECT_EQ(rounded(10'000), 0);        // .001 becomes .000
  EXPECT_EQ(rounded(20'000), 33'333);   // .002 becomes .003
  EXPECT_EQ(rounded(50'000), 66'667);   // .005 becomes .007
  EXPECT_EQ(rounded(90'000), 100'000);  // .009 becomes .010
  EXPECT_EQ(rounded(kTicksPerDay - 1), kTicksPerDay);
}

TEST(ValueCodec, DecimalsMayComeWithoutLeadingZeroBytes) {
  SqlValue value;
  ASSERT_TRUE(read_raw(type_of(TypeId::kDecimal, 0, 38, 4), from_hex("00 44D612"), &value));
  EXPECT_EQ(value.text, "-123.4500");
  ASSERT_TRUE(read_raw(type_of(TypeId::kDecimal, 0, 38, 4), from_hex("01"), &value));
  EXPECT_EQ(value.text, "0.0000");
  EXPECT_FALSE(read_raw(type_of(TypeId::kDecimal, 0, 38, 4), "", &value));
}

// msodbcsql18 sends xml with a byte order mark.
TEST(ValueCodec, AByteOrderMarkIsNoPartOfXml) {
  SqlValue value;
  ASSERT_TRUE(read_raw(type_of(TypeId::kXml), from_hex("FFFE3C0061002F003E00"), &value));
  EXPECT_EQ(value.text, "<a/>");
}

TEST(ValueCodec, EveryTypeComesBackAsItWent) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (const SqlType& type : sample_types()) {
    for (int i = 0; i < 200; ++i) {
      const SqlValue value = sample_value(type, &random);
      std::string bytes;
      ASSERT_TRUE(append_value(type, value, &bytes)) << describe(type) << " " << describe(value);
      SqlValue back;
      ByteReader reader(bytes);
      ASSERT_TRUE(read_value(&reader, type, wire_type(type), &back)) << describe(type);
      EXPECT_TRUE(reader.at_end()) << describe(type);
      EXPECT_EQ(describe(back), describe(value)) << describe(type);
      // The same value once more gives the same bytes: what was read is what was meant.
      std::string again;
      ASSERT_TRUE(append_value(type, back, &again)) << describe(type);
      EXPECT_EQ(to_hex(again), to_hex(bytes)) << describe(type);
    }
  }
}

TEST(ValueCodec, EveryTypeSurvivesBytesOfAnything) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (const SqlType& type : sample_types()) {
    for (int i = 0; i < 300; ++i) {
      std::string bytes(random() % 24, '\0');
      for (char& byte : bytes) {
        byte = static_cast<char>(random());
      }
      SqlValue value;
      ByteReader reader(bytes);
      if (read_value(&reader, type, wire_type(type), &value) && !value.null) {
        std::string again;
        append_value(type, value, &again);
      }
    }
  }
}

TEST(Decimal, ReadsAndWritesThirtyEightDigits) {
  const std::string most(38, '9');
  Decimal decimal;
  ASSERT_TRUE(parse_decimal("-" + most, 38, 0, &decimal));
  EXPECT_EQ(decimal_text(decimal, 0), "-" + most);
  EXPECT_FALSE(parse_decimal("1" + std::string(38, '0'), 38, 0, &decimal));
  ASSERT_TRUE(parse_decimal("0." + most, 38, 38, &decimal));
  EXPECT_EQ(decimal_text(decimal, 38), "0." + most);
  EXPECT_FALSE(parse_decimal("1", 38, 38, &decimal));
}

TEST(Decimal, RoundsHalfAwayFromZero) {
  const auto rounded = [](const char* text) {
    Decimal decimal;
    return parse_decimal(text, 9, 2, &decimal) ? decimal_text(decimal, 2) : "refused";
  };
  EXPECT_EQ(rounded("1.005"), "1.01");
  EXPECT_EQ(rounded("-1.005"), "-1.01");
  EXPECT_EQ(rounded("1.00499999"), "1.00");
  EXPECT_EQ(rounded("-0.001"), "0.00");
  EXPECT_EQ(rounded(".5"), "0.50");
  EXPECT_EQ(rounded("5."), "5.00");
  EXPECT_EQ(rounded("."), "refused");
  EXPECT_EQ(rounded(""), "refused");
  EXPECT_EQ(rounded("1e3"), "refused");
}

TEST(TextCodec, RepairsWhatIsNotText) {
  EXPECT_EQ(utf8_of_utf16(from_hex("00D8 6100")),
            "\xEF\xBF\xBD"
            "a");
  EXPECT_EQ(utf8_of_utf16(from_hex("00DC")), "\xEF\xBF\xBD");
  EXPECT_EQ(utf8_of_utf16(from_hex("6100 62")), "a\xEF\xBF\xBD");
  const auto utf16 = [](std::string_view utf8) {
    std::string bytes;
    append_utf16(utf8, &bytes);
    return to_hex(bytes);
  };
  EXPECT_EQ(utf16("\xC0\x80"), "fdfffdff");          // overlong
  EXPECT_EQ(utf16("\xED\xA0\x80"), "fdfffdfffdff");  // a surrogate
  EXPECT_EQ(utf16("\xF0\x9F"), "fdfffdff");          // cut short
  EXPECT_EQ(utf16_units("\xF0\x9F\x98\x80"
                        "a"),
            3u);
}

TEST(TextCodec, CodePage1252IsItsOwnInverse) {
  std::string all;
  for (int i = 0; i < 256; ++i) {
    all.push_back(static_cast<char>(i));
  }
  std::string back;
  append_cp1252(utf8_of_cp1252(all), &back);
  EXPECT_EQ(to_hex(back), to_hex(all));
  std::string unknown;
  append_cp1252("\xD0\x96", &unknown);
  EXPECT_EQ(unknown, "?");
}

}  // namespace
}  // namespace dstream::standin
