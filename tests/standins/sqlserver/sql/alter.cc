#include "tests/standins/sqlserver/sql/alter.h"

#include <algorithm>
#include <unordered_map>

#include "tests/standins/sqlserver/sql/binder.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/definition.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/expression_columns.h"
#include "tests/standins/sqlserver/sql/plan.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

struct Change {
  bool column_type_changed = false;
  std::vector<std::string> dropped_columns;
};

// Puts the new definition in place, now and back again on rollback.
void replace_definition(SqlSession* session, const TablePtr& table,
                        std::shared_ptr<TableDefinition> definition) {
  const DefinitionPtr before = table->definition();
  table->set_definition(std::move(definition));
  table->modify_ticks = session->engine().local_ticks();
  session->engine().table_changed(table, false);
  session->statement_transaction().on_rollback(table->database,
                                               [table, before, engine = &session->engine()] {
                                                 table->set_definition(before);
                                                 engine->table_changed(table, false);
                                               });
}

SqlValue constant_value(SqlSession* session, const ExpressionPtr& expression, const SqlType& type) {
  Scope none;
  const BoundValue bound = Binder(session, &none).value(expression);
  const SqlValue value = bound.evaluate({session, nullptr, nullptr, nullptr});
  return bound.is_null ? SqlValue{} : convert_value(value, bound.type, type);
}

void add_table_columns(SqlSession* session, const TablePtr& table, const Statement& statement,
                       TableDefinition* definition) {
  const size_t before = definition->columns.size();
  add_columns(session, table->database, table->name(), *statement.table, definition);
  std::vector<SqlType> types(static_cast<size_t>(definition->last_column_id), varbinary_type(1));
  std::vector<SqlValue> missing(types.size());
  // A dropped column's place keeps its type: old rows still hold its bytes.
  for (size_t i = 0; i < definition->format->size(); ++i) {
    types[i] = definition->format->type(i);
  }
  for (size_t i = 0; i < definition->columns.size(); ++i) {
    const Column& column = definition->columns[i];
    types[column.physical] = column.type;
    if (i < before) {
      missing[column.physical] = definition->format->missing(column.physical);
      continue;
    }
    if (column.identity || column.is_row_version()) {
      throw not_understood("ALTER TABLE ADD of an IDENTITY or rowversion column");
    }
    // Rows there are get the default if the column cannot be NULL.
    if (!column.type.nullable && column.computed == nullptr) {
      if (column.default_value != nullptr) {
        missing[column.physical] = constant_value(session, column.default_value, column.type);
      } else if (table->store()->row_count() > 0) {
        throw SqlError(4901, 16, 1,
                       "ALTER TABLE only allows columns to be added that can contain "
                       "nulls, or have a DEFAULT definition specified, or the column "
                       "being added is an identity or timestamp column, or "
                       "alternatively if none of the previous conditions are satisfied "
                       "the table must be empty to allow addition of this column. "
                       "Column '" +
                           column.name +
                           "' cannot be added to non-empty "
                           "table '" +
                           table->name() +
                           "' because it does not satisfy "
                           "these conditions.");
      }
    }
  }
  definition->format = std::make_shared<const RowFormat>(std::move(types), std::move(missing));
}

// The name of a default, index or key that needs the column, "" if none does.
std::string user_of(const TableDefinition& definition, size_t column) {
  if (!definition.columns[column].default_text.empty()) {
    return definition.columns[column].default_name;
  }
  for (const Index& index : definition.indexes) {
    for (const Index::Part& part : index.parts) {
      if (part.column == column) {
        return index.name;
      }
    }
  }
  for (const ForeignKey& key : definition.foreign_keys) {
    if (std::find(key.columns.begin(), key.columns.end(), column) != key.columns.end()) {
      return key.name;
    }
  }
  for (const Check& check : definition.checks) {
    if (mentions(*check.condition, definition.columns[column].name)) {
      return check.name;
    }
  }
  for (const Column& other : definition.columns) {
    if (other.computed != nullptr && mentions(*other.computed, definition.columns[column].name)) {
      return other.name;
    }
  }
  return {};
}

void drop_columns(const TablePtr& table, const Statement& statement, TableDefinition* definition,
                  Change* change) {
  for (const std::string& name : statement.names) {
    const auto column = definition->find_column(name);
    if (!column) {
      if (statement.if_exists) {
        continue;
      }
      throw SqlError(4924, 16, 1,
                     "ALTER TABLE DROP COLUMN failed because column '" + name +
                         "' does not exist in table '" + table->name() + "'.");
    }
    if (!user_of(*definition, *column).empty()) {
      const std::string used_by = user_of(*definition, *column);
      throw caused_by(
          SqlError(5074, 16, 1,
                   "The object '" + used_by + "' is dependent on column '" + name + "'."),
          SqlError(4922, 16, 9,
                   "ALTER TABLE DROP COLUMN " + name +
                       " failed because one or more objects access this column."));
    }
    change->dropped_columns.push_back(definition->columns[*column].name);
    definition->columns.erase(definition->columns.begin() + static_cast<std::ptrdiff_t>(*column));
    for (Index& index : definition->indexes) {
      for (Index::Part& part : index.parts) {
        part.column -= part.column > *column ? 1 : 0;
      }
    }
    for (ForeignKey& key : definition->foreign_keys) {
      for (size_t& place : key.columns) {
        place -= place > *column ? 1 : 0;
      }
    }
  }
}

// The row before its column was altered. One that is not known is read by older snapshots only.
RowBytes row_before(const std::unordered_map<RowBytes, RowBytes>& known, const RowBytes& row,
                    const std::function<RowBytes(bool has_value)>& convert) {
  const auto it = known.find(row);
  if (it != known.end()) {
    return it->second;
  }
  try {
    return convert(true);
  } catch (const SqlError&) {
    return convert(false);
  }
}

// Rows are rewritten in place, so what an older snapshot reads has the new type as well.
void alter_column(SqlSession* session, const TablePtr& table, const Statement& statement,
                  TableDefinition* definition, Change* change) {
  const auto place = definition->find_column(statement.column.name);
  if (!place) {
    throw SqlError(4924, 16, 1,
                   "ALTER TABLE ALTER COLUMN failed because column '" + statement.column.name +
                       "' does not exist in table '" + table->name() + "'.");
  }
  Column& column = definition->columns[*place];
  const std::string used_by = user_of(*definition, *place);
  // A default stands in the way of another type, not of another length.
  const DeclaredType declared = declared_type(*table->database, statement.column.type);
  const bool same_type = declared.type.id == column.type.id;
  if (!used_by.empty() && !(same_type && used_by == column.default_name)) {
    throw caused_by(
        SqlError(5074, 16, 1,
                 "The object '" + used_by + "' is dependent on column '" + column.name + "'."),
        SqlError(4922, 16, 9,
                 "ALTER TABLE ALTER COLUMN " + column.name +
                     " failed because one or more objects access this column."));
  }
  const SqlType from = column.type;
  column.type = declared.type;
  column.user_type_id = declared.user_type_id;
  const bool is_alias = declared.user_type_id != 0;
  column.type.nullable = statement.column.nullable.value_or(!is_alias || declared.type.nullable);
  change->column_type_changed = !same_representation(from, column.type);
  const std::shared_ptr<const RowFormat> old_format = definition->format;
  settle_definition(definition);
  const std::shared_ptr<const RowFormat> new_format = definition->format;
  const SqlType to = column.type;
  const size_t physical = column.physical;
  const std::string name = column.name;
  // The way back by values is not always there: 1.5 as int is 1.
  const auto rewritten = std::make_shared<std::unordered_map<RowBytes, RowBytes>>();
  table->store()->rewrite([&](const RowBytes& row) {
    std::vector<SqlValue> values;
    old_format->decode_all(*row, &values);
    if (values[physical].null && !to.nullable) {
      throw SqlError(515, 16, 2,
                     "Cannot insert the value NULL into column '" + name + "', table '" +
                         table->full_name() + "'; column does not allow nulls. UPDATE fails.");
    }
    bool too_long = false;
    values[physical] = assign_value(values[physical], from, to, &too_long);
    if (too_long) {
      throw SqlError(2628, 16, 1,
                     "String or binary data would be truncated in table '" + table->full_name() +
                         "', column '" + name + "'. Truncated value: '" + values[physical].text +
                         "'.");
    }
    RowBytes altered = new_format->encode(values);
    rewritten->emplace(altered, row);
    return altered;
  });
  session->statement_transaction().on_rollback(table->database, [=] {
    table->store()->rewrite([&](const RowBytes& row) {
      return row_before(*rewritten, row, [&](bool has_value) {
        std::vector<SqlValue> values;
        new_format->decode_all(*row, &values);
        values[physical] = has_value ? convert_value(values[physical], to, from) : SqlValue{};
        return old_format->encode(values);
      });
    });
  });
}

void add_store_index(const TablePtr& table, const TableDefinition& definition, const Index& index) {
  const auto key_of = [&](const std::string& row) {
    std::vector<SqlValue> physical, values;
    definition.format->decode_all(row, &physical);
    for (const Column& column : definition.columns) {
      values.push_back(physical[column.physical]);
    }
    return definition.key(index, values);
  };
  if (!table->store()->add_index(index.store_index, index.unique, key_of)) {
    throw SqlError(1505, 16, 1,
                   "The CREATE UNIQUE INDEX statement terminated because a duplicate "
                   "key was found for the object name '" +
                       table->full_name() + "' and the index name '" + index.name + "'.");
  }
}

// A clustered index added later orders nothing here: the rows keep the place they have.
void add_index(SqlSession* session, const TablePtr& table, KeySpec spec,
               TableDefinition* definition) {
  spec.clustered = false;
  add_key(table->database, table->name(), spec, definition);
  Index& index = definition->indexes.back();
  for (const Index::Part& part : index.parts) {
    if (index.primary && table->definition()->columns[part.column].type.nullable) {
      throw SqlError(8111, 16, 1,
                     "Cannot define PRIMARY KEY constraint on nullable column in table "
                     "'" +
                         table->name() + "'.");
    }
  }
  index.store_index = store_uniqueness(*table->definition()).size();
  for (const Index& other : definition->indexes) {
    if (&other != &index) {
      index.store_index = std::max(index.store_index, other.store_index + 1);
    }
  }
  add_store_index(table, *definition, index);
  const size_t place = index.store_index;
  session->statement_transaction().on_rollback(
      table->database, [table, place] { table->store()->drop_index(place); });
}

void drop_index(SqlSession* session, const TablePtr& table, size_t position,
                TableDefinition* definition) {
  const Index index = definition->indexes[position];
  if (index.store_index == 0) {
    throw not_understood("dropping a clustered index");
  }
  if (index.primary && table->is_tracked) {
    throw SqlError(22979, 16, 1,
                   "The unique index '" + index.name + "' on table '" + table->full_name() +
                       "' is used by Change Data Capture. The constraint using this index cannot "
                       "be dropped or disabled.");
  }
  const auto before = std::make_shared<const TableDefinition>(*definition);
  definition->indexes.erase(definition->indexes.begin() + static_cast<std::ptrdiff_t>(position));
  for (Index& other : definition->indexes) {
    other.store_index -= other.store_index > index.store_index ? 1 : 0;
  }
  table->store()->drop_index(index.store_index);
  session->statement_transaction().on_rollback(
      table->database, [table, before, index] { add_store_index(table, *before, index); });
}

void drop_constraints(SqlSession* session, const TablePtr& table, const Statement& statement,
                      TableDefinition* definition) {
  for (const std::string& name : statement.names) {
    const auto named = [&](const auto& object) { return equal_names(object.name, name); };
    const auto index = std::find_if(definition->indexes.begin(), definition->indexes.end(), named);
    if (index != definition->indexes.end()) {
      drop_index(session, table, static_cast<size_t>(index - definition->indexes.begin()),
                 definition);
      continue;
    }
    const size_t keys = std::erase_if(definition->foreign_keys, named);
    const size_t checks = std::erase_if(definition->checks, named);
    const auto column =
        std::find_if(definition->columns.begin(), definition->columns.end(),
                     [&](const Column& c) { return equal_names(c.default_name, name); });
    if (column != definition->columns.end()) {
      column->default_value = nullptr;
      column->default_text.clear();
      column->default_name.clear();
    } else if (keys + checks == 0 && !statement.if_exists) {
      throw caused_by(SqlError(3728, 16, 1, "'" + name + "' is not a constraint."),
                      SqlError(3727, 16, 0, "Could not drop constraint. See previous errors."));
    }
  }
}

void add_default(const TablePtr& table, const Statement& statement, TableDefinition* definition) {
  const auto column = definition->find_column(statement.column.name);
  if (!column) {
    throw SqlError(1752, 16, 0,
                   "Column '" + statement.column.name + "' in table '" + table->name() +
                       "' is invalid for creating a default "
                       "constraint.");
  }
  Column& target = definition->columns[*column];
  target.default_value = statement.column.default_value;
  target.default_text = statement.column.default_text;
  target.default_name = statement.column.default_name;
  target.default_id = table->database->new_object_id();
}

ExpressionPtr column_of(const Name& table, const std::string& column) {
  auto expression = std::make_shared<Expression>();
  expression->kind = ExpressionKind::kColumn;
  expression->name = Name{{table.last(), column}};
  return expression;
}

ExpressionPtr node_of(ExpressionKind kind, std::vector<ExpressionPtr> operands) {
  auto expression = std::make_shared<Expression>();
  expression->kind = kind;
  expression->operands = std::move(operands);
  return expression;
}

// SELECT 1 FROM table WHERE condition.
std::shared_ptr<Query> rows_where(const Name& table, ExpressionPtr condition) {
  auto one = std::make_shared<Expression>();
  one->type = int_type();
  one->value = SqlValue::of_number(1);
  auto from = std::make_shared<TableRef>();
  from->name = table;
  auto query = std::make_shared<Query>();
  query->core.emplace();
  query->core->items.push_back({one, "", ""});
  query->core->from.push_back(from);
  query->core->where = std::move(condition);
  return query;
}

// Rows whose key has no parent: NOT EXISTS (SELECT 1 FROM parent WHERE parent.k = child.k ...).
std::shared_ptr<Query> orphans(SqlSession* session, const Name& table, const ForeignKeySpec& key) {
  const TablePtr parent = session->find_table(key.referenced);
  std::vector<std::string> parent_columns = key.referenced_columns;
  if (parent_columns.empty() && parent->definition()->primary_key() != nullptr) {
    for (const Index::Part& part : parent->definition()->primary_key()->parts) {
      parent_columns.push_back(parent->definition()->columns[part.column].name);
    }
  }
  ExpressionPtr same, all;
  const auto with = [](const ExpressionPtr& left, ExpressionPtr right) {
    return left == nullptr ? right : node_of(ExpressionKind::kAnd, {left, right});
  };
  for (size_t i = 0; i < key.columns.size() && i < parent_columns.size(); ++i) {
    auto equal = std::make_shared<Expression>();
    equal->kind = ExpressionKind::kCompare;
    equal->text = "=";
    equal->operands = {column_of(Name{{"$parent"}}, parent_columns[i]),
                       column_of(table, key.columns[i])};
    same = with(same, equal);
    auto known = std::make_shared<Expression>();
    known->kind = ExpressionKind::kIsNull;
    known->negated = true;
    known->operands = {column_of(table, key.columns[i])};
    all = with(all, known);
  }
  const std::shared_ptr<Query> parents = rows_where(key.referenced, same);
  auto from = std::make_shared<TableRef>(*parents->core->from[0]);
  from->alias = "$parent";
  parents->core->from[0] = from;
  auto exists = std::make_shared<Expression>();
  exists->kind = ExpressionKind::kExists;
  exists->query = parents;
  return rows_where(table, with(all, node_of(ExpressionKind::kNot, {exists})));
}

// WITH CHECK: the rows there are have to keep a constraint that is added.
void check_rows(SqlSession* session, const Name& table, const TableSpec& spec,
                const TableDefinition& definition) {
  const auto check = [&](const std::shared_ptr<Query>& query, const char* kind,
                         const std::string& name) {
    const QueryPlan plan(session, *query, nullptr);
    std::vector<SqlValue> row;
    if (plan.open(nullptr)->next(&row)) {
      throw SqlError(547, 16, 0,
                     std::string("The ALTER TABLE statement conflicted with the ") + kind +
                         " constraint \"" + name + "\".");
    }
  };
  const size_t checks = definition.checks.size() - spec.checks.size();
  for (size_t i = 0; i < spec.checks.size(); ++i) {
    check(rows_where(table, node_of(ExpressionKind::kNot, {spec.checks[i].condition})), "CHECK",
          definition.checks[checks + i].name);
  }
  const size_t keys = definition.foreign_keys.size() - spec.foreign_keys.size();
  for (size_t i = 0; i < spec.foreign_keys.size(); ++i) {
    check(orphans(session, table, spec.foreign_keys[i]), "FOREIGN KEY",
          definition.foreign_keys[keys + i].name);
  }
}

void alter(SqlSession* session, const TablePtr& table, const Statement& statement,
           TableDefinition* definition, Change* change) {
  switch (statement.alter) {
    case AlterAction::kAddColumns:
    case AlterAction::kAddConstraint:
      if (statement.column.default_value != nullptr) {
        add_default(table, statement, definition);
      }
      if (!statement.table->columns.empty()) {
        add_table_columns(session, table, statement, definition);
      }
      for (const KeySpec& key : statement.table->keys) {
        add_index(session, table, key, definition);
      }
      add_constraints(session, table->database, table->object_id(), table->name(), *statement.table,
                      definition);
      if (statement.alter == AlterAction::kAddConstraint && !statement.without_check) {
        check_rows(session, statement.name, *statement.table, *definition);
      }
      return;
    case AlterAction::kDropColumns:
      return drop_columns(table, statement, definition, change);
    case AlterAction::kAlterColumn:
      return alter_column(session, table, statement, definition, change);
    case AlterAction::kDropConstraint:
      return drop_constraints(session, table, statement, definition);
    default:
      return;
  }
}

}  // namespace

void alter_table(SqlSession* session, const Statement& statement, std::string_view text) {
  const TablePtr table = session->find_table(statement.name);
  if (table == nullptr) {
    throw SqlError(4902, 16, 1,
                   "Cannot find the object \"" + statement.name.text() +
                       "\" because it does not exist or you do not have permissions.");
  }
  if (!session->may(Permission::kAlter, *table)) {
    if (statement.kind == StatementKind::kDropIndex) {
      throw SqlError(
          3701, 14, 6,
          cannot_drop("index", table->full_name() + "." + statement.index.name).message.text);
    }
    throw hidden_object(statement.name.text(),
                        statement.kind == StatementKind::kCreateIndex ? 12 : 13);
  }
  if (!table->is_temporary) {
    session->lock_table(table, TableLock::kExclusive);
  }
  auto definition = std::make_shared<TableDefinition>(*table->definition());
  Change change;
  if (statement.kind == StatementKind::kCreateIndex) {
    add_index(session, table, statement.index, definition.get());
  } else if (statement.kind == StatementKind::kDropIndex) {
    const auto index =
        std::find_if(definition->indexes.begin(), definition->indexes.end(),
                     [&](const Index& i) { return equal_names(i.name, statement.index.name); });
    if (index == definition->indexes.end()) {
      if (statement.if_exists) {
        return;
      }
      throw cannot_drop("index", table->full_name() + "." + statement.index.name);
    }
    drop_index(session, table, static_cast<size_t>(index - definition->indexes.begin()),
               definition.get());
  } else {
    alter(session, table, statement, definition.get(), &change);
  }
  if (!table->is_temporary && session->engine().definition_listener()) {
    session->engine().definition_listener()(
        {*session, table, std::string(text), false, change.column_type_changed,
         change.dropped_columns, definition, false, statement.kind != StatementKind::kAlterTable});
  }
  replace_definition(session, table, std::move(definition));
}

void rename_column(SqlSession* session, const TablePtr& table, std::string_view from,
                   const std::string& to, std::string_view text) {
  session->lock_table(table, TableLock::kExclusive);
  auto definition = std::make_shared<TableDefinition>(*table->definition());
  const auto column = definition->find_column(from);
  if (!column) {
    throw SqlError(15248, 11, 1,
                   "Either the parameter @objname is ambiguous or the claimed "
                   "@objtype (COLUMN) is wrong.");
  }
  if (definition->find_column(to)) {
    throw SqlError(15335, 11, 1,
                   "Error: The new name '" + to +
                       "' is already in use as a COLUMN "
                       "name and would cause a duplicate that is not permitted.");
  }
  if (session->engine().definition_listener()) {
    session->engine().definition_listener()({*session,
                                             table,
                                             std::string(text),
                                             false,
                                             false,
                                             {definition->columns[*column].name},
                                             definition,
                                             true,
                                             false});
  }
  definition->columns[*column].name = to;
  replace_definition(session, table, std::move(definition));
}

}  // namespace dstream::standin::sql
