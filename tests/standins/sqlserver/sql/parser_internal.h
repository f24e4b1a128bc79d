// The recursive-descent parser, shared by the parser_*.cc files. One object parses one batch.
#pragma once

#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/sql/ast.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/lexer.h"
#include "tests/standins/sqlserver/sql/parser.h"

namespace dstream::standin::sql {

class Parser {
 public:
  Parser(std::string_view text, bool quoted_identifier)
      : text_(text), tokens_(tokenize(text, quoted_identifier)) {}

  // parser.cc: statements
  std::vector<StatementPtr> statements_until_end();
  StatementPtr statement();
  bool at_end() const { return peek().kind == TokenKind::kEnd; }
  std::vector<ParameterSpec> parameter_list();

  // parser_expression.cc
  ExpressionPtr expression();  // a value
  ExpressionPtr condition();   // a truth value
  Name name();
  TypeSpec type_spec();
  std::string identifier();

  // parser_query.cc
  QueryPtr query();

  [[noreturn]] void fail() const { fail_at(peek()); }

 private:
  using NewStatement = std::shared_ptr<Statement>;

  // parser_internal.h: tokens
  const Token& peek(size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  const Token& take() {
    const Token& token = peek();
    at_ += at_ + 1 < tokens_.size() ? 1 : 0;
    return token;
  }
  bool accept_word(std::string_view word) {
    const bool matched = peek().is_word(word);
    at_ += matched ? 1 : 0;
    return matched;
  }
  bool accept_words(std::string_view first, std::string_view second) {
    const bool matched = peek().is_word(first) && peek(1).is_word(second);
    at_ += matched ? 2 : 0;
    return matched;
  }
  bool accept(std::string_view op) {
    const bool matched = peek().is_operator(op);
    at_ += matched ? 1 : 0;
    return matched;
  }
  void expect(std::string_view op) {
    if (!accept(op)) {
      fail();
    }
  }
  void expect_word(std::string_view word) {
    if (!accept_word(word)) {
      fail();
    }
  }
  bool is_any_word(std::initializer_list<std::string_view> words) const;
  bool is_identifier(const Token& token) const {
    return token.kind == TokenKind::kName ||
           (token.kind == TokenKind::kWord && !is_reserved(token.text));
  }
  [[noreturn]] void fail_at(const Token& token) const;
  std::string text_between(size_t from, size_t to) const {
    return std::string(text_.substr(from, to - from));
  }
  size_t last_end() const { return at_ == 0 ? 0 : tokens_[at_ - 1].end; }

  // parser_security.cc
  StatementPtr call_of(std::string_view schema, std::string_view procedure,
                       const std::vector<std::string>& arguments);
  StatementPtr create_principal();
  StatementPtr alter_role();
  std::string permission();
  bool securable(std::string* schema, std::string* object);
  StatementPtr grant_statement();

  // parser.cc
  NewStatement make(StatementKind kind) const;
  StatementPtr statement_body();
  StatementPtr short_statement();
  StatementPtr return_statement();
  StatementPtr begin_statement();
  StatementPtr if_statement();
  StatementPtr while_statement();
  StatementPtr declare_statement();
  StatementPtr set_statement();
  StatementPtr set_variable();
  StatementPtr set_option();
  StatementPtr execute_statement(bool explicit_keyword);
  std::vector<Argument> arguments();
  StatementPtr print_statement();
  StatementPtr raiserror_statement();
  StatementPtr throw_statement();
  StatementPtr wait_statement();
  StatementPtr transaction_statement(StatementKind kind);
  std::vector<StatementPtr> block_until(std::string_view end_word);
  void skip_semicolons();

  // parser_change.cc: INSERT, UPDATE, DELETE
  StatementPtr insert_statement();
  StatementPtr insert_bulk_statement();
  void skip_to_comma();
  StatementPtr update_statement();
  StatementPtr delete_statement();
  StatementPtr merge_statement();
  TableRefPtr merge_target(Statement* merge);
  TableRefPtr merge_source();
  MergeClause merge_clause();
  StatementPtr change_with_common_tables(std::vector<Query::CommonTable> tables);
  std::vector<Query::CommonTable> common_tables();
  void output_clause(Statement* statement);
  void change_top(Statement* statement);
  Assignment assignment();

  // parser_definition.cc: CREATE, ALTER, DROP
  StatementPtr create_statement();
  StatementPtr create_table();
  StatementPtr create_type(size_t start);
  StatementPtr create_index(bool unique, std::optional<bool> clustered);
  StatementPtr alter_statement();
  StatementPtr alter_add(NewStatement statement);
  StatementPtr alter_drop(NewStatement statement);
  StatementPtr drop_statement();
  void table_elements(TableSpec* table);
  void table_element(TableSpec* table);
  ColumnSpec column_spec(TableSpec* table);
  bool column_option(ColumnSpec* column, TableSpec* table, const std::string& constraint);
  bool table_constraint(TableSpec* table);
  bool constraint_body(TableSpec* table, const std::string& constraint);
  KeySpec key_constraint(const std::string& constraint, bool primary);
  void key_columns(KeySpec* key);
  ReferentialAction referential_action();
  void foreign_key(TableSpec* table, const std::string& constraint,
                   std::vector<std::string> columns);
  void skip_index_options();
  std::vector<std::string> identifier_list();

  // parser_expression.cc
  ExpressionPtr or_condition();
  ExpressionPtr and_condition();
  ExpressionPtr not_condition();
  ExpressionPtr predicate();
  ExpressionPtr predicate_tail(ExpressionPtr left);
  ExpressionPtr in_tail(ExpressionPtr left, bool negated);
  ExpressionPtr additive();
  ExpressionPtr multiplicative();
  ExpressionPtr unary();
  ExpressionPtr primary();
  ExpressionPtr literal();
  ExpressionPtr word_primary();
  ExpressionPtr case_expression();
  ExpressionPtr cast_expression(bool is_convert, bool is_try, bool is_parse);
  ExpressionPtr name_or_call();
  ExpressionPtr call(Name function);
  SqlError not_a_condition() const;
  ExpressionPtr choose_call();
  ExpressionPtr trim_call();
  void over_clause(Expression* call);
  bool opens_condition(size_t open) const;

  // parser_query.cc
  QueryPtr query_expression();
  QueryPtr query_term();
  QueryPtr query_primary();
  SelectCore select_core();
  SelectItem select_item();
  void top_clause(SelectCore* core);
  std::vector<OrderItem> order_items();
  void query_tail(Query* query);
  std::vector<TableRefPtr> from_list();
  TableRefPtr joined_table();
  TableRefPtr table_primary();
  TableRefPtr parenthesised_table();
  void table_alias(TableRef* table);
  void table_hints(std::vector<std::string>* hints);
  std::vector<std::vector<ExpressionPtr>> value_rows();
  std::optional<int32_t> option_clause();

  std::string_view text_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  int loops_ = 0;                   // WHILE around what is parsed
  std::set<std::string> declared_;  // folded: a batch declares a name once

  friend class DepthGuard;
};

// SQL Server gives up on deep nesting too; here it keeps a fuzzed batch off the end of the stack.
inline constexpr int kNestingMax = 200;

class DepthGuard {
 public:
  explicit DepthGuard(Parser* parser) : parser_(parser) {
    if (++parser_->depth_ > kNestingMax) {
      --parser_->depth_;
      throw SqlError(191, 15, 1,
                     "Some part of your SQL statement is nested too deeply. Rewrite the "
                     "query or break it up into smaller queries.");
    }
  }
  ~DepthGuard() { --parser_->depth_; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;

 private:
  Parser* parser_;
};

}  // namespace dstream::standin::sql
