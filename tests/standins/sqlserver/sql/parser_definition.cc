// CREATE, ALTER, DROP.
#include "tests/standins/sqlserver/sql/parser_internal.h"

namespace dstream::standin::sql {
namespace {

int64_t signed_number(const std::string& digits, bool negative) {
  const int64_t value = digits.size() > 18 ? 0 : std::stoll(digits);
  return negative ? -value : value;
}

}  // namespace

std::vector<std::string> Parser::identifier_list() {
  std::vector<std::string> names;
  do {
    names.push_back(identifier());
  } while (accept(","));
  return names;
}

StatementPtr Parser::create_statement() {
  const size_t start = peek().start;
  take();
  if (accept_word("TABLE")) {
    return create_table();
  }
  if (StatementPtr principal = create_principal()) {
    return principal;
  }
  if (accept_word("SCHEMA")) {
    NewStatement result = make(StatementKind::kCreateSchema);
    result->name.parts = {identifier()};
    if (accept_word("AUTHORIZATION")) {
      identifier();
    }
    return result;
  }
  if (accept_word("DATABASE")) {
    NewStatement result = make(StatementKind::kCreateDatabase);
    result->name.parts = {identifier()};
    return result;
  }
  if (accept_word("TYPE")) {
    return create_type(start);
  }
  const bool unique = accept_word("UNIQUE");
  std::optional<bool> clustered;
  if (is_any_word({"CLUSTERED", "NONCLUSTERED"})) {
    clustered = take().is_word("CLUSTERED");
  }
  if (accept_word("INDEX")) {
    return create_index(unique, clustered);
  }
  throw not_understood(text_between(start, std::min(text_.size(), start + 200)));
}

StatementPtr Parser::create_type(size_t start) {
  NewStatement result = make(StatementKind::kCreateType);
  result->name = name();
  if (!accept_word("FROM")) {  // AS TABLE, EXTERNAL NAME
    throw not_understood(text_between(start, std::min(text_.size(), start + 200)));
  }
  result->column.type = type_spec();
  if (accept_words("NOT", "NULL")) {
    result->column.nullable = false;
  } else if (accept_word("NULL")) {
    result->column.nullable = true;
  }
  return result;
}

StatementPtr Parser::create_index(bool unique, std::optional<bool> clustered) {
  NewStatement result = make(StatementKind::kCreateIndex);
  result->index.name = identifier();
  result->index.unique = unique;
  result->index.clustered = clustered;
  result->index.is_constraint = false;
  expect_word("ON");
  result->name = name();
  key_columns(&result->index);
  if (accept_word("INCLUDE")) {
    expect("(");
    identifier_list();
    expect(")");
  }
  if (peek().is_word("WHERE")) {
    throw not_understood("CREATE INDEX ... WHERE");
  }
  skip_index_options();
  return result;
}

// WITH (...) and ON filegroup.
void Parser::skip_index_options() {
  if (peek().is_word("WITH") && peek(1).is_operator("(")) {
    std::vector<std::string> ignored;
    table_hints(&ignored);
  }
  while (is_any_word({"ON", "TEXTIMAGE_ON", "FILESTREAM_ON"}) &&
         (is_identifier(peek(1)) || peek(1).is_word("PRIMARY"))) {
    take();
    take();
    if (accept("(")) {
      identifier_list();
      expect(")");
    }
  }
}

StatementPtr Parser::create_table() {
  NewStatement result = make(StatementKind::kCreateTable);
  result->name = name();
  auto table = std::make_shared<TableSpec>();
  expect("(");
  table_elements(table.get());
  expect(")");
  skip_index_options();
  if (accept_word("WITH")) {
    fail();
  }
  result->table = std::move(table);
  return result;
}

void Parser::table_elements(TableSpec* table) {
  do {
    if (peek().is_operator(")")) {
      return;  // A comma before the closing parenthesis is allowed.
    }
    table_element(table);
  } while (accept(","));
}

void Parser::table_element(TableSpec* table) {
  if (!table_constraint(table)) {
    ColumnSpec column = column_spec(table);
    table->columns.push_back(std::move(column));
  }
}

bool Parser::table_constraint(TableSpec* table) {
  std::string constraint;
  if (accept_word("CONSTRAINT")) {
    constraint = identifier();
    if (!constraint_body(table, constraint)) {
      fail();
    }
    return true;
  }
  if (peek().is_word("INDEX") && is_identifier(peek(1))) {
    take();
    KeySpec index;
    index.name = identifier();
    index.unique = accept_word("UNIQUE");
    index.is_constraint = false;
    if (is_any_word({"CLUSTERED", "NONCLUSTERED"})) {
      index.clustered = take().is_word("CLUSTERED");
    }
    key_columns(&index);
    table->keys.push_back(std::move(index));
    return true;
  }
  return constraint_body(table, constraint);
}

bool Parser::constraint_body(TableSpec* table, const std::string& constraint) {
  if (accept_word("PRIMARY")) {
    expect_word("KEY");
    KeySpec key = key_constraint(constraint, true);
    key_columns(&key);
    skip_index_options();
    table->keys.push_back(std::move(key));
    return true;
  }
  if (accept_word("UNIQUE")) {
    KeySpec key = key_constraint(constraint, false);
    key_columns(&key);
    skip_index_options();
    table->keys.push_back(std::move(key));
    return true;
  }
  if (accept_word("FOREIGN")) {
    expect_word("KEY");
    expect("(");
    std::vector<std::string> columns = identifier_list();
    expect(")");
    expect_word("REFERENCES");
    foreign_key(table, constraint, std::move(columns));
    return true;
  }
  if (accept_word("CHECK")) {
    CheckSpec check;
    check.name = constraint;
    const size_t start = peek().start;
    expect("(");
    check.condition = condition();
    expect(")");
    check.text = text_between(start, last_end());
    table->checks.push_back(std::move(check));
    return true;
  }
  return false;
}

KeySpec Parser::key_constraint(const std::string& constraint, bool primary) {
  KeySpec key;
  key.name = constraint;
  key.primary = primary;
  if (is_any_word({"CLUSTERED", "NONCLUSTERED"})) {
    key.clustered = take().is_word("CLUSTERED");
  }
  return key;
}

void Parser::key_columns(KeySpec* key) {
  expect("(");
  do {
    KeySpec::Part part;
    part.column = identifier();
    part.descending = accept_word("DESC");
    if (!part.descending) {
      accept_word("ASC");
    }
    key->columns.push_back(std::move(part));
  } while (accept(","));
  expect(")");
}

ReferentialAction Parser::referential_action() {
  if (accept_word("CASCADE")) {
    return ReferentialAction::kCascade;
  }
  if (accept_words("SET", "NULL")) {
    return ReferentialAction::kSetNull;
  }
  if (accept_words("SET", "DEFAULT")) {
    return ReferentialAction::kSetDefault;
  }
  expect_word("NO");
  expect_word("ACTION");
  return ReferentialAction::kNoAction;
}

void Parser::foreign_key(TableSpec* table, const std::string& constraint,
                         std::vector<std::string> columns) {
  ForeignKeySpec key;
  key.name = constraint;
  key.columns = std::move(columns);
  key.referenced = name();
  if (accept("(")) {
    key.referenced_columns = identifier_list();
    expect(")");
  }
  while (peek().is_word("ON") && is_any_word({"ON"}) &&
         (peek(1).is_word("DELETE") || peek(1).is_word("UPDATE"))) {
    take();
    const bool is_delete = take().is_word("DELETE");
    (is_delete ? key.on_delete : key.on_update) = referential_action();
  }
  table->foreign_keys.push_back(std::move(key));
}

ColumnSpec Parser::column_spec(TableSpec* table) {
  ColumnSpec column;
  column.name = identifier();
  if (accept_word("AS")) {
    const size_t start = peek().start;
    column.computed = expression();
    column.computed_text = text_between(start, last_end());
    column.persisted = accept_word("PERSISTED");
    if (accept_words("NOT", "NULL")) {
      column.nullable = false;
    }
    return column;
  }
  if ((peek().is_operator(",") || peek().is_operator(")")) &&
      equals_upper(column.name, "TIMESTAMP")) {
    column.type.name = "timestamp";
  } else {
    column.type = type_spec();
  }
  while (true) {
    std::string constraint;
    if (accept_word("CONSTRAINT")) {
      constraint = identifier();
    }
    if (!column_option(&column, table, constraint)) {
      return column;
    }
  }
}

bool Parser::column_option(ColumnSpec* column, TableSpec* table, const std::string& constraint) {
  if (accept_word("NULL")) {
    column->nullable = true;
  } else if (accept_words("NOT", "NULL")) {
    column->nullable = false;
  } else if (accept_word("IDENTITY")) {
    column->identity = true;
    if (accept("(")) {
      const bool negative_seed = accept("-");
      column->identity_seed = signed_number(take().text, negative_seed);
      expect(",");
      const bool negative = accept("-");
      column->identity_increment = signed_number(take().text, negative);
      expect(")");
    }
    if (accept_word("NOT")) {  // NOT FOR REPLICATION, or NOT NULL
      if (accept_word("NULL")) {
        column->nullable = false;
      } else {
        expect_word("FOR");
        expect_word("REPLICATION");
      }
    }
  } else if (accept_word("DEFAULT")) {
    const size_t start = peek().start;
    column->default_value = expression();
    column->default_text = text_between(start, last_end());
    column->default_name = constraint;
    accept_words("WITH", "VALUES");
  } else if (is_any_word({"PRIMARY", "UNIQUE"})) {
    const bool primary = take().is_word("PRIMARY");
    if (primary) {
      expect_word("KEY");
    }
    KeySpec key = key_constraint(constraint, primary);
    if (peek().is_operator("(")) {
      key_columns(&key);
    } else {
      key.columns.push_back({column->name, false});
    }
    skip_index_options();
    table->keys.push_back(std::move(key));
  } else if (is_any_word({"REFERENCES", "FOREIGN"})) {
    if (accept_word("FOREIGN")) {
      expect_word("KEY");
    }
    expect_word("REFERENCES");
    foreign_key(table, constraint, {column->name});
  } else if (peek().is_word("CHECK")) {
    constraint_body(table, constraint);
  } else if (accept_word("COLLATE")) {
    const std::string collation = upper_ascii(identifier());
    if (collation != "DATABASE_DEFAULT" && collation.find("_CI_") == std::string::npos) {
      throw not_understood("COLLATE " + collation);
    }
    column->type.utf8 = collation.ends_with("_UTF8");
  } else if (accept_word("ROWGUIDCOL")) {
    column->row_guid = true;
  } else if (is_any_word({"SPARSE", "PERSISTED"})) {
    take();
  } else {
    return false;
  }
  return true;
}

StatementPtr Parser::alter_statement() {
  const size_t start = peek().start;
  NewStatement result = make(StatementKind::kAlterTable);
  take();
  if (StatementPtr role = alter_role()) {
    return role;
  }
  if (accept_word("DATABASE")) {
    // Recovery model, snapshot isolation and the like change nothing here.
    if (!accept_word("CURRENT")) {
      result->name.parts = {identifier()};
    }
    if (!accept_word("SET")) {
      throw not_understood(text_between(start, std::min(text_.size(), start + 200)));
    }
    while (!at_end() && !peek().is_operator(";")) {
      take();
    }
    result->kind = StatementKind::kNoOperation;
    return result;
  }
  if (!accept_word("TABLE")) {
    throw not_understood(text_between(start, std::min(text_.size(), start + 200)));
  }
  result->name = name();
  if (peek().is_word("WITH") && (peek(1).is_word("CHECK") || peek(1).is_word("NOCHECK"))) {
    take();
    result->without_check = take().is_word("NOCHECK");
  }
  if (accept_word("ADD")) {
    return alter_add(result);
  }
  if (accept_word("DROP")) {
    return alter_drop(result);
  }
  if (accept_words("ALTER", "COLUMN")) {
    result->alter = AlterAction::kAlterColumn;
    TableSpec ignored;
    result->column = column_spec(&ignored);
    return result;
  }
  if (is_any_word({"CHECK", "NOCHECK", "ENABLE", "DISABLE", "SET"})) {
    throw not_understood(text_between(start, std::min(text_.size(), start + 200)));
  }
  fail();
}

StatementPtr Parser::alter_add(NewStatement statement) {
  auto table = std::make_shared<TableSpec>();
  statement->alter = AlterAction::kAddColumns;
  // ADD CONSTRAINT d DEFAULT value FOR column.
  if (peek().is_word("CONSTRAINT") && peek(2).is_word("DEFAULT")) {
    take();
    statement->alter = AlterAction::kAddConstraint;
    statement->column.default_name = identifier();
    take();
    const size_t start = peek().start;
    statement->column.default_value = expression();
    statement->column.default_text = text_between(start, last_end());
    expect_word("FOR");
    statement->column.name = identifier();
    statement->table = std::move(table);
    return statement;
  }
  if (is_any_word({"CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK"})) {
    statement->alter = AlterAction::kAddConstraint;
  }
  accept_word("COLUMN");
  do {
    table_element(table.get());
  } while (accept(","));
  statement->table = std::move(table);
  return statement;
}

StatementPtr Parser::alter_drop(NewStatement statement) {
  if (accept_word("COLUMN")) {
    statement->alter = AlterAction::kDropColumns;
    statement->if_exists = accept_words("IF", "EXISTS");
  } else {
    statement->alter = AlterAction::kDropConstraint;
    accept_word("CONSTRAINT");
    statement->if_exists = accept_words("IF", "EXISTS");
  }
  statement->names = identifier_list();
  return statement;
}

StatementPtr Parser::drop_statement() {
  const size_t start = peek().start;
  NewStatement result = make(StatementKind::kDropTable);
  take();
  if (accept_word("TABLE")) {
    result->if_exists = accept_words("IF", "EXISTS");
    do {
      result->targets.push_back(name());
    } while (accept(","));
    return result;
  }
  if (accept_word("INDEX")) {
    result->kind = StatementKind::kDropIndex;
    result->if_exists = accept_words("IF", "EXISTS");
    result->index.name = name().last();
    expect_word("ON");
    result->name = name();
    return result;
  }
  if (accept_word("TYPE")) {
    result->kind = StatementKind::kDropType;
    result->if_exists = accept_words("IF", "EXISTS");
    result->name = name();
    return result;
  }
  if (accept_word("SCHEMA")) {
    result->kind = StatementKind::kDropSchema;
    result->if_exists = accept_words("IF", "EXISTS");
    result->name.parts = {identifier()};
    return result;
  }
  throw not_understood(text_between(start, std::min(text_.size(), start + 200)));
}

}  // namespace dstream::standin::sql
