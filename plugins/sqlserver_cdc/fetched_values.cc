#include "plugins/sqlserver_cdc/fetched_values.h"

#include <cstring>

#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {

const ColumnType kLsnColumn = {Fetch::kBytes, DSTREAM_BYTES, "binary(10)", 0, 0,
                               SQL_C_BINARY,  Lsn::kBytes};
const ColumnType kIntColumn = {Fetch::kInt32, DSTREAM_INT64, "int", 0, 0, SQL_C_SLONG, 4};

Lsn lsn_at(const FetchedColumn& column, size_t row, const std::string& doing) {
  if (column.lengths[row] != Lsn::kBytes) {
    throw SourceError(DSTREAM_FATAL, doing + " failed: an LSN is not 10 bytes long.");
  }
  return Lsn::from_bytes(column.values + row * Lsn::kBytes);
}

Lsn lsn_or_zero_at(const FetchedColumn& column, size_t row, const std::string& doing) {
  return column.lengths[row] == SQL_NULL_DATA ? Lsn{} : lsn_at(column, row, doing);
}

int32_t int_at(const FetchedColumn& column, size_t row, int32_t if_null) {
  int32_t value = if_null;
  if (column.lengths[row] != SQL_NULL_DATA) {
    std::memcpy(&value, column.values + row * sizeof value, sizeof value);
  }
  return value;
}

}  // namespace dstream::sqlserver
