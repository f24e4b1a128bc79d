// Which types become which, as the chart of Microsoft's documentation has it: by themselves, only
// when CAST or CONVERT asks for it, or never.
//
// Thread rule: none; plain functions.
#pragma once

#include <cstdint>

#include "tests/standins/sqlserver/sql/types.h"

namespace dstream::standin::sql {

enum class Conversion : uint8_t { kImplicit, kExplicit, kNone };

Conversion conversion_between(const SqlType& from, const SqlType& to);

// For assignments, comparisons and arguments. Throws 206 where there is no conversion, 257 where it
// has to be asked for.
void check_implicit(const SqlType& from, const SqlType& to);
// For CAST and CONVERT. Throws 529.
void check_explicit(const SqlType& from, const SqlType& to);

}  // namespace dstream::standin::sql
