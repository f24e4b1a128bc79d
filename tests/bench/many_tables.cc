// B5: asks what a server was asked, and polls tables the naive way.
//
// usage: many_tables requests CONNECTION
//            the requests the stand-in remembers, oldest first: session, tab, the text's beginning
//        many_tables naive CONNECTION INSTANCE_PREFIX TABLES SECONDS INTERVAL_MS
//            one query a table and cycle, one after the other; prints one JSON line
//
// A yardstick has no error policy: it ends with the driver's words.

#include <sql.h>
#include <sqlext.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/bare_odbc.h"

namespace {

using Clock = std::chrono::steady_clock;

class Client {
 public:
  explicit Client(const std::string& connection) : session_(connection) {}

  // The rows of one statement, each value as text.
  std::vector<std::vector<std::string>> rows(const std::string& sql) {
    std::vector<std::vector<std::string>> all;
    session_.execute(sql);
    const SQLHSTMT statement = session_.statement();
    SQLSMALLINT columns = 0;
    SQLNumResultCols(statement, &columns);
    for (;;) {
      const SQLRETURN code = SQLFetch(statement);
      if (code == SQL_NO_DATA) {
        break;
      }
      session_.check(code, "fetch");
      std::vector<std::string>& row = all.emplace_back();
      for (SQLSMALLINT i = 1; i <= columns; ++i) {
        char value[1024];
        SQLLEN length = 0;
        session_.check(SQLGetData(statement, static_cast<SQLUSMALLINT>(i), SQL_C_CHAR, value,
                                  sizeof value, &length),
                       "value");
        row.emplace_back(length == SQL_NULL_DATA ? "" : value);
      }
    }
    session_.close();
    return all;
  }

 private:
  dstream::bench::OdbcSession session_;
};

int print_requests(const std::string& connection) {
  Client client(connection);
  for (const auto& row : client.rows("EXEC dstream.request_log")) {
    std::printf("%s\t%s\n", row[0].c_str(), row[1].c_str());
  }
  return 0;
}

int poll(const std::string& connection, const std::string& prefix, int tables, int seconds,
         int interval_ms) {
  Client client(connection);
  const auto maximum = [&] {
    const auto rows = client.rows("SELECT MAX(start_lsn) FROM cdc.lsn_time_mapping");
    return "0x" + rows[0][0];
  };
  std::string from = maximum();
  std::vector<double> cycle_ms;
  size_t statements = 0;
  size_t rows = 0;
  std::mutex mutex;
  std::condition_variable wake;  // nobody does: the interval has to pass
  const double cpu = dstream::bench::process_cpu_seconds();
  const auto start = Clock::now();
  const auto end = start + std::chrono::seconds(seconds);
  for (auto due = start; due < end; due += std::chrono::milliseconds(interval_ms)) {
    std::unique_lock lock(mutex);
    wake.wait_until(lock, due, [] { return false; });
    const auto began = Clock::now();
    const std::string to = maximum();
    ++statements;
    for (int i = 0; i < tables; ++i) {
      rows += client
                  .rows("SELECT * FROM cdc.[" + prefix + std::to_string(i) +
                        "_CT] WHERE [__$start_lsn] > " + from + " AND [__$start_lsn] <= " + to +
                        " ORDER BY [__$start_lsn], [__$command_id], [__$seqval], [__$operation]")
                  .size();
      ++statements;
    }
    from = to;
    cycle_ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - began).count());
    due = std::max(due, Clock::now() - std::chrono::milliseconds(interval_ms));
  }
  std::sort(cycle_ms.begin(), cycle_ms.end());
  const double elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  std::printf(
      "{\"cycles\":%zu,\"statements\":%zu,\"rows\":%zu,\"seconds\":%.3f,\"cpu_seconds\":%.4f,"
      "\"cycle_ms\":%.2f}\n",
      cycle_ms.size(), statements, rows, elapsed, dstream::bench::process_cpu_seconds() - cpu,
      cycle_ms[cycle_ms.size() / 2]);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "requests" && argc == 3) {
    return print_requests(argv[2]);
  }
  if (mode == "naive" && argc == 7) {
    return poll(argv[2], argv[3], std::atoi(argv[4]), std::atoi(argv[5]), std::atoi(argv[6]));
  }
  std::fprintf(stderr,
               "usage: many_tables requests CONNECTION\n"
               "       many_tables naive CONNECTION INSTANCE_PREFIX TABLES SECONDS INTERVAL_MS\n");
  return 2;
}
