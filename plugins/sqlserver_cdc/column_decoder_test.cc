#include "plugins/sqlserver_cdc/column_decoder.h"

#include <gtest/gtest.h>

#include <cstring>

namespace dstream::sqlserver {
namespace {

class ColumnDecoderTest : public testing::Test {
 protected:
  // One value of `type`, from a buffer of its width that begins with `bytes`.
  dstream_value decode(const ColumnType& type, const void* bytes, size_t size, SQLLEN length) {
    std::vector<uint8_t> buffer(std::max(type.width, size), 0);
    std::memcpy(buffer.data(), bytes, size);
    dstream_value value{};
    decode_column({&type, buffer.data(), &length}, 1, &value, 1, arena_);
    return value;
  }
  std::string text(const dstream_value& value) {
    return {reinterpret_cast<const char*>(value.as.data), value.size};
  }
  static ColumnType make(const char* name, SQLULEN size = 0, SQLSMALLINT digits = 0) {
    DescribedColumn described;
    described.size = size;
    described.digits = digits;
    return *column_type(name, described);
  }

  std::shared_ptr<SlabPool> pool_ = std::make_shared<SlabPool>(1 << 20);
  Arena arena_{pool_, 100};
};

TEST_F(ColumnDecoderTest, DecimalsGetTheirZero) {
  const ColumnType type = make("decimal", 18, 4);
  const auto decimal = [&](const char* digits) {
    return text(
        decode(type, digits, std::strlen(digits), static_cast<SQLLEN>(std::strlen(digits))));
  };
  EXPECT_EQ(decimal("12.5000"), "12.5000");
  EXPECT_EQ(decimal(".5000"), "0.5000");
  EXPECT_EQ(decimal("-.5000"), "-0.5000");
  EXPECT_EQ(decimal("-99999999999999999999999999999999999999"),
            "-99999999999999999999999999999999999999");
}

TEST_F(ColumnDecoderTest, CutValuesAreNeverUsed) {
  const ColumnType text_type = make("nvarchar", 4);
  const ColumnType bytes_type = make("varbinary", 4);
  const ColumnType decimal_type = make("decimal", 18, 4);
  for (const SQLLEN length : {SQLLEN{10}, SQLLEN{9}, SQLLEN{SQL_NO_TOTAL}, SQLLEN{7}}) {
    EXPECT_THROW(decode(text_type, "12345678", 8, length), BadValue) << length;
  }
  EXPECT_THROW(decode(bytes_type, "1234", 4, 5), BadValue);
  EXPECT_THROW(decode(bytes_type, "1234", 4, SQL_NO_TOTAL), BadValue);
  EXPECT_THROW(decode(decimal_type, "1", 1, static_cast<SQLLEN>(decimal_type.width)), BadValue);
  EXPECT_THROW(decode(make("int"), "1234", 4, SQL_NO_TOTAL), BadValue);
}

TEST_F(ColumnDecoderTest, EmptyIsNotNull) {
  EXPECT_EQ(decode(make("nvarchar", 4), "", 0, 0).type, DSTREAM_STRING);
  EXPECT_NE(decode(make("nvarchar", 4), "", 0, 0).as.data, nullptr);
  EXPECT_EQ(decode(make("varbinary", 4), "", 0, 0).type, DSTREAM_BYTES);
  EXPECT_EQ(decode(make("nvarchar", 4), "", 0, SQL_NULL_DATA).type, DSTREAM_NULL);
}

TEST_F(ColumnDecoderTest, DatetimeoffsetBecomesUtcAndKeepsItsOffset) {
  // 2026-11-23 01:30:00.1234567 -05:30
  struct {
    int16_t year;
    uint16_t month, day, hour, minute, second;
    uint32_t fraction;
    int16_t zone_hour, zone_minute;
  } local = {2026, 11, 23, 1, 30, 0, 123456700, -5, -30};
  const dstream_value value =
      decode(make("datetimeoffset", 0, 7), &local, sizeof local, sizeof local);
  EXPECT_EQ(value.as.time.seconds, 1795417200);
  EXPECT_EQ(value.as.time.nanos, 123456700);
  EXPECT_EQ(value.as.time.offset_min, -330);
}

TEST_F(ColumnDecoderTest, ComputedColumnsAreAbsent) {
  ColumnType type = make("int");
  type.fetch = Fetch::kAbsent;
  dstream_value value{};
  decode_column({&type, nullptr, nullptr}, 1, &value, 1, arena_);
  EXPECT_EQ(value.type, DSTREAM_ABSENT);
}

TEST(Calendar, DaysOfDates) {
  EXPECT_EQ(days_from_date(1970, 1, 1), 0);
  EXPECT_EQ(days_from_date(1, 1, 1), -719162);
  EXPECT_EQ(days_from_date(9999, 12, 31), 2932896);
  EXPECT_EQ(days_from_date(2000, 2, 29) + 1, days_from_date(2000, 3, 1));
  EXPECT_EQ(days_from_date(1900, 2, 28) + 1, days_from_date(1900, 3, 1));
}

TEST(ColumnType, AliasTypesGoByTheirDescriptor) {
  DescribedColumn described;
  described.sql_type = SQL_WVARCHAR;
  described.size = 50;
  const auto type = column_type("Name", described);
  ASSERT_TRUE(type.has_value());
  EXPECT_EQ(type->source_type, "nvarchar(50)");
  described.sql_type = -151;
  EXPECT_FALSE(column_type("Position", described).has_value());
}

}  // namespace
}  // namespace dstream::sqlserver
