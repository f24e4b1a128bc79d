// One connection to SQL Server: Poco owns its handles, native ODBC calls do the rest. Poco's
// Session is not used: it reads the driver's list of types as it connects, and goes round for ever
// if that answer does not arrive.
//
// Thread rule: one thread, the fetcher's; cancel() alone is [any-thread].
#pragma once

#include <sql.h>
#include <sqlext.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/sqlserver_cdc/column_types.h"
#include "plugins/sqlserver_cdc/connection_string.h"
#include "plugins/sqlserver_cdc/driver_calls.h"
#include "plugins/sqlserver_cdc/lsn.h"
#include "plugins/sqlserver_cdc/source_error.h"

namespace Poco::Data::ODBC {
class ConnectionHandle;
}

namespace dstream::sqlserver {

class Connection {
 public:
  // Connects to the first of the target's servers that takes it, beginning with the one that has
  // answered last. Of several, one whose database can only be read is no server for a connection
  // that did not ask for that: it is a secondary, and another one is the primary.
  //
  // Throws SourceError, with what each has said: DENIED for a refused login, REOPEN if nobody
  // answers, CONFIG if the driver is missing. `query_timeout` applies to every statement. `calls`
  // is for whoever watches that the server answers.
  Connection(const OdbcConnection& target, std::chrono::seconds login_timeout,
             std::chrono::seconds query_timeout,
             std::shared_ptr<DriverCalls> calls = std::make_shared<DriverCalls>());
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Refuses every later statement (CANCELLED), and interrupts the one that runs unless it ends by
  // itself within kCancelGrace. [any-thread]
  //
  // The wait is not politeness. SQLCancel during SQLExecDirect writes into the request that FreeTDS
  // is putting together, which ends in an assertion of its own or in a damaged heap; while an
  // answer is awaited it is safe. Nothing tells the two apart but time.
  void cancel();
  static constexpr std::chrono::milliseconds kCancelGrace{100};

  bool dead() const;
  const std::string& target() const { return target_; }  // the server, for messages
  // Every call that may wait for the server is marked here. [any-thread]
  DriverCalls& calls() const { return *calls_; }
  // The connection asked for a readable secondary.
  bool read_only() const { return read_only_; }
  SQLHDBC handle() const { return handle_; }
  std::chrono::seconds query_timeout() const { return query_timeout_; }
  // The error of a failed call on a handle of this connection, scrubbed of secrets.
  SourceError error(std::string_view doing, const std::vector<Diagnostic>& diagnostics) const;

 private:
  friend class Statement;
  void connect(const OdbcServer& server);
  bool is_writable();
  void disconnect();
  void running(SQLHSTMT statement);  // throws if cancelled
  void finished();

  const std::shared_ptr<DriverCalls> calls_;
  std::unique_ptr<Poco::Data::ODBC::ConnectionHandle> handles_;
  SQLHDBC handle_ = SQL_NULL_HDBC;
  std::chrono::seconds query_timeout_;
  std::vector<std::string> secrets_;
  std::string target_;
  bool read_only_ = false;
  bool connected_ = false;
  std::mutex mutex_;              // guards everything below
  std::condition_variable idle_;  // nothing runs any more
  SQLHSTMT running_ = SQL_NULL_HSTMT;
  bool cancelled_ = false;
};

// A parameter of a statement. LSNs are bound as binary(10), so that the server compares bytes.
struct BindValue {
  enum class Kind { kLsn, kInt, kText } kind = Kind::kInt;
  Lsn lsn;
  int32_t number = 0;
  std::string text;

  static BindValue of(Lsn lsn) { return {Kind::kLsn, lsn, 0, {}}; }
  static BindValue of(int32_t number) { return {Kind::kInt, {}, number, {}}; }
  static BindValue of(std::string text) { return {Kind::kText, {}, 0, std::move(text)}; }
};

// One execution of a batch of statements. Results are read row by row with get_*(), or, for change
// tables, by a BlockReader on handle().
//
// Every method throws SourceError. A result set counts as finished only when the driver says so
// with no diagnostic that could be an error: SUCCESS_WITH_INFO and NO_DATA are looked into every
// time.
class Statement {
 public:
  // Runs `sql` (UTF-8, `?` for parameters) at once. `doing` opens the text of every error.
  Statement(Connection& connection, std::string_view sql, const std::vector<BindValue>& values,
            std::string doing);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // SQLFetch and SQLGetData, for those who look into the result themselves.
  SQLRETURN fetch();
  SQLRETURN get_data(SQLUSMALLINT column, SQLSMALLINT type, SQLPOINTER out, SQLLEN room,
                     SQLLEN* length);

  // The next row of the current result set.
  bool next_row();
  // Moves to the next result set with columns; the current one must have been read to its end.
  bool next_result();

  SQLHSTMT handle() const { return handle_; }
  const std::string& doing() const { return doing_; }

  // Values of the current row by column, 1-based, each column once and in ascending order.
  bool get_lsn(SQLUSMALLINT column, Lsn* out);           // false: NULL; *out is zero then
  bool get_int(SQLUSMALLINT column, int64_t* out);       // false: NULL; *out is 0 then
  bool get_text(SQLUSMALLINT column, std::string* out);  // UTF-8
  bool get_timestamp(SQLUSMALLINT column, SQL_TIMESTAMP_STRUCT* out);

  // A column of the current result set, 1-based.
  DescribedColumn describe(SQLSMALLINT column);

  // Throws unless `result` is success without anything suspicious. NO_DATA passes, looked into.
  void check(SQLRETURN result);

 private:
  void bind(const std::vector<BindValue>& values);
  void execute(std::string_view sql);

  Connection& connection_;
  std::string doing_;
  SQLHSTMT handle_ = SQL_NULL_HSTMT;
  struct Bound;
  std::unique_ptr<Bound> bound_;
};

// Leaves the rest of the current result set, so that the next one can be asked for.
inline void read_to_the_end(Statement& statement) {
  while (statement.next_row()) {
  }
}

// A number where ODBC's attribute functions take a pointer.
inline SQLPOINTER as_attribute(size_t value) { return reinterpret_cast<SQLPOINTER>(value); }

// Every diagnostic record of a handle.
std::vector<Diagnostic> diagnostics_of(SQLSMALLINT type, SQLHANDLE handle);

// UTF-8 to UTF-16 for the W entry points.
std::u16string to_utf16(std::string_view text);

}  // namespace dstream::sqlserver
