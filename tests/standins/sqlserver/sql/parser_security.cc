// Statements about who may do what. They become calls of the procedures that do it.
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/parser_internal.h"
#include "tests/standins/sqlserver/sql/principals.h"
#include "tests/standins/sqlserver/sql/text.h"
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

// One of a list: SELECT, CREATE TABLE. "" if the stand-in does not look at such a permission.
std::string Parser::permission() {
  std::string text = upper_text(take().text);
  while (!peek().is_operator(",") && !is_any_word({"ON", "TO", "FROM"}) &&
         (peek().kind == TokenKind::kWord || peek().kind == TokenKind::kName)) {
    text += " " + upper_text(take().text);
  }
  const auto known = permission_by_name(text == "EXEC" ? "EXECUTE" : text);
  return known ? std::string(permission_name(*known)) : std::string();
}

// Behind ON: [DATABASE::|SCHEMA::|OBJECT::]name. False for another class.
bool Parser::securable(std::string* schema, std::string* object) {
  std::string type = "OBJECT";
  if (peek(1).is_operator("::") || (peek(1).is_operator(":") && peek(2).is_operator(":"))) {
    type = upper_text(take().text);
    if (!accept("::")) {
      take();
      take();
    }
  }
  const Name on = name();
  if (type == "OBJECT" && on.before_last(2).empty()) {
    *schema = on.before_last(1).empty() ? "dbo" : on.before_last(1);
    *object = on.last();
    return true;
  }
  if (type == "SCHEMA" && on.parts.size() == 1) {
    *schema = on.last();
    return true;
  }
  return false;
}

// GRANT permission, ... [ON securable] TO principal, ..., and DENY and REVOKE. Columns, options and
// permissions that nothing looks at are refused.
StatementPtr Parser::grant_statement() {
  const size_t start = peek().start;
  const std::string action = upper_text(take().text);
  const auto refuse = [&] {
    throw not_understood(text_between(start, std::min(text_.size(), start + 200)));
  };
  std::string permissions;
  bool is_of_database = false;
  do {
    const std::string next = permission();
    if (next.empty()) {
      refuse();
    }
    const bool is_of_object = scope_of(*permission_by_name(next)) == PermissionScope::kObject;
    is_of_database = is_of_database || !is_of_object;
    permissions += (permissions.empty() ? "" : ",") + next;
  } while (accept(","));
  std::string schema, object;
  if (accept_word("ON") && (is_of_database || !securable(&schema, &object))) {
    refuse();
  }
  if (!accept_word("TO") && (action != "REVOKE" || !accept_word("FROM"))) {
    if (peek().is_operator("(")) {
      refuse();
    }
    fail();
  }
  std::vector<std::string> arguments = {action, permissions, schema, object};
  do {
    arguments.push_back(accept_word("PUBLIC") ? "public" : identifier());
  } while (accept(","));
  if (is_any_word({"WITH", "AS", "CASCADE"})) {
    refuse();
  }
  return call_of("sys", "dstream_change_permissions", arguments);
}

}  // namespace dstream::standin::sql
