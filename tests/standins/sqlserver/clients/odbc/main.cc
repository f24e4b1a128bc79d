// The cases of the client table through ODBC, whatever the driver: one JSON line a case.
// usage: standin-odbc-client TYPES_FILE PLAIN TLS STRICT [CASE...]
// PLAIN, TLS and STRICT are connection strings; an empty one leaves its case out.
#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <sstream>

#include "tests/standins/sqlserver/clients/odbc/session.h"

namespace dstream::standin::clients {
namespace {

struct Setup {
  std::vector<TypeCase> types;
  std::string plain, tls, strict;
};

constexpr const char* kRowNames[] = {"high", "low", "empty", "null"};
constexpr int kRowCount = 4;
constexpr const char* kLong = "SELECT c_varchar_max FROM dbo.typed_values WHERE id = 1";

std::vector<TypeCase> read_types(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<TypeCase> types;
  for (std::string line; std::getline(file, line);) {
    std::vector<std::string> fields;
    for (size_t at = 0; at <= line.size();) {
      const size_t tab = std::min(line.find('\t', at), line.size());
      fields.push_back(line.substr(at, tab - at));
      at = tab + 1;
    }
    types.push_back({fields.at(0), fields.at(1), fields.at(2), {fields.begin() + 3, fields.end()}});
  }
  return types;
}

void connect_case(const std::string& connection_string, Values* values) {
  Session session(connection_string);
  const std::string from = " FROM sys.dm_exec_connections WHERE session_id = @@SPID";
  values->add("database", session.list("SELECT DB_NAME()"));
  values->add("encrypt_option", session.list("SELECT encrypt_option" + from));
  values->add("long", std::to_string(session.list(kLong).size()));
}

void wrong_password(const Setup& setup, Values* values) {
  try {
    std::string text = setup.plain;
    Session session(text.insert(text.find("PWD=") + 4, "not-"));
  } catch (const ClientError& error) {
    values->add("number", std::to_string(error.number()));
  }
}

void read_table(Session* session, const Setup& setup, const std::string& table, Values* values) {
  std::string columns;
  for (const TypeCase& type : setup.types) {
    columns += (columns.empty() ? "c_" : ", c_") + type.key;
  }
  session->execute("SELECT " + columns + " FROM dbo." + table + " ORDER BY id");
  for (const char* row : kRowNames) {
    if (!session->fetch()) {
      throw ClientError("a row is missing", 0);
    }
    for (size_t i = 0; i < setup.types.size(); ++i) {
      const TypeCase& type = setup.types[i];
      values->add(type.key + "." + row,
                  session->value(static_cast<SQLUSMALLINT>(i + 1), type.key, type.kind));
    }
  }
  session->close();
}

void read(const Setup& setup, Values* values) {
  Session session(setup.plain);
  read_table(&session, setup, "typed_values", values);
}

// One type's failure is that type's value: the others still have their say.
void parameters(const Setup& setup, Values* values) {
  Session session(setup.plain);
  for (const TypeCase& type : setup.types) {
    for (int row = 0; row < kRowCount; ++row) {
      const std::string key = type.key + "." + kRowNames[row];
      try {
        const bool is_null = row == kRowCount - 1;
        session.bind(1, type, type.texts[is_null ? 0 : static_cast<size_t>(row)], is_null);
        session.execute("SELECT CAST(? AS " + type.declaration + ") AS v");
        session.fetch();
        values->add(key, session.value(1, type.key, type.kind));
      } catch (const ClientError& error) {
        values->add(key, std::string("!") + error.what());
      }
      session.close();
      session.unbind();
    }
  }
}

void prepared(const Setup& setup, Values* values) {
  Session session(setup.plain);
  std::vector<std::pair<std::string, std::string>> failures;
  for (const TypeCase& type : setup.types) {
    session.prepare("UPDATE dbo.prepared_values SET c_" + type.key + " = ? WHERE id = ?");
    for (int row = 0; row < kRowCount; ++row) {
      try {
        const bool is_null = row == kRowCount - 1;
        session.bind(1, type, type.texts[is_null ? 0 : static_cast<size_t>(row)], is_null);
        session.bind_int(2, row + 1);
        session.execute_prepared();
      } catch (const ClientError& error) {
        failures.emplace_back(type.key + "." + kRowNames[row], std::string("!") + error.what());
      }
      session.close();
      session.unbind();
    }
  }
  read_table(&session, setup, "prepared_values", values);
  for (const auto& [key, text] : failures) {
    values->add(key, text);  // read after the value, so that it is what counts
  }
}

void transactions(const Setup& setup, Values* values) {
  Session session(setup.plain);
  Session other(setup.plain);
  const char* all = "SELECT id FROM dbo.transaction_rows ORDER BY id";
  session.set_autocommit(false);
  session.run("INSERT INTO dbo.transaction_rows VALUES (1)");
  session.end_transaction(false);
  values->add("after_rollback", other.list(all));
  session.run("INSERT INTO dbo.transaction_rows VALUES (1)");
  session.end_transaction(true);
  values->add("after_commit", other.list(all));
  session.run("INSERT INTO dbo.transaction_rows VALUES (2)");
  session.run("SAVE TRANSACTION before_three");
  session.run("INSERT INTO dbo.transaction_rows VALUES (3)");
  session.run("ROLLBACK TRANSACTION before_three");
  session.end_transaction(true);
  values->add("after_savepoint", other.list(all));
  session.set_autocommit(true);
}

std::string cents_text(int64_t ten_thousandths) {
  char text[64];
  std::snprintf(text, sizeof(text), "%lld.%04lld", static_cast<long long>(ten_thousandths / 10'000),
                static_cast<long long>(ten_thousandths % 10'000));
  return text;
}

// Blocks of 500 rows in bound columns, as a program that wants speed reads.
void rows_100000(const Setup& setup, Values* values) {
  constexpr SQLULEN kBlock = 500;
  struct Row {
    int64_t id;
    SQLLEN id_length;
    char name[128];
    SQLLEN name_length;
    char amount[64];
    SQLLEN amount_length;
    char at[64];
    SQLLEN at_length;
    char note[128];
    SQLLEN note_length;
  };
  Session session(setup.plain);
  SQLHSTMT statement = session.statement();
  session.execute("SELECT id, name, amount, at, note FROM dbo.big ORDER BY id");
  auto rows = std::make_unique<Row[]>(kBlock);
  SQLULEN fetched = 0;
  const auto attribute = [&](SQLINTEGER name, SQLULEN value) {
    session.check(SQLSetStmtAttr(statement, name, reinterpret_cast<SQLPOINTER>(value), 0), "set");
  };
  attribute(SQL_ATTR_ROW_BIND_TYPE, sizeof(Row));
  attribute(SQL_ATTR_ROW_ARRAY_SIZE, kBlock);
  SQLSetStmtAttr(statement, SQL_ATTR_ROWS_FETCHED_PTR, &fetched, 0);
  Row& first = rows[0];
  SQLBindCol(statement, 1, SQL_C_SBIGINT, &first.id, sizeof(first.id), &first.id_length);
  SQLBindCol(statement, 2, SQL_C_CHAR, first.name, sizeof(first.name), &first.name_length);
  SQLBindCol(statement, 3, SQL_C_CHAR, first.amount, sizeof(first.amount), &first.amount_length);
  SQLBindCol(statement, 4, SQL_C_CHAR, first.at, sizeof(first.at), &first.at_length);
  SQLBindCol(statement, 5, SQL_C_CHAR, first.note, sizeof(first.note), &first.note_length);
  int64_t count = 0;
  int64_t sum_id = 0;
  int64_t sum_amount = 0;
  int64_t name_length = 0;
  int64_t nulls = 0;
  std::string last;
  while (session.fetch()) {
    for (SQLULEN i = 0; i < fetched; ++i) {
      const Row& row = rows[i];
      std::string digits = row.amount;
      digits.erase(std::remove(digits.begin(), digits.end(), '.'), digits.end());
      sum_amount += std::stoll(digits);
      sum_id += row.id;
      name_length += row.name_length;
      nulls += row.note_length == SQL_NULL_DATA ? 1 : 0;
      last = std::string(row.name) + "|" + row.at;
    }
    count += static_cast<int64_t>(fetched);
  }
  values->add("rows", std::to_string(count));
  values->add("sum_id", std::to_string(sum_id));
  values->add("sum_amount", cents_text(sum_amount));
  values->add("name_length", std::to_string(name_length));
  values->add("nulls", std::to_string(nulls));
  values->add("last", last);
}

void after_cancel(Session* session, const std::string& session_id, Values* values) {
  values->add("then", session->list("SELECT 42"));
  values->add("same_connection", session->list("SELECT @@SPID") == session_id ? "yes" : "no");
}

void cancel(const Setup& setup, Values* values) {
  Session session(setup.plain);
  const std::string session_id = session.list("SELECT @@SPID");
  session.execute("SELECT a.id, a.name FROM dbo.big a CROSS JOIN dbo.big b");
  int rows = 0;
  while (rows < 10 && session.fetch()) {
    ++rows;
  }
  values->add("rows_before", std::to_string(rows));
  session.check(SQLCancel(session.statement()), "cancel");
  session.close();
  after_cancel(&session, session_id, values);
}

// Interrupted before the first byte of the answer.
void cancel_waiting(const Setup& setup, Values* values) {
  Session session(setup.plain);
  const std::string session_id = session.list("SELECT @@SPID");
  const auto set_timeout = [&](SQLULEN seconds) {
    session.check(SQLSetStmtAttr(session.statement(), SQL_ATTR_QUERY_TIMEOUT,
                                 reinterpret_cast<SQLPOINTER>(seconds), 0),
                  "timeout");
  };
  set_timeout(1);
  try {
    session.run("WAITFOR DELAY '00:01:00'");
    throw std::runtime_error("it was not interrupted");
  } catch (const ClientError&) {
    session.close();
  }
  set_timeout(0);
  after_cancel(&session, session_id, values);
}

void connections_50(const Setup& setup, Values* values) {
  std::vector<std::unique_ptr<Session>> sessions;
  for (int i = 0; i < 50; ++i) {
    sessions.push_back(std::make_unique<Session>(setup.plain));
  }
  std::set<std::string> ids;
  for (const auto& session : sessions) {
    ids.insert(session->list("SELECT @@SPID"));
  }
  values->add("open", std::to_string(sessions.size()));
  values->add("distinct", std::to_string(ids.size()));
}

void errors(const Setup& setup, Values* values) {
  Session session(setup.plain);
  const auto number_of = [&](const char* name, const char* sql) {
    try {
      session.run(sql);
      values->add(name, "no error");
    } catch (const ClientError& error) {
      values->add(name, std::to_string(error.number()));
      session.close();
    }
  };
  number_of("duplicate", "INSERT INTO dbo.orders VALUES (2, N'again', 0)");
  number_of("missing", "SELECT * FROM dbo.not_there");
  number_of("syntax", "SELECT (1");
  number_of("thrown", "THROW 50123, N'thrown', 1");
  try {
    session.list("SELECT 1 / (id - 2) FROM dbo.orders WHERE id = 2");
    values->add("zero", "no error");
  } catch (const ClientError& error) {
    values->add("zero", std::to_string(error.number()));
    session.close();
  }
  values->add("then", session.list("SELECT 42"));
}

void cdc(const Setup& setup, Values* values) {
  Session session(setup.plain);
  values->add("change_tables", session.list("SELECT capture_instance FROM cdc.change_tables"));
  values->add("captured_columns",
              session.list("SELECT column_name FROM cdc.captured_columns ORDER BY column_ordinal"));
  values->add("lsn_time_mapping",
              session.list("SELECT COUNT(*) FROM cdc.lsn_time_mapping WHERE tran_id <> 0x00"));
  session.execute(
      "SELECT sys.fn_cdc_get_min_lsn(N'dbo_orders') AS low, sys.fn_cdc_get_max_lsn() AS high");
  session.fetch();
  const std::string from = session.value(1, "", "bytes");
  const std::string to = session.value(2, "", "bytes");
  session.close();
  values->add("max_lsn_bytes", std::to_string(to.size() / 2));
  session.execute("EXEC sys.sp_cdc_help_change_data_capture");
  session.fetch();
  std::string help = session.text(1) + ".";
  help += session.text(2) + " ";
  values->add("help", help + session.text(3));
  session.close();
  session.bind_bytes(1, from);
  session.bind_bytes(2, to);
  session.execute(
      "SELECT __$operation, id, customer, amount "
      "FROM cdc.fn_cdc_get_all_changes_dbo_orders(?, ?, N'all update old') "
      "ORDER BY __$start_lsn, __$seqval, __$operation");
  std::string changes;
  while (session.fetch()) {
    changes += changes.empty() ? "" : ";";
    for (SQLUSMALLINT i = 1; i <= 4; ++i) {
      changes += (i > 1 ? "," : "") + session.text(i);
    }
  }
  session.close();
  session.unbind();
  values->add("changes", changes);
}

SQLCHAR* text_argument(const char* text) {
  return reinterpret_cast<SQLCHAR*>(const_cast<char*>(text));
}

// The columns of a prepared query that has not been executed.
void describe(Session* session, Values* values) {
  session->prepare("SELECT id, customer, amount FROM dbo.orders WHERE id = ?");
  session->bind_int(1, 2);
  SQLSMALLINT count = 0;
  session->check(SQLNumResultCols(session->statement(), &count), "columns");
  std::string described;
  for (SQLSMALLINT i = 1; i <= count; ++i) {
    SQLCHAR name[128] = {};
    SQLSMALLINT type = 0;
    session->check(SQLDescribeCol(session->statement(), static_cast<SQLUSMALLINT>(i), name,
                                  sizeof(name), nullptr, &type, nullptr, nullptr, nullptr),
                   "describe");
    described += described.empty() ? "" : ",";
    described += reinterpret_cast<char*>(name);
    described += " " + std::to_string(type);
  }
  values->add("described", described);
}

void catalog(const Setup& setup, Values* values) {
  Session session(setup.plain);
  SQLHSTMT statement = session.statement();
  const auto rows = [&](const char* key, SQLUSMALLINT first, SQLUSMALLINT second) {
    std::string joined;
    while (session.fetch()) {
      joined += (joined.empty() ? "" : ",") + session.text(first);
      joined += second == 0 ? "" : " " + session.text(second);
    }
    session.close();
    values->add(key, joined);
  };
  session.check(SQLTables(statement, nullptr, 0, text_argument("dbo"), SQL_NTS, nullptr, 0,
                          text_argument("TABLE"), SQL_NTS),
                "tables");
  rows("tables", 3, 0);
  session.check(SQLColumns(statement, nullptr, 0, text_argument("dbo"), SQL_NTS,
                           text_argument("orders"), SQL_NTS, nullptr, 0),
                "columns");
  rows("columns", 4, 6);
  session.check(SQLPrimaryKeys(statement, nullptr, 0, text_argument("dbo"), SQL_NTS,
                               text_argument("orders"), SQL_NTS),
                "keys");
  rows("keys", 4, 0);
  session.check(
      SQLForeignKeys(statement, nullptr, 0, nullptr, 0, nullptr, 0, nullptr, 0,
                     text_argument("dbo"), SQL_NTS, text_argument("order_lines"), SQL_NTS),
      "foreign keys");
  rows("foreign_keys", 4, 8);
  describe(&session, values);
}

void set_cursor(Session* session, SQLULEN type, SQLULEN concurrency) {
  const auto set = [&](SQLINTEGER name, SQLULEN value) {
    session->check(
        SQLSetStmtAttr(session->statement(), name, reinterpret_cast<SQLPOINTER>(value), 0),
        "cursor");
  };
  set(SQL_ATTR_CURSOR_TYPE, type);
  set(SQL_ATTR_CONCURRENCY, concurrency);
}

void scroll(const Setup& setup, Values* values) {
  Session session(setup.plain);
  set_cursor(&session, SQL_CURSOR_STATIC, SQL_CONCUR_READ_ONLY);
  session.execute("SELECT id FROM dbo.big WHERE id <= 50 ORDER BY id");
  SQLSMALLINT columns = 0;
  session.check(SQLNumResultCols(session.statement(), &columns), "columns");
  values->add("columns", std::to_string(columns));
  const std::pair<SQLSMALLINT, SQLLEN> moves[] = {{SQL_FETCH_LAST, 0},
                                                  {SQL_FETCH_PRIOR, 0},
                                                  {SQL_FETCH_ABSOLUTE, 2},
                                                  {SQL_FETCH_FIRST, 0},
                                                  {SQL_FETCH_ABSOLUTE, -3}};
  std::string scrolled;
  for (const auto& [where, row] : moves) {
    const bool there = SQL_SUCCEEDED(SQLFetchScroll(session.statement(), where, row));
    scrolled += (scrolled.empty() ? "" : ",") + (there ? session.text(1) : std::string("none"));
  }
  values->add("scrolled", scrolled);
}

// Rows changed, deleted and refreshed where the cursor stands.
void change_at_cursor(const Setup& setup, Values* values) {
  Session session(setup.plain);
  SQLHSTMT statement = session.statement();
  session.run("CREATE TABLE #at_cursor (id int NOT NULL PRIMARY KEY, name varchar(20))");
  session.run("INSERT INTO #at_cursor VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')");
  set_cursor(&session, SQL_CURSOR_KEYSET_DRIVEN, SQL_CONCUR_VALUES);
  session.execute("SELECT id, name FROM #at_cursor ORDER BY id");
  char name[21] = {};
  SQLLEN length = 0;
  SQLUSMALLINT status = 0;
  SQLSetStmtAttr(statement, SQL_ATTR_ROW_STATUS_PTR, &status, 0);
  SQLINTEGER id = 0;
  SQLLEN id_length = 0;
  SQLBindCol(statement, 1, SQL_C_SLONG, &id, 0, &id_length);  // FreeTDS changes all columns or none
  SQLBindCol(statement, 2, SQL_C_CHAR, name, sizeof(name), &length);
  session.check(SQLFetchScroll(statement, SQL_FETCH_ABSOLUTE, 2), "fetch");
  length = std::snprintf(name, sizeof(name), "changed");
  session.check(SQLSetPos(statement, 1, SQL_UPDATE, SQL_LOCK_NO_CHANGE), "update");
  session.check(SQLFetchScroll(statement, SQL_FETCH_ABSOLUTE, 3), "fetch");
  session.check(SQLSetPos(statement, 1, SQL_DELETE, SQL_LOCK_NO_CHANGE), "delete");
  session.check(SQLFetchScroll(statement, SQL_FETCH_ABSOLUTE, 2), "fetch");
  name[0] = '\0';
  const bool is_refreshed = SQL_SUCCEEDED(SQLSetPos(statement, 1, SQL_REFRESH, SQL_LOCK_NO_CHANGE));
  values->add("refreshed", is_refreshed ? name : "refused");
  SQLFetchScroll(statement, SQL_FETCH_NEXT, 0);
  values->add("deleted_row", status == SQL_ROW_DELETED ? "deleted" : std::to_string(status));
  session.close();
  SQLFreeStmt(statement, SQL_UNBIND);
  SQLSetStmtAttr(statement, SQL_ATTR_ROW_STATUS_PTR, nullptr, 0);
  set_cursor(&session, SQL_CURSOR_FORWARD_ONLY, SQL_CONCUR_READ_ONLY);
  values->add("changed", session.list("SELECT name FROM #at_cursor ORDER BY id"));
}

// Server cursors that reading with an array opens, by when its size was set.
void server_cursors(const Setup& setup, Values* values) {
  Session counter(setup.plain);
  const auto opened = [&] {
    counter.execute("EXEC dstream.request_counts");
    int64_t count = 0;
    while (counter.fetch()) {
      if (counter.text(1) == "server_cursors") {
        count = std::stoll(counter.text(2));
      }
    }
    counter.close();
    return count;
  };
  const auto array = [](Session* session) {
    SQLSetStmtAttr(session->statement(), SQL_ATTR_ROW_ARRAY_SIZE,
                   reinterpret_cast<SQLPOINTER>(SQLULEN{10}), 0);
  };
  // An error of the execution is an answer too: what counts is what was asked of the server.
  const auto attempt = [&](const char* key, const std::function<void(Session*)>& how) {
    const int64_t before = opened();
    try {
      Session session(setup.plain);
      how(&session);
    } catch (const ClientError&) {
    }
    values->add(key, std::to_string(opened() - before));
  };
  const char* sql = "SELECT id FROM dbo.orders";
  attempt("array_after_execute", [&](Session* session) {
    session->execute(sql);
    array(session);
    session->fetch();
  });
  attempt("array_before_execute", [&](Session* session) {
    array(session);
    session->execute(sql);
  });
  attempt("array_prepared", [&](Session* session) {
    session->prepare(sql);
    array(session);
    session->execute_prepared();
  });
  scroll(setup, values);
  change_at_cursor(setup, values);
}

int run(int argc, char** argv) {
  const Setup setup = {read_types(argv[1]), argv[2], argv[3], argv[4]};
  const std::set<std::string> chosen(argv + 5, argv + argc);
  std::vector<std::pair<const char*, std::function<void(Values*)>>> cases;
  const auto add = [&](const char* name, void (*how)(const Setup&, Values*)) {
    cases.emplace_back(name, [&setup, how](Values* values) { how(setup, values); });
  };
  const auto add_connect = [&](const char* name, const std::string& text) {
    if (!text.empty()) {
      cases.emplace_back(name, [text](Values* values) { connect_case(text, values); });
    }
  };
  add_connect("connect_plain", setup.plain);
  add_connect("connect_tls", setup.tls);
  add_connect("connect_strict", setup.strict);
  add("wrong_password", wrong_password);
  add("read", read);
  add("parameters", parameters);
  add("prepared", prepared);
  add("transactions", transactions);
  add("rows_100000", rows_100000);
  add("cancel", cancel);
  add("cancel_waiting", cancel_waiting);
  add("connections_50", connections_50);
  add("errors", errors);
  add("cdc", cdc);
  add("catalog", catalog);
  add("server_cursors", server_cursors);
  for (const auto& [name, how] : cases) {
    if (!chosen.empty() && chosen.count(name) == 0) {
      continue;
    }
    Values values;
    std::string error;
    try {
      how(&values);
    } catch (const std::exception& failure) {
      error = ",\"error\":" + json_text(failure.what());
    }
    std::printf("{\"case\":\"%s\",\"values\":%s%s}\n", name, values.json().c_str(), error.c_str());
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace dstream::standin::clients

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: standin-odbc-client TYPES_FILE PLAIN TLS STRICT [CASE...]\n");
    return 2;
  }
  return dstream::standin::clients::run(argc, argv);
}
