#include "tests/standins/sqlserver/sql/merge.h"

#include <set>

#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/output_clause.h"
#include "tests/standins/sqlserver/sql/target_scan.h"

namespace dstream::standin::sql {
namespace {

struct BoundClause {
  MergeClause::When when;
  MergeClause::Action action;
  BoundCondition condition;
  bool has_condition = false;
  std::vector<BoundAssignment> assignments;
  std::vector<size_t> columns;
  std::vector<BoundValue> values;
};

// What an INSERT clause writes, evaluated while the source's row is there.
struct NewRow {
  const BoundClause* clause;
  std::vector<SqlValue> values;
};

class Merge {
 public:
  Merge(SqlSession* session, const Statement& statement)
      : session_(session),
        scan_(session, statement),
        writer_(session, scan_.table(), "MERGE"),
        output_(session, statement, scan_.table(), "MERGE") {
    scan_.keep_all_rows();
    rows_max_ = scan_.take_limit();
    Scope& scope = *scan_.scope();
    for (size_t i = 0; i < scope.sources.size(); ++i) {
      target_bit_ |= scope.sources[i].is_target ? uint64_t{1} << i : 0;
    }
    auto mark = std::make_shared<Expression>();
    mark->kind = ExpressionKind::kColumn;
    mark->name.parts = {std::string(kMergeMark)};
    mark_ = Binder(session, &scope).value(mark);
    for (const MergeClause& clause : statement.merge) {
      bind(clause);
    }
  }

  int64_t run() {
    scan_.run(
        [&](const TargetScan::Row& row, const EvaluationContext& context) { take(row, context); },
        [&] {
          updates_.clear();
          removed_.clear();
          inserted_.clear();
          changed_.clear();
        });
    for (const TargetScan::Row& row : removed_) {
      const std::vector<SqlValue> values = writer_.decode(row.data);
      writer_.remove(row.key, row.data, values);
      output_.add(nullptr, &values, "DELETE");
    }
    writer_.update(&updates_);
    for (const TableWriter::Update& update : updates_) {
      output_.add(&update.new_values, &update.old_values, "UPDATE");
    }
    for (const NewRow& row : inserted_) {
      insert(row);
    }
    writer_.finish();
    output_.finish();
    return rows_done();
  }

 private:
  int64_t rows_done() const {
    return static_cast<int64_t>(removed_.size() + updates_.size() + inserted_.size());
  }

  void bind(const MergeClause& clause) {
    const Permission needed = clause.action == MergeClause::Action::kUpdate   ? Permission::kUpdate
                              : clause.action == MergeClause::Action::kDelete ? Permission::kDelete
                                                                              : Permission::kInsert;
    session_->check_permission(needed, *scan_.table());
    Binder binder(session_, scan_.scope());
    BoundClause bound{clause.when, clause.action, {}, clause.condition != nullptr, {}, {}, {}};
    if (bound.has_condition) {
      bound.condition = binder.condition(clause.condition);
      check_side(clause.when, bound.condition.sources, {});
    }
    if (clause.action == MergeClause::Action::kUpdate) {
      bound.assignments = bind_assignments(session_, clause.assignments, scan_.scope(), writer_);
      for (const BoundAssignment& assignment : bound.assignments) {
        check_side(clause.when, assignment.value.sources, assignment.value.name);
      }
    }
    if (clause.action == MergeClause::Action::kInsert && !clause.default_values) {
      bind_insert(clause, &bound);
    }
    clauses_.push_back(std::move(bound));
  }

  void bind_insert(const MergeClause& clause, BoundClause* bound) {
    Binder binder(session_, scan_.scope());
    bound->columns = insert_columns(session_, clause.columns, writer_);
    if (bound->columns.size() != clause.values.size()) {
      const bool more = clause.values.size() > bound->columns.size();
      throw SqlError(more ? 110 : 109, 15, 1,
                     std::string("There are ") + (more ? "fewer" : "more") +
                         " columns in the INSERT statement than values specified in the VALUES "
                         "clause. The number of values in the VALUES clause must match the number "
                         "of columns specified in the INSERT statement.");
    }
    std::vector<bool> defaults;
    for (const ExpressionPtr& value : clause.values) {
      bound->values.push_back(binder.value(value));
      check_side(clause.when, bound->values.back().sources, bound->values.back().name);
      defaults.push_back(bound->values.back().is_default);
    }
    check_row_versions(writer_, bound->columns, defaults);
  }

  // A row that one side has not got has nothing there to name.
  void check_side(MergeClause::When when, uint64_t sources, const std::string& name) const {
    if (when == MergeClause::When::kNotMatched && (sources & target_bit_) != 0) {
      throw SqlError(5333, 16, 1,
                     "The identifier '" + name +
                         "' cannot be bound. Only source columns are allowed in the 'WHEN NOT "
                         "MATCHED' clause of a MERGE statement.");
    }
    if (when == MergeClause::When::kNotMatchedBySource && (sources & ~target_bit_) != 0) {
      throw SqlError(5334, 16, 1,
                     "The identifier '" + name +
                         "' cannot be bound. Only target columns are allowed in the 'WHEN NOT "
                         "MATCHED BY SOURCE' clause of a MERGE statement.");
    }
  }

  // The first clause that applies decides.
  void take(const TargetScan::Row& row, const EvaluationContext& context) {
    const bool has_target = !row.key.empty();
    const bool has_source = !mark_.evaluate(context).null;
    const auto when = !has_target   ? MergeClause::When::kNotMatched
                      : !has_source ? MergeClause::When::kNotMatchedBySource
                                    : MergeClause::When::kMatched;
    for (const BoundClause& clause : clauses_) {
      if (clause.when != when ||
          (clause.has_condition && clause.condition.evaluate(context) != Truth::kTrue)) {
        continue;
      }
      // TOP counts what is done, not the rows that are joined.
      if (rows_max_ >= 0 && rows_done() >= rows_max_) {
        return;
      }
      if (has_target && !changed_.insert(row.key).second) {
        throw SqlError(
            8672, 16, 1,
            "The MERGE statement attempted to UPDATE or DELETE the same row more than once. This "
            "happens when a target row matches more than one source row. A MERGE statement cannot "
            "UPDATE/DELETE the same row of the target table multiple times. Refine the ON clause "
            "to ensure a target row matches at most one source row, or use the GROUP BY clause to "
            "group the source rows.");
      }
      apply(clause, row, context);
      return;
    }
  }

  void apply(const BoundClause& clause, const TargetScan::Row& row,
             const EvaluationContext& context) {
    switch (clause.action) {
      case MergeClause::Action::kUpdate:
        updates_.push_back(updated_row(session_, row, clause.assignments, context, writer_));
        return;
      case MergeClause::Action::kDelete:
        removed_.push_back(row);
        return;
      case MergeClause::Action::kInsert: {
        NewRow added{&clause, {}};
        for (const BoundValue& value : clause.values) {
          added.values.push_back(value.is_default ? SqlValue{} : value.evaluate(context));
        }
        inserted_.push_back(std::move(added));
        return;
      }
    }
  }

  void insert(const NewRow& row) {
    std::vector<SqlType> types;
    std::vector<bool> defaults;
    for (const BoundValue& value : row.clause->values) {
      types.push_back(value.is_null || value.is_default ? nvarchar_type(1) : value.type);
      defaults.push_back(value.is_default);
    }
    const std::vector<SqlValue>& stored =
        writer_.insert(row.clause->columns, types, row.values, defaults);
    output_.add(&stored, nullptr, "INSERT");
  }

  SqlSession* session_;
  TargetScan scan_;
  TableWriter writer_;
  OutputCollector output_;
  BoundValue mark_;
  uint64_t target_bit_ = 0;
  int64_t rows_max_ = -1;  // of TOP; -1: no limit
  std::vector<BoundClause> clauses_;

  std::vector<TableWriter::Update> updates_;
  std::vector<TargetScan::Row> removed_;
  std::vector<NewRow> inserted_;
  std::set<std::string> changed_;
};

}  // namespace

int64_t merge_rows(SqlSession* session, const Statement& statement) {
  return Merge(session, statement).run();
}

}  // namespace dstream::standin::sql
