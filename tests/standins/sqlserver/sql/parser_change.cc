// INSERT, UPDATE, DELETE.
#include "tests/standins/sqlserver/sql/parser_internal.h"

namespace dstream::standin::sql {

void Parser::change_top(Statement* statement) {
  if (!accept_word("TOP")) {
    return;
  }
  expect("(");
  statement->top = expression();
  expect(")");
  statement->top_percent = accept_word("PERCENT");
}

void Parser::output_clause(Statement* statement) {
  if (!accept_word("OUTPUT")) {
    return;
  }
  do {
    statement->output.push_back(select_item());
  } while (accept(","));
  if (!accept_word("INTO")) {
    return;
  }
  Statement::OutputTarget& into = statement->output_into;
  if (peek().kind == TokenKind::kVariable) {
    into.table.parts = {take().text};
  } else {
    into.table = name();
  }
  if (peek().is_operator("(") && is_identifier(peek(1))) {
    take();
    into.columns = identifier_list();
    expect(")");
  }
  if (accept_word("OUTPUT")) {
    do {
      statement->output_rows.push_back(select_item());
    } while (accept(","));
  }
}

// INSERT BULK t ([a] int, [b] nvarchar(10) COLLATE x, ...) WITH (TABLOCK, ORDER(a ASC), ...). The
// types are those of the rows, which say so themselves.
StatementPtr Parser::insert_bulk_statement() {
  NewStatement result = make(StatementKind::kInsertBulk);
  take();
  take();
  result->name = name();
  if (accept("(")) {
    do {
      result->names.push_back(identifier());
      skip_to_comma();
    } while (accept(","));
    expect(")");
  }
  if (accept_word("WITH")) {
    expect("(");
    do {
      result->option_names.push_back(upper_ascii(take().text));
      skip_to_comma();
    } while (accept(","));
    expect(")");
  }
  return result;
}

// To the next comma or closing bracket of the list this stands in.
void Parser::skip_to_comma() {
  int depth = 0;
  while (depth > 0 || (!peek().is_operator(",") && !peek().is_operator(")"))) {
    if (at_end()) {
      fail();
    }
    const Token& token = take();
    depth += token.is_operator("(") ? 1 : token.is_operator(")") ? -1 : 0;
  }
}

StatementPtr Parser::insert_statement() {
  if (peek(1).is_word("BULK")) {
    return insert_bulk_statement();
  }
  NewStatement result = make(StatementKind::kInsert);
  take();
  change_top(result.get());
  accept_word("INTO");
  if (peek().kind == TokenKind::kVariable) {
    result->name.parts = {take().text};
  } else {
    result->name = name();
  }
  table_hints(&result->hints);
  if (peek().is_operator("(") && !peek(1).is_word("SELECT")) {
    take();
    result->names = identifier_list();
    expect(")");
  }
  output_clause(result.get());
  if (accept_words("DEFAULT", "VALUES")) {
    result->default_values = true;
  } else if (is_any_word({"EXEC", "EXECUTE"})) {
    result->execute = execute_statement(true);
  } else {
    result->query = query();
  }
  return result;
}

Assignment Parser::assignment() {
  Assignment result;
  if (peek().kind == TokenKind::kVariable) {
    result.variable = take().text;
    expect("=");
    // SET @v = column = value assigns both.
    if (is_identifier(peek()) && peek(1).is_operator("=")) {
      result.column = take().text;
      take();
    }
    result.value = expression();
    return result;
  }
  result.column = name().last();
  const Token& op = take();
  if (op.kind != TokenKind::kOperator || op.text.back() != '=' || op.text.size() > 2) {
    fail_at(op);
  }
  result.op = op.text.size() == 2 ? op.text[0] : '\0';
  if (result.op != '\0' && std::string_view("+-*/%&|^").find(result.op) == std::string_view::npos) {
    fail_at(op);
  }
  result.value = expression();
  return result;
}

StatementPtr Parser::update_statement() {
  NewStatement result = make(StatementKind::kUpdate);
  take();
  if (peek().is_word("STATISTICS")) {
    take();
    name();
    result->kind = StatementKind::kNoOperation;
    return result;
  }
  change_top(result.get());
  if (peek().kind == TokenKind::kVariable) {
    result->name.parts = {take().text};
  } else {
    result->name = name();
  }
  table_hints(&result->hints);
  expect_word("SET");
  do {
    result->assignments.push_back(assignment());
  } while (accept(","));
  output_clause(result.get());
  if (accept_word("FROM")) {
    result->from = from_list();
  }
  if (accept_word("WHERE")) {
    if (is_any_word({"CURRENT"})) {
      throw not_understood("WHERE CURRENT OF");
    }
    result->where = condition();
  }
  option_clause();
  return result;
}

StatementPtr Parser::delete_statement() {
  NewStatement result = make(StatementKind::kDelete);
  take();
  change_top(result.get());
  accept_word("FROM");
  if (peek().kind == TokenKind::kVariable) {
    result->name.parts = {take().text};
  } else {
    result->name = name();
  }
  table_hints(&result->hints);
  output_clause(result.get());
  if (accept_word("FROM")) {
    result->from = from_list();
  }
  if (accept_word("WHERE")) {
    if (is_any_word({"CURRENT"})) {
      throw not_understood("WHERE CURRENT OF");
    }
    result->where = condition();
  }
  option_clause();
  return result;
}

}  // namespace dstream::standin::sql
