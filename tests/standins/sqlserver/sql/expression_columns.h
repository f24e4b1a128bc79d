// Which columns an expression speaks of.
//
// Thread rule: none; plain functions.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "tests/standins/sqlserver/sql/ast.h"

namespace dstream::standin::sql {

// Folded last parts of the names of its columns; not those of subqueries.
std::set<std::string> columns_of(const Expression& expression);
bool mentions(const Expression& expression, std::string_view column);

}  // namespace dstream::standin::sql
