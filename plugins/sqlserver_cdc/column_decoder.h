// Turns the buffers of one fetched block into record values, column by column.
#pragma once

#include <sql.h>
#include <sqlext.h>

#include <cstdint>
#include <stdexcept>

#include "dstream/abi.h"
#include "plugins/sqlserver_cdc/column_types.h"
#include "plugins/sqlserver_cdc/row_memory.h"

namespace dstream::sqlserver {

// What the driver filled for one column: `rows` values of `type->width` bytes, and their lengths.
struct FetchedColumn {
  const ColumnType* type = nullptr;
  const uint8_t* values = nullptr;
  const SQLLEN* lengths = nullptr;
};

// A value arrived cut short or malformed. The page it is in must not be used.
struct BadValue : std::runtime_error {
  explicit BadValue(const char* why) : std::runtime_error(why) {}
};

// Writes `rows` values to out[0], out[stride], ...; text and bytes go to `arena`.
// Throws BadValue for a length that says "truncated" or "unknown": FreeTDS reports a cut value as
// success, so every length is looked at (I5).
void decode_column(const FetchedColumn& column, size_t rows, dstream_value* out, size_t stride,
                   Arena& arena);

// Days from 1970-01-01 in the proleptic Gregorian calendar.
int64_t days_from_date(int32_t year, uint32_t month, uint32_t day);

}  // namespace dstream::sqlserver
