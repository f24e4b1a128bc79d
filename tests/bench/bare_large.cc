// Yardstick of B2 for values of no fixed size: reads a change table row by row, the columns of
// fixed size bound, each (max) value by SQLGetData into one buffer, and drops everything. CPU is
// that of the whole process: whoever compares takes the start off, on both sides.
//
// usage: bare_large CONNECTION CAPTURE_INSTANCE [KEPT_BYTES]      prints one JSON line
//
// With KEPT_BYTES values are written one behind the other into as much memory, again and again:
// what the memory itself costs whoever keeps what was read.
//
// Text is asked for as UTF-16 and bytes as bytes, as the sqlserver-cdc source asks for them. (max)
// columns have to be the last ones.

#include <sql.h>
#include <sqlext.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/bench/bare_odbc.h"

namespace {

constexpr SQLULEN kLongest = 8000;  // beyond it, or 0: of no fixed size

void check(SQLRETURN code, SQLSMALLINT kind, SQLHANDLE handle) {
  dstream::bench::check_odbc(code, kind, handle, "bare_large");
}

struct LargeColumn {
  SQLUSMALLINT number = 0;
  SQLSMALLINT c_type = SQL_C_WCHAR;
};

constexpr SQLLEN kPieceBytes = 16 << 10;

// Where values are written: over and over the same memory, of one piece or of as much as somebody
// holds who keeps what was read.
class Ring {
 public:
  explicit Ring(size_t bytes) : memory_(bytes + kPieceBytes), end_(bytes) {}
  char* piece() { return memory_.data() + at_; }
  void use(size_t bytes) { at_ = at_ + bytes < end_ ? at_ + bytes : 0; }

 private:
  std::vector<char> memory_;
  const size_t end_;
  size_t at_ = 0;
};

// The rest of a value of the current row. Returns its bytes.
size_t read_value(SQLHSTMT statement, const LargeColumn& column, Ring& ring) {
  size_t bytes = 0;
  for (;;) {
    SQLLEN left = 0;
    char* piece = ring.piece();
    const SQLRETURN code =
        SQLGetData(statement, column.number, column.c_type, piece, kPieceBytes, &left);
    if (code == SQL_NO_DATA || left == SQL_NULL_DATA) {
      return bytes;
    }
    check(code, SQL_HANDLE_STMT, statement);
    if (code == SQL_SUCCESS) {
      ring.use(static_cast<size_t>(left));
      return bytes + static_cast<size_t>(left);
    }
    ring.use(kPieceBytes);
    bytes += kPieceBytes;  // cut: more follows
  }
}

// What is bound, and what is asked for row by row.
struct Columns {
  std::vector<std::vector<char>> bound;
  std::vector<SQLLEN> lengths;
  std::vector<LargeColumn> large;
};

void bind(SQLHSTMT statement, Columns& columns) {
  SQLSMALLINT count = 0;
  SQLNumResultCols(statement, &count);
  columns.bound.resize(static_cast<size_t>(count));
  columns.lengths.resize(static_cast<size_t>(count));
  for (SQLSMALLINT i = 1; i <= count; ++i) {
    SQLCHAR name[129];
    SQLSMALLINT length = 0;
    SQLSMALLINT type = 0;
    SQLULEN size = 0;
    SQLSMALLINT digits = 0;
    SQLSMALLINT nullable = 0;
    const auto number = static_cast<SQLUSMALLINT>(i);
    check(SQLDescribeCol(statement, number, name, sizeof name, &length, &type, &size, &digits,
                         &nullable),
          SQL_HANDLE_STMT, statement);
    const bool is_binary = type == SQL_BINARY || type == SQL_VARBINARY || type == SQL_LONGVARBINARY;
    const bool is_number = type == SQL_INTEGER || type == SQL_BIGINT;
    const auto c_type = static_cast<SQLSMALLINT>(is_binary   ? SQL_C_BINARY
                                                 : is_number ? SQL_C_SBIGINT
                                                             : SQL_C_WCHAR);
    if (!is_number && (size == 0 || size > kLongest)) {
      columns.large.push_back({number, c_type});
      continue;
    }
    const auto index = static_cast<size_t>(i - 1);
    columns.bound[index].resize(is_number ? 8 : (size + 1) * 2);
    check(SQLBindCol(statement, number, c_type, columns.bound[index].data(),
                     static_cast<SQLLEN>(columns.bound[index].size()), &columns.lengths[index]),
          SQL_HANDLE_STMT, statement);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::fprintf(stderr, "usage: bare_large CONNECTION CAPTURE_INSTANCE [KEPT_BYTES]\n");
    return 2;
  }
  dstream::bench::OdbcSession session(argv[1]);
  const SQLHSTMT statement = session.statement();

  const auto start = std::chrono::steady_clock::now();
  session.execute(dstream::bench::whole_table_sql(argv[2]));
  Columns columns;
  bind(statement, columns);
  Ring ring(argc == 4 ? std::strtoull(argv[3], nullptr, 10) : 0);
  unsigned long long rows = 0;
  unsigned long long bytes = 0;
  for (;;) {
    const SQLRETURN code = SQLFetch(statement);
    if (code == SQL_NO_DATA) {
      break;
    }
    check(code, SQL_HANDLE_STMT, statement);
    ++rows;
    for (const LargeColumn& column : columns.large) {
      bytes += read_value(statement, column, ring);
    }
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf(
      "{\"rows\":%llu,\"seconds\":%.4f,\"cpu_seconds\":%.4f,\"peak_kib\":%ld,\"bytes\":%llu}\n",
      rows, seconds, dstream::bench::process_cpu_seconds(), dstream::bench::peak_memory_kib(),
      bytes);
  return 0;
}
