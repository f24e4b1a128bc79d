#include "tests/standins/sqlserver/sql/bulk_load.h"

#include <algorithm>

#include "tests/standins/sqlserver/sql/change.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/interpreter.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {

BulkTarget bulk_target(SqlSession* session, const Statement& statement) {
  BulkTarget target;
  target.table = session->table(statement.name);
  session->check_permission(Permission::kInsert, *target.table);
  const DefinitionPtr definition = target.table->definition();
  for (const std::string& name : statement.names) {
    const auto& columns = definition->columns;
    const auto found = std::find_if(columns.begin(), columns.end(), [&](const Column& column) {
      return fold_name(column.name) == fold_name(name);
    });
    if (found == columns.end()) {
      throw invalid_column(name);
    }
    target.columns.push_back(static_cast<size_t>(found - columns.begin()));
  }
  if (statement.names.empty()) {
    for (size_t i = 0; i < definition->columns.size(); ++i) {
      target.columns.push_back(i);
    }
  }
  const auto& options = statement.option_names;
  target.keep_nulls = std::find(options.begin(), options.end(), "KEEP_NULLS") != options.end();
  return target;
}

int64_t load_rows(SqlSession* session, const BulkTarget& target, BulkRows& rows) {
  if (rows.columns().size() != target.columns.size()) {
    const size_t first_wrong = std::min(rows.columns().size(), target.columns.size()) + 1;
    throw SqlError(
        4816, 16, 1,
        "Invalid column type from bcp client for colid " + std::to_string(first_wrong) + ".");
  }
  int64_t count = 0;
  as_statement(session, [&] {
    TableWriter writer(session, target.table, "INSERT");
    std::vector<SqlType> types;
    std::vector<bool> has_default;
    for (size_t i = 0; i < target.columns.size(); ++i) {
      types.push_back(rows.columns()[i].type);
      const Column& column = writer.definition().columns[target.columns[i]];
      has_default.push_back(!target.keep_nulls &&
                            (column.default_value != nullptr || column.identity));
    }
    std::vector<SqlValue> values;
    std::vector<bool> use_default(values.size());
    while (rows.next(&values)) {
      use_default.assign(values.size(), false);
      for (size_t i = 0; i < values.size(); ++i) {
        use_default[i] = values[i].null && has_default[i];
      }
      writer.insert(target.columns, types, values, use_default);
      ++count;
    }
    if (rows.is_damaged()) {
      throw SqlError(4804, 21, 1,
                     "While reading current row from host, a premature end-of-message was "
                     "encountered--an incoming data stream was interrupted when the server "
                     "expected to see more data. The host program may have terminated. Ensure "
                     "that you are using a supported client application programming interface "
                     "(API).");
    }
  });
  return count;
}

}  // namespace dstream::standin::sql
