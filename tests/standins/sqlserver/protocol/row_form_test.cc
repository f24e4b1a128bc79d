#include "tests/standins/sqlserver/protocol/row_form.h"

#include <gtest/gtest.h>

#include "tests/standins/sqlserver/protocol/hex.h"
#include "tests/standins/sqlserver/protocol/value_codec.h"

namespace dstream::standin {
namespace {

SqlType time_type(TypeId id, uint8_t scale) { return {id, 0, 0, scale, true, false}; }

TEST(RowForm, WritesTimesAsText) {
  const int64_t day = 739'942 * kTicksPerDay;
  SqlValue value = SqlValue::of_number(day + 1'234'567);
  EXPECT_EQ(time_text(time_type(TypeId::kDateTime2, 7), value), "2026-11-23 00:00:00.1234567");
  EXPECT_EQ(time_text(time_type(TypeId::kDateTime2, 0), value), "2026-11-23 00:00:00");
  value.offset_min = -90;
  EXPECT_EQ(time_text(time_type(TypeId::kDateTimeOffset, 3), value),
            "2026-11-22 22:30:00.123 -01:30");
  EXPECT_EQ(time_text(time_type(TypeId::kDate, 0), SqlValue::of_number(0)), "0001-01-01");
  EXPECT_EQ(time_text(time_type(TypeId::kDate, 0), SqlValue::of_number(kDaysMax)), "9999-12-31");
  EXPECT_EQ(time_text(time_type(TypeId::kTime, 2), SqlValue::of_number(kTicksPerDay - 1)),
            "23:59:59.99");
}

TEST(RowForm, NullBitmapHasABitForEachNull) {
  std::vector<ResultColumn> columns;
  std::vector<SqlValue> values;
  for (int i = 0; i < 9; ++i) {
    columns.push_back({"c", {TypeId::kTinyInt, 0, 0, 0, true, false}});
    values.push_back(i == 1 || i == 8 ? SqlValue{} : SqlValue::of_number(i));
  }
  RowForm form;
  form.begin(columns, dialect_of(kTds74), true);
  EXPECT_FALSE(form.is_plain());
  size_t bad_column = 0;
  EXPECT_EQ(to_hex(form.encode(values, &bad_column)),
            to_hex(from_hex("D2 0201 0100 0102 0103 0104 0105 0106 0107")));
  // Without a NULL, and for clients before TDS 7.3, rows stay what they are.
  for (SqlValue& value : values) {
    value = SqlValue::of_number(1);
  }
  EXPECT_EQ(form.encode(values, &bad_column)[0], '\xD1');
  form.begin(columns, dialect_of(kTds72), true);
  EXPECT_TRUE(form.is_plain());
  EXPECT_TRUE(form.convert("\xD1").data() != nullptr);
}

TEST(RowForm, Utf8TextIsNVarCharForClientsThatDidNotAskForUtf8) {
  const auto utf8 = [](TypeId id, int32_t length) { return SqlType{id, length, 0, 0, true, true}; };
  Dialect dialect = dialect_of(kTds74);
  EXPECT_FALSE(dialect.utf8);
  for (const TypeId id : {TypeId::kChar, TypeId::kVarChar}) {
    const SqlType sent = type_in_dialect(utf8(id, 10), dialect);
    EXPECT_EQ(sent.id, TypeId::kNVarChar);
    EXPECT_EQ(sent.length, 10);
  }
  EXPECT_EQ(type_in_dialect(utf8(TypeId::kVarChar, 8000), dialect).length, kMaxLength);
  EXPECT_EQ(type_in_dialect(utf8(TypeId::kVarChar, kMaxLength), dialect_of(kTds71)).id,
            TypeId::kNText);
  const std::vector<ResultColumn> columns = {{"u", utf8(TypeId::kVarChar, 10)}};
  const std::vector<SqlValue> values = {SqlValue::of_text("\xD1\x8F")};
  size_t bad_column = 0;
  RowForm form;
  form.begin(columns, dialect, false);
  EXPECT_EQ(to_hex(form.encode(values, &bad_column)), "d102004f04");
  EXPECT_EQ(to_hex(form.convert(from_hex("D1 0200 D18F"))), "d102004f04");
  dialect.utf8 = true;
  form.begin(columns, dialect, false);
  EXPECT_TRUE(form.is_plain());
  EXPECT_EQ(to_hex(form.encode(values, &bad_column)), "d10200d18f");
}

TEST(RowForm, RowsOfOtherColumnsAreRefused) {
  const std::vector<ResultColumn> columns = {{"d", time_type(TypeId::kDate, 0)}};
  RowForm form;
  form.begin(columns, dialect_of(kTds71), false);
  EXPECT_FALSE(form.is_plain());
  EXPECT_TRUE(form.convert(from_hex("D1 04 00000000")).empty());
  EXPECT_EQ(to_hex(form.convert(from_hex("D1 00"))), "d1ffff");
}

}  // namespace
}  // namespace dstream::standin
