// What clients and tools ask the catalog about keys and checks.
#include <gtest/gtest.h>

#include "tests/standins/sqlserver/sql/session_driver.h"

namespace dstream::standin::sql {
namespace {

class CatalogTest : public testing::Test {
 protected:
  Engine engine_{EngineOptions{}};
  SessionDriver driver_{&engine_};

  void SetUp() override {
    ASSERT_EQ(driver_.error("CREATE TABLE parent (a int NOT NULL, b int NOT NULL, u int NOT NULL "
                            "CONSTRAINT uq UNIQUE, CONSTRAINT pk PRIMARY KEY (a, b))"),
              0);
    ASSERT_EQ(driver_.error("CREATE TABLE child (id int, x int, y int, z int CONSTRAINT fk_u "
                            "REFERENCES parent (u), CONSTRAINT fk_ab FOREIGN KEY (x, y) REFERENCES "
                            "parent, CONSTRAINT positive CHECK (id > 0), CONSTRAINT apart CHECK (x "
                            "<> y))"),
              0)
        << driver_.error_text();
  }
};

TEST_F(CatalogTest, ForeignKeysAndTheirColumns) {
  EXPECT_EQ(driver_.table("SELECT f.name, OBJECT_NAME(f.parent_object_id), "
                          "OBJECT_NAME(f.referenced_object_id), i.name, f.type, "
                          "f.delete_referential_action_desc, f.is_system_named "
                          "FROM sys.foreign_keys f JOIN sys.indexes i ON i.object_id = "
                          "f.referenced_object_id AND i.index_id = f.key_index_id ORDER BY f.name"),
            "fk_ab|child|parent|pk|F |NO_ACTION|0\nfk_u|child|parent|uq|F |NO_ACTION|0\n");
  EXPECT_EQ(driver_.table("SELECT OBJECT_NAME(k.constraint_object_id), k.constraint_column_id, "
                          "COL_NAME(k.parent_object_id, k.parent_column_id), "
                          "COL_NAME(k.referenced_object_id, k.referenced_column_id) "
                          "FROM sys.foreign_key_columns k JOIN sys.foreign_keys f ON f.object_id = "
                          "k.constraint_object_id ORDER BY f.name, 2"),
            "fk_ab|1|x|a\nfk_ab|2|y|b\nfk_u|1|z|u\n");
  EXPECT_EQ(driver_.table("SELECT CONSTRAINT_NAME, UNIQUE_CONSTRAINT_NAME, DELETE_RULE FROM "
                          "INFORMATION_SCHEMA.REFERENTIAL_CONSTRAINTS ORDER BY 1"),
            "fk_ab|pk|NO ACTION\nfk_u|uq|NO ACTION\n");
  EXPECT_EQ(driver_.table("SELECT CONSTRAINT_NAME, COLUMN_NAME, ORDINAL_POSITION FROM "
                          "INFORMATION_SCHEMA.KEY_COLUMN_USAGE WHERE TABLE_NAME = 'child' ORDER BY "
                          "1, 3"),
            "fk_ab|x|1\nfk_ab|y|2\nfk_u|z|1\n");
}

TEST_F(CatalogTest, ImportedAndExportedKeys) {
  const std::string both =
      "a|x|1|fk_ab|pk\n"
      "b|y|2|fk_ab|pk\n"
      "u|z|1|fk_u|uq\n";
  const auto keys = [&](const std::string& arguments) {
    driver_.run("EXEC sp_fkeys " + arguments);
    std::string text;
    for (const auto& row : driver_.writer().results.at(0).rows) {
      text += row[3].text + "|" + row[7].text + "|" + std::to_string(row[8].number) + "|" +
              row[11].text + "|" + row[12].text + "\n";
    }
    return text;
  };
  const auto sorted = [&](const std::string& arguments) {
    const std::string text = keys(arguments);
    return text == both || text == "u|z|1|fk_u|uq\na|x|1|fk_ab|pk\nb|y|2|fk_ab|pk\n" ? both : text;
  };
  EXPECT_EQ(sorted("@fktable_name = N'child'"), both);
  EXPECT_EQ(sorted("@pktable_name = N'parent', @pktable_owner = N'dbo'"), both);
  EXPECT_EQ(keys("@pktable_name = N'child'"), "");
  EXPECT_EQ(driver_.error("EXEC sp_fkeys"), 15252);
}

TEST_F(CatalogTest, Checks) {
  EXPECT_EQ(driver_.table("SELECT name, COL_NAME(parent_object_id, parent_column_id), definition "
                          "FROM sys.check_constraints ORDER BY name"),
            "apart|NULL|(x <> y)\npositive|id|(id > 0)\n");
  EXPECT_EQ(driver_.table("SELECT CONSTRAINT_NAME FROM INFORMATION_SCHEMA.CHECK_CONSTRAINTS ORDER "
                          "BY 1"),
            "apart\npositive\n");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM sys.sql_modules"), "0");
  EXPECT_EQ(driver_.value("SELECT OBJECT_NAME(OBJECT_ID('dbo.positive'))"), "positive");
}

}  // namespace
}  // namespace dstream::standin::sql
