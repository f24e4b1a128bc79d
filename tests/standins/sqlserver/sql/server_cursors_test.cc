// sp_cursoropen and its sisters, as clients with scrollable results call them.
#include <gtest/gtest.h>

#include "tests/standins/sqlserver/sql/session_driver.h"

namespace dstream::standin::sql {
namespace {

constexpr int64_t kKeyset = 0x1, kDynamic = 0x2, kForwardOnly = 0x4, kStatic = 0x8,
                  kParameterized = 0x1000, kAutoFetch = 0x2000, kAutoClose = 0x4000;
constexpr int64_t kReadOnly = 0x1, kOptimistic = 0x4, kOptimisticValues = 0x8,
                  kAllowDirect = 0x2000;
constexpr int64_t kFirst = 0x1, kNext = 0x2, kPrevious = 0x4, kLast = 0x8, kAbsolute = 0x10,
                  kRelative = 0x20, kRefresh = 0x80, kInfo = 0x100;
constexpr int64_t kUpdate = 0x1, kDelete = 0x2, kInsert = 0x4, kRefreshRow = 0x8, kLock = 0x10,
                  kSetPosition = 0x20, kAbsoluteRow = 0x40;

class ServerCursorTest : public testing::Test {
 protected:
  Engine engine_{EngineOptions{}};
  SessionDriver driver_{&engine_};
  int64_t cursor_ = 0;

  void SetUp() override {
    ASSERT_EQ(driver_.error("CREATE TABLE t (id int PRIMARY KEY, name nvarchar(10))"), 0);
    ASSERT_EQ(driver_.error("INSERT INTO t VALUES (1, N'a'), (2, N'b'), (3, N'c'), (4, N'd'), "
                            "(5, N'e')"),
              0);
  }

  static Parameter number(int64_t value, bool output = false) {
    Parameter parameter;
    parameter.output = output;
    parameter.type = int_type();
    parameter.value = SqlValue::of_number(value);
    return parameter;
  }
  static Parameter text(std::string value) {
    Parameter parameter;
    parameter.type = nvarchar_type(4000);
    parameter.value = SqlValue::of_text(std::move(value));
    return parameter;
  }
  // The ids of the rows that came, and nothing but rows that are there.
  std::string rows() {
    std::string ids;
    for (const RecordedResult& result : driver_.writer().results) {
      EXPECT_EQ(result.columns.back().name, "ROWSTAT");
      EXPECT_EQ(result.sources.size(), result.columns.size());
      EXPECT_TRUE(result.sources.back().hidden);
      for (const auto& row : result.rows) {
        ids += std::to_string(row.front().number);
        EXPECT_EQ(row.back().number, 1);
      }
    }
    return ids;
  }
  int64_t returned(size_t index) { return driver_.writer().return_values.at(index).value.number; }
  int32_t first_error() {
    for (const ServerMessage& message : driver_.writer().messages) {
      if (message.severity > 10) {
        return message.number;
      }
    }
    return 0;
  }

  void open(int64_t scroll = kStatic, int64_t concurrency = kReadOnly, int64_t fetch_rows = 0,
            const std::string& sql = "SELECT id, name FROM t ORDER BY id") {
    driver_.call("sp_cursoropen", {number(0, true), text(sql), number(scroll, true),
                                   number(concurrency, true), number(fetch_rows, true)});
    ASSERT_EQ(first_error(), 0) << driver_.error_text();
    cursor_ = returned(0);
  }
  std::string fetch(int64_t type, int64_t row, int64_t count) {
    driver_.call("sp_cursorfetch", {number(cursor_), number(type), number(row), number(count)});
    EXPECT_EQ(first_error(), 0);
    return rows();
  }
};

TEST_F(ServerCursorTest, OpensWithColumnsAndScrolls) {
  open();
  EXPECT_EQ(rows(), "");
  EXPECT_NE(cursor_, 0);
  EXPECT_EQ(returned(1), kStatic);
  EXPECT_EQ(returned(2), kReadOnly);
  EXPECT_EQ(returned(3), 5);
  EXPECT_EQ(fetch(kFirst, 0, 2), "12");
  EXPECT_EQ(fetch(kNext, 0, 2), "34");
  EXPECT_EQ(fetch(kRefresh, 0, 2), "34");
  EXPECT_EQ(fetch(kNext, 0, 2), "5");
  EXPECT_EQ(fetch(kNext, 0, 2), "");
  EXPECT_EQ(fetch(kPrevious, 0, 2), "45");
  EXPECT_EQ(fetch(kPrevious, 0, 2), "23");
  EXPECT_EQ(fetch(kPrevious, 0, 2), "12") << "cut at the beginning";
  EXPECT_EQ(fetch(kPrevious, 0, 2), "");
  EXPECT_EQ(fetch(kNext, 0, 2), "12");
  EXPECT_EQ(fetch(kLast, 0, 2), "45");
  EXPECT_EQ(fetch(kAbsolute, 3, 1), "3");
  EXPECT_EQ(fetch(kAbsolute, -1, 1), "5");
  EXPECT_EQ(fetch(kRelative, -2, 1), "3");
  EXPECT_EQ(fetch(kAbsolute, 9, 1), "");
  EXPECT_EQ(fetch(kAbsolute, 0, 1), "");
}

TEST_F(ServerCursorTest, KeepsWhatWasThereWhenItOpened) {
  open();
  ASSERT_EQ(driver_.error("DELETE FROM t WHERE id > 2"), 0);
  EXPECT_EQ(fetch(kFirst, 0, 10), "12345");
}

TEST_F(ServerCursorTest, FetchesAtOnceWhereAsked) {
  open(kForwardOnly | kAutoFetch, kReadOnly, 3);
  EXPECT_EQ(rows(), "123");
  EXPECT_EQ(returned(1), kForwardOnly);
  EXPECT_EQ(returned(3), -1);
  EXPECT_EQ(fetch(kNext, 0, 3), "45");
}

TEST_F(ServerCursorTest, ClosesItselfAtTheEndWhereAsked) {
  open(kForwardOnly | kAutoClose);
  EXPECT_EQ(fetch(kNext, 0, 3), "123");
  EXPECT_EQ(driver_.writer().status, 0);
  EXPECT_EQ(fetch(kNext, 0, 3), "45");
  EXPECT_EQ(driver_.writer().status, 16);
  driver_.call("sp_cursorclose", {number(cursor_)});
  EXPECT_EQ(first_error(), 16909);
}

TEST_F(ServerCursorTest, TellsWhereItStands) {
  open();
  fetch(kAbsolute, 4, 1);
  driver_.call("sp_cursorfetch",
               {number(cursor_), number(kInfo), number(0, true), number(0, true)});
  EXPECT_TRUE(driver_.writer().results.empty());
  EXPECT_EQ(returned(0), 4);
  EXPECT_EQ(returned(1), 5);
}

TEST_F(ServerCursorTest, TakesParametersAndPreparedStatements) {
  driver_.call("sp_cursoropen",
               {number(0, true), text("SELECT id FROM t WHERE id > @p ORDER BY id"),
                number(kStatic | kParameterized, true), number(kReadOnly, true), number(0, true),
                text("@p int"), number(3)});
  cursor_ = returned(0);
  EXPECT_EQ(fetch(kFirst, 0, 9), "45");
  driver_.call("sp_cursorprepexec",
               {number(0, true), number(0, true), text("@p int"),
                text("SELECT id FROM t WHERE id < @p ORDER BY id"), number(kStatic, true),
                number(kReadOnly, true), number(0, true), number(3)});
  const int64_t handle = returned(0);
  cursor_ = returned(1);
  EXPECT_EQ(fetch(kFirst, 0, 9), "12");
  driver_.call("sp_cursorexecute", {number(handle), number(0, true), number(kStatic, true),
                                    number(kReadOnly, true), number(0, true), number(2)});
  cursor_ = returned(0);
  EXPECT_EQ(fetch(kFirst, 0, 9), "1");
  driver_.call("sp_cursorunprepare", {number(handle)});
  EXPECT_EQ(first_error(), 0);
  driver_.call("sp_cursorexecute", {number(handle), number(0, true), number(kStatic, true),
                                    number(kReadOnly, true), number(0, true), number(2)});
  EXPECT_EQ(first_error(), 8179);
}

TEST_F(ServerCursorTest, WhatIsNoQueryRunsDirectlyOrNotAtAll) {
  const auto insert = [&](int64_t concurrency) {
    driver_.call("sp_cursoropen",
                 {number(7, true), text("INSERT INTO t VALUES (6, N'f')"), number(kStatic, true),
                  number(concurrency, true), number(0, true)});
    return first_error();
  };
  EXPECT_EQ(insert(kReadOnly), 16937);
  EXPECT_EQ(insert(kReadOnly | kAllowDirect), 0);
  EXPECT_EQ(returned(0), 0);
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM t"), "6");
}

TEST_F(ServerCursorTest, AQueryThatFailsOpensNothing) {
  driver_.call("sp_cursoropen", {number(0, true), text("SELECT 1 / (id - 3) FROM t"),
                                 number(kStatic, true), number(kReadOnly, true), number(0, true)});
  EXPECT_EQ(first_error(), 8134);
  EXPECT_TRUE(driver_.writer().return_values.empty());
  EXPECT_TRUE(driver_.session().cursors.open.empty());
}

class KeysetTest : public ServerCursorTest {
 protected:
  static Parameter named(std::string name, Parameter parameter) {
    parameter.name = std::move(name);
    return parameter;
  }
  void open_keyset(const std::string& sql = "SELECT name, id AS number FROM t ORDER BY number") {
    open(kKeyset, kOptimistic, 0, sql);
    EXPECT_EQ(returned(1), kKeyset);
    EXPECT_EQ(returned(2), kOptimisticValues);
  }
  // What a call gave, "name ROWSTAT" for each row.
  std::string names() {
    std::string text;
    for (const RecordedResult& result : driver_.writer().results) {
      for (const auto& row : result.rows) {
        text += row.front().text + std::to_string(row.back().number) + " ";
      }
    }
    return text;
  }
  std::string fetch_names(int64_t type, int64_t row, int64_t count) {
    driver_.call("sp_cursorfetch", {number(cursor_), number(type), number(row), number(count)});
    EXPECT_EQ(first_error(), 0);
    return names();
  }
  int32_t change(int64_t operation, int64_t row, std::vector<Parameter> values = {},
                 const std::string& table = "") {
    std::vector<Parameter> arguments = {number(cursor_), number(operation), number(row),
                                        text(table)};
    arguments.insert(arguments.end(), values.begin(), values.end());
    driver_.call("sp_cursor", arguments);
    return first_error();
  }
};

TEST_F(KeysetTest, TellsWhereItsColumnsComeFrom) {
  open_keyset();
  const RecordedResult& result = driver_.writer().results.at(0);
  ASSERT_EQ(result.sources.size(), 3U);
  EXPECT_EQ(result.columns[1].name, "number");
  EXPECT_EQ(result.sources[0].table, 1);
  EXPECT_FALSE(result.sources[0].key);
  EXPECT_EQ(result.sources[0].base_name, "");
  EXPECT_TRUE(result.sources[1].key);
  EXPECT_EQ(result.sources[1].base_name, "id");
  EXPECT_EQ(result.sources[2].table, 0);
  EXPECT_TRUE(result.sources[2].hidden);
}

TEST_F(KeysetTest, ShowsRowsAsTheyAreNow) {
  open_keyset();
  ASSERT_EQ(driver_.error("UPDATE t SET name = N'x' WHERE id = 2; DELETE FROM t WHERE id = 3; "
                          "INSERT INTO t VALUES (6, N'f')"),
            0);
  EXPECT_EQ(fetch_names(kFirst, 0, 9), "a1 x1 c2 d1 e1 ");
}

TEST_F(KeysetTest, UpdatesWhereItStands) {
  open_keyset();
  EXPECT_EQ(change(kUpdate, 1, {named("name", text("x"))}), 16931) << "nothing is fetched yet";
  fetch_names(kAbsolute, 2, 2);
  EXPECT_EQ(change(kUpdate | kSetPosition, 2, {named("NAME", text("x"))}, "t"), 0);
  EXPECT_EQ(driver_.writer().counts.back(), 1);
  EXPECT_EQ(driver_.value("SELECT name FROM t WHERE id = 3"), "x");
  EXPECT_EQ(change(kUpdate, 2, {named("name", text("y"))}), 0) << "its own change is no conflict";
  EXPECT_EQ(change(kUpdate, 3, {named("name", text("y"))}), 16930);
  EXPECT_EQ(change(kUpdate | kAbsoluteRow, 5, {named("name", text("z"))}), 0);
  EXPECT_EQ(change(kUpdate, 1, {named("name", text("y"))}, "other"), 208);
  EXPECT_EQ(change(kUpdate, 1, {named("missing", text("y"))}), 207);
  EXPECT_EQ(change(kUpdate, 1, {text("UPDATE t SET name = N'y'")}), 40510);
  EXPECT_EQ(change(kUpdate, 0, {named("name", text("all"))}), 0);
  EXPECT_EQ(driver_.table("SELECT name FROM t ORDER BY id"), "a\nall\nall\nd\nz\n");
}

TEST_F(KeysetTest, AnUpdateOfTheKeyIsAnotherRow) {
  open_keyset();
  fetch_names(kFirst, 0, 1);
  EXPECT_EQ(change(kUpdate, 1, {named("id", number(9))}), 0);
  EXPECT_EQ(fetch_names(kFirst, 0, 9), "a2 b1 c1 d1 e1 a1 ");
}

TEST_F(KeysetTest, DoesNotOverwriteOthersChanges) {
  open_keyset();
  fetch_names(kFirst, 0, 3);
  ASSERT_EQ(driver_.error("UPDATE t SET name = N'x' WHERE id = 2; DELETE FROM t WHERE id = 3"), 0);
  EXPECT_EQ(change(kUpdate, 0, {named("name", text("mine"))}), 16934);
  EXPECT_EQ(change(kDelete, 2), 16934);
  EXPECT_EQ(change(kDelete, 3), 16947);
  EXPECT_EQ(driver_.table("SELECT name FROM t ORDER BY id"), "a\nx\nd\ne\n");
  EXPECT_EQ(change(kRefreshRow, 2), 0);
  EXPECT_EQ(names(), "x1 ");
  EXPECT_EQ(change(kDelete, 2), 0);
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM t"), "3");
}

TEST_F(KeysetTest, InsertsBehindItsRows) {
  open_keyset();
  EXPECT_EQ(change(kInsert, 0, {named("id", number(0)), named("name", text("new"))}), 0);
  EXPECT_EQ(fetch_names(kLast, 0, 2), "e1 new1 ");
  EXPECT_EQ(change(kInsert, 0, {named("id", number(0))}), 2627);
}

TEST_F(KeysetTest, OneWayCursorsMayChangeRowsToo) {
  open(kForwardOnly, kOptimisticValues);
  EXPECT_EQ(returned(1), kForwardOnly);
  EXPECT_EQ(returned(2), kOptimisticValues);
  fetch(kNext, 0, 1);
  EXPECT_EQ(change(kDelete, 1), 0);
  EXPECT_EQ(driver_.value("SELECT MIN(id) FROM t"), "2");
}

TEST_F(KeysetTest, WhatCannotBeChangedSaysSo) {
  open(kStatic, kOptimistic);
  EXPECT_EQ(returned(2), kReadOnly);
  fetch(kFirst, 0, 1);
  EXPECT_EQ(change(kUpdate, 1, {named("name", text("x"))}), 16929);
  EXPECT_EQ(change(kSetPosition, 1), 0);
  EXPECT_EQ(change(kRefreshRow, 1), 0);
  EXPECT_EQ(rows(), "1");
  EXPECT_EQ(change(kLock, 1), 40510);
  for (const char* sql : {"SELECT DISTINCT id FROM t", "SELECT id + 0 FROM t",
                          "SELECT COUNT(*) FROM t", "SELECT a.id FROM t a JOIN t b ON a.id = b.id",
                          "SELECT id FROM t UNION SELECT 1", "SELECT id FROM t ORDER BY id + 1"}) {
    open(kDynamic, kOptimistic, 0, sql);
    EXPECT_EQ(returned(1), kStatic) << sql;
  }
  open(kKeyset, kReadOnly);
  EXPECT_EQ(returned(1), kKeyset);
  fetch(kFirst, 0, 1);
  EXPECT_EQ(change(kDelete, 1), 16929);
}

TEST_F(ServerCursorTest, GoesWithItsSession) {
  open();
  driver_.session().reset();
  driver_.call("sp_cursorfetch", {number(cursor_), number(kFirst), number(0), number(1)});
  EXPECT_EQ(first_error(), 16909);
  open();
  driver_.call("sp_cursorclose", {number(-1)});
  driver_.call("sp_cursorfetch", {number(cursor_), number(kFirst), number(0), number(1)});
  EXPECT_EQ(first_error(), 16909);
}

}  // namespace
}  // namespace dstream::standin::sql
