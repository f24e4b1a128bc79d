// The keyset read of change tables: sent as stored, in any spelling, and never with a wrong answer.
#include <gtest/gtest.h>

#include "tests/standins/sqlserver/cdc/change_data_capture.h"
#include "tests/standins/sqlserver/sql/session_driver.h"

namespace dstream::standin::cdc {
namespace {

using sql::SessionDriver;

class KeysetTest : public testing::Test {
 protected:
  sql::Engine engine_{sql::EngineOptions{}};
  ChangeDataCapture capture_{&engine_, {.starts_job = false}};
  SessionDriver driver_{&engine_};

  void SetUp() override {
    ASSERT_EQ(
        driver_.error("CREATE TABLE t (id int PRIMARY KEY, v nvarchar(20)); EXEC "
                      "sys.sp_cdc_enable_db; EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL"),
        0);
    ASSERT_EQ(driver_.error("DECLARE @i int = 0; WHILE @i < 30 BEGIN BEGIN TRAN; INSERT INTO t "
                            "VALUES (@i * 10, N'a'), (@i * 10 + 1, N'b'); UPDATE t SET v = N'c' "
                            "WHERE id >= @i * 10; UPDATE t SET id = id + 5 WHERE id = @i * 10; "
                            "COMMIT; SET @i += 1; END"),
              0)
        << driver_.error_text();
    capture_.scan_all();
  }

  // Walks the table in pages of `page` rows by `where`, as a connector does.
  std::string pages(const std::string& where, int page, size_t* encoded) {
    std::string all, lsn = "0x00000000000000000000", seq = lsn;
    int64_t command = 0, operation = 0;
    *encoded = 0;
    while (true) {
      sql::RecordingWriter& writer = driver_.run(
          "DECLARE @n int = " + std::to_string(page) + ", @lsn binary(10) = " + lsn +
          ", @to binary(10) = sys.fn_cdc_get_max_lsn(), @cmd int = " + std::to_string(command) +
          ", @seq binary(10) = " + seq + ", @op int = " + std::to_string(operation) +
          "; SELECT TOP (@n) c.[__$start_lsn], c.[__$command_id], c.[__$seqval], "
          "c.[__$operation], c.v, c.id FROM cdc.[dbo_t_CT] AS c WHERE " +
          where + " ORDER BY c.[__$start_lsn], c.[__$command_id], c.[__$seqval], c.[__$operation]");
      EXPECT_EQ(driver_.error_text(), "");
      *encoded += writer.encoded_rows;
      const sql::RecordedResult result = writer.results.at(0);
      for (const auto& row : result.rows) {
        for (size_t i = 0; i < row.size(); ++i) {
          all += sql::value_text(result.columns[i].type, row[i]) + "|";
        }
        all += "\n";
      }
      if (result.rows.empty()) {
        return all;
      }
      const auto& last = result.rows.back();
      lsn = sql::value_text(result.columns[0].type, last[0]);
      command = last[1].number;
      seq = sql::value_text(result.columns[2].type, last[2]);
      operation = last[3].number;
    }
  }

  std::string everything() {
    std::string all;
    sql::RecordingWriter& writer = driver_.run(
        "SELECT * FROM (SELECT TOP (100000) __$start_lsn a, __$command_id b, __$seqval c, "
        "__$operation d, v, id FROM cdc.dbo_t_CT) x ORDER BY a, b, c, d");
    for (const auto& row : writer.results.at(0).rows) {
      for (size_t i = 0; i < row.size(); ++i) {
        all += sql::value_text(writer.results[0].columns[i].type, row[i]) + "|";
      }
      all += "\n";
    }
    return all;
  }
};

// Every form that says (start_lsn, command_id, seqval, operation) > (...) in its own way.
TEST_F(KeysetTest, EveryFormReadsEveryRowOnce) {
  const char* const forms[] = {
      "c.[__$start_lsn] >= @lsn AND c.[__$start_lsn] <= @to AND (c.[__$start_lsn] > @lsn OR "
      "(c.[__$command_id] > @cmd) OR (c.[__$command_id] = @cmd AND c.[__$seqval] > @seq) OR "
      "(c.[__$command_id] = @cmd AND c.[__$seqval] = @seq AND c.[__$operation] > @op))",
      "(c.__$start_lsn > @lsn OR (c.__$start_lsn = @lsn AND c.__$command_id > @cmd) OR "
      "(c.__$start_lsn = @lsn AND c.__$command_id = @cmd AND c.__$seqval > @seq) OR "
      "(c.__$start_lsn = @lsn AND c.__$command_id = @cmd AND c.__$seqval = @seq AND c.__$operation "
      "> @op)) AND c.__$start_lsn <= @to",
      "@lsn <= c.__$start_lsn AND c.__$start_lsn BETWEEN @lsn AND @to AND ((@op < c.__$operation "
      "AND "
      "c.__$seqval = @seq AND c.__$command_id = @cmd AND c.__$start_lsn = @lsn) OR (@seq < "
      "c.__$seqval AND c.__$command_id = @cmd AND c.__$start_lsn = @lsn) OR (c.__$command_id > "
      "@cmd "
      "AND c.__$start_lsn = @lsn) OR @lsn < c.__$start_lsn)",
  };
  const std::string expected = everything();
  EXPECT_EQ(std::count(expected.begin(), expected.end(), '\n'), 30 * 8);
  for (const char* form : forms) {
    for (const int page : {1, 7, 1000}) {
      size_t encoded = 0;
      EXPECT_EQ(pages(form, page, &encoded), expected) << form << " page " << page;
      EXPECT_EQ(encoded, 30U * 8U) << "not sent as stored: " << form;
    }
  }
}

// Looks like a keyset but is not one: the rows must still be those the condition names.
TEST_F(KeysetTest, NearMissesAreStillRight) {
  const std::string lsn = driver_.value("SELECT MIN(__$start_lsn) FROM cdc.dbo_t_CT");
  const char* const conditions[] = {
      "(__$start_lsn > @l OR __$command_id > 2)",  // no range on the first part
      "__$start_lsn >= @l AND (__$start_lsn > @l OR __$seqval > 0x00)",  // skips a part
      "(__$start_lsn > @l OR (__$start_lsn = @l AND __$command_id > 1) OR id = 5)",
      "__$start_lsn >= @l AND (__$start_lsn > @l OR (__$command_id = 9 AND __$seqval > 0x00))",
      "__$start_lsn >= @l AND (__$start_lsn >= @l OR __$command_id > 1)",
      "__$command_id > 1 AND __$start_lsn <= @l",
      "__$start_lsn = @l AND __$command_id = 2",
      "__$start_lsn < @l",
      "__$start_lsn > NULL",
      "__$start_lsn >= 0x0000002500000010000200000000000001",  // longer than the column
      "__$start_lsn <= 0x00000025",
      "__$command_id < 3 AND __$operation <> 3",
  };
  for (const char* condition : conditions) {
    const std::string declare = "DECLARE @l binary(10) = " + lsn + "; ";
    const std::string fast = driver_.table(declare +
                                           "SELECT id, __$operation FROM cdc.dbo_t_CT "
                                           "WHERE " +
                                           condition);
    // The same condition where no index and no stored form can help.
    const std::string slow = driver_.table(
        declare +
        "SELECT id, __$operation FROM (SELECT TOP (1000000) * FROM cdc.dbo_t_CT) d WHERE " +
        condition);
    EXPECT_EQ(fast, slow) << condition;
  }
}

TEST_F(KeysetTest, AnyListAndDirection) {
  EXPECT_EQ(driver_.value("SELECT COUNT(*), MIN(id), MAX(id) FROM cdc.dbo_t_CT"), "240|0|295");
  EXPECT_EQ(driver_.table("SELECT TOP 1 id, __$operation FROM cdc.dbo_t_CT ORDER BY __$start_lsn "
                          "DESC, __$command_id DESC, __$seqval DESC, __$operation DESC"),
            "295|2\n");
  sql::RecordingWriter& writer =
      driver_.run("SELECT v, v, __$operation FROM cdc.dbo_t_CT WHERE __$operation = 4");
  EXPECT_EQ(writer.results[0].rows.size(), 60U);
  EXPECT_EQ(writer.encoded_rows, 60U);
  EXPECT_EQ(driver_.value("SELECT SUM(__$operation) FROM cdc.dbo_t_CT WHERE v LIKE 'c'"), "330");
}

TEST_F(KeysetTest, FilledChangesReadLikeCapturedOnes) {
  EXPECT_EQ(driver_.value("EXEC dstream.fill_changes @capture_instance = N'dbo_t', @rows = 25000, "
                          "@transaction_rows = 1000"),
            "25000");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM cdc.dbo_t_CT WHERE v LIKE 'value%'"), "25000");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM cdc.lsn_time_mapping l WHERE EXISTS (SELECT 1 FROM "
                          "cdc.dbo_t_CT c WHERE c.__$start_lsn = l.start_lsn)"),
            "55");
}

}  // namespace
}  // namespace dstream::standin::cdc
