// Keys of rows as text: how a copy says where it stands, in positions and in statements.
//
// A part of a key is text that SQL Server converts back to exactly the same value, under the type
// and the collation of its column. Nothing here compares keys: only the server knows their order.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dstream/abi.h"
#include "plugins/sqlserver_cdc/column_types.h"
#include "plugins/sqlserver_cdc/copy_fetcher.h"
#include "plugins/sqlserver_cdc/table_schema.h"

namespace dstream::sqlserver {

// Text of one value. REQUIRES: neither NULL nor ABSENT, of a type that can_be_key_type() allows.
std::string key_text(const dstream_value& value);
// The key of a row, by the schema's key columns.
CopyKey key_of(const dstream_value* row, const dstream_schema& schema);

// True if rows can be asked for by keys of this type: it has an order and an exact text.
bool can_be_key_type(const ColumnType& type);
// The parameter `?`, converted from key_text() to what the column is: CONVERT(datetime2(7), ?,
// 126).
std::string key_parameter(const ColumnType& type, std::string_view collation);

}  // namespace dstream::sqlserver
