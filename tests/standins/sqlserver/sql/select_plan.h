// One SELECT, bound: FROM, WHERE, GROUP BY, HAVING, window functions, the list, ORDER BY, TOP.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/standins/sqlserver/sql/from_plan.h"
#include "tests/standins/sqlserver/sql/plan.h"

namespace dstream::standin::sql {

struct SortKey {
  BoundValue value;
  int output = -1;  // sorts by this column of the list instead
  bool descending = false;
};

struct OutputItem {
  BoundValue value;
  std::string assign_to;  // folded; SELECT @v = ...
};

class SelectPlan final : public PlanNode {
 public:
  // `query` holds the ORDER BY around the core; null for a core inside of a set operation.
  SelectPlan(SqlSession* session, const SelectCore& core, const Query* query, Scope* outer,
             const CommonTables* common_tables);

  std::unique_ptr<RowStream> open(const EvaluationContext* outer) const override;
  uint64_t outer_sources() const override { return scope_.outer_sources; }
  const SelectPlan* select() const override { return this; }

  // Set if rows can be sent as they are stored: one source kept as ROW tokens, a list of its plain
  // columns, no sorting. The list as column numbers of the source.
  std::optional<std::vector<uint16_t>> token_columns() const;
  // REQUIRES: token_columns(). Calls `emit` with each token until it returns false.
  void stream_tokens(const std::function<bool(std::string_view)>& emit) const;
  const RowLayout& token_layout() const;

  const std::vector<OutputItem>& items() const { return items_; }
  bool assigns() const { return assigns_; }
  // ORDER token: list columns, from 1, the result is sorted by.
  std::vector<uint16_t> sorted_columns() const;

  // The rows TOP and OFFSET allow. -1: all.
  struct Limit {
    int64_t offset = 0;
    int64_t count = -1;
    bool percent = false;
  };
  Limit limit(const EvaluationContext* outer) const;

 private:
  friend class SelectStream;

  void bind_from(const SelectCore& core);
  void expand_items(const SelectCore& core);
  void bind_grouping(const SelectCore& core, const Query* query);
  void bind_items(const SelectCore& core);
  void bind_order(const SelectCore& core, const Query* query);
  SortKey sort_key(const OrderItem& item, const SelectCore& core);
  void choose_order();
  bool order_matches(const Ordering& ordering, size_t fixed_parts, bool* backwards) const;
  void choose_first_row();
  void prepare_state(FromState* state, const EvaluationContext* outer) const;

  SqlSession* session_;
  Scope scope_;
  std::unique_ptr<FromNode> from_;  // nullptr: one row of nothing
  std::vector<BoundCondition> constant_where_;
  std::vector<SelectItem> expanded_;  // stars replaced
  std::vector<OutputItem> items_;
  bool assigns_ = false;
  bool is_grouped_ = false;
  bool first_row_only_ = false;  // MIN or MAX over an ordering: the first row decides
  Grouping grouping_;
  std::optional<BoundCondition> having_;
  std::vector<WindowCall> windows_;
  bool distinct_ = false;
  std::vector<SortKey> order_;
  bool is_presorted_ = false;
  std::optional<BoundValue> top_, offset_, fetch_;
  bool top_percent_ = false;
  bool with_ties_ = false;
};

bool contains_aggregate(const Expression& expression);
bool is_aggregate_name(std::string_view capitals);

}  // namespace dstream::standin::sql
