// INSERT, UPDATE, DELETE, definitions and constraints.
#include <gtest/gtest.h>

#include "tests/standins/sqlserver/sql/session_driver.h"

namespace dstream::standin::sql {
namespace {

class ChangeTest : public testing::Test {
 protected:
  Engine engine_{EngineOptions{}};
  SessionDriver driver_{&engine_};

  void ok(std::string_view sql) {
    EXPECT_EQ(driver_.error(sql), 0) << sql << ": " << driver_.error_text();
  }
};

TEST_F(ChangeTest, TheTargetNeedNotStandInFrom) {
  ok("CREATE TABLE t (id int, n int); CREATE TABLE s (id int, n int)");
  ok("INSERT INTO t VALUES (1, 0), (2, 0); INSERT INTO s VALUES (2, 5)");
  ok("UPDATE t SET n = s.n FROM s WHERE s.id = t.id");
  EXPECT_EQ(driver_.table("SELECT * FROM t ORDER BY id"), "1|0\n2|5\n");
  ok("DELETE t FROM s WHERE s.id = t.id");
  EXPECT_EQ(driver_.table("SELECT * FROM t"), "1|0\n");
  EXPECT_EQ(driver_.error("UPDATE nowhere SET n = s.n FROM s"), 208);
}

TEST_F(ChangeTest, EveryTypeKeepsItsValue) {
  ok("CREATE TABLE t (a tinyint, b smallint, c int, d bigint, e bit, f decimal(38,10), g "
     "numeric(9,2), h money, i smallmoney, j float, k real, l char(4), m varchar(10), n "
     "varchar(max), o nchar(4), p nvarchar(10), q nvarchar(max), r date, s time(3), t datetime, u "
     "smalldatetime, v datetime2(7), w datetimeoffset(7), x uniqueidentifier, y binary(4), z "
     "varbinary(8), aa varbinary(max))");
  ok("INSERT INTO t VALUES (255, -32768, 2147483647, -9223372036854775808, 1, "
     "1234567890123456789012345678.0123456789, -1234567.89, 922337203685477.5807, -214748.3648, "
     "0.1, 1.5, 'ab', 'caf\xC3\xA9', REPLICATE(CAST('x' AS varchar(max)), 9000), N'\xC5\x81', "
     "N'\xE6\x97\xA5\xE6\x9C\xAC', N'max', '2026-11-23', '12:34:56.789', '2026-11-23T12:34:56.997',"
     "'2026-11-23 12:34', '9999-12-31T23:59:59.9999999', '2026-11-23T12:34:56.1234567+05:30', "
     "'6F9619FF-8B86-D011-B42D-00C04FC964FF', 0x01, 0x0102, 0xDEADBEEF)");
  EXPECT_EQ(driver_.table("SELECT a, b, c, d, e, f, g, h, i, j, k, l, m, LEN(n), o, p, q FROM t"),
            "255|-32768|2147483647|-9223372036854775808|1|"
            "1234567890123456789012345678.0123456789|-1234567.89|922337203685477.5807|-214748.3648"
            "|0.10000000000000001|1.5|ab  |caf\xC3\xA9|9000|\xC5\x81   |\xE6\x97\xA5\xE6\x9C\xAC|"
            "max\n");
  EXPECT_EQ(driver_.table("SELECT r, s, t, u, v, w, x, y, z, aa FROM t"),
            "2026-11-23|12:34:56.789|2026-11-23 12:34:56.997|2026-11-23 12:34:00|9999-12-31 "
            "23:59:59.9999999|2026-11-23 12:34:56.1234567 +05:30|6F9619FF-8B86-D011-B42D-"
            "00C04FC964FF|0x01000000|0x0102|0xDEADBEEF\n");
  ok("INSERT INTO t DEFAULT VALUES");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM t WHERE a IS NULL AND f IS NULL AND aa IS NULL"),
            "1");
}

TEST_F(ChangeTest, IdentityDefaultsComputedAndRowversion) {
  ok("CREATE TABLE t (id int IDENTITY(10,5) PRIMARY KEY, a int NOT NULL DEFAULT 7, b AS a * 2, v "
     "rowversion)");
  ok("INSERT INTO t (a) VALUES (1), (DEFAULT)");
  EXPECT_EQ(driver_.table("SELECT id, a, b FROM t ORDER BY id"), "10|1|2\n15|7|14\n");
  EXPECT_EQ(driver_.value("SELECT SCOPE_IDENTITY()"), "15");
  EXPECT_EQ(driver_.error("INSERT INTO t (id, a) VALUES (1, 1)"), 544);
  ok("SET IDENTITY_INSERT t ON; INSERT INTO t (id, a) VALUES (100, 1); SET IDENTITY_INSERT t OFF");
  ok("INSERT INTO t (a) VALUES (2)");
  EXPECT_EQ(driver_.value("SELECT MAX(id) FROM t"), "105");
  const std::string before = driver_.value("SELECT v FROM t WHERE id = 10");
  ok("UPDATE t SET a = 9 WHERE id = 10");
  EXPECT_LT(before, driver_.value("SELECT v FROM t WHERE id = 10"));
  EXPECT_EQ(driver_.value("SELECT b FROM t WHERE id = 10"), "18");
  EXPECT_EQ(driver_.error("UPDATE t SET id = 1"), 8102);
}

TEST_F(ChangeTest, UpdatesAndDeletes) {
  ok("CREATE TABLE t (id int PRIMARY KEY, x int); INSERT INTO t VALUES (1, 10), (2, 20), (3, 30)");
  ok("UPDATE t SET id = id + 1");
  EXPECT_EQ(driver_.table("SELECT id, x FROM t"), "2|10\n3|20\n4|30\n");
  ok("UPDATE a SET x = b.x + 1 FROM t a JOIN t b ON b.id = a.id - 1");
  EXPECT_EQ(driver_.table("SELECT id, x FROM t"), "2|10\n3|11\n4|21\n");
  EXPECT_EQ(driver_.table("DELETE TOP (1) FROM t OUTPUT deleted.id WHERE x > 10"), "3\n");
  ok("UPDATE t SET x += 5 WHERE id = 2; INSERT INTO t SELECT id + 10, x FROM t");
  EXPECT_EQ(driver_.table("SELECT * FROM t"), "2|15\n4|21\n12|15\n14|21\n");
  EXPECT_EQ(driver_.error("UPDATE t SET id = 2 WHERE id = 4"), 2627);
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM t"), "4");
  ok("SELECT id, x INTO #copy FROM t WHERE id > 4; DELETE FROM t; TRUNCATE TABLE t");
  EXPECT_EQ(driver_.table("SELECT * FROM #copy"), "12|15\n14|21\n");
}

TEST_F(ChangeTest, AFailedStatementLeavesNothing) {
  ok("CREATE TABLE t (id int PRIMARY KEY)");
  EXPECT_EQ(driver_.error("INSERT INTO t VALUES (1), (2), (1)"), 2627);
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM t"), "0");
  ok("BEGIN TRAN; INSERT INTO t VALUES (5)");
  EXPECT_EQ(driver_.error("INSERT INTO t VALUES (6), (5)"), 2627);
  ok("COMMIT");
  EXPECT_EQ(driver_.table("SELECT id FROM t"), "5\n");
}

TEST_F(ChangeTest, Constraints) {
  ok("CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int PRIMARY KEY, p int NULL "
     "CONSTRAINT FK_p REFERENCES parent (id), age int CONSTRAINT CK_age CHECK (age > 0), code "
     "varchar(5) NULL, CONSTRAINT UQ_code UNIQUE (code)); INSERT INTO parent VALUES (1)");
  EXPECT_EQ(driver_.error("INSERT INTO child VALUES (1, 2, 1, 'a')"), 547);
  EXPECT_TRUE(driver_.error_text().starts_with(
      "The INSERT statement conflicted with the FOREIGN KEY constraint \"FK_p\"."));
  EXPECT_EQ(driver_.error("INSERT INTO child VALUES (1, 1, 0, 'a')"), 547);
  ok("INSERT INTO child VALUES (1, 1, 1, 'a'), (2, NULL, NULL, NULL)");
  EXPECT_EQ(driver_.error("DELETE FROM parent"), 547);
  EXPECT_EQ(driver_.error("INSERT INTO child VALUES (3, 1, 1, 'A ')"), 2627);
  EXPECT_EQ(driver_.error("INSERT INTO child VALUES (3, 1, 1, NULL)"), 2627);
  EXPECT_EQ(driver_.error("DROP TABLE parent"), 3726);
  ok("CREATE UNIQUE INDEX ix ON child (age)");
  EXPECT_EQ(driver_.error("INSERT INTO child VALUES (4, 1, 1, 'z')"), 2601);
}

TEST_F(ChangeTest, AlterTable) {
  ok("CREATE TABLE t (id int PRIMARY KEY, a varchar(5)); INSERT INTO t VALUES (1, 'x')");
  ok("ALTER TABLE t ADD b int NULL, c int NOT NULL CONSTRAINT DF_c DEFAULT 9");
  EXPECT_EQ(driver_.table("SELECT * FROM t"), "1|x|NULL|9\n");
  EXPECT_EQ(driver_.error("ALTER TABLE t ADD d int NOT NULL"), 4901);
  ok("ALTER TABLE t DROP COLUMN a; INSERT INTO t (id) VALUES (2); ALTER TABLE t ADD a date NULL");
  EXPECT_EQ(driver_.table("SELECT * FROM t"), "1|NULL|9|NULL\n2|NULL|9|NULL\n");
  EXPECT_EQ(driver_.error("ALTER TABLE t ALTER COLUMN b bigint NOT NULL"), 515);
  ok("UPDATE t SET b = id * 3; ALTER TABLE t ALTER COLUMN b bigint NOT NULL");
  EXPECT_EQ(driver_.table("SELECT b FROM t"), "3\n6\n");
  EXPECT_EQ(driver_.type("SELECT b FROM t"), "bigint");
}

TEST_F(ChangeTest, DefinitionsRollBack) {
  ok("BEGIN TRAN; CREATE TABLE t (id int); ROLLBACK");
  EXPECT_EQ(driver_.error("SELECT * FROM t"), 208);
  ok("CREATE TABLE t (id int); INSERT INTO t VALUES (1); BEGIN TRAN; ALTER TABLE t ADD b int; DROP "
     "TABLE t; ROLLBACK");
  EXPECT_EQ(driver_.table("SELECT * FROM t"), "1\n");
}

TEST_F(ChangeTest, TableVariablesAndInsertExec) {
  EXPECT_EQ(
      driver_.table("DECLARE @t TABLE (TABLE_NAME sysname, n int IDENTITY); CREATE TABLE q (id "
                    "int PRIMARY KEY); INSERT INTO @t (TABLE_NAME) VALUES (N'x'), (N'y'); "
                    "SELECT * FROM @t t WHERE t.n = 2"),
      "y|2\n");
  EXPECT_EQ(
      driver_.table("CREATE TABLE #keys (q sysname NULL, o sysname NULL, t sysname, c sysname, "
                    "s smallint, n sysname NULL); INSERT INTO #keys EXEC sp_pkeys N'q', N'dbo'; "
                    "SELECT t, c, s FROM #keys"),
      "q|id|1\n");
}

TEST_F(ChangeTest, CatalogShowsWhatIsThere) {
  ok("CREATE TABLE t (id int NOT NULL CONSTRAINT PK_t PRIMARY KEY, name nvarchar(50) NULL)");
  EXPECT_EQ(driver_.table("SELECT c.name, ty.name, c.max_length, c.is_nullable FROM sys.columns c "
                          "JOIN sys.types ty ON ty.user_type_id = c.user_type_id WHERE c.object_id "
                          "= OBJECT_ID('dbo.t') ORDER BY c.column_id"),
            "id|int|4|0\nname|nvarchar|100|1\n");
  EXPECT_EQ(driver_.table("SELECT s.name, t.name, t.is_tracked_by_cdc FROM sys.tables t JOIN "
                          "sys.schemas s ON s.schema_id = t.schema_id"),
            "dbo|t|0\n");
  EXPECT_EQ(driver_.table("SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH FROM "
                          "INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = 't'"),
            "id|int|NULL\nname|nvarchar|50\n");
  EXPECT_EQ(driver_.value("SELECT i.name FROM sys.indexes i WHERE i.is_primary_key = 1"), "PK_t");
  EXPECT_EQ(driver_.value("SELECT name FROM [testdb].sys.databases WHERE name = DB_NAME()"),
            "testdb");
}

// Rows as they come after INSERT BULK.
class RowsInMemory final : public BulkRows {
 public:
  RowsInMemory(std::vector<ResultColumn> columns, std::vector<std::vector<SqlValue>> rows)
      : columns_(std::move(columns)), rows_(std::move(rows)) {}
  std::span<const ResultColumn> columns() const override { return columns_; }
  bool next(std::vector<SqlValue>* values) override {
    if (next_ == rows_.size()) {
      return false;
    }
    *values = rows_[next_++];
    return true;
  }
  bool is_damaged() const override { return damaged; }
  bool damaged = false;

 private:
  std::vector<ResultColumn> columns_;
  std::vector<std::vector<SqlValue>> rows_;
  size_t next_ = 0;
};

class BulkLoadTest : public ChangeTest {
 protected:
  BulkLoadTest() {
    ok("CREATE TABLE t (id int IDENTITY PRIMARY KEY, name nvarchar(10) NOT NULL DEFAULT 'nobody', "
       "amount decimal(9,2) NULL)");
  }
  static ResultColumn column(std::string name, SqlType type) {
    ResultColumn result;
    result.name = std::move(name);
    result.type = type;
    return result;
  }
  static RowsInMemory rows() {
    return {{column("amount", nvarchar_type(20)), column("name", nvarchar_type(10))},
            {{SqlValue::of_text("12.5"), SqlValue::of_text("ada")}, {SqlValue{}, SqlValue{}}}};
  }
  // The first error's number, 0 if there was none.
  int32_t load(RowsInMemory rows) {
    RecordingWriter writer;
    driver_.session().bulk_load(rows, writer);
    for (const ServerMessage& message : writer.messages) {
      if (message.severity > 10) {
        return message.number;
      }
    }
    return 0;
  }
};

TEST_F(BulkLoadTest, RowsGoWhereTheStatementSaid) {
  ok("INSERT BULK t ([amount] decimal(9,2), [name] nvarchar(10) COLLATE Latin1_General_CI_AS) WITH "
     "(TABLOCK, ORDER(amount ASC))");
  EXPECT_EQ(load(rows()), 0);
  EXPECT_EQ(driver_.table("SELECT id, name, amount FROM t ORDER BY id"),
            "1|ada|12.50\n2|nobody|NULL\n");
}

TEST_F(BulkLoadTest, NothingStaysOfALoadThatFails) {
  ok("INSERT BULK t (amount decimal(9,2), name nvarchar(10)) WITH (KEEP_NULLS)");
  EXPECT_EQ(load(rows()), 515);
  ok("INSERT BULK t (amount decimal(9,2), name nvarchar(10))");
  RowsInMemory damaged = rows();
  damaged.damaged = true;
  EXPECT_EQ(load(damaged), 4804);
  ok("INSERT BULK t (amount decimal(9,2))");
  EXPECT_EQ(load(rows()), 4816);
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM t"), "0");
}

TEST_F(BulkLoadTest, RowsNobodyAnnouncedAreRefused) {
  EXPECT_EQ(load(rows()), 4022);
  ok("INSERT BULK t (amount decimal(9,2), name nvarchar(10))");
  ok("SELECT 1");
  EXPECT_EQ(load(rows()), 4022);
  EXPECT_EQ(driver_.error("INSERT BULK nowhere (a int)"), 208);
  EXPECT_EQ(driver_.error("INSERT BULK t (nothing int)"), 207);
}

}  // namespace
}  // namespace dstream::standin::sql
