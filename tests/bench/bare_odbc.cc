#include "tests/bench/bare_odbc.h"

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>

namespace dstream::bench {
namespace {

void choose_binding(Column& column, SQLULEN size, Binding binding) {
  const bool narrow = binding == Binding::kAsSent && column.sql_type == SQL_VARCHAR;
  switch (column.sql_type) {
    case SQL_BIGINT:
      column.c_type = SQL_C_SBIGINT;
      column.width = 8;
      break;
    case SQL_INTEGER:
      column.c_type = SQL_C_SLONG;
      column.width = 4;
      break;
    case SQL_BIT:
      column.c_type = SQL_C_BIT;
      column.width = 1;
      break;
    case SQL_BINARY:
    case SQL_VARBINARY:
      column.c_type = SQL_C_BINARY;
      column.width = size;
      break;
    case SQL_VARCHAR:
    case SQL_WVARCHAR:
      column.c_type = static_cast<SQLSMALLINT>(narrow ? SQL_C_CHAR : SQL_C_WCHAR);
      column.width = (size + 1) * (narrow ? 1 : 2);
      break;
    case SQL_DECIMAL:
    case SQL_NUMERIC:
      column.c_type =
          static_cast<SQLSMALLINT>(binding == Binding::kAsSent ? SQL_C_NUMERIC : SQL_C_CHAR);
      column.width = 48;
      break;
    case SQL_TYPE_TIMESTAMP:
      column.c_type = SQL_C_TYPE_TIMESTAMP;
      column.width = sizeof(SQL_TIMESTAMP_STRUCT);
      break;
    default:
      column.c_type = SQL_C_CHAR;
      column.width = 48;
      break;
  }
  column.data.resize(column.width * kBlockRows);
  column.length.resize(kBlockRows);
}

}  // namespace

OdbcSession::OdbcSession(std::string connection) {
  SQLAllocHandle(SQL_HANDLE_ENV, nullptr, &environment_);
  SQLSetEnvAttr(environment_, SQL_ATTR_ODBC_VERSION, reinterpret_cast<SQLPOINTER>(SQL_OV_ODBC3), 0);
  SQLAllocHandle(SQL_HANDLE_DBC, environment_, &connection_);
  check(SQLDriverConnect(connection_, nullptr, reinterpret_cast<SQLCHAR*>(connection.data()),
                         SQL_NTS, nullptr, 0, nullptr, SQL_DRIVER_NOPROMPT),
        "connect");
  check(SQLAllocHandle(SQL_HANDLE_STMT, connection_, &statement_), "statement");
}

OdbcSession::~OdbcSession() {
  SQLFreeHandle(SQL_HANDLE_STMT, statement_);
  SQLDisconnect(connection_);
  SQLFreeHandle(SQL_HANDLE_DBC, connection_);
  SQLFreeHandle(SQL_HANDLE_ENV, environment_);
}

void OdbcSession::execute(std::string sql) {
  check(SQLExecDirect(statement_, reinterpret_cast<SQLCHAR*>(sql.data()), SQL_NTS), "execute");
}

void OdbcSession::close() { SQLFreeStmt(statement_, SQL_CLOSE); }

void OdbcSession::check(SQLRETURN code, const char* what) const {
  const bool has_statement = statement_ != nullptr;
  check_odbc(code, has_statement ? SQL_HANDLE_STMT : SQL_HANDLE_DBC,
             has_statement ? statement_ : connection_, what);
}

BareReader::BareReader(const std::string& connection, Binding binding)
    : binding_(binding), session_(connection) {}

uint64_t BareReader::read(const std::string& sql,
                          const std::function<void(const std::vector<Column>&, size_t)>& block) {
  session_.execute(sql);
  const SQLHSTMT statement = session_.statement();
  SQLULEN fetched = 0;
  SQLSetStmtAttr(statement, SQL_ATTR_ROW_ARRAY_SIZE, reinterpret_cast<SQLPOINTER>(kBlockRows), 0);
  SQLSetStmtAttr(statement, SQL_ATTR_ROWS_FETCHED_PTR, &fetched, 0);
  if (columns_.empty()) {
    bind();
  }
  uint64_t rows = 0;
  for (;;) {
    SQLRETURN code = SQLFetch(statement);
    if (code == SQL_NO_DATA) {
      break;
    }
    session_.check(code, "fetch");
    rows += fetched;
    block(columns_, fetched);
  }
  session_.close();
  SQLSetStmtAttr(statement, SQL_ATTR_ROW_ARRAY_SIZE, reinterpret_cast<SQLPOINTER>(SQLULEN{1}), 0);
  return rows;
}

void BareReader::bind() {
  const SQLHSTMT statement = session_.statement();
  SQLSMALLINT count = 0;
  session_.check(SQLNumResultCols(statement, &count), "columns");
  columns_.resize(static_cast<size_t>(count));
  for (SQLUSMALLINT index = 0; index < columns_.size(); ++index) {
    Column& column = columns_[index];
    SQLCHAR name[129];
    SQLSMALLINT length = 0;
    SQLULEN size = 0;
    SQLSMALLINT digits = 0;
    SQLSMALLINT nullable = 0;
    auto number = static_cast<SQLUSMALLINT>(index + 1);
    session_.check(SQLDescribeCol(statement, number, name, sizeof name, &length, &column.sql_type,
                                  &size, &digits, &nullable),
                   "describe");
    column.name.assign(reinterpret_cast<char*>(name), static_cast<size_t>(length));
    choose_binding(column, size, binding_);
    session_.check(SQLBindCol(statement, number, column.c_type, column.data.data(),
                              static_cast<SQLLEN>(column.width), column.length.data()),
                   "bind");
  }
}

void check_odbc(SQLRETURN code, SQLSMALLINT kind, SQLHANDLE handle, const char* what) {
  if (SQL_SUCCEEDED(code)) {
    return;
  }
  SQLCHAR state[6] = {};
  SQLCHAR message[512] = {};
  SQLINTEGER native = 0;
  SQLSMALLINT length = 0;
  SQLGetDiagRec(kind, handle, 1, state, &native, message, sizeof message, &length);
  std::fprintf(stderr, "%s: %s %d %s\n", what, state, native, message);
  std::exit(1);
}

std::string whole_table_sql(const std::string& capture_instance) {
  return "SELECT c.* FROM cdc.[" + capture_instance +
         "_CT] AS c WHERE c.[__$start_lsn] >= 0x00000000000000000000 "
         "ORDER BY c.[__$start_lsn], c.[__$command_id], c.[__$seqval], c.[__$operation]";
}

double process_cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

long peak_memory_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

}  // namespace dstream::bench
