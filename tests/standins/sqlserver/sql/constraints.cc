// Foreign keys.
#include "tests/standins/sqlserver/sql/change.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/references.h"

namespace dstream::standin::sql {

bool has_row(SqlSession* session, const TablePtr& table, const std::vector<size_t>& columns,
             const std::vector<SqlValue>& values) {
  const TableRelation relation(table);
  const TableDefinition& definition = *relation.definition();
  ScanRequest request;
  std::vector<int> needed(definition.columns.size());
  for (size_t i = 0; i < needed.size(); ++i) {
    needed[i] = static_cast<int>(i);
  }
  request.needed = needed;
  request.view = session->read_view();
  request.view.sequence = kUncommitted - 1;
  // By an index that starts with the first column, if there is one.
  for (size_t i = 0; i < relation.orderings().size(); ++i) {
    const std::vector<Ordering::Part>& parts = relation.orderings()[i].parts;
    if (!parts.empty() && parts[0].column == columns[0]) {
      request.ordering = i;
      append_key(definition.columns[columns[0]].type, values[0], parts[0].descending,
                 &request.range.begin);
      request.range.end = after_prefix(request.range.begin);
      break;
    }
  }
  const std::unique_ptr<Cursor> cursor = relation.open(request);
  std::vector<SqlValue> row(needed.size());
  while (cursor->next(row.data())) {
    bool same = true;
    for (size_t i = 0; i < columns.size() && same; ++i) {
      const SqlValue& value = row[columns[i]];
      same =
          !value.null && compare_values(definition.columns[columns[i]].type, value, values[i]) == 0;
    }
    if (same) {
      return true;
    }
  }
  return false;
}

std::vector<size_t> referenced_columns(const ForeignKey& key, const TableDefinition& parent) {
  std::vector<size_t> columns;
  for (const std::string& name : key.referenced_columns) {
    const auto column = parent.find_column(name);
    if (!column) {
      throw invalid_column(name);
    }
    columns.push_back(*column);
  }
  if (columns.empty() && parent.primary_key() != nullptr) {
    for (const Index::Part& part : parent.primary_key()->parts) {
      columns.push_back(part.column);
    }
  }
  return columns;
}

SqlError foreign_key_conflict(const std::string& verb, const std::string& kind,
                              const ForeignKey& key, const std::string& database,
                              const Table& table, const std::string& column) {
  return {547, 16, 0,
          "The " + verb + " statement conflicted with the " + kind + " constraint \"" + key.name +
              "\". The conflict occurred in database \"" + database + "\", table \"" +
              table.full_name() + "\", column '" + column + "'."};
}

void TableWriter::check_parents(const std::vector<SqlValue>& values) const {
  for (const ForeignKey& key : definition_->foreign_keys) {
    const TablePtr parent = table_->database->find_table(key.referenced_table);
    if (parent == nullptr) {
      continue;
    }
    const DefinitionPtr parent_definition = parent->definition();
    const std::vector<size_t> columns = referenced_columns(key, *parent_definition);
    std::vector<SqlValue> wanted;
    bool has_null = false;
    for (size_t i = 0; i < key.columns.size() && i < columns.size(); ++i) {
      const SqlValue& value = values[key.columns[i]];
      has_null = has_null || value.null;
      wanted.push_back(convert_value(value, definition_->columns[key.columns[i]].type,
                                     parent_definition->columns[columns[i]].type));
    }
    if (!has_null && !wanted.empty() && !has_row(session_, parent, columns, wanted)) {
      throw foreign_key_conflict(verb_, "FOREIGN KEY", key, table_->database->name(), *parent,
                                 parent_definition->columns[columns[0]].name);
    }
  }
}

}  // namespace dstream::standin::sql
