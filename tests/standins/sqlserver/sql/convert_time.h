// Conversions to date and time types: a part of convert.h.
//
// Thread rule: none; plain functions.
#pragma once

#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/types.h"

namespace dstream::standin::sql {

SqlError explicit_not_allowed(const SqlType& from, const SqlType& to);  // 529
// Throws 241 and 242. REQUIRES: not NULL.
SqlValue to_time(const SqlValue& value, const SqlType& from, const SqlType& to, int style);

}  // namespace dstream::standin::sql
