#include "tests/standins/sqlserver/sql/user_types.h"

#include <algorithm>
#include <mutex>

#include "tests/standins/sqlserver/sql/catalog.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/parser.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

constexpr std::string_view kDefaultSchema = "dbo";

std::string schema_or_default(const std::string& schema) {
  return schema.empty() ? std::string(kDefaultSchema) : schema;
}

// What CREATE TYPE cannot be based on.
bool is_base_type(TypeId id) {
  return id != TypeId::kXml && id != TypeId::kRowVersion && family_of(id) != Family::kClr;
}

void check_schema(SqlSession* session, Database& database, const std::string& schema) {
  if (!session->may(database, Permission::kCreateType, {})) {
    throw database_permission_denied("CREATE TYPE", database.name());
  }
  if (!database.find_schema(schema) || !session->may(database, Permission::kAlter, {schema, {}})) {
    throw SqlError(2760, 16, 1,
                   "The specified schema name \"" + schema +
                       "\" either does not exist or you do not have permission to use it.");
  }
}

// A table with a column of the type, nullptr if there is none.
TablePtr user_of(const Database& database, const UserType& type) {
  for (const TablePtr& table : database.tables()) {
    for (const Column& column : table->definition()->columns) {
      if (column.user_type_id == type.id) {
        return table;
      }
    }
  }
  return nullptr;
}

}  // namespace

std::optional<UserType> UserTypes::find(std::string_view schema, std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const auto it = types_.find({fold_name(schema), fold_name(name)});
  return it == types_.end() ? std::nullopt : std::optional(it->second);
}

std::optional<UserType> UserTypes::find(int32_t id) const {
  const std::shared_lock lock(mutex_);
  const auto it = std::find_if(types_.begin(), types_.end(),
                               [id](const auto& entry) { return entry.second.id == id; });
  return it == types_.end() ? std::nullopt : std::optional(it->second);
}

std::vector<UserType> UserTypes::all() const {
  std::vector<UserType> result;
  {
    const std::shared_lock lock(mutex_);
    for (const auto& [name, type] : types_) {
      result.push_back(type);
    }
  }
  std::sort(result.begin(), result.end(),
            [](const UserType& a, const UserType& b) { return a.id < b.id; });
  return result;
}

UserType UserTypes::add(UserType type) {
  const std::unique_lock lock(mutex_);
  type.id = ++last_id_;
  return types_[{fold_name(type.schema), fold_name(type.name)}] = std::move(type);
}

void UserTypes::put_back(const UserType& type) {
  const std::unique_lock lock(mutex_);
  types_[{fold_name(type.schema), fold_name(type.name)}] = type;
}

void UserTypes::remove(const UserType& type) {
  const std::unique_lock lock(mutex_);
  types_.erase({fold_name(type.schema), fold_name(type.name)});
}

DeclaredType declared_type(const Database& database, const TypeSpec& spec) {
  const bool is_system = spec.schema.empty() || equal_names(spec.schema, "sys");
  if (is_system && type_by_name(spec.name)) {
    const bool is_sysname = equal_names(spec.name, "sysname");
    DeclaredType declared{resolve_type(spec), is_sysname ? kSysnameTypeId : 0};
    declared.type.nullable = !is_sysname && declared.type.id != TypeId::kRowVersion;
    return declared;
  }
  const auto found = database.user_types().find(schema_or_default(spec.schema), spec.name);
  if (!found) {
    const std::string name = spec.schema.empty() ? spec.name : spec.schema + '.' + spec.name;
    throw SqlError(2715, 16, 6,
                   "Column, parameter, or variable #1: Cannot find data type " + name + ".");
  }
  if (spec.first) {
    throw SqlError(
        2716, 16, 1,
        "Column, parameter, or variable #1: Cannot specify a column width on data type " +
            spec.name + ".");
  }
  DeclaredType declared{found->type, found->id};
  declared.type.utf8 = spec.utf8 && has_code_page(found->type.id);
  return declared;
}

std::optional<std::string> type_name_by_id(const Database& database, int64_t user_type_id) {
  if (user_type_id == kSysnameTypeId) {
    return "sysname";
  }
  for (int id = 0; id <= static_cast<int>(TypeId::kGeometry); ++id) {
    const auto type = static_cast<TypeId>(id);
    if (sql::user_type_id(type) == user_type_id) {
      return std::string(type_name(type));
    }
  }
  const auto found = database.user_types().find(static_cast<int32_t>(user_type_id));
  return found ? std::optional(found->name) : std::nullopt;
}

std::string alias_name(const Database& database, int32_t user_type_id) {
  return user_type_id == 0 ? "" : type_name_by_id(database, user_type_id).value_or("");
}

void create_type(SqlSession* session, const Statement& statement) {
  Database& database = session->database_of(statement.name);
  session->check_writable(database);
  UserType type;
  type.schema = schema_or_default(statement.name.before_last(1));
  type.name = statement.name.last();
  check_schema(session, database, type.schema);
  type.schema = database.find_schema(type.schema)->name;
  if (database.user_types().find(type.schema, type.name)) {
    throw SqlError(219, 16, 1,
                   "The type '" + type.schema + '.' + type.name +
                       "' already exists, or you do not have permission to create it.");
  }
  const DeclaredType base = declared_type(database, statement.column.type);
  if (base.user_type_id != 0 || !is_base_type(base.type.id)) {
    throw SqlError(222, 16, 1,
                   "The base type \"" + statement.column.type.name +
                       "\" is not a valid base type for the alias data type.");
  }
  type.type = base.type;
  type.type.nullable = statement.column.nullable.value_or(true);
  const UserType added = database.user_types().add(std::move(type));
  session->statement_transaction().on_rollback(
      &database, [&database, added] { database.user_types().remove(added); });
}

void drop_type(SqlSession* session, const Statement& statement) {
  Database& database = session->database_of(statement.name);
  session->check_writable(database);
  const std::string schema = schema_or_default(statement.name.before_last(1));
  const auto type = database.user_types().find(schema, statement.name.last());
  if (!type && statement.if_exists) {
    return;
  }
  if (!type || !session->may(database, Permission::kAlter, {schema, {}})) {
    throw SqlError(218, 16, 1,
                   "Could not find the type '" + statement.name.text() +
                       "'. Either it does not exist or you do not have the necessary permission.");
  }
  if (const TablePtr table = user_of(database, *type)) {
    throw SqlError(3732, 16, 1,
                   "Cannot drop type '" + statement.name.text() +
                       "' because it is being referenced by object '" + table->name() +
                       "'. There may be other objects that reference this type.");
  }
  database.user_types().remove(*type);
  session->statement_transaction().on_rollback(
      &database, [&database, type] { database.user_types().put_back(*type); });
}

}  // namespace dstream::standin::sql
