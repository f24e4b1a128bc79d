#include "tests/standins/sqlserver/sql/principals.h"

#include <algorithm>
#include <array>
#include <vector>

#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

constexpr std::array<std::pair<Permission, std::string_view>, 16> kNames = {{
    {Permission::kSelect, "SELECT"},
    {Permission::kInsert, "INSERT"},
    {Permission::kUpdate, "UPDATE"},
    {Permission::kDelete, "DELETE"},
    {Permission::kReferences, "REFERENCES"},
    {Permission::kExecute, "EXECUTE"},
    {Permission::kAlter, "ALTER"},
    {Permission::kControl, "CONTROL"},
    {Permission::kCreateTable, "CREATE TABLE"},
    {Permission::kCreateSchema, "CREATE SCHEMA"},
    {Permission::kCreateType, "CREATE TYPE"},
    {Permission::kViewDatabaseState, "VIEW DATABASE STATE"},
    {Permission::kViewDatabasePerformanceState, "VIEW DATABASE PERFORMANCE STATE"},
    {Permission::kViewServerState, "VIEW SERVER STATE"},
    {Permission::kViewServerPerformanceState, "VIEW SERVER PERFORMANCE STATE"},
    {Permission::kViewServerSecurityState, "VIEW SERVER SECURITY STATE"},
}};

constexpr std::array<std::string_view, 10> kFixedRoles = {
    "public",         "db_owner",          "db_datareader",     "db_datawriter",
    "db_ddladmin",    "db_denydatareader", "db_denydatawriter", "db_backupoperator",
    "db_accessadmin", "db_securityadmin"};

bool changes_rows(Permission permission) {
  return permission == Permission::kInsert || permission == Permission::kUpdate ||
         permission == Permission::kDelete;
}

// What a fixed role has in the whole database.
bool role_grants(std::string_view role, Permission permission) {
  if (role == "db_datareader") {
    return permission == Permission::kSelect;
  }
  if (role == "db_datawriter") {
    return changes_rows(permission);
  }
  if (role == "db_ddladmin") {
    return permission == Permission::kAlter || permission == Permission::kReferences ||
           is_create(permission);
  }
  return role == "db_owner";
}

bool role_denies(std::string_view role, Permission permission) {
  return (role == "db_denydatareader" && permission == Permission::kSelect) ||
         (role == "db_denydatawriter" && changes_rows(permission));
}

// The permission, and those of the same securable that have it in them.
std::vector<Permission> covering(Permission permission) {
  std::vector<Permission> result = {permission};
  if (is_create(permission)) {
    result.push_back(Permission::kAlter);
  }
  if (permission == Permission::kViewDatabasePerformanceState) {
    result.push_back(Permission::kViewDatabaseState);
  }
  if (permission == Permission::kViewServerPerformanceState ||
      permission == Permission::kViewServerSecurityState) {
    result.push_back(Permission::kViewServerState);
  }
  if (permission != Permission::kControl && scope_of(permission) != PermissionScope::kServer) {
    result.push_back(Permission::kControl);
  }
  return result;
}

// What on the server has a permission on a database in it.
std::optional<Permission> server_wide(Permission permission) {
  switch (permission) {
    case Permission::kViewDatabaseState:
      return Permission::kViewServerState;
    case Permission::kViewDatabasePerformanceState:
      return Permission::kViewServerPerformanceState;
    default:
      return std::nullopt;
  }
}

std::string text_of(const Securable& on) {
  return fold_name(on.schema) + "." + fold_name(on.object);
}

// The securable and what it is in.
std::vector<std::string> levels_of(const Securable& on) {
  std::vector<std::string> levels = {text_of({})};
  if (!on.schema.empty()) {
    levels.push_back(text_of({on.schema, {}}));
  }
  if (!on.object.empty()) {
    levels.push_back(text_of(on));
  }
  return levels;
}

}  // namespace

PermissionScope scope_of(Permission permission) {
  if (permission >= Permission::kViewServerState) {
    return PermissionScope::kServer;
  }
  return permission >= Permission::kCreateTable ? PermissionScope::kDatabase
                                                : PermissionScope::kObject;
}

std::string_view permission_name(Permission permission) {
  return std::find_if(kNames.begin(), kNames.end(),
                      [&](const auto& entry) { return entry.first == permission; })
      ->second;
}

std::optional<Permission> permission_by_name(std::string_view name) {
  const std::string wanted = upper_text(name);
  for (const auto& [permission, known] : kNames) {
    if (known == wanted) {
      return permission;
    }
  }
  return std::nullopt;
}

Principals::Name Principals::key(std::string_view database, std::string_view name) {
  return {fold_name(database), fold_name(name)};
}

void Principals::add_login(std::string_view name, std::string_view password) {
  const std::lock_guard lock(mutex_);
  passwords_[fold_name(name)] = password;
}

bool Principals::has_login(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  return passwords_.contains(fold_name(name));
}

bool Principals::is_password(std::string_view name, std::string_view password) const {
  const std::lock_guard lock(mutex_);
  const auto it = passwords_.find(fold_name(name));
  return it != passwords_.end() && it->second == password;
}

void Principals::add_role(std::string_view database, std::string_view role) {
  const std::lock_guard lock(mutex_);
  members_[key(database, role)];
}

bool Principals::has_role(std::string_view database, std::string_view role) const {
  const std::string folded = fold_name(role);
  if (std::find(kFixedRoles.begin(), kFixedRoles.end(), folded) != kFixedRoles.end()) {
    return true;
  }
  const std::lock_guard lock(mutex_);
  return members_.contains(key(database, role));
}

void Principals::add_member(std::string_view database, std::string_view role,
                            std::string_view member) {
  const std::lock_guard lock(mutex_);
  members_[key(database, role)].insert(fold_name(member));
}

void Principals::remove_member(std::string_view database, std::string_view role,
                               std::string_view member) {
  const std::lock_guard lock(mutex_);
  members_[key(database, role)].erase(fold_name(member));
}

std::set<std::string> Principals::roles_of(const std::string& database,
                                           const std::string& user) const {
  std::set<std::string> found = {user, "public"};
  for (size_t before = 0; before != found.size();) {
    before = found.size();
    for (const auto& [name, members] : members_) {
      for (const std::string& member : members) {
        if (name.first == database && found.contains(member)) {
          found.insert(name.second);
          break;
        }
      }
    }
  }
  return found;
}

bool Principals::is_member(std::string_view database, std::string_view user,
                           std::string_view role) const {
  const std::lock_guard lock(mutex_);
  return roles_of(fold_name(database), fold_name(user)).contains(fold_name(role));
}

void Principals::set_permission(GrantAction action, Permission permission,
                                std::string_view database, const Securable& on,
                                std::string_view principal) {
  const std::lock_guard lock(mutex_);
  const bool is_server = scope_of(permission) == PermissionScope::kServer;
  const Entry entry{is_server ? "" : fold_name(database), fold_name(principal), permission,
                    text_of(on)};
  if (action == GrantAction::kRevoke) {
    entries_.erase(entry);
  } else {
    entries_[entry] = action == GrantAction::kGrant;
  }
}

std::optional<bool> Principals::said(const std::string& database, const std::string& user,
                                     Permission permission, const Securable& on) const {
  const std::vector<std::string> levels = levels_of(on);
  const std::vector<Permission> names = covering(permission);
  bool is_granted = false;
  for (const std::string& role : roles_of(database, user)) {
    if (role_denies(role, permission)) {
      return false;
    }
    is_granted = is_granted || role_grants(role, permission);
    for (const std::string& level : levels) {
      for (const Permission name : names) {
        const auto it = entries_.find({database, role, name, level});
        if (it != entries_.end() && !it->second) {
          return false;
        }
        is_granted = is_granted || it != entries_.end();
      }
    }
  }
  return is_granted ? std::optional(true) : std::nullopt;
}

bool Principals::may(std::string_view database, std::string_view user, Permission permission,
                     const Securable& on) const {
  const std::lock_guard lock(mutex_);
  const std::string name = fold_name(user);
  if (scope_of(permission) == PermissionScope::kServer) {
    return said({}, name, permission, {}).value_or(false);
  }
  const std::optional<bool> here = said(fold_name(database), name, permission, on);
  const std::optional<Permission> above = server_wide(permission);
  const std::optional<bool> there = above ? said({}, name, *above, {}) : std::nullopt;
  return here.value_or(true) && there.value_or(true) && (here || there);
}

}  // namespace dstream::standin::sql
