// Binding of calls: scalar functions, aggregates, window functions, and those with a form of their
// own.
#include <algorithm>

#include "tests/standins/sqlserver/sql/aggregate.h"
#include "tests/standins/sqlserver/sql/binder.h"
#include "tests/standins/sqlserver/sql/conversion_rules.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/functions.h"
#include "tests/standins/sqlserver/sql/select_plan.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

// Functions that give another row's value.
bool is_offset_name(const std::string& name) {
  return name == "LAG" || name == "LEAD" || name == "FIRST_VALUE" || name == "LAST_VALUE";
}

bool is_window_name(const std::string& name) {
  return name == "ROW_NUMBER" || name == "RANK" || name == "DENSE_RANK" || name == "NTILE" ||
         is_offset_name(name);
}

// TIMEFROMPARTS and relatives: the last argument is the precision of the result.
bool is_scaled_by_argument(std::string_view folded) {
  return folded == "timefromparts" || folded == "datetime2fromparts" ||
         folded == "datetimeoffsetfromparts";
}

uint8_t scale_argument(const BoundValue& argument, const SqlType& type) {
  const EvaluationContext none;
  const SqlValue scale = argument.is_literal ? argument.evaluate(none) : SqlValue{};
  if (scale.null || scale.number < 0 || scale.number > 7) {
    throw SqlError(10760, 16, 1,
                   "Scale argument is not valid. Valid expressions for data type " +
                       std::string(type_name(type.id)) +
                       " scale argument are integer constants and integer constant expressions.");
  }
  return static_cast<uint8_t>(scale.number);
}

}  // namespace

BoundValue Binder::call(const ExpressionPtr& pointer) {
  const Expression& expression = *pointer;
  const std::string name = upper_text(expression.name.last());
  if (expression.name.parts.size() == 1) {
    if (expression.has_over) {
      return window(expression, name);
    }
    if (is_aggregate_name(name)) {
      return aggregate(expression, name);
    }
    bool is_special = false;
    BoundValue special = special_call(expression, name, &is_special);
    if (is_special) {
      return special;
    }
  }
  return function_call(expression);
}

BoundValue Binder::function_call(const Expression& expression) {
  const std::string schema = expression.name.before_last(1);
  const std::string folded =
      fold_name(schema.empty() ? expression.name.last() : schema + "." + expression.name.last());
  const ScalarFunction* function = session_->engine().functions().find(folded);
  if (function == nullptr) {
    if (schema.empty()) {
      throw unknown_function(expression.name.last());
    }
    throw SqlError(4121, 16, 1,
                   "Cannot find either column \"" + expression.name.parts.front() +
                       "\" or the user-defined function or aggregate \"" + expression.name.text() +
                       "\", or the name is ambiguous.");
  }
  Database* database = &session_->database_of(expression.name);
  const size_t count = expression.operands.size();
  if (count < function->arguments_min || count > function->arguments_max) {
    if (schema.empty() && function->arguments_min != function->arguments_max) {
      throw SqlError(189, 15, 1,
                     "The " + lower_text(expression.name.last()) + " function requires " +
                         std::to_string(function->arguments_min) + " to " +
                         std::to_string(function->arguments_max) + " arguments.");
    }
    if (schema.empty()) {
      throw argument_count(lower_text(expression.name.last()), function->arguments_min);
    }
    throw SqlError(313, 16, 2,
                   "An insufficient number of arguments were supplied for the procedure "
                   "or function " +
                       expression.name.text() + ".");
  }
  std::vector<BoundValue> arguments;
  std::vector<SqlType> types;
  BoundValue bound;
  for (size_t i = 0; i < count; ++i) {
    BoundValue argument = value(expression.operands[i]);
    if (i < function->parameters.size() && function->parameters[i]) {
      argument = converted(std::move(argument), *function->parameters[i]);
    }
    bound.sources |= argument.sources;
    types.push_back(argument.type);
    arguments.push_back(std::move(argument));
  }
  bound.type = function->result(types);
  // A text made from UTF-8 may have characters that the code page lacks.
  bound.type.utf8 =
      has_code_page(bound.type.id) &&
      std::any_of(types.begin(), types.end(), [](const SqlType& t) { return t.utf8; });
  if (is_scaled_by_argument(folded)) {
    bound.type.scale = scale_argument(arguments.back(), bound.type);
  }
  const SqlType result = bound.type;
  bound.evaluate = [function, database, arguments, types,
                    result](const EvaluationContext& context) {
    std::vector<SqlValue> values;
    values.reserve(arguments.size());
    for (const BoundValue& argument : arguments) {
      values.push_back(argument.evaluate(context));
      if (function->null_on_null && values.back().null) {
        return SqlValue{};
      }
    }
    const CallContext call{*context.session, *database, types, result};
    return function->body(call, values);
  };
  return bound;
}

BoundValue Binder::aggregate(const Expression& expression, const std::string& name) {
  if (is_in_aggregate_) {
    throw SqlError(130, 15, 1,
                   "Cannot perform an aggregate function on an expression containing an aggregate "
                   "or a subquery.");
  }
  if (scope_->grouping == nullptr) {
    throw SqlError(147, 15, 1,
                   "An aggregate may not appear in the WHERE clause unless it is in a "
                   "subquery contained in a HAVING clause or a select list, and the "
                   "column being aggregated is an outer reference.");
  }
  Grouping* grouping = scope_->grouping;
  Aggregate result;
  result.function = name;
  result.distinct = expression.distinct;
  if (!expression.star) {
    if (expression.operands.empty()) {
      throw argument_count(lower_text(name), 1);
    }
    scope_->grouping = nullptr;
    is_in_aggregate_ = true;
    try {
      result.argument = value(expression.operands[0]);
      if (name == "STRING_AGG" && expression.operands.size() > 1) {
        const EvaluationContext context{session_, nullptr, nullptr, nullptr};
        result.separator = value(expression.operands[1]).evaluate(context).text;
      }
      for (const OrderItem& item : expression.window_order) {
        if (name != "STRING_AGG") {
          throw SqlError(10757, 15, 1,
                         "The function '" + name + "' may not have a WITHIN GROUP clause.");
        }
        result.order.push_back({value(item.expression), item.descending});
      }
    } catch (...) {
      is_in_aggregate_ = false;
      scope_->grouping = grouping;
      throw;
    }
    is_in_aggregate_ = false;
    scope_->grouping = grouping;
  } else if (name != "COUNT" && name != "COUNT_BIG") {
    throw syntax_error("*");
  }
  if (result.argument.is_null && !expression.star) {
    throw SqlError(8117, 16, 1,
                   "Operand data type NULL is invalid for " + lower_text(name) + " operator.");
  }
  result.type = aggregate_type(name, result.argument);
  BoundValue bound;
  bound.type = result.type;
  const size_t at = grouping->bound_keys.size() + grouping->aggregates.size();
  grouping->aggregates.push_back(std::move(result));
  bound.evaluate = [at](const EvaluationContext& context) { return context.row[at]; };
  return bound;
}

// NTILE(n), LAG(value, offset, default), FIRST_VALUE(value); ROW_NUMBER and RANK have none.
void Binder::window_arguments(const Expression& expression, const std::string& name,
                              WindowCall* call) {
  const bool shifts = name == "LAG" || name == "LEAD";
  const size_t least = name == "NTILE" || is_offset_name(name) ? 1 : 0;
  const size_t most = shifts ? 3 : least;
  const size_t count = expression.operands.size();
  if (count < least || count > most) {
    throw argument_count(lower_text(name), least);
  }
  for (const ExpressionPtr& operand : expression.operands) {
    call->arguments.push_back(value(operand));
  }
  if (name == "NTILE") {
    call->arguments[0] = converted(std::move(call->arguments[0]), bigint_type());
    return;
  }
  if (count == 0) {
    return;
  }
  call->type = call->arguments[0].type;
  call->type.nullable = true;
  if (count > 1) {
    call->arguments[1] = converted(std::move(call->arguments[1]), bigint_type());
  }
  if (count > 2) {
    call->arguments[2] = converted(std::move(call->arguments[2]), call->type);
  }
}

BoundValue Binder::window(const Expression& expression, const std::string& name) {
  if (is_in_aggregate_ || is_in_window_) {
    throw SqlError(4109, 15, 1,
                   "Windowed functions cannot be used in the context of another windowed function "
                   "or aggregate.");
  }
  if (windows_ == nullptr) {
    throw SqlError(4108, 15, 1,
                   "Windowed functions can only appear in the SELECT or ORDER BY "
                   "clauses.");
  }
  if (!is_window_name(name) && !is_aggregate_name(name)) {
    throw not_understood(expression.name.text() + "() OVER");
  }
  is_in_window_ = true;
  try {
    WindowCall call = window_call(expression, name);
    is_in_window_ = false;
    BoundValue bound;
    bound.type = call.type;
    const size_t at = windows_->size();
    windows_->push_back(std::move(call));
    bound.evaluate = [at](const EvaluationContext& context) { return context.windows[at]; };
    return bound;
  } catch (...) {
    is_in_window_ = false;
    throw;
  }
}

WindowCall Binder::window_call(const Expression& expression, const std::string& name) {
  WindowCall call;
  call.function = name;
  call.type = bigint_type();
  if (is_window_name(name)) {
    if (expression.window_order.empty()) {
      throw SqlError(4112, 15, 1,
                     "The function '" + name +
                         "' must have an OVER clause with ORDER "
                         "BY.");
    }
    window_arguments(expression, name, &call);
  } else if (!expression.star) {
    if (expression.operands.empty()) {
      throw argument_count(lower_text(name), 1);
    }
    call.arguments.push_back(value(expression.operands[0]));
    call.type = aggregate_type(name, call.arguments[0]);
  } else {
    call.type = name == "COUNT" ? int_type() : bigint_type();
  }
  for (const ExpressionPtr& key : expression.partition_by) {
    call.partition_by.push_back(value(key));
    check_sortable(call.partition_by.back().type, "PARTITION BY");
  }
  for (const OrderItem& item : expression.window_order) {
    call.order_by.push_back({value(item.expression), item.descending});
    check_sortable(call.order_by.back().value.type, "ORDER BY");
  }
  return call;
}

// Functions whose arguments are not all values, or whose type is a rule of its own.
BoundValue Binder::special_call(const Expression& expression, const std::string& name,
                                bool* is_special) {
  *is_special = true;
  const std::vector<ExpressionPtr>& operands = expression.operands;
  const auto need = [&](size_t count) {
    if (operands.size() != count) {
      throw argument_count(lower_text(name), count);
    }
  };
  if (name == "DATEADD") {
    need(3);
    return date_add_call(expression);
  }
  if (name == "DATEDIFF" || name == "DATEDIFF_BIG") {
    need(3);
    return date_diff_call(expression, name == "DATEDIFF_BIG");
  }
  if (name == "DATEPART" || name == "DATENAME") {
    need(2);
    return date_part_call(expression, name == "DATENAME");
  }
  if (name == "YEAR" || name == "MONTH" || name == "DAY") {
    need(1);
    return date_part_call(expression, false);
  }
  if (name == "DATETRUNC") {
    need(2);
    return date_trunc_call(expression);
  }
  if (name == "ISNULL") {
    need(2);
    BoundValue first = value(operands[0]), second = value(operands[1]);
    if (first.is_null) {
      first.type = second.type;
    }
    BoundValue bound;
    bound.type = first.type;
    bound.type.nullable = second.type.nullable && first.type.nullable;
    bound.sources = first.sources | second.sources;
    second = converted(std::move(second), first.type);
    bound.evaluate = [a = first.evaluate, b = second.evaluate](const EvaluationContext& context) {
      SqlValue v = a(context);
      return v.null ? b(context) : v;
    };
    return bound;
  }
  if (name == "COALESCE") {
    return coalesce_call(expression);
  }
  if (name == "NULLIF") {
    need(2);
    const BoundValue first = value(operands[0]);
    const BoundCondition equal = comparison_of("=", first, value(operands[1]));
    BoundValue bound = first;
    bound.column = -1;
    bound.is_literal = false;
    bound.type.nullable = true;
    bound.sources |= equal.sources;
    bound.evaluate = [a = first.evaluate, test = equal.evaluate](const EvaluationContext& context) {
      return test(context) == Truth::kTrue ? SqlValue{} : a(context);
    };
    return bound;
  }
  *is_special = false;
  return {};
}

BoundValue Binder::coalesce_call(const Expression& expression) {
  std::vector<BoundValue> values;
  BoundValue bound;
  bool typed = false, nullable = true;
  for (const ExpressionPtr& operand : expression.operands) {
    values.push_back(value(operand));
    const BoundValue& last = values.back();
    bound.sources |= last.sources;
    nullable = nullable && (last.type.nullable || last.is_null);
    if (!last.is_null) {
      bound.type = typed ? common_type(bound.type, last.type) : last.type;
      typed = true;
    }
  }
  if (values.size() < 2) {
    throw syntax_error(")");
  }
  if (!typed) {
    throw SqlError(4127, 16, 1,
                   "At least one of the arguments to COALESCE must be an expression that is not "
                   "the NULL constant.");
  }
  for (BoundValue& v : values) {
    v = converted(std::move(v), bound.type);
  }
  bound.type.nullable = nullable;
  bound.evaluate = [values](const EvaluationContext& context) {
    for (const BoundValue& v : values) {
      SqlValue result = v.evaluate(context);
      if (!result.null) {
        return result;
      }
    }
    return SqlValue{};
  };
  return bound;
}

}  // namespace dstream::standin::sql
