#include "tests/standins/sqlserver/sql/recursion.h"

#include <algorithm>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/plan.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

using Row = std::vector<SqlValue>;

bool reads(const TableRef& ref, std::string_view name);

bool reads(const Query& query, std::string_view name) {
  if (query.core) {
    return std::any_of(query.core->from.begin(), query.core->from.end(),
                       [&](const TableRefPtr& ref) { return reads(*ref, name); });
  }
  return query.left != nullptr && (reads(*query.left, name) || reads(*query.right, name));
}

bool reads(const TableRef& ref, std::string_view name) {
  switch (ref.kind) {
    case TableRef::Kind::kNamed:
      return ref.name.parts.size() == 1 && equal_names(ref.name.last(), name);
    case TableRef::Kind::kDerived:
      return reads(*ref.query, name);
    case TableRef::Kind::kJoin:
      return reads(*ref.left, name) || reads(*ref.right, name);
    default:
      return false;
  }
}

void check_types(const Query::CommonTable& table, const std::vector<ResultColumn>& anchor,
                 const std::vector<ResultColumn>& step) {
  for (size_t i = 0; i < anchor.size() && i < step.size(); ++i) {
    const SqlType &a = anchor[i].type, &b = step[i].type;
    const bool wider = family_of(a.id) == Family::kText && a.length != b.length;
    if (a.id != b.id || wider || a.precision != b.precision || a.scale != b.scale) {
      throw SqlError(240, 16, 1,
                     "Types don't match between the anchor and the recursive part in column \"" +
                         anchor[i].name + "\" of recursive query \"" + table.name + "\".");
    }
  }
}

std::vector<Row> rows_of(const QueryPlan& plan) {
  std::vector<Row> rows;
  const auto stream = plan.open(nullptr);
  Row row;
  while (stream->next(&row)) {
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

bool is_recursive(const Query::CommonTable& table) {
  const Query& query = *table.query;
  return query.right != nullptr && query.operation == SetOperation::kUnionAll &&
         reads(*query.right, table.name);
}

void name_columns(const Query::CommonTable& table, std::vector<ResultColumn>* columns) {
  if (table.columns.empty()) {
    return;
  }
  if (table.columns.size() != columns->size()) {
    const bool fewer = table.columns.size() < columns->size();
    throw SqlError(fewer ? 8158 : 8159, 16, 1,
                   "'" + table.name + "' has " + (fewer ? "more" : "fewer") +
                       " columns than were specified in the column list.");
  }
  for (size_t i = 0; i < columns->size(); ++i) {
    (*columns)[i].name = table.columns[i];
  }
}

std::shared_ptr<const Relation> recursive_relation(SqlSession* session,
                                                   const Query::CommonTable& table,
                                                   const CommonTables& before) {
  const QueryPlan anchor(session, *table.query->left, nullptr, &before);
  std::vector<ResultColumn> columns = anchor.columns();
  name_columns(table, &columns);
  for (ResultColumn& column : columns) {
    column.type.nullable = true;
  }
  std::vector<Row> all = rows_of(anchor), last = all;
  const int32_t limit = session->recursion_max;
  for (int32_t level = 0; !last.empty(); ++level) {
    if (limit > 0 && level > limit) {
      throw SqlError(530, 16, 1,
                     "The statement terminated. The maximum recursion " + std::to_string(limit) +
                         " has been exhausted before statement completion.");
    }
    if (session->out != nullptr && session->out->cancelled()) {
      throw Cancelled{};
    }
    CommonTables self{&before, before.tables, 0, table.name,
                      std::make_shared<RowsRelation>(columns, std::move(last))};
    const QueryPlan step(session, *table.query->right, nullptr, &self);
    if (step.columns().size() != columns.size()) {
      throw SqlError(205, 16, 1,
                     "All queries combined using a UNION, INTERSECT or EXCEPT operator must have "
                     "an equal number of expressions in their target lists.");
    }
    check_types(table, columns, step.columns());
    last = rows_of(step);
    all.insert(all.end(), last.begin(), last.end());
  }
  return std::make_shared<RowsRelation>(std::move(columns), std::move(all));
}

}  // namespace dstream::standin::sql
