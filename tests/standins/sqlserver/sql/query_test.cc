// Statements and their results, with the values SQL Server's documentation gives.
#include <gtest/gtest.h>

#include "tests/standins/sqlserver/sql/session_driver.h"

namespace dstream::standin::sql {
namespace {

class QueryTest : public testing::Test {
 protected:
  Engine engine_{EngineOptions{}};
  SessionDriver driver_{&engine_};

  void SetUp() override {
    ASSERT_EQ(driver_.error("CREATE TABLE p (id int PRIMARY KEY, name nvarchar(20) NULL, "
                            "amount decimal(10,2) NULL, team int NULL);"
                            "INSERT INTO p VALUES (1, N'Ada', 10.50, 1), (2, N'bob', 20, 1), "
                            "(3, N'Cid', NULL, 2), (4, NULL, 5.25, NULL);"
                            "CREATE TABLE team (id int PRIMARY KEY, title varchar(10));"
                            "INSERT INTO team VALUES (1, 'red'), (2, 'blue'), (3, 'none')"),
              0)
        << driver_.error_text();
  }
};

TEST_F(QueryTest, FiltersOrdersAndLimits) {
  EXPECT_EQ(driver_.table("SELECT id FROM p WHERE amount > 6 ORDER BY amount DESC"), "2\n1\n");
  EXPECT_EQ(driver_.table("SELECT TOP (2) id FROM p ORDER BY name"), "4\n1\n");
  EXPECT_EQ(driver_.table("SELECT TOP 1 WITH TIES team FROM p ORDER BY team DESC"), "2\n");
  EXPECT_EQ(driver_.table("SELECT id FROM p ORDER BY id OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY"),
            "2\n3\n");
  EXPECT_EQ(driver_.table("SELECT id FROM p WHERE name = N'ADA  '"), "1\n");
  EXPECT_EQ(driver_.table("SELECT id FROM p WHERE name LIKE N'[a-c]%' AND id <> 1"), "2\n3\n");
  EXPECT_EQ(driver_.table("SELECT id FROM p WHERE id BETWEEN 2 AND 3"), "2\n3\n");
  EXPECT_EQ(driver_.table("SELECT id FROM p WHERE team IS NULL OR name IN (N'bob', N'x')"),
            "2\n4\n");
  EXPECT_EQ(driver_.table("SELECT id FROM p WHERE (id = 1 OR id = 2) AND ((team = 1))"), "1\n2\n");
}

TEST_F(QueryTest, NullIsNeitherTrueNorFalse) {
  EXPECT_EQ(driver_.table("SELECT id FROM p WHERE team <> 1"), "3\n");
  EXPECT_EQ(driver_.table("SELECT id FROM p WHERE NOT (team = 1)"), "3\n");
  EXPECT_EQ(driver_.table("SELECT id FROM p WHERE team NOT IN (1, NULL)"), "");
  EXPECT_EQ(driver_.value("SELECT CASE WHEN NULL = NULL THEN 1 ELSE 0 END"), "0");
}

TEST_F(QueryTest, Joins) {
  EXPECT_EQ(driver_.table("SELECT p.id, t.title FROM p JOIN team t ON t.id = p.team ORDER BY p.id"),
            "1|red\n2|red\n3|blue\n");
  EXPECT_EQ(driver_.table("SELECT p.id, t.title FROM p LEFT JOIN team AS t ON t.id = p.team "
                          "WHERE p.id > 2 ORDER BY p.id"),
            "3|blue\n4|NULL\n");
  EXPECT_EQ(driver_.table("SELECT t.title, p.id FROM p RIGHT JOIN team t ON t.id = p.team "
                          "WHERE p.id IS NULL"),
            "none|NULL\n");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM p FULL JOIN team t ON t.id = p.team"), "5");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM p CROSS JOIN team"), "12");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM p, team WHERE p.team = team.id"), "3");
  EXPECT_EQ(driver_.table("SELECT a.id, b.id FROM p a JOIN p b ON a.team = b.team AND a.id < b.id"),
            "1|2\n");
}

TEST_F(QueryTest, GroupsAndAggregates) {
  EXPECT_EQ(driver_.table("SELECT team, COUNT(*), SUM(amount), MAX(name) FROM p GROUP BY team "
                          "ORDER BY team"),
            "NULL|1|5.25|NULL\n1|2|30.50|bob\n2|1|NULL|Cid\n");
  EXPECT_EQ(driver_.table("SELECT team FROM p GROUP BY team HAVING COUNT(*) > 1"), "1\n");
  EXPECT_EQ(driver_.table("SELECT COUNT(*), COUNT(team), COUNT(DISTINCT team) FROM p"), "4|3|2\n");
  EXPECT_EQ(driver_.value("SELECT AVG(amount) FROM p"), "11.916666");
  EXPECT_EQ(driver_.value("SELECT AVG(id) FROM p"), "2");
  EXPECT_EQ(driver_.table("SELECT MAX(id), MIN(id) FROM p WHERE id > 100"), "NULL|NULL\n");
  EXPECT_EQ(driver_.value("SELECT MAX(id) FROM p"), "4");
  EXPECT_EQ(driver_.error("SELECT name, COUNT(*) FROM p"), 8120);
}

TEST_F(QueryTest, SubqueriesAndSets) {
  EXPECT_EQ(driver_.table("SELECT id FROM p WHERE team = (SELECT MAX(id) FROM team WHERE title = "
                          "'blue')"),
            "3\n");
  EXPECT_EQ(driver_.table("SELECT title FROM team t WHERE NOT EXISTS (SELECT 1 FROM p WHERE p.team "
                          "= t.id)"),
            "none\n");
  EXPECT_EQ(driver_.table("SELECT id FROM p WHERE team IN (SELECT id FROM team WHERE title LIKE "
                          "'r%') ORDER BY id"),
            "1\n2\n");
  EXPECT_EQ(driver_.table("SELECT 0 AS idx, MAX(id) AS m FROM p UNION ALL SELECT 1, MAX(id) FROM "
                          "team ORDER BY idx"),
            "0|4\n1|3\n");
  EXPECT_EQ(driver_.table("SELECT team FROM p UNION SELECT id FROM team ORDER BY team"),
            "NULL\n1\n2\n3\n");
  EXPECT_EQ(driver_.table("SELECT id FROM team EXCEPT SELECT team FROM p"), "3\n");
  EXPECT_EQ(driver_.value("SELECT MAX(x) FROM (SELECT TOP (2) id AS x FROM p ORDER BY id) d"), "2");
  EXPECT_EQ(driver_.table("WITH c AS (SELECT team, ROW_NUMBER() OVER (PARTITION BY team ORDER BY "
                          "id DESC) AS n, id FROM p) SELECT id FROM c WHERE n = 1 ORDER BY id"),
            "2\n3\n4\n");
  EXPECT_EQ(driver_.error("SELECT (SELECT id FROM p)"), 512);
}

// mssql-jdbc asks for the columns of a bulk load's table so, and reads rows right after it.
TEST_F(QueryTest, OptionsOfDynamicSqlEndWithIt) {
  EXPECT_EQ(driver_.table("EXEC sp_executesql N'SET FMTONLY ON SELECT id FROM p'"), "");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM p"), "4");
  EXPECT_EQ(driver_.table("EXEC (N'SET ROWCOUNT 1')"), "");
  EXPECT_EQ(driver_.table("SELECT id FROM p ORDER BY id"), "1\n2\n3\n4\n");
}

TEST_F(QueryTest, TextBecomesADecimalOfAll38Digits) {
  EXPECT_EQ(driver_.value("SELECT CAST('-9999999999999999999999999999.9999999999' "
                          "AS decimal(38,10))"),
            "-9999999999999999999999999999.9999999999");
  EXPECT_EQ(driver_.value("SELECT CAST('00000000000000000000000000000000000000012.5' "
                          "AS decimal(5,1))"),
            "12.5");
  EXPECT_EQ(driver_.value("SELECT CAST('0.123456789012345678901234567890123456789012' "
                          "AS decimal(5,3))"),
            "0.123");
  EXPECT_EQ(driver_.error("SELECT CAST('0.12345678901234567890123456789012345678901x' "
                          "AS decimal(5,3))"),
            8114);
}

TEST_F(QueryTest, TypesOfExpressionsAreTSql) {
  EXPECT_EQ(driver_.type("SELECT amount FROM p"), "decimal(10,2)");
  EXPECT_EQ(driver_.type("SELECT MAX(amount) FROM p"), "decimal(10,2)");
  EXPECT_EQ(driver_.type("SELECT SUM(amount) FROM p"), "decimal(38,2)");
  EXPECT_EQ(driver_.type("SELECT amount * amount FROM p"), "decimal(21,4)");
  EXPECT_EQ(driver_.type("SELECT amount + 1 FROM p"), "decimal(11,2)");
  EXPECT_EQ(driver_.type("SELECT 1.0 / 3"), "decimal(7,6)");
  EXPECT_EQ(driver_.value("SELECT 1.0 / 3"), "0.333333");
  EXPECT_EQ(driver_.value("SELECT 7 / 2"), "3");
  EXPECT_EQ(driver_.type("SELECT N'a' + 'bc'"), "nvarchar(3)");
  EXPECT_EQ(driver_.type("SELECT MAX(x) FROM (SELECT CAST(0x01 AS binary(10)) AS x) d"),
            "binary(10)");
  EXPECT_EQ(driver_.type("SELECT CASE WHEN 1 = 1 THEN 1 ELSE 2.5 END"), "numeric(11,1)");
  EXPECT_EQ(driver_.type("SELECT ISNULL(name, 'none') FROM p"), "nvarchar(20)");
}

TEST_F(QueryTest, ConversionsAndFunctions) {
  EXPECT_EQ(driver_.value("SELECT CAST('2026-11-23 12:34:56.789' AS datetime)"),
            "2026-11-23 12:34:56.790");
  EXPECT_EQ(driver_.value("SELECT CONVERT(varchar(10), CAST('20261123' AS date), 104)"),
            "23.11.2026");
  EXPECT_EQ(driver_.value("SELECT CAST(123 AS binary(4))"), "0x0000007B");
  EXPECT_EQ(driver_.value("SELECT CAST(0x0102 AS int)"), "258");
  EXPECT_EQ(driver_.value("SELECT CONVERT(varbinary(8), '0x0aFF', 1)"), "0x0AFF");
  EXPECT_EQ(driver_.value("SELECT CAST(N'\xC3\xA9' AS varbinary(4))"), "0xE900");
  EXPECT_EQ(driver_.value("SELECT TRY_CAST('x' AS int)"), "NULL");
  EXPECT_EQ(driver_.value("SELECT LEN('ab  '), DATALENGTH(N'ab')"), "2|4");
  EXPECT_EQ(driver_.value("SELECT SUBSTRING('abcdef', 2, 3), REPLICATE('x', 3), CONCAT('a', NULL, "
                          "1)"),
            "bcd|xxx|a1");
  EXPECT_EQ(driver_.value("SELECT DATEADD(month, 1, CAST('2026-01-31' AS date))"), "2026-02-28");
  EXPECT_EQ(driver_.value("SELECT DATEDIFF(day, '2026-11-22 23:59', '2026-11-23 00:01')"), "1");
  EXPECT_EQ(driver_.value("SELECT DATEPART(TZOFFSET, SYSDATETIMEOFFSET())"), "0");
  EXPECT_EQ(driver_.value("SELECT TODATETIMEOFFSET(CAST('2026-11-23T01:02:03' AS datetime2(0)), "
                          "'+05:30')"),
            "2026-11-23 01:02:03 +05:30");
  EXPECT_EQ(driver_.value("SELECT COALESCE(NULL, 3), NULLIF(1, 1), IIF(1 > 2, 'a', 'b')"),
            "3|NULL|b");
  EXPECT_EQ(driver_.value("SELECT CAST('6F9619FF-8B86-D011-B42D-00C04FC964FF' AS "
                          "uniqueidentifier)"),
            "6F9619FF-8B86-D011-B42D-00C04FC964FF");
  EXPECT_EQ(driver_.value("SELECT CAST(1234.5 AS money)"), "1234.5000");
  EXPECT_EQ(driver_.value("SELECT CAST(SERVERPROPERTY('EngineEdition') AS int)"), "3");
  EXPECT_EQ(driver_.value("SELECT CASE WHEN 0x00 = 0x0000 THEN 1 ELSE 0 END"), "1");
}

TEST_F(QueryTest, ErrorsHaveSqlServersNumbers) {
  const std::pair<const char*, int32_t> cases[] = {
      {"SELECT * FROM nowhere", 208},
      {"SELECT nothing FROM p", 207},
      {"SELECT id FROM p a, p b", 209},
      {"SELECT q.id FROM p", 4104},
      {"SELECT CAST('x' AS int)", 245},
      {"SELECT 1 / 0", 8134},
      {"SELECT frobnicate(1)", 195},
      {"EXEC nowhere", 2812},
      {"COMMIT", 3902},
      {"ROLLBACK", 3903},
      {"USE nowhere", 911},
      {"SELECT @x", 137},
      {"SELECT CAST(300 AS tinyint)", 220},
      {"SELECT CAST('x' AS date)", 241},
      {"SELECT CAST('x' AS uniqueidentifier)", 8169},
      {"SELECT CAST('a' AS decimal(5,2))", 8114},
      {"SELECT CAST(12345 AS decimal(4,1))", 8115},
      {"CREATE TABLE p (id int)", 2714},
      {"DROP TABLE nowhere", 3701},
      {"INSERT INTO p (id) VALUES (1)", 2627},
      {"INSERT INTO p (name) VALUES (N'x')", 515},
      {"INSERT INTO p VALUES (9)", 213},
      {"INSERT INTO p (id, name) VALUES (9)", 109},
      {"INSERT INTO p (id, name) VALUES (9, REPLICATE(N'x', 21))", 2628},
      {"SELECT id FROM p ORDER BY 7", 108},
      {"PRINT 1 FROM", 156},
  };
  for (const auto& [sql, number] : cases) {
    EXPECT_EQ(driver_.error(sql), number) << sql << ": " << driver_.error_text();
  }
  driver_.error("INSERT INTO p (id) VALUES (1)");
  EXPECT_TRUE(driver_.error_text().starts_with("Violation of PRIMARY KEY constraint 'PK__p__"));
  EXPECT_TRUE(driver_.error_text().ends_with(
      "'. Cannot insert duplicate key in object 'dbo.p'. The duplicate key value is (1)."));
}

TEST_F(QueryTest, WhatIsNotUnderstoodIsCountedAndLogged) {
  std::string logged;
  EngineOptions options;
  options.log = [&logged](std::string_view line) { logged += line; };
  Engine engine(std::move(options));
  SessionDriver driver(&engine);
  EXPECT_EQ(driver.error("DBCC t USING s ON 1 = 1"), 40510);
  EXPECT_EQ(driver.error("SELECT 1 AS a FOR XML AUTO"), 40510);
  EXPECT_EQ(driver.error("SELECT * FROM nowhere"), 208);
  EXPECT_EQ(engine.counters().not_understood.load(), 2U);
  EXPECT_NE(logged.find("DBCC t USING s"), std::string::npos);
}

TEST_F(QueryTest, BatchesGiveSeveralResults) {
  RecordingWriter& writer = driver_.run(
      "DECLARE @n int = 2, @t nvarchar(10); SET @n += 1; SELECT @t = name FROM p WHERE id = 1;"
      "SELECT @n; SELECT @t, @@ROWCOUNT; UPDATE p SET team = 9 WHERE id > 2");
  ASSERT_EQ(driver_.error_text(), "");
  ASSERT_EQ(writer.results.size(), 2U);
  EXPECT_EQ(writer.results[0].rows[0][0].number, 3);
  EXPECT_EQ(writer.results[1].rows[0][0].text, "Ada");
  EXPECT_EQ(writer.counts.back(), 2);
}

TEST_F(QueryTest, ControlFlow) {
  EXPECT_EQ(
      driver_.value("DECLARE @i int = 0, @s int = 0; WHILE @i < 10 BEGIN SET @i += 1; IF @i % "
                    "2 = 0 CONTINUE; IF @i > 7 BREAK; SET @s += @i; END; SELECT @s"),
      "16");
  EXPECT_EQ(driver_.table("BEGIN TRY SELECT 1/0; END TRY BEGIN CATCH SELECT ERROR_NUMBER(), "
                          "ERROR_MESSAGE(); END CATCH"),
            "8134|Divide by zero error encountered.\n");
  EXPECT_EQ(
      driver_.value("IF EXISTS (SELECT 1 FROM p WHERE id = 1) SELECT 'yes'; ELSE SELECT 'no'"),
      "yes");
  EXPECT_EQ(
      driver_.error("BEGIN TRY THROW 50001, N'mine', 3; END TRY BEGIN CATCH THROW; END CATCH"),
      50001);
  EXPECT_EQ(driver_.error("RAISERROR(N'%s is %d', 16, 1, N'it', 7)"), 50000);
  EXPECT_EQ(driver_.error_text(), "it is 7");
  EXPECT_EQ(driver_.run("WAITFOR DELAY '00:00:02'").waited_ms, 2000);
  EXPECT_EQ(driver_.value("EXEC ('SELECT 5')"), "5");
  EXPECT_EQ(driver_.value("EXEC sp_executesql N'SELECT @a + 1', N'@a int', @a = 41"), "42");
}

TEST_F(QueryTest, StatementErrorsLetTheBatchGoOn) {
  RecordingWriter& writer = driver_.run("INSERT INTO p (id) VALUES (1); SELECT 7");
  EXPECT_EQ(writer.messages[0].number, 2627);
  EXPECT_EQ(writer.messages[1].number, 3621);
  ASSERT_EQ(writer.results.size(), 1U);
  // A failed conversion ends the batch, and with XACT_ABORT every error does.
  EXPECT_TRUE(driver_.run("SELECT CAST('x' AS int); SELECT 7").results.size() <= 1);
  EXPECT_TRUE(
      driver_.run("SET XACT_ABORT ON; INSERT INTO p (id) VALUES (1); SELECT 7").results.empty());
}

TEST_F(QueryTest, PreparedCalls) {
  RecordingWriter& executed = driver_.call(
      "sp_executesql",
      {text_parameter("SELECT @P1 * 2"), text_parameter("@P1 int"), int_parameter(21)});
  EXPECT_EQ(executed.results[0].rows[0][0].number, 42);
  Parameter handle = int_parameter(0);
  handle.value = SqlValue{};
  handle.output = true;
  RecordingWriter& prepared = driver_.call(
      "sp_prepexec", {handle, text_parameter("@P1 int"),
                      text_parameter("SELECT name FROM p WHERE id = @P1"), int_parameter(2)});
  EXPECT_EQ(prepared.results[0].rows[0][0].text, "bob");
  ASSERT_EQ(prepared.return_values.size(), 1U);
  const int64_t number = prepared.return_values[0].value.number;
  EXPECT_EQ(driver_.call("sp_execute", {int_parameter(number), int_parameter(3)})
                .results[0]
                .rows[0][0]
                .text,
            "Cid");
  driver_.call("sp_unprepare", {int_parameter(number)});
  EXPECT_EQ(
      driver_.call("sp_execute", {int_parameter(number), int_parameter(3)}).messages[0].number,
      8179);
}

TEST_F(QueryTest, TypesAreListedForOdbcTwoAndThree) {
  EXPECT_EQ(driver_.call("sys.sp_datatype_info_100", {}).results.at(0).columns.size(), 20u);
  EXPECT_EQ(driver_.error("EXEC sp_datatype_info @data_type = 93, @ODBCVer = 3"), 0);
  ASSERT_EQ(driver_.writer().results.size(), 1u);
  EXPECT_EQ(driver_.writer().results[0].rows.size(), 3u);
  EXPECT_EQ(driver_.writer().results[0].rows[0][0].text, "datetime2");
  EXPECT_EQ(driver_.error("EXEC sp_datatype_info 11"), 0);
  EXPECT_EQ(driver_.writer().results[0].rows.size(), 3u);
}

}  // namespace
}  // namespace dstream::standin::sql
