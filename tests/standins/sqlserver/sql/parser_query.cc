// SELECT and what stands in FROM.
#include "tests/standins/sqlserver/sql/parser_internal.h"

namespace dstream::standin::sql {

QueryPtr Parser::query() {
  const DepthGuard guard(this);
  std::vector<Query::CommonTable> tables = common_tables();
  const QueryPtr body = query_expression();
  Query whole = *body;
  whole.common_tables = std::move(tables);
  query_tail(&whole);
  return std::make_shared<const Query>(std::move(whole));
}

// WITH a AS (...), b AS (...)
std::vector<Query::CommonTable> Parser::common_tables() {
  std::vector<Query::CommonTable> tables;
  if (!accept_word("WITH")) {
    return tables;
  }
  do {
    Query::CommonTable table;
    table.name = identifier();
    if (accept("(")) {
      table.columns = identifier_list();
      expect(")");
    }
    expect_word("AS");
    expect("(");
    table.query = query();
    expect(")");
    tables.push_back(std::move(table));
  } while (accept(","));
  return tables;
}

void Parser::query_tail(Query* query) {
  if (peek().is_word("ORDER") && peek(1).is_word("BY")) {
    take();
    take();
    query->order_by = order_items();
    if (accept_word("OFFSET")) {
      query->offset = expression();
      if (!accept_word("ROWS")) {
        expect_word("ROW");
      }
      if (accept_word("FETCH")) {
        if (!accept_word("NEXT")) {
          expect_word("FIRST");
        }
        query->fetch = expression();
        if (!accept_word("ROWS")) {
          expect_word("ROW");
        }
        expect_word("ONLY");
      }
    }
  }
  if (peek().is_word("FOR") && (peek(1).is_word("XML") || peek(1).is_word("JSON"))) {
    throw not_understood("FOR " + peek(1).text);
  }
  query->recursion_max = option_clause();
}

// OPTION (...) changes how, never what; but MAXRECURSION is a bound that can be met.
std::optional<int32_t> Parser::option_clause() {
  std::optional<int32_t> recursion_max;
  if (!peek().is_word("OPTION") || !peek(1).is_operator("(")) {
    return recursion_max;
  }
  take();
  int level = 0;
  do {
    if (peek().is_word("MAXRECURSION") && peek(1).kind == TokenKind::kInteger &&
        peek(1).text.size() <= 5) {
      recursion_max = std::stoi(peek(1).text);
    }
    level += peek().is_operator("(") ? 1 : peek().is_operator(")") ? -1 : 0;
    if (take().kind == TokenKind::kEnd) {
      fail();
    }
  } while (level > 0);
  return recursion_max;
}

std::vector<OrderItem> Parser::order_items() {
  std::vector<OrderItem> items;
  do {
    OrderItem item;
    item.expression = expression();
    item.descending = accept_word("DESC");
    if (!item.descending) {
      accept_word("ASC");
    }
    items.push_back(std::move(item));
  } while (accept(","));
  return items;
}

QueryPtr Parser::query_expression() {
  QueryPtr left = query_term();
  while (is_any_word({"UNION", "EXCEPT"})) {
    auto combined = std::make_shared<Query>();
    if (take().is_word("UNION")) {
      combined->operation = accept_word("ALL") ? SetOperation::kUnionAll : SetOperation::kUnion;
    } else {
      combined->operation = SetOperation::kExcept;
    }
    combined->left = left;
    combined->right = query_term();
    left = combined;
  }
  return left;
}

QueryPtr Parser::query_term() {
  QueryPtr left = query_primary();
  while (accept_word("INTERSECT")) {
    auto combined = std::make_shared<Query>();
    combined->operation = SetOperation::kIntersect;
    combined->left = left;
    combined->right = query_primary();
    left = combined;
  }
  return left;
}

QueryPtr Parser::query_primary() {
  const DepthGuard guard(this);
  if (accept("(")) {
    QueryPtr inner = query();
    expect(")");
    return inner;
  }
  auto result = std::make_shared<Query>();
  if (accept_word("VALUES")) {
    result->values = value_rows();
    return result;
  }
  expect_word("SELECT");
  result->core = select_core();
  return result;
}

std::vector<std::vector<ExpressionPtr>> Parser::value_rows() {
  std::vector<std::vector<ExpressionPtr>> rows;
  do {
    expect("(");
    std::vector<ExpressionPtr> row;
    do {
      row.push_back(expression());
    } while (accept(","));
    expect(")");
    if (!rows.empty() && rows.front().size() != row.size()) {
      throw SqlError(10709, 16, 1,
                     "The number of columns for each row in a table value "
                     "constructor must be the same.");
    }
    rows.push_back(std::move(row));
  } while (accept(","));
  return rows;
}

void Parser::top_clause(SelectCore* core) {
  if (!accept_word("TOP")) {
    return;
  }
  if (accept("(")) {
    core->top = expression();
    expect(")");
  } else if (peek().kind == TokenKind::kInteger || peek().kind == TokenKind::kDecimal ||
             peek().kind == TokenKind::kVariable) {
    core->top = primary();
  } else {
    fail();
  }
  core->top_percent = accept_word("PERCENT");
  core->with_ties = accept_words("WITH", "TIES");
}

SelectCore Parser::select_core() {
  SelectCore core;
  core.distinct = accept_word("DISTINCT");
  if (!core.distinct) {
    accept_word("ALL");
  }
  top_clause(&core);
  do {
    core.items.push_back(select_item());
  } while (accept(","));
  if (accept_word("INTO")) {
    core.into = name();
  }
  if (accept_word("FROM")) {
    core.from = from_list();
  }
  if (accept_word("WHERE")) {
    core.where = condition();
  }
  if (accept_words("GROUP", "BY")) {
    do {
      if (is_any_word({"GROUPING", "ROLLUP", "CUBE"}) && !peek(1).is_operator(",")) {
        throw not_understood("GROUP BY " + peek().text);
      }
      core.group_by.push_back(expression());
    } while (accept(","));
  }
  if (accept_word("HAVING")) {
    core.having = condition();
  }
  return core;
}

SelectItem Parser::select_item() {
  SelectItem item;
  if (accept("*")) {
    auto star = std::make_shared<Expression>();
    star->kind = ExpressionKind::kStar;
    item.expression = star;
    return item;
  }
  if (peek().kind == TokenKind::kVariable && peek(1).is_operator("=")) {
    item.assign_to = take().text;
    take();
    item.expression = expression();
    return item;
  }
  // alias = value
  if (is_identifier(peek()) && peek(1).is_operator("=")) {
    item.alias = take().text;
    take();
    item.expression = expression();
    return item;
  }
  // t.*
  if (is_identifier(peek())) {
    size_t i = 1;
    while (peek(i).is_operator(".") &&
           (peek(i + 1).kind == TokenKind::kWord || peek(i + 1).kind == TokenKind::kName)) {
      i += 2;
    }
    if (peek(i).is_operator(".") && peek(i + 1).is_operator("*")) {
      auto star = std::make_shared<Expression>();
      star->kind = ExpressionKind::kStar;
      star->name.parts.push_back(take().text);
      while (peek().is_operator(".")) {
        take();
        if (!accept("*")) {
          star->name.parts.push_back(take().text);
        }
      }
      item.expression = star;
      return item;
    }
  }
  item.expression = expression();
  if (accept_word("AS")) {
    item.alias = peek().kind == TokenKind::kString ? take().text : identifier();
  } else if (is_identifier(peek()) || peek().kind == TokenKind::kString) {
    item.alias = take().text;
  }
  return item;
}

std::vector<TableRefPtr> Parser::from_list() {
  std::vector<TableRefPtr> tables;
  do {
    tables.push_back(joined_table());
  } while (accept(","));
  return tables;
}

TableRefPtr Parser::joined_table() {
  const DepthGuard guard(this);
  TableRefPtr left = table_primary();
  while (true) {
    auto join = std::make_shared<TableRef>();
    join->kind = TableRef::Kind::kJoin;
    if (accept_words("CROSS", "JOIN")) {
      join->join = JoinKind::kCross;
    } else if (accept_words("CROSS", "APPLY")) {
      join->join = JoinKind::kCrossApply;
    } else if (accept_words("OUTER", "APPLY")) {
      join->join = JoinKind::kOuterApply;
    } else if (is_any_word({"INNER", "JOIN", "LEFT", "RIGHT", "FULL"})) {
      const bool left_join = accept_word("LEFT");
      const bool right_join = accept_word("RIGHT");
      const bool full_join = accept_word("FULL");
      accept_word(left_join || right_join || full_join ? "OUTER" : "INNER");
      if (is_any_word({"LOOP", "HASH", "MERGE"})) {
        take();
      }
      expect_word("JOIN");
      join->join = left_join    ? JoinKind::kLeft
                   : right_join ? JoinKind::kRight
                   : full_join  ? JoinKind::kFull
                                : JoinKind::kInner;
    } else {
      return left;
    }
    const bool has_condition = join->join == JoinKind::kInner || join->join == JoinKind::kLeft ||
                               join->join == JoinKind::kRight || join->join == JoinKind::kFull;
    join->left = left;
    // a JOIN b JOIN c ON .. ON .. nests to the right until each join has its condition.
    join->right = table_primary();
    while (has_condition && is_any_word({"INNER", "JOIN", "LEFT", "RIGHT", "FULL"})) {
      auto inner = std::make_shared<TableRef>();
      inner->kind = TableRef::Kind::kJoin;
      inner->join = accept_word("LEFT")    ? JoinKind::kLeft
                    : accept_word("RIGHT") ? JoinKind::kRight
                    : accept_word("FULL")  ? JoinKind::kFull
                                           : JoinKind::kInner;
      accept_word("INNER");
      accept_word("OUTER");
      expect_word("JOIN");
      inner->left = join->right;
      inner->right = table_primary();
      expect_word("ON");
      inner->on = condition();
      join->right = inner;
    }
    if (has_condition) {
      expect_word("ON");
      join->on = condition();
    }
    left = join;
  }
}

TableRefPtr Parser::parenthesised_table() {
  expect("(");
  auto table = std::make_shared<TableRef>();
  if (is_any_word({"SELECT", "WITH"}) ||
      (peek().is_operator("(") && (peek(1).is_word("SELECT") || peek(1).is_operator("(")))) {
    table->kind = TableRef::Kind::kDerived;
    table->query = query();
    const bool may_be_ordered = table->query->order_by.empty() || table->query->offset != nullptr ||
                                (table->query->core && table->query->core->top != nullptr);
    if (!may_be_ordered) {
      throw SqlError(1033, 15, 1,
                     "The ORDER BY clause is invalid in views, inline functions, derived tables, "
                     "subqueries, and common table expressions, unless TOP, OFFSET or FOR XML is "
                     "also specified.");
    }
    expect(")");
    table_alias(table.get());
    if (table->alias.empty()) {
      fail();
    }
    return table;
  }
  if (accept_word("VALUES")) {
    table->kind = TableRef::Kind::kValues;
    table->rows = value_rows();
    expect(")");
    table_alias(table.get());
    return table;
  }
  TableRefPtr inner = joined_table();
  expect(")");
  return inner;
}

TableRefPtr Parser::table_primary() {
  if (peek().is_operator("(")) {
    return parenthesised_table();
  }
  auto table = std::make_shared<TableRef>();
  if (peek().kind == TokenKind::kVariable) {
    table->kind = TableRef::Kind::kVariable;
    table->name.parts = {take().text};
    table_alias(table.get());
    return table;
  }
  if (is_any_word({"OPENROWSET", "OPENQUERY", "OPENXML", "OPENJSON"})) {
    throw not_understood(peek().text);
  }
  table->name = name();
  if (peek().is_operator("(") && !peek(1).is_word("NOLOCK")) {
    take();
    table->kind = TableRef::Kind::kFunction;
    if (!accept(")")) {
      do {
        table->arguments.push_back(expression());
      } while (accept(","));
      expect(")");
    }
  }
  table_alias(table.get());
  if (is_any_word({"PIVOT", "UNPIVOT", "TABLESAMPLE"})) {
    throw not_understood(peek().text);
  }
  table_hints(&table->hints);
  if (table->alias.empty()) {
    table_alias(table.get());  // FROM t WITH (NOLOCK) x
  }
  return table;
}

void Parser::table_alias(TableRef* table) {
  if (accept_word("AS")) {
    table->alias = identifier();
  } else if (is_identifier(peek()) &&
             !is_any_word({"PIVOT", "UNPIVOT", "OFFSET", "APPLY", "GO", "LOOP", "HASH"})) {
    table->alias = take().text;
  } else {
    return;
  }
  if (accept("(")) {
    table->column_aliases = identifier_list();
    expect(")");
  }
}

void Parser::table_hints(std::vector<std::string>* hints) {
  const bool with = peek().is_word("WITH") && peek(1).is_operator("(");
  if (!with && !(peek().is_operator("(") && peek(1).is_word("NOLOCK"))) {
    return;
  }
  if (with) {
    take();
  }
  expect("(");
  int level = 1;
  while (level > 0) {
    const Token& token = take();
    if (token.kind == TokenKind::kEnd) {
      fail();
    }
    level += token.is_operator("(") ? 1 : token.is_operator(")") ? -1 : 0;
    if (token.kind == TokenKind::kWord && level == 1) {
      hints->push_back(upper_ascii(token.text));
    }
  }
}

}  // namespace dstream::standin::sql
