// Columns that nearly every result of CDC has, and their values in a block of rows.
#pragma once

#include <cstdint>
#include <string>

#include "plugins/sqlserver_cdc/column_decoder.h"
#include "plugins/sqlserver_cdc/lsn.h"

namespace dstream::sqlserver {

extern const ColumnType kLsnColumn;  // binary(10)
extern const ColumnType kIntColumn;  // int

// REQUIRES: `column` is of the type in its function's name, and `row` lies in the block.
// Throws SourceError(FATAL), with `doing` in front, for an LSN that is not 10 bytes long.
Lsn lsn_at(const FetchedColumn& column, size_t row,
           const std::string& doing);  // nor may it be NULL
Lsn lsn_or_zero_at(const FetchedColumn& column, size_t row, const std::string& doing);
int32_t int_at(const FetchedColumn& column, size_t row, int32_t if_null);

}  // namespace dstream::sqlserver
