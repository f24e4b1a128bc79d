// MERGE, and common tables before changes.
#include <gtest/gtest.h>

#include "tests/standins/sqlserver/sql/session_driver.h"

namespace dstream::standin::sql {
namespace {

class MergeTest : public testing::Test {
 protected:
  Engine engine_{EngineOptions{}};
  SessionDriver driver_{&engine_};

  void SetUp() override {
    ok("CREATE TABLE t (id int PRIMARY KEY, name nvarchar(10), n int DEFAULT 7)");
    ok("CREATE TABLE s (id int, name nvarchar(10))");
    ok("INSERT INTO t VALUES (1, N'a', 1), (2, N'b', 2), (3, N'c', 3)");
    ok("INSERT INTO s VALUES (2, N'B'), (3, NULL), (4, N'D'), (5, N'E')");
  }
  void ok(std::string_view sql) {
    EXPECT_EQ(driver_.error(sql), 0) << sql << ": " << driver_.error_text();
  }
  std::string rows() { return driver_.table("SELECT * FROM t ORDER BY id"); }
};

TEST_F(MergeTest, UpdatesInsertsAndDeletes) {
  ok("MERGE INTO t AS target USING s AS source ON target.id = source.id "
     "WHEN MATCHED AND source.name IS NULL THEN DELETE "
     "WHEN MATCHED THEN UPDATE SET name = source.name, n += 10 "
     "WHEN NOT MATCHED BY TARGET AND source.id < 5 THEN INSERT (id, name) VALUES "
     "(source.id, source.name) "
     "WHEN NOT MATCHED BY SOURCE THEN UPDATE SET n = -target.n;");
  EXPECT_EQ(driver_.writer().counts.back(), 4);
  EXPECT_EQ(driver_.value("SELECT @@ROWCOUNT"), "4");
  EXPECT_EQ(rows(), "1|a|-1\n2|B|12\n4|D|7\n");
}

TEST_F(MergeTest, TellsWhatItDid) {
  EXPECT_EQ(
      driver_.table("MERGE t USING (VALUES (1, N'x'), (9, N'y')) AS v (k, name) ON t.id = v.k "
                    "WHEN MATCHED THEN UPDATE SET name = v.name "
                    "WHEN NOT MATCHED THEN INSERT VALUES (k, v.name, DEFAULT) "
                    "WHEN NOT MATCHED BY SOURCE AND t.id = 2 THEN DELETE "
                    "OUTPUT $action, inserted.id, deleted.name, inserted.n;"),
      "DELETE|NULL|b|NULL\nUPDATE|1|a|1\nINSERT|9|NULL|7\n");
  ok("DECLARE @log table (what nvarchar(10), id int); "
     "MERGE t USING s ON t.id = s.id WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id) "
     "OUTPUT $action, inserted.id INTO @log; INSERT INTO s SELECT id + 100, what FROM @log");
  EXPECT_EQ(driver_.table("SELECT id, name FROM s WHERE id > 100 ORDER BY id"),
            "102|INSERT\n104|INSERT\n105|INSERT\n");
}

TEST_F(MergeTest, ATargetRowIsChangedOnce) {
  ok("INSERT INTO s VALUES (2, N'again')");
  EXPECT_EQ(driver_.error("MERGE t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET name = "
                          "s.name;"),
            8672);
  EXPECT_EQ(rows(), "1|a|1\n2|b|2\n3|c|3\n");
  ok("MERGE t USING s ON t.id = s.id WHEN MATCHED AND s.name = N'again' THEN DELETE;");
  EXPECT_EQ(rows(), "1|a|1\n3|c|3\n");
}

TEST_F(MergeTest, IsOneStatement) {
  EXPECT_EQ(driver_.error("MERGE t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET n = 0 "
                          "WHEN NOT MATCHED THEN INSERT (id) VALUES (1);"),
            2627);
  EXPECT_EQ(rows(), "1|a|1\n2|b|2\n3|c|3\n");
  // Rows leave before others take their keys.
  ok("MERGE t USING (VALUES (1)) AS v (k) ON t.id = v.k WHEN MATCHED THEN DELETE "
     "WHEN NOT MATCHED BY SOURCE THEN UPDATE SET id = id - 1;");
  EXPECT_EQ(rows(), "1|b|2\n2|c|3\n");
}

// The rows that no clause takes do not count.
TEST_F(MergeTest, TopIsOfTheRowsThatAreChanged) {
  const std::string low = " INTO t USING (VALUES (1), (2), (3)) AS v (k) ON t.id = v.k ";
  ok("MERGE TOP (1)" + low + "WHEN MATCHED AND t.id = 3 THEN DELETE;");
  EXPECT_EQ(rows(), "1|a|1\n2|b|2\n");
  ok("MERGE TOP (1 + 1)" + low +
     "WHEN MATCHED THEN UPDATE SET n = 9 WHEN NOT MATCHED THEN INSERT (id) VALUES (k);");
  EXPECT_EQ(driver_.value("SELECT @@ROWCOUNT"), "2");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM t WHERE n = 9 OR id = 3"), "2");
  ok("MERGE TOP (0)" + low + "WHEN MATCHED THEN DELETE;");
  EXPECT_EQ(driver_.value("SELECT @@ROWCOUNT"), "0");
}

TEST_F(MergeTest, WhatIsNotAllowedSaysSo) {
  const std::string merge = "MERGE t USING s ON t.id = s.id ";
  EXPECT_EQ(driver_.error(merge + "WHEN MATCHED THEN DELETE"), 10713);
  EXPECT_EQ(driver_.error(merge + "WHEN MATCHED THEN INSERT (id) VALUES (1);"), 10711);
  EXPECT_EQ(driver_.error(merge + "WHEN NOT MATCHED THEN DELETE;"), 10711);
  EXPECT_EQ(driver_.error(merge + "WHEN MATCHED THEN DELETE WHEN MATCHED THEN UPDATE SET n = 1;"),
            5324);
  EXPECT_EQ(driver_.error(merge + "WHEN MATCHED AND n = 1 THEN DELETE WHEN MATCHED THEN DELETE;"),
            10714);
  EXPECT_EQ(driver_.error(merge + "WHEN NOT MATCHED THEN INSERT (id) VALUES (t.id);"), 5333);
  EXPECT_EQ(driver_.error(merge + "WHEN NOT MATCHED BY SOURCE THEN UPDATE SET name = s.name;"),
            5334);
  EXPECT_EQ(driver_.error(merge + "WHEN NOT MATCHED THEN INSERT (id, n) VALUES (1);"), 109);
  EXPECT_EQ(driver_.error("MERGE nowhere USING s ON 1 = 1 WHEN MATCHED THEN DELETE;"), 208);
  EXPECT_EQ(driver_.error("MERGE TOP (1) PERCENT t USING s ON 1 = 1 WHEN MATCHED THEN DELETE;"),
            40510);
}

TEST_F(MergeTest, TargetsAndSourcesOfAllKinds) {
  ok("DECLARE @v table (id int, name nvarchar(10)); INSERT INTO @v VALUES (3, N'v');"
     "MERGE @v AS v USING t ON v.id = t.id WHEN MATCHED THEN UPDATE SET name = t.name "
     "WHEN NOT MATCHED THEN INSERT VALUES (t.id, t.name);"
     "MERGE t USING @v AS v ON v.id = t.id WHEN MATCHED THEN UPDATE SET name = v.name + N'!';");
  EXPECT_EQ(rows(), "1|a!|1\n2|b!|2\n3|c!|3\n");
  ok("WITH c AS (SELECT id + 10 AS id FROM t) MERGE INTO t WITH (HOLDLOCK) USING c ON c.id = t.id "
     "WHEN NOT MATCHED THEN INSERT (id) VALUES (c.id);");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM t"), "6");
  ok("MERGE t USING t AS other ON t.id = other.id + 10 WHEN MATCHED THEN DELETE;");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM t"), "3");
}

TEST_F(MergeTest, CommonTablesStandBeforeChanges) {
  ok("WITH c AS (SELECT id, name FROM s WHERE id > 3) INSERT INTO t (id, name) SELECT * FROM c");
  ok("WITH c (k) AS (SELECT MAX(id) FROM t), d AS (SELECT k FROM c) "
     "DELETE FROM t WHERE id = (SELECT k FROM d)");
  ok("WITH c AS (SELECT id FROM s) UPDATE t SET n = 0 FROM c WHERE c.id = t.id");
  EXPECT_EQ(rows(), "1|a|1\n2|b|0\n3|c|0\n4|D|0\n");
  EXPECT_EQ(driver_.error("WITH t AS (SELECT 1 AS id) DELETE FROM t"), 40510);
  EXPECT_EQ(rows(), "1|a|1\n2|b|0\n3|c|0\n4|D|0\n");
}

}  // namespace
}  // namespace dstream::standin::sql
