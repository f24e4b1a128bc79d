// CREATE LOGIN, USER and ROLE, ALTER ROLE, GRANT, DENY and REVOKE, as the parser calls them.
#include <sstream>

#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/principals.h"
#include "tests/standins/sqlserver/sql/procedures.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

void owner_only(const ProcedureCall& call) {
  if (!call.session.owns(call.database)) {
    throw SqlError(15247, 16, 1, "User does not have permission to perform this action.");
  }
}

void sysadmin_only(const ProcedureCall& call) {
  if (!call.session.is_sysadmin()) {
    throw SqlError(15247, 16, 1, "User does not have permission to perform this action.");
  }
}

SqlError cannot(std::string_view verb, std::string_view kind, const std::string& name) {
  return {15151, 16, 1,
          "Cannot " + std::string(verb) + " the " + std::string(kind) + " '" + name +
              "', because it does not exist or you do not have permission."};
}

bool has_principal(const ProcedureCall& call, const std::string& name) {
  const Principals& principals = call.session.engine().principals();
  return principals.has_login(name) || principals.has_role(call.database.name(), name);
}

// Roles whose rights the stand-in does not look at are not given to anybody.
void check_role(const ProcedureCall& call, const std::string& role) {
  if (equal_names(role, "db_securityadmin") || equal_names(role, "db_accessadmin")) {
    throw not_understood("members of " + role);
  }
  if (equal_names(role, "public")) {
    throw SqlError(15081, 16, 1, "Membership of the public role cannot be changed.");
  }
  if (!call.session.engine().principals().has_role(call.database.name(), role)) {
    throw cannot("alter", "role", role);
  }
}

void add_login(ProcedureCall& call) {
  call.bind({"@loginame", "@passwd"});
  sysadmin_only(call);
  Principals& principals = call.session.engine().principals();
  if (principals.has_login(call.text(0))) {
    throw SqlError(15025, 16, 1, "The server principal '" + call.text(0) + "' already exists.");
  }
  principals.add_login(call.text(0), call.text(1));
}

void add_user(ProcedureCall& call) {
  call.bind({"@loginame", "@name_in_db"});
  owner_only(call);
  if (!call.session.engine().principals().has_login(call.text(0))) {
    throw SqlError(15007, 16, 1,
                   "'" + call.text(0) + "' is not a valid login or you do not have permission.");
  }
  if (!call.text(1).empty() && !equal_names(call.text(0), call.text(1))) {
    throw not_understood("a user with another name than its login");
  }
}

void add_role(ProcedureCall& call) {
  call.bind({"@rolename"});
  owner_only(call);
  call.session.engine().principals().add_role(call.database.name(), call.text(0));
}

void add_member(ProcedureCall& call) {
  call.bind({"@rolename", "@membername"});
  owner_only(call);
  check_role(call, call.text(0));
  if (!has_principal(call, call.text(1))) {
    throw SqlError(15151, 16, 1,
                   "Cannot add the principal '" + call.text(1) +
                       "', because it does not exist or you do not have permission.");
  }
  call.session.engine().principals().add_member(call.database.name(), call.text(0), call.text(1));
}

void drop_member(ProcedureCall& call) {
  call.bind({"@rolename", "@membername"});
  owner_only(call);
  check_role(call, call.text(0));
  call.session.engine().principals().remove_member(call.database.name(), call.text(0),
                                                   call.text(1));
}

bool exists(const ProcedureCall& call, const Securable& on) {
  Engine& engine = call.session.engine();
  if (on.object.empty()) {
    return on.schema.empty() || call.database.find_schema(on.schema).has_value();
  }
  if (engine.table_function_finder() &&
      engine.table_function_finder()(call.database, on.schema, on.object) != nullptr) {
    throw not_understood("permissions on the function " + on.object);
  }
  return engine.has_object(call.database, on.schema, on.object) ||
         engine.find_procedure(fold_name(on.schema + "." + on.object)) != nullptr;
}

// Permissions on the server are its sysadmin's to give, to logins, in master.
void check_server_grant(const ProcedureCall& call, size_t first_principal) {
  if (call.session.engine().options().is_azure) {
    throw SqlError(40520, 16, 1,
                   "Securable class 'server' not supported in this version of SQL Server.");
  }
  if (!equal_names(call.database.name(), "master")) {
    throw SqlError(4621, 16, 10,
                   "Permissions at the server scope can only be granted when the current database "
                   "is master");
  }
  if (!call.session.is_sysadmin()) {
    throw SqlError(4613, 16, 1, "Grantor does not have GRANT permission.");
  }
  for (size_t i = first_principal; i < call.arguments.size(); ++i) {
    if (!call.session.engine().principals().has_login(call.text(i)) &&
        !equal_names(call.text(i), "public")) {
      throw cannot("find", "login", call.text(i));
    }
  }
}

// @action, @permissions with commas, @schema, @object, and principals from there on.
void change_permissions(ProcedureCall& call) {
  constexpr size_t kFirstPrincipal = 4;
  const std::string action = call.text(0);
  const Securable on{call.text(2), call.text(3)};
  if (!exists(call, on) || !call.session.may(call.database, Permission::kControl, on)) {
    if (on.schema.empty()) {
      throw SqlError(4613, 16, 1, "Grantor does not have GRANT permission.");
    }
    throw on.object.empty() ? cannot("find", "schema", on.schema)
                            : cannot("find", "object", on.object);
  }
  for (size_t i = kFirstPrincipal; i < call.arguments.size(); ++i) {
    if (!has_principal(call, call.text(i))) {
      throw cannot("find", "user", call.text(i));
    }
  }
  const GrantAction what = action == "GRANT"  ? GrantAction::kGrant
                           : action == "DENY" ? GrantAction::kDeny
                                              : GrantAction::kRevoke;
  std::istringstream names(call.text(1));
  for (std::string name; std::getline(names, name, ',');) {
    if (scope_of(permission_by_name(name).value()) == PermissionScope::kServer) {
      check_server_grant(call, kFirstPrincipal);
    }
    for (size_t i = kFirstPrincipal; i < call.arguments.size(); ++i) {
      call.session.engine().principals().set_permission(what, permission_by_name(name).value(),
                                                        call.database.name(), on, call.text(i));
    }
  }
}

}  // namespace

void add_security_procedures(Engine* engine) {
  engine->add_procedure("sys.sp_addlogin", add_login);
  engine->add_procedure("sys.sp_adduser", add_user);
  engine->add_procedure("sys.sp_addrole", add_role);
  engine->add_procedure("sys.sp_addrolemember", add_member);
  engine->add_procedure("sys.sp_droprolemember", drop_member);
  engine->add_procedure("sys.dstream_change_permissions", change_permissions);
}

}  // namespace dstream::standin::sql
