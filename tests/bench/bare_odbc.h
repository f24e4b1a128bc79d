// The bare loop that B2, B3 and S1 are measured against: block fetch through ODBC and nothing else.
// It reads the change table in its clustered order.
#pragma once

#include <sql.h>
#include <sqlext.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace dstream::bench {

inline constexpr SQLULEN kBlockRows = 256;

enum class Binding {
  // What a loop binds that leaves all conversions to the driver: text as UTF-16, decimals as text.
  kConverted,
  // Every column in the form in which it is sent, so that the driver converts least: varchar in its
  // code page (with ClientCharset=CP1252), decimals as SQL_NUMERIC_STRUCT.
  kAsSent
};

struct Column {
  std::string name;
  SQLSMALLINT sql_type = 0;
  SQLSMALLINT c_type = 0;
  size_t width = 0;
  std::vector<char> data;      // kBlockRows times width
  std::vector<SQLLEN> length;  // kBlockRows indicators

  const char* at(size_t row) const { return data.data() + row * width; }
};

// Exits the program with the driver's words if `code` is a failure: a yardstick has no error
// policy.
void check_odbc(SQLRETURN code, SQLSMALLINT kind, SQLHANDLE handle, const char* what);

// A connection with one statement. Exits the program as check_odbc() does if anything fails.
class OdbcSession {
 public:
  explicit OdbcSession(std::string connection);
  ~OdbcSession();
  OdbcSession(const OdbcSession&) = delete;
  OdbcSession& operator=(const OdbcSession&) = delete;

  SQLHSTMT statement() const { return statement_; }
  // Its rows are the caller's to fetch.
  void execute(std::string sql);
  // Ends what execute() began.
  void close();
  void check(SQLRETURN code, const char* what) const;

 private:
  SQLHENV environment_ = nullptr;
  SQLHDBC connection_ = nullptr;
  SQLHSTMT statement_ = nullptr;
};

class BareReader {
 public:
  // Exits the program as check_odbc() does if anything fails.
  explicit BareReader(const std::string& connection, Binding binding = Binding::kConverted);

  // Runs the statement and calls `block` with the rows of each block. Returns the rows read.
  uint64_t read(const std::string& sql,
                const std::function<void(const std::vector<Column>&, size_t)>& block);

 private:
  void bind();

  const Binding binding_;
  OdbcSession session_;
  std::vector<Column> columns_;
};

// Statement that reads a whole change table in commit order.
std::string whole_table_sql(const std::string& capture_instance);

// CPU seconds of this process, all threads.
double process_cpu_seconds();
long peak_memory_kib();

}  // namespace dstream::bench
