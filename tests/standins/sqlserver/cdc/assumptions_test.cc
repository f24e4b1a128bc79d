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

TEST_F(AssumptionsTest, ChangeTablesWithoutCommandIds) {
  assume("has_command_id", 0);
  enable("t", ", @supports_net_changes = 1");
  ok("BEGIN TRAN; INSERT INTO t VALUES (1, N'x', 1), (2, N'y', 2); UPDATE t SET a = N'z'; UPDATE t "
     "SET id = 3 WHERE id = 2; COMMIT");
  ok("DELETE FROM t WHERE id = 1");
  capture_.scan_all();
  EXPECT_EQ(driver_.table("SELECT * FROM cdc.dbo_t_CT WHERE 1 = 0"), "");
  std::string columns;
  for (const ResultColumn& column : driver_.writer().results.at(0).columns) {
    columns += column.name + " ";
  }
  EXPECT_EQ(columns, "__$start_lsn __$end_lsn __$seqval __$operation __$update_mask id a b ");
  EXPECT_EQ(
      driver_.table("SELECT DENSE_RANK() OVER (ORDER BY __$start_lsn), __$operation, id, a, b "
                    "FROM cdc.dbo_t_CT ORDER BY __$start_lsn, __$seqval, __$operation"),
      "1|2|1|x|1.00\n1|2|2|y|2.00\n1|3|1|x|1.00\n1|4|1|z|1.00\n1|3|2|y|2.00\n1|4|2|z|2.00\n"
      "1|1|2|z|2.00\n1|2|3|z|2.00\n2|1|1|z|1.00\n");
  EXPECT_EQ(driver_.error("SELECT __$command_id FROM cdc.dbo_t_CT"), 207);
  // As from a keyset inside of the transaction: the order of the index.
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM cdc.dbo_t_CT c WHERE c.__$start_lsn = (SELECT "
                          "MIN(__$start_lsn) FROM cdc.dbo_t_CT) AND c.__$seqval > (SELECT "
                          "MIN(__$seqval) FROM cdc.dbo_t_CT)"),
            "7");
  const std::string range =
      "(sys.fn_cdc_get_min_lsn('dbo_t'), sys.fn_cdc_get_max_lsn(), N'all') ORDER BY 1, 2";
  EXPECT_EQ(
      driver_.table("SELECT __$operation, id, b FROM cdc.fn_cdc_get_net_changes_dbo_t" + range),
      "2|3|2.00\n");
  EXPECT_EQ(driver_.value("SELECT COUNT(b) FROM cdc.fn_cdc_get_all_changes_dbo_t" +
                          range.substr(0, range.find(" ORDER"))),
            "7");
  ok("ALTER TABLE t ALTER COLUMN b decimal(12,3); EXEC dstream.fill_changes N'dbo_t', 5");
  EXPECT_EQ(driver_.value("SELECT COUNT(b) FROM cdc.dbo_t_CT"), "14");
  assume("has_command_id", 1);
  ok("EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL, N'second'");
  ok("SELECT __$command_id FROM cdc.second_CT");
}

TEST_F(AssumptionsTest, AMaximumAboveWhatIsThere) {
  enable("t");
  const std::string
      maximum = "SELECT sys.fn_cdc_get_max_lsn()",
      all =
          "SELECT COUNT(*) FROM cdc.fn_cdc_get_all_changes_dbo_t(sys.fn_cdc_get_min_lsn('dbo_t'), "
          "sys.fn_cdc_get_max_lsn(), N'all')";
  const std::string clean = driver_.value(maximum);
  ok("INSERT INTO t (id) VALUES (1)");
  EXPECT_EQ(driver_.value(maximum), clean);
  assume("max_lsn_is_dirty", 1);
  const std::string dirty = driver_.value(maximum);
  EXPECT_LT(clean, dirty);
  EXPECT_EQ(driver_.value("SELECT MAX(start_lsn) FROM cdc.lsn_time_mapping"), clean);
  EXPECT_EQ(driver_.value(all), "0") << "who takes this for all up to the maximum has lost a row";
  capture_.scan_all();
  EXPECT_EQ(driver_.value(maximum), dirty);
  EXPECT_EQ(driver_.value(all), "1");
}

TEST_F(AssumptionsTest, EntriesOfDefinitions) {
  enable("t");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM cdc.lsn_time_mapping"), "1");
  assume("definitions_have_entries", 0);
  ok("EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL, N'second'");
  capture_.scan_all();
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM cdc.lsn_time_mapping"), "1");
  const std::string is_ahead =
      "SELECT CASE WHEN sys.fn_cdc_get_min_lsn('second') > sys.fn_cdc_get_max_lsn() THEN 1 ELSE 0 "
      "END";
  EXPECT_EQ(driver_.value(is_ahead), "1");
  ok("INSERT INTO t (id) VALUES (1)");
  capture_.scan_all();
  EXPECT_EQ(driver_.value(is_ahead), "0");
}

TEST_F(AssumptionsTest, UpdatesOfOtherColumns) {
  enable("t", ", @captured_column_list = N'id, a'");
  ok("INSERT INTO t VALUES (1, N'x', 1); UPDATE t SET b = 2");
  capture_.scan_all();
  EXPECT_EQ(changes("__$operation"), "2\n");
  assume("uncaptured_update_has_rows", 1);
  ok("UPDATE t SET b = 3");
  capture_.scan_all();
  EXPECT_EQ(changes("__$operation, __$update_mask, a"), "2|0x03|x\n3|0x00|x\n4|0x00|x\n");
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

TEST_F(AssumptionsTest, NamesOfAliasTypes) {
  ok("CREATE TYPE Phone FROM varchar(5)");
  ok("CREATE TABLE a (id int PRIMARY KEY, p Phone)");
  ok("EXEC sys.sp_cdc_enable_db");
  ok("EXEC sys.sp_cdc_enable_table N'dbo', N'a', NULL");
  const std::string types = "SELECT column_type FROM cdc.captured_columns ORDER BY column_ordinal";
  EXPECT_EQ(driver_.table(types), "int\nvarchar\n");
  assume("column_type_is_alias", 1);
  EXPECT_EQ(driver_.table(types), "int\nPhone\n");
  ok("ALTER TABLE a ALTER COLUMN p varchar(9)");
  capture_.scan_all();
  EXPECT_EQ(driver_.table(types), "int\nvarchar\n");
}

}  // namespace
}  // namespace dstream::standin::cdc
