#include "tests/standins/sqlserver/sql/references.h"

#include <set>

#include "tests/standins/sqlserver/sql/change.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/target_scan.h"

namespace dstream::standin::sql {
namespace {

ReferentialAction action_for(const ForeignKey& key, const GoneRow& row) {
  return row.new_values.empty() ? key.on_delete : key.on_update;
}

// The key by which children held the row, in the children's types. Empty if none can have held it,
// or if it still is the row's key.
std::vector<SqlValue> lost_key(const Reference& reference, const TableDefinition& parent,
                               const GoneRow& row) {
  std::vector<SqlValue> key;
  bool changed = row.new_values.empty();
  for (size_t i = 0; i < reference.columns.size() && i < reference.key->columns.size(); ++i) {
    const size_t place = reference.columns[i];
    const Column& column = parent.columns[place];
    const SqlValue& value = row.old_values[place];
    if (value.null) {
      return {};
    }
    changed = changed || row.new_values[place].null ||
              compare_values(column.type, value, row.new_values[place]) != 0;
    key.push_back(convert_value(value, column.type,
                                reference.definition->columns[reference.key->columns[i]].type));
  }
  return changed ? key : std::vector<SqlValue>{};
}

ExpressionPtr equals(const Column& column, const SqlValue& value) {
  auto name = std::make_shared<Expression>();
  name->kind = ExpressionKind::kColumn;
  name->name.parts = {column.name};
  auto literal = std::make_shared<Expression>();
  literal->kind = ExpressionKind::kLiteral;
  literal->type = column.type;
  literal->value = value;
  auto equal = std::make_shared<Expression>();
  equal->kind = ExpressionKind::kCompare;
  equal->text = "=";
  equal->operands = {name, literal};
  return equal;
}

// The child's rows with that key, locked.
std::vector<TargetScan::Row> find_children(SqlSession* session, const Reference& reference,
                                           const std::vector<SqlValue>& key) {
  Statement statement;
  statement.kind = StatementKind::kDelete;
  statement.name.parts = {reference.child->database->name(), reference.child->schema(),
                          reference.child->name()};
  for (size_t i = 0; i < key.size(); ++i) {
    const ExpressionPtr next =
        equals(reference.definition->columns[reference.key->columns[i]], key[i]);
    if (statement.where == nullptr) {
      statement.where = next;
      continue;
    }
    auto both = std::make_shared<Expression>();
    both->kind = ExpressionKind::kAnd;
    both->operands = {statement.where, next};
    statement.where = both;
  }
  std::vector<TargetScan::Row> rows;
  TargetScan(session, statement)
      .run([&](const TargetScan::Row& row, const EvaluationContext&) { rows.push_back(row); },
           [&] { rows.clear(); });
  return rows;
}

struct Edge {
  int32_t parent = 0, child = 0;
  ReferentialAction on_delete = ReferentialAction::kNoAction;
  ReferentialAction on_update = ReferentialAction::kNoAction;
};

// False if a change of `parent` comes to a table of `reached` once more.
bool is_tree(const std::vector<Edge>& edges, int32_t parent, bool is_delete,
             std::set<int32_t>* reached) {
  for (const Edge& edge : edges) {
    const ReferentialAction action = is_delete ? edge.on_delete : edge.on_update;
    if (edge.parent != parent || action == ReferentialAction::kNoAction) {
      continue;
    }
    // A child that is not deleted is updated.
    const bool deletes = is_delete && action == ReferentialAction::kCascade;
    if (!reached->insert(edge.child).second || !is_tree(edges, edge.child, deletes, reached)) {
      return false;
    }
  }
  return true;
}

void check_tree(const Database& database, int32_t table_id, const std::string& table_name,
                const TableDefinition& definition) {
  std::vector<Edge> edges;
  const auto add = [&](int32_t child, const TableDefinition& of_child) {
    for (const ForeignKey& key : of_child.foreign_keys) {
      edges.push_back({key.referenced_table, child, key.on_delete, key.on_update});
    }
  };
  for (const TablePtr& table : database.tables()) {
    if (table->object_id() != table_id) {
      add(table->object_id(), *table->definition());
    }
  }
  add(table_id, definition);
  for (const Edge& edge : edges) {
    std::set<int32_t> updated = {edge.parent}, deleted = {edge.parent};
    if (!is_tree(edges, edge.parent, false, &updated) ||
        !is_tree(edges, edge.parent, true, &deleted)) {
      throw SqlError(1785, 16, 0,
                     "Introducing FOREIGN KEY constraint '" + definition.foreign_keys.back().name +
                         "' on table '" + table_name +
                         "' may cause cycles or multiple cascade paths. Specify ON DELETE NO "
                         "ACTION or ON UPDATE NO ACTION, or modify other FOREIGN KEY "
                         "constraints.");
    }
  }
}

void check_columns(const TableDefinition& definition) {
  const ForeignKey& key = definition.foreign_keys.back();
  const auto has = [&](ReferentialAction action) {
    return key.on_delete == action || key.on_update == action;
  };
  for (const size_t place : key.columns) {
    const Column& column = definition.columns[place];
    if (has(ReferentialAction::kSetNull) && !column.type.nullable) {
      throw SqlError(1761, 16, 0,
                     "Cannot create the foreign key \"" + key.name +
                         "\" with the SET NULL referential action, because one or more referencing "
                         "columns are not nullable.");
    }
    if (has(ReferentialAction::kSetDefault) && !column.type.nullable &&
        column.default_value == nullptr) {
      throw SqlError(1762, 16, 0,
                     "Cannot create the foreign key \"" + key.name +
                         "\" with the SET DEFAULT referential action, because one or more "
                         "referencing not-nullable columns lack a default constraint.");
    }
    if (column.computed != nullptr && (key.on_delete != ReferentialAction::kNoAction ||
                                       key.on_update != ReferentialAction::kNoAction)) {
      throw not_understood("a referential action on a computed column");
    }
  }
}

}  // namespace

std::string action_name(ReferentialAction action, char between) {
  switch (action) {
    case ReferentialAction::kCascade:
      return "CASCADE";
    case ReferentialAction::kSetNull:
      return std::string("SET") + between + "NULL";
    case ReferentialAction::kSetDefault:
      return std::string("SET") + between + "DEFAULT";
    case ReferentialAction::kNoAction:
      break;
  }
  return std::string("NO") + between + "ACTION";
}

void check_actions(const Database& database, int32_t table_id, const std::string& table_name,
                   const TableDefinition& definition) {
  try {
    check_columns(definition);
    check_tree(database, table_id, table_name, definition);
  } catch (const SqlError& error) {
    if (error.message.number == kNotUnderstood) {
      throw;
    }
    throw caused_by(
        error, SqlError(1750, 16, 0, "Could not create constraint or index. See previous errors."));
  }
}

void TableWriter::keep_gone(const std::vector<SqlValue>& old_values,
                            const std::vector<SqlValue>* new_values) {
  if (!references_) {
    references_.emplace();
    for (const TablePtr& child :
         table_->database == nullptr ? std::vector<TablePtr>{} : table_->database->tables()) {
      const DefinitionPtr definition = child->definition();
      for (const ForeignKey& key : definition->foreign_keys) {
        if (key.referenced_table == table_->object_id()) {
          references_->push_back({child, definition, &key, referenced_columns(key, *definition_)});
        }
      }
    }
  }
  if (!references_->empty()) {
    gone_.push_back({old_values, new_values == nullptr ? std::vector<SqlValue>{} : *new_values});
  }
}

void TableWriter::finish() {
  const std::vector<GoneRow> gone = std::exchange(gone_, {});
  if (gone.empty()) {
    return;
  }
  for (const Reference& reference : *references_) {
    cascade(reference, gone);
  }
  // Behind all changes: what one key forbids another may have taken away.
  for (const Reference& reference : *references_) {
    check_children(reference, gone);
  }
}

// Rows are found before any is changed, so that `SET id = id + 1` moves each child once.
void TableWriter::cascade(const Reference& reference, const std::vector<GoneRow>& gone) {
  struct Found {
    const GoneRow* parent;
    TargetScan::Row row;
  };
  std::vector<Found> found;
  for (const GoneRow& row : gone) {
    const std::vector<SqlValue> key = lost_key(reference, *definition_, row);
    if (action_for(*reference.key, row) == ReferentialAction::kNoAction || key.empty()) {
      continue;
    }
    for (TargetScan::Row& child : find_children(session_, reference, key)) {
      found.push_back({&row, std::move(child)});
    }
  }
  if (found.empty()) {
    return;
  }
  TableWriter writer(session_, reference.child, verb_);
  std::vector<Update> updates;
  for (const auto& [parent, row] : found) {
    const ReferentialAction action = action_for(*reference.key, *parent);
    std::vector<SqlValue> values = writer.decode(row.data);
    if (parent->new_values.empty() && action == ReferentialAction::kCascade) {
      writer.remove(row.key, row.data, values);
      continue;
    }
    Update update;
    update.key = row.key;
    update.before = row.data;
    update.new_values = values;
    update.old_values = std::move(values);
    for (size_t i = 0; i < reference.key->columns.size(); ++i) {
      const size_t place = reference.key->columns[i];
      SqlValue& value = update.new_values[place];
      if (action == ReferentialAction::kCascade) {
        const size_t from = reference.columns[i];
        value = writer.stored(place, definition_->columns[from].type, parent->new_values[from]);
      } else {
        value = action == ReferentialAction::kSetDefault ? writer.default_value(place) : SqlValue{};
      }
    }
    updates.push_back(std::move(update));
  }
  writer.update(&updates);
  writer.finish();
}

void TableWriter::check_children(const Reference& reference,
                                 const std::vector<GoneRow>& gone) const {
  for (const GoneRow& row : gone) {
    const std::vector<SqlValue> key = lost_key(reference, *definition_, row);
    if (action_for(*reference.key, row) != ReferentialAction::kNoAction || key.empty()) {
      continue;
    }
    std::vector<SqlValue> own;
    for (const size_t place : reference.columns) {
      own.push_back(row.old_values[place]);
    }
    // The statement may have given the key to another row.
    if (has_row(session_, reference.child, reference.key->columns, key) &&
        !has_row(session_, table_, reference.columns, own)) {
      throw foreign_key_conflict(verb_,
                                 reference.child == table_ ? "SAME TABLE REFERENCE" : "REFERENCE",
                                 *reference.key, table_->database->name(), *reference.child,
                                 reference.definition->columns[reference.key->columns[0]].name);
    }
  }
}

}  // namespace dstream::standin::sql
