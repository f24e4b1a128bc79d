#include "tests/standins/sqlserver/sql/output_clause.h"

#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {

TablePtr target_table(SqlSession* session, const Name& name) {
  if (name.last().starts_with("@")) {
    const auto it = session->variables->find(fold_name(name.last()));
    if (it == session->variables->end() || it->second.table == nullptr) {
      throw SqlError(1087, 15, 2, "Must declare the table variable \"" + name.last() + "\".");
    }
    return it->second.table;
  }
  return session->table(name);
}

// One OUTPUT clause: inserted.x, deleted.y over a scope of the table's columns twice.
class OutputCollector::Clause {
 public:
  Clause(SqlSession* session, const std::vector<SelectItem>& items, const TablePtr& table,
         std::string_view verb)
      : session_(session) {
    if (items.empty()) {
      return;
    }
    session->check_permission(Permission::kSelect, *table);
    const std::vector<ResultColumn> columns = table->definition()->result_columns();
    width_ = columns.size();
    for (const std::string_view name : {"inserted", "deleted"}) {
      Source source;
      source.alias = name;
      // INSERT has nothing deleted to name, DELETE nothing inserted.
      const bool is_absent =
          (verb == "INSERT" && name == "deleted") || (verb == "DELETE" && name == "inserted");
      if (is_absent) {
        source.alias = "";
      }
      source.columns = columns;
      scope_.add(std::move(source));
    }
    if (verb == "MERGE") {
      Source action;
      action.columns = {{"$action", nvarchar_type(10)}};
      scope_.add(std::move(action));
    }
    for (const SelectItem& item : items) {
      add_item(item, columns);
    }
  }

  bool is_wanted() const { return !items_.empty(); }
  const std::vector<ResultColumn>& columns() const { return columns_; }
  const std::vector<std::vector<SqlValue>>& rows() const { return rows_; }

  void add(const std::vector<SqlValue>* inserted, const std::vector<SqlValue>* deleted,
           std::string_view action) {
    if (!is_wanted()) {
      return;
    }
    std::vector<SqlValue> row = inserted != nullptr ? *inserted : std::vector<SqlValue>(width_);
    row.resize(width_);
    if (deleted != nullptr) {
      row.insert(row.end(), deleted->begin(), deleted->end());
    }
    row.resize(width_ * 2);
    row.push_back(SqlValue::of_text(std::string(action)));
    const EvaluationContext context{session_, row.data(), nullptr, nullptr};
    std::vector<SqlValue> result;
    for (const BoundValue& item : items_) {
      result.push_back(item.evaluate(context));
    }
    rows_.push_back(std::move(result));
  }

 private:
  void add_item(const SelectItem& item, const std::vector<ResultColumn>& columns) {
    Binder binder(session_, &scope_);
    if (item.expression->kind != ExpressionKind::kStar) {
      push(binder.value(item.expression), item.alias);
      return;
    }
    if (item.expression->name.empty()) {
      throw syntax_error("*");
    }
    for (const ResultColumn& column : columns) {
      auto expression = std::make_shared<Expression>();
      expression->kind = ExpressionKind::kColumn;
      expression->name.parts = {item.expression->name.last(), column.name};
      push(binder.value(expression), column.name);
    }
  }

  void push(BoundValue value, const std::string& alias) {
    ResultColumn column;
    column.name = alias.empty() ? value.name : alias;
    column.type = value.type;
    column.type.nullable = true;
    columns_.push_back(std::move(column));
    items_.push_back(std::move(value));
  }

  SqlSession* session_;
  Scope scope_;
  size_t width_ = 0;
  std::vector<BoundValue> items_;
  std::vector<ResultColumn> columns_;
  std::vector<std::vector<SqlValue>> rows_;
};

OutputCollector::OutputCollector(SqlSession* session, const Statement& statement,
                                 const TablePtr& table, std::string_view verb)
    : session_(session),
      into_(statement.output_into),
      first_(std::make_unique<Clause>(session, statement.output, table, verb)),
      second_(std::make_unique<Clause>(session, statement.output_rows, table, verb)) {
  if (!into_.table.empty()) {
    session->check_permission(Permission::kInsert, *target_table(session, into_.table));
  }
}

OutputCollector::~OutputCollector() = default;

void OutputCollector::add(const std::vector<SqlValue>* inserted,
                          const std::vector<SqlValue>* deleted, std::string_view action) {
  first_->add(inserted, deleted, action);
  second_->add(inserted, deleted, action);
}

void OutputCollector::finish() {
  if (!into_.table.empty()) {
    store();
    send(*second_);
    return;
  }
  send(*first_);
}

void OutputCollector::store() {
  TableWriter writer(session_, target_table(session_, into_.table), "INSERT");
  const TableDefinition& definition = writer.definition();
  std::vector<size_t> places;
  if (into_.columns.empty()) {
    for (size_t i = 0; i < definition.columns.size(); ++i) {
      const Column& column = definition.columns[i];
      if (!column.identity && column.computed == nullptr && !column.is_row_version()) {
        places.push_back(i);
      }
    }
  }
  for (const std::string& name : into_.columns) {
    const auto column = definition.find_column(name);
    if (!column) {
      throw invalid_column(name);
    }
    places.push_back(*column);
  }
  std::vector<SqlType> types;
  for (const ResultColumn& column : first_->columns()) {
    types.push_back(column.type);
  }
  if (types.size() != places.size()) {
    throw SqlError(213, 16, 1,
                   "Column name or number of supplied values does not match table definition.");
  }
  for (const auto& row : first_->rows()) {
    writer.insert(places, types, row, std::vector<bool>(row.size(), false));
  }
}

void OutputCollector::send(const Clause& clause) {
  if (!clause.is_wanted()) {
    return;
  }
  session_->out->columns(clause.columns());
  for (const auto& row : clause.rows()) {
    if (!session_->out->row(row)) {
      throw Cancelled{};
    }
  }
}

}  // namespace dstream::standin::sql
