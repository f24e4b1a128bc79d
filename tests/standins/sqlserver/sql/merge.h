// MERGE.
#pragma once

#include <cstdint>
#include <string_view>

#include "tests/standins/sqlserver/sql/ast.h"
#include "tests/standins/sqlserver/sql/session.h"

namespace dstream::standin::sql {

// A column that the parser adds to what is merged: NULL where a target row has no source row.
inline constexpr std::string_view kMergeMark = "$merged";

// Returns the number of rows inserted, updated and deleted. REQUIRES: inside of as_statement().
int64_t merge_rows(SqlSession* session, const Statement& statement);

}  // namespace dstream::standin::sql
