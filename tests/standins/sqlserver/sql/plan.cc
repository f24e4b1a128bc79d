// Queries as a whole: set operations, VALUES, WITH, and their ORDER BY.
#include "tests/standins/sqlserver/sql/plan.h"

#include <algorithm>
#include <map>
#include <set>

#include "tests/standins/sqlserver/sql/conversion_rules.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/select_plan.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

std::unique_ptr<PlanNode> make_node(SqlSession* session, const Query& query, Scope* outer,
                                    const CommonTables* common_tables);

class RowsStream final : public RowStream {
 public:
  explicit RowsStream(std::vector<std::vector<SqlValue>> rows) : rows_(std::move(rows)) {}
  bool next(std::vector<SqlValue>* row) override {
    if (at_ >= rows_.size()) {
      return false;
    }
    *row = std::move(rows_[at_++]);
    return true;
  }

 private:
  std::vector<std::vector<SqlValue>> rows_;
  size_t at_ = 0;
};

class ValuesPlan final : public PlanNode {
 public:
  ValuesPlan(SqlSession* session, const Query& query, Scope* outer,
             const CommonTables* common_tables)
      : session_(session) {
    scope_.outer = outer;
    scope_.common_tables = common_tables;
    Binder binder(session, &scope_);
    for (const auto& row : query.values) {
      std::vector<BoundValue> bound;
      for (const ExpressionPtr& expression : row) {
        bound.push_back(binder.value(expression));
      }
      rows_.push_back(std::move(bound));
    }
    columns.resize(rows_.front().size());
    untyped_null.assign(columns.size(), true);
    for (const auto& row : rows_) {
      for (size_t i = 0; i < columns.size(); ++i) {
        settle(row[i], i);
      }
    }
    for (auto& row : rows_) {
      for (size_t i = 0; i < columns.size(); ++i) {
        if (!row[i].is_default) {
          row[i] = binder.converted(std::move(row[i]), columns[i].type);
        }
      }
    }
  }

  std::unique_ptr<RowStream> open(const EvaluationContext* outer) const override {
    const EvaluationContext context{session_, nullptr, outer};
    std::vector<std::vector<SqlValue>> result;
    for (const auto& row : rows_) {
      std::vector<SqlValue> values;
      for (const BoundValue& value : row) {
        values.push_back(value.evaluate(context));
      }
      result.push_back(std::move(values));
    }
    return std::make_unique<RowsStream>(std::move(result));
  }
  uint64_t outer_sources() const override { return scope_.outer_sources; }

 private:
  void settle(const BoundValue& value, size_t i) {
    if (value.is_null) {
      columns[i].type.nullable = true;
      return;
    }
    const bool nullable = columns[i].type.nullable && !untyped_null[i];
    columns[i].type = untyped_null[i] ? value.type : common_type(columns[i].type, value.type);
    columns[i].type.nullable = columns[i].type.nullable || nullable;
    untyped_null[i] = false;
  }

  SqlSession* session_;
  Scope scope_;
  std::vector<std::vector<BoundValue>> rows_;
};

class SetPlan final : public PlanNode {
 public:
  SetPlan(SqlSession* session, const Query& query, Scope* outer, const CommonTables* common_tables)
      : session_(session), operation_(query.operation) {
    left_ = make_node(session, *query.left, outer, common_tables);
    right_ = make_node(session, *query.right, outer, common_tables);
    if (left_->columns.size() != right_->columns.size()) {
      throw SqlError(205, 16, 1,
                     "All queries combined using a UNION, INTERSECT or EXCEPT operator "
                     "must have an equal number of expressions in their target "
                     "lists.");
    }
    for (size_t i = 0; i < left_->columns.size(); ++i) {
      ResultColumn column;
      column.name = left_->columns[i].name;
      const SqlType& a = left_->columns[i].type;
      const SqlType& b = right_->columns[i].type;
      column.type = left_->untyped_null[i] ? b : right_->untyped_null[i] ? a : common_type(a, b);
      column.type.nullable =
          a.nullable || b.nullable || left_->untyped_null[i] || right_->untyped_null[i];
      if (query.operation != SetOperation::kUnionAll && !is_comparable(column.type)) {
        throw SqlError(5335, 16, 1,
                       "The data type " + std::string(type_name(column.type.id)) +
                           " cannot be used as an operand to the UNION, INTERSECT or EXCEPT "
                           "operators because it is not comparable.");
      }
      columns.push_back(std::move(column));
      untyped_null.push_back(left_->untyped_null[i] && right_->untyped_null[i]);
    }
    for (const OrderItem& item : query.order_by) {
      order_.push_back(order_key(item));
      check_sortable(columns[order_.back().column].type, "ORDER BY");
    }
    Scope none;
    none.common_tables = common_tables;
    Binder binder(session, &none);
    if (query.offset != nullptr) {
      offset_ = binder.value(query.offset);
    }
    if (query.fetch != nullptr) {
      fetch_ = binder.value(query.fetch);
    }
  }

  uint64_t outer_sources() const override {
    return left_->outer_sources() | right_->outer_sources();
  }

  std::unique_ptr<RowStream> open(const EvaluationContext* outer) const override;

 private:
  friend class UnionAllStream;
  struct Key {
    size_t column = 0;
    bool descending = false;
  };

  Key order_key(const OrderItem& item) const {
    const Expression& expression = *item.expression;
    if (expression.kind == ExpressionKind::kLiteral && expression.value.number >= 1 &&
        expression.value.number <= static_cast<int64_t>(columns.size())) {
      return {static_cast<size_t>(expression.value.number - 1), item.descending};
    }
    if (expression.kind == ExpressionKind::kColumn && expression.name.parts.size() == 1) {
      for (size_t i = 0; i < columns.size(); ++i) {
        if (equal_names(columns[i].name, expression.name.last())) {
          return {i, item.descending};
        }
      }
    }
    throw SqlError(104, 16, 1,
                   "ORDER BY items must appear in the select list if the statement "
                   "contains a UNION, INTERSECT or EXCEPT operator.");
  }

  void convert(const PlanNode& from, std::vector<SqlValue>* row) const {
    for (size_t i = 0; i < columns.size(); ++i) {
      if (!from.untyped_null[i]) {
        (*row)[i] = convert_value((*row)[i], from.columns[i].type, columns[i].type);
      }
    }
  }

  std::vector<std::vector<SqlValue>> combine(const EvaluationContext* outer) const;
  void sort_and_cut(std::vector<std::vector<SqlValue>>* rows) const;

  SqlSession* session_;
  SetOperation operation_;
  std::unique_ptr<PlanNode> left_, right_;
  std::vector<Key> order_;
  std::optional<BoundValue> offset_, fetch_;
};

class UnionAllStream final : public RowStream {
 public:
  UnionAllStream(const SetPlan& plan, const EvaluationContext* outer)
      : plan_(plan), outer_(outer), stream_(plan.left_->open(outer)) {}
  bool next(std::vector<SqlValue>* row) override {
    while (!stream_->next(row)) {
      if (is_right_) {
        return false;
      }
      is_right_ = true;
      stream_ = plan_.right_->open(outer_);
    }
    plan_.convert(is_right_ ? *plan_.right_ : *plan_.left_, row);
    return true;
  }

 private:
  const SetPlan& plan_;
  const EvaluationContext* outer_;
  std::unique_ptr<RowStream> stream_;
  bool is_right_ = false;
};

std::unique_ptr<RowStream> SetPlan::open(const EvaluationContext* outer) const {
  if (operation_ == SetOperation::kUnionAll && order_.empty() && !offset_) {
    return std::make_unique<UnionAllStream>(*this, outer);
  }
  std::vector<std::vector<SqlValue>> rows = combine(outer);
  sort_and_cut(&rows);
  return std::make_unique<RowsStream>(std::move(rows));
}

std::vector<std::vector<SqlValue>> SetPlan::combine(const EvaluationContext* outer) const {
  std::vector<std::vector<SqlValue>> result;
  std::vector<SqlValue> row;
  std::set<std::string> seen, right_keys;
  if (operation_ == SetOperation::kExcept || operation_ == SetOperation::kIntersect) {
    const auto right = right_->open(outer);
    while (right->next(&row)) {
      convert(*right_, &row);
      right_keys.insert(row_key(columns, row));
    }
  }
  const auto take = [&](const PlanNode& side) {
    const auto stream = side.open(outer);
    while (stream->next(&row)) {
      convert(side, &row);
      if (operation_ != SetOperation::kUnionAll) {
        std::string key = row_key(columns, row);
        if ((operation_ == SetOperation::kExcept && right_keys.contains(key)) ||
            (operation_ == SetOperation::kIntersect && !right_keys.contains(key)) ||
            !seen.insert(std::move(key)).second) {
          continue;
        }
      }
      result.push_back(row);
    }
  };
  take(*left_);
  if (operation_ == SetOperation::kUnionAll || operation_ == SetOperation::kUnion) {
    take(*right_);
  }
  return result;
}

void SetPlan::sort_and_cut(std::vector<std::vector<SqlValue>>* rows) const {
  if (!order_.empty()) {
    std::vector<std::pair<std::string, size_t>> keys;
    for (size_t i = 0; i < rows->size(); ++i) {
      std::string bytes;
      for (const Key& key : order_) {
        append_key(columns[key.column].type, (*rows)[i][key.column], key.descending, &bytes);
      }
      keys.emplace_back(std::move(bytes), i);
    }
    std::sort(keys.begin(), keys.end());
    std::vector<std::vector<SqlValue>> sorted;
    for (const auto& [bytes, i] : keys) {
      sorted.push_back(std::move((*rows)[i]));
    }
    *rows = std::move(sorted);
  }
  const EvaluationContext context{session_, nullptr, nullptr, nullptr};
  const auto count = [&](const std::optional<BoundValue>& value, size_t otherwise) {
    if (!value) {
      return otherwise;
    }
    const int64_t n = convert_value(value->evaluate(context), value->type, bigint_type()).number;
    return std::min(static_cast<size_t>(std::max<int64_t>(n, 0)), otherwise);
  };
  rows->erase(rows->begin(), rows->begin() + static_cast<std::ptrdiff_t>(
                                                 offset_ ? count(offset_, rows->size()) : 0));
  rows->resize(count(fetch_, rows->size()));
}

std::unique_ptr<PlanNode> make_node(SqlSession* session, const Query& query, Scope* outer,
                                    const CommonTables* common_tables) {
  CommonTables scope{common_tables, &query.common_tables, query.common_tables.size(), {}, {}};
  const CommonTables* visible = query.common_tables.empty() ? common_tables : &scope;
  if (query.core) {
    return std::make_unique<SelectPlan>(session, *query.core, &query, outer, visible);
  }
  if (!query.values.empty()) {
    return std::make_unique<ValuesPlan>(session, query, outer, visible);
  }
  return std::make_unique<SetPlan>(session, query, outer, visible);
}

class PlanCursor final : public Cursor {
 public:
  PlanCursor(std::shared_ptr<const QueryPlan> plan, const ScanRequest& request)
      : plan_(std::move(plan)),
        needed_(request.needed.begin(), request.needed.end()),
        stream_(plan_->open(request.context)) {}
  bool next(SqlValue* values) override {
    if (!stream_->next(&row_)) {
      return false;
    }
    for (size_t i = 0; i < needed_.size(); ++i) {
      if (needed_[i] >= 0) {
        values[needed_[i]] = row_[i];
      }
    }
    return true;
  }

 private:
  std::shared_ptr<const QueryPlan> plan_;
  std::vector<int> needed_;
  std::unique_ptr<RowStream> stream_;
  std::vector<SqlValue> row_;
};

}  // namespace

QueryPlan::QueryPlan(SqlSession* session, const Query& query, Scope* outer,
                     const CommonTables* common_tables) {
  if (common_tables == nullptr && outer != nullptr) {
    common_tables = outer->common_tables;
  }
  root_ = make_node(session, query, outer, common_tables);
}

QueryPlan::~QueryPlan() = default;

std::unique_ptr<Cursor> PlanRelation::open(const ScanRequest& request) const {
  return std::make_unique<PlanCursor>(plan_, request);
}

std::string row_key(const std::vector<ResultColumn>& columns, const std::vector<SqlValue>& row) {
  std::string key;
  for (size_t i = 0; i < columns.size(); ++i) {
    append_key(columns[i].type, row[i], false, &key);
  }
  return key;
}

}  // namespace dstream::standin::sql
