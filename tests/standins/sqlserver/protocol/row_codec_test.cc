#include "tests/standins/sqlserver/protocol/row_codec.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/standins/sqlserver/protocol/hex.h"
#include "tests/standins/sqlserver/protocol/sample_values.h"
#include "tests/standins/sqlserver/protocol/tokens.h"

namespace dstream::standin {
namespace {

// The columns of the sample in the notes: those of a change table.
std::vector<ResultColumn> change_columns() {
  const SqlType lsn{TypeId::kBinary, 10, 0, 0, false, false};
  return {{"__$start_lsn", lsn},
          {"__$seqval", lsn},
          {"__$operation", {TypeId::kInt, 0, 0, 0, false, false}},
          {"__$update_mask", {TypeId::kVarBinary, 128, 0, 0, true, false}},
          {"id", {TypeId::kInt, 0, 0, 0, false, false}},
          {"name", {TypeId::kNVarChar, 50, 0, 0, true, false}},
          {"amount", {TypeId::kDecimal, 0, 18, 4, true, false}},
          {"ts", {TypeId::kDateTime2, 0, 0, 7, true, false}}};
}

std::vector<SqlValue> change_row() {
  return {SqlValue::of_text(from_hex("00000027000001F40003")),
          SqlValue::of_text(from_hex("00000027000001F40002")),
          SqlValue::of_number(2),
          SqlValue::of_text(from_hex("0F")),
          SqlValue::of_number(1),
          SqlValue::of_text("twelve chars"),
          SqlValue::of_text("123456.7890"),
          SqlValue::of_number(639'310'340'961'234'567)};
}

TEST(RowCodec, ColumnsMatchTheSample) {
  std::string token;
  append_columns(change_columns(), Dialect{}, &token);
  const std::string hex = to_hex(token);
  EXPECT_EQ(hex.substr(0, 26),
            "810800"
            "000000000800"
            "ad0a00"
            "0c");
  const auto has = [&hex](std::string_view part) {
    return hex.find(to_hex(from_hex(part))) != std::string::npos;
  };
  EXPECT_TRUE(has("00000000 0800 38 0C"));
  EXPECT_TRUE(has("00000000 0900 A58000 0E"));
  EXPECT_TRUE(has("00000000 0900 E76400 0904D00034 04"));
  EXPECT_TRUE(has("00000000 0900 6A091204 06"));
  EXPECT_TRUE(has("00000000 0900 2A07 02"));
}

TEST(RowCodec, RowMatchesTheSample) {
  std::string token;
  std::vector<SqlValue> values = change_row();
  ASSERT_TRUE(encode_row(change_columns(), values, &token));
  EXPECT_EQ(to_hex(token),
            to_hex(from_hex("D1 0A00 00000027000001F40003 0A00 00000027000001F40002 02000000 "
                            "0100 0F 01000000 1800 7400770065006C00760065002000630068006100720073"
                            "00 09 01 D202964900000000 08 87EE977669 664A0B")));
}

TEST(RowCodec, SaysWhichColumnDoesNotFit) {
  std::vector<SqlValue> values = change_row();
  std::string token = "kept";
  size_t bad_column = 0;
  values[6] = SqlValue::of_text("1e9");
  EXPECT_FALSE(encode_row(change_columns(), values, &token, &bad_column));
  EXPECT_EQ(bad_column, 6u);
  values.pop_back();
  EXPECT_FALSE(encode_row(change_columns(), values, &token, &bad_column));
  EXPECT_EQ(bad_column, 8u);
  EXPECT_EQ(token, "kept");
}

TEST(RowCodec, PicksColumnsOfStoredRows) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<ResultColumn> columns;
  for (const SqlType& type : sample_types()) {
    columns.push_back({"c" + std::to_string(columns.size()), type});
  }
  const RowLayout layout(columns);
  std::vector<ByteRange> ranges(columns.size());
  for (int i = 0; i < 20; ++i) {
    std::vector<SqlValue> values;
    for (const ResultColumn& column : columns) {
      values.push_back(sample_value(column.type, &random));
    }
    std::string token;
    ASSERT_TRUE(encode_row(columns, values, &token));
    std::vector<uint16_t> picks;
    std::vector<ResultColumn> picked_columns;
    for (int j = 0; j < 12; ++j) {
      picks.push_back(static_cast<uint16_t>(random() % columns.size()));
      picked_columns.push_back(columns[picks.back()]);
    }
    std::string picked;
    ASSERT_TRUE(layout.append_picked(token, picks, ranges, &picked));
    std::vector<SqlValue> back;
    ASSERT_TRUE(decode_row(picked_columns, picked, &back));
    for (size_t j = 0; j < picks.size(); ++j) {
      const size_t column = picks[j];
      SCOPED_TRACE(describe(columns[column].type));
      EXPECT_EQ(describe(back[j]), describe(values[column]));
      SqlValue one;
      ASSERT_TRUE(layout.value(token, ranges[column], column, &one));
      EXPECT_EQ(describe(one), describe(values[column]));
      EXPECT_EQ(layout.is_null(token, ranges[column], column), values[column].null);
    }
  }
}

TEST(RowCodec, RefusesTokensOfOtherColumns) {
  std::string token;
  ASSERT_TRUE(encode_row(change_columns(), change_row(), &token));
  const RowLayout layout(change_columns());
  std::vector<ByteRange> ranges(layout.column_count());
  EXPECT_TRUE(layout.ranges(token, ranges));
  EXPECT_FALSE(layout.ranges(token + "x", ranges));
  for (size_t length = 0; length < token.size(); ++length) {
    EXPECT_FALSE(layout.ranges(token.substr(0, length), ranges)) << length;
  }
  const uint16_t beyond[] = {8};
  std::string picked = "kept";
  EXPECT_FALSE(layout.append_picked(token, beyond, ranges, &picked));
  EXPECT_EQ(picked, "kept");
  std::vector<SqlValue> values;
  EXPECT_FALSE(decode_row(change_columns(), "\xD2", &values));
}

}  // namespace
}  // namespace dstream::standin
