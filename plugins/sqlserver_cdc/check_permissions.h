// What the login of a pipeline may and may not do, asked of the server itself, with the GRANT that
// mends what is missing.
//
// Thread rule: one thread.
#pragma once

#include <optional>
#include <string>

#include "dstream/plugin.hpp"
#include "plugins/sqlserver_cdc/connection.h"
#include "plugins/sqlserver_cdc/identifiers.h"

namespace dstream::sqlserver {

// What is asked about is a permission on one thing, as HAS_PERMS_BY_NAME names both. nullopt: the
// server does not know it, or does not say. Throws SourceError.
std::optional<bool> load_permission(Connection& connection, const std::string& thing,
                                    const std::string& kind, const std::string& permission);
// The user of the database that the login is. Throws SourceError.
std::string load_user(Connection& connection);

// permission.changes: SELECT on schema cdc
void judge_changes_permission(const std::string& user, const std::optional<bool>& may,
                              const Checks& checks);
// permission.state: VIEW DATABASE STATE
void judge_state_permission(const std::string& user, const std::optional<bool>& may,
                            const Checks& checks);
// permission.jobs: SELECT on the table of jobs
void judge_jobs_permission(const std::string& user, bool may, bool azure_database,
                           const Checks& checks);
// table.permission: SELECT on the table itself; `copies`: the source would copy it.
void judge_table_permission(const TableName& table, const std::string& user,
                            const std::optional<bool>& may, bool copies, const Checks& checks);

}  // namespace dstream::sqlserver
