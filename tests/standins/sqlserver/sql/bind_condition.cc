// Binding of truth values, three-valued as SQL has them.
#include <algorithm>
#include <set>

#include "tests/standins/sqlserver/sql/binder.h"
#include "tests/standins/sqlserver/sql/conversion_rules.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/plan.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

Truth truth(bool value) { return value ? Truth::kTrue : Truth::kFalse; }
Truth negated(Truth value) {
  return value == Truth::kUnknown ? value : truth(value == Truth::kFalse);
}

}  // namespace

bool truth_of_order(const std::string& op, int order) {
  if (op == "=") {
    return order == 0;
  }
  if (op == "<>") {
    return order != 0;
  }
  if (op == "<") {
    return order < 0;
  }
  if (op == "<=") {
    return order <= 0;
  }
  return op == ">" ? order > 0 : order >= 0;
}

SqlType comparison_type(const BoundValue& a, const BoundValue& b) {
  if (a.is_null) {
    return b.type;
  }
  if (b.is_null) {
    return a.type;
  }
  SqlType type = common_type(a.type, b.type);
  if (conversion_between(a.type, type) == Conversion::kNone ||
      conversion_between(b.type, type) == Conversion::kNone) {
    throw operand_clash(type_name(a.type.id), type_name(b.type.id));
  }
  if (!is_comparable(type) && family_of(type.id) == Family::kClr) {
    throw SqlError(403, 16, 1,
                   "Invalid operator for data type. Operator equals equal to, type equals " +
                       std::string(type_name(type.id)) + ".");
  }
  // Text of any length and binary of any length compare as they are.
  const Family family = family_of(type.id);
  if (family == Family::kText || family == Family::kBytes) {
    if (!is_comparable(type)) {
      throw SqlError(402, 16, 1,
                     "The data types " + std::string(type_name(a.type.id)) + " and " +
                         std::string(type_name(b.type.id)) +
                         " are incompatible in the equal to operator.");
    }
    const bool utf8 = type.utf8;
    type = family != Family::kText ? varbinary_type(kMaxLength)
           : is_unicode(type.id)   ? nvarchar_type(kMaxLength)
                                   : varchar_type(kMaxLength);
    type.utf8 = utf8;
  }
  return type;
}

BoundCondition Binder::condition(const ExpressionPtr& expression) {
  switch (expression->kind) {
    case ExpressionKind::kAnd:
    case ExpressionKind::kOr: {
      BoundCondition left = condition(expression->operands[0]);
      BoundCondition right = condition(expression->operands[1]);
      BoundCondition bound;
      bound.sources = left.sources | right.sources;
      const Truth decisive =
          expression->kind == ExpressionKind::kAnd ? Truth::kFalse : Truth::kTrue;
      bound.evaluate = [a = left.evaluate, b = right.evaluate,
                        decisive](const EvaluationContext& context) {
        const Truth first = a(context);
        if (first == decisive) {
          return first;
        }
        const Truth second = b(context);
        return second == decisive || first != Truth::kUnknown ? second : first;
      };
      return bound;
    }
    case ExpressionKind::kNot: {
      BoundCondition bound = condition(expression->operands[0]);
      bound.evaluate = [inner = bound.evaluate](const EvaluationContext& context) {
        return negated(inner(context));
      };
      return bound;
    }
    case ExpressionKind::kCompare:
      return compare(*expression);
    case ExpressionKind::kIsNull:
      return is_null(*expression);
    case ExpressionKind::kBetween:
      return between(*expression);
    case ExpressionKind::kIn:
      return expression->query != nullptr ? in_query(*expression) : in_list(*expression);
    case ExpressionKind::kLike:
      return like_condition(*expression);
    case ExpressionKind::kExists:
      return exists(*expression);
    case ExpressionKind::kQuantified:
      return quantified(*expression);
    default:
      throw SqlError(4145, 15, 1,
                     "An expression of non-boolean type specified in a context where "
                     "a condition is expected.");
  }
}

BoundCondition Binder::comparison_of(const std::string& op, BoundValue left, BoundValue right) {
  BoundCondition bound;
  bound.sources = left.sources | right.sources;
  const SqlType type = comparison_type(left, right);
  left = converted(std::move(left), type);
  right = converted(std::move(right), type);
  bound.evaluate = [a = left.evaluate, b = right.evaluate, type,
                    op](const EvaluationContext& context) {
    const SqlValue x = a(context);
    if (x.null) {
      return Truth::kUnknown;
    }
    const SqlValue y = b(context);
    return y.null ? Truth::kUnknown : truth(truth_of_order(op, compare_values(type, x, y)));
  };
  return bound;
}

BoundCondition Binder::compare(const Expression& expression) {
  return comparison_of(expression.text, value(expression.operands[0]),
                       value(expression.operands[1]));
}

BoundCondition Binder::is_null(const Expression& expression) {
  const BoundValue operand = value(expression.operands[0]);
  BoundCondition bound;
  bound.sources = operand.sources;
  bound.evaluate = [inner = operand.evaluate,
                    is_negated = expression.negated](const EvaluationContext& context) {
    return truth(inner(context).null != is_negated);
  };
  return bound;
}

BoundCondition Binder::between(const Expression& expression) {
  const BoundValue subject = value(expression.operands[0]);
  const BoundCondition low = comparison_of(">=", subject, value(expression.operands[1]));
  const BoundCondition high = comparison_of("<=", subject, value(expression.operands[2]));
  BoundCondition bound;
  bound.sources = low.sources | high.sources;
  bound.evaluate = [a = low.evaluate, b = high.evaluate,
                    is_negated = expression.negated](const EvaluationContext& context) {
    const Truth first = a(context), second = b(context);
    const Truth both = first == Truth::kFalse || second == Truth::kFalse ? Truth::kFalse
                       : first == Truth::kTrue                           ? second
                                                                         : first;
    return is_negated ? negated(both) : both;
  };
  return bound;
}

BoundCondition Binder::in_list(const Expression& expression) {
  const BoundValue subject = value(expression.operands[0]);
  std::vector<ConditionEvaluator> tests;
  BoundCondition bound;
  bound.sources = subject.sources;
  for (size_t i = 1; i < expression.operands.size(); ++i) {
    BoundCondition test = comparison_of("=", subject, value(expression.operands[i]));
    bound.sources |= test.sources;
    tests.push_back(std::move(test.evaluate));
  }
  bound.evaluate = [tests, is_negated = expression.negated](const EvaluationContext& context) {
    Truth result = Truth::kFalse;
    for (const ConditionEvaluator& test : tests) {
      const Truth one = test(context);
      if (one == Truth::kTrue) {
        result = one;
        break;
      }
      result = one == Truth::kUnknown ? one : result;
    }
    return is_negated ? negated(result) : result;
  };
  return bound;
}

BoundCondition Binder::in_query(const Expression& expression) {
  Expression any = expression;
  any.text = expression.negated ? "<>" : "=";
  any.all = expression.negated;  // NOT IN is <> ALL
  return quantified(any);
}

BoundCondition Binder::quantified(const Expression& expression) {
  BoundValue subject = value(expression.operands[0]);
  const auto plan = std::make_shared<QueryPlan>(session_, *expression.query, scope_);
  if (plan->columns().size() != 1) {
    throw SqlError(116, 16, 1,
                   "Only one expression can be specified in the select list when the "
                   "subquery is not introduced with EXISTS.");
  }
  BoundValue element;
  element.type = plan->columns()[0].type;
  const SqlType type = comparison_type(subject, element);
  const SqlType from = element.type;
  subject = converted(std::move(subject), type);
  BoundCondition bound;
  bound.sources = subject.sources | plan->outer_sources();
  bound.evaluate = [plan, subject, type, from, op = expression.text,
                    all = expression.all](const EvaluationContext& context) {
    const SqlValue left = subject.evaluate(context);
    const Truth decisive = all ? Truth::kFalse : Truth::kTrue;
    Truth result = negated(decisive);
    const auto rows = plan->open(&context);
    std::vector<SqlValue> row;
    while (rows->next(&row)) {
      const SqlValue right = convert_value(row[0], from, type);
      const Truth one = left.null || right.null
                            ? Truth::kUnknown
                            : truth(truth_of_order(op, compare_values(type, left, right)));
      if (one == decisive) {
        return one;
      }
      result = one == Truth::kUnknown ? one : result;
    }
    return result;
  };
  return bound;
}

BoundCondition Binder::exists(const Expression& expression) {
  const auto plan = std::make_shared<QueryPlan>(session_, *expression.query, scope_);
  BoundCondition bound;
  bound.sources = plan->outer_sources();
  bound.evaluate = [plan](const EvaluationContext& context) {
    std::vector<SqlValue> row;
    return truth(plan->open(&context)->next(&row));
  };
  return bound;
}

BoundCondition Binder::like_condition(const Expression& expression) {
  std::vector<BoundValue> operands;
  BoundCondition bound;
  for (const ExpressionPtr& operand : expression.operands) {
    BoundValue text = value(operand);
    bound.sources |= text.sources;
    operands.push_back(family_of(text.type.id) == Family::kText
                           ? std::move(text)
                           : converted(std::move(text), nvarchar_type(kMaxLength)));
  }
  // Blanks at the end of the text count in Unicode comparisons only.
  const bool blanks_count = is_unicode(operands[0].type.id) || is_unicode(operands[1].type.id);
  bound.evaluate = [operands, blanks_count,
                    is_negated = expression.negated](const EvaluationContext& context) {
    const SqlValue text = operands[0].evaluate(context);
    const SqlValue pattern = operands[1].evaluate(context);
    char32_t escape = 0;
    if (operands.size() > 2) {
      const SqlValue character = operands[2].evaluate(context);
      size_t at = 0;
      if (character.null) {
        return Truth::kUnknown;
      }
      if (utf16_length(character.text) != 1) {
        throw SqlError(506, 16, 1,
                       "The invalid escape character \"" + character.text +
                           "\" was specified in a LIKE predicate.");
      }
      escape = next_code_point(character.text, &at);
    }
    if (text.null || pattern.null) {
      return Truth::kUnknown;
    }
    return truth(like(text.text, pattern.text, escape, blanks_count) != is_negated);
  };
  return bound;
}

}  // namespace dstream::standin::sql
