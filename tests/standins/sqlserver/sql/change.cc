#include "tests/standins/sqlserver/sql/change.h"

#include <algorithm>

#include "tests/standins/sqlserver/sql/computed_relation.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/definition.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/from_plan.h"
#include "tests/standins/sqlserver/sql/interpreter.h"
#include "tests/standins/sqlserver/sql/merge.h"
#include "tests/standins/sqlserver/sql/output_clause.h"
#include "tests/standins/sqlserver/sql/procedures.h"
#include "tests/standins/sqlserver/sql/select_plan.h"
#include "tests/standins/sqlserver/sql/target_scan.h"

namespace dstream::standin::sql {
namespace {

struct InsertRows {
  std::vector<SqlType> types;
  std::vector<std::vector<SqlValue>> rows;
  // VALUES: each row has its own types, and may say DEFAULT.
  std::vector<std::vector<SqlType>> row_types;
  std::vector<std::vector<bool>> defaults;
};

// VALUES keeps DEFAULT and each row's own types, so it does not go through a plan.
void values_rows(SqlSession* session, const Query& query, InsertRows* result) {
  Scope none;
  Binder binder(session, &none);
  const EvaluationContext context{session, nullptr, nullptr, nullptr};
  std::vector<SqlType> types;
  for (const auto& row : query.values) {
    std::vector<SqlValue> values;
    std::vector<bool> defaults;
    types.clear();
    for (const ExpressionPtr& expression : row) {
      const BoundValue bound = binder.value(expression);
      defaults.push_back(bound.is_default);
      types.push_back(bound.is_null || bound.is_default ? nvarchar_type(1) : bound.type);
      values.push_back(bound.is_default ? SqlValue{} : bound.evaluate(context));
    }
    result->rows.push_back(std::move(values));
    result->defaults.push_back(std::move(defaults));
    result->row_types.push_back(types);
  }
}

void collect_rows(SqlSession* session, const Statement& statement, InsertRows* result) {
  if (statement.default_values) {
    result->rows.emplace_back();
    return;
  }
  if (statement.execute != nullptr) {
    CapturingWriter capture(session->out);
    ResponseWriter* const client = session->out;
    session->out = &capture;
    try {
      run_execute(session, *statement.execute);
    } catch (...) {
      session->out = client;
      throw;
    }
    session->out = client;
    for (const ResultColumn& column : capture.result_columns()) {
      result->types.push_back(column.type);
    }
    result->rows = std::move(capture.rows());
    return;
  }
  const Query& query = *statement.query;
  session->recursion_max = query.recursion_max.value_or(100);
  if (!query.values.empty() && query.order_by.empty()) {
    return values_rows(session, query, result);
  }
  const QueryPlan plan(session, query, nullptr);
  for (const ResultColumn& column : plan.columns()) {
    result->types.push_back(column.type);
  }
  // All rows are read before the first is written: the table may feed itself.
  const auto stream = plan.open(nullptr);
  std::vector<SqlValue> row;
  while (stream->next(&row)) {
    result->rows.push_back(row);
  }
}

// INSERT TOP (n): any n of the rows.
void cut_to_top(SqlSession* session, const Statement& statement, InsertRows* source) {
  if (statement.top == nullptr) {
    return;
  }
  if (statement.top_percent) {
    throw not_understood("INSERT TOP (n) PERCENT");
  }
  Scope none;
  const BoundValue top = Binder(session, &none).value(statement.top);
  const EvaluationContext context{session, nullptr, nullptr, nullptr};
  const SqlValue limit = convert_value(top.evaluate(context), top.type, bigint_type());
  const auto rows = static_cast<size_t>(std::max<int64_t>(limit.null ? 0 : limit.number, 0));
  source->rows.resize(std::min(rows, source->rows.size()));
}

int64_t insert(SqlSession* session, const Statement& statement) {
  TableWriter writer(session, target_table(session, statement.name), "INSERT");
  session->check_permission(Permission::kInsert, *writer.table());
  OutputCollector output(session, statement, writer.table(), "INSERT");
  std::vector<size_t> columns = insert_columns(session, statement.names, writer);
  InsertRows source;
  collect_rows(session, statement, &source);
  if (statement.default_values) {
    columns.clear();
  }
  cut_to_top(session, statement, &source);
  const std::vector<bool> none(columns.size(), false);
  for (size_t i = 0; i < source.rows.size(); ++i) {
    const std::vector<SqlValue>& row = source.rows[i];
    if (row.size() != columns.size()) {
      if (!statement.names.empty() && source.row_types.empty()) {
        const bool more = row.size() > columns.size();
        throw SqlError(more ? 121 : 120, 15, 1,
                       std::string("The select list for the INSERT statement contains ") +
                           (more ? "more" : "fewer") +
                           " items than the insert list. The number of SELECT values must match "
                           "the number of INSERT columns.");
      }
      if (statement.names.empty()) {
        throw SqlError(213, 16, 1,
                       "Column name or number of supplied values does not match table "
                       "definition.");
      }
      const bool more = row.size() > columns.size();
      throw SqlError(more ? 110 : 109, 15, 1,
                     std::string("There are ") + (more ? "fewer" : "more") +
                         " columns in the INSERT statement than values specified in the VALUES "
                         "clause. The number of values in the VALUES clause must match the number "
                         "of columns specified in the INSERT statement.");
    }
    const std::vector<bool>& defaults = source.defaults.empty() ? none : source.defaults[i];
    check_row_versions(writer, columns, defaults);
    const std::vector<SqlValue>& stored = writer.insert(
        columns, source.row_types.empty() ? source.types : source.row_types[i], row, defaults);
    output.add(&stored, nullptr);
  }
  output.finish();
  return static_cast<int64_t>(source.rows.size());
}

int64_t update(SqlSession* session, const Statement& statement) {
  TargetScan scan(session, statement);
  TableWriter writer(session, scan.table(), "UPDATE");
  OutputCollector output(session, statement, scan.table(), "UPDATE");
  const std::vector<BoundAssignment> assignments =
      bind_assignments(session, statement.assignments, scan.scope(), writer);
  session->check_permission(Permission::kUpdate, *scan.table());
  scan.check_reading(statement);
  std::vector<TableWriter::Update> updates;
  scan.run(
      [&](const TargetScan::Row& row, const EvaluationContext& context) {
        updates.push_back(updated_row(session, row, assignments, context, writer));
      },
      [&] { updates.clear(); });
  writer.update(&updates);
  writer.finish();
  for (const TableWriter::Update& update : updates) {
    output.add(&update.new_values, &update.old_values);
  }
  output.finish();
  return static_cast<int64_t>(updates.size());
}

int64_t remove(SqlSession* session, const Statement& statement) {
  TargetScan scan(session, statement);
  TableWriter writer(session, scan.table(), "DELETE");
  OutputCollector output(session, statement, scan.table(), "DELETE");
  if (statement.kind == StatementKind::kDelete) {
    session->check_permission(Permission::kDelete, *scan.table());
    scan.check_reading(statement);
  }
  std::vector<TargetScan::Row> rows;
  scan.run([&](const TargetScan::Row& row, const EvaluationContext&) { rows.push_back(row); },
           [&] { rows.clear(); });
  for (const TargetScan::Row& row : rows) {
    const std::vector<SqlValue> values = writer.decode(row.data);
    writer.remove(row.key, row.data, values);
    output.add(nullptr, &values);
  }
  writer.finish();
  output.finish();
  return static_cast<int64_t>(rows.size());
}

int64_t truncate(SqlSession* session, const Statement& statement) {
  const TablePtr table = session->find_table(statement.name);
  if (table == nullptr) {
    throw SqlError(4701, 16, 1,
                   "Cannot find the object \"" + statement.name.text() +
                       "\" because it does not exist or you do not have permissions.");
  }
  if (!session->may(Permission::kAlter, *table)) {
    throw hidden_object(statement.name.text(), 7);
  }
  for (const TablePtr& other :
       table->database == nullptr ? std::vector<TablePtr>{} : table->database->tables()) {
    for (const ForeignKey& key : other->definition()->foreign_keys) {
      if (key.referenced_table == table->object_id() && other != table) {
        throw SqlError(4712, 16, 1,
                       "Cannot truncate table '" + table->name() +
                           "' because it is being referenced by a FOREIGN KEY constraint.");
      }
    }
  }
  if (table->is_tracked) {
    throw SqlError(4711, 16, 1,
                   "Cannot truncate table '" + table->name() +
                       "' because it is "
                       "published for replication or enabled for Change Data Capture.");
  }
  session->lock_table(table, TableLock::kExclusive);
  Statement all;
  all.kind = StatementKind::kTruncate;
  all.name = statement.name;
  remove(session, all);
  for (const Column& column : table->definition()->columns) {
    if (column.identity) {
      table->next_identity = column.identity_seed;
      table->identity_used = false;
    }
  }
  return 0;
}

}  // namespace

int64_t execute_change(SqlSession* session, const Statement& statement) {
  int64_t rows = 0;
  as_statement(session, [&] {
    switch (statement.kind) {
      case StatementKind::kInsert:
        rows = insert(session, statement);
        break;
      case StatementKind::kUpdate:
        rows = update(session, statement);
        break;
      case StatementKind::kMerge:
        rows = merge_rows(session, statement);
        break;
      case StatementKind::kDelete:
        rows = remove(session, statement);
        break;
      default:
        rows = truncate(session, statement);
        break;
    }
  });
  return rows;
}

int64_t execute_select_into(SqlSession* session, const Statement& statement) {
  int64_t count = 0;
  as_statement(session, [&] {
    const QueryPlan plan(session, *statement.query, nullptr);
    const TablePtr table = create_table_like(session, statement.query->core->into, plan.columns());
    TableWriter writer(session, table, "INSERT");
    std::vector<size_t> places;
    std::vector<SqlType> types;
    for (size_t i = 0; i < plan.columns().size(); ++i) {
      places.push_back(i);
      types.push_back(plan.columns()[i].type);
    }
    const auto stream = plan.open(nullptr);
    std::vector<std::vector<SqlValue>> rows;
    std::vector<SqlValue> row;
    while (stream->next(&row)) {
      rows.push_back(row);
    }
    for (const auto& values : rows) {
      writer.insert(places, types, values, std::vector<bool>(places.size(), false));
    }
    count = static_cast<int64_t>(rows.size());
  });
  return count;
}

}  // namespace dstream::standin::sql
