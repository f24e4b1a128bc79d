#include "tests/standins/sqlserver/sql/target_scan.h"

#include <algorithm>
#include <set>

#include "tests/standins/sqlserver/sql/computed_relation.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/interpreter.h"
#include "tests/standins/sqlserver/sql/output_clause.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

// A row may change between being read and being locked; then the statement starts over.
constexpr int kRestartsMax = 1000;

}  // namespace

std::vector<size_t> insert_columns(SqlSession* session, const std::vector<std::string>& names,
                                   const TableWriter& writer) {
  const TableDefinition& definition = writer.definition();
  const bool identity_insert =
      session->options().identity_insert == fold_name(writer.table()->full_name());
  std::vector<size_t> columns;
  if (names.empty()) {
    for (size_t i = 0; i < definition.columns.size(); ++i) {
      const Column& column = definition.columns[i];
      if ((!column.identity || identity_insert) && column.computed == nullptr) {
        columns.push_back(i);
      }
    }
    return columns;
  }
  for (const std::string& name : names) {
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

TargetScan::TargetScan(SqlSession* session, const Statement& statement) : session_(session) {
  common_tables_.tables = &statement.common_tables;
  common_tables_.count = statement.common_tables.size();
  const CommonTables* level = nullptr;
  if (statement.name.parts.size() == 1 &&
      common_tables_.find(statement.name.last(), &level) != nullptr) {
    throw not_understood("a common table as the target of a change");
  }
  scope_.common_tables = common_tables_.count > 0 ? &common_tables_ : nullptr;
  FromBuilder builder(session, &scope_);
  if (statement.from.empty()) {
    table_ = target_table(session, statement.name);
    from_ = builder.build_target(statement.name, make_table_relation(session, table_));
  } else {
    builder.set_target(statement.name);
    from_ = builder.build(statement.from);
    table_ = target_of_from();
    if (table_ == nullptr) {  // UPDATE t ... FROM other WHERE other.id = t.id
      table_ = target_table(session, statement.name);
      auto join = std::make_unique<FromNode>();
      join->is_leaf = false;
      join->join = JoinKind::kCross;
      join->left = std::move(from_);
      join->right = builder.build_target(statement.name, make_table_relation(session, table_));
      join->sources = join->left->sources | join->right->sources;
      from_ = std::move(join);
    }
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

void TargetScan::check_reading(const Statement& statement) const {
  const Source& target = scope_.sources[target_];
  const auto first = scope_.used.begin() + static_cast<std::ptrdiff_t>(target.first);
  const auto last = first + static_cast<std::ptrdiff_t>(target.columns.size());
  if (statement.where != nullptr || std::find(first, last, true) != last) {
    session_->check_permission(Permission::kSelect, *table_);
  }
}

void TargetScan::run(const Take& take, const std::function<void()>& restart) {
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

TablePtr TargetScan::target_of_from() const {
  for (const Source& source : scope_.sources) {
    if (source.is_target) {
      return source.relation->base_table();
    }
  }
  return nullptr;
}

bool TargetScan::lock(const std::string& key, const RowBytes& data, bool by_snapshot) {
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
        "Snapshot isolation transaction aborted due to update conflict. You cannot use snapshot "
        "isolation to access table '" +
            table_->full_name() + "' directly or indirectly in database '" +
            session_->current_database().name() +
            "' to update, delete, or insert the row that has been modified or deleted by another "
            "transaction. Retry the transaction or change the isolation level for the "
            "update/delete statement.");
  }
  return is_same;
}

bool TargetScan::try_run(const Take& take) {
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
    if (state.row[identity].null && keeps_all_rows_) {
      take({}, state.context);
      ++count;
      continue;
    }
    if (state.row[identity].null || (!seen.insert(key).second && !keeps_all_rows_)) {
      continue;  // An outer join without a target row, or the same row once more.
    }
    const RowBytes data = state.target_rows.at(key);
    if (!lock(key, data, by_snapshot)) {
      return false;
    }
    take({key, data}, state.context);
    ++count;
  }
  return true;
}

std::vector<BoundAssignment> bind_assignments(SqlSession* session,
                                              const std::vector<Assignment>& assignments,
                                              Scope* scope, const TableWriter& writer) {
  std::vector<BoundAssignment> result;
  Binder binder(session, scope);
  for (const Assignment& assignment : assignments) {
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

TableWriter::Update updated_row(SqlSession* session, const TargetScan::Row& row,
                                const std::vector<BoundAssignment>& assignments,
                                const EvaluationContext& context, const TableWriter& writer) {
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
  return update;
}

void check_row_versions(const TableWriter& writer, const std::vector<size_t>& columns,
                        const std::vector<bool>& defaults) {
  for (size_t i = 0; i < columns.size(); ++i) {
    if (writer.definition().columns[columns[i]].is_row_version() && !defaults[i]) {
      throw SqlError(273, 16, 1,
                     "Cannot insert an explicit value into a timestamp column. Use INSERT with a "
                     "column list to exclude the timestamp column, or insert a DEFAULT into the "
                     "timestamp column.");
    }
  }
}

}  // namespace dstream::standin::sql
