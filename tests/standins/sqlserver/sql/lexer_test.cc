#include "tests/standins/sqlserver/sql/lexer.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/parser.h"

namespace dstream::standin::sql {
namespace {

std::string kinds(std::string_view text) {
  std::string result;
  for (const Token& token : tokenize(text)) {
    static constexpr std::string_view kLetters = "EWNVIDFMSUBO";
    result.push_back(kLetters[static_cast<size_t>(token.kind)]);
  }
  return result;
}

TEST(Lexer, KnowsEveryKindOfToken) {
  EXPECT_EQ(kinds("a [b] \"c\" @d 1 1.5 1e3 $2 's' N'u' 0x1F <="), "WNNVIDFMSUBOE");
  EXPECT_EQ(kinds(".5 1. @@ROWCOUNT #t __$x"), "DDVWWE");
}

TEST(Lexer, UnescapesQuotes) {
  EXPECT_EQ(tokenize("'it''s'")[0].text, "it's");
  EXPECT_EQ(tokenize("[a]]b]")[0].text, "a]b");
  EXPECT_EQ(tokenize("0xaBc")[0].text, std::string("\x0a\xbc"));
}

TEST(Lexer, SkipsCommentsAndCountsLines) {
  const std::vector<Token> tokens = tokenize("-- one\n/* two /* nested */\n */ x");
  ASSERT_EQ(tokens.size(), 2U);
  EXPECT_EQ(tokens[0].text, "x");
  EXPECT_EQ(tokens[0].line, 3);
}

TEST(Lexer, RefusesWhatIsNotClosed) {
  EXPECT_THROW(tokenize("'abc"), SqlError);
  EXPECT_THROW(tokenize("/* abc"), SqlError);
  EXPECT_THROW(tokenize("[abc"), SqlError);
}

TEST(Lexer, ReservedWordsAreSorted) {
  for (const char* word : {"ADD", "SELECT", "WRITETEXT", "GROUP", "tran", "Order"}) {
    EXPECT_TRUE(is_reserved(word)) << word;
  }
  EXPECT_FALSE(is_reserved("Persons"));
}

TEST(Lexer, SplitsScriptsAtGo) {
  const auto batches = split_batches("SELECT 1\nGO\n\n go ;\nSELECT 'GO'\nSELECT 2\n");
  ASSERT_EQ(batches.size(), 2U);
  EXPECT_EQ(batches[0], "SELECT 1\n");
  EXPECT_EQ(batches[1], "SELECT 'GO'\nSELECT 2\n");
}

// Whatever a client sends is a tree or an error.
TEST(Parser, SurvivesScrambledStatements) {
  const auto seed = static_cast<uint32_t>(std::random_device{}());
  RecordProperty("seed", static_cast<int>(seed));
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  static constexpr std::string_view kPieces[] = {
      "SELECT", "FROM",   "t",       "WHERE",   "(",      ")",      ",",       "=",      "AND",
      "OR",     "NOT",    "CASE",    "WHEN",    "THEN",   "END",    "1",       "'x'",    "@v",
      "*",      "BEGIN",  "IF",      "ELSE",    "WHILE",  "INSERT", "INTO",    "VALUES", "UPDATE",
      "SET",    "DELETE", "JOIN",    "ON",      "GROUP",  "BY",     "ORDER",   "TOP",    "UNION",
      "ALL",    "EXEC",   "DECLARE", "int",     "CREATE", "TABLE",  "PRIMARY", "KEY",    ";",
      ".",      "IN",     "LIKE",    "BETWEEN", "IS",     "NULL",   "EXISTS",  "CAST",   "AS",
      "0x1F",   "N'u'",   "-",       "+",       "[a b]",  "TRY",    "CATCH",   "TRAN",   "COMMIT",
      "WITH",   "OVER",   "ALTER",   "DROP",    "COLUMN", "OUTPUT"};
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (uint64_t words = random() % 25; words > 0; --words) {
      text += std::string(kPieces[random() % std::size(kPieces)]) + " ";
    }
    try {
      parse_batch(text);
    } catch (const SqlError& error) {
      EXPECT_NE(error.message.number, 0) << text;
    }
  }
}

TEST(Parser, DeepNestingIsAnErrorNotACrash) {
  const std::string deep = "SELECT " + std::string(100'000, '(') + "1";
  EXPECT_THROW(parse_batch(deep), SqlError);
  const std::string minus = "SELECT " + std::string(100'000, '~') + "1";
  EXPECT_THROW(parse_batch(minus), SqlError);
  std::string blocks;
  for (int i = 0; i < 10'000; ++i) {
    blocks += "BEGIN ";
  }
  EXPECT_THROW(parse_batch(blocks), SqlError);
}

TEST(Parser, ErrorsNameWhatTheyStumbleOver) {
  const auto message = [](std::string_view sql) {
    try {
      parse_batch(sql);
      return std::string("no error");
    } catch (const SqlError& error) {
      return std::to_string(error.message.number) + " " + error.message.text;
    }
  };
  EXPECT_EQ(message("SELECT * FRM t x y"), "102 Incorrect syntax near 'FRM'.");
  EXPECT_EQ(message("SELECT FROM t"), "156 Incorrect syntax near the keyword 'FROM'.");
  EXPECT_EQ(message("SELECT 'a"), "105 Unclosed quotation mark after the character string 'a'.");
  EXPECT_EQ(message("DBCC t USING s ON 1 = 1"),
            "40510 Statement 'DBCC t USING s ON 1 = 1' is not supported in this version of SQL "
            "Server.");
}

}  // namespace
}  // namespace dstream::standin::sql
