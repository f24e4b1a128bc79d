// Logins, users, roles and what they may read.
//
// As little as a reader of changes meets: a user has the name of its login and exists in every
// database, roles are a database's, and the only permission looked at is SELECT, on a schema or on
// an object. The engine's own login is sysadmin; everybody else may read nothing until it is
// granted. What a user may change is not looked at.
//
// Thread rule: [any-thread].
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace dstream::standin::sql {

class Engine;

class Principals {
 public:
  void add_login(std::string_view name, std::string_view password);
  bool has_login(std::string_view name) const;
  // False for an unknown login.
  bool is_password(std::string_view name, std::string_view password) const;

  void add_role(std::string_view database, std::string_view role);
  void add_member(std::string_view database, std::string_view role, std::string_view member);
  void remove_member(std::string_view database, std::string_view role, std::string_view member);
  // Also through a role in a role.
  bool is_member(std::string_view database, std::string_view user, std::string_view role) const;

  // `object` "" is the whole schema. `to` is a user or a role.
  void grant_select(std::string_view database, std::string_view schema, std::string_view object,
                    std::string_view to);
  void revoke_select(std::string_view database, std::string_view schema, std::string_view object,
                     std::string_view from);
  bool may_select(std::string_view database, std::string_view user, std::string_view schema,
                  std::string_view object) const;

 private:
  using Name = std::pair<std::string, std::string>;  // database, name; folded
  static Name key(std::string_view database, std::string_view name);
  // The user, its roles, their roles, and public.
  std::set<std::string> roles_of(const std::string& database, const std::string& user) const;

  mutable std::mutex mutex_;  // guards all below
  std::map<std::string, std::string> passwords_;
  std::map<Name, std::set<std::string>> members_;         // of a role
  std::map<Name, std::set<std::string>> select_granted_;  // by "schema." or "schema.object"
};

// CREATE LOGIN, USER and ROLE, GRANT and their relatives arrive as calls of procedures.
void add_security_procedures(Engine* engine);

}  // namespace dstream::standin::sql
