// The writer's side of the end-to-end tests: statements through ODBC and FreeTDS.
#pragma once

#include <sql.h>
#include <sqlext.h>

#include <string>

namespace dstream::end_to_end {

// One connection, one thread.
class SqlClient {
 public:
  // Throws std::runtime_error with the driver's words, as every function here.
  SqlClient(int port, const std::string& database);
  ~SqlClient();
  SqlClient(const SqlClient&) = delete;
  SqlClient& operator=(const SqlClient&) = delete;

  // Runs a batch to the end of its last result.
  void execute(const std::string& sql);
  // First column of the first row.
  std::string scalar(const std::string& sql);

 private:
  void check(SQLRETURN code, SQLSMALLINT kind, SQLHANDLE handle, const std::string& what);

  SQLHENV environment_ = nullptr;
  SQLHDBC connection_ = nullptr;
  SQLHSTMT statement_ = nullptr;
};

// Path of FreeTDS' ODBC driver as Debian installs it.
std::string freetds_driver();

}  // namespace dstream::end_to_end
