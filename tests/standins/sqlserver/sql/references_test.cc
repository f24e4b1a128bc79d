// ON DELETE and ON UPDATE: what becomes of rows that refer to what is gone.
#include <gtest/gtest.h>

#include "tests/standins/sqlserver/sql/session_driver.h"

namespace dstream::standin::sql {
namespace {

class ReferencesTest : public testing::Test {
 protected:
  void SetUp() override {
    ok("CREATE TABLE p (id int NOT NULL PRIMARY KEY, code varchar(5) NOT NULL UNIQUE)");
    ok("INSERT INTO p VALUES (1, 'a'), (2, 'b'), (3, 'c')");
  }
  void ok(const std::string& sql) { ASSERT_EQ(driver_.error(sql), 0) << driver_.error_text(); }
  std::string all(const std::string& table) {
    return driver_.table("SELECT * FROM " + table + " ORDER BY 1");
  }

  Engine engine_{{}};
  SessionDriver driver_{&engine_};
};

TEST_F(ReferencesTest, DeletesAndKeysReachChildrenAndTheirChildren) {
  ok("CREATE TABLE c (id bigint PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE ON UPDATE "
     "CASCADE)");
  ok("CREATE TABLE g (id int PRIMARY KEY, c bigint NOT NULL REFERENCES c (id) ON DELETE CASCADE)");
  ok("INSERT INTO c VALUES (10, 1), (11, 1), (20, 2), (30, NULL)");
  ok("INSERT INTO g VALUES (100, 10), (200, 20), (300, 30)");
  ok("UPDATE p SET id = id + 1");  // 1 becomes 2 while 2 becomes 3
  EXPECT_EQ(driver_.value("SELECT @@ROWCOUNT"), "3");
  EXPECT_EQ(all("c"), "10|2\n11|2\n20|3\n30|NULL\n");
  ok("DELETE FROM p WHERE id = 2");
  EXPECT_EQ(driver_.value("SELECT @@ROWCOUNT"), "1");
  EXPECT_EQ(all("c"), "20|3\n30|NULL\n");
  EXPECT_EQ(all("g"), "200|20\n300|30\n");
  ok("BEGIN TRAN; DELETE FROM p; ROLLBACK");
  EXPECT_EQ(all("g"), "200|20\n300|30\n");
  ok("MERGE p USING (VALUES (3)) AS v (k) ON p.id = v.k WHEN MATCHED THEN DELETE;");
  EXPECT_EQ(all("g"), "300|30\n");
}

TEST_F(ReferencesTest, NullsAndDefaults) {
  ok("CREATE TABLE n (id int PRIMARY KEY, p int REFERENCES p ON DELETE SET NULL)");
  ok("CREATE TABLE d (id int PRIMARY KEY, code varchar(5) NOT NULL DEFAULT 'c' REFERENCES p (code) "
     "ON DELETE SET DEFAULT ON UPDATE SET DEFAULT)");
  ok("INSERT INTO n VALUES (1, 1), (2, 2)");
  ok("INSERT INTO d VALUES (1, 'a'), (2, 'b')");
  ok("DELETE FROM p WHERE id = 1");
  ok("UPDATE p SET code = 'z' WHERE id = 2");
  EXPECT_EQ(all("n"), "1|NULL\n2|2\n");
  EXPECT_EQ(all("d"), "1|c\n2|c\n");
  // The default is held to the key as well.
  EXPECT_EQ(driver_.error("DELETE FROM p WHERE code = 'c'"), 547);
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM p"), "2");
  EXPECT_EQ(driver_.error("UPDATE p SET id = 7 WHERE id = 2"), 547);  // ON UPDATE NO ACTION
  EXPECT_EQ(all("n"), "1|NULL\n2|2\n");
}

// What is deeper down can forbid what is further up, and nothing of it has happened then.
TEST_F(ReferencesTest, AKeyWithoutActionBelowOneWithCascade) {
  ok("CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE)");
  ok("CREATE TABLE g (id int PRIMARY KEY, c int CONSTRAINT fk_g REFERENCES c)");
  ok("INSERT INTO c VALUES (10, 1); INSERT INTO g VALUES (100, 10)");
  EXPECT_EQ(driver_.error("DELETE FROM p WHERE id = 1"), 547);
  EXPECT_EQ(driver_.error_text(),
            "The DELETE statement conflicted with the REFERENCE constraint \"fk_g\". The conflict "
            "occurred in database \"testdb\", table \"dbo.g\", column 'c'.");
  EXPECT_EQ(all("c"), "10|1\n");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM p"), "3");
}

// Keys are looked at when the statement has done everything.
TEST_F(ReferencesTest, RowsThatReferToEachOtherGoTogether) {
  ok("CREATE TABLE tree (id int PRIMARY KEY, up int)");
  ok("ALTER TABLE tree ADD CONSTRAINT fk_up FOREIGN KEY (up) REFERENCES tree (id)");
  ok("INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2)");
  EXPECT_EQ(driver_.error("DELETE FROM tree WHERE id = 1"), 547);
  EXPECT_EQ(driver_.error_text(),
            "The DELETE statement conflicted with the SAME TABLE REFERENCE constraint \"fk_up\". "
            "The conflict occurred in database \"testdb\", table \"dbo.tree\", column 'up'.");
  ok("DELETE FROM tree WHERE id IN (1, 2, 3)");
  EXPECT_EQ(all("tree"), "");
}

TEST_F(ReferencesTest, WhatCannotBeDeclared) {
  EXPECT_EQ(driver_.error("CREATE TABLE c (p int NOT NULL REFERENCES p ON DELETE SET NULL)"), 1761);
  EXPECT_EQ(driver_.error("CREATE TABLE c (p int NOT NULL REFERENCES p ON UPDATE SET DEFAULT)"),
            1762);
  EXPECT_EQ(driver_.error("CREATE TABLE c (a int REFERENCES p ON DELETE CASCADE, b int CONSTRAINT "
                          "fk_b REFERENCES p ON DELETE SET NULL)"),
            1785);
  EXPECT_EQ(driver_.error_text(),
            "Introducing FOREIGN KEY constraint 'fk_b' on table 'c' may cause cycles or multiple "
            "cascade paths. Specify ON DELETE NO ACTION or ON UPDATE NO ACTION, or modify other "
            "FOREIGN KEY constraints.");
  ok("CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE)");
  EXPECT_EQ(driver_.error("ALTER TABLE p ADD c int REFERENCES c ON DELETE CASCADE"), 1785);
  EXPECT_EQ(driver_.error("CREATE TABLE g (c int REFERENCES c ON DELETE CASCADE, p int REFERENCES "
                          "p ON DELETE CASCADE)"),
            1785);
  ok("CREATE TABLE g (c int REFERENCES c ON DELETE CASCADE, p int REFERENCES p)");
  EXPECT_EQ(driver_.error("CREATE TABLE h (p int REFERENCES p ON DELETE SOMETHING)"), 102);
}

TEST_F(ReferencesTest, TheCatalogTellsTheActions) {
  ok("CREATE TABLE c (p int CONSTRAINT fk_c REFERENCES p ON UPDATE CASCADE ON DELETE SET NULL)");
  EXPECT_EQ(driver_.table("SELECT delete_referential_action, delete_referential_action_desc, "
                          "update_referential_action, update_referential_action_desc "
                          "FROM sys.foreign_keys"),
            "2|SET_NULL|1|CASCADE\n");
  EXPECT_EQ(driver_.table("SELECT UPDATE_RULE, DELETE_RULE FROM "
                          "INFORMATION_SCHEMA.REFERENTIAL_CONSTRAINTS"),
            "CASCADE|SET NULL\n");
  RecordingWriter& keys = driver_.run("EXEC sp_fkeys @pktable_name = N'p'");
  ASSERT_EQ(keys.results.size(), 1U);
  ASSERT_EQ(keys.results[0].rows.size(), 1U);
  EXPECT_EQ(keys.results[0].rows[0][9].number, 0);   // UPDATE_RULE
  EXPECT_EQ(keys.results[0].rows[0][10].number, 2);  // DELETE_RULE
}

}  // namespace
}  // namespace dstream::standin::sql
