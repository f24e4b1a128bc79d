// A small ODBC client for tests: FreeTDS through unixODBC, values as text.
//
// Thread rule: one thread a client.
#pragma once

#include <sql.h>
#include <sqlext.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dstream::standin {

struct OdbcDiagnostic {
  std::string state;
  int32_t native = 0;
  std::string text;
};

struct OdbcResult {
  std::vector<std::string> names;
  std::vector<SQLSMALLINT> types;
  std::vector<std::vector<std::optional<std::string>>> rows;
};

class OdbcClient {
 public:
  OdbcClient();
  ~OdbcClient();
  OdbcClient(const OdbcClient&) = delete;
  OdbcClient& operator=(const OdbcClient&) = delete;

  // "Server=127.0.0.1;Port=...;UID=...": the driver is put in front. False: see diagnostics().
  bool connect(const std::string& parameters);
  void disconnect();
  bool execute(const std::string& sql);
  bool prepare(const std::string& sql);
  bool execute_prepared();
  // The rows left of the current result, each value as text. Fetches one row at a time.
  OdbcResult fetch_all();
  // False if there is no further result; an error leaves diagnostics.
  bool more_results();
  bool set_autocommit(bool on);
  bool end_transaction(bool commit);
  void close_cursor();

  SQLHDBC connection() const { return connection_; }
  SQLHSTMT statement() const { return statement_; }
  const std::vector<OdbcDiagnostic>& diagnostics() const { return diagnostics_; }
  bool has_diagnostic(int32_t native) const;
  // All diagnostics in one line, for test messages.
  std::string diagnostics_text() const;

 private:
  bool check(SQLRETURN code, SQLSMALLINT kind, SQLHANDLE handle);

  SQLHENV environment_ = SQL_NULL_HENV;
  SQLHDBC connection_ = SQL_NULL_HDBC;
  SQLHSTMT statement_ = SQL_NULL_HSTMT;
  bool is_connected_ = false;
  std::vector<OdbcDiagnostic> diagnostics_;
};

}  // namespace dstream::standin
