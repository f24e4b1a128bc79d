// Statements about who may do what. They become calls of the procedures that do it.
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/parser_internal.h"
#include "tests/standins/sqlserver/sql/types.h"

namespace dstream::standin::sql {

StatementPtr Parser::call_of(std::string_view schema, std::string_view procedure,
                             const std::vector<std::string>& arguments) {
  NewStatement call = make(StatementKind::kExecute);
  call->name.parts = {std::string(schema), std::string(procedure)};
  for (const std::string& text : arguments) {
    auto literal = std::make_shared<Expression>();
    literal->kind = ExpressionKind::kLiteral;
    literal->type = nvarchar_type(kMaxLength);
    literal->value = SqlValue::of_text(text);
    call->arguments.push_back({{}, std::move(literal), false});
  }
  return call;
}

// Behind CREATE. nullptr if it is something else.
StatementPtr Parser::create_principal() {
  if (accept_word("LOGIN")) {
    const std::string login = identifier();
    expect_word("WITH");
    expect_word("PASSWORD");
    expect("=");
    if (peek().kind != TokenKind::kString) {
      fail();
    }
    const std::string password = take().text;
    while (accept(",")) {  // CHECK_POLICY = OFF, DEFAULT_DATABASE = name
      take();
      expect("=");
      take();
    }
    return call_of("sys", "sp_addlogin", {login, password});
  }
  if (accept_word("USER")) {
    const std::string user = identifier();
    std::string login = user;
    if (accept_words("FOR", "LOGIN") || accept_words("FROM", "LOGIN")) {
      login = identifier();
    }
    return call_of("sys", "sp_adduser", {login, user});
  }
  if (accept_word("ROLE")) {
    return call_of("sys", "sp_addrole", {identifier()});
  }
  return nullptr;
}

// ALTER ROLE r ADD MEMBER u, behind ALTER. nullptr if it is something else.
StatementPtr Parser::alter_role() {
  if (!accept_word("ROLE")) {
    return nullptr;
  }
  const std::string role = identifier();
  const bool adds = accept_word("ADD");
  if (!adds) {
    expect_word("DROP");
  }
  expect_word("MEMBER");
  return call_of("sys", adds ? "sp_addrolemember" : "sp_droprolemember", {role, identifier()});
}

// GRANT SELECT ON [OBJECT::|SCHEMA::]name TO somebody, and REVOKE.
StatementPtr Parser::grant_statement() {
  const size_t start = peek().start;
  const bool grants = take().is_word("GRANT");
  const auto refuse = [&] {
    throw not_understood(text_between(start, std::min(text_.size(), start + 200)));
  };
  if (!accept_word("SELECT") || !accept_word("ON")) {
    refuse();
  }
  bool is_schema = false;
  if (peek(1).is_operator("::") || (peek(1).is_operator(":") && peek(2).is_operator(":"))) {
    is_schema = peek().is_word("SCHEMA");
    if (!is_schema && !peek().is_word("OBJECT")) {
      refuse();
    }
    take();
    if (!accept("::")) {
      take();
      take();
    }
  }
  const Name on = name();
  if (!accept_word("TO")) {
    expect_word("FROM");
  }
  const std::string principal = identifier();
  const std::string schema = on.before_last(1).empty() ? "dbo" : on.before_last(1);
  return call_of("dstream", grants ? "grant_select" : "revoke_select",
                 is_schema ? std::vector<std::string>{on.last(), "", principal}
                           : std::vector<std::string>{schema, on.last(), principal});
}

}  // namespace dstream::standin::sql
