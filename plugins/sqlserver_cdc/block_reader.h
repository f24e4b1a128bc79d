// Fetches a result set in blocks of rows, column by column, and trusts nothing the driver says.
#pragma once

#include <cstdint>
#include <vector>

#include "plugins/sqlserver_cdc/column_decoder.h"
#include "plugins/sqlserver_cdc/connection.h"

namespace dstream::sqlserver {

// Buffers of a block; kept between result sets, so that memory is taken once. One thread.
struct BlockBuffers {
  std::vector<uint8_t> values;
  std::vector<SQLLEN> lengths;
  std::vector<SQLUSMALLINT> status;
};

// Reads the current result set of a statement. The array size is set here, after the statement was
// executed: set before, it would make Microsoft's driver open a server cursor.
class BlockReader {
 public:
  // `types` are those of the result's columns, none of them Fetch::kAbsent; `rows` are expected.
  BlockReader(Statement& statement, const std::vector<const ColumnType*>& types, size_t rows,
              BlockBuffers& buffers);
  // Gives the statement back as it was, for the next result set.
  ~BlockReader();
  BlockReader(const BlockReader&) = delete;
  BlockReader& operator=(const BlockReader&) = delete;

  // Rows of the next block, 0 at the end of the result set. Throws SourceError for every
  // diagnostic that is not mere information and for every row that did not arrive whole.
  size_t next();
  FetchedColumn column(size_t index) const { return columns_[index]; }

  // What the driver counted, as a second opinion on the end; -1 if it does not count.
  SQLLEN driver_count() const;

 private:
  Statement& statement_;
  BlockBuffers& buffers_;
  std::vector<FetchedColumn> columns_;
  SQLULEN fetched_ = 0;
};

}  // namespace dstream::sqlserver
