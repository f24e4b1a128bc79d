// Computing aggregates and window functions over rows.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/standins/sqlserver/sql/binder.h"

namespace dstream::standin::sql {

// The state of one aggregate over one group.
class Accumulator {
 public:
  virtual ~Accumulator() = default;
  virtual void add(const SqlValue& value) = 0;  // NULLs and duplicates are kept away by the caller
  virtual SqlValue result() const = 0;
};
std::unique_ptr<Accumulator> make_accumulator(const Aggregate& aggregate);

// The type of an aggregate's result; throws 8117 for operands it does not take.
SqlType aggregate_type(const std::string& function, const BoundValue& argument);

// All accumulators of a group, fed with rows.
class GroupState {
 public:
  explicit GroupState(const std::vector<Aggregate>& aggregates);
  void add(const EvaluationContext& context);
  void results(std::vector<SqlValue>* row) const;
  // True once the first aggregate has seen a value.
  bool has_value() const { return has_value_; }

 private:
  const std::vector<Aggregate>* aggregates_;
  std::vector<std::unique_ptr<Accumulator>> accumulators_;
  std::vector<std::set<std::string>> seen_;  // DISTINCT: keys
  // WITHIN GROUP: values with the keys of their order.
  std::vector<std::vector<std::pair<std::string, SqlValue>>> ordered_;
  bool has_value_ = false;
};

bool is_window_aggregate(const std::string& function);
// Values of every window function for every row, by row.
std::vector<std::vector<SqlValue>> compute_windows(const std::vector<WindowCall>& windows,
                                                   const std::vector<std::vector<SqlValue>>& rows,
                                                   EvaluationContext context);

}  // namespace dstream::standin::sql
