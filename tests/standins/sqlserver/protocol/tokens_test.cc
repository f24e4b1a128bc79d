#include "tests/standins/sqlserver/protocol/tokens.h"

#include <gtest/gtest.h>

#include "tests/standins/sqlserver/protocol/hex.h"

namespace dstream::standin {
namespace {

// MS-TDS 2.2.7.21 and 2.2.7.3: a table by its parts; column, table, status, and the base column's
// name where status says DIFFERENT_NAME (0x20).
TEST(Tokens, ColumnsOfServerCursorsSayWhereTheyComeFrom) {
  std::string tables;
  append_table_names(std::vector<std::vector<std::string>>{{"s", "tb"}}, &tables);
  EXPECT_EQ(to_hex(tables), "a40b000201007300020074006200");
  std::string sources;
  const std::vector<ColumnSource> columns = {
      {1, true, false, {}}, {1, false, false, "n"}, {0, false, true, {}}};
  append_column_sources(columns, &sources);
  EXPECT_EQ(to_hex(sources),
            "a50c00"
            "010108"
            "020120016e00"
            "030014");
  std::string none;
  append_table_names({}, &none);
  EXPECT_EQ(none, "");
}

}  // namespace
}  // namespace dstream::standin
