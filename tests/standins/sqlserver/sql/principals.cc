#include "tests/standins/sqlserver/sql/principals.h"

#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/procedures.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

std::string securable(std::string_view schema, std::string_view object) {
  return fold_name(schema) + "." + fold_name(object);
}

void sysadmin_only(const ProcedureCall& call) {
  if (!call.session.owns(call.database)) {
    throw SqlError(15247, 16, 1, "User does not have permission to perform this action.");
  }
}

}  // namespace

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

void Principals::grant_select(std::string_view database, std::string_view schema,
                              std::string_view object, std::string_view to) {
  const std::lock_guard lock(mutex_);
  select_granted_[key(database, to)].insert(securable(schema, object));
}

void Principals::revoke_select(std::string_view database, std::string_view schema,
                               std::string_view object, std::string_view from) {
  const std::lock_guard lock(mutex_);
  select_granted_[key(database, from)].erase(securable(schema, object));
}

bool Principals::may_select(std::string_view database, std::string_view user,
                            std::string_view schema, std::string_view object) const {
  const std::lock_guard lock(mutex_);
  for (const std::string& role : roles_of(fold_name(database), fold_name(user))) {
    if (role == "db_datareader" || role == "db_owner") {
      return true;
    }
    const auto it = select_granted_.find(key(database, role));
    if (it != select_granted_.end() && (it->second.contains(securable(schema, "")) ||
                                        it->second.contains(securable(schema, object)))) {
      return true;
    }
  }
  return false;
}

void add_security_procedures(Engine* engine) {
  Principals& principals = engine->principals();
  engine->add_procedure("sys.sp_addlogin", [&principals](ProcedureCall& call) {
    call.bind({"@loginame", "@passwd"});
    sysadmin_only(call);
    if (principals.has_login(call.text(0))) {
      throw SqlError(15025, 16, 1, "The server principal '" + call.text(0) + "' already exists.");
    }
    principals.add_login(call.text(0), call.text(1));
  });
  engine->add_procedure("sys.sp_adduser", [&principals](ProcedureCall& call) {
    call.bind({"@loginame", "@name_in_db"});
    sysadmin_only(call);
    if (!principals.has_login(call.text(0))) {
      throw SqlError(15007, 16, 1,
                     "'" + call.text(0) + "' is not a valid login or you do not have permission.");
    }
    if (!call.text(1).empty() && !equal_names(call.text(0), call.text(1))) {
      throw not_understood("a user with another name than its login");
    }
  });
  engine->add_procedure("sys.sp_addrole", [&principals](ProcedureCall& call) {
    call.bind({"@rolename"});
    sysadmin_only(call);
    principals.add_role(call.database.name(), call.text(0));
  });
  engine->add_procedure("sys.sp_addrolemember", [&principals](ProcedureCall& call) {
    call.bind({"@rolename", "@membername"});
    sysadmin_only(call);
    principals.add_member(call.database.name(), call.text(0), call.text(1));
  });
  engine->add_procedure("sys.sp_droprolemember", [&principals](ProcedureCall& call) {
    call.bind({"@rolename", "@membername"});
    sysadmin_only(call);
    principals.remove_member(call.database.name(), call.text(0), call.text(1));
  });
  engine->add_procedure("dstream.grant_select", [&principals](ProcedureCall& call) {
    call.bind({"@schema", "@object", "@to"});
    sysadmin_only(call);
    principals.grant_select(call.database.name(), call.text(0), call.text(1), call.text(2));
  });
  engine->add_procedure("dstream.revoke_select", [&principals](ProcedureCall& call) {
    call.bind({"@schema", "@object", "@from"});
    sysadmin_only(call);
    principals.revoke_select(call.database.name(), call.text(0), call.text(1), call.text(2));
  });
}

}  // namespace dstream::standin::sql
