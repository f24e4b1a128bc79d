#include "plugins/sqlserver_cdc/identifiers.h"

#include <gtest/gtest.h>

namespace dstream::sqlserver {
namespace {

TEST(Identifiers, BracketsAreDoubled) {
  EXPECT_EQ(quote_identifier("a]b"), "[a]]b]");
  EXPECT_EQ(quote_identifier("x]; DROP TABLE y --"), "[x]]; DROP TABLE y --]");
  EXPECT_EQ(quote_literal("O'Brien"), "N'O''Brien'");
}

TEST(TableName, ReadsTheUsualSpellings) {
  const TableName persons{"dbo", "Persons"};
  for (const char* text : {"dbo.Persons", "[dbo].[Persons]", "dbo.[Persons]", "\"dbo\".Persons"}) {
    EXPECT_EQ(TableName::parse(text), persons) << text;
  }
  EXPECT_EQ(TableName::parse("[my.schema].[a ]] b]"), (TableName{"my.schema", "a ] b"}));
}

TEST(TableName, RefusesWhatIsNotTwoParts) {
  for (const char* text : {"", ".", "Persons", "dbo.", ".Persons", "a.b.c", "[dbo.Persons",
                           "dbo]x.P", "[].[a]", "[a].[b]x"}) {
    EXPECT_EQ(TableName::parse(text), std::nullopt) << text;
  }
  EXPECT_EQ(TableName::parse(std::string("dbo.a\0b", 7)), std::nullopt);
}

TEST(TableName, TextComesBack) {
  for (const TableName& name : {TableName{"dbo", "Persons"}, TableName{"my.schema", "a b"},
                                TableName{"s", "q\"uo]te'"}, TableName{"dbo", "Größe_表"}}) {
    EXPECT_EQ(TableName::parse(name.text()), name) << name.text();
    EXPECT_EQ(TableName::parse(name.quoted()), name) << name.quoted();
  }
  EXPECT_EQ((TableName{"dbo", "Persons"}).text(), "dbo.Persons");
  EXPECT_EQ((TableName{"dbo", "a.b"}).text(), "dbo.[a.b]");
}

}  // namespace
}  // namespace dstream::sqlserver
