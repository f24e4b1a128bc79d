// sp_cursoropen and its sisters, as clients with scrollable results call them.
#include <gtest/gtest.h>

#include "tests/standins/sqlserver/sql/session_driver.h"

namespace dstream::standin::sql {
namespace {

constexpr int64_t kForwardOnly = 0x4, kStatic = 0x8, kParameterized = 0x1000, kAutoFetch = 0x2000,
                  kAutoClose = 0x4000;
constexpr int64_t kReadOnly = 0x1, kAllowDirect = 0x2000;
constexpr int64_t kFirst = 0x1, kNext = 0x2, kPrevious = 0x4, kLast = 0x8, kAbsolute = 0x10,
                  kRelative = 0x20, kRefresh = 0x80, kInfo = 0x100;

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
