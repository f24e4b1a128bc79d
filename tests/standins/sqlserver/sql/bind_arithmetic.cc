// Binding of arithmetic: the operators of two values and of one, in the type of their result.
#include <cmath>

#include "tests/standins/sqlserver/sql/binder.h"
#include "tests/standins/sqlserver/sql/conversion_rules.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

SqlError divide_by_zero() { return {8134, 16, 1, "Divide by zero error encountered."}; }

SqlValue integer_arithmetic(char op, int64_t a, int64_t b, const SqlType& type) {
  int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case '+':
      overflow = __builtin_add_overflow(a, b, &result);
      break;
    case '-':
      overflow = __builtin_sub_overflow(a, b, &result);
      break;
    case '*':
      overflow = __builtin_mul_overflow(a, b, &result);
      break;
    case '/':
    case '%':
      if (b == 0) {
        throw divide_by_zero();
      }
      if (b == -1) {
        overflow = op == '/' && __builtin_sub_overflow(int64_t{0}, a, &result);
      } else {
        result = op == '/' ? a / b : a % b;
      }
      break;
    case '&':
      result = a & b;
      break;
    case '|':
      result = a | b;
      break;
    default:
      result = a ^ b;
      break;
  }
  if (overflow) {
    throw arithmetic_overflow("expression", type_name(type.id));
  }
  if (!fits_integer(type.id, result)) {
    throw arithmetic_overflow("expression", type_name(type.id));
  }
  return SqlValue::of_number(type.id == TypeId::kBit ? result & 1 : result);
}

SqlValue real_arithmetic(char op, double a, double b, const SqlType& type) {
  double result = 0;
  switch (op) {
    case '+':
      result = a + b;
      break;
    case '-':
      result = a - b;
      break;
    case '*':
      result = a * b;
      break;
    case '/':
      if (b == 0) {
        throw divide_by_zero();
      }
      result = a / b;
      break;
    default:
      throw SqlError(402, 16, 1,
                     "The data types float and float are incompatible in the modulo "
                     "operator.");
  }
  if (!std::isfinite(result)) {
    throw arithmetic_overflow("expression", type_name(type.id));
  }
  return SqlValue::of_real(
      type.id == TypeId::kReal ? static_cast<double>(static_cast<float>(result)) : result);
}

SqlValue decimal_arithmetic(char op, const Numeric& a, const Numeric& b, const SqlType& type) {
  int precision = 0, scale = 0;
  decimal_shape(type, &precision, &scale);
  std::optional<Numeric> result;
  switch (op) {
    case '+':
      result = add(a, b, scale);
      break;
    case '-':
      result = subtract(a, b, scale);
      break;
    case '*':
      result = multiply(a, b, scale);
      break;
    default:
      if (b.units == 0) {
        throw divide_by_zero();
      }
      result = op == '/' ? divide(a, b, scale) : modulo(a, b, scale);
      break;
  }
  if (!result) {
    throw arithmetic_overflow("expression", type.id == TypeId::kMoney ? "money" : "numeric");
  }
  return value_of(*result, type, "expression");
}

bool is_whole_number(const SqlType& type) { return family_of(type.id) == Family::kInteger; }

// An integer literal counts with its own digits when it meets a decimal: 1 is numeric(1,0).
SqlType literal_aware(const BoundValue& value, const SqlType& other) {
  if (!value.is_literal || !is_whole_number(value.type) ||
      family_of(other.id) != Family::kDecimal || other.id == TypeId::kMoney) {
    return value.type;
  }
  const EvaluationContext none;
  const std::string digits = std::to_string(std::abs(value.evaluate(none).number));
  SqlType type = decimal_type(static_cast<int>(digits.size()), 0);
  type.nullable = false;
  return type;
}

// For the result's nullability and literals, arithmetic with NULL alone is of the other's type.
void settle_nulls(BoundValue* left, BoundValue* right) {
  if (left->is_null && !right->is_null) {
    left->type = right->type;
  } else if (right->is_null && !left->is_null) {
    right->type = left->type;
  }
  left->type.nullable = left->type.nullable || left->is_null;
  right->type.nullable = right->type.nullable || right->is_null;
}

// Text and bytes become the type of the operand beside them; numbers are wide enough as they are.
SqlType whole_type(const SqlType& operand, const SqlType& result) {
  return is_whole_number(operand) ? bigint_type() : result;
}

Evaluator arithmetic_evaluator(char op, const BoundValue& left, const BoundValue& right,
                               const SqlType& type) {
  const Evaluator a = left.evaluate, b = right.evaluate;
  const SqlType ta = left.type, tb = right.type;
  switch (family_of(type.id)) {
    case Family::kText:
    case Family::kBytes:
      return [=](const EvaluationContext& context) {
        SqlValue x = a(context);
        const SqlValue y = b(context);
        if (x.null || y.null) {
          return SqlValue{};
        }
        x.text += y.text;
        if (type.length != kMaxLength && declared_length(type, x.text) > type.length) {
          x.text = cut_to_length(type, x.text, type.length);
        }
        return x;
      };
    case Family::kInteger:
      return [=](const EvaluationContext& context) {
        const SqlValue x = convert_value(a(context), ta, whole_type(ta, type));
        const SqlValue y = convert_value(b(context), tb, whole_type(tb, type));
        return x.null || y.null ? SqlValue{} : integer_arithmetic(op, x.number, y.number, type);
      };
    case Family::kReal:
      return [=](const EvaluationContext& context) {
        const SqlValue x = convert_value(a(context), ta, float_type());
        const SqlValue y = convert_value(b(context), tb, float_type());
        return x.null || y.null ? SqlValue{} : real_arithmetic(op, x.real, y.real, type);
      };
    case Family::kDecimal:
      return [=](const EvaluationContext& context) {
        SqlValue x = a(context);
        SqlValue y = b(context);
        if (x.null || y.null) {
          return SqlValue{};
        }
        const auto exact = [&](const SqlValue& v, const SqlType& t) {
          return family_of(t.id) == Family::kText ? numeric_of(type, convert_value(v, t, type))
                                                  : numeric_of(t, v);
        };
        return decimal_arithmetic(op, exact(x, ta), exact(y, tb), type);
      };
    default:  // datetime with days
      return [=](const EvaluationContext& context) {
        const SqlValue x = a(context), y = b(context);
        if (x.null || y.null) {
          return SqlValue{};
        }
        const double days =
            op == '+' ? double_of(ta, x) + double_of(tb, y) : double_of(ta, x) - double_of(tb, y);
        return convert_value(SqlValue::of_real(days), float_type(), type);
      };
  }
}

}  // namespace

BoundValue Binder::arithmetic(const Expression& expression) {
  BoundValue left = value(expression.operands[0]);
  BoundValue right = value(expression.operands[1]);
  settle_nulls(&left, &right);
  BoundValue bound;
  bound.sources = left.sources | right.sources;
  const SqlType left_type = literal_aware(left, right.type);
  const SqlType right_type = literal_aware(right, left.type);
  bound.type = arithmetic_type(expression.op, left_type, right_type);
  bound.type.nullable = left.type.nullable || right.type.nullable;
  bound.evaluate = arithmetic_evaluator(expression.op, left, right, bound.type);
  return bound;
}

BoundValue Binder::negate(const Expression& expression) {
  BoundValue operand = value(expression.operands[0]);
  const Family family = family_of(operand.type.id);
  BoundValue bound = operand;
  bound.column = -1;
  bound.name.clear();
  const bool bits = expression.kind == ExpressionKind::kBitNot;
  if (operand.is_null) {
    return bound;
  }
  if (family != Family::kInteger &&
      (bits || (family != Family::kReal && family != Family::kDecimal))) {
    throw SqlError(8117, 16, 1,
                   "Operand data type " + std::string(type_name(operand.type.id)) +
                       " is invalid for " + (bits ? "'~'" : "minus") + " operator.");
  }
  if (operand.type.id == TypeId::kTinyInt && !bits) {
    bound.type.id = TypeId::kSmallInt;
  }
  const SqlType type = bound.type;
  bound.evaluate = [inner = operand.evaluate, type, bits,
                    family](const EvaluationContext& context) {
    SqlValue v = inner(context);
    if (v.null) {
      return v;
    }
    if (bits) {
      v.number = type.id == TypeId::kBit       ? 1 - v.number
                 : type.id == TypeId::kTinyInt ? ~v.number & 0xFF
                                               : ~v.number;
      return v;
    }
    if (family == Family::kReal) {
      v.real = -v.real;
      return v;
    }
    if (family == Family::kDecimal) {
      Numeric n = numeric_of(type, v);
      n.units = -n.units;
      return value_of(n, type);
    }
    return integer_arithmetic('-', 0, v.number, type);
  };
  if (operand.is_literal) {
    const EvaluationContext none;
    const SqlValue constant = bound.evaluate(none);
    bound.evaluate = [constant](const EvaluationContext&) { return constant; };
  }
  return bound;
}

}  // namespace dstream::standin::sql
