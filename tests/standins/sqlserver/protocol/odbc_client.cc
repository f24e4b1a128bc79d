#include "tests/standins/sqlserver/protocol/odbc_client.h"

#include <algorithm>

namespace dstream::standin {
namespace {

constexpr char kDriver[] = "Driver=/usr/lib/x86_64-linux-gnu/odbc/libtdsodbc.so;";

SQLCHAR* sql_text(const std::string& text) {
  return reinterpret_cast<SQLCHAR*>(const_cast<char*>(text.c_str()));
}

}  // namespace

OdbcClient::OdbcClient() {
  SQLAllocHandle(SQL_HANDLE_ENV, SQL_NULL_HANDLE, &environment_);
  SQLSetEnvAttr(environment_, SQL_ATTR_ODBC_VERSION, reinterpret_cast<SQLPOINTER>(SQL_OV_ODBC3), 0);
  SQLAllocHandle(SQL_HANDLE_DBC, environment_, &connection_);
}

OdbcClient::~OdbcClient() {
  disconnect();
  SQLFreeHandle(SQL_HANDLE_DBC, connection_);
  SQLFreeHandle(SQL_HANDLE_ENV, environment_);
}

bool OdbcClient::check(SQLRETURN code, SQLSMALLINT kind, SQLHANDLE handle) {
  diagnostics_.clear();
  if (code == SQL_SUCCESS || code == SQL_NO_DATA) {
    return true;
  }
  SQLCHAR state[6] = {};
  SQLINTEGER native = 0;
  SQLCHAR text[2048] = {};
  SQLSMALLINT length = 0;
  for (SQLSMALLINT i = 1;
       SQL_SUCCEEDED(SQLGetDiagRec(kind, handle, i, state, &native, text, sizeof(text), &length));
       ++i) {
    diagnostics_.push_back({reinterpret_cast<char*>(state), native, reinterpret_cast<char*>(text)});
  }
  return SQL_SUCCEEDED(code);
}

bool OdbcClient::connect(const std::string& parameters) {
  const std::string text = kDriver + parameters;
  SQLCHAR completed[1024];
  SQLSMALLINT length = 0;
  const SQLRETURN code = SQLDriverConnect(connection_, nullptr, sql_text(text), SQL_NTS, completed,
                                          sizeof(completed), &length, SQL_DRIVER_NOPROMPT);
  is_connected_ = check(code, SQL_HANDLE_DBC, connection_);
  if (is_connected_) {
    SQLAllocHandle(SQL_HANDLE_STMT, connection_, &statement_);
  }
  return is_connected_;
}

void OdbcClient::disconnect() {
  if (statement_ != SQL_NULL_HSTMT) {
    SQLFreeHandle(SQL_HANDLE_STMT, statement_);
    statement_ = SQL_NULL_HSTMT;
  }
  if (is_connected_) {
    SQLDisconnect(connection_);
    is_connected_ = false;
  }
}

bool OdbcClient::execute(const std::string& sql) {
  return check(SQLExecDirect(statement_, sql_text(sql), SQL_NTS), SQL_HANDLE_STMT, statement_);
}

bool OdbcClient::prepare(const std::string& sql) {
  return check(SQLPrepare(statement_, sql_text(sql), SQL_NTS), SQL_HANDLE_STMT, statement_);
}

bool OdbcClient::execute_prepared() {
  return check(SQLExecute(statement_), SQL_HANDLE_STMT, statement_);
}

OdbcResult OdbcClient::fetch_all() {
  OdbcResult result;
  SQLSMALLINT columns = 0;
  SQLNumResultCols(statement_, &columns);
  for (SQLSMALLINT i = 1; i <= columns; ++i) {
    SQLCHAR name[256] = {};
    SQLSMALLINT length = 0, type = 0, digits = 0, nullable = 0;
    SQLULEN size = 0;
    SQLDescribeCol(statement_, static_cast<SQLUSMALLINT>(i), name, sizeof(name), &length, &type,
                   &size, &digits, &nullable);
    result.names.emplace_back(reinterpret_cast<char*>(name));
    result.types.push_back(type);
  }
  SQLRETURN code = SQL_SUCCESS;
  while (columns > 0 && (code = SQLFetch(statement_), SQL_SUCCEEDED(code))) {
    result.rows.emplace_back();
    for (SQLSMALLINT i = 1; i <= columns; ++i) {
      std::string text;
      std::vector<char> piece(64 * 1024);
      SQLLEN indicator = 0;
      SQLRETURN got = SQL_SUCCESS;
      while (got = SQLGetData(statement_, static_cast<SQLUSMALLINT>(i), SQL_C_CHAR, piece.data(),
                              static_cast<SQLLEN>(piece.size()), &indicator),
             SQL_SUCCEEDED(got) && indicator != SQL_NULL_DATA) {
        text += piece.data();
        // FreeTDS warns of truncation for a variant that fits.
        if (got == SQL_SUCCESS ||
            (indicator >= 0 && static_cast<size_t>(indicator) < piece.size())) {
          break;
        }
      }
      result.rows.back().push_back(indicator == SQL_NULL_DATA ? std::nullopt : std::optional(text));
    }
  }
  check(code, SQL_HANDLE_STMT, statement_);
  return result;
}

bool OdbcClient::more_results() {
  const SQLRETURN code = SQLMoreResults(statement_);
  check(code, SQL_HANDLE_STMT, statement_);
  return SQL_SUCCEEDED(code);
}

bool OdbcClient::set_autocommit(bool on) {
  const auto value = static_cast<intptr_t>(on ? SQL_AUTOCOMMIT_ON : SQL_AUTOCOMMIT_OFF);
  return check(
      SQLSetConnectAttr(connection_, SQL_ATTR_AUTOCOMMIT, reinterpret_cast<SQLPOINTER>(value), 0),
      SQL_HANDLE_DBC, connection_);
}

bool OdbcClient::end_transaction(bool commit) {
  return check(SQLEndTran(SQL_HANDLE_DBC, connection_, commit ? SQL_COMMIT : SQL_ROLLBACK),
               SQL_HANDLE_DBC, connection_);
}

void OdbcClient::close_cursor() { SQLFreeStmt(statement_, SQL_CLOSE); }

bool OdbcClient::has_diagnostic(int32_t native) const {
  return std::any_of(diagnostics_.begin(), diagnostics_.end(),
                     [native](const OdbcDiagnostic& one) { return one.native == native; });
}

std::string OdbcClient::diagnostics_text() const {
  std::string text;
  for (const OdbcDiagnostic& one : diagnostics_) {
    text += "[" + one.state + " " + std::to_string(one.native) + "] " + one.text + " ";
  }
  return text;
}

}  // namespace dstream::standin
