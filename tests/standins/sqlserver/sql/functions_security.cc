// USER_NAME, IS_MEMBER and its relatives, HAS_PERMS_BY_NAME.
#include <algorithm>
#include <array>

#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/functions.h"
#include "tests/standins/sqlserver/sql/parser.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

using Values = std::span<const SqlValue>;

constexpr std::array<std::string_view, 9> kServerRoles = {
    "sysadmin",  "serveradmin", "securityadmin", "processadmin", "setupadmin",
    "bulkadmin", "diskadmin",   "dbcreator",     "public"};
// Permissions that everybody has here, that sysadmins alone have because they cannot be granted,
// and others that nothing looks at.
constexpr std::array<std::string_view, 3> kOfEverybody = {"CONNECT", "CONNECT SQL",
                                                          "VIEW ANY DATABASE"};
constexpr std::array<std::string_view, 5> kOfSysadmins = {"CONTROL SERVER", "CREATE ANY DATABASE",
                                                          "ALTER ANY DATABASE", "ALTER ANY LOGIN",
                                                          "ALTER SERVER STATE"};
constexpr std::array<std::string_view, 6> kNotLookedAt = {
    "VIEW DEFINITION", "VIEW ANY DEFINITION", "VIEW CHANGE TRACKING",
    "TAKE OWNERSHIP",  "ALTER ANY SCHEMA",    "ALTER ANY USER"};
constexpr std::array<std::string_view, 8> kOtherClasses = {
    "LOGIN", "USER", "ROLE", "SERVER ROLE", "APPLICATION ROLE", "TYPE", "ENDPOINT", "ASSEMBLY"};

bool is_among(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

SqlValue truth(bool value) { return SqlValue::of_number(value ? 1 : 0); }

SqlValue user_name(const CallContext& call, Values values) {
  static constexpr std::array<std::string_view, 5> kUsers = {"public", "dbo", "guest",
                                                             "INFORMATION_SCHEMA", "sys"};
  if (values.empty()) {
    return SqlValue::of_text(call.session.is_sysadmin() ? "dbo" : call.session.login().user);
  }
  const int64_t id = values[0].number;
  return id >= 0 && id < static_cast<int64_t>(kUsers.size())
             ? SqlValue::of_text(std::string(kUsers[static_cast<size_t>(id)]))
             : SqlValue{};
}

// Of the session's user, or of the one named. NULL for a role or a user that there is not.
SqlValue is_role_member(const CallContext& call, Values values) {
  const Principals& principals = call.session.engine().principals();
  const std::string& database = call.database.name();
  const std::string role = values[0].text;
  const std::string user = values.size() > 1 ? values[1].text : user_name(call, {}).text;
  const bool is_dbo = equal_names(user, "dbo");
  if (!principals.has_role(database, role) ||
      (!is_dbo && !principals.has_login(user) && !principals.has_role(database, user))) {
    return {};
  }
  return truth((is_dbo && equal_names(role, "db_owner")) ||
               principals.is_member(database, user, role));
}

SqlValue is_server_role_member(const CallContext& call, Values values) {
  const std::string& own = call.session.engine().options().user;
  const std::string login = values.size() > 1 ? values[1].text : call.session.login().user;
  const std::string role = fold_name(values[0].text);
  const bool is_own = equal_names(login, own);
  if (!is_among(kServerRoles, role) ||
      (!is_own && !call.session.engine().principals().has_login(login))) {
    return {};
  }
  return truth(is_own || role == "public");
}

SqlValue has_database_access(const CallContext& call, Values values) {
  return call.session.engine().find_database(values[0].text) != nullptr ? truth(true) : SqlValue{};
}

// What the session's user may do with a securable of a class. `may` decides for one permission.
template <typename May>
SqlValue effective(const CallContext& call, std::string_view permission, bool is_database,
                   const May& may) {
  const std::string name = upper_text(permission);
  if (name == "ANY") {
    bool has_any = is_database;  // CONNECT
    for (int i = 0; i <= static_cast<int>(Permission::kControl); ++i) {
      has_any = has_any || may(static_cast<Permission>(i));
    }
    return truth(has_any);
  }
  if (const auto known = permission_by_name(name)) {
    const PermissionScope scope = scope_of(*known);
    return scope == PermissionScope::kObject || (scope == PermissionScope::kDatabase && is_database)
               ? truth(may(*known))
               : SqlValue{};
  }
  if (is_among(kNotLookedAt, name) && !call.session.is_sysadmin()) {
    throw not_understood("HAS_PERMS_BY_NAME of " + name);
  }
  return is_among(kNotLookedAt, name) || is_among(kOfEverybody, name) ? truth(true) : SqlValue{};
}

SqlValue server_permission(const CallContext& call, std::string_view permission) {
  const std::string name = upper_text(permission);
  if (is_among(kOfEverybody, name) || name == "ANY") {
    return truth(true);
  }
  if (is_among(kOfSysadmins, name)) {
    return truth(call.session.is_sysadmin());
  }
  const auto known = permission_by_name(name);
  if (known && scope_of(*known) == PermissionScope::kServer) {
    return truth(call.session.may(call.database, *known, {}));
  }
  if (!is_among(kNotLookedAt, name)) {
    return {};
  }
  return effective(call, name, false, [](Permission) { return false; });
}

SqlValue object_permission(const CallContext& call, Database& database, const Name& name,
                           Values values) {
  Engine& engine = call.session.engine();
  const Securable on{name.before_last(1).empty() ? "dbo" : name.before_last(1), name.last()};
  if (engine.table_function_finder() &&
      engine.table_function_finder()(database, on.schema, on.object) != nullptr) {
    throw not_understood("HAS_PERMS_BY_NAME of the function " + on.object);
  }
  const bool is_procedure =
      engine.find_procedure(fold_name(on.schema + "." + on.object)) != nullptr;
  if (!engine.has_object(database, on.schema, on.object) && !is_procedure) {
    return {};
  }
  if (values.size() > 3 && !values[3].null) {
    const TablePtr table = database.find_table(on.schema, on.object);
    if (table == nullptr || values.size() < 5 || !equal_names(values[4].text, "COLUMN") ||
        !table->definition()->find_column(values[3].text)) {
      return {};
    }
  }
  // What the catalog has is for everybody.
  const bool is_of_catalog =
      equal_names(on.schema, "sys") || equal_names(on.schema, "INFORMATION_SCHEMA");
  const Permission use = is_procedure ? Permission::kExecute : Permission::kSelect;
  return effective(call, values[2].text, false, [&](Permission permission) {
    return (is_of_catalog && permission == use) || call.session.may(database, permission, on);
  });
}

// securable, class, permission [, sub-securable, its class]
SqlValue has_permission(const CallContext& call, Values values) {
  if (values[2].null) {
    return {};
  }
  const std::string type = values[1].null ? "SERVER" : upper_text(values[1].text);
  if (type == "SERVER" && values[0].null) {
    return server_permission(call, values[2].text);
  }
  if (is_among(kOtherClasses, type)) {
    throw not_understood("HAS_PERMS_BY_NAME of a " + type);
  }
  if (values[0].null || (type != "DATABASE" && type != "SCHEMA" && type != "OBJECT")) {
    return {};
  }
  Name name;
  try {
    name = parse_name(values[0].text);
  } catch (const SqlError&) {
    return {};
  }
  const std::string database_name =
      type == "DATABASE" ? name.last() : name.before_last(type == "SCHEMA" ? 1 : 2);
  Database* database =
      database_name.empty() ? &call.database : call.session.engine().find_database(database_name);
  if (database == nullptr || (type == "SCHEMA" && !database->find_schema(name.last()))) {
    return {};
  }
  if (type == "OBJECT") {
    return object_permission(call, *database, name, values);
  }
  const Securable on{type == "SCHEMA" ? name.last() : std::string(), {}};
  return effective(call, values[2].text, type == "DATABASE", [&](Permission permission) {
    return call.session.may(*database, permission, on);
  });
}

}  // namespace

void add_security_functions(FunctionRegistry* registry) {
  const SqlType name = sysname_type(), id = int_type(), text = nvarchar_type(776);
  registry->add("user_name", nullable_function(0, {id}, name, user_name));
  for (const std::string_view word : {"current_user", "session_user", "user"}) {
    registry->add(word, nullable_function(0, {}, name, user_name));
  }
  registry->add("is_member", nullable_function(1, {name}, id, is_role_member));
  registry->add("is_rolemember", nullable_function(1, {name, name}, id, is_role_member));
  registry->add("is_srvrolemember", nullable_function(1, {name, name}, id, is_server_role_member));
  registry->add("has_dbaccess", nullable_function(1, {name}, id, has_database_access));
  ScalarFunction permission =
      nullable_function(3, {text, name, name, name, name}, id, has_permission);
  permission.null_on_null = false;
  registry->add("has_perms_by_name", std::move(permission));
}

}  // namespace dstream::standin::sql
