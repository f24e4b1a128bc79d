// Logins, users, roles and what they may do.
//
// As little as a reader of changes meets: a user has the name of its login and exists in every
// database, roles are a database's. Permissions are granted and denied on the database, a schema or
// an object. The engine's own login is sysadmin; everybody else may do nothing to rows and tables
// until it is granted. Metadata is seen by everybody; the state of the server and of a database
// takes a permission of its own.
//
// Thread rule: [any-thread].
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace dstream::standin::sql {

class Engine;

enum class Permission : uint8_t {
  kSelect,
  kInsert,
  kUpdate,
  kDelete,
  kReferences,
  kExecute,
  kAlter,
  kControl,      // of a securable: everything with it
  kCreateTable,  // of a database, as are the next
  kCreateSchema,
  kCreateType,
  kViewDatabaseState,
  kViewDatabasePerformanceState,
  kViewServerState,  // of the server, as are the next
  kViewServerPerformanceState,
  kViewServerSecurityState,
};
enum class PermissionScope : uint8_t { kObject, kDatabase, kServer };
// What a permission is granted on: kDatabase and kServer on nothing smaller.
PermissionScope scope_of(Permission permission);
// One of CREATE TABLE, CREATE SCHEMA and the like: of a database, in ALTER on it.
inline bool is_create(Permission permission) {
  return permission == Permission::kCreateTable || permission == Permission::kCreateSchema ||
         permission == Permission::kCreateType;
}
std::string_view permission_name(Permission permission);  // "CREATE TABLE"
// nullopt: the stand-in does not look at a permission of that name.
std::optional<Permission> permission_by_name(std::string_view name);

// An object; without its name a schema; with neither the database itself.
struct Securable {
  std::string schema, object;
};

enum class GrantAction : uint8_t { kGrant, kDeny, kRevoke };

class Principals {
 public:
  void add_login(std::string_view name, std::string_view password);
  bool has_login(std::string_view name) const;
  // False for an unknown login.
  bool is_password(std::string_view name, std::string_view password) const;

  void add_role(std::string_view database, std::string_view role);
  // Also for a fixed role, and public.
  bool has_role(std::string_view database, std::string_view role) const;
  void add_member(std::string_view database, std::string_view role, std::string_view member);
  void remove_member(std::string_view database, std::string_view role, std::string_view member);
  // Also through a role in a role; of public everybody is.
  bool is_member(std::string_view database, std::string_view user, std::string_view role) const;

  // `principal` is a user or a role; of the server's permissions a login, whatever `database` is.
  // A revoked permission is neither granted nor denied.
  void set_permission(GrantAction action, Permission permission, std::string_view database,
                      const Securable& on, std::string_view principal);
  // By what is granted and denied to the user and its roles on the securable and what it is part
  // of, up to the server. A denial anywhere outweighs every grant.
  bool may(std::string_view database, std::string_view user, Permission permission,
           const Securable& on) const;

 private:
  using Name = std::pair<std::string, std::string>;                             // database, name
  using Entry = std::tuple<std::string, std::string, Permission, std::string>;  // ..., securable
  static Name key(std::string_view database, std::string_view name);
  // True: granted, false: denied, nullopt: neither. `database` "" is the server; folded names.
  std::optional<bool> said(const std::string& database, const std::string& user,
                           Permission permission, const Securable& on) const;
  // The user, its roles, their roles, and public.
  std::set<std::string> roles_of(const std::string& database, const std::string& user) const;

  mutable std::mutex mutex_;  // guards all below; names are folded
  std::map<std::string, std::string> passwords_;
  std::map<Name, std::set<std::string>> members_;  // of a role
  std::map<Entry, bool> entries_;                  // true: granted, false: denied
};

// CREATE LOGIN, USER and ROLE, GRANT and their relatives arrive as calls of procedures.
void add_security_procedures(Engine* engine);

}  // namespace dstream::standin::sql
