#include "tests/end_to_end/sql_client.h"

#include <filesystem>
#include <stdexcept>

namespace dstream::end_to_end {

std::string freetds_driver() {
  for (const auto& folder : std::filesystem::directory_iterator("/usr/lib")) {
    auto driver = folder.path() / "odbc" / "libtdsodbc.so";
    if (std::filesystem::exists(driver)) {
      return driver.string();
    }
  }
  throw std::runtime_error("FreeTDS (package tdsodbc) is not installed");
}

SqlClient::SqlClient(int port, const std::string& database) {
  SQLAllocHandle(SQL_HANDLE_ENV, nullptr, &environment_);
  SQLSetEnvAttr(environment_, SQL_ATTR_ODBC_VERSION, reinterpret_cast<SQLPOINTER>(SQL_OV_ODBC3), 0);
  SQLAllocHandle(SQL_HANDLE_DBC, environment_, &connection_);
  std::string text = "Driver=" + freetds_driver() +
                     ";Server=127.0.0.1;Port=" + std::to_string(port) +
                     ";UID=sa;PWD=secret;TDS_Version=7.4;Database=" + database;
  check(SQLDriverConnect(connection_, nullptr, reinterpret_cast<SQLCHAR*>(text.data()), SQL_NTS,
                         nullptr, 0, nullptr, SQL_DRIVER_NOPROMPT),
        SQL_HANDLE_DBC, connection_, "connect");
  SQLAllocHandle(SQL_HANDLE_STMT, connection_, &statement_);
}

SqlClient::~SqlClient() {
  if (statement_ != nullptr) {
    SQLFreeHandle(SQL_HANDLE_STMT, statement_);
    SQLDisconnect(connection_);
  }
  SQLFreeHandle(SQL_HANDLE_DBC, connection_);
  SQLFreeHandle(SQL_HANDLE_ENV, environment_);
}

void SqlClient::execute(const std::string& sql) {
  std::string text = sql;
  SQLRETURN code = SQLExecDirect(statement_, reinterpret_cast<SQLCHAR*>(text.data()), SQL_NTS);
  while (code != SQL_NO_DATA) {
    check(code, SQL_HANDLE_STMT, statement_, sql.substr(0, 200));
    code = SQLMoreResults(statement_);
  }
  SQLFreeStmt(statement_, SQL_CLOSE);
}

std::string SqlClient::scalar(const std::string& sql) {
  std::string text = sql;
  check(SQLExecDirect(statement_, reinterpret_cast<SQLCHAR*>(text.data()), SQL_NTS),
        SQL_HANDLE_STMT, statement_, sql);
  check(SQLFetch(statement_), SQL_HANDLE_STMT, statement_, sql);
  char value[256] = "";
  SQLLEN length = 0;
  check(SQLGetData(statement_, 1, SQL_C_CHAR, value, sizeof value, &length), SQL_HANDLE_STMT,
        statement_, sql);
  SQLFreeStmt(statement_, SQL_CLOSE);
  return value;
}

void SqlClient::check(SQLRETURN code, SQLSMALLINT kind, SQLHANDLE handle, const std::string& what) {
  if (code == SQL_SUCCESS || code == SQL_SUCCESS_WITH_INFO || code == SQL_NO_DATA) {
    return;
  }
  SQLCHAR state[6] = "";
  SQLCHAR message[512] = "";
  SQLINTEGER native = 0;
  SQLSMALLINT length = 0;
  SQLGetDiagRec(kind, handle, 1, state, &native, message, sizeof message, &length);
  throw std::runtime_error(what + ": " + reinterpret_cast<char*>(state) + " " +
                           std::to_string(native) + " " + reinterpret_cast<char*>(message));
}

}  // namespace dstream::end_to_end
