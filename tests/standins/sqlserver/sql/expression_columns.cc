#include "tests/standins/sqlserver/sql/expression_columns.h"

#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

void collect(const Expression& expression, std::set<std::string>* columns) {
  if (expression.kind == ExpressionKind::kColumn && !expression.name.empty()) {
    columns->insert(fold_name(expression.name.last()));
  }
  for (const ExpressionPtr& operand : expression.operands) {
    collect(*operand, columns);
  }
}

}  // namespace

std::set<std::string> columns_of(const Expression& expression) {
  std::set<std::string> columns;
  collect(expression, &columns);
  return columns;
}

bool mentions(const Expression& expression, std::string_view column) {
  return columns_of(expression).contains(fold_name(column));
}

}  // namespace dstream::standin::sql
