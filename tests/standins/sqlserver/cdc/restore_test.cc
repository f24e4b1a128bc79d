// EXEC dstream.restore_to: the database is what it was, and its log forks.
#include <cstdlib>
#include <random>

#include "tests/standins/sqlserver/cdc/cdc_fixture.h"

namespace dstream::standin::cdc {
namespace {

class RestoreTest : public CdcTest {
 protected:
  void SetUp() override {
    CdcTest::SetUp();
    ok("CREATE TABLE untracked (id int PRIMARY KEY, a nvarchar(20) NULL)");
    enable("t");
  }
  // Everything so far is below it.
  std::string point() {
    capture_.scan_all();
    ok("EXEC dstream.dummy_entry");
    return driver_.value("SELECT sys.fn_cdc_get_max_lsn()");
  }
  void restore(const std::string& lsn) { ok("EXEC dstream.restore_to " + lsn); }
  std::string rows(const std::string& table) {
    return driver_.table("SELECT * FROM " + table + " ORDER BY 1");
  }

  // All that a client can see of the database, by statements that name every table and index.
  std::string everything() {
    std::string all;
    const auto add = [&](const std::string& sql) {
      const std::string answer = driver_.table(sql);
      EXPECT_EQ(driver_.writer().messages.size(), 0U) << sql;
      all += sql + "\n" + answer;
    };
    add("SELECT name, object_id, is_tracked_by_cdc FROM sys.tables ORDER BY object_id");
    add("SELECT object_id, name, column_id, system_type_id, max_length, precision, scale, "
        "is_nullable FROM sys.columns ORDER BY object_id, column_id");
    add("SELECT object_id, name, index_id, is_unique FROM sys.indexes ORDER BY object_id, name");
    add("SELECT object_id, capture_instance, start_lsn FROM cdc.change_tables ORDER BY object_id");
    add("SELECT object_id, column_name, column_type FROM cdc.captured_columns ORDER BY object_id, "
        "column_ordinal");
    add("SELECT * FROM cdc.ddl_history ORDER BY ddl_lsn, object_id");
    add("SELECT start_lsn, tran_begin_lsn FROM cdc.lsn_time_mapping ORDER BY start_lsn");
    for (const sql::TablePtr& table : engine_.main_database().tables()) {
      add("SELECT * FROM [" + table->name() + "] ORDER BY id");
    }
    for (const InstancePtr& instance : capture_.find(engine_.main_database())->instances()) {
      add("SELECT * FROM cdc.[" + instance->name() + "_CT] ORDER BY 1, __$command_id, 3, 4");
    }
    return all;
  }
};

TEST_F(RestoreTest, RowsOfAllTablesAreBack) {
  ok("INSERT INTO t VALUES (1, N'a', 1), (2, N'b', 2), (3, N'c', 3); INSERT INTO untracked VALUES "
     "(1, N'x'), (2, N'y')");
  const std::string at = point();
  ok("UPDATE t SET a = N'new' WHERE id = 1; DELETE FROM t WHERE id = 2; UPDATE t SET id = 30 WHERE "
     "id = 3; INSERT INTO t (id) VALUES (4); INSERT INTO t (id) VALUES (2)");
  ok("BEGIN TRAN; UPDATE t SET b = 9; UPDATE t SET b = 10; DELETE FROM t WHERE id = 4; COMMIT");
  ok("TRUNCATE TABLE untracked; INSERT INTO untracked VALUES (7, NULL)");
  capture_.scan_all();
  restore(at);
  EXPECT_EQ(rows("t"), "1|a|1.00\n2|b|2.00\n3|c|3.00\n");
  EXPECT_EQ(rows("untracked"), "1|x\n2|y\n");
  EXPECT_EQ(changes("__$operation, id"), "2|1\n2|2\n2|3\n");
  // Keys and indexes work as before.
  EXPECT_EQ(driver_.error("INSERT INTO t (id) VALUES (2)"), 2627);
  ok("INSERT INTO t (id) VALUES (4), (30); DELETE FROM t WHERE id = 1");
  EXPECT_EQ(driver_.table("SELECT id FROM t ORDER BY id"), "2\n3\n4\n30\n");
  capture_.scan_all();
  EXPECT_EQ(changes("__$operation, id"), "2|1\n2|2\n2|3\n2|4\n2|30\n1|1\n");
}

// What readers have to detect: a position saved above the point means something else afterwards.
TEST_F(RestoreTest, LsnsOfCommitsThatAreGoneAreGivenAgain) {
  const std::string at = point();
  ok("INSERT INTO t (id) VALUES (1)");
  capture_.scan_all();
  const std::string lost = driver_.value("SELECT sys.fn_cdc_get_max_lsn()");
  restore(at);
  EXPECT_EQ(driver_.value("SELECT sys.fn_cdc_get_max_lsn()"), at);
  ok("INSERT INTO t (id) VALUES (2)");
  capture_.scan_all();
  EXPECT_EQ(driver_.value("SELECT sys.fn_cdc_get_max_lsn()"), lost);
  EXPECT_EQ(changes("id"), "2\n");
  // Of another database nothing is taken back, and its LSNs do not repeat.
  EXPECT_EQ(rows("t"), "2|NULL|NULL\n");
}

TEST_F(RestoreTest, OtherDatabasesGoOn) {
  ok("CREATE DATABASE other; USE other; CREATE TABLE o (id int PRIMARY KEY); EXEC "
     "sys.sp_cdc_enable_db; EXEC sys.sp_cdc_enable_table N'dbo', N'o', NULL; USE testdb");
  const std::string at = point();
  ok("INSERT INTO other.dbo.o VALUES (1); INSERT INTO t (id) VALUES (1)");
  capture_.scan_all();
  restore(at);
  ok("INSERT INTO other.dbo.o VALUES (2); INSERT INTO t (id) VALUES (2)");
  capture_.scan_all();
  EXPECT_EQ(driver_.table("SELECT id FROM other.cdc.dbo_o_CT ORDER BY __$start_lsn"), "1\n2\n");
  EXPECT_EQ(changes("id"), "2\n");
}

TEST_F(RestoreTest, WhatWasNotCapturedThenIsCapturedLater) {
  ok("INSERT INTO t (id) VALUES (1)");
  capture_.scan_all();
  const std::string first = driver_.value("SELECT sys.fn_cdc_get_max_lsn()");
  ok("INSERT INTO t (id) VALUES (2)");
  ok("INSERT INTO t (id) VALUES (3)");
  capture_.find(engine_.main_database())->scan(1);
  const std::string second = driver_.value("SELECT sys.fn_cdc_get_max_lsn()");
  capture_.scan_all();
  restore(second);
  EXPECT_EQ(changes("id"), "1\n2\n");
  EXPECT_EQ(rows("t"), "1|NULL|NULL\n2|NULL|NULL\n");
  ok("INSERT INTO t (id) VALUES (4)");
  restore(second);
  capture_.scan_all();
  EXPECT_EQ(changes("id"), "1\n2\n");
  restore(first);
  EXPECT_EQ(changes("id"), "1\n");
  EXPECT_EQ(rows("t"), "1|NULL|NULL\n");
}

TEST_F(RestoreTest, DefinitionsAndInstancesAreBack) {
  ok("INSERT INTO t VALUES (1, N'a', 1.5); CREATE UNIQUE INDEX i ON t (a)");
  const std::string at = point(), before = everything();
  ok("BEGIN TRAN; UPDATE t SET b = 2.5; DROP INDEX i ON t; ALTER TABLE t ALTER COLUMN b int NULL; "
     "UPDATE t SET b = 7; INSERT INTO t VALUES (2, N'a', 1); COMMIT");
  ok("ALTER TABLE t ADD c int NOT NULL DEFAULT 5; UPDATE t SET c = 6; CREATE INDEX j ON t (c)");
  ok("EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL, N'second'; INSERT INTO t VALUES (3, N'z', "
     "3, "
     "3)");
  capture_.scan_all();
  ok("DECLARE @l binary(10) = sys.fn_cdc_get_max_lsn(); EXEC sys.sp_cdc_cleanup_change_table "
     "N'dbo_t', @l");
  ok("EXEC sys.sp_cdc_disable_table N'dbo', N't', N'dbo_t'; DROP TABLE untracked; CREATE TABLE "
     "untracked (id bigint); EXEC sp_rename N'untracked', N'other'; CREATE TABLE more (id int)");
  ok("DELETE FROM t; ALTER TABLE t DROP COLUMN a");
  capture_.scan_all();
  EXPECT_NE(everything(), before);
  restore(at);
  EXPECT_EQ(everything(), before);
  EXPECT_EQ(driver_.error("INSERT INTO t VALUES (2, N'a', 1)"), 2601);
  EXPECT_EQ(driver_.value("SELECT id FROM t WHERE a = N'a'"), "1");
}

// Restored to random points of a random history, also twice to the same one.
TEST_F(RestoreTest, EverythingIsWhatItWasAtRandomPoints) {
  const char* const fixed = std::getenv("DSTREAM_MODEL_SEED");
  const uint64_t seed =
      fixed == nullptr ? std::random_device{}() : std::strtoull(fixed, nullptr, 10);
  std::printf("DSTREAM_MODEL_SEED=%llu\n", static_cast<unsigned long long>(seed));
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<std::pair<std::string, std::string>> points = {{point(), everything()}};
  int names = 0;
  for (int step = 0; step < 400 && !HasFailure(); ++step) {
    const auto n = [&](uint64_t limit) { return std::to_string(random() % limit); };
    const std::string name = "n" + std::to_string(++names);
    const std::string table = random() % 2 == 0 ? "t" : "untracked";
    switch (random() % 16) {
      case 0:
      case 1:
      case 2:
        driver_.run("INSERT INTO " + table + " (id, a) VALUES (" + n(50) + ", N'" + n(9) + "')");
        break;
      case 3:
      case 4:
        ok("UPDATE " + table + " SET a = N'" + n(9) + "' WHERE id % 3 = " + n(3));
        break;
      case 5:
        ok("DELETE FROM " + table + " WHERE id % 4 = " + n(4));
        break;
      case 6:
        ok("UPDATE " + table + " SET id = id + " + n(60) + " + 1");
        break;
      case 7:
        ok("BEGIN TRAN; DELETE FROM t WHERE id % 2 = 0; ALTER TABLE t ADD " + name +
           " int NULL; ALTER TABLE t DROP COLUMN " + name + "; UPDATE t SET a = N'y'; " +
           (random() % 2 == 0 ? "COMMIT" : "ROLLBACK"));
        break;
      case 8:
        driver_.run(
            "IF COL_LENGTH('t', 'c') IS NULL ALTER TABLE t ADD c nvarchar(10) NULL ELSE ALTER "
            "TABLE "
            "t ALTER COLUMN a nvarchar(" +
            std::to_string(20 + names) + ") NULL");
        break;
      case 9:
        driver_.run("CREATE INDEX ix ON " + table + " (a)");
        break;
      case 10:
        driver_.run("DROP INDEX ix ON " + table);
        break;
      case 11:
        driver_.run("EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL, N'" + name + "'");
        break;
      case 12:
        ok("DECLARE @i sysname = (SELECT TOP 1 capture_instance FROM cdc.change_tables); IF "
           "(SELECT "
           "COUNT(*) FROM cdc.change_tables) = 2 EXEC sys.sp_cdc_disable_table N'dbo', N't', @i");
        break;
      case 13:
        ok("DECLARE @i sysname = (SELECT TOP 1 capture_instance FROM cdc.change_tables ORDER BY "
           "NEWID()), @l binary(10) = (SELECT TOP 1 start_lsn FROM cdc.lsn_time_mapping ORDER BY "
           "NEWID()); IF @l IS NOT NULL EXEC sys.sp_cdc_cleanup_change_table @i, @l");
        break;
      case 14:
        capture_.find(engine_.main_database())->scan(1 + static_cast<int64_t>(random() % 3));
        break;
      default:
        if (random() % 2 == 0) {
          const std::string at = point();
          points.emplace_back(at, everything());
        } else {
          const size_t place = points.size() - 1 - random() % std::min<size_t>(points.size(), 4);
          points.resize(place + 1);
          restore(points.back().first);
          ASSERT_EQ(everything(), points.back().second) << "step " << step;
        }
    }
  }
  restore(points.front().first);
  EXPECT_EQ(everything(), points.front().second);
}

TEST_F(RestoreTest, ReadersOfASnapshotKeepWhatTheySaw) {
  ok("INSERT INTO t (id) VALUES (1)");
  const std::string at = point();
  ok("UPDATE t SET a = N'new'; INSERT INTO t (id) VALUES (2)");
  sql::SessionDriver reader(&engine_);
  EXPECT_EQ(reader.value("SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN; SELECT COUNT(*) "
                         "FROM t WHERE a = N'new' OR id = 2"),
            "2");
  restore(at);
  EXPECT_EQ(reader.value("SELECT COUNT(*) FROM t WHERE a = N'new' OR id = 2"), "2");
  EXPECT_EQ(reader.value("COMMIT; SELECT COUNT(*) FROM t WHERE a = N'new' OR id = 2"), "0");
}

TEST_F(RestoreTest, IsRefusedWhereItCannotBeDone) {
  const std::string at = point();
  ok("INSERT INTO t (id) VALUES (1)");
  EXPECT_EQ(driver_.error("BEGIN TRAN; EXEC dstream.restore_to " + at), 3021);
  ok("ROLLBACK");
  sql::SessionDriver writer(&engine_);
  ASSERT_EQ(writer.error("BEGIN TRAN; INSERT INTO untracked (id) VALUES (1)"), 0);
  EXPECT_EQ(driver_.error("EXEC dstream.restore_to " + at), 3101);
  ASSERT_EQ(writer.error("COMMIT"), 0);
  EXPECT_EQ(driver_.error("EXEC dstream.restore_to 0x00000025000000100001"), 50000);
  EXPECT_NE(driver_.error_text().find("earliest point in reach"), std::string::npos);
  EXPECT_EQ(driver_.error("EXEC dstream.restore_to 0x00000099000000100001"), 50000);
  EXPECT_NE(driver_.error_text().find("its log ends at"), std::string::npos);
  restore(at);
  EXPECT_EQ(rows("t"), "");
}

TEST_F(RestoreTest, WhatIsHeldForItIsBounded) {
  const std::string early = point();
  sql::UndoHistory& history = engine_.main_database().undo_history();
  history.set_bytes_max(20'000);
  for (int i = 0; i < 300; ++i) {
    ok("INSERT INTO t (id) VALUES (" + std::to_string(i) + ")");
  }
  EXPECT_LE(history.bytes(), 20'000U);
  const std::string late = point();
  ok("DELETE FROM t");
  EXPECT_EQ(driver_.error("EXEC dstream.restore_to " + early), 50000);
  EXPECT_EQ(driver_.error("EXEC dstream.restore_to " + late), 50000) << "300 rows do not fit";
  history.set_bytes_max(size_t{1} << 20);
  ok("INSERT INTO t (id) VALUES (1), (2)");
  const std::string last = point();
  ok("DELETE FROM t");
  restore(last);
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM t"), "2");
}

}  // namespace
}  // namespace dstream::standin::cdc
