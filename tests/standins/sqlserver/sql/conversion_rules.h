// Which types become which, as the chart of Microsoft's documentation has it: by themselves, only
// when CAST or CONVERT asks for it, or never.
//
// Thread rule: none; plain functions.
#pragma once

#include <cstdint>
#include <string_view>

#include "tests/standins/sqlserver/sql/types.h"

namespace dstream::standin::sql {

enum class Conversion : uint8_t { kImplicit, kExplicit, kNone };

Conversion conversion_between(const SqlType& from, const SqlType& to);

// For assignments, comparisons and arguments. Throws 206 where there is no conversion, 257 where it
// has to be asked for.
void check_implicit(const SqlType& from, const SqlType& to);
// For ORDER BY, GROUP BY and PARTITION BY. Throws 306, 305 or 249 for types without an order.
void check_sortable(const SqlType& type, std::string_view clause);
bool is_comparable(const SqlType& type);
// For CAST and CONVERT. Throws 529.
void check_explicit(const SqlType& from, const SqlType& to);

}  // namespace dstream::standin::sql
