#include "plugins/sqlserver_cdc/check_permissions.h"

namespace dstream::sqlserver {
namespace {

void skip_unknown(const char* id, const std::string& what, const Checks& checks) {
  checks.skipped(id, "The server does not say whether the login may " + what + '.');
}

}  // namespace

std::optional<bool> load_permission(Connection& connection, const std::string& thing,
                                    const std::string& kind, const std::string& permission) {
  Statement statement(connection, "SELECT HAS_PERMS_BY_NAME(?, ?, ?)",
                      {BindValue::of(thing), BindValue::of(kind), BindValue::of(permission)},
                      "Looking at permissions");
  int64_t value = 0;
  return statement.next_row() && statement.get_int(1, &value) ? std::optional(value != 0)
                                                              : std::nullopt;
}

std::string load_user(Connection& connection) {
  Statement statement(connection, "SELECT USER_NAME()", {}, "Looking at the user");
  std::string user;
  if (!statement.next_row() || !statement.get_text(1, &user)) {
    throw SourceError(DSTREAM_DENIED, "The login has no user in the database.");
  }
  return user;
}

void judge_changes_permission(const std::string& user, const std::optional<bool>& may,
                              const Checks& checks) {
  constexpr char kId[] = "permission.changes";
  if (!may) {
    skip_unknown(kId, "read schema cdc", checks);
  } else if (*may) {
    checks.ok(kId, "User " + user + " may read schema cdc.");
  } else {
    checks.failed(kId, "User " + user + " may not read schema cdc.",
                  "GRANT SELECT ON SCHEMA::cdc TO " + quote_identifier(user) + ';');
  }
}

void judge_state_permission(const std::string& user, const std::optional<bool>& may,
                            const Checks& checks) {
  constexpr char kId[] = "permission.state";
  if (!may) {
    skip_unknown(kId, "see the scans of the log", checks);
  } else if (*may) {
    checks.ok(kId, "User " + user + " may see the scans of the log.");
  } else {
    checks.warning(kId,
                   "User " + user +
                       " may not see the scans of the log: how late the capture job is shows only "
                       "as a bound, and a job that stands still is not told.",
                   "GRANT VIEW DATABASE STATE TO " + quote_identifier(user) +
                       ";\n-- SQL Server 2022 and newer, instead of it:\n"
                       "GRANT VIEW DATABASE PERFORMANCE STATE TO " +
                       quote_identifier(user) + ';');
  }
}

void judge_jobs_permission(const std::string& user, bool may, bool azure_database,
                           const Checks& checks) {
  constexpr char kId[] = "permission.jobs";
  const std::string name = quote_identifier(user);
  if (may) {
    checks.ok(kId, "User " + user + " may see the jobs of Change Data Capture.");
  } else {
    checks.warning(kId,
                   "User " + user +
                       " may not see the jobs of Change Data Capture, so their settings cannot be "
                       "looked at here. The pipeline does not need it.",
                   azure_database ? "GRANT SELECT ON cdc.cdc_jobs TO " + name + ';'
                                  : "USE msdb;\nCREATE USER " + name + " FOR LOGIN " + name +
                                        ";\nGRANT SELECT ON dbo.cdc_jobs TO " + name + ';');
  }
}

void judge_table_permission(const TableName& table, const std::string& user,
                            const std::optional<bool>& may, bool copies, const Checks& checks) {
  constexpr char kId[] = "table.permission";
  const std::string subject = table.text();
  const std::string grant =
      "GRANT SELECT ON " + table.quoted() + " TO " + quote_identifier(user) + ';';
  if (may.value_or(false)) {
    checks.ok(kId, "User " + user + " may read it.", subject);
  } else if (copies) {
    checks.failed(kId, "User " + user + " may not read it, so its rows cannot be copied.",
                  grant + "\n-- or do without its rows from before: snapshot: never", subject);
  } else {
    checks.warning(kId, "User " + user + " may not read it, so it cannot be copied when asked for.",
                   grant, subject);
  }
}

}  // namespace dstream::sqlserver
