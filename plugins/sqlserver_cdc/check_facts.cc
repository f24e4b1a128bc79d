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

struct DeclaredColumns {
  std::set<std::string> all;
  std::set<std::string> large;
};

// Columns of the captured tables as they are now.
std::map<int32_t, DeclaredColumns> load_source_columns(Connection& connection) {
  Statement statement(connection,
                      "SELECT object_id, name, max_length, TYPE_NAME(system_type_id)"
                      " FROM sys.columns WHERE object_id IN"
                      " (SELECT source_object_id FROM cdc.change_tables)",
                      {}, "Reading sys.columns");
  std::map<int32_t, DeclaredColumns> columns;
  while (statement.next_row()) {
    int64_t object_id = 0;
    std::string name;
    int64_t length = 0;
    std::string type;
    statement.get_int(1, &object_id);
    statement.get_text(2, &name);
    statement.get_int(3, &length);
    statement.get_text(4, &type);
    DeclaredColumns& of_table = columns[static_cast<int32_t>(object_id)];
    of_table.all.insert(name);
    if (length == -1 || type == "text" || type == "ntext" || type == "image") {
      of_table.large.insert(name);
    }
  }
  return columns;
}

std::map<int32_t, std::vector<std::string>> load_captured_columns(Connection& connection) {
  Statement statement(connection,
                      "SELECT object_id, column_name FROM cdc.captured_columns"
                      " ORDER BY object_id, column_ordinal",
                      {}, "Reading cdc.captured_columns");
  std::map<int32_t, std::vector<std::string>> columns;
  while (statement.next_row()) {
    int64_t object_id = 0;
    std::string name;
    statement.get_int(1, &object_id);
    statement.get_text(2, &name);
    columns[static_cast<int32_t>(object_id)].push_back(std::move(name));
  }
  return columns;
}

std::map<int32_t, int64_t> load_key_sizes(Connection& connection) {
  Statement statement(connection, "SELECT object_id FROM cdc.index_columns", {},
                      "Reading cdc.index_columns");
  std::map<int32_t, int64_t> sizes;
  while (statement.next_row()) {
    int64_t object_id = 0;
    statement.get_int(1, &object_id);
    ++sizes[static_cast<int32_t>(object_id)];
  }
  return sizes;
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

std::vector<InstanceFacts> load_change_tables(Connection& connection) {
  Statement statement(connection,
                      "SELECT OBJECT_SCHEMA_NAME(source_object_id), OBJECT_NAME(source_object_id),"
                      " capture_instance, object_id, source_object_id, start_lsn,"
                      " CAST(supports_net_changes AS int), role_name FROM cdc.change_tables",
                      {}, "Reading cdc.change_tables");
  std::vector<InstanceFacts> all;
  while (statement.next_row()) {
    InstanceFacts facts;
    int64_t object_id = 0;
    int64_t source_object_id = 0;
    int64_t net_changes = 0;
    statement.get_text(1, &facts.table.schema);
    statement.get_text(2, &facts.table.table);
    statement.get_text(3, &facts.name);
    statement.get_int(4, &object_id);
    statement.get_int(5, &source_object_id);
    statement.get_lsn(6, &facts.start);
    statement.get_int(7, &net_changes);
    statement.get_text(8, &facts.role);
    facts.object_id = static_cast<int32_t>(object_id);
    facts.source_object_id = static_cast<int32_t>(source_object_id);
    facts.net_changes = net_changes != 0;
    all.push_back(std::move(facts));
  }
  return all;
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
  std::vector<InstanceFacts> all = load_change_tables(connection);
  const auto declared = load_source_columns(connection);
  auto captured = load_captured_columns(connection);
  const auto key_sizes = load_key_sizes(connection);
  for (InstanceFacts& facts : all) {
    if (!facts.start.is_zero()) {
      facts.reaches_back_min = load_reach(connection, facts.start);
    }
    if (const auto size = key_sizes.find(facts.object_id); size != key_sizes.end()) {
      facts.key_columns = size->second;
    }
    const auto now = declared.find(facts.source_object_id);
    if (now == declared.end()) {
      continue;  // the login may not see the table
    }
    const std::vector<std::string>& columns = captured[facts.object_id];
    std::set<std::string> left = now->second.all;
    for (const std::string& name : columns) {
      if (left.erase(name) == 0) {
        facts.gone_columns.push_back(name);
      } else if (now->second.large.contains(name)) {
        facts.large_columns.push_back(name);
      }
    }
    facts.uncaptured_columns.assign(left.begin(), left.end());
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
