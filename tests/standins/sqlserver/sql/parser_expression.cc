// Expressions, conditions, names and types.
#include <algorithm>
#include <iterator>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/parser_internal.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

using Node = std::shared_ptr<Expression>;

Node node(ExpressionKind kind) {
  auto result = std::make_shared<Expression>();
  result->kind = kind;
  return result;
}

Node node(ExpressionKind kind, std::vector<ExpressionPtr> operands) {
  Node result = node(kind);
  result->operands = std::move(operands);
  return result;
}

Node call_node(std::string name, std::vector<ExpressionPtr> operands = {}) {
  Node result = node(ExpressionKind::kCall, std::move(operands));
  result->name.parts = {std::move(name)};
  return result;
}

Node null_literal() {
  Node result = node(ExpressionKind::kLiteral);
  result->type = int_type();
  return result;
}

int32_t literal_length(int64_t length) {
  return static_cast<int32_t>(std::max<int64_t>(length, 1));
}

// Literals longer than the short types hold are (max).
SqlType text_literal_type(const Token& token) {
  const int64_t length = utf16_length(token.text);
  if (token.kind == TokenKind::kNString) {
    return nvarchar_type(length > 4000 ? kMaxLength : literal_length(length));
  }
  return varchar_type(length > 8000 ? kMaxLength : literal_length(length));
}

void number_literal(const Token& token, Expression* literal) {
  if (token.kind == TokenKind::kFloat) {
    literal->type = float_type();
    literal->value = SqlValue::of_real(std::strtod(token.text.c_str(), nullptr));
    return;
  }
  const auto number = parse_numeric(token.text);
  if (!number) {
    throw SqlError(1007, 15, 1,
                   "The number '" + token.text +
                       "' is out of the range for numeric "
                       "representation (maximum precision 38).");
  }
  if (token.kind == TokenKind::kMoney) {
    literal->type.id = TypeId::kMoney;
    literal->value = value_of(*number, literal->type);
    return;
  }
  if (token.kind == TokenKind::kInteger && number->units <= 2147483647) {
    literal->type = int_type();
    literal->value = SqlValue::of_number(static_cast<int64_t>(number->units));
    return;
  }
  const std::string text = to_text(*number);
  int digits = 0;
  for (const char c : token.text) {
    digits += c >= '0' && c <= '9' ? 1 : 0;
  }
  // Leading zeros carry no precision.
  for (const char c : token.text) {
    if (c != '0') {
      break;
    }
    --digits;
  }
  literal->type = decimal_type(std::max({digits, number->scale, 1}), number->scale);
  literal->type.id = TypeId::kNumeric;
  literal->value = SqlValue::of_text(text);
}

}  // namespace

std::string Name::text() const {
  std::string result;
  for (size_t i = 0; i < parts.size(); ++i) {
    result += (i == 0 ? "" : ".") + parts[i];
  }
  return result;
}

std::string Parser::identifier() {
  if (!is_identifier(peek())) {
    fail();
  }
  return take().text;
}

Name Parser::name() {
  Name result;
  result.parts.push_back(identifier());
  while (peek().is_operator(".")) {
    take();
    if (peek().is_operator(".")) {
      result.parts.emplace_back();
    } else if (peek().kind == TokenKind::kWord || peek().kind == TokenKind::kName) {
      result.parts.push_back(take().text);  // Behind a dot any word is a name.
    } else {
      fail();
    }
  }
  if (result.parts.size() > 4) {
    throw SqlError(117, 15, 1,
                   "The object name '" + result.text() +
                       "' contains more than the maximum number of prefixes. The "
                       "maximum is 3.");
  }
  return result;
}

TypeSpec Parser::type_spec() {
  TypeSpec spec;
  Name type = peek().is_word("NATIONAL") || peek().is_word("DOUBLE") ? Name{{take().text}} : name();
  spec.name = type.last();
  spec.schema = type.before_last(1);
  if (equals_upper(spec.name, "DOUBLE") && accept_word("PRECISION")) {
    spec.name = "float";
  } else if (equals_upper(spec.name, "NATIONAL")) {
    accept_word("CHARACTER");
    spec.name = accept_word("VARYING") ? "nvarchar" : "nchar";
  } else if ((equals_upper(spec.name, "CHAR") || equals_upper(spec.name, "CHARACTER")) &&
             accept_word("VARYING")) {
    spec.name = "varchar";
  }
  if (accept("(")) {
    const auto number = [this]() -> int32_t {
      if (accept_word("MAX")) {
        return kMaxLength;
      }
      if (peek().kind != TokenKind::kInteger || peek().text.size() > 9) {
        fail();
      }
      return std::stoi(take().text);
    };
    spec.first = number();
    if (accept(",")) {
      spec.second = number();
    }
    expect(")");
  }
  return spec;
}

ExpressionPtr Parser::condition() {
  const DepthGuard guard(this);
  return or_condition();
}

ExpressionPtr Parser::or_condition() {
  ExpressionPtr left = and_condition();
  while (accept_word("OR")) {
    left = node(ExpressionKind::kOr, {left, and_condition()});
  }
  return left;
}

ExpressionPtr Parser::and_condition() {
  ExpressionPtr left = not_condition();
  while (accept_word("AND")) {
    left = node(ExpressionKind::kAnd, {left, not_condition()});
  }
  return left;
}

ExpressionPtr Parser::not_condition() {
  if (accept_word("NOT")) {
    const DepthGuard guard(this);
    return node(ExpressionKind::kNot, {not_condition()});
  }
  return predicate();
}

ExpressionPtr Parser::predicate() {
  if (peek().is_word("EXISTS")) {
    take();
    expect("(");
    Node exists = node(ExpressionKind::kExists);
    exists->query = query();
    expect(")");
    return exists;
  }
  if (peek().is_operator("(") && opens_condition(at_)) {
    take();
    ExpressionPtr inner = condition();
    expect(")");
    return inner;
  }
  return predicate_tail(expression());
}

// Looks for a comparison or a logical word at the level of the parenthesis at `open`.
bool Parser::opens_condition(size_t open) const {
  static constexpr std::string_view kOperators[] = {
      "=", "<", ">", "<=", ">=", "<>", "!=", "!<", "!>"};
  static constexpr std::string_view kWords[] = {"AND",  "OR", "NOT",     "IS",
                                                "LIKE", "IN", "BETWEEN", "EXISTS"};
  if (tokens_[open + 1].is_word("SELECT") || tokens_[open + 1].is_word("WITH")) {
    return false;
  }
  int level = 0;
  int cases = 0;
  for (size_t i = open; i < tokens_.size(); ++i) {
    const Token& token = tokens_[i];
    if (token.is_operator("(")) {
      ++level;
    } else if (token.is_operator(")")) {
      if (--level == 0) {
        // ((a = b)) nests conditions, ((a + b) * c) values.
        return tokens_[open + 1].is_operator("(") && opens_condition(open + 1);
      }
    } else if (level == 1 && token.kind == TokenKind::kWord) {
      cases += token.is_word("CASE") ? 1 : token.is_word("END") ? -1 : 0;
      if (cases == 0 && std::any_of(std::begin(kWords), std::end(kWords),
                                    [&](std::string_view word) { return token.is_word(word); })) {
        return true;
      }
    } else if (level == 1 && cases == 0 && token.kind == TokenKind::kOperator &&
               std::find(std::begin(kOperators), std::end(kOperators), token.text) !=
                   std::end(kOperators)) {
      return true;
    }
  }
  return false;
}

// 4145: a value where a condition belongs. SQL Server names the word behind it.
SqlError Parser::not_a_condition() const {
  const Token& near = peek().kind == TokenKind::kEnd && at_ > 0 ? tokens_[at_ - 1] : peek();
  SqlError error(4145, 15, 1,
                 "An expression of non-boolean type specified in a context where a condition is "
                 "expected, near '" +
                     near.text + "'.");
  error.message.line = near.line;
  return error;
}

ExpressionPtr Parser::predicate_tail(ExpressionPtr left) {
  const Token& token = peek();
  if (token.kind == TokenKind::kOperator) {
    static constexpr std::string_view kOperators[] = {
        "=", "<>", "!=", "<", "<=", ">", ">=", "!<", "!>"};
    for (const std::string_view op : kOperators) {
      if (!token.is_operator(op)) {
        continue;
      }
      take();
      const std::string normal = op == "!="   ? "<>"
                                 : op == "!<" ? ">="
                                 : op == "!>" ? "<="
                                              : std::string(op);
      if (is_any_word({"ALL", "ANY", "SOME"}) && peek(1).is_operator("(")) {
        Node quantified = node(ExpressionKind::kQuantified, {left});
        quantified->text = normal;
        quantified->all = take().is_word("ALL");
        expect("(");
        quantified->query = query();
        expect(")");
        return quantified;
      }
      Node compare = node(ExpressionKind::kCompare, {left, expression()});
      compare->text = normal;
      return compare;
    }
    if (token.is_operator(")") || token.is_operator(";") || token.is_operator(",")) {
      throw not_a_condition();
    }
    fail();
  }
  if (accept_word("IS")) {
    Node is_null = node(ExpressionKind::kIsNull, {left});
    is_null->negated = accept_word("NOT");
    expect_word("NULL");
    return is_null;
  }
  const bool negated = accept_word("NOT");
  if (accept_word("IN")) {
    return in_tail(left, negated);
  }
  if (accept_word("BETWEEN")) {
    ExpressionPtr low = expression();
    expect_word("AND");
    Node between = node(ExpressionKind::kBetween, {left, low, expression()});
    between->negated = negated;
    return between;
  }
  if (accept_word("LIKE")) {
    Node like = node(ExpressionKind::kLike, {left, expression()});
    like->negated = negated;
    if (accept_word("ESCAPE")) {
      like->operands.push_back(expression());
    }
    return like;
  }
  throw not_a_condition();
}

ExpressionPtr Parser::in_tail(ExpressionPtr left, bool negated) {
  Node in = node(ExpressionKind::kIn, {std::move(left)});
  in->negated = negated;
  expect("(");
  if (is_any_word({"SELECT", "WITH"})) {
    in->query = query();
  } else {
    do {
      in->operands.push_back(expression());
    } while (accept(","));
  }
  expect(")");
  return in;
}

ExpressionPtr Parser::expression() {
  const DepthGuard guard(this);
  return additive();
}

ExpressionPtr Parser::additive() {
  ExpressionPtr left = multiplicative();
  while (peek().kind == TokenKind::kOperator && peek().text.size() == 1 &&
         std::string_view("+-&|^").find(peek().text[0]) != std::string_view::npos) {
    Node binary = node(ExpressionKind::kBinary);
    binary->op = take().text[0];
    binary->operands = {left, multiplicative()};
    left = binary;
  }
  return left;
}

ExpressionPtr Parser::multiplicative() {
  ExpressionPtr left = unary();
  while (peek().is_operator("*") || peek().is_operator("/") || peek().is_operator("%")) {
    Node binary = node(ExpressionKind::kBinary);
    binary->op = take().text[0];
    binary->operands = {left, unary()};
    left = binary;
  }
  return left;
}

ExpressionPtr Parser::unary() {
  const DepthGuard guard(this);
  if (accept("-")) {
    return node(ExpressionKind::kNegate, {unary()});
  }
  if (accept("+")) {
    return unary();
  }
  if (accept("~")) {
    return node(ExpressionKind::kBitNot, {unary()});
  }
  ExpressionPtr value = primary();
  while (true) {
    if (accept_word("COLLATE")) {
      const std::string collation = identifier();
      if (!equals_upper(collation, "DATABASE_DEFAULT") &&
          upper_ascii(collation).find("_CI_") == std::string::npos) {
        throw not_understood("COLLATE " + collation);
      }
    } else if (peek().is_word("AT") && peek(1).is_word("TIME")) {
      take();
      take();
      expect_word("ZONE");
      Node zoned = node(ExpressionKind::kCall, {value, primary()});
      zoned->name = Name{{"$at_time_zone"}};
      value = zoned;
    } else {
      return value;
    }
  }
}

ExpressionPtr Parser::primary() {
  const Token& token = peek();
  switch (token.kind) {
    case TokenKind::kInteger:
    case TokenKind::kDecimal:
    case TokenKind::kFloat:
    case TokenKind::kMoney:
    case TokenKind::kString:
    case TokenKind::kNString:
    case TokenKind::kBinary:
      return literal();
    case TokenKind::kVariable: {
      Node variable = node(ExpressionKind::kVariable);
      variable->text = take().text;
      return variable;
    }
    case TokenKind::kOperator: {
      if (!accept("(")) {
        fail();
      }
      if (is_any_word({"SELECT", "WITH"})) {
        Node scalar = node(ExpressionKind::kScalarQuery);
        scalar->query = query();
        expect(")");
        return scalar;
      }
      ExpressionPtr inner = expression();
      expect(")");
      return inner;
    }
    case TokenKind::kWord:
      return word_primary();
    case TokenKind::kName:
      return name_or_call();
    default:
      fail();
  }
}

ExpressionPtr Parser::literal() {
  const Token& token = take();
  Node result = node(ExpressionKind::kLiteral);
  if (token.kind == TokenKind::kString || token.kind == TokenKind::kNString) {
    result->type = text_literal_type(token);
    result->value = SqlValue::of_text(token.text);
  } else if (token.kind == TokenKind::kBinary) {
    const auto length = static_cast<int64_t>(token.text.size());
    result->type = varbinary_type(length > 8000 ? kMaxLength : literal_length(length));
    result->value = SqlValue::of_text(token.text);
  } else {
    number_literal(token, result.get());
  }
  result->type.nullable = false;
  return result;
}

ExpressionPtr Parser::word_primary() {
  if (accept_word("NULL")) {
    return null_literal();
  }
  if (accept_word("DEFAULT")) {
    return node(ExpressionKind::kDefault);
  }
  if (peek().is_word("CASE")) {
    return case_expression();
  }
  if (peek(1).is_operator("(")) {
    if (accept_word("CAST")) {
      return cast_expression(false, false, false);
    }
    if (accept_word("TRY_CAST")) {
      return cast_expression(false, true, false);
    }
    if (accept_word("CONVERT")) {
      return cast_expression(true, false, false);
    }
    if (accept_word("TRY_CONVERT")) {
      return cast_expression(true, true, false);
    }
    if (accept_word("PARSE")) {
      return cast_expression(false, false, true);
    }
    if (accept_word("TRY_PARSE")) {
      return cast_expression(false, true, true);
    }
    // Functions that happen to be reserved words.
    if (is_any_word({"COALESCE", "NULLIF", "LEFT", "RIGHT", "USER"})) {
      return call(Name{{take().text}});
    }
  }
  if (is_any_word({"CURRENT_TIMESTAMP", "CURRENT_USER", "SESSION_USER", "SYSTEM_USER", "USER"})) {
    return call_node(upper_ascii(take().text));
  }
  return name_or_call();
}

ExpressionPtr Parser::case_expression() {
  take();
  Node result = node(ExpressionKind::kCase);
  if (!peek().is_word("WHEN")) {
    result->has_value = true;
    result->operands.push_back(expression());
  }
  while (accept_word("WHEN")) {
    result->operands.push_back(result->has_value ? expression() : condition());
    expect_word("THEN");
    result->operands.push_back(expression());
  }
  if (result->operands.size() < 2) {
    fail();
  }
  if (accept_word("ELSE")) {
    result->has_else = true;
    result->operands.push_back(expression());
  }
  expect_word("END");
  return result;
}

ExpressionPtr Parser::cast_expression(bool is_convert, bool is_try, bool is_parse) {
  Node cast = node(ExpressionKind::kCast);
  cast->is_try = is_try;
  cast->is_parse = is_parse;
  expect("(");
  if (is_convert) {
    cast->cast_type = type_spec();
    expect(",");
    cast->operands.push_back(expression());
    if (accept(",")) {
      cast->operands.push_back(expression());
    }
  } else {
    cast->operands.push_back(expression());
    expect_word("AS");
    cast->cast_type = type_spec();
    if (is_parse && accept_word("USING")) {
      cast->operands.push_back(expression());
    }
  }
  expect(")");
  return cast;
}

ExpressionPtr Parser::name_or_call() {
  Name full = name();
  if (peek().is_operator("(")) {
    return call(std::move(full));
  }
  // name.* is taken apart by the select list.
  Node column = node(ExpressionKind::kColumn);
  column->name = std::move(full);
  return column;
}

ExpressionPtr Parser::call(Name function) {
  if (function.parts.size() == 1 && equals_upper(function.last(), "IIF")) {
    // IIF(c, a, b) is CASE WHEN c THEN a ELSE b END.
    Node choice = node(ExpressionKind::kCase);
    expect("(");
    choice->operands.push_back(condition());
    expect(",");
    choice->operands.push_back(expression());
    expect(",");
    choice->operands.push_back(expression());
    choice->has_else = true;
    expect(")");
    return choice;
  }
  if (function.parts.size() == 1 && equals_upper(function.last(), "CHOOSE")) {
    return choose_call();
  }
  if (function.parts.size() == 1 && equals_upper(function.last(), "TRIM")) {
    return trim_call();
  }
  Node result = node(ExpressionKind::kCall);
  result->name = std::move(function);
  expect("(");
  if (accept("*")) {
    result->star = true;
  } else if (!peek().is_operator(")")) {
    result->distinct = accept_word("DISTINCT");
    if (!result->distinct) {
      accept_word("ALL");
    }
    do {
      result->operands.push_back(expression());
    } while (accept(","));
  }
  expect(")");
  if (peek().is_word("WITHIN") && peek(1).is_word("GROUP")) {
    take();
    take();
    expect("(");
    expect_word("ORDER");
    expect_word("BY");
    result->window_order = order_items();
    expect(")");
  }
  if (accept_word("OVER")) {
    over_clause(result.get());
  }
  return result;
}

// CHOOSE(i, a, b) is CASE i WHEN 1 THEN a WHEN 2 THEN b END, i a whole number.
ExpressionPtr Parser::choose_call() {
  Node choice = node(ExpressionKind::kCase);
  choice->has_value = true;
  expect("(");
  Node index = node(ExpressionKind::kCast, {expression()});
  index->cast_type.name = "int";
  choice->operands.push_back(index);
  for (int64_t i = 1; accept(","); ++i) {
    Node number = node(ExpressionKind::kLiteral);
    number->type = int_type();
    number->value = SqlValue::of_number(i);
    choice->operands.push_back(number);
    choice->operands.push_back(expression());
  }
  if (choice->operands.size() < 3) {
    fail();
  }
  expect(")");
  return choice;
}

// TRIM(text), TRIM(characters FROM text), TRIM(LEADING characters FROM text).
ExpressionPtr Parser::trim_call() {
  Node result = node(ExpressionKind::kCall);
  expect("(");
  std::string function = "trim";
  if (is_any_word({"LEADING", "TRAILING", "BOTH"}) && !peek(1).is_operator(")")) {
    const Token& side = take();
    function = side.is_word("LEADING") ? "ltrim" : side.is_word("TRAILING") ? "rtrim" : "trim";
  }
  result->name = Name{{function}};
  result->operands.push_back(expression());
  if (accept_word("FROM")) {
    result->operands.insert(result->operands.begin(), expression());
  }
  expect(")");
  return result;
}

void Parser::over_clause(Expression* window) {
  window->has_over = true;
  expect("(");
  if (accept_words("PARTITION", "BY")) {
    do {
      window->partition_by.push_back(expression());
    } while (accept(","));
  }
  if (peek().is_word("ORDER")) {
    take();
    expect_word("BY");
    window->window_order = order_items();
  }
  if (is_any_word({"ROWS", "RANGE"})) {
    throw not_understood("OVER (... ROWS)");
  }
  expect(")");
}

SqlType resolve_type(const TypeSpec& spec, bool in_cast) {
  const bool is_system = spec.schema.empty() || equals_upper(spec.schema, "SYS");
  const auto id = is_system ? type_by_name(spec.name) : std::nullopt;
  if (!id && in_cast) {
    throw SqlError(243, 16, 1, "Type " + spec.name + " is not a defined system type.");
  }
  if (!id) {
    throw SqlError(2715, 16, 6,
                   "Column, parameter, or variable #1: Cannot find data type " + spec.name + ".");
  }
  if (equals_upper(spec.name, "SYSNAME")) {
    return sysname_type();
  }
  SqlType type = make_type(*id, spec.first, spec.second, in_cast);
  type.utf8 = spec.utf8 && has_code_page(*id);
  return type;
}

}  // namespace dstream::standin::sql
