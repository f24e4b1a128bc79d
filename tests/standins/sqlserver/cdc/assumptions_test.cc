// Each assumption does what its line in assumptions.h says, both ways.
#include "tests/standins/sqlserver/cdc/cdc_fixture.h"

namespace dstream::standin::cdc {
namespace {

class AssumptionsTest : public CdcTest {
 protected:
  void assume(const std::string& name, int64_t value) {
    ok("EXEC dstream.assume N'" + name + "', " + std::to_string(value));
  }
  std::string newest(const std::string& columns, const std::string& order,
                     const std::string& instance = "dbo_t") {
    return driver_.table("SELECT " + columns + " FROM cdc." + instance +
                         "_CT WHERE __$start_lsn = sys.fn_cdc_get_max_lsn() ORDER BY " + order);
  }
};

TEST_F(AssumptionsTest, AreListedWithTheirDefaults) {
  assume("dummy_interval_ms", 10);
  EXPECT_EQ(driver_.writer().messages.size(), 0U);
  const std::string list = driver_.table("EXEC dstream.assume");
  EXPECT_NE(list.find("dummy_interval_ms|10|300000\n"), std::string::npos) << list;
  EXPECT_NE(list.find("command_id_spans_tables|1|1\n"), std::string::npos) << list;
  EXPECT_EQ(driver_.error("EXEC dstream.assume N'nothing', 1"), 50000);
}

TEST_F(AssumptionsTest, CommandIds) {
  ok("CREATE TABLE u (id int PRIMARY KEY)");
  enable("t");
  enable("u");
  const std::string both =
      "BEGIN TRAN; INSERT INTO u VALUES (@); INSERT INTO t (id) VALUES (@); "
      "DELETE FROM u; UPDATE t SET a = N'x' WHERE id = @; COMMIT";
  const auto run = [&](const std::string& id) {
    std::string sql = both;
    for (size_t at = sql.find('@'); at != std::string::npos; at = sql.find('@')) {
      sql.replace(at, 1, id);
    }
    ok(sql);
    capture_.scan_all();
    return newest("__$operation, __$command_id", "__$command_id, __$operation");
  };
  EXPECT_EQ(run("1"), "2|2\n3|4\n4|4\n");
  assume("command_id_spans_tables", 0);
  EXPECT_EQ(run("2"), "2|1\n3|2\n4|2\n");
}

TEST_F(AssumptionsTest, SeqvalsOfKeyChanges) {
  enable("t");
  ok("INSERT INTO t (id) VALUES (1), (2)");
  const auto distinct = [&](const std::string& update) {
    ok(update);
    capture_.scan_all();
    return driver_.value(
        "SELECT COUNT(DISTINCT __$seqval) FROM cdc.dbo_t_CT WHERE __$start_lsn = "
        "sys.fn_cdc_get_max_lsn()");
  };
  EXPECT_EQ(distinct("UPDATE t SET id = 10 WHERE id = 1"), "1");
  assume("key_change_shares_seqval", 0);
  EXPECT_EQ(distinct("UPDATE t SET id = 11 WHERE id = 10"), "2");
  EXPECT_EQ(distinct("UPDATE t SET id = id + 20"), "4");
  EXPECT_EQ(newest("__$operation", "__$seqval"), "1\n1\n2\n2\n");
  assume("key_change_deletes_first", 0);
  EXPECT_EQ(distinct("UPDATE t SET id = id + 20"), "4");
  EXPECT_EQ(newest("__$operation", "__$seqval"), "1\n2\n1\n2\n");
  EXPECT_EQ(newest("__$operation", "__$command_id, __$seqval"), "1\n1\n2\n2\n");
}

TEST_F(AssumptionsTest, UpdateMasks) {
  std::string columns = "id int PRIMARY KEY";
  for (int i = 2; i <= 10; ++i) {
    columns += ", c" + std::to_string(i) + " int NULL";
  }
  ok("CREATE TABLE wide (" + columns + ")");
  enable("wide");
  ok("INSERT INTO wide (id) VALUES (1)");
  const auto mask = [&](const std::string& value) {
    ok("UPDATE wide SET c2 = " + value + ", c9 = " + value);
    capture_.scan_all();
    return driver_.value(
        "SELECT TOP 1 __$update_mask, sys.fn_cdc_is_bit_set(9, __$update_mask), "
        "sys.fn_cdc_has_column_changed('dbo_wide', 'c3', __$update_mask) FROM "
        "cdc.dbo_wide_CT ORDER BY __$start_lsn DESC");
  };
  EXPECT_EQ(mask("1"), "0x0201|1|0");
  assume("update_mask_bytes_min", 4);
  EXPECT_EQ(mask("2"), "0x02010000|1|0");
  assume("update_mask_is_reversed", 1);
  EXPECT_EQ(mask("3"), "0x00000102|1|0");
}

TEST_F(AssumptionsTest, UnchangedLargeValues) {
  ok("CREATE TABLE big (id int PRIMARY KEY, v nvarchar(max), n int)");
  enable("big");
  ok("INSERT INTO big VALUES (1, N'long', 1)");
  ok("UPDATE big SET n = 2");
  capture_.scan_all();
  EXPECT_EQ(newest("__$operation, v", "__$operation", "dbo_big"), "3|NULL\n4|NULL\n");
  assume("unchanged_large_is_null", 0);
  ok("UPDATE big SET n = 3");
  capture_.scan_all();
  EXPECT_EQ(newest("__$operation, v", "__$operation", "dbo_big"), "3|NULL\n4|long\n");
}

TEST_F(AssumptionsTest, StartLsnAndMetadata) {
  ok("EXEC sys.sp_cdc_enable_db");
  assume("start_lsn_waits_for_scan", 0);
  ok("EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL");
  const std::string announced = driver_.value("SELECT start_lsn FROM cdc.change_tables");
  EXPECT_NE(announced, "NULL");
  capture_.scan_all();
  EXPECT_EQ(driver_.value("SELECT start_lsn FROM cdc.change_tables"), announced);
  const auto width = [&](const std::string& sql) {
    return driver_.run(sql).results.at(0).columns.size();
  };
  EXPECT_EQ(width("SELECT * FROM cdc.captured_columns"), 7U);
  EXPECT_EQ(width("EXEC sys.sp_cdc_help_jobs"), 9U);
  assume("has_masking_function", 0);
  assume("help_jobs_has_job_name", 0);
  EXPECT_EQ(width("SELECT * FROM cdc.captured_columns"), 6U);
  EXPECT_EQ(width("EXEC sys.sp_cdc_help_jobs"), 8U);
  EXPECT_EQ(driver_.error("EXEC sp_rename N'dbo.t.a', N'z', N'COLUMN'"), 4928);
  assume("column_rename_is_refused", 0);
  ok("EXEC sp_rename N'dbo.t.a', N'z', N'COLUMN'");
}

}  // namespace
}  // namespace dstream::standin::cdc
