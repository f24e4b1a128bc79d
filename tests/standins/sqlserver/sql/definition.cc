#include "tests/standins/sqlserver/sql/definition.h"

#include <algorithm>

#include "tests/standins/sqlserver/sql/alter.h"
#include "tests/standins/sqlserver/sql/binder.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/interpreter.h"
#include "tests/standins/sqlserver/sql/references.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

constexpr std::string_view kDefaultSchema = "dbo";

std::string schema_of(const Name& name) {
  const std::string schema = name.before_last(1);
  return schema.empty() ? std::string(kDefaultSchema) : schema;
}

bool is_temporary_name(const std::string& name) { return name.starts_with("#"); }

void check_schema(SqlSession* session, Database& database, const std::string& schema) {
  if (!database.find_schema(schema) || !session->may(database, Permission::kAlter, {schema, {}})) {
    throw SqlError(2760, 16, 1,
                   "The specified schema name \"" + schema +
                       "\" either does not exist or you do not have permission to use "
                       "it.");
  }
}

// A new table becomes visible at once, locked until its transaction ends.
void add_table(SqlSession* session, Database& database, const TablePtr& table) {
  session->check_writable(database);
  database.add_table(table);
  session->statement_transaction().on_rollback(
      &database, [&database, table] { database.remove_table(*table); });
  session->lock_table(table, TableLock::kExclusive);
  session->engine().table_changed(table, false);
}

TablePtr create_table(SqlSession* session, const Name& name, const TableSpec& spec) {
  const std::string& table_name = name.last();
  Database& database = session->database_of(name);
  if (is_temporary_name(table_name)) {
    if (session->find_table(Name{{table_name}}) != nullptr) {
      throw already_exists(table_name);
    }
    // Its types are those of tempdb.
    auto table = std::make_shared<Table>(
        database.new_object_id(), "dbo", table_name,
        make_definition(session, session->engine().find_database("tempdb"), table_name, spec));
    table->is_temporary = true;
    session->add_temporary_table(table);
    return table;
  }
  const std::string schema = schema_of(name);
  if (!session->may(database, Permission::kCreateTable, {})) {
    throw database_permission_denied("CREATE TABLE", database.name());
  }
  check_schema(session, database, schema);
  if (session->engine().has_object(database, schema, table_name)) {
    throw already_exists(table_name);
  }
  const int32_t id = database.new_object_id();
  auto table = std::make_shared<Table>(id, database.find_schema(schema)->name, table_name,
                                       make_definition(session, &database, table_name, spec));
  table->store()->table = table.get();
  table->create_ticks = session->engine().local_ticks();
  table->modify_ticks = table->create_ticks;
  add_table(session, database, table);
  return table;
}

void create_schema(SqlSession* session, const Statement& statement) {
  Database& database = session->current_database();
  session->check_writable(database);
  const std::string name = statement.name.last();
  const SqlError failed(2759, 16, 0, "CREATE SCHEMA failed due to previous errors.");
  if (!session->may(database, Permission::kCreateSchema, {})) {
    throw caused_by(database_permission_denied("CREATE SCHEMA", database.name()), failed);
  }
  if (database.find_schema(name)) {
    throw failed;
  }
  database.add_schema(name);
  session->engine().schemas_changed(database);
  session->statement_transaction().on_rollback(&database,
                                               [&database, name] { database.remove_schema(name); });
}

void drop_schema(SqlSession* session, const Statement& statement) {
  Database& database = session->current_database();
  session->check_writable(database);
  const std::string name = statement.name.last();
  const bool exists = database.find_schema(name).has_value();
  if (!exists && statement.if_exists) {
    return;
  }
  if (!exists || !session->may(database, Permission::kAlter, {name, {}})) {
    throw SqlError(15151, 16, 1,
                   "Cannot drop the schema '" + name +
                       "', because it does not exist "
                       "or you do not have permission.");
  }
  const auto refuse = [&name](const std::string& object) {
    throw SqlError(3729, 16, 1,
                   "Cannot drop schema '" + name + "' because it is being referenced by object '" +
                       object + "'.");
  };
  for (const TablePtr& table : database.tables()) {
    if (equal_names(table->schema(), name)) {
      refuse(table->name());
    }
  }
  for (const UserType& type : database.user_types().all()) {
    if (equal_names(type.schema, name)) {
      refuse(type.name);
    }
  }
  database.remove_schema(name);
  session->engine().schemas_changed(database);
  session->statement_transaction().on_rollback(&database,
                                               [&database, name] { database.add_schema(name); });
}

void drop_tables(SqlSession* session, const Statement& statement, std::string_view text) {
  for (const Name& name : statement.targets) {
    if (is_temporary_name(name.last())) {
      const TablePtr table = session->find_table(Name{{name.last()}});
      if (table == nullptr && !statement.if_exists) {
        throw cannot_drop("table", name.last());
      }
      session->drop_temporary_table(name.last());
      continue;
    }
    TablePtr table = session->find_table(name);
    if (table == nullptr) {
      if (statement.if_exists) {
        continue;
      }
      throw cannot_drop("table", name.text());
    }
    // With the right to alter its schema, or in control of the table itself.
    if (!session->may(*table->database, Permission::kAlter, {table->schema(), {}}) &&
        !session->may(Permission::kControl, *table)) {
      throw SqlError(3701, 14, 20, cannot_drop("table", name.text()).message.text);
    }
    drop_table(session, table, name.text(), text);
  }
}

void add_column(const ColumnSpec& spec, Database* database, const std::string& table_name,
                TableDefinition* definition) {
  if (definition->find_column(spec.name)) {
    throw SqlError(2705, 16, definition->format == nullptr ? 3 : 4,
                   "Column names in each table must be unique. Column name '" + spec.name +
                       "' in table '" + table_name + "' is specified more than once.");
  }
  Column column;
  column.name = spec.name;
  column.id = ++definition->last_column_id;
  column.physical = static_cast<size_t>(column.id - 1);
  column.identity = spec.identity;
  column.identity_seed = spec.identity_seed;
  column.identity_increment = spec.identity_increment;
  column.row_guid = spec.row_guid;
  if (spec.computed != nullptr) {
    // Its type is that of its expression over the columns before and after it.
    column.computed = spec.computed;
    column.computed_text = spec.computed_text;
    column.persisted = spec.persisted;
    column.type.nullable = spec.nullable.value_or(true);
  } else {
    const DeclaredType declared = declared_type(*database, spec.type);
    column.type = declared.type;
    column.user_type_id = declared.user_type_id;
    column.type.nullable = spec.nullable.value_or(!spec.identity && declared.type.nullable);
  }
  if (spec.default_value != nullptr) {
    column.default_value = spec.default_value;
    column.default_text = spec.default_text;
    column.default_id = database->new_object_id();
    column.default_name = spec.default_name.empty()
                              ? Database::generated_name("DF", table_name, column.default_id)
                              : spec.default_name;
  }
  definition->columns.push_back(std::move(column));
}

// Computed columns get their types once all others are known.
void type_computed_columns(SqlSession* session, TableDefinition* definition) {
  for (Column& column : definition->columns) {
    if (column.computed == nullptr) {
      continue;
    }
    Scope scope;
    Source source;
    source.columns = definition->result_columns();
    scope.add(std::move(source));
    const bool nullable = column.type.nullable;
    column.type = Binder(session, &scope).value(column.computed).type;
    column.type.nullable = nullable;
  }
}

}  // namespace

void add_key(Database* database, const std::string& table_name, const KeySpec& spec,
             TableDefinition* definition) {
  Index index;
  index.primary = spec.primary;
  index.unique = spec.unique || spec.primary;
  index.is_constraint = spec.is_constraint;
  index.clustered =
      spec.clustered.value_or(spec.primary && definition->clustered_index() == nullptr);
  if (index.primary && definition->primary_key() != nullptr) {
    throw SqlError(1779, 16, 0,
                   "Table '" + table_name +
                       "' already has a primary key defined on "
                       "it.");
  }
  if (index.clustered && definition->clustered_index() != nullptr) {
    throw SqlError(1902, 16, 3,
                   "Cannot create more than one clustered index on table '" + table_name +
                       "'. Drop the existing clustered index '" +
                       definition->clustered_index()->name + "' before creating another.");
  }
  for (const KeySpec::Part& part : spec.columns) {
    const auto column = definition->find_column(part.column);
    if (!column) {
      throw SqlError(1911, 16, 1,
                     "Column name '" + part.column +
                         "' does not exist in the target "
                         "table or view.");
    }
    if (is_large(definition->columns[*column].type)) {
      throw SqlError(1919, 16, 1,
                     "Column '" + part.column + "' in table '" + table_name +
                         "' is of a type that is invalid for use as a key column in an "
                         "index.");
    }
    if (index.primary) {
      definition->columns[*column].type.nullable = false;
    }
    index.parts.push_back({*column, part.descending});
  }
  index.object_id = index.is_constraint ? database->new_object_id() : 0;
  index.name = !spec.name.empty() ? spec.name
                                  : Database::generated_name(index.primary ? "PK" : "UQ",
                                                             table_name, index.object_id);
  if (std::any_of(definition->indexes.begin(), definition->indexes.end(),
                  [&](const Index& other) { return equal_names(other.name, index.name); })) {
    throw SqlError(1913, 16, 1,
                   "The operation failed because an index or statistics with name '" + index.name +
                       "' already exists on table '" + table_name + "'.");
  }
  int32_t id = 2;
  for (const Index& other : definition->indexes) {
    id = std::max(id, other.id + 1);
  }
  index.id = index.clustered ? 1 : id;
  definition->indexes.push_back(std::move(index));
}

void add_constraints(SqlSession* session, Database* database, int32_t table_id,
                     const std::string& table_name, const TableSpec& spec,
                     TableDefinition* definition) {
  for (const ForeignKeySpec& key : spec.foreign_keys) {
    ForeignKey foreign;
    foreign.object_id = database->new_object_id();
    foreign.name =
        key.name.empty() ? Database::generated_name("FK", table_name, foreign.object_id) : key.name;
    const TablePtr parent = session->find_table(key.referenced);
    if (parent == nullptr) {
      throw SqlError(1767, 16, 0,
                     "Foreign key '" + foreign.name + "' references invalid table '" +
                         key.referenced.text() + "'.");
    }
    session->check_permission(Permission::kReferences, *parent);
    foreign.referenced_table = parent->object_id();
    foreign.referenced_columns = key.referenced_columns;
    for (const std::string& name : key.columns) {
      const auto column = definition->find_column(name);
      if (!column) {
        throw SqlError(1769, 16, 1,
                       "Foreign key '" + foreign.name + "' references invalid column '" + name +
                           "' in referencing table '" + table_name + "'.");
      }
      foreign.columns.push_back(*column);
    }
    foreign.on_delete = key.on_delete;
    foreign.on_update = key.on_update;
    definition->foreign_keys.push_back(std::move(foreign));
    check_actions(*database, table_id, table_name, *definition);
  }
  for (const CheckSpec& spec_check : spec.checks) {
    Check check;
    check.object_id = database->new_object_id();
    check.name = spec_check.name.empty()
                     ? Database::generated_name("CK", table_name, check.object_id)
                     : spec_check.name;
    check.condition = spec_check.condition;
    check.text = spec_check.text;
    definition->checks.push_back(std::move(check));
  }
}

void add_columns(SqlSession* session, Database* database, const std::string& table_name,
                 const TableSpec& spec, TableDefinition* definition) {
  for (const ColumnSpec& column : spec.columns) {
    add_column(column, database, table_name, definition);
  }
  const auto identities = std::count_if(definition->columns.begin(), definition->columns.end(),
                                        [](const Column& column) { return column.identity; });
  if (identities > 1) {
    throw SqlError(2744, 16, 2,
                   "Multiple identity columns specified for table '" + table_name +
                       "'. Only one identity column per table is allowed.");
  }
  type_computed_columns(session, definition);
}

void settle_definition(TableDefinition* definition) {
  // The clustered index owns store index 0; without one, the heap does.
  std::stable_sort(definition->indexes.begin(), definition->indexes.end(),
                   [](const Index& a, const Index& b) { return a.clustered && !b.clustered; });
  const size_t first = definition->clustered_index() == nullptr ? 1 : 0;
  for (size_t i = 0; i < definition->indexes.size(); ++i) {
    definition->indexes[i].store_index = first + i;
  }
  std::vector<SqlType> types(static_cast<size_t>(definition->last_column_id), varbinary_type(1));
  std::vector<SqlValue> missing(types.size());
  // A dropped column's place keeps its type: old rows still hold its bytes.
  for (size_t i = 0; definition->format != nullptr && i < definition->format->size(); ++i) {
    types[i] = definition->format->type(i);
  }
  for (const Column& column : definition->columns) {
    types[column.physical] = column.type;
    if (definition->format != nullptr && column.physical < definition->format->size()) {
      missing[column.physical] = definition->format->missing(column.physical);
    }
  }
  definition->format = std::make_shared<const RowFormat>(std::move(types), std::move(missing));
}

// One primary key at most, and none over columns that say NULL.
void check_primary_keys(const std::string& table_name, const TableSpec& spec) {
  size_t count = 0;
  for (const KeySpec& key : spec.keys) {
    count += key.primary ? 1U : 0U;
    for (const KeySpec::Part& part : key.columns) {
      for (const ColumnSpec& column : spec.columns) {
        if (key.primary && equal_names(column.name, part.column) &&
            column.nullable.value_or(false)) {
          throw caused_by(
              SqlError(8111, 16, 1,
                       "Cannot define PRIMARY KEY constraint on nullable column in "
                       "table '" +
                           table_name + "'."),
              SqlError(1750, 16, 0, "Could not create constraint or index. See previous errors."));
        }
      }
    }
  }
  if (count > 1) {
    throw SqlError(8110, 16, 0,
                   "Cannot add multiple PRIMARY KEY constraints to table '" + table_name + "'.");
  }
}

std::shared_ptr<TableDefinition> make_definition(SqlSession* session, Database* database,
                                                 const std::string& table_name,
                                                 const TableSpec& spec) {
  auto definition = std::make_shared<TableDefinition>();
  add_columns(session, database, table_name, spec, definition.get());
  check_primary_keys(table_name, spec);
  for (const KeySpec& key : spec.keys) {
    add_key(database, table_name, key, definition.get());
  }
  add_constraints(session, database, 0, table_name, spec, definition.get());
  settle_definition(definition.get());
  return definition;
}

TablePtr make_table_variable(SqlSession* session, const std::string& name, const TableSpec& spec) {
  Database* database = &session->current_database();
  auto table = std::make_shared<Table>(database->new_object_id(), "dbo", name,
                                       make_definition(session, database, name, spec));
  table->is_temporary = true;
  return table;
}

// The alias instead of what it stands for, where the database has it.
void keep_alias(const Database& database, int32_t user_type_id, TypeSpec* spec) {
  if (user_type_id == kSysnameTypeId) {
    *spec = TypeSpec{{}, "sysname", {}, {}, false};
  } else if (const auto alias = database.user_types().find(user_type_id)) {
    *spec = TypeSpec{alias->schema, alias->name, {}, {}, alias->type.utf8};
  }
}

TablePtr create_table_like(SqlSession* session, const Name& name,
                           const std::vector<ResultColumn>& columns) {
  TableSpec spec;
  for (const ResultColumn& column : columns) {
    if (column.name.empty()) {
      throw SqlError(1038, 15, 5,
                     "An object or column name is missing or empty. For SELECT INTO "
                     "statements, verify each column has a name.");
    }
    ColumnSpec column_spec;
    column_spec.name = column.name;
    column_spec.nullable = column.type.nullable;
    column_spec.type.name = type_name(column.type.id);
    const std::string declaration = type_declaration(column.type);
    if (declaration.find('(') != std::string::npos) {
      const bool is_decimal = family_of(column.type.id) == Family::kDecimal;
      column_spec.type.first = is_decimal                               ? column.type.precision
                               : is_temporal(family_of(column.type.id)) ? column.type.scale
                                                                        : column.type.length;
      if (is_decimal) {
        column_spec.type.second = column.type.scale;
      }
    }
    if (column.user_type_id != 0 && !is_temporary_name(name.last())) {
      keep_alias(session->database_of(name), column.user_type_id, &column_spec.type);
    }
    spec.columns.push_back(std::move(column_spec));
  }
  return create_table(session, name, spec);
}

void drop_table(SqlSession* session, const TablePtr& table, const std::string& name,
                std::string_view text) {
  Database& database = *table->database;
  for (const TablePtr& other : database.tables()) {
    for (const ForeignKey& key : other->definition()->foreign_keys) {
      if (key.referenced_table == table->object_id() && other != table) {
        throw SqlError(3726, 16, 1,
                       "Could not drop object '" + name +
                           "' because it is referenced by a FOREIGN KEY constraint.");
      }
    }
  }
  session->lock_table(table, TableLock::kExclusive);
  if (session->engine().definition_listener()) {
    session->engine().definition_listener()(
        {*session, table, std::string(text), true, false, {}, nullptr, false, false});
  }
  database.remove_table(*table);
  session->engine().table_changed(table, true);
  session->statement_transaction().on_rollback(&database,
                                               [&database, table] { database.add_table(table); });
}

void execute_definition(SqlSession* session, const Statement& statement, std::string_view text) {
  as_statement(session, [&] {
    switch (statement.kind) {
      case StatementKind::kCreateTable:
        create_table(session, statement.name, *statement.table);
        return;
      case StatementKind::kDropTable:
        return drop_tables(session, statement, text);
      case StatementKind::kCreateSchema:
        return create_schema(session, statement);
      case StatementKind::kDropSchema:
        return drop_schema(session, statement);
      case StatementKind::kCreateType:
        return create_type(session, statement);
      case StatementKind::kDropType:
        return drop_type(session, statement);
      case StatementKind::kCreateDatabase:
        if (!session->is_sysadmin()) {
          throw database_permission_denied("CREATE DATABASE", "master");
        }
        session->engine().create_database(statement.name.last());
        return;
      default:
        return alter_table(session, statement, text);
    }
  });
}

}  // namespace dstream::standin::sql
