// What the source's checks look at on the server, as plain values: read here, judged in
// check_rules.h.
//
// Thread rule: one thread. Every load_*() throws SourceError: the login may not see it, or the
// connection is gone (Connection::dead()).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plugins/sqlserver_cdc/capture_catalog.h"
#include "plugins/sqlserver_cdc/connection.h"
#include "plugins/sqlserver_cdc/identifiers.h"

namespace dstream::sqlserver {

struct DatabaseFacts {
  static constexpr int64_t kAzureDatabase = 5;  // SERVERPROPERTY('EngineEdition')
  static constexpr int64_t kManagedInstance = 8;

  std::string name;
  bool cdc_enabled = false;
  bool snapshot_isolation = false;
  bool read_committed_snapshot = false;
  int64_t engine_edition = 0;
  bool read_only = false;     // a readable secondary, or set so
  int64_t clock_ahead_s = 0;  // the server's against this machine's; to about a second
};
DatabaseFacts load_database(Connection& connection);

// True if the login is db_owner or sysadmin.
bool load_is_owner(Connection& connection);

// The encryption of this connection, as the server sees it.
bool load_encryption(Connection& connection);

// True if SQL Server Agent runs; nullopt if the server lists no such service.
std::optional<bool> load_agent(Connection& connection);

struct JobFacts {
  struct Capture {
    int64_t transactions_max = 0;  // @maxtrans
    int64_t scans_max = 0;         // @maxscans
    bool continuous = true;
    int64_t polling_interval_s = 0;
  };
  std::optional<Capture> capture;
  std::optional<int64_t> retention_min;  // of the cleanup job
};
JobFacts load_jobs(Connection& connection, bool azure_database);

struct ScanFacts {
  int64_t seconds_ago = 0;        // the end of the last session
  int64_t latency_s = 0;          // between a commit and its capture, in that session
  int64_t transactions_most = 0;  // of the sessions the server remembers
};
// nullopt: the log has not been scanned since the server started.
std::optional<ScanFacts> load_scans(Connection& connection);

struct ScanErrorFacts {
  int64_t number = 0;
  int64_t minutes_ago = 0;
  std::string message;
};
std::optional<ScanErrorFacts> load_scan_error(Connection& connection);

// 'max text repl size' in bytes; -1: without limit.
int64_t load_text_limit(Connection& connection);

struct InstanceFacts : CapturedTable {
  std::optional<int64_t> reaches_back_min;  // age of the oldest commit still there; nullopt: none
  int64_t key_columns = 0;
  std::vector<std::string> large_columns;       // captured, with values of up to 2 GB
  std::vector<std::string> uncaptured_columns;  // of the table now
  std::vector<std::string> gone_columns;        // captured, and dropped from the table since
};
std::vector<InstanceFacts> load_instances(Connection& connection);

bool table_exists(Connection& connection, const TableName& name);

// Whether the change table can be read, and has __$command_id. Throws DENIED if it may not be.
bool load_has_command_id(Connection& connection, const std::string& instance);

}  // namespace dstream::sqlserver
