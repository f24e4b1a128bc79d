// Statements: control flow, variables, EXEC, transactions. Queries, changes and definitions have
// their own files.
#include "tests/standins/sqlserver/sql/parser.h"

#include <algorithm>

#include "tests/standins/sqlserver/sql/parser_internal.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {

std::shared_ptr<const Batch> parse_batch(std::string_view text, bool quoted_identifier) {
  auto batch = std::make_shared<Batch>();
  batch->text = text;
  Parser parser(batch->text, quoted_identifier);
  batch->statements = parser.statements_until_end();
  return batch;
}

std::vector<ParameterSpec> parse_parameters(std::string_view declaration) {
  return Parser(declaration, true).parameter_list();
}

ExpressionPtr parse_expression(std::string_view text) {
  Parser parser(text, true);
  ExpressionPtr result = parser.expression();
  if (!parser.at_end()) {
    parser.fail();
  }
  return result;
}

Name parse_name(std::string_view text) {
  Parser parser(text, true);
  Name result = parser.name();
  if (!parser.at_end()) {
    parser.fail();
  }
  return result;
}

void Parser::fail_at(const Token& token) const {
  SqlError error = syntax_error(token.text);
  if (token.kind == TokenKind::kEnd) {
    // SQL Server points at the last word when the text ends too early.
    error = syntax_error(at_ > 0 ? tokens_[at_ - 1].text : "");
  } else if (token.kind == TokenKind::kWord && is_reserved(token.text)) {
    error = keyword_error(token.text);
  }
  error.message.line = token.line;
  throw error;
}

bool Parser::is_any_word(std::initializer_list<std::string_view> words) const {
  return std::any_of(words.begin(), words.end(),
                     [this](std::string_view word) { return peek().is_word(word); });
}

void Parser::skip_semicolons() {
  while (accept(";")) {
  }
}

std::vector<StatementPtr> Parser::statements_until_end() {
  std::vector<StatementPtr> statements;
  skip_semicolons();
  // The first statement of a batch may be a procedure's name without EXEC.
  if (is_identifier(peek()) && !is_any_word({"GO", "THROW"}) && !peek(1).is_operator(":")) {
    statements.push_back(execute_statement(false));
    skip_semicolons();
  }
  while (!at_end()) {
    statements.push_back(statement());
    skip_semicolons();
  }
  return statements;
}

Parser::NewStatement Parser::make(StatementKind kind) const {
  auto statement = std::make_shared<Statement>();
  statement->kind = kind;
  statement->start = peek().start;
  statement->line = peek().line;
  return statement;
}

StatementPtr Parser::statement() {
  const DepthGuard guard(this);
  const size_t start = peek().start;
  const int32_t line = peek().line;
  Statement whole = *statement_body();
  whole.start = start;
  whole.end = last_end();
  whole.line = line;
  return std::make_shared<const Statement>(std::move(whole));
}

StatementPtr Parser::statement_body() {
  const Token& first = peek();
  if (first.is_operator("(") || is_any_word({"SELECT", "VALUES", "WITH"})) {
    NewStatement select = make(StatementKind::kQuery);
    std::vector<Query::CommonTable> tables = common_tables();
    if (is_any_word({"INSERT", "UPDATE", "DELETE", "MERGE"})) {
      return change_with_common_tables(std::move(tables));
    }
    Query whole = *query();
    whole.common_tables = std::move(tables);
    select->query = std::make_shared<const Query>(std::move(whole));
    return select;
  }
  if (first.kind != TokenKind::kWord) {
    fail();
  }
  using Member = StatementPtr (Parser::*)();
  static constexpr std::pair<std::string_view, Member> kStatements[] = {
      {"INSERT", &Parser::insert_statement},   {"UPDATE", &Parser::update_statement},
      {"DELETE", &Parser::delete_statement},   {"MERGE", &Parser::merge_statement},
      {"CREATE", &Parser::create_statement},   {"ALTER", &Parser::alter_statement},
      {"DROP", &Parser::drop_statement},       {"BEGIN", &Parser::begin_statement},
      {"IF", &Parser::if_statement},           {"WHILE", &Parser::while_statement},
      {"DECLARE", &Parser::declare_statement}, {"SET", &Parser::set_statement},
      {"PRINT", &Parser::print_statement},     {"RAISERROR", &Parser::raiserror_statement},
      {"THROW", &Parser::throw_statement},     {"WAITFOR", &Parser::wait_statement},
      {"RETURN", &Parser::return_statement},
  };
  for (const auto& [word, parse] : kStatements) {
    if (first.is_word(word)) {
      return (this->*parse)();
    }
  }
  if (is_any_word({"EXEC", "EXECUTE"})) {
    return execute_statement(true);
  }
  static constexpr std::pair<std::string_view, StatementKind> kTransactions[] = {
      {"COMMIT", StatementKind::kCommit},
      {"ROLLBACK", StatementKind::kRollback},
      {"SAVE", StatementKind::kSave},
  };
  for (const auto& [word, kind] : kTransactions) {
    if (first.is_word(word)) {
      return transaction_statement(kind);
    }
  }
  return short_statement();
}

// Statements of a word or two.
StatementPtr Parser::short_statement() {
  const Token& first = peek();
  if (first.is_word("USE")) {
    NewStatement use = make(StatementKind::kUse);
    take();
    use->name.parts = {identifier()};
    return use;
  }
  if (first.is_word("TRUNCATE")) {
    NewStatement truncate = make(StatementKind::kTruncate);
    take();
    expect_word("TABLE");
    truncate->name = name();
    return truncate;
  }
  if (is_any_word({"BREAK", "CONTINUE"})) {
    const StatementKind kind =
        first.is_word("BREAK") ? StatementKind::kBreak : StatementKind::kContinue;
    if (loops_ == 0) {
      const bool leaves = kind == StatementKind::kBreak;
      throw SqlError(leaves ? 135 : 136, 15, 1,
                     std::string("Cannot use a ") + (leaves ? "BREAK" : "CONTINUE") +
                         " statement outside the scope of a WHILE statement.");
    }
    NewStatement result = make(kind);
    take();
    return result;
  }
  if (is_any_word({"CHECKPOINT", "RECONFIGURE"})) {
    NewStatement result = make(StatementKind::kNoOperation);
    take();
    return result;
  }
  if (is_any_word({"GRANT", "DENY", "REVOKE"})) {
    return grant_statement();
  }
  if (is_any_word({"BACKUP", "RESTORE", "DBCC", "BULK", "GOTO", "OPEN", "FETCH", "CLOSE",
                   "DEALLOCATE", "KILL", "REVERT", "SHUTDOWN"})) {
    throw not_understood(text_between(first.start, std::min(text_.size(), first.start + 200)));
  }
  fail();
}

StatementPtr Parser::return_statement() {
  NewStatement result = make(StatementKind::kReturn);
  take();
  if (peek().kind == TokenKind::kInteger || peek().kind == TokenKind::kVariable ||
      peek().is_operator("-") || peek().is_operator("(")) {
    result->expressions.push_back(expression());
  }
  return result;
}

std::vector<StatementPtr> Parser::block_until(std::string_view end_word) {
  std::vector<StatementPtr> body;
  skip_semicolons();
  while (!peek().is_word(end_word)) {
    if (at_end()) {
      fail();
    }
    body.push_back(statement());
    skip_semicolons();
  }
  take();
  return body;
}

StatementPtr Parser::begin_statement() {
  NewStatement result = make(StatementKind::kBlock);
  take();
  if (is_any_word({"TRAN", "TRANSACTION", "DISTRIBUTED"})) {
    accept_word("DISTRIBUTED");
    take();
    result->kind = StatementKind::kBeginTransaction;
    if (is_identifier(peek())) {
      result->name.parts = {take().text};
    }
    if (accept_words("WITH", "MARK")) {
      if (peek().kind == TokenKind::kString) {
        take();
      }
    }
    return result;
  }
  if (accept_word("TRY")) {
    result->kind = StatementKind::kTryCatch;
    result->body = block_until("END");
    expect_word("TRY");
    skip_semicolons();
    expect_word("BEGIN");
    expect_word("CATCH");
    result->other = block_until("END");
    expect_word("CATCH");
    return result;
  }
  result->body = block_until("END");
  if (result->body.empty()) {
    fail_at(tokens_[at_ - 1]);
  }
  return result;
}

StatementPtr Parser::if_statement() {
  NewStatement result = make(StatementKind::kIf);
  take();
  result->condition = condition();
  result->body.push_back(statement());
  // IF a SELECT 1; ELSE SELECT 2 is legal, with one semicolon.
  const size_t before = at_;
  skip_semicolons();
  if (accept_word("ELSE")) {
    result->other.push_back(statement());
  } else {
    at_ = before;
  }
  return result;
}

StatementPtr Parser::while_statement() {
  NewStatement result = make(StatementKind::kWhile);
  take();
  result->condition = condition();
  ++loops_;
  result->body.push_back(statement());
  --loops_;
  return result;
}

StatementPtr Parser::declare_statement() {
  NewStatement result = make(StatementKind::kDeclare);
  take();
  do {
    if (peek().kind != TokenKind::kVariable) {
      if (is_identifier(peek()) && peek(1).is_word("CURSOR")) {
        throw not_understood("DECLARE CURSOR");
      }
      fail();
    }
    DeclaredVariable variable;
    variable.name = take().text;
    if (!declared_.insert(fold_name(variable.name)).second) {
      throw SqlError(134, 15, 2,
                     "The variable name '" + variable.name +
                         "' has already been declared. Variable names must be unique within a "
                         "query batch or stored procedure.");
    }
    accept_word("AS");
    if (accept_word("TABLE")) {
      auto table = std::make_shared<TableSpec>();
      expect("(");
      table_elements(table.get());
      expect(")");
      variable.table = std::move(table);
    } else {
      if (peek().is_word("CURSOR")) {
        throw not_understood("DECLARE CURSOR");
      }
      variable.type = type_spec();
      if (accept("=")) {
        variable.value = expression();
      }
    }
    result->variables.push_back(std::move(variable));
  } while (accept(","));
  return result;
}

StatementPtr Parser::set_statement() {
  if (peek(1).kind == TokenKind::kVariable) {
    return set_variable();
  }
  return set_option();
}

StatementPtr Parser::set_variable() {
  NewStatement result = make(StatementKind::kSetVariable);
  take();
  Assignment assignment;
  assignment.variable = take().text;
  const Token& op = take();
  if (op.kind != TokenKind::kOperator || op.text.back() != '=' ||
      (op.text.size() == 2 &&
       std::string_view("+-*/%&|^").find(op.text[0]) == std::string_view::npos)) {
    fail_at(op);
  }
  assignment.op = op.text.size() == 2 ? op.text[0] : '\0';
  if (peek().is_word("CURSOR")) {
    throw not_understood("CURSOR");
  }
  assignment.value = expression();
  result->assignments.push_back(std::move(assignment));
  return result;
}

// SET option[, option...] value. The words of the value are kept, the session knows their meaning.
StatementPtr Parser::set_option() {
  NewStatement result = make(StatementKind::kSetOption);
  take();
  if (accept_word("TRANSACTION")) {
    expect_word("ISOLATION");
    expect_word("LEVEL");
    result->option_names = {"TRANSACTION ISOLATION LEVEL"};
    result->option_value = upper_ascii(take().text);
    if (is_any_word({"COMMITTED", "UNCOMMITTED"}) ||
        (result->option_value == "REPEATABLE" && peek().is_word("READ"))) {
      result->option_value += " " + upper_ascii(take().text);
    }
    return result;
  }
  if (accept_word("IDENTITY_INSERT")) {
    result->option_names = {"IDENTITY_INSERT"};
    result->name = name();
    result->option_value = upper_ascii(take().text);
    return result;
  }
  const bool statistics = peek().is_word("STATISTICS");
  do {
    if (peek().kind != TokenKind::kWord) {
      fail();
    }
    std::string option = upper_ascii(take().text);
    if (statistics) {
      option += " " + upper_ascii(take().text);
    }
    result->option_names.push_back(std::move(option));
  } while (accept(","));
  const bool negative = accept("-");
  if (peek().kind == TokenKind::kVariable) {
    result->expressions.push_back(expression());
  } else if (peek().kind == TokenKind::kEnd || peek().kind == TokenKind::kOperator) {
    fail();
  } else {
    result->option_value = (negative ? "-" : "") + upper_ascii(take().text);
  }
  return result;
}

std::vector<Argument> Parser::arguments() {
  std::vector<Argument> result;
  const auto starts_value = [this] {
    return peek().kind != TokenKind::kEnd && !peek().is_operator(";") && !peek().is_operator(")") &&
           (peek().kind != TokenKind::kWord || is_any_word({"NULL", "DEFAULT"}) ||
            !is_reserved(peek().text));
  };
  if (!starts_value()) {
    return result;
  }
  do {
    Argument argument;
    if (peek().kind == TokenKind::kVariable && peek(1).is_operator("=")) {
      argument.name = take().text;
      take();
    }
    if (accept_word("DEFAULT")) {
      result.push_back(std::move(argument));
      continue;
    }
    if (peek().kind == TokenKind::kWord && !peek().is_word("NULL") && !peek(1).is_operator("(")) {
      // EXEC takes bare words as strings: sp_help Persons.
      auto literal = std::make_shared<Expression>();
      literal->kind = ExpressionKind::kLiteral;
      literal->value = SqlValue::of_text(take().text);
      literal->type = nvarchar_type(static_cast<int32_t>(literal->value.text.size()));
      argument.value = literal;
    } else {
      argument.value = unary();
    }
    argument.output = accept_word("OUTPUT") || accept_word("OUT");
    result.push_back(std::move(argument));
  } while (accept(","));
  return result;
}

StatementPtr Parser::execute_statement(bool explicit_keyword) {
  NewStatement result = make(StatementKind::kExecute);
  if (explicit_keyword) {
    take();
  }
  if (accept("(")) {
    result->kind = StatementKind::kExecuteText;
    result->expressions.push_back(expression());
    expect(")");
    return result;
  }
  if (peek().kind == TokenKind::kVariable && peek(1).is_operator("=")) {
    result->result_variable = take().text;
    take();
  }
  if (peek().kind == TokenKind::kVariable) {
    auto variable = std::make_shared<Expression>();
    variable->kind = ExpressionKind::kVariable;
    variable->text = take().text;
    result->expressions.push_back(variable);  // the procedure's name
  } else {
    result->name = name();
  }
  result->arguments = arguments();
  if (accept_word("WITH")) {
    take();  // RECOMPILE
  }
  result->end = last_end();
  return result;
}

StatementPtr Parser::print_statement() {
  NewStatement result = make(StatementKind::kPrint);
  take();
  result->expressions.push_back(expression());
  return result;
}

StatementPtr Parser::raiserror_statement() {
  NewStatement result = make(StatementKind::kRaiserror);
  take();
  expect("(");
  do {
    result->expressions.push_back(expression());
  } while (accept(","));
  expect(")");
  if (accept_word("WITH")) {
    do {
      result->options.push_back(upper_ascii(take().text));
    } while (accept(","));
  }
  return result;
}

StatementPtr Parser::throw_statement() {
  NewStatement result = make(StatementKind::kThrow);
  take();
  if (peek().kind == TokenKind::kInteger || peek().kind == TokenKind::kVariable) {
    do {
      result->expressions.push_back(expression());
    } while (accept(","));
    if (result->expressions.size() != 3) {
      fail();
    }
  }
  return result;
}

StatementPtr Parser::wait_statement() {
  NewStatement result = make(StatementKind::kWaitFor);
  take();
  if (!accept_word("DELAY")) {
    throw not_understood("WAITFOR " + peek().text);
  }
  result->expressions.push_back(primary());
  return result;
}

StatementPtr Parser::transaction_statement(StatementKind kind) {
  NewStatement result = make(kind);
  take();
  if (is_any_word({"TRAN", "TRANSACTION"})) {
    take();
    if (is_identifier(peek())) {
      result->name.parts = {take().text};
    } else if (peek().kind == TokenKind::kVariable) {
      result->expressions.push_back(expression());
    } else if (kind == StatementKind::kSave) {
      fail();
    }
  } else {
    accept_word("WORK");
  }
  if (peek().is_word("WITH") && peek(1).is_operator("(")) {
    std::vector<std::string> ignored;
    table_hints(&ignored);  // DELAYED_DURABILITY
  }
  return result;
}

std::vector<ParameterSpec> Parser::parameter_list() {
  std::vector<ParameterSpec> parameters;
  if (at_end()) {
    return parameters;
  }
  do {
    if (peek().kind != TokenKind::kVariable) {
      fail();
    }
    ParameterSpec parameter;
    parameter.name = take().text;
    accept_word("AS");
    parameter.type = type_spec();
    if (accept("=")) {
      parameter.default_value = expression();
    }
    parameter.output = accept_word("OUTPUT") || accept_word("OUT");
    accept_word("READONLY");
    parameters.push_back(std::move(parameter));
  } while (accept(","));
  if (!at_end()) {
    fail();
  }
  return parameters;
}

}  // namespace dstream::standin::sql
