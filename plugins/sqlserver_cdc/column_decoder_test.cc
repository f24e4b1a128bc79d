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

TEST_F(ColumnDecoderTest, MoneyGetsItsZero) {
  const ColumnType type = make("money");
  const auto decimal = [&](const char* digits) {
    return text(
        decode(type, digits, std::strlen(digits), static_cast<SQLLEN>(std::strlen(digits))));
  };
  EXPECT_EQ(decimal("12.5000"), "12.5000");
  EXPECT_EQ(decimal(".5000"), "0.5000");
  EXPECT_EQ(decimal("-.5000"), "-0.5000");
  EXPECT_EQ(decimal("-922337203685477.5808"), "-922337203685477.5808");
}

TEST_F(ColumnDecoderTest, DecimalsAreWrittenFromTheirNumber) {
  const auto decimal = [this](uint64_t high, uint64_t low, int scale, bool is_negative) {
    uint8_t bytes[kNumericStructSize] = {38, static_cast<uint8_t>(scale),
                                         static_cast<uint8_t>(is_negative ? 0 : 1)};
    std::memcpy(bytes + 3, &low, 8);
    std::memcpy(bytes + 11, &high, 8);
    return text(decode(make("decimal", 38, static_cast<SQLSMALLINT>(scale)), bytes, sizeof bytes,
                       sizeof bytes));
  };
  EXPECT_EQ(decimal(0, 0, 0, false), "0");
  EXPECT_EQ(decimal(0, 0, 4, true), "0.0000") << "there is no negative zero";
  EXPECT_EQ(decimal(0, 125'000, 4, false), "12.5000");
  EXPECT_EQ(decimal(0, 1, 38, true), "-0." + std::string(37, '0') + "1");
  EXPECT_EQ(decimal(1, 0, 0, false), "18446744073709551616");
  EXPECT_EQ(decimal(1, 0, 20, false), "0.18446744073709551616");
  // 10^38 - 1, and one more, which no decimal can be.
  constexpr uint64_t kHigh = 5'421'010'862'427'522'170U;
  constexpr uint64_t kLow = 687'399'551'400'673'279U;
  EXPECT_EQ(decimal(kHigh, kLow, 0, true), "-" + std::string(38, '9'));
  EXPECT_EQ(decimal(kHigh, kLow, 38, false), "0." + std::string(38, '9'));
  EXPECT_THROW(decimal(kHigh, kLow + 1, 0, false), BadValue);
}

TEST_F(ColumnDecoderTest, DecimalsOfAnotherFormAreRefused) {
  const ColumnType type = make("decimal", 18, 4);
  uint8_t bytes[kNumericStructSize] = {18, 3, 1};
  EXPECT_THROW(decode(type, bytes, sizeof bytes, sizeof bytes), BadValue) << "another scale";
  bytes[1] = 4;
  EXPECT_THROW(decode(type, bytes, sizeof bytes, 18), BadValue);
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
