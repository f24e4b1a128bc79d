// One ODBC connection with one statement, for the client program: throws ClientError where a call
// fails.
//
// Thread rule: one thread a session.
#pragma once

#include <sql.h>
#include <sqlext.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/standins/sqlserver/clients/odbc/report.h"

namespace dstream::standin::clients {

// A column type as the runner names it, and the texts of its values.
struct TypeCase {
  std::string key, declaration, kind;
  std::vector<std::string> texts;  // high, low, empty
};

class Session {
 public:
  explicit Session(const std::string& connection_string);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Runs a batch and leaves its first result open.
  void execute(const std::string& sql);
  // Runs a batch to its end.
  void run(const std::string& sql);
  void prepare(const std::string& sql);
  void execute_prepared();
  bool fetch();
  void close();  // the open result; with rows left the driver interrupts the server
  // Binds parameter `place` (from 1). The text is kept; `is_null` sends NULL of the type.
  void bind(SQLUSMALLINT place, const TypeCase& type, const std::string& text, bool is_null);
  void bind_int(SQLUSMALLINT place, int value);
  void bind_bytes(SQLUSMALLINT place, const std::string& hex);
  void unbind();
  // The column's value as text, "NULL" for NULL. `kind` as in TypeCase.
  std::string value(SQLUSMALLINT column, const std::string& key, const std::string& kind);
  std::string text(SQLUSMALLINT column) { return value(column, "", "text"); }
  // The first column of all rows of a query, joined by ','.
  std::string list(const std::string& sql);

  void set_autocommit(bool on);
  void end_transaction(bool commit);
  // Throws if `code` is not a success.
  void check(SQLRETURN code, const char* what);
  SQLHSTMT statement() const { return statement_; }
  // FreeTDS does not know some of the types that Microsoft's driver adds to ODBC.
  bool is_freetds() const { return is_freetds_; }

 private:
  struct Bound;

  SQLHENV environment_ = SQL_NULL_HENV;
  SQLHDBC connection_ = SQL_NULL_HDBC;
  SQLHSTMT statement_ = SQL_NULL_HSTMT;
  bool is_freetds_ = false;
  std::vector<Bound> bound_;
};

std::string hex_of(const std::string& bytes);
std::string bytes_of(const std::string& hex);

}  // namespace dstream::standin::clients
