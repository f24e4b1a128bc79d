// What the session's user may do.
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {

bool SqlSession::is_sysadmin() const { return equal_names(login_.user, engine_->options().user); }

bool SqlSession::owns(const Database& database) const {
  return is_sysadmin() || engine_->principals().is_member(database.name(), login_.user, "db_owner");
}

bool SqlSession::may(const Database& database, Permission permission, const Securable& on) const {
  return is_sysadmin() || engine_->principals().may(database.name(), login_.user, permission, on);
}

bool SqlSession::may(Permission permission, const Table& table) const {
  // Table variables and # tables are their session's own.
  return table.is_temporary || may(*table.database, permission, {table.schema(), table.name()});
}

void SqlSession::check_permission(const Database& database, Permission permission,
                                  const Securable& on) const {
  if (!may(database, permission, on)) {
    throw permission_denied(permission_name(permission), database.name(), on.schema, on.object);
  }
}

void SqlSession::check_view_permission(const Database& database, Permission permission,
                                       const Securable& on) const {
  const PermissionScope scope = scope_of(permission);
  if (scope == PermissionScope::kObject) {
    check_permission(database, permission, on);
  } else if (!may(database, permission, {})) {
    const std::string_view name = permission_name(permission);
    throw caused_by(
        scope == PermissionScope::kServer ? server_permission_denied(name)
                                          : database_permission_denied(name, database.name()),
        SqlError(297, 16, 1, "The user does not have permission to perform this action."));
  }
}

void SqlSession::check_permission(Permission permission, const Table& table) const {
  if (!may(permission, table)) {
    throw permission_denied(permission_name(permission), table.database->name(), table.schema(),
                            table.name());
  }
}

}  // namespace dstream::standin::sql
