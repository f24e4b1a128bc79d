// The texts of RAISERROR and FORMATMESSAGE: %d, %s and relatives with flags, width and precision.
//
// Thread rule: none; plain functions.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "tests/standins/sqlserver/sql/types.h"

namespace dstream::standin::sql {

// Arguments in order of the places; "(null)" where they end or are NULL. Throws 2786 where a place
// and its argument do not fit, 2787 for a place that is none.
std::string format_message(std::string_view format, std::span<const SqlType> types,
                           std::span<const SqlValue> values);

}  // namespace dstream::standin::sql
