#include "plugins/sqlserver_cdc/check_rules.h"

#include <algorithm>
#include <cstdlib>

#include "plugins/sqlserver_cdc/check_position.h"

namespace dstream::sqlserver {
namespace {

constexpr int64_t kClockSkewMaxS = 5;
constexpr int64_t kScanSilentMaxS = 300;  // as the source warns at its start
constexpr int64_t kLatencyMaxS = 60;
constexpr int64_t kRetentionMinMin = 24 * 60;
constexpr int64_t kErrorAgeMaxMin = 24 * 60;
constexpr int64_t kReachGraceMin = 60;

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    out += (out.empty() ? "" : ", ") + name;
  }
  return out;
}

std::string enable_statement(const TableName& table, const std::string& instance = {}) {
  return "EXEC sys.sp_cdc_enable_table @source_schema = " + quote_literal(table.schema) +
         ", @source_name = " + quote_literal(table.table) +
         (instance.empty() ? "" : ", @capture_instance = " + quote_literal(instance)) +
         ", @role_name = NULL;";
}

// A second instance that has what the first lacks; readers go on without a gap.
std::string second_instance(const InstanceFacts& facts) {
  return "-- the source goes over to it by itself; a table has room for two\n" +
         enable_statement(facts.table, facts.instance + "_2") +
         "\n-- once a restart has read past its beginning:\n"
         "EXEC sys.sp_cdc_disable_table @source_schema = " +
         quote_literal(facts.table.schema) +
         ", @source_name = " + quote_literal(facts.table.table) +
         ", @capture_instance = " + quote_literal(facts.instance) + ";";
}

}  // namespace

void judge_certificate(const OdbcConnection& target, const Checks& checks) {
  if (target.unverified) {
    checks.warning(
        "encryption.certificate", "FreeTDS encrypts, but does not check who the server is.",
        "Install msodbcsql18, or accept it: trust_server_certificate=yes in connection.");
  } else if (target.driver.kind == DriverKind::kOther) {
    checks.skipped("encryption.certificate",
                   "An ODBC connection string is passed to the driver as it is.");
  } else {
    checks.ok("encryption.certificate", target.encrypted
                                            ? "As the connection says it is to be checked."
                                            : "Without encryption there is none to check.");
  }
}

void judge_encryption(bool encrypted, const Checks& checks) {
  if (encrypted) {
    checks.ok("encryption", "The connection is encrypted.");
  } else {
    checks.warning("encryption", "Rows go over the network as they are.",
                   "encrypt=yes in connection; the server needs nothing for it.");
  }
}

void judge_database(const DatabaseFacts& facts, bool read_only_intent, const Checks& checks) {
  if (facts.read_only) {
    checks.ok("replica", "The database can only be read here: a secondary, or set so.");
  } else if (read_only_intent) {
    checks.ok("replica",
              "This is the primary, though application_intent=ReadOnly would take a secondary.");
  } else {
    checks.ok("replica", "The database can be written here: it is the primary.");
  }
  checks.ok("isolation",
            std::string(facts.read_committed_snapshot || facts.read_only
                            ? "Reading does not wait for the capture job's transactions"
                            : "Reading waits while the capture job commits, which is short") +
                "; snapshot isolation is " + (facts.snapshot_isolation ? "on." : "off."));
  if (std::abs(facts.clock_ahead_s) > kClockSkewMaxS) {
    checks.warning("clock",
                   "The server's clock is " + std::to_string(std::abs(facts.clock_ahead_s)) +
                       " s " + (facts.clock_ahead_s > 0 ? "ahead of" : "behind") +
                       " this machine's, and lags are wrong by as much.",
                   "Let both take the time from the same NTP servers.");
  } else {
    checks.ok("clock", "The server's clock and this machine's agree.");
  }
  if (facts.cdc_enabled) {
    checks.ok("cdc.enabled", "Change Data Capture is enabled in " + facts.name + ".");
  } else {
    checks.failed("cdc.enabled", "Change Data Capture is not enabled in " + facts.name + ".",
                  "USE " + quote_identifier(facts.name) + ";\nEXEC sys.sp_cdc_enable_db;");
  }
}

void judge_manage(bool is_owner, bool read_only_intent, const Checks& checks) {
  if (read_only_intent) {
    checks.failed("cdc.manage",
                  "capture_instances: manage changes the database, and application_intent is "
                  "ReadOnly.",
                  "Leave out application_intent, or say capture_instances: follow.");
  } else if (is_owner) {
    checks.ok("cdc.manage", "The login may create and drop capture instances.");
  } else {
    checks.failed("cdc.manage",
                  "capture_instances: manage needs db_owner, which the login is not: columns that "
                  "are added stay out of the stream.",
                  "ALTER ROLE db_owner ADD MEMBER ...;   or say capture_instances: follow");
  }
}

void judge_agent(const std::optional<bool>& runs, const Checks& checks) {
  if (!runs) {
    checks.skipped("agent", "The server lists no SQL Server Agent.");
  } else if (*runs) {
    checks.ok("agent", "SQL Server Agent runs.");
  } else {
    checks.failed("agent", "SQL Server Agent does not run: no change gets into a change table.",
                  "Start it on the server, and let it start by itself:\n"
                  "net start SQLSERVERAGENT              (Windows)\n"
                  "mssql-conf set sqlagent.enabled true; systemctl restart mssql-server   (Linux)");
  }
}

void judge_jobs(const JobFacts& jobs, bool azure_database, const Checks& checks) {
  const std::string add = "EXEC sys.sp_cdc_add_job @job_type = N'";
  if (azure_database) {
    checks.ok("capture.job", "Azure SQL Database captures by itself, every 20 s.");
  } else if (!jobs.capture) {
    checks.failed("capture.job", "The database has no capture job.", add + "capture';");
  } else if (!jobs.capture->continuous) {
    checks.warning("capture.job", "The capture job runs once and not continuously.",
                   "EXEC sys.sp_cdc_change_job @job_type = N'capture', @continuous = 1;\n"
                   "EXEC sys.sp_cdc_stop_job N'capture';\nEXEC sys.sp_cdc_start_job N'capture';");
  } else {
    checks.ok("capture.job", "There is a capture job; it looks at the log every " +
                                 std::to_string(jobs.capture->polling_interval_s) + " s.");
  }
  if (jobs.capture) {
    const int64_t each = jobs.capture->transactions_max * jobs.capture->scans_max;
    const int64_t pause = jobs.capture->polling_interval_s;
    checks.ok(
        "capture.rate",
        "It takes at most " + std::to_string(each) + " transactions at a time" +
            (pause > 0 ? ": no more than " + std::to_string(each / pause) + " a second." : "."));
  }
  if (!jobs.retention_min) {
    checks.warning("cdc.retention", "There is no cleanup job: change tables grow without end.",
                   add + "cleanup';");
  } else if (*jobs.retention_min < kRetentionMinMin) {
    checks.warning("cdc.retention",
                   "Changes are kept for " + minutes_text(*jobs.retention_min) +
                       " only; a pipeline that stands still for longer loses some.",
                   "EXEC sys.sp_cdc_change_job @job_type = N'cleanup', @retention = 4320;");
  } else {
    checks.ok("cdc.retention", "Changes are kept for " + minutes_text(*jobs.retention_min) + ".");
  }
}

void judge_scans(const std::optional<ScanFacts>& scans, const std::optional<JobFacts::Capture>& job,
                 const Checks& checks) {
  const std::string start = "EXEC sys.sp_cdc_start_job N'capture';";
  if (!scans) {
    checks.warning("capture.scans", "The log has not been scanned since the server started.",
                   start);
    return;
  }
  const int64_t pause_s = job ? job->polling_interval_s : 0;
  if (scans->seconds_ago > std::max(kScanSilentMaxS, 2 * pause_s)) {
    checks.warning("capture.scans",
                   "The log has not been scanned for " + std::to_string(scans->seconds_ago) +
                       " s: newer changes are not in the change tables.",
                   start);
  } else {
    checks.ok("capture.scans",
              "The log was scanned " + std::to_string(scans->seconds_ago) + " s ago.");
  }
  if (scans->latency_s > kLatencyMaxS) {
    checks.warning(
        "capture.latency",
        "The last scan was " + std::to_string(scans->latency_s) + " s behind the commits.",
        "EXEC sys.sp_cdc_change_job @job_type = N'capture', @maxtrans = 5000, "
        "@maxscans = 100;\nEXEC sys.sp_cdc_stop_job N'capture';\n" +
            start);
  } else {
    checks.ok("capture.latency",
              "The last scan was " + std::to_string(scans->latency_s) + " s behind the commits.");
  }
  if (!job) {
    return;
  }
  if (scans->transactions_most >= job->transactions_max * job->scans_max) {
    checks.warning(
        "capture.full",
        "A scan has ended because it had its " + std::to_string(scans->transactions_most) +
            " transactions, and not because the log was read.",
        "EXEC sys.sp_cdc_change_job @job_type = N'capture', @maxtrans = " +
            std::to_string(job->transactions_max * 10) + ", @maxscans = " +
            std::to_string(job->scans_max) + ";\nEXEC sys.sp_cdc_stop_job N'capture';\n" + start);
  } else {
    checks.ok("capture.full", "Scans reach the end of the log.");
  }
}

void judge_scan_error(const std::optional<ScanErrorFacts>& error, const Checks& checks) {
  if (!error || error->minutes_ago > kErrorAgeMaxMin) {
    checks.ok("capture.errors", "No scan has failed within a day.");
    return;
  }
  checks.warning("capture.errors",
                 "A scan failed " + minutes_text(error->minutes_ago) + " ago with error " +
                     std::to_string(error->number) + ": " + error->message,
                 "SELECT * FROM sys.dm_cdc_errors ORDER BY entry_time DESC;");
}

void judge_captured(const TableName& table, bool exists, const std::string& wanted_instance,
                    const std::vector<InstanceFacts>& found, const Checks& checks) {
  if (!found.empty()) {
    std::vector<std::string> names;
    names.reserve(found.size());
    for (const InstanceFacts& each : found) {
      names.push_back(each.instance);
    }
    checks.ok("table.captured",
              (names.size() == 1 ? "Its capture instance is " : "Its capture instances are ") +
                  joined(names) + ".",
              table.text());
  } else if (!exists) {
    checks.failed("table.captured", "There is no such table, or the login may not see it.",
                  "Correct tables, or: GRANT VIEW DEFINITION ON " + table.quoted() + " TO ...;",
                  table.text());
  } else if (!wanted_instance.empty()) {
    checks.failed("table.captured",
                  "It has no capture instance of the name " + wanted_instance + ".",
                  enable_statement(table, wanted_instance), table.text());
  } else {
    checks.failed("table.captured", "It is not captured, or the login may not see its changes.",
                  enable_statement(table), table.text());
  }
}

void judge_instance(const InstanceFacts& facts, const std::optional<int64_t>& retention_min,
                    const Checks& checks) {
  const std::string subject = facts.table.text();
  if (facts.start.is_zero()) {
    checks.warning("table.start",
                   facts.instance + " is new, and the capture job has not come to it yet.",
                   "Look again when the capture job has scanned the log.", subject);
  } else {
    checks.ok("table.start", facts.instance + " begins at " + facts.start.text() + ".", subject);
  }
  if (!facts.reaches_back_min) {
    checks.ok("table.reach", "No commit has come since it begins.", subject);
  } else if (retention_min && *facts.reaches_back_min + kReachGraceMin > *retention_min) {
    checks.ok("table.reach",
              "Its oldest change is " + minutes_text(*facts.reaches_back_min) +
                  " old, as far as changes are kept; a position before that has a gap.",
              subject);
  } else {
    checks.ok("table.reach", "It reaches back " + minutes_text(*facts.reaches_back_min) + ".",
              subject);
  }
  if (facts.key_columns == 0) {
    checks.warning("table.key", "It has no primary key or unique index: messages have no key.",
                   "ALTER TABLE " + facts.table.quoted() +
                       " ADD CONSTRAINT ... PRIMARY KEY (...);\n" + second_instance(facts) +
                       "\n-- or name columns in the pipeline: key: {columns: [...]}",
                   subject);
  } else {
    checks.ok("table.key",
              "Its key has " + std::to_string(facts.key_columns) +
                  (facts.key_columns == 1 ? " column." : " columns."),
              subject);
  }
  if (!facts.uncaptured_columns.empty() || !facts.gone_columns.empty()) {
    checks.warning(
        "table.columns",
        (facts.uncaptured_columns.empty()
             ? std::string()
             : "Not captured: " + joined(facts.uncaptured_columns) + ". ") +
            (facts.gone_columns.empty() ? std::string()
                                        : "Dropped since: " + joined(facts.gone_columns) + "."),
        second_instance(facts), subject);
  } else {
    checks.ok("table.columns", "All its columns are captured.", subject);
  }
  checks.ok("table.net",
            facts.net_changes ? "It supports net changes, which cost the capture job an index and "
                                "are not used here."
                              : "It does not support net changes, which are not used here.",
            subject);
}

void judge_shape(const InstanceFacts& facts, bool has_command_id, const Checks& checks) {
  if (has_command_id) {
    checks.ok("table.shape", "Its change table can be read, and orders the commands.",
              facts.table.text());
  } else {
    checks.warning("table.shape",
                   "Its change table is from before __$command_id: changes of one transaction may "
                   "come in another order than they were made.",
                   second_instance(facts), facts.table.text());
  }
}

void judge_large_columns(const InstanceFacts& facts, const std::optional<int64_t>& limit_bytes,
                         const std::string& reason, const Checks& checks) {
  const std::string subject = facts.table.text();
  if (facts.large_columns.empty()) {
    checks.ok("table.large", "It has no columns of large values.", subject);
  } else if (!limit_bytes) {
    checks.skipped("table.large",
                   "Whether the server takes large values of " + joined(facts.large_columns) +
                       " is not known: " + reason,
                   subject);
  } else if (*limit_bytes < 0) {
    checks.ok("table.large", "Values of " + joined(facts.large_columns) + " may be of any size.",
              subject);
  } else {
    checks.warning("table.large",
                   "The server refuses to write values over " + std::to_string(*limit_bytes) +
                       " bytes (error 7139) into " + joined(facts.large_columns) +
                       ", because they are captured.",
                   "EXEC sp_configure 'max text repl size', -1;\nRECONFIGURE;", subject);
  }
}

}  // namespace dstream::sqlserver
