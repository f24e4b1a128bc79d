// Common table expressions that read themselves: WITH r AS (anchor UNION ALL step over r).
//
// Thread rule: none; plain functions.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/sql/binder.h"

namespace dstream::standin::sql {

bool is_recursive(const Query::CommonTable& table);

// All rows, made when the statement is bound. `before` is what the table's own query sees. Throws
// 530 when the step goes on for longer than MAXRECURSION says.
std::shared_ptr<const Relation> recursive_relation(SqlSession* session,
                                                   const Query::CommonTable& table,
                                                   const CommonTables& before);

// Gives the columns the names of WITH t (a, b). Throws 8158 and 8159 if there are more or fewer.
void name_columns(const Query::CommonTable& table, std::vector<ResultColumn>* columns);

}  // namespace dstream::standin::sql
