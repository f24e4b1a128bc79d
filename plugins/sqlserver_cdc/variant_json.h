// sql_variant values as JSON: the base type and the value's exact text.
#pragma once

#include <utility>

#include "plugins/sqlserver_cdc/row_memory.h"

namespace dstream::sqlserver {

// From "int:42", as Select::kVariant asks for it, to {"type":"int","value":"42"} in `arena`, UTF-8
// in both. Throws BadValue if there is no base type.
std::pair<char*, char*> variant_json(const char* start, const char* end, Arena& arena);

}  // namespace dstream::sqlserver
