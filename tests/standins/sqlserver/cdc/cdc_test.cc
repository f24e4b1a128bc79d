// Change Data Capture against what its documentation says.
#include <gtest/gtest.h>

#include "tests/standins/sqlserver/cdc/cdc_fixture.h"
#include "tests/standins/sqlserver/cdc/lsn.h"

namespace dstream::standin::cdc {
namespace {

using sql::SessionDriver;

TEST(Lsn, GrowsInOrderAndCountsOnTheWholeNumber) {
  std::string before = lsn_of_record(0);
  for (uint64_t record = 1; record < 300'000; record += 1 + record % 5) {
    const std::string lsn = lsn_of_record(record);
    ASSERT_LT(before, lsn) << record;
    ASSERT_EQ(record_at_or_below(lsn), record);
    before = lsn;
  }
  EXPECT_EQ(lsn_text(lsn_of_record(0)), "00000025:00000010:0001");
  EXPECT_EQ(increment_lsn(std::string("\0\0\0\0\0\0\0\1\xFF\xFF", 10)),
            std::string("\0\0\0\0\0\0\0\2\0\0", 10));
  EXPECT_EQ(decrement_lsn(std::string("\0\0\0\0\0\0\0\2\0\0", 10)),
            std::string("\0\0\0\0\0\0\0\1\xFF\xFF", 10));
}

TEST_F(CdcTest, ChangeTablesHaveTheDocumentedColumns) {
  enable("t");
  sql::RecordingWriter& writer = driver_.run("SELECT * FROM cdc.dbo_t_CT");
  std::string columns;
  for (const ResultColumn& column : writer.results[0].columns) {
    columns += column.name + " " + sql::type_declaration(column.type) +
               (column.type.nullable ? " NULL\n" : "\n");
  }
  EXPECT_EQ(columns,
            "__$start_lsn binary(10)\n__$end_lsn binary(10) NULL\n__$seqval binary(10)\n"
            "__$operation int\n__$update_mask varbinary(128) NULL\nid int NULL\n"
            "a nvarchar(20) NULL\nb decimal(9,2) NULL\n__$command_id int NULL\n");
  EXPECT_EQ(driver_.table("SELECT column_name, column_type, column_ordinal FROM "
                          "cdc.captured_columns ORDER BY column_ordinal"),
            "id|int|1\na|nvarchar|2\nb|decimal|3\n");
  EXPECT_EQ(driver_.table("SELECT column_name, index_ordinal FROM cdc.index_columns"), "id|1\n");
  EXPECT_EQ(driver_.value("SELECT is_tracked_by_cdc FROM sys.tables WHERE name = 't'"), "1");
  EXPECT_EQ(driver_.value("SELECT is_cdc_enabled FROM sys.databases WHERE name = db_name()"), "1");
}

// The rows that a foreign key takes along are changes of the same transaction, behind their cause.
TEST_F(CdcTest, ReferentialActionsAreCaptured) {
  ok("CREATE TABLE gone (id int PRIMARY KEY, t int REFERENCES t ON DELETE CASCADE)");
  ok("CREATE TABLE kept (id int PRIMARY KEY, t int REFERENCES t ON DELETE SET NULL)");
  enable("t");
  enable("gone");
  enable("kept");
  ok("INSERT INTO t (id) VALUES (1), (2); INSERT INTO gone VALUES (10, 1), (11, 1), (20, 2); "
     "INSERT INTO kept VALUES (100, 1)");
  capture_.scan_all();
  ok("DELETE FROM t WHERE id = 1");
  EXPECT_EQ(capture_.scan_all(), 1);
  const std::string newest = " WHERE __$start_lsn = sys.fn_cdc_get_max_lsn()";
  EXPECT_EQ(driver_.table("SELECT __$operation, id FROM cdc.dbo_t_CT" + newest), "1|1\n");
  EXPECT_EQ(
      driver_.table("SELECT __$operation, id, t FROM cdc.dbo_gone_CT" + newest + " ORDER BY id"),
      "1|10|1\n1|11|1\n");
  EXPECT_EQ(driver_.table("SELECT __$operation, __$update_mask, id, t FROM cdc.dbo_kept_CT" +
                          newest + " ORDER BY __$operation"),
            "3|0x02|100|1\n4|0x02|100|NULL\n");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM cdc.dbo_t_CT p JOIN cdc.dbo_gone_CT c ON "
                          "c.__$start_lsn = p.__$start_lsn AND c.__$seqval > p.__$seqval AND "
                          "c.__$command_id > p.__$command_id WHERE c.__$operation = 1"),
            "2");
}

TEST_F(CdcTest, OperationsMasksAndCommands) {
  enable("t");
  ok("INSERT INTO t VALUES (1, N'x', 1.5)");
  ok("BEGIN TRAN; UPDATE t SET a = N'y'; UPDATE t SET a = a, b = 2; UPDATE t SET b = 2; DELETE "
     "FROM "
     "t; COMMIT");
  EXPECT_EQ(capture_.scan_all(), 2);
  // The update that changed nothing left nothing.
  EXPECT_EQ(changes("__$operation, __$update_mask, id, a, b, __$command_id"),
            "2|0x07|1|x|1.50|1\n"
            "3|0x02|1|x|1.50|1\n4|0x02|1|y|1.50|1\n"
            "3|0x04|1|y|1.50|2\n4|0x04|1|y|2.00|2\n"
            "1|0x07|1|y|2.00|4\n");
  EXPECT_EQ(driver_.value("SELECT COUNT(DISTINCT __$start_lsn) FROM cdc.dbo_t_CT"), "2");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM cdc.lsn_time_mapping WHERE tran_id <> 0x00"), "2");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM cdc.dbo_t_CT c JOIN cdc.lsn_time_mapping l ON "
                          "l.start_lsn = c.__$start_lsn WHERE c.__$seqval > l.tran_begin_lsn AND "
                          "c.__$seqval < l.start_lsn"),
            "6");
}

TEST_F(CdcTest, AKeyChangeIsDeleteAndInsert) {
  enable("t");
  ok("INSERT INTO t VALUES (1, N'x', NULL)");
  ok("UPDATE t SET id = 2");
  capture_.scan_all();
  EXPECT_EQ(changes("__$operation, id, __$command_id"), "2|1|1\n1|1|1\n2|2|2\n");
  EXPECT_EQ(driver_.value("SELECT COUNT(DISTINCT __$seqval), COUNT(DISTINCT __$start_lsn) FROM "
                          "cdc.dbo_t_CT WHERE __$start_lsn = sys.fn_cdc_get_max_lsn()"),
            "1|1");
  // Of several rows the deletes come first, each half with a number of its own.
  ok("INSERT INTO t VALUES (3, N'y', NULL)");
  ok("UPDATE t SET id = id + 1");
  capture_.scan_all();
  EXPECT_EQ(driver_.table("SELECT __$operation, id, __$command_id FROM cdc.dbo_t_CT WHERE "
                          "__$start_lsn = sys.fn_cdc_get_max_lsn() ORDER BY __$command_id, "
                          "__$seqval"),
            "1|2|1\n1|3|1\n2|3|2\n2|4|2\n");
  EXPECT_EQ(driver_.value("SELECT COUNT(DISTINCT __$seqval) FROM cdc.dbo_t_CT WHERE __$start_lsn = "
                          "sys.fn_cdc_get_max_lsn()"),
            "4");
  // As a log has them: read by seqval alone, no key is inserted before it is free.
  EXPECT_EQ(driver_.table("SELECT __$operation, id FROM cdc.dbo_t_CT WHERE __$start_lsn = "
                          "sys.fn_cdc_get_max_lsn() ORDER BY __$seqval"),
            "1|2\n1|3\n2|3\n2|4\n");
}

TEST_F(CdcTest, AMergeWritesWhatItDid) {
  enable("t");
  ok("INSERT INTO t (id, a) VALUES (1, N'a'), (2, N'b'), (3, N'c')");
  ok("MERGE t USING (VALUES (1), (4)) AS s (id) ON t.id = s.id WHEN MATCHED THEN UPDATE SET a = "
     "N'x' "
     "WHEN NOT MATCHED THEN INSERT (id, a) VALUES (s.id, N'y') WHEN NOT MATCHED BY SOURCE AND t.id "
     "= 2 THEN "
     "DELETE;");
  capture_.scan_all();
  EXPECT_EQ(changes("__$operation, id, a, __$command_id"),
            "2|1|a|1\n2|2|b|1\n2|3|c|1\n1|2|b|1\n3|1|a|1\n4|1|x|1\n2|4|y|1\n");
}

TEST_F(CdcTest, RollbackLeavesNothing) {
  enable("t");
  ok("BEGIN TRAN; INSERT INTO t VALUES (1, NULL, NULL); ROLLBACK");
  ok("BEGIN TRAN; INSERT INTO t VALUES (2, NULL, NULL); SAVE TRAN s; INSERT INTO t VALUES (3, "
     "NULL, "
     "NULL); ROLLBACK TRAN s; COMMIT");
  EXPECT_EQ(driver_.error("INSERT INTO t VALUES (4, NULL, NULL), (2, NULL, NULL)"), 2627);
  EXPECT_EQ(capture_.scan_all(), 1);
  EXPECT_EQ(changes("__$operation, id"), "2|2\n");
}

TEST_F(CdcTest, TransactionsAppearWholeInCommitOrder) {
  enable("t");
  SessionDriver other(&engine_);
  ok("BEGIN TRAN; INSERT INTO t VALUES (1, N'first to begin', NULL)");
  other.run("INSERT INTO t VALUES (2, N'first to commit', NULL)");
  ok("INSERT INTO t VALUES (3, NULL, NULL)");
  EXPECT_EQ(capture_.scan_all(), 1);
  EXPECT_EQ(changes("id"), "2\n");
  ok("COMMIT");
  EXPECT_EQ(capture_.scan_all(), 1);
  EXPECT_EQ(changes("id"), "2\n1\n3\n");
}

TEST_F(CdcTest, AScanTakesAtMostMaxtrans) {
  enable("t");
  ok("EXEC sys.sp_cdc_change_job @job_type = N'capture', @maxtrans = 2");
  for (int i = 0; i < 5; ++i) {
    ok("INSERT INTO t (id) VALUES (" + std::to_string(i) + ")");
  }
  EXPECT_EQ(capture_.scan_once(), 2);
  EXPECT_EQ(changes("id"), "0\n1\n");
  EXPECT_EQ(driver_.value("EXEC dstream.capture_scan_once"), "2");
  EXPECT_EQ(capture_.scan_once(), 1);
  EXPECT_EQ(driver_.table("SELECT maxtrans, pollinginterval, retention FROM msdb.dbo.cdc_jobs"),
            "2|5|0\n0|0|4320\n");
}

TEST_F(CdcTest, LargeValuesAreLoggedOnlyWhenChanged) {
  ok("CREATE TABLE big (id int PRIMARY KEY, v varchar(max), n int, l text, c AS n + 1, r "
     "rowversion)");
  enable("big");
  ok("INSERT INTO big (id, v, n, l) VALUES (1, 'long', 1, 'old')");
  ok("UPDATE big SET n = 2");
  ok("UPDATE big SET v = 'longer'");
  ok("DELETE FROM big");
  capture_.scan_all();
  EXPECT_EQ(changes("__$operation, v, n, CAST(l AS varchar(10)), c", "dbo_big"),
            "2|long|1|old|NULL\n3|NULL|1|NULL|NULL\n4|NULL|2|old|NULL\n"
            "3|long|2|NULL|NULL\n4|longer|2|old|NULL\n1|longer|2|NULL|NULL\n");
  EXPECT_EQ(driver_.type("SELECT r FROM cdc.dbo_big_CT"), "binary(8)");
}

TEST_F(CdcTest, LargeValuesAboveTheConfiguredSizeAreRefused) {
  ok("CREATE TABLE big (id int PRIMARY KEY, v nvarchar(max), free varchar(max))");
  enable("big", ", @captured_column_list = N'id, v'");
  const std::string insert = "INSERT INTO big VALUES (1, REPLICATE(CAST(N'x' AS nvarchar(max)), ";
  EXPECT_EQ(driver_.error("EXEC sp_configure 'fill factor', 1"), 40510);
  EXPECT_EQ(capture_.text_repl_bytes_max(), 65'536);
  EXPECT_EQ(driver_.error(insert + "32769), NULL)"), 7139);
  ok(insert + "32768), REPLICATE(CAST('y' AS varchar(max)), 70000))");
  EXPECT_EQ(driver_.error("UPDATE big SET v = v + N'x'"), 7139);
  ok("EXEC sp_configure 'max text repl size', -1; RECONFIGURE; UPDATE big SET v = v + N'x'");
  capture_.scan_all();
  EXPECT_EQ(changes("__$operation, LEN(v)", "dbo_big"), "2|32768\n3|32768\n4|32769\n");
}

TEST_F(CdcTest, MasksBeyondEightColumns) {
  std::string columns = "id int PRIMARY KEY";
  for (int i = 2; i <= 10; ++i) {
    columns += ", c" + std::to_string(i) + " int NULL";
  }
  ok("CREATE TABLE wide (" + columns + ")");
  enable("wide");
  ok("INSERT INTO wide (id) VALUES (1)");
  ok("UPDATE wide SET c2 = 1, c9 = 1");
  capture_.scan_all();
  // Ordinal 1 is the lowest bit of byte 0, ordinal 9 that of byte 1.
  EXPECT_EQ(changes("__$operation, __$update_mask", "dbo_wide"), "2|0xFF03\n3|0x0201\n4|0x0201\n");
  EXPECT_EQ(driver_.table("SELECT sys.fn_cdc_is_bit_set(9, 0x0201), sys.fn_cdc_is_bit_set(8, "
                          "0x0201), sys.fn_cdc_get_column_ordinal('dbo_wide', 'c9'), "
                          "sys.fn_cdc_has_column_changed('dbo_wide', 'c2', 0x0201)"),
            "1|0|9|1\n");
}

TEST_F(CdcTest, BoundsAndTimes) {
  EXPECT_EQ(driver_.value("SELECT sys.fn_cdc_get_max_lsn()"), "NULL");
  ok("EXEC sys.sp_cdc_enable_db");
  EXPECT_EQ(driver_.value("SELECT MAX(start_lsn) FROM cdc.lsn_time_mapping"), "NULL");
  ok("EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL");
  // Not established before the scan has seen it.
  EXPECT_EQ(driver_.value("SELECT start_lsn FROM cdc.change_tables"), "NULL");
  EXPECT_EQ(driver_.value("SELECT sys.fn_cdc_get_min_lsn('dbo_t')"), "0x00000000000000000000");
  capture_.scan_all();
  EXPECT_EQ(driver_.value("SELECT CASE WHEN start_lsn = sys.fn_cdc_get_min_lsn('dbo_t') AND "
                          "start_lsn = sys.fn_cdc_get_max_lsn() THEN 1 ELSE 0 END FROM "
                          "cdc.change_tables"),
            "1");
  now_ += sql::kTicksPerMinute;
  ok("INSERT INTO t (id) VALUES (1)");
  now_ += sql::kTicksPerMinute;
  ok("INSERT INTO t (id) VALUES (2)");
  capture_.scan_all();
  EXPECT_EQ(
      driver_.table("SELECT CONVERT(varchar(8), tran_end_time, 108) FROM cdc.lsn_time_mapping "
                    "ORDER BY start_lsn"),
      "00:00:00\n00:01:00\n00:02:00\n");
  const std::string find =
      "SELECT id FROM cdc.dbo_t_CT WHERE __$start_lsn = "
      "sys.fn_cdc_map_time_to_lsn('";
  EXPECT_EQ(driver_.value(find + "smallest greater than', '2026-11-23T00:01:00')"), "2");
  EXPECT_EQ(driver_.value(find + "smallest greater than or equal', '2026-11-23T00:01:00')"), "1");
  EXPECT_EQ(driver_.value(find + "largest less than', '2026-11-23T00:02:00')"), "1");
  EXPECT_EQ(driver_.value(find + "largest less than or equal', '2026-11-23T23:00:00')"), "2");
  EXPECT_EQ(driver_.value("SELECT CONVERT(varchar(8), sys.fn_cdc_map_lsn_to_time("
                          "sys.fn_cdc_get_max_lsn()), 108)"),
            "00:02:00");
  EXPECT_EQ(driver_.value("SELECT sys.fn_cdc_increment_lsn(0x000000000000000000FF)"),
            "0x00000000000000000100");
}

TEST_F(CdcTest, AllChangesIsCheckedAndFiltered) {
  enable("t");
  ok("INSERT INTO t VALUES (1, N'x', 1); UPDATE t SET b = 2");
  capture_.scan_all();
  const std::string call = "SELECT __$operation, b FROM cdc.fn_cdc_get_all_changes_dbo_t(";
  const std::string bounds = "sys.fn_cdc_get_min_lsn('dbo_t'), sys.fn_cdc_get_max_lsn(), ";
  EXPECT_EQ(driver_.table(call + bounds + "N' ALL ') ORDER BY __$seqval, __$operation"),
            "2|1.00\n4|2.00\n");
  EXPECT_EQ(driver_.table(call + bounds + "N'all update old') ORDER BY __$seqval, __$operation"),
            "2|1.00\n3|1.00\n4|2.00\n");
  for (const std::string& arguments :
       {std::string("0x01, sys.fn_cdc_get_max_lsn(), N'all')"),
        std::string("sys.fn_cdc_get_min_lsn('dbo_t'), 0xFFFFFFFFFFFFFFFFFFFF, N'all')"),
        bounds + "N'some')", std::string("NULL, sys.fn_cdc_get_max_lsn(), N'all')")}) {
    EXPECT_EQ(driver_.error(call + arguments), 313) << arguments;
    EXPECT_EQ(driver_.error_text(),
              "An insufficient number of arguments were supplied for the procedure or function "
              "cdc.fn_cdc_get_all_changes_ ... .");
  }
  ok("EXEC sys.sp_cdc_disable_table N'dbo', N't', N'all'");
  EXPECT_EQ(driver_.error("SELECT * FROM [testdb].cdc.[fn_cdc_get_all_changes_dbo_t](0x00, 0x01, "
                          "N'all')"),
            208);
  EXPECT_EQ(driver_.error_text(), "Invalid object name 'testdb.cdc.fn_cdc_get_all_changes_dbo_t'.");
}

TEST_F(CdcTest, CleanupRaisesTheLowWaterMark) {
  ok("CREATE TABLE quiet (id int PRIMARY KEY)");
  enable("t");
  enable("quiet");
  for (int i = 1; i <= 4; ++i) {
    ok("INSERT INTO t (id) VALUES (" + std::to_string(i) + ")");
  }
  capture_.scan_all();
  ok("DECLARE @l binary(10) = (SELECT __$start_lsn FROM cdc.dbo_t_CT WHERE id = 3); EXEC "
     "sys.sp_cdc_cleanup_change_table N'dbo_t', @l");
  EXPECT_EQ(changes("id"), "3\n4\n");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM cdc.change_tables WHERE capture_instance = 'dbo_t' "
                          "AND start_lsn = (SELECT MIN(__$start_lsn) FROM cdc.dbo_t_CT)"),
            "1");
  EXPECT_EQ(driver_.error("EXEC sys.sp_cdc_cleanup_change_table N'dbo_t', 0x01"), 22964);
  // The retention job moves every instance, also one without rows.
  now_ += 5 * sql::kTicksPerDay;
  ok("INSERT INTO t (id) VALUES (5)");
  capture_.scan_all();
  capture_.clean_up();
  EXPECT_EQ(changes("id"), "5\n");
  EXPECT_EQ(driver_.value("SELECT COUNT(DISTINCT start_lsn), COUNT(*) FROM cdc.change_tables"),
            "1|2");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM cdc.lsn_time_mapping"), "1");
}

TEST_F(CdcTest, DefinitionsReachTheChangeTableInOrder) {
  enable("t");
  ok("INSERT INTO t VALUES (1, N'x', 1)");
  ok("ALTER TABLE t ADD extra int NULL");
  ok("INSERT INTO t VALUES (2, N'y', 2, 7)");
  ok("ALTER TABLE t ALTER COLUMN b decimal(12,3)");
  ok("INSERT INTO t VALUES (3, N'z', 3.125, 8)");
  enable("t", ", @capture_instance = N'second'");
  ok("ALTER TABLE t DROP COLUMN a");
  ok("INSERT INTO t VALUES (4, 4, 9)");
  capture_.scan_all();
  EXPECT_EQ(changes("id, a, b"), "1|x|1.000\n2|y|2.000\n3|z|3.125\n4|NULL|4.000\n");
  EXPECT_EQ(driver_.type("SELECT b FROM cdc.dbo_t_CT"), "decimal(12,3)");
  EXPECT_EQ(changes("id, a, b, extra", "second"), "4|NULL|4.000|9\n");
  EXPECT_EQ(driver_.table("SELECT required_column_update, ddl_command FROM cdc.ddl_history WHERE "
                          "object_id = OBJECT_ID('cdc.dbo_t_CT') ORDER BY ddl_lsn"),
            "0|ALTER TABLE t ADD extra int NULL\n1|ALTER TABLE t ALTER COLUMN b decimal(12,3)\n"
            "0|ALTER TABLE t DROP COLUMN a\n");
}

TEST_F(CdcTest, ARenamedTableIsCapturedAsBefore) {
  enable("t");
  ok("INSERT INTO t VALUES (1, N'x', 1)");
  ok("EXEC sp_rename N'dbo.t', N'u'");
  ok("INSERT INTO u VALUES (2, N'y', 2)");
  capture_.scan_all();
  EXPECT_EQ(changes("id"), "1\n2\n");
  EXPECT_EQ(driver_.value("SELECT capture_instance, OBJECT_NAME(source_object_id) FROM "
                          "cdc.change_tables"),
            "dbo_t|u");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM cdc.ddl_history"), "0");
}

TEST_F(CdcTest, ARowFromBeforeItsColumnIsNotChangedByItsNull) {
  enable("t");
  ok("INSERT INTO t VALUES (1, N'x', 1)");
  ok("ALTER TABLE t ADD extra int NULL");
  capture_.scan_all();
  ok("UPDATE t SET extra = NULL");
  EXPECT_EQ(capture_.find(engine_.main_database())->log_size(), 0U);
  ok("UPDATE t SET extra = 1");
  EXPECT_EQ(capture_.scan_all(), 1);
}

TEST_F(CdcTest, EnablingIsRefusedWithItsErrors) {
  EXPECT_EQ(driver_.error("EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL"), 22901);
  EXPECT_EQ(driver_.error("SELECT * FROM cdc.change_tables"), 208);
  ok("CREATE SCHEMA cdc");
  EXPECT_EQ(driver_.error("EXEC sys.sp_cdc_enable_db"), 22906);
  ok("DROP SCHEMA cdc");
  enable("t");
  EXPECT_EQ(driver_.error("EXEC sys.sp_cdc_enable_table N'dbo', N'none', NULL"), 22931);
  EXPECT_EQ(driver_.error("EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL"), 22926);
  EXPECT_EQ(driver_.error("EXEC sys.sp_cdc_enable_table N'dbo', N't'"), 201);
  enable("t", ", @capture_instance = N'two', @captured_column_list = N'[id], b'");
  EXPECT_EQ(driver_.error("EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL, N'three'"), 22962);
  EXPECT_EQ(driver_.error("EXEC sys.sp_cdc_disable_table N'dbo', N't', N'three'"), 22960);
  EXPECT_EQ(driver_.error("TRUNCATE TABLE t"), 4711);
  EXPECT_EQ(driver_.error("UPDATE cdc.dbo_t_CT SET id = 1"), 259);
  EXPECT_EQ(driver_.table("SELECT column_name FROM cdc.captured_columns WHERE object_id = "
                          "OBJECT_ID('cdc.two_CT')"),
            "id\nb\n");
  ok("EXEC sys.sp_cdc_disable_db");
  EXPECT_EQ(driver_.error("SELECT * FROM cdc.dbo_t_CT"), 208);
  EXPECT_EQ(driver_.value("SELECT is_tracked_by_cdc FROM sys.tables"), "0");
}

// The scan meets definitions where they stand in the log, not as the last one has left the table.
TEST_F(CdcTest, ColumnsAlteredMoreThanOnceBetweenScans) {
  enable("t");
  ok("INSERT INTO t VALUES (1, N'1', 1.25); ALTER TABLE t ALTER COLUMN b decimal(12,3)");
  ok("INSERT INTO t VALUES (2, N'2', 1234567.125); ALTER TABLE t ALTER COLUMN b nvarchar(30)");
  ok("INSERT INTO t VALUES (3, N'3', N'three')");
  capture_.scan_all();
  EXPECT_EQ(changes("id, b"), "1|1.250\n2|1234567.125\n3|three\n");
}

// Stored rows keep a dropped column's bytes; change rows must not show them.
TEST_F(CdcTest, ADroppedColumnIsNullFromThenOn) {
  enable("t");
  ok("INSERT INTO t VALUES (1, N'1', 1.25); ALTER TABLE t DROP COLUMN b; UPDATE t SET a = N'2'; "
     "DELETE FROM t");
  capture_.scan_all();
  EXPECT_EQ(changes("__$operation, __$update_mask, a, b"),
            "2|0x07|1|1.25\n3|0x02|1|NULL\n4|0x02|2|NULL\n1|0x07|2|NULL\n");
}

TEST_F(CdcTest, DefinitionsFromBeforeAnInstanceDoNotConcernIt) {
  enable("t");
  ok("ALTER TABLE t ADD c int NULL; ALTER TABLE t ADD d int NULL");
  ok("EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL, N'second'; INSERT INTO t VALUES (1, N'1', "
     "1, "
     "2, 3)");
  capture_.scan_all();
  EXPECT_EQ(changes("c, d", "second"), "2|3\n");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM cdc.ddl_history"), "2") << "of the first instance";
}

TEST_F(CdcTest, RowsOfTheTransactionThatAltersAColumn) {
  enable("t");
  ok("BEGIN TRAN; INSERT INTO t VALUES (1, N'1', 1.25); ALTER TABLE t ALTER COLUMN b "
     "decimal(12,3); INSERT INTO t VALUES (2, N'2', 1234567.125); COMMIT");
  capture_.scan_all();
  EXPECT_EQ(changes("id, b"), "1|1.250\n2|1234567.125\n");
}

TEST_F(CdcTest, DebeziumsStatements) {
  enable("t");
  ok("INSERT INTO t VALUES (1, N'x', 1); UPDATE t SET a = N'y'");
  capture_.scan_all();
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM [testdb].cdc.change_tables"), "1");
  ok("EXEC [testdb].sys.sp_cdc_help_change_data_capture");
  ok("EXEC sys.sp_cdc_help_jobs");
  EXPECT_EQ(driver_.value("SELECT CASE WHEN dss.[status]=4 THEN 1 ELSE 0 END AS isRunning FROM "
                          "[testdb].sys.dm_server_services dss WHERE dss.[servicename] LIKE N'SQL "
                          "Server Agent (%';"),
            "1");
  ok("SELECT TOP 1 start_lsn from sys.dm_cdc_log_scan_sessions ORDER BY session_id DESC");
  ok("DECLARE @P0 int = 500, @P1 varbinary(8000) = 0x00; SELECT MAX(start_lsn) FROM (SELECT TOP ( "
     "@P0 + 1) start_lsn FROM [testdb].cdc.lsn_time_mapping WHERE start_lsn >= @P1 AND tran_id <> "
     "0x00 ORDER BY start_lsn) as next_lsns");
  EXPECT_EQ(driver_.table(
                "WITH ordered_change_tables AS (SELECT ROW_NUMBER() OVER (PARTITION BY "
                "ct.source_object_id, ct.start_lsn ORDER BY ct.create_date DESC) AS ct_sequence, "
                "ct.* FROM [testdb].cdc.change_tables AS ct WHERE ct.start_lsn <= "
                "sys.fn_cdc_get_max_lsn()) SELECT OBJECT_SCHEMA_NAME(source_object_id, "
                "DB_ID(N'testdb')), OBJECT_NAME(source_object_id, DB_ID(N'testdb')), "
                "capture_instance FROM ordered_change_tables WHERE ct_sequence = 1"),
            "dbo|t|dbo_t\n");
  EXPECT_EQ(
      driver_.table(
          "DECLARE @from varbinary(8000) = 0x00000000000000000000, @s varbinary(8000) = 0x00, @op "
          "int = 0; SELECT cdc_data.[__$operation], cdc_data.[a], "
          "TODATETIMEOFFSET(ltm.tran_begin_time, DATEPART(TZOFFSET, SYSDATETIMEOFFSET())) FROM "
          "[testdb].cdc.[dbo_t_CT] AS cdc_data LEFT JOIN [testdb].cdc.lsn_time_mapping ltm ON "
          "ltm.start_lsn = cdc_data.[__$start_lsn] WHERE (([cdc_data].[__$start_lsn] = @from AND "
          "[cdc_data].[__$seqval] = @s AND [cdc_data].[__$operation] > @op) OR "
          "([cdc_data].[__$start_lsn] = @from AND [cdc_data].[__$seqval] > @s) OR "
          "([cdc_data].[__$start_lsn] > @from)) AND [cdc_data].[__$start_lsn] <= "
          "sys.fn_cdc_get_max_lsn() AND [cdc_data].[__$operation] NOT IN (3) ORDER BY "
          "cdc_data.[__$start_lsn] ASC, cdc_data.[__$command_id] ASC, cdc_data.[__$seqval] ASC, "
          "cdc_data.[__$operation] ASC"),
      "2|x|2026-11-23 00:00:00.0000000 +00:00\n4|y|2026-11-23 00:00:00.0000000 +00:00\n");
}

}  // namespace
}  // namespace dstream::standin::cdc
