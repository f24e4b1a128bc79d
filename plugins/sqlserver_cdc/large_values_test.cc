// Values of no fixed size, from the change table to the record.
#include "plugins/sqlserver_cdc/large_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "plugins/sqlserver_cdc/test_database.h"

namespace dstream::sqlserver {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(LargeValues, MaskTellsNullFromWhatWasNotLogged) {
  constexpr MaskOrder kOrder = MaskOrder::kFirstByteLowest;
  const std::string second("\x02", 1);
  EXPECT_FALSE(is_not_logged(Large::kMax, 1, second, 0, kOrder)) << "a delete has all values";
  EXPECT_FALSE(is_not_logged(Large::kMax, 2, second, 0, kOrder));
  EXPECT_TRUE(is_not_logged(Large::kMax, 3, second, 0, kOrder));
  EXPECT_TRUE(is_not_logged(Large::kMax, 4, second, 0, kOrder));
  EXPECT_FALSE(is_not_logged(Large::kMax, 4, second, 1, kOrder));
  EXPECT_TRUE(is_not_logged(Large::kText, 1, second, 1, kOrder)) << "text is never logged before";
  EXPECT_TRUE(is_not_logged(Large::kText, 3, second, 1, kOrder));
  EXPECT_FALSE(is_not_logged(Large::kText, 4, second, 1, kOrder));
}

class LargeValuesTest : public SourceFixture {
 protected:
  // Values of one row of a record, as text; "absent", "null".
  static std::vector<std::string> row(const dstream_record& record, const dstream_value* values) {
    std::vector<std::string> out;
    for (uint32_t i = 0; i < record.schema->column_count; ++i) {
      const dstream_value& value = values[i];
      if (value.type == DSTREAM_ABSENT || value.type == DSTREAM_NULL) {
        out.emplace_back(value.type == DSTREAM_ABSENT ? "absent" : "null");
      } else if (value.type == DSTREAM_INT64) {
        out.push_back(std::to_string(value.as.i64));
      } else {
        out.emplace_back(reinterpret_cast<const char*>(value.as.data), value.size);
      }
    }
    return out;
  }
  void create() {
    run("EXEC sp_configure N'max text repl size', -1; RECONFIGURE");
    create_table(
        "CREATE TABLE dbo.Notes (Body nvarchar(max) NULL, ID int NOT NULL PRIMARY KEY, "
        "Code varchar(max) NULL, Data varbinary(max) NULL, Doc xml NULL, Size int NULL)",
        "Notes");
  }
};

// What a server sends beyond the memory of a page is thrown away and asked for again: that happens
// only until it is known what rows take.
TEST_F(LargeValuesTest, PagesAskForWhatTheyHaveRoomFor) {
  if (is_real()) {
    GTEST_SKIP() << "needs the stand-in's counters";
  }
  create();
  run("DECLARE @i int = 0, @body nvarchar(max) = REPLICATE(CAST(N'abcd' AS nvarchar(max)), 1000);"
      " BEGIN TRANSACTION; WHILE @i < 4000 BEGIN INSERT INTO dbo.Notes (ID, Body) VALUES (@i, "
      "@body); SET @i = @i + 1; END COMMIT");
  wait_captured("dbo_Notes", 4000);
  open({"dbo.Notes"});
  EXPECT_EQ(read(4000).size(), 4000u);
  size_t given_up = 0;
  for (const auto& request : statistics().requests()) {
    given_up += request.text.starts_with("sp_executesql SELECT start_lsn") ? 1 : 0;
  }
  EXPECT_LE(given_up, 1u);
}

TEST_F(LargeValuesTest, ComeWholeWhateverTheirSize) {
  create();
  std::mt19937_64 random(7);
  // Around the sizes at which pieces end, with characters of one to four bytes.
  const std::vector<std::string> characters = {"x", "\xC3\xA9", "\xE6\x97\xA5", "\xF0\x9F\x98\x80"};
  std::vector<std::string> bodies;
  for (const size_t units : {size_t{0}, size_t{1}, size_t{8000}, size_t{8190}, size_t{8191},
                             size_t{8192}, size_t{24'575}, size_t{100'000}}) {
    std::string body;
    for (size_t i = 0; i < units;) {
      const std::string& character = characters[random() % characters.size()];
      i += character.size() == 4 ? 2 : 1;
      body += character;
    }
    bodies.push_back(body);
  }
  for (size_t i = 0; i < bodies.size(); ++i) {
    run("INSERT INTO dbo.Notes (Body, ID, Code, Data, Doc, Size) VALUES (N'" + bodies[i] + "', " +
        std::to_string(i) + ", REPLICATE(CAST('ab' AS varchar(max)), " + std::to_string(i * 5000) +
        "), CONVERT(varbinary(max), REPLICATE(CAST('z' AS varchar(max)), " +
        std::to_string(i * 9000) + ")), N'<a>" + std::to_string(i) + "</a>', 1)");
  }
  open({"dbo.Notes"});
  size_t seen = 0;
  while (seen < bodies.size()) {
    Batch batch = read_batch();
    for (uint32_t i = 0; i < batch.size(); ++i, ++seen) {
      const auto values = row(batch[i].raw(), batch[i].raw().after);
      EXPECT_TRUE(values[0] == bodies[seen])
          << "row " << seen << ", " << values[0].size() << " bytes of " << bodies[seen].size();
      EXPECT_EQ(values[1], std::to_string(seen));
      EXPECT_EQ(values[2].size(), seen * 10'000);
      EXPECT_EQ(values[3], std::string(seen * 9000, 'z'));
      EXPECT_EQ(values[4], "<a>" + std::to_string(seen) + "</a>");
      EXPECT_EQ(values[5], "1");
      EXPECT_EQ(batch[i].raw().after[4].type, dstream_type{DSTREAM_XML});
      EXPECT_EQ(batch[i].raw().after[3].type, dstream_type{DSTREAM_BYTES});
    }
  }
}

TEST_F(LargeValuesTest, UnchangedIsAbsentAndNullIsNull) {
  create();
  run("INSERT INTO dbo.Notes (Body, ID, Code) VALUES (N'one', 1, NULL)");
  run("UPDATE dbo.Notes SET Size = 5 WHERE ID = 1");
  run("UPDATE dbo.Notes SET Body = N'two' WHERE ID = 1");
  run("UPDATE dbo.Notes SET Body = NULL, Code = 'c' WHERE ID = 1");
  run("DELETE FROM dbo.Notes WHERE ID = 1");
  open({"dbo.Notes"});
  std::vector<std::vector<std::string>> before;
  std::vector<std::vector<std::string>> after;
  while (before.size() + after.size() < 8) {
    Batch batch = read_batch();
    for (uint32_t i = 0; i < batch.size(); ++i) {
      const dstream_record& record = batch[i].raw();
      if (record.before != nullptr) {
        before.push_back(row(record, record.before));
      }
      if (record.after != nullptr) {
        after.push_back(row(record, record.after));
      }
    }
  }
  ASSERT_EQ(before.size(), 4u);
  ASSERT_EQ(after.size(), 4u);
  EXPECT_THAT(after[0], ElementsAre("one", "1", "null", "null", "null", "null"));
  EXPECT_THAT(before[0], ElementsAre("absent", "1", "absent", "absent", "absent", "null"));
  EXPECT_THAT(after[1], ElementsAre("absent", "1", "absent", "absent", "absent", "5"));
  EXPECT_THAT(before[1], ElementsAre("one", "1", "absent", "absent", "absent", "5"));
  EXPECT_THAT(after[2], ElementsAre("two", "1", "absent", "absent", "absent", "5"));
  EXPECT_THAT(before[2], ElementsAre("two", "1", "null", "absent", "absent", "5"));
  EXPECT_THAT(after[3], ElementsAre("null", "1", "c", "absent", "absent", "5"));
  EXPECT_THAT(before[3], ElementsAre("null", "1", "c", "null", "null", "5")) << "the delete";
}

// Tables of more than eight columns, for either order of a mask's bytes and any length of it.
class WideTableTest : public LargeValuesTest {
 protected:
  static constexpr size_t kColumns = 20;
  static bool is_large(size_t column) { return column % 8 == 1; }

  void create_wide() {
    std::string sql = "CREATE TABLE dbo.Wide (C0 int NOT NULL PRIMARY KEY";
    std::string values = "0";
    for (size_t i = 1; i < kColumns; ++i) {
      sql += ", C" + std::to_string(i) + (is_large(i) ? " nvarchar(max) NULL" : " int NULL");
      values += is_large(i) ? ", N'first'" : ", 0";
    }
    create_table(sql + ")", "Wide");
    run("INSERT INTO dbo.Wide VALUES (" + values + ")");
  }
  void assume(const std::string& name, int value) {
    run("EXEC dstream.assume N'" + name + "', " + std::to_string(value));
  }
  // An update of every large column and every int column by itself, and of a few together. Returns
  // what the large columns have to be after each.
  std::vector<std::string> update_all() {
    std::vector<std::string> expected;
    const auto update = [&](const std::vector<size_t>& columns, bool to_null) {
      std::string sql;
      std::string after;
      for (const size_t i : columns) {
        const std::string number = std::to_string(++next_);
        sql += (sql.empty() ? "" : ", ") + ("C" + std::to_string(i)) + " = " +
               (!is_large(i) ? number
                : to_null    ? "NULL"
                             : "N'" + number + "'");
      }
      for (size_t i = 1; i < kColumns; i += 8) {
        const auto at = std::find(columns.begin(), columns.end(), i);
        const auto number = next_ - (columns.end() - at) + 1;
        after += at == columns.end() ? "absent " : to_null ? "null " : std::to_string(number) + ' ';
      }
      run("UPDATE dbo.Wide SET " + sql);
      expected.push_back(after);
    };
    for (size_t i = 1; i < kColumns; ++i) {
      update({i}, false);
    }
    update({2, 9}, true);
    update({1, 12, 17}, true);
    update({1, 9, 17}, false);
    update({17, 18}, true);
    return expected;
  }
  std::vector<std::string> read_large(size_t count) {
    std::vector<std::string> all;
    while (all.size() < count) {
      Batch batch = read_batch();
      for (uint32_t i = 0; i < batch.size(); ++i) {
        const dstream_record& record = batch[i].raw();
        if (record.op != DSTREAM_OP_UPDATE) {
          continue;
        }
        const auto values = row(record, record.after);
        all.push_back(values[1] + ' ' + values[9] + ' ' + values[17] + ' ');
      }
      position_ = batch.last_position();
    }
    return all;
  }
  int64_t next_ = 0;
  std::string position_;
};

TEST_F(WideTableTest, UnchangedIsToldFromNullInEveryFormOfTheMask) {
  if (is_real()) {
    GTEST_SKIP() << "needs the stand-in's switches";
  }
  create_wide();
  for (const int reversed : {0, 1}) {
    assume("update_mask_is_reversed", reversed);
    for (const int bytes_min : {0, 3, 5}) {
      assume("update_mask_bytes_min", bytes_min);
      const std::vector<std::string> expected = update_all();
      open({"dbo.Wide"}, "", position_);
      EXPECT_EQ(read_large(expected.size()), expected) << reversed << ' ' << bytes_min;
    }
  }
}

// The server's function says one thing, the change table another.
TEST_F(WideTableTest, ValuesDecideOverWhatTheServerSays) {
  if (is_real()) {
    GTEST_SKIP() << "needs the stand-in's switches";
  }
  create_wide();
  open({"dbo.Wide"});
  EXPECT_EQ(read(1).size(), 1u);
  assume("update_mask_is_reversed", 1);  // the source has asked already
  const std::vector<std::string> expected = update_all();
  EXPECT_EQ(read_large(expected.size()), expected);
}

TEST_F(LargeValuesTest, OldTypesAreThereAfterAChangeOnly) {
  create_table(
      "CREATE TABLE dbo.Old (ID int NOT NULL PRIMARY KEY, T text NULL, N ntext NULL, I image NULL)",
      "Old");
  run("INSERT INTO dbo.Old VALUES (1, 'caf\xC3\xA9', N'\xE6\x97\xA5', 0x0102)");
  run("DELETE FROM dbo.Old WHERE ID = 1");
  open({"dbo.Old"});
  std::vector<std::vector<std::string>> rows;
  while (rows.size() < 2) {
    Batch batch = read_batch();
    for (uint32_t i = 0; i < batch.size(); ++i) {
      const dstream_record& record = batch[i].raw();
      rows.push_back(row(record, record.after != nullptr ? record.after : record.before));
    }
  }
  EXPECT_THAT(rows[0], ElementsAre("1", "caf\xC3\xA9", "\xE6\x97\xA5", "\x01\x02"));
  EXPECT_THAT(rows[1], ElementsAre("1", "absent", "absent", "absent"));
}

TEST_F(LargeValuesTest, TooLargeAValueIsAnErrorThatNamesTheColumn) {
  create();
  run("INSERT INTO dbo.Notes (Body, ID) VALUES (N'small', 1), "
      "(REPLICATE(CAST(N'x' AS nvarchar(max)), 40000), 2)");
  open({"dbo.Notes"}, R"("value_bytes_max":65536)");
  try {
    read(2);
    FAIL() << "the value went through";
  } catch (const testing_sdk::CallFailed& failed) {
    EXPECT_EQ(failed.status, DSTREAM_CONFIG);
    EXPECT_THAT(failed.what(), HasSubstr("column Body"));
    EXPECT_THAT(failed.what(), HasSubstr("value_bytes_max"));
  }
}

// A page ends when it holds a few megabytes, and the next one goes on behind it, also in the middle
// of a transaction and between the two halves of an update.
TEST_F(LargeValuesTest, ManyLargeRowsComeInPagesOfBoundedMemory) {
  create();
  constexpr int kRows = 60;
  std::string insert = "BEGIN TRANSACTION";
  for (int i = 0; i < kRows; ++i) {
    insert +=
        "; INSERT INTO dbo.Notes (Body, ID) VALUES (REPLICATE(CAST(N'x' AS nvarchar(max)), "
        "300000), " +
        std::to_string(i) + ")";
  }
  run(insert + "; COMMIT");
  run("UPDATE dbo.Notes SET Body = Body + N'y'");
  open({"dbo.Notes"});
  int records = 0;
  while (records < 2 * kRows) {
    Batch batch = read_batch();
    for (uint32_t i = 0; i < batch.size(); ++i, ++records) {
      const dstream_record& record = batch[i].raw();
      EXPECT_EQ(record.after[0].size, records < kRows ? 300'000u : 300'001u);
      EXPECT_EQ(record.after[1].as.i64, records % kRows);
      EXPECT_EQ(record.before != nullptr, records >= kRows);
    }
    EXPECT_LT(batch.raw()->byte_size, 24u << 20);
  }
}

}  // namespace
}  // namespace dstream::sqlserver
