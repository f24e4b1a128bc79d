#include "plugins/sqlserver_cdc/check_facts.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {
namespace {

int64_t unix_now_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Columns are told apart by id: another one may have the name of one that was dropped.
void compare_columns(const std::vector<DeclaredColumn>& captured,
                     std::map<int32_t, TableColumn> left, InstanceFacts* facts) {
  for (const DeclaredColumn& column : captured) {
    const auto now = left.find(column.id);
    if (now == left.end()) {
      facts->gone_columns.push_back(column.name);
      continue;
    }
    if (now->second.large) {
      facts->large_columns.push_back(column.name);
    }
    left.erase(now);
  }
  for (const auto& [id, column] : left) {
    facts->uncaptured_columns.push_back(column.name);
  }
}

std::optional<int64_t> load_reach(Connection& connection, Lsn start) {
  Statement statement(connection,
                      "SELECT DATEDIFF(minute, MIN(tran_end_time), GETDATE())"
                      " FROM cdc.lsn_time_mapping WHERE start_lsn >= ?",
                      {BindValue::of(start)}, "Reading cdc.lsn_time_mapping");
  int64_t minutes = 0;
  return statement.next_row() && statement.get_int(1, &minutes) ? std::optional(minutes)
                                                                : std::nullopt;
}

}  // namespace

DatabaseFacts load_database(Connection& connection) {
  const int64_t before_s = unix_now_s();
  Statement statement(
      connection,
      "SELECT name, CAST(is_cdc_enabled AS int), CAST(snapshot_isolation_state AS int),"
      " CAST(is_read_committed_snapshot_on AS int), CAST(SERVERPROPERTY('EngineEdition') AS int),"
      " CASE CAST(DATABASEPROPERTYEX(DB_NAME(), 'Updateability') AS nvarchar(60))"
      " WHEN N'READ_ONLY' THEN 1 ELSE 0 END,"
      " DATEDIFF(second, '19700101', SYSUTCDATETIME())"
      " FROM sys.databases WHERE name = DB_NAME()",
      {}, "Looking at the database");
  DatabaseFacts facts;
  if (!statement.next_row()) {
    throw SourceError(DSTREAM_DENIED, "The login may not see its database in sys.databases.");
  }
  int64_t cdc_enabled = 0;
  int64_t snapshot_state = 0;
  int64_t read_committed_snapshot = 0;
  int64_t read_only = 0;
  int64_t server_s = 0;
  statement.get_text(1, &facts.name);
  statement.get_int(2, &cdc_enabled);
  statement.get_int(3, &snapshot_state);
  statement.get_int(4, &read_committed_snapshot);
  statement.get_int(5, &facts.engine_edition);
  statement.get_int(6, &read_only);
  statement.get_int(7, &server_s);
  facts.cdc_enabled = cdc_enabled != 0;
  facts.snapshot_isolation = snapshot_state == 1;
  facts.read_committed_snapshot = read_committed_snapshot != 0;
  facts.read_only = read_only != 0;
  facts.clock_ahead_s = server_s - (before_s + unix_now_s()) / 2;
  return facts;
}

bool load_is_owner(Connection& connection) {
  Statement statement(connection,
                      "SELECT CASE WHEN IS_ROLEMEMBER(N'db_owner') = 1"
                      " OR IS_SRVROLEMEMBER(N'sysadmin') = 1 THEN 1 ELSE 0 END",
                      {}, "Looking at the login's roles");
  int64_t is_owner = 0;
  if (statement.next_row()) {
    statement.get_int(1, &is_owner);
  }
  read_to_the_end(statement);
  return is_owner != 0;
}

bool load_encryption(Connection& connection) {
  Statement statement(connection,
                      "SELECT encrypt_option FROM sys.dm_exec_connections"
                      " WHERE session_id = @@SPID",
                      {}, "Looking at the connection");
  std::string option;
  if (!statement.next_row() || !statement.get_text(1, &option)) {
    throw SourceError(DSTREAM_DENIED, "The server does not say how this connection is encrypted.");
  }
  return option == "TRUE";
}

std::optional<bool> load_agent(Connection& connection) {
  constexpr int64_t kRunning = 4;
  Statement statement(connection,
                      "SELECT status FROM sys.dm_server_services"
                      " WHERE servicename LIKE N'SQL Server Agent%'",
                      {}, "Looking at SQL Server Agent");
  int64_t status = 0;
  return statement.next_row() && statement.get_int(1, &status) ? std::optional(status == kRunning)
                                                               : std::nullopt;
}

JobFacts load_jobs(Connection& connection, bool azure_database) {
  const std::string view = azure_database ? "cdc.cdc_jobs" : "msdb.dbo.cdc_jobs";
  Statement statement(connection,
                      "SELECT job_type, maxtrans, maxscans, CAST(continuous AS int),"
                      " pollinginterval, retention FROM " +
                          view + (azure_database ? "" : " WHERE database_id = DB_ID()"),
                      {}, "Reading " + view);
  JobFacts jobs;
  while (statement.next_row()) {
    std::string type;
    JobFacts::Capture capture;
    int64_t continuous = 0;
    int64_t retention = 0;
    statement.get_text(1, &type);
    statement.get_int(2, &capture.transactions_max);
    statement.get_int(3, &capture.scans_max);
    statement.get_int(4, &continuous);
    statement.get_int(5, &capture.polling_interval_s);
    statement.get_int(6, &retention);
    capture.continuous = continuous != 0;
    if (type == "capture") {
      jobs.capture = capture;
    } else if (type == "cleanup") {
      jobs.retention_min = retention;
    }
  }
  return jobs;
}

std::optional<ScanFacts> load_scans(Connection& connection) {
  Statement statement(connection,
                      "SELECT TOP (1) DATEDIFF(second, end_time, GETDATE()), latency FROM"
                      " sys.dm_cdc_log_scan_sessions WHERE session_id > 0"
                      " ORDER BY session_id DESC;\n"
                      "SELECT MAX(tran_count) FROM sys.dm_cdc_log_scan_sessions"
                      " WHERE session_id > 0;",
                      {}, "Looking at the scans of the log");
  ScanFacts facts;
  if (!statement.next_row() || !statement.get_int(1, &facts.seconds_ago)) {
    return std::nullopt;
  }
  statement.get_int(2, &facts.latency_s);
  read_to_the_end(statement);
  if (statement.next_result() && statement.next_row()) {
    statement.get_int(1, &facts.transactions_most);
  }
  return facts;
}

std::optional<ScanErrorFacts> load_scan_error(Connection& connection) {
  Statement statement(connection,
                      "SELECT TOP (1) error_number, DATEDIFF(minute, entry_time, GETDATE()),"
                      " error_message FROM sys.dm_cdc_errors ORDER BY entry_time DESC",
                      {}, "Looking at the errors of the scans");
  ScanErrorFacts facts;
  if (!statement.next_row()) {
    return std::nullopt;
  }
  statement.get_int(1, &facts.number);
  statement.get_int(2, &facts.minutes_ago);
  statement.get_text(3, &facts.message);
  return facts;
}

int64_t load_text_limit(Connection& connection) {
  Statement statement(connection,
                      "SELECT CAST(value_in_use AS bigint) FROM sys.configurations"
                      " WHERE name = N'max text repl size (B)'",
                      {}, "Reading sys.configurations");
  int64_t bytes = 0;
  if (!statement.next_row() || !statement.get_int(1, &bytes)) {
    throw SourceError(DSTREAM_DENIED, "The login may not see the server's configuration.");
  }
  return bytes;
}

std::vector<InstanceFacts> load_instances(Connection& connection) {
  const TableColumns table_columns = load_table_columns(connection);
  const CapturedColumns captured = load_captured_columns(connection);
  const CapturedKeys keys = load_captured_keys(connection);
  std::vector<InstanceFacts> all;
  for (CapturedTable& table : load_captured_tables(connection)) {
    InstanceFacts& facts = all.emplace_back();
    static_cast<CapturedTable&>(facts) = std::move(table);
    if (!facts.start.is_zero()) {
      facts.reaches_back_min = load_reach(connection, facts.start);
    }
    if (const auto key = keys.find(facts.object_id); key != keys.end()) {
      facts.key_columns = static_cast<int64_t>(key->second.size());
    }
    const auto now = table_columns.find(facts.source_object_id);
    const auto columns = captured.find(facts.object_id);
    if (now != table_columns.end() && columns != captured.end()) {
      compare_columns(columns->second, now->second, &facts);
    }
  }
  return all;
}

bool table_exists(Connection& connection, const TableName& name) {
  Statement statement(connection, "SELECT OBJECT_ID(?)", {BindValue::of(name.quoted())},
                      "Looking for " + name.text());
  int64_t object_id = 0;
  return statement.next_row() && statement.get_int(1, &object_id);
}

bool load_has_command_id(Connection& connection, const std::string& instance) {
  Statement statement(connection,
                      "SELECT TOP (0) * FROM [cdc]." + quote_identifier(instance + "_CT"), {},
                      "Reading the change table of " + instance);
  SQLSMALLINT count = 0;
  statement.check(SQLNumResultCols(statement.handle(), &count));
  bool found = false;
  for (SQLSMALLINT i = 1; i <= count; ++i) {
    found = found || statement.describe(i).name == "__$command_id";
  }
  return found;
}

}  // namespace dstream::sqlserver
