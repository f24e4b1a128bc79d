#include "tests/standins/sqlserver/sql/access_path.h"

#include <algorithm>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"

namespace dstream::standin::sql {
namespace {

// `column op value` with the column on the left.
struct Comparison {
  size_t column = 0;  // of the source
  std::string op;
  BoundValue value;
  size_t conjunct = 0;
};

std::string mirrored(const std::string& op) {
  if (op == "<") {
    return ">";
  }
  if (op == "<=") {
    return ">=";
  }
  if (op == ">") {
    return "<";
  }
  return op == ">=" ? "<=" : op;
}

class PathFinder {
 public:
  PathFinder(SqlSession* session, Scope* scope, size_t source, uint64_t available)
      : binder_(session, scope),
        scope_(scope),
        source_(scope->sources[source]),
        available_(available) {}

  AccessPath choose(const std::vector<ExpressionPtr>& conjuncts) {
    for (size_t i = 0; i < conjuncts.size(); ++i) {
      collect(*conjuncts[i], i);
    }
    AccessPath best;
    size_t best_score = 0;
    const std::vector<Ordering>& orderings = source_.relation->orderings();
    for (size_t i = 0; i < orderings.size(); ++i) {
      size_t score = 0;
      AccessPath path = path_for(orderings[i], i, conjuncts, &score);
      if (score > best_score) {
        best_score = score;
        best = std::move(path);
      }
    }
    return best;
  }

 private:
  // True if the expression is a plain column of the source.
  bool own_column(const ExpressionPtr& expression, size_t* column) const {
    if (expression->kind != ExpressionKind::kColumn) {
      return false;
    }
    const int found = binder_.find_column(expression->name);
    const auto at = static_cast<size_t>(found);
    if (found < 0 || at < source_.first || at >= source_.first + source_.columns.size()) {
      return false;
    }
    *column = at - source_.first;
    return true;
  }

  bool bind_known(const ExpressionPtr& expression, BoundValue* value) {
    if (expression->kind == ExpressionKind::kScalarQuery) {
      return false;  // Evaluating it twice could cost more than it saves.
    }
    *value = binder_.value(expression);
    return (value->sources & ~available_) == 0 && !value->is_null;
  }

  bool comparison(const Expression& expression, size_t conjunct, Comparison* result) {
    if (expression.kind != ExpressionKind::kCompare || expression.text == "<>") {
      return false;
    }
    result->conjunct = conjunct;
    const ExpressionPtr& left = expression.operands[0];
    const ExpressionPtr& right = expression.operands[1];
    if (own_column(left, &result->column) && bind_known(right, &result->value)) {
      result->op = expression.text;
      return true;
    }
    if (own_column(right, &result->column) && bind_known(left, &result->value)) {
      result->op = mirrored(expression.text);
      return true;
    }
    return false;
  }

  void collect(const Expression& expression, size_t conjunct) {
    Comparison found;
    if (comparison(expression, conjunct, &found)) {
      comparisons_.push_back(std::move(found));
      return;
    }
    if (expression.kind == ExpressionKind::kBetween && !expression.negated &&
        own_column(expression.operands[0], &found.column)) {
      Comparison low{found.column, ">=", {}, conjunct};
      Comparison high{found.column, "<=", {}, conjunct};
      if (bind_known(expression.operands[1], &low.value) &&
          bind_known(expression.operands[2], &high.value)) {
        comparisons_.push_back(std::move(low));
        comparisons_.push_back(std::move(high));
      }
    }
  }

  const Comparison* find(size_t column, std::initializer_list<std::string_view> ops) const {
    for (const Comparison& comparison : comparisons_) {
      if (comparison.column == column &&
          std::find(ops.begin(), ops.end(), comparison.op) != ops.end()) {
        return &comparison;
      }
    }
    return nullptr;
  }

  AccessPath path_for(const Ordering& ordering, size_t index,
                      const std::vector<ExpressionPtr>& conjuncts, size_t* score) {
    AccessPath path;
    path.ordering = index;
    size_t part = 0;
    for (; part < ordering.parts.size(); ++part) {
      const Comparison* equal = find(ordering.parts[part].column, {"="});
      if (equal == nullptr) {
        break;
      }
      path.lower.values.push_back(equal->value);
      path.upper.values.push_back(equal->value);
      path.covered.push_back(equal->conjunct);
    }
    path.equal_parts = part;
    *score = part * 10;
    if (part < ordering.parts.size()) {
      add_range(ordering.parts[part], &path, score);
    }
    if (part == 0) {
      add_keyset(ordering, conjuncts, &path, score);
    }
    path.is_seek = *score > 0;
    return path;
  }

  void add_range(const Ordering::Part& part, AccessPath* path, size_t* score) {
    const Comparison* low = find(part.column, {">", ">="});
    const Comparison* high = find(part.column, {"<", "<="});
    if (part.descending) {
      std::swap(low, high);
    }
    if (low != nullptr) {
      path->lower.values.push_back(low->value);
      path->lower.inclusive = low->op.size() == 2;
      path->covered.push_back(low->conjunct);
      *score += 3;
    }
    if (high != nullptr) {
      path->upper.values.push_back(high->value);
      path->upper.inclusive = high->op.size() == 2;
      path->covered.push_back(high->conjunct);
      *score += 3;
    }
    // NULLs lie at an open end of the range: there the comparison must still be made.
    const bool open_to_nulls = part.descending ? high == nullptr : low == nullptr;
    if (open_to_nulls && source_.relation->columns()[part.column].type.nullable) {
      path->covered.resize(path->equal_parts);
    }
    // Two comparisons of the same kind on one column: the other one is not covered.
    std::erase_if(path->covered, [this, path](size_t conjunct) {
      return std::count_if(comparisons_.begin(), comparisons_.end(),
                           [&](const Comparison& c) { return c.conjunct == conjunct; }) >
             static_cast<std::ptrdiff_t>(
                 std::count(path->covered.begin(), path->covered.end(), conjunct));
    });
  }

  // Recognises (a, b, c, ...) > (x, y, z, ...) spelled out as a disjunction, in any of its forms:
  //   a > x OR (a = x AND b > y) OR (a = x AND b = y AND c > z) ...
  // where `a = x` may be left out if another conjunct says a >= x.
  void add_keyset(const Ordering& ordering, const std::vector<ExpressionPtr>& conjuncts,
                  AccessPath* path, size_t* score) {
    for (size_t i = 0; i < conjuncts.size(); ++i) {
      std::vector<ExpressionPtr> branches;
      split_disjuncts(conjuncts[i], &branches);
      if (branches.size() >= 2 && keyset_of(ordering, branches, &path->keyset)) {
        path->covered.push_back(i);
        *score += 5;
        return;
      }
    }
  }

  static void split_disjuncts(const ExpressionPtr& expression, std::vector<ExpressionPtr>* parts) {
    if (expression->kind == ExpressionKind::kOr) {
      split_disjuncts(expression->operands[0], parts);
      split_disjuncts(expression->operands[1], parts);
    } else {
      parts->push_back(expression);
    }
  }

  bool keyset_of(const Ordering& ordering, const std::vector<ExpressionPtr>& branches,
                 KeyBound* keyset) {
    if (branches.size() > ordering.parts.size()) {
      return false;
    }
    // By length of the prefix each branch decides on: branch k compares part k strictly.
    std::vector<const BoundValue*> values(branches.size(), nullptr);
    std::vector<std::vector<Comparison>> all;
    for (const ExpressionPtr& branch : branches) {
      std::vector<ExpressionPtr> parts;
      split_conjuncts(branch, &parts);
      std::vector<Comparison> comparisons;
      for (const ExpressionPtr& part : parts) {
        Comparison comparison_of_part;
        if (!comparison(*part, 0, &comparison_of_part)) {
          return false;
        }
        comparisons.push_back(std::move(comparison_of_part));
      }
      all.push_back(std::move(comparisons));
    }
    for (size_t i = 0; i < all.size(); ++i) {
      if (!keyset_branch(ordering, all[i], &values)) {
        return false;
      }
    }
    return settle_keyset(ordering, all, values, keyset);
  }

  // A branch has one strict comparison, of part k; everything else is equality on parts before k.
  bool keyset_branch(const Ordering& ordering, const std::vector<Comparison>& comparisons,
                     std::vector<const BoundValue*>* values) const {
    const Comparison* strict = nullptr;
    for (const Comparison& comparison : comparisons) {
      if (comparison.op == ">" && strict == nullptr) {
        strict = &comparison;
      } else if (comparison.op != "=") {
        return false;
      }
    }
    if (strict == nullptr) {
      return false;
    }
    size_t k = 0;
    while (k < values->size() && ordering.parts[k].column != strict->column) {
      ++k;
    }
    if (k == values->size() || ordering.parts[k].descending || (*values)[k] != nullptr) {
      return false;
    }
    (*values)[k] = &strict->value;
    return true;
  }

  // Every equality must be with the same value as the strict comparison of that part, and a branch
  // must fix all parts before its own: in itself, or for the first part by `first >= value`.
  bool settle_keyset(const Ordering& ordering, const std::vector<std::vector<Comparison>>& all,
                     const std::vector<const BoundValue*>& values, KeyBound* keyset) {
    for (const std::vector<Comparison>& comparisons : all) {
      size_t k = 0;
      std::vector<bool> fixed(values.size(), false);
      for (const Comparison& comparison : comparisons) {
        for (size_t i = 0; i < values.size(); ++i) {
          if (ordering.parts[i].column != comparison.column) {
            continue;
          }
          if (comparison.op == ">") {
            k = i;
          } else if (same_value(comparison.value, *values[i])) {
            fixed[i] = true;
          } else {
            return false;
          }
        }
      }
      const size_t equalities = comparisons.size() - 1;
      size_t covered = 0;
      for (size_t i = 0; i < k; ++i) {
        if (!fixed[i] && !(i == 0 && at_least_first(ordering, *values[0]))) {
          return false;
        }
        covered += fixed[i] ? 1 : 0;
      }
      if (covered != equalities) {
        return false;
      }
    }
    for (const BoundValue* value : values) {
      keyset->values.push_back(*value);
    }
    keyset->inclusive = false;
    return true;
  }

  bool at_least_first(const Ordering& ordering, const BoundValue& value) const {
    return std::any_of(comparisons_.begin(), comparisons_.end(), [&](const Comparison& c) {
      return c.column == ordering.parts[0].column && c.op == ">=" && same_value(c.value, value);
    });
  }

  // Values of a keyset are variables, parameters or literals; compared by evaluating them.
  bool same_value(const BoundValue& a, const BoundValue& b) const {
    if (a.sources != 0 || b.sources != 0 || scope_->outer != nullptr) {
      return false;
    }
    EvaluationContext context;
    context.session = binder_.session();
    const SqlType type = comparison_type(a, b);
    const SqlValue x = convert_value(a.evaluate(context), a.type, type);
    const SqlValue y = convert_value(b.evaluate(context), b.type, type);
    return !x.null && !y.null && compare_values(type, x, y) == 0;
  }

  Binder binder_;
  Scope* scope_;
  const Source& source_;
  uint64_t available_;
  std::vector<Comparison> comparisons_;
};

// Encodes a bound's values. Stops, with *exact false, at one the column's type cannot hold.
// *is_null: a comparison with NULL holds for no row.
std::string encode_bound(const KeyBound& bound, const Ordering& ordering, const Relation& relation,
                         const EvaluationContext& context, bool* exact, bool* is_null) {
  std::string key;
  for (size_t i = 0; i < bound.values.size(); ++i) {
    const BoundValue& value = bound.values[i];
    const SqlType& type = relation.columns()[ordering.parts[i].column].type;
    const SqlValue raw = value.evaluate(context);
    if (raw.null) {
      *is_null = true;
      return key;
    }
    SqlValue converted;
    bool lossless = false;
    try {
      converted = convert_value(raw, value.type, type);
      BoundValue column;
      column.type = type;
      const SqlType common = comparison_type(column, value);
      lossless = compare_values(common, convert_value(converted, type, common),
                                convert_value(raw, value.type, common)) == 0;
    } catch (const SqlError&) {
    }
    if (!lossless) {
      *exact = false;
      return key;
    }
    append_key(type, converted, ordering.parts[i].descending, &key);
  }
  return key;
}

}  // namespace

void split_conjuncts(const ExpressionPtr& condition, std::vector<ExpressionPtr>* conjuncts) {
  if (condition == nullptr) {
    return;
  }
  if (condition->kind == ExpressionKind::kAnd) {
    split_conjuncts(condition->operands[0], conjuncts);
    split_conjuncts(condition->operands[1], conjuncts);
  } else {
    conjuncts->push_back(condition);
  }
}

AccessPath choose_path(SqlSession* session, Scope* scope, size_t source,
                       const std::vector<ExpressionPtr>& conjuncts, uint64_t available) {
  if (scope->sources[source].relation->orderings().empty()) {
    return {};
  }
  return PathFinder(session, scope, source, available).choose(conjuncts);
}

KeyRange AccessPath::range(const Relation& relation, const EvaluationContext& context,
                           bool* exact) const {
  *exact = true;
  KeyRange range;
  if (!is_seek) {
    return range;
  }
  const Ordering& order = relation.orderings()[ordering];
  bool is_null = false;
  const auto encode = [&](const KeyBound& bound, bool* whole) {
    *whole = true;
    std::string key = encode_bound(bound, order, relation, context, whole, &is_null);
    *exact = *exact && *whole;
    return key;
  };
  bool whole = false;
  if (lower.is_set()) {
    const std::string key = encode(lower, &whole);
    // A bound cut short still is a bound over its first parts, then always inclusive.
    range.begin = lower.inclusive || !whole ? key : after_prefix(key);
  }
  if (upper.is_set()) {
    const std::string key = encode(upper, &whole);
    range.end = key.empty() ? key : upper.inclusive || !whole ? after_prefix(key) : key;
  }
  if (keyset.is_set()) {
    const std::string key = encode(keyset, &whole);
    range.begin = std::max(range.begin, whole ? after_prefix(key) : key);
  }
  if (is_null) {
    return {"\xFF", "\x01"};  // An empty range.
  }
  return range;
}

}  // namespace dstream::standin::sql
