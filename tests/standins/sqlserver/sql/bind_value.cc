// Binding of values: columns, variables, CASE, CAST. Arithmetic is in bind_arithmetic.cc, calls are
// in bind_call.cc, conditions in bind_condition.cc.
#include <algorithm>

#include "tests/standins/sqlserver/sql/binder.h"
#include "tests/standins/sqlserver/sql/conversion_rules.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/plan.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

bool same_list(const std::vector<ExpressionPtr>& a, const std::vector<ExpressionPtr>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](const ExpressionPtr& x, const ExpressionPtr& y) {
                                              return same_expression(*x, *y);
                                            });
}

}  // namespace

void Scope::add(Source source) {
  if (sources.size() == kSourcesMax) {
    throw not_understood("more than 64 tables in FROM");
  }
  source.first = used.size();
  used.resize(used.size() + source.columns.size() + (source.is_target ? 1 : 0), false);
  sources.push_back(std::move(source));
}

bool same_expression(const Expression& a, const Expression& b) {
  if (a.kind != b.kind || a.op != b.op || !equal_names(a.text, b.text) || a.negated != b.negated ||
      a.query != b.query || a.star != b.star) {
    return false;
  }
  if (a.kind == ExpressionKind::kLiteral) {
    return a.type.id == b.type.id && a.value.null == b.value.null &&
           a.value.number == b.value.number && a.value.text == b.value.text &&
           !(a.value.real < b.value.real) && !(a.value.real > b.value.real);
  }
  if (!a.name.empty() || !b.name.empty()) {
    if (a.kind == ExpressionKind::kColumn) {
      return !a.name.empty() && !b.name.empty() && equal_names(a.name.last(), b.name.last()) &&
             (a.name.parts.size() == 1 || b.name.parts.size() == 1 ||
              equal_names(a.name.text(), b.name.text()));
    }
    if (!equal_names(a.name.text(), b.name.text())) {
      return false;
    }
  }
  if (!equal_names(a.cast_type.name, b.cast_type.name) || a.cast_type.first != b.cast_type.first ||
      a.cast_type.second != b.cast_type.second) {
    return false;
  }
  return same_list(a.operands, b.operands);
}

int Binder::find_column(const Name& name) const {
  const std::string wanted = fold_name(name.last());
  const std::string table = fold_name(name.before_last(1));
  const std::string schema = fold_name(name.before_last(2));
  int found = -1;
  bool table_found = name.parts.size() == 1;
  for (const Source& source : scope_->sources) {
    if (!table.empty()) {
      const bool by_alias = schema.empty() && fold_name(source.alias) == table;
      const bool by_name =
          !schema.empty() && !source.name.empty() && fold_name(source.name.last()) == table &&
          (source.name.before_last(1).empty() || fold_name(source.name.before_last(1)) == schema);
      if (!by_alias && !by_name) {
        continue;
      }
      table_found = true;
    }
    for (size_t i = 0; i < source.columns.size(); ++i) {
      if (fold_name(source.columns[i].name) != wanted) {
        continue;
      }
      if (found >= 0) {
        throw ambiguous_column(name.last());
      }
      found = static_cast<int>(source.first + i);
    }
  }
  if (found < 0 && !table_found && scope_->outer == nullptr) {
    throw unbound_name(name.text());
  }
  return found;
}

BoundValue Binder::value(const ExpressionPtr& expression) {
  if (scope_->grouping != nullptr) {
    const int key = group_key(expression);
    if (key >= 0) {
      BoundValue bound = scope_->grouping->bound_keys[static_cast<size_t>(key)];
      const auto at = static_cast<size_t>(key);
      bound.evaluate = [at](const EvaluationContext& context) { return context.row[at]; };
      bound.column = -1;
      return bound;
    }
  }
  switch (expression->kind) {
    case ExpressionKind::kLiteral: {
      BoundValue bound;
      bound.type = expression->type;
      bound.is_literal = true;
      bound.is_null = expression->value.null;
      bound.type.nullable = bound.is_null;
      bound.evaluate = [value = expression->value](const EvaluationContext&) { return value; };
      return bound;
    }
    case ExpressionKind::kDefault: {
      BoundValue bound;
      bound.is_default = true;
      bound.evaluate = [](const EvaluationContext&) -> SqlValue { throw keyword_error("DEFAULT"); };
      return bound;
    }
    case ExpressionKind::kColumn:
      return column(*expression);
    case ExpressionKind::kVariable:
      return variable(*expression);
    case ExpressionKind::kBinary:
      return arithmetic(*expression);
    case ExpressionKind::kNegate:
    case ExpressionKind::kBitNot:
      return negate(*expression);
    case ExpressionKind::kCase:
      return case_value(*expression);
    case ExpressionKind::kCast:
      return cast(*expression);
    case ExpressionKind::kCall:
      return call(expression);
    case ExpressionKind::kScalarQuery:
      return scalar_query(*expression);
    case ExpressionKind::kStar:
      throw syntax_error("*");
    default:
      throw syntax_error("=");  // a condition where a value belongs
  }
}

int Binder::group_key(const ExpressionPtr& expression) {
  if (expression->kind == ExpressionKind::kLiteral) {
    return -1;
  }
  for (size_t i = 0; i < scope_->grouping->keys.size(); ++i) {
    if (same_expression(*scope_->grouping->keys[i], *expression)) {
      return static_cast<int>(i);
    }
    // t.a and a are the same column under different names.
    if (expression->kind == ExpressionKind::kColumn &&
        scope_->grouping->bound_keys[i].column >= 0 &&
        find_column(expression->name) == scope_->grouping->bound_keys[i].column) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

BoundValue Binder::outer_value(const Expression& expression) {
  return value(std::make_shared<const Expression>(expression));
}

namespace {

// "t.a" whatever the statement wrote, as messages name columns.
std::string qualified(const Scope& scope, int column, const Name& name) {
  for (const Source& source : scope.sources) {
    const auto at = static_cast<size_t>(column);
    if (at >= source.first && at < source.first + source.columns.size() && !source.alias.empty()) {
      return source.alias + "." + source.columns[at - source.first].name;
    }
  }
  return name.text();
}

}  // namespace

BoundValue Binder::column(const Expression& expression) {
  const int found = find_column(expression.name);
  if (found < 0) {
    if (scope_->outer == nullptr) {
      throw invalid_column(expression.name.last());
    }
    // Of a query around this one: evaluated on that query's row.
    Binder outer(session_, scope_->outer);
    BoundValue bound = outer.outer_value(expression);
    scope_->outer_sources |= bound.sources;
    bound.evaluate = [inner = bound.evaluate](const EvaluationContext& context) {
      return inner(*context.outer);
    };
    bound.column = -1;
    bound.sources = 0;
    return bound;
  }
  if (scope_->grouping != nullptr) {
    throw SqlError(8120, 16, 1,
                   "Column '" + qualified(*scope_, found, expression.name) +
                       "' is invalid in the select list because it is not contained "
                       "in either an aggregate function or the GROUP BY clause.");
  }
  BoundValue bound;
  const auto at = static_cast<size_t>(found);
  scope_->used[at] = true;
  for (size_t i = 0; i < scope_->sources.size(); ++i) {
    const Source& source = scope_->sources[i];
    if (at >= source.first && at < source.first + source.columns.size()) {
      bound.origin = source.columns[at - source.first];
      bound.sources = uint64_t{1} << i;
    }
  }
  bound.type = bound.origin.type;
  bound.name = bound.origin.name;
  bound.column = found;
  bound.evaluate = [at](const EvaluationContext& context) { return context.row[at]; };
  return bound;
}

BoundValue Binder::variable(const Expression& expression) {
  BoundValue bound;
  if (expression.text.starts_with("@@")) {
    std::function<SqlValue(SqlSession&)> read;
    if (!global_variable(upper_text(expression.text), *session_, &bound.type, &read)) {
      throw undeclared_variable(expression.text);
    }
    bound.evaluate = [read](const EvaluationContext& context) { return read(*context.session); };
    return bound;
  }
  const auto it = session_->variables->find(fold_name(expression.text));
  if (it == session_->variables->end() || it->second.table != nullptr) {
    throw undeclared_variable(expression.text);
  }
  bound.type = it->second.type;
  bound.type.nullable = true;
  const Variable* variable = &it->second;
  bound.evaluate = [variable](const EvaluationContext&) { return variable->value; };
  return bound;
}

BoundValue Binder::converted(BoundValue value, const SqlType& type) const {
  if (value.is_null) {
    value.type = type;
    value.type.nullable = true;
    return value;
  }
  if (same_representation(value.type, type)) {
    const bool nullable = value.type.nullable;
    value.type = type;
    value.type.nullable = nullable;
    return value;
  }
  const SqlType from = value.type;
  check_implicit(from, type);
  if (value.is_literal) {
    // A literal is converted once; if it cannot be, the error comes when it is evaluated.
    const EvaluationContext none;
    try {
      const SqlValue constant = convert_value(value.evaluate(none), from, type);
      value.evaluate = [constant](const EvaluationContext&) { return constant; };
      value.type = type;
      value.type.nullable = false;
      return value;
    } catch (const SqlError&) {
    }
  }
  value.evaluate = [inner = value.evaluate, from, type](const EvaluationContext& context) {
    return convert_value(inner(context), from, type);
  };
  const bool nullable = value.type.nullable;
  value.type = type;
  value.type.nullable = nullable;
  value.column = -1;
  value.is_literal = false;
  return value;
}

BoundValue Binder::case_value(const Expression& expression) {
  struct Branch {
    ConditionEvaluator condition;
    BoundValue result;
  };
  std::vector<Branch> branches;
  BoundValue bound;
  size_t at = 0;
  BoundValue subject;
  if (expression.has_value) {
    subject = value(expression.operands[at++]);
    bound.sources |= subject.sources;
  }
  const size_t end = expression.operands.size() - (expression.has_else ? 1 : 0);
  for (; at < end; at += 2) {
    BoundCondition when = expression.has_value
                              ? comparison_of("=", subject, value(expression.operands[at]))
                              : condition(expression.operands[at]);
    Branch branch{when.evaluate, value(expression.operands[at + 1])};
    bound.sources |= when.sources | branch.result.sources;
    branches.push_back(std::move(branch));
  }
  BoundValue otherwise;
  otherwise.is_null = true;
  otherwise.evaluate = [](const EvaluationContext&) { return SqlValue{}; };
  if (expression.has_else) {
    otherwise = value(expression.operands.back());
    bound.sources |= otherwise.sources;
  }
  bool typed = false;
  const auto include = [&](const BoundValue& result) {
    if (!result.is_null) {
      bound.type = typed ? common_type(bound.type, result.type) : result.type;
      typed = true;
    }
  };
  bool nullable = otherwise.is_null;
  for (const Branch& branch : branches) {
    include(branch.result);
    nullable = nullable || branch.result.type.nullable || branch.result.is_null;
  }
  include(otherwise);
  if (!typed) {
    throw SqlError(8133, 16, 1,
                   "At least one of the result expressions in a CASE specification must be an "
                   "expression other than the NULL constant.");
  }
  bound.type.nullable = nullable || otherwise.type.nullable;
  for (Branch& branch : branches) {
    branch.result = converted(branch.result, bound.type);
  }
  otherwise = converted(otherwise, bound.type);
  bound.evaluate = [branches, otherwise](const EvaluationContext& context) {
    for (const Branch& branch : branches) {
      if (branch.condition(context) == Truth::kTrue) {
        return branch.result.evaluate(context);
      }
    }
    return otherwise.evaluate(context);
  };
  return bound;
}

BoundValue Binder::cast(const Expression& expression) {
  BoundValue operand = value(expression.operands[0]);
  const SqlType type = resolve_type(expression.cast_type, true);
  BoundValue bound;
  bound.type = type;
  bound.type.nullable = operand.type.nullable || operand.is_null || expression.is_try;
  bound.sources = operand.sources;
  if (expression.is_parse) {
    return parsed(expression, std::move(operand), std::move(bound));
  }
  int style = kDefaultStyle;
  if (expression.operands.size() > 1) {
    const BoundValue bound_style = value(expression.operands[1]);
    const EvaluationContext context{session_, nullptr, nullptr};
    const SqlValue number =
        convert_value(bound_style.evaluate(context), bound_style.type, int_type());
    style = number.null ? kDefaultStyle : static_cast<int>(number.number);
  }
  const SqlType from = operand.is_null ? type : operand.type;
  const bool is_try = expression.is_try;
  check_explicit(from, type);
  bound.evaluate = [inner = operand.evaluate, from, type, style,
                    is_try](const EvaluationContext& context) {
    if (!is_try) {
      return convert_value(inner(context), from, type, style);
    }
    const SqlValue v = inner(context);
    try {
      return convert_value(v, from, type, style);
    } catch (const SqlError& error) {
      // TRY_ forgives values, not pairs of types that have no conversion.
      if (error.message.number == kConversionNotAllowed || error.message.number == kNotUnderstood) {
        throw;
      }
      return SqlValue{};
    }
  };
  return bound;
}

// PARSE and TRY_PARSE, in the culture that the conversions of text know.
BoundValue Binder::parsed(const Expression& expression, BoundValue operand, BoundValue bound) {
  std::string culture = "en-US";
  if (expression.operands.size() > 1) {
    const EvaluationContext context{session_, nullptr, nullptr};
    culture = value(expression.operands[1]).evaluate(context).text;
  }
  if (!equal_names(culture, "en-US")) {
    throw not_understood("PARSE ... USING '" + culture + "'");
  }
  const SqlType text = nvarchar_type(4000), type = bound.type;
  operand = converted(std::move(operand), text);
  bound.type.nullable = true;
  bound.evaluate = [inner = operand.evaluate, text, type,
                    is_try = expression.is_try](const EvaluationContext& context) {
    const SqlValue v = inner(context);
    try {
      return convert_value(v, text, type);
    } catch (const SqlError&) {
      if (is_try) {
        return SqlValue{};
      }
      throw SqlError(9819, 16, 1,
                     "Error converting string value '" + v.text + "' into data type " +
                         std::string(type_name(type.id)) + " using culture 'en-US'.");
    }
  };
  return bound;
}

BoundValue Binder::scalar_query(const Expression& expression) {
  const auto plan = std::make_shared<QueryPlan>(session_, *expression.query, scope_);
  if (plan->columns().size() != 1) {
    throw SqlError(116, 16, 1,
                   "Only one expression can be specified in the select list when the "
                   "subquery is not introduced with EXISTS.");
  }
  BoundValue bound;
  bound.type = plan->columns()[0].type;
  bound.type.nullable = true;
  bound.sources = plan->outer_sources();
  bound.evaluate = [plan](const EvaluationContext& context) {
    std::vector<SqlValue> row;
    const auto rows = plan->open(&context);
    if (!rows->next(&row)) {
      return SqlValue{};
    }
    SqlValue result = row[0];
    if (rows->next(&row)) {
      throw SqlError(512, 16, 1,
                     "Subquery returned more than 1 value. This is not permitted when "
                     "the subquery follows =, !=, <, <= , >, >= or when the subquery "
                     "is used as an expression.");
    }
    return result;
  };
  return bound;
}

}  // namespace dstream::standin::sql
