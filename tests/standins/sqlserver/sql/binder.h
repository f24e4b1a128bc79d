// Names and types to what can be evaluated. Binding happens at each execution, against the catalog
// as it is; a bound value holds all it needs and costs one indirect call per operator.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/standins/sqlserver/sql/ast.h"
#include "tests/standins/sqlserver/sql/relation.h"
#include "tests/standins/sqlserver/sql/types.h"

namespace dstream::standin::sql {

class SqlSession;

// Where evaluation finds its inputs. `row` is the flat row of the query's sources; `outer` that of
// the query around it.
struct EvaluationContext {
  SqlSession* session = nullptr;
  const SqlValue* row = nullptr;
  const EvaluationContext* outer = nullptr;
  const SqlValue* windows = nullptr;  // results of window functions for the row
};

using Evaluator = std::function<SqlValue(const EvaluationContext&)>;

struct BoundValue {
  SqlType type;
  Evaluator evaluate;
  int column = -1;       // place in the flat row if it is nothing but a column
  uint64_t sources = 0;  // bit i: depends on source i of its own query
  bool is_literal = false;
  bool is_null = false;     // the untyped NULL
  bool is_default = false;  // DEFAULT
  std::string name;         // of the column, "" for expressions
  ResultColumn origin;      // flags of the column it is
};

enum class Truth : int8_t { kFalse = 0, kTrue = 1, kUnknown = -1 };
using ConditionEvaluator = std::function<Truth(const EvaluationContext&)>;

struct BoundCondition {
  ConditionEvaluator evaluate;
  uint64_t sources = 0;
};

// One entry of FROM, flattened.
struct Source {
  std::string alias;  // as written; folded for comparison
  Name name;          // of the table, for a.b.c references
  std::shared_ptr<const Relation> relation;
  std::vector<ResultColumn> columns;
  size_t first = 0;        // of its columns in the flat row
  bool is_target = false;  // UPDATE and DELETE: row identities are wanted
};

struct OrderKey {
  BoundValue value;
  bool descending = false;
};

struct Aggregate {
  std::string function;  // capitals
  BoundValue argument;   // none for COUNT(*)
  bool distinct = false;
  SqlType type;
  std::string separator;        // STRING_AGG
  std::vector<OrderKey> order;  // STRING_AGG ... WITHIN GROUP (ORDER BY)
};

struct WindowCall {
  std::string function;  // capitals
  std::vector<BoundValue> arguments;
  std::vector<BoundValue> partition_by;
  std::vector<OrderKey> order_by;
  SqlType type;
};

// Collects what a grouped query computes; set while its select list, HAVING and ORDER BY are bound.
struct Grouping {
  std::vector<ExpressionPtr> keys;
  std::vector<BoundValue> bound_keys;
  std::vector<Aggregate> aggregates;
};

// The WITH tables visible to a query.
struct CommonTables {
  const CommonTables* outer = nullptr;
  const std::vector<Query::CommonTable>* tables = nullptr;
  size_t count = 0;  // a common table sees those before it
  // Inside of a recursive common table: its name, and the rows of the step before.
  std::string self;
  std::shared_ptr<const Relation> rows;

  std::shared_ptr<const Relation> recursion(std::string_view name) const;

  const Query::CommonTable* find(std::string_view name, const CommonTables** scope) const;
};

struct Scope {
  std::vector<Source> sources;
  std::vector<bool> used;  // per flat column
  Scope* outer = nullptr;
  uint64_t outer_sources = 0;  // of `outer`, that something in this scope depends on
  const CommonTables* common_tables = nullptr;
  // With a grouping, columns outside of aggregates must be among its keys; values then read a row
  // of keys followed by aggregates.
  Grouping* grouping = nullptr;

  size_t width() const { return used.size(); }
  void add(Source source);
};

class Binder {
 public:
  Binder(SqlSession* session, Scope* scope) : session_(session), scope_(scope) {}

  // Collects window functions; they read from the row behind its own columns.
  void set_windows(std::vector<WindowCall>* windows) { windows_ = windows; }

  BoundValue value(const ExpressionPtr& expression);
  BoundCondition condition(const ExpressionPtr& expression);
  SqlSession* session() const { return session_; }
  // `value` converted to `type`, at every evaluation or once for a literal.
  BoundValue converted(BoundValue value, const SqlType& type) const;

  // The flat column of a name in this scope, -1 if it is not of this scope. Throws 207, 209, 4104.
  int find_column(const Name& name) const;

 private:
  BoundValue column(const Expression& expression);
  BoundValue outer_value(const Expression& expression);
  BoundValue variable(const Expression& expression);
  BoundValue arithmetic(const Expression& expression);
  BoundValue negate(const Expression& expression);
  BoundValue case_value(const Expression& expression);
  BoundValue cast(const Expression& expression);
  BoundValue parsed(const Expression& expression, BoundValue operand, BoundValue bound);
  BoundValue call(const ExpressionPtr& expression);
  BoundValue aggregate(const Expression& expression, const std::string& name);
  BoundValue window(const Expression& expression, const std::string& name);
  WindowCall window_call(const Expression& expression, const std::string& name);
  void window_arguments(const Expression& expression, const std::string& name, WindowCall* call);
  BoundValue scalar_query(const Expression& expression);
  BoundValue function_call(const Expression& expression);
  BoundValue coalesce_call(const Expression& expression);
  BoundValue date_add_call(const Expression& expression);
  BoundValue date_diff_call(const Expression& expression, bool is_big);
  BoundValue date_part_call(const Expression& expression, bool is_name);
  BoundValue date_trunc_call(const Expression& expression);
  BoundValue special_call(const Expression& expression, const std::string& name, bool* is_special);
  int group_key(const ExpressionPtr& expression);

  BoundCondition compare(const Expression& expression);
  BoundCondition is_null(const Expression& expression);
  BoundCondition between(const Expression& expression);
  BoundCondition in_list(const Expression& expression);
  BoundCondition in_query(const Expression& expression);
  BoundCondition like_condition(const Expression& expression);
  BoundCondition exists(const Expression& expression);
  BoundCondition quantified(const Expression& expression);
  BoundCondition comparison_of(const std::string& op, BoundValue left, BoundValue right);

  SqlSession* session_;
  Scope* scope_;
  std::vector<WindowCall>* windows_ = nullptr;
  bool is_in_aggregate_ = false;
  bool is_in_window_ = false;
};

// The type in which two values are compared.
SqlType comparison_type(const BoundValue& a, const BoundValue& b);
bool truth_of_order(const std::string& op, int order);

// True if both are the same expression, names compared without case.
bool same_expression(const Expression& a, const Expression& b);

inline constexpr size_t kSourcesMax = 64;

}  // namespace dstream::standin::sql
