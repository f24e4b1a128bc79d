#include "tests/standins/sqlserver/sql/change.h"

#include <algorithm>
#include <set>

#include "tests/standins/sqlserver/sql/computed_relation.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/definition.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/from_plan.h"
#include "tests/standins/sqlserver/sql/interpreter.h"
#include "tests/standins/sqlserver/sql/output_clause.h"
#include "tests/standins/sqlserver/sql/procedures.h"
#include "tests/standins/sqlserver/sql/select_plan.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

// A row may change between being read and being locked; then the statement starts over.
constexpr int kRestartsMax = 1000;

struct InsertRows {
  std::vector<SqlType> types;
  std::vector<std::vector<SqlValue>> rows;
  // VALUES: each row has its own types, and may say DEFAULT.
  std::vector<std::vector<SqlType>> row_types;
  std::vector<std::vector<bool>> defaults;
};

std::vector<size_t> insert_columns(SqlSession* session, const Statement& statement,
                                   const TableWriter& writer) {
  const TableDefinition& definition = writer.definition();
  const bool identity_insert =
      session->options().identity_insert == fold_name(writer.table()->full_name());
  std::vector<size_t> columns;
  if (statement.names.empty()) {
    for (size_t i = 0; i < definition.columns.size(); ++i) {
      const Column& column = definition.columns[i];
      if ((!column.identity || identity_insert) && column.computed == nullptr) {
        columns.push_back(i);
      }
    }
    return columns;
  }
  for (const std::string& name : statement.names) {
    const auto column = definition.find_column(name);
    if (!column) {
      throw invalid_column(name);
    }
    if (std::find(columns.begin(), columns.end(), *column) != columns.end()) {
      throw SqlError(264, 16, 1,
                     "The column name '" + name +
                         "' is specified more than once in the "
                         "SET clause or column list of an INSERT.");
    }
    const Column& c = definition.columns[*column];
    if (c.identity && !identity_insert) {
      throw SqlError(544, 16, 1,
                     "Cannot insert explicit value for identity column in table '" +
                         writer.table()->name() + "' when IDENTITY_INSERT is set to OFF.");
    }
    if (c.computed != nullptr) {
      throw SqlError(271, 16, 1,
                     "The column \"" + name +
                         "\" cannot be modified because it is "
                         "either a computed column or is the result of a UNION operator.");
    }
    columns.push_back(*column);
  }
  return columns;
}

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
  OutputCollector output(session, statement, writer.table(), "INSERT");
  std::vector<size_t> columns = insert_columns(session, statement, writer);
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
    for (size_t j = 0; j < columns.size(); ++j) {
      if (writer.definition().columns[columns[j]].is_row_version() && !defaults[j]) {
        throw SqlError(273, 16, 1,
                       "Cannot insert an explicit value into a timestamp column. Use INSERT with a "
                       "column list to exclude the timestamp column, or insert a DEFAULT into the "
                       "timestamp column.");
      }
    }
    const std::vector<SqlValue>& stored = writer.insert(
        columns, source.row_types.empty() ? source.types : source.row_types[i], row, defaults);
    output.add(&stored, nullptr);
  }
  output.finish();
  return static_cast<int64_t>(source.rows.size());
}

// Finds and locks the rows an UPDATE or DELETE is about, and hands each to `take` with the flat row
// still in place.
class TargetScan {
 public:
  TargetScan(SqlSession* session, const Statement& statement) : session_(session) {
    FromBuilder builder(session, &scope_);
    if (statement.from.empty()) {
      table_ = target_table(session, statement.name);
      from_ = builder.build_target(statement.name, make_table_relation(session, table_));
    } else {
      builder.set_target(statement.name);
      from_ = builder.build(statement.from);
      table_ = target_of_from(statement);
    }
    builder.finish(from_.get(), statement.where);
    for (size_t i = 0; i < scope_.sources.size(); ++i) {
      if (scope_.sources[i].is_target) {
        target_ = i;
      }
    }
    if (statement.top != nullptr) {
      Scope none;
      const BoundValue top = Binder(session, &none).value(statement.top);
      const EvaluationContext context{session, nullptr, nullptr, nullptr};
      limit_ = convert_value(top.evaluate(context), top.type, bigint_type()).number;
      if (statement.top_percent) {
        throw not_understood("TOP (n) PERCENT in UPDATE or DELETE");
      }
    }
  }

  Scope* scope() { return &scope_; }
  const TablePtr& table() const { return table_; }
  size_t target_first() const { return scope_.sources[target_].first; }

  struct Row {
    std::string key;
    RowBytes data;
  };

  // `take` evaluates what it needs of the context.
  void run(const std::function<void(const Row&, const EvaluationContext&)>& take,
           const std::function<void()>& restart) {
    for (int attempt = 0; attempt < kRestartsMax; ++attempt) {
      if (try_run(take)) {
        return;
      }
      restart();
    }
    throw SqlError(1205, 13, 55,
                   "Transaction (Process ID " + std::to_string(session_->id()) +
                       ") was deadlocked on lock resources with another process and "
                       "has been chosen as the deadlock victim. Rerun the "
                       "transaction.");
  }

 private:
  TablePtr target_of_from(const Statement& statement) const {
    for (const Source& source : scope_.sources) {
      if (source.is_target) {
        return source.relation->base_table();
      }
    }
    throw invalid_object(statement.name.text());
  }

  bool try_run(const std::function<void(const Row&, const EvaluationContext&)>& take) {
    FromState state;
    state.session = session_;
    state.scope = &scope_;
    state.row.resize(scope_.width());
    state.needed.assign(scope_.width(), -1);
    for (size_t i = 0; i < scope_.width(); ++i) {
      state.needed[i] = scope_.used[i] ? static_cast<int>(i) : -1;
    }
    state.context = {session_, state.row.data(), nullptr, nullptr};
    // A SNAPSHOT transaction looks at the rows of its snapshot, and must not change newer ones.
    const bool by_snapshot =
        session_->options().isolation == Isolation::kSnapshot && session_->transaction_count() > 0;
    state.for_update = !by_snapshot;
    const auto iterator = open_from(*from_, &state);
    iterator->open();
    const Source& target = scope_.sources[target_];
    const size_t identity = target.first + target.columns.size();
    std::set<std::string> seen;
    int64_t count = 0;
    while ((limit_ < 0 || count < limit_) && iterator->next()) {
      const std::string key = state.row[identity].text;
      if (state.row[identity].null || !seen.insert(key).second) {
        continue;  // An outer join without a target row, or the same row once more.
      }
      const RowBytes data = state.target_rows.at(key);
      bool is_same = false;
      const auto attempt = [&]() {
        return table_->store()->lock(&session_->statement_transaction(), key, data, &is_same);
      };
      if (attempt() != 0) {
        session_->wait(attempt);
      }
      if (!is_same && by_snapshot) {
        throw SqlError(
            3960, 16, 2,
            "Snapshot isolation transaction aborted due to update conflict. You cannot use "
            "snapshot isolation to access table '" +
                table_->full_name() + "' directly or indirectly in database '" +
                session_->current_database().name() +
                "' to update, delete, or insert the row that has been modified or deleted by "
                "another transaction. Retry the transaction or change the isolation level for the "
                "update/delete statement.");
      }
      if (!is_same) {
        return false;
      }
      take({key, data}, state.context);
      ++count;
    }
    return true;
  }

  SqlSession* session_;
  Scope scope_;
  std::unique_ptr<FromNode> from_;
  TablePtr table_;
  size_t target_ = 0;
  int64_t limit_ = -1;
};

struct BoundAssignment {
  size_t column = 0;
  bool has_column = false;
  std::string variable;
  BoundValue value;
};

std::vector<BoundAssignment> bind_assignments(SqlSession* session, const Statement& statement,
                                              Scope* scope, const TableWriter& writer) {
  std::vector<BoundAssignment> result;
  Binder binder(session, scope);
  for (const Assignment& assignment : statement.assignments) {
    BoundAssignment bound;
    bound.variable = assignment.variable;
    ExpressionPtr value = assignment.value;
    if (!assignment.column.empty()) {
      const auto column = writer.definition().find_column(assignment.column);
      if (!column) {
        throw invalid_column(assignment.column);
      }
      const Column& definition = writer.definition().columns[*column];
      if (definition.identity) {
        throw SqlError(8102, 16, 1, "Cannot update identity column '" + definition.name + "'.");
      }
      if (definition.is_row_version()) {
        throw SqlError(272, 16, 1, "Cannot update a timestamp column.");
      }
      if (definition.computed != nullptr) {
        throw SqlError(271, 16, 1,
                       "The column \"" + definition.name +
                           "\" cannot be modified "
                           "because it is either a computed column or is the result of a "
                           "UNION operator.");
      }
      const bool is_twice =
          std::any_of(result.begin(), result.end(), [&](const BoundAssignment& other) {
            return other.has_column && other.column == *column;
          });
      if (is_twice) {
        throw SqlError(264, 16, 1,
                       "The column name '" + definition.name +
                           "' is specified more than once in the SET clause or column list of an "
                           "INSERT. A column cannot be assigned more than one value in the same "
                           "clause. Modify the clause to make sure that a column is updated only "
                           "once. If this statement updates or inserts columns into a view, column "
                           "aliasing can conceal the duplication in your code.");
      }
      bound.column = *column;
      bound.has_column = true;
      if (value->kind == ExpressionKind::kDefault) {
        value = definition.default_value;
      }
    }
    if (assignment.op != '\0') {
      auto self = std::make_shared<Expression>();
      self->kind = ExpressionKind::kColumn;
      self->name.parts = {assignment.column};
      auto binary = std::make_shared<Expression>();
      binary->kind = ExpressionKind::kBinary;
      binary->op = assignment.op;
      binary->operands = {self, value};
      value = binary;
    }
    if (value == nullptr) {  // DEFAULT of a column without one
      bound.value.is_null = true;
      bound.value.evaluate = [](const EvaluationContext&) { return SqlValue{}; };
    } else {
      bound.value = binder.value(value);
    }
    result.push_back(std::move(bound));
  }
  return result;
}

int64_t update(SqlSession* session, const Statement& statement) {
  TargetScan scan(session, statement);
  TableWriter writer(session, scan.table(), "UPDATE");
  OutputCollector output(session, statement, scan.table(), "UPDATE");
  const std::vector<BoundAssignment> assignments =
      bind_assignments(session, statement, scan.scope(), writer);
  std::vector<TableWriter::Update> updates;
  scan.run(
      [&](const TargetScan::Row& row, const EvaluationContext& context) {
        TableWriter::Update update;
        update.key = row.key;
        update.before = row.data;
        update.old_values = writer.decode(row.data);
        update.new_values = update.old_values;
        for (const BoundAssignment& assignment : assignments) {
          const SqlValue value = assignment.value.evaluate(context);
          if (assignment.has_column) {
            update.new_values[assignment.column] =
                writer.stored(assignment.column, assignment.value.type, value);
          }
          if (!assignment.variable.empty()) {
            assign_variable(session, assignment.variable, assignment.value.type, value);
          }
        }
        updates.push_back(std::move(update));
      },
      [&] { updates.clear(); });
  writer.update(&updates);
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
  std::vector<TargetScan::Row> rows;
  scan.run([&](const TargetScan::Row& row, const EvaluationContext&) { rows.push_back(row); },
           [&] { rows.clear(); });
  for (const TargetScan::Row& row : rows) {
    const std::vector<SqlValue> values = writer.decode(row.data);
    writer.remove(row.key, row.data, values);
    output.add(nullptr, &values);
  }
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
  all.kind = StatementKind::kDelete;
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
