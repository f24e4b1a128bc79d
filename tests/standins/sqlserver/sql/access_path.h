// Which index to read a relation by, and between which keys.
//
// A path only narrows: the conditions it was made from are still checked on each row, except those
// marked as covered when nothing was lost in converting their values.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/standins/sqlserver/sql/binder.h"

namespace dstream::standin::sql {

// One bound of a range, over the first values.size() parts of an ordering.
struct KeyBound {
  std::vector<BoundValue> values;
  bool inclusive = true;

  bool is_set() const { return !values.empty(); }
};

struct AccessPath {
  size_t ordering = 0;
  size_t equal_parts = 0;  // parts fixed to one value
  KeyBound lower, upper;   // in the direction of the ordering's key
  KeyBound keyset;         // another lower bound, from a condition over several columns
  bool is_seek = false;
  std::vector<size_t> covered;  // conjuncts that hold for every row of the range

  // The range for the values as they are now. *exact is false if a value could not be converted
  // without loss: then the covered conditions must be checked too.
  KeyRange range(const Relation& relation, const EvaluationContext& context, bool* exact) const;
};

// The best path to source `source` by these conditions; values may depend on `available` sources.
AccessPath choose_path(SqlSession* session, Scope* scope, size_t source,
                       const std::vector<ExpressionPtr>& conjuncts, uint64_t available);

void split_conjuncts(const ExpressionPtr& condition, std::vector<ExpressionPtr>* conjuncts);

}  // namespace dstream::standin::sql
