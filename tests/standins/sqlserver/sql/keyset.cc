#include "tests/standins/sqlserver/sql/keyset.h"

#include <algorithm>

#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/interpreter.h"
#include "tests/standins/sqlserver/sql/procedures.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

bool same_value(const SqlValue& a, const SqlValue& b) {
  return a.null == b.null && a.number == b.number && a.real == b.real && a.text == b.text &&
         a.offset_min == b.offset_min;
}

bool same_row(const Keyset::Row& a, const Keyset::Row& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_value);
}

// The column of the table that an expression is, and nothing else.
std::optional<size_t> column_of(const TableDefinition& definition,
                                const ExpressionPtr& expression) {
  return expression->kind == ExpressionKind::kColumn
             ? definition.find_column(expression->name.last())
             : std::nullopt;
}

bool is_plain(const Query& query) {
  if (!query.core || !query.common_tables.empty()) {
    return false;
  }
  const SelectCore& core = *query.core;
  return !core.distinct && core.group_by.empty() && core.having == nullptr && core.into.empty() &&
         core.from.size() == 1 && core.from.front()->kind == TableRef::Kind::kNamed &&
         core.from.front()->column_aliases.empty();
}

// What ORDER BY says, by columns of the table: its aliases and numbers go with the items.
bool reorder(const TableDefinition& definition, Query* query) {
  const std::vector<SelectItem>& items = query->core->items;
  for (OrderItem& order : query->order_by) {
    const Expression& key = *order.expression;
    const auto alias = std::find_if(items.begin(), items.end(), [&](const SelectItem& item) {
      return key.kind == ExpressionKind::kColumn && key.name.parts.size() == 1 &&
             !item.alias.empty() && equal_names(item.alias, key.name.last());
    });
    if (alias != items.end()) {
      order.expression = alias->expression;
    }
    if (!column_of(definition, order.expression)) {
      return false;
    }
  }
  return true;
}

}  // namespace

CapturedResult captured(SqlSession* session, const std::function<void()>& work) {
  ResponseWriter* const client = session->out;
  CapturingWriter capture(client);
  session->out = &capture;
  ++session->try_depth;  // a TRY block: errors come out of the interpreter
  const auto restore = [&] {
    --session->try_depth;
    session->out = client;
  };
  try {
    work();
  } catch (...) {
    restore();
    throw;
  }
  restore();
  return {capture.result_columns(), std::move(capture.rows())};
}

std::optional<Keyset> Keyset::of(SqlSession* session, const Query& query) {
  if (!is_plain(query)) {
    return std::nullopt;
  }
  const TablePtr table = session->find_table(query.core->from.front()->name);
  if (table == nullptr) {
    return std::nullopt;
  }
  const DefinitionPtr definition = table->definition();
  const Index* key = definition->primary_key();
  auto whole = std::make_shared<Query>(query);
  if (key == nullptr || !reorder(*definition, whole.get())) {
    return std::nullopt;
  }
  Keyset keyset;
  const std::vector<ResultColumn> all = definition->result_columns();
  const auto is_key = [&](size_t place) {
    return std::any_of(key->parts.begin(), key->parts.end(),
                       [&](const Index::Part& part) { return part.column == place; });
  };
  const auto add = [&](size_t place, const std::string& alias) {
    keyset.places_.push_back(place);
    keyset.columns_.push_back(all[place]);
    ColumnSource source{1, is_key(place), false, {}};
    if (!alias.empty() && alias != all[place].name) {
      keyset.columns_.back().name = alias;
      source.base_name = all[place].name;
    }
    keyset.sources_.push_back(source);
  };
  for (const SelectItem& item : query.core->items) {
    if (item.expression->kind == ExpressionKind::kStar) {
      for (size_t i = 0; i < all.size(); ++i) {
        add(i, {});
      }
    } else if (const auto place = column_of(*definition, item.expression);
               place && item.assign_to.empty()) {
      add(*place, item.alias);
    } else {
      return std::nullopt;
    }
  }
  for (const Index::Part& part : key->parts) {
    const Column& column = definition->columns[part.column];
    keyset.key_places_.push_back(part.column);
    keyset.key_names_.push_back(quote_name(column.name));
    keyset.key_types_.push_back(column.type);
  }
  SelectItem star;
  auto expression = std::make_shared<Expression>();
  expression->kind = ExpressionKind::kStar;
  star.expression = expression;
  whole->core->items = {star};
  keyset.query_ = whole;
  for (const ResultColumn& column : all) {
    keyset.all_columns_ += (keyset.all_columns_.empty() ? "" : ", ") + quote_name(column.name);
  }
  keyset.width_ = all.size();
  keyset.name_ = query.core->from.front()->name;
  keyset.table_ = quote_name(table->name());
  keyset.tables_ = {{table->schema(), table->name()}};
  if (!table->is_temporary) {
    keyset.table_ = quote_name(table->database->name()) + "." + quote_name(table->schema()) + "." +
                    keyset.table_;
  }
  return keyset;
}

std::vector<SqlValue> Keyset::visible(const Row& row) const {
  std::vector<SqlValue> values;
  values.reserve(places_.size() + 1);  // ROWSTAT follows
  for (const size_t place : places_) {
    values.push_back(row[place]);
  }
  return values;
}

bool Keyset::same_key(const Row& a, const Row& b) const {
  return std::all_of(key_places_.begin(), key_places_.end(),
                     [&](size_t place) { return same_value(a[place], b[place]); });
}

void Keyset::check_table(const Name& name) const {
  if (!name.empty() && !equal_names(name.last(), name_.last())) {
    throw invalid_object(name.text());
  }
}

Variables Keyset::key_variables(const Row& row) const {
  Variables variables;
  for (size_t i = 0; i < key_places_.size(); ++i) {
    variables["@key" + std::to_string(i)] = {key_types_[i], row[key_places_[i]], nullptr};
  }
  return variables;
}

std::string Keyset::by_key() const {
  std::string text;
  for (size_t i = 0; i < key_names_.size(); ++i) {
    text += (i == 0 ? " WHERE " : " AND ") + key_names_[i] + " = @key" + std::to_string(i);
  }
  return text;
}

std::vector<Keyset::Row> Keyset::run(SqlSession* session, const std::string& sql,
                                     Variables variables) const {
  const OptionsScope options(session);
  session->options().row_count = 0;
  session->options().format_only = false;
  Variables* const outer = session->variables;
  session->variables = &variables;
  try {
    CapturedResult result =
        captured(session, [&] { Interpreter(session, session->parse(sql)).run(); });
    session->variables = outer;
    return std::move(result.rows);
  } catch (...) {
    session->variables = outer;
    throw;
  }
}

std::optional<Keyset::Row> Keyset::read(SqlSession* session, const Row& row) const {
  std::vector<Row> rows =
      run(session, "SELECT " + all_columns_ + " FROM " + table_ + by_key(), key_variables(row));
  return rows.empty() ? std::nullopt : std::optional(std::move(rows.front()));
}

// The statement's OUTPUT is the row before it, then the row after it if there is one.
Keyset::Row Keyset::change(SqlSession* session, const std::string& sql, Variables variables,
                           const Row& row) const {
  Row after;
  as_statement(session, [&] {
    const std::vector<Row> rows = run(session, sql, std::move(variables));
    if (rows.empty()) {
      throw SqlError(16947, 16, 1, "No rows were updated or deleted.");
    }
    const auto middle = rows.front().begin() + static_cast<std::ptrdiff_t>(width_);
    if (!same_row(row, Row(rows.front().begin(), middle))) {
      throw SqlError(16934, 16, 2,
                     "Optimistic concurrency check failed. The row was modified outside of this "
                     "cursor.");
    }
    after.assign(middle, rows.front().end());
  });
  return after;
}

Keyset::Row Keyset::update(SqlSession* session, const Row& row,
                           const std::vector<Assignment>& values) const {
  Variables variables = key_variables(row);
  std::string sql = "UPDATE " + table_ + " SET ";
  for (size_t i = 0; i < values.size(); ++i) {
    const std::string name = "@value" + std::to_string(i);
    variables[name] = {values[i].type, values[i].value, nullptr};
    sql += (i == 0 ? "" : ", ") + quote_name(values[i].column) + " = " +
           (values[i].use_default ? "DEFAULT" : name);
  }
  return change(session, sql + " OUTPUT deleted.*, inserted.*" + by_key(), std::move(variables),
                row);
}

void Keyset::remove(SqlSession* session, const Row& row) const {
  change(session, "DELETE FROM " + table_ + " OUTPUT deleted.*" + by_key(), key_variables(row),
         row);
}

Keyset::Row Keyset::insert(SqlSession* session, const std::vector<Assignment>& values) const {
  Variables variables;
  std::string names, places;
  for (size_t i = 0; i < values.size(); ++i) {
    const std::string name = "@value" + std::to_string(i);
    variables[name] = {values[i].type, values[i].value, nullptr};
    names += (i == 0 ? "" : ", ") + quote_name(values[i].column);
    places += (i == 0 ? "" : ", ") + (values[i].use_default ? "DEFAULT" : name);
  }
  const std::string sql =
      values.empty()
          ? "INSERT INTO " + table_ + " OUTPUT inserted.* DEFAULT VALUES"
          : "INSERT INTO " + table_ + " (" + names + ") OUTPUT inserted.* VALUES (" + places + ")";
  return run(session, sql, std::move(variables)).at(0);
}

}  // namespace dstream::standin::sql
