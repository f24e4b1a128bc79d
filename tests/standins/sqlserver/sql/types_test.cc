// Types that need more than a conversion: CLR types, and text under a collation of UTF-8.
#include <gtest/gtest.h>

#include "tests/standins/sqlserver/sql/session_driver.h"

namespace dstream::standin::sql {
namespace {

class TypesTest : public testing::Test {
 protected:
  Engine engine_{EngineOptions{}};
  SessionDriver driver_{&engine_};

  void ok(std::string_view sql) {
    EXPECT_EQ(driver_.error(sql), 0) << sql << ": " << driver_.error_text();
  }
};

TEST_F(TypesTest, ClrTypesKeepTheirBytes) {
  ok("CREATE TABLE t (id int PRIMARY KEY, h hierarchyid, g geography, m geometry)");
  ok("INSERT INTO t VALUES (1, 0x58, 0xE6100000010C, 0x00000000010C), (2, 0x, NULL, NULL), "
     "(3, CAST(0x5B40 AS hierarchyid), NULL, NULL)");
  EXPECT_EQ(driver_.table("SELECT h, g, m FROM t ORDER BY id"),
            "0x58|0xE6100000010C|0x00000000010C\n0x|NULL|NULL\n0x5B40|NULL|NULL\n");
  EXPECT_EQ(driver_.value("SELECT CAST(h AS varbinary(892)) FROM t WHERE h = 0x58"), "0x58");
  EXPECT_EQ(driver_.table("SELECT id FROM t ORDER BY h"), "2\n1\n3\n") << "depth first";
  EXPECT_EQ(driver_.value("SELECT DATALENGTH(h) FROM t WHERE id = 3"), "2");
  EXPECT_EQ(driver_.table("SELECT name, system_type_id, user_type_id, max_length FROM sys.columns "
                          "WHERE object_id = OBJECT_ID('t') AND column_id > 1 ORDER BY column_id"),
            "h|240|128|892\ng|240|130|-1\nm|240|129|-1\n");
  EXPECT_EQ(driver_.table("SELECT name, is_assembly_type FROM sys.types WHERE system_type_id = 240 "
                          "ORDER BY user_type_id"),
            "hierarchyid|1\ngeometry|1\ngeography|1\n");
  EXPECT_EQ(driver_.value("SELECT TYPE_NAME(130)"), "geography");
  ok("CREATE INDEX i ON t (h)");
}

TEST_F(TypesTest, WhatOnlyTheMethodsOfClrTypesKnowIsRefused) {
  ok("CREATE TABLE t (h hierarchyid, g geography)");
  EXPECT_EQ(driver_.error("INSERT INTO t (h) VALUES ('/1/')"), 40510);
  EXPECT_EQ(driver_.error("SELECT CAST(0x58 AS varchar(10)), CAST(CAST(0x58 AS hierarchyid) AS "
                          "varchar(10))"),
            40510);
  EXPECT_EQ(driver_.error("INSERT INTO t (h) VALUES (1)"), 206);
  EXPECT_EQ(driver_.error("DECLARE @v varbinary(9) = CAST(0x58 AS hierarchyid)"), 257);
  EXPECT_EQ(driver_.error("DECLARE @g geography = CAST(0x58 AS hierarchyid)"), 206);
  EXPECT_EQ(driver_.error("SELECT CAST(CAST(0x58 AS hierarchyid) AS sql_variant)"), 529);
  EXPECT_EQ(driver_.error("SELECT 1 FROM t WHERE g = g"), 403);
  EXPECT_EQ(driver_.error("SELECT 1 FROM t ORDER BY g"), 249);
  EXPECT_EQ(driver_.error("SELECT DISTINCT g FROM t"), 421);
  EXPECT_EQ(driver_.error("SELECT g FROM t UNION SELECT g FROM t"), 5335);
  EXPECT_EQ(driver_.error("SELECT MAX(g) FROM t"), 8117);
  EXPECT_EQ(driver_.error("CREATE INDEX i ON t (g)"), 1919);
  EXPECT_EQ(driver_.error("SELECT h + h FROM t"), 402);
}

TEST_F(TypesTest, WhatHasNoOrderIsNotSorted) {
  ok("CREATE TABLE t (a text, n ntext, i image, x xml)");
  for (const char* column : {"a", "n", "i"}) {
    EXPECT_EQ(driver_.error(std::string("SELECT 1 FROM t ORDER BY ") + column), 306);
    EXPECT_EQ(driver_.error(std::string("SELECT COUNT(*) FROM t GROUP BY ") + column), 306);
    EXPECT_EQ(driver_.error(std::string("SELECT DISTINCT ") + column + " FROM t"), 421);
  }
  EXPECT_EQ(driver_.error("SELECT x FROM t ORDER BY 1"), 305);
  EXPECT_EQ(driver_.error("SELECT 1 FROM t WHERE x = x"), 402);
  ok("SELECT a FROM t UNION ALL SELECT a FROM t");
}

TEST_F(TypesTest, OnlyTheServerMakesRowVersions) {
  ok("CREATE TABLE t (id int, v rowversion)");
  ok("INSERT INTO t VALUES (1, DEFAULT); INSERT INTO t (id) VALUES (2); "
     "INSERT INTO t (id, v) VALUES (3, DEFAULT)");
  EXPECT_EQ(driver_.table("SELECT CAST(v AS bigint) - CAST(@@DBTS AS bigint) FROM t ORDER BY id"),
            "-2\n-1\n0\n");
  EXPECT_EQ(driver_.error("INSERT INTO t VALUES (4)"), 213);
  EXPECT_EQ(driver_.error("INSERT INTO t VALUES (4, 0x01)"), 273);
  EXPECT_EQ(driver_.error("INSERT INTO t SELECT 4, NULL"), 273);
}

TEST_F(TypesTest, AliasTypesStandForOthers) {
  ok("CREATE TYPE dbo.PhoneNumber FROM nvarchar(20) NOT NULL");
  ok("CREATE SCHEMA s");
  ok("CREATE TYPE s.[Money of ours] FROM decimal(9, 2)");
  ok("CREATE TABLE t (a PhoneNumber, b dbo.phonenumber NULL, c s.[Money of ours], d sysname)");
  EXPECT_EQ(driver_.table("SELECT c.name, y.name, TYPE_NAME(c.user_type_id), c.system_type_id, "
                          "c.max_length, c.precision, c.scale, c.is_nullable, y.is_user_defined "
                          "FROM sys.columns c JOIN sys.types y ON y.user_type_id = c.user_type_id "
                          "WHERE c.object_id = OBJECT_ID('t') ORDER BY c.column_id"),
            "a|PhoneNumber|PhoneNumber|231|40|0|0|0|1\nb|PhoneNumber|PhoneNumber|231|40|0|0|1|1\n"
            "c|Money of ours|Money of ours|106|5|9|2|1|1\nd|sysname|sysname|231|256|0|0|0|0\n");
  EXPECT_EQ(driver_.table("SELECT name, SCHEMA_NAME(schema_id), user_type_id, is_nullable FROM "
                          "sys.types WHERE is_user_defined = 1 ORDER BY user_type_id"),
            "PhoneNumber|dbo|257|0\nMoney of ours|s|258|1\n");
  EXPECT_EQ(driver_.table("SELECT TYPE_ID('PhoneNumber'), TYPE_ID('s.[money of ours]'), "
                          "TYPE_ID('s.PhoneNumber'), COLUMNPROPERTY(OBJECT_ID('t'), 'a', "
                          "'Precision'), COL_LENGTH('t', 'a')"),
            "257|258|NULL|20|40\n");
  EXPECT_EQ(
      driver_.table("SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, DOMAIN_CATALOG, "
                    "DOMAIN_SCHEMA, DOMAIN_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE "
                    "TABLE_NAME = 't' ORDER BY ORDINAL_POSITION"),
      "a|nvarchar|20|testdb|dbo|PhoneNumber\nb|nvarchar|20|testdb|dbo|PhoneNumber\n"
      "c|decimal|NULL|testdb|s|Money of ours\nd|nvarchar|128|NULL|NULL|NULL\n");
  ok("CREATE TABLE #columns (q sysname, o sysname, n sysname, c sysname, dt smallint, tn sysname, "
     "p int, l int, s smallint, r smallint, nu smallint, re varchar(254), cd nvarchar(4000), "
     "sdt smallint, sub smallint, col int, op int, isn varchar(254), ssd tinyint)");
  ok("INSERT INTO #columns EXEC sp_columns N't'");
  EXPECT_EQ(driver_.table("SELECT c, dt, tn, p FROM #columns ORDER BY op"),
            "a|-9|PhoneNumber|20\nb|-9|PhoneNumber|20\nc|3|Money of ours|9\nd|-9|sysname|128\n");
}

TEST_F(TypesTest, AliasTypesAreDeclaredAndDropped) {
  ok("CREATE TYPE Phone FROM varchar(5)");
  EXPECT_EQ(driver_.value("DECLARE @p dbo.Phone = '1234567'; SELECT @p"), "12345");
  EXPECT_EQ(driver_.value("EXEC sp_executesql N'SELECT @p', N'@p Phone', N'abcdefg'"), "abcde");
  EXPECT_EQ(driver_.error("SELECT CAST('1' AS Phone)"), 243);
  EXPECT_EQ(driver_.error("CREATE TYPE dbo.phone FROM int"), 219);
  EXPECT_EQ(driver_.error("CREATE TYPE Other FROM Phone"), 222);
  EXPECT_EQ(driver_.error("CREATE TYPE Other FROM xml"), 222);
  EXPECT_EQ(driver_.error("CREATE TYPE Other FROM nothing"), 2715);
  EXPECT_EQ(driver_.error("CREATE TYPE nothing.Other FROM int"), 2760);
  EXPECT_EQ(driver_.error("CREATE TYPE Other AS TABLE (id int)"), 40510);
  EXPECT_EQ(driver_.error("CREATE TABLE u (p Phone(3))"), 2716);
  EXPECT_EQ(driver_.error("CREATE TABLE #t (p Phone)"), 2715) << "tempdb has none";
  ok("CREATE TABLE t (id int PRIMARY KEY, p Phone)");
  EXPECT_EQ(driver_.error("INSERT INTO t VALUES (1, '1234567')"), 2628);
  ok("SELECT * INTO copy FROM t; DROP TABLE t");
  EXPECT_EQ(driver_.error("DROP TYPE Phone"), 3732) << "SELECT INTO keeps it";
  ok("ALTER TABLE copy ALTER COLUMN p varchar(5)");
  ok("BEGIN TRANSACTION; DROP TYPE Phone; ROLLBACK");
  EXPECT_EQ(driver_.value("SELECT TYPE_NAME(257)"), "Phone");
  ok("DROP TYPE Phone; DROP TYPE IF EXISTS Phone");
  EXPECT_EQ(driver_.error("DROP TYPE dbo.Phone"), 218);
  ok("BEGIN TRANSACTION; CREATE TYPE Phone FROM int; ROLLBACK");
  EXPECT_EQ(driver_.value("SELECT TYPE_ID('Phone')"), "NULL");
  ok("CREATE SCHEMA s");
  ok("CREATE TYPE s.Phone FROM int");
  EXPECT_EQ(driver_.error("DROP SCHEMA s"), 3729);
}

TEST_F(TypesTest, Utf8TextKeepsWhatTheCodePageLacks) {
  ok("CREATE TABLE t (id int, u varchar(9) COLLATE Latin1_General_100_CI_AS_SC_UTF8, "
     "m varchar(max) COLLATE Latin1_General_100_CI_AS_SC_UTF8, v varchar(9))");
  ok("INSERT INTO t VALUES (1, N'東京', N'я', N'東京')");
  EXPECT_EQ(driver_.table("SELECT u, m, v, DATALENGTH(u), DATALENGTH(v), LEN(u) FROM t"),
            "東京|я|??|6|2|2\n");
  EXPECT_EQ(driver_.table("SELECT LOWER(u), u + 'x', SUBSTRING(u, 1, 1), CAST(u AS nvarchar(9)), "
                          "COALESCE(u, 'y'), CAST(u AS varchar(9)) FROM t"),
            "東京|東京x|東|東京|東京|??\n");
  EXPECT_EQ(driver_.table("SELECT id FROM t WHERE u = N'東京'"), "1\n");
  EXPECT_EQ(driver_.error("UPDATE t SET u = N'東京東京'"), 2628) << "12 bytes";
  ok("UPDATE t SET v = u, u = m");
  EXPECT_EQ(driver_.table("SELECT u, v FROM t"), "я|??\n");
  EXPECT_EQ(driver_.table("SELECT collation_name FROM sys.columns WHERE object_id = OBJECT_ID('t') "
                          "AND name IN ('u', 'v') ORDER BY name"),
            "Latin1_General_100_CI_AS_SC_UTF8\nSQL_Latin1_General_CP1_CI_AS\n");
  EXPECT_EQ(driver_.table("SELECT CONVERT(int, COLLATIONPROPERTY(collation_name, 'CodePage')) FROM "
                          "sys.columns WHERE object_id = OBJECT_ID('t') ORDER BY column_id"),
            "NULL\n65001\n65001\n1252\n");
  EXPECT_EQ(driver_.table("SELECT COLLATIONPROPERTY('Klingon', 'CodePage')"), "NULL\n");
}

}  // namespace
}  // namespace dstream::standin::sql
