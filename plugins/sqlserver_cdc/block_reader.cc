#include "plugins/sqlserver_cdc/block_reader.h"

#include <algorithm>

namespace dstream::sqlserver {
namespace {

// A block stays in the second-level cache.
constexpr size_t kBlockBytes = 512 << 10;
constexpr size_t kBlockRowsMin = 8;
constexpr size_t kBlockRowsMax = 256;

size_t rounded(size_t size) { return (size + 7) / 8 * 8; }

}  // namespace

BlockReader::BlockReader(Statement& statement, const std::vector<const ColumnType*>& types,
                         size_t rows, BlockBuffers& buffers)
    : statement_(statement), buffers_(buffers) {
  size_t row_width = 0;
  for (const ColumnType* type : types) {
    row_width += type->width + sizeof(SQLLEN);
  }
  const size_t block = std::min(
      std::clamp(kBlockBytes / std::max<size_t>(row_width, 1), kBlockRowsMin, kBlockRowsMax),
      std::max<size_t>(rows, 1));

  size_t bytes = 0;
  for (const ColumnType* type : types) {
    bytes += rounded(type->width * block);
  }
  buffers_.values.resize(std::max(buffers_.values.size(), bytes));
  buffers_.lengths.resize(std::max(buffers_.lengths.size(), types.size() * block));
  buffers_.status.resize(std::max(buffers_.status.size(), block));

  SQLHSTMT handle = statement_.handle();
  statement_.check(SQLSetStmtAttr(handle, SQL_ATTR_ROW_ARRAY_SIZE, as_attribute(block), 0));
  statement_.check(SQLSetStmtAttr(handle, SQL_ATTR_ROWS_FETCHED_PTR, &fetched_, 0));
  statement_.check(SQLSetStmtAttr(handle, SQL_ATTR_ROW_STATUS_PTR, buffers_.status.data(), 0));
  uint8_t* at = buffers_.values.data();
  SQLLEN* lengths = buffers_.lengths.data();
  for (size_t i = 0; i < types.size(); ++i) {
    const ColumnType& type = *types[i];
    statement_.check(SQLBindCol(handle, static_cast<SQLUSMALLINT>(i + 1), type.c_type, at,
                                static_cast<SQLLEN>(type.width), lengths));
    columns_.push_back({&type, at, lengths});
    at += rounded(type.width * block);
    lengths += block;
  }
}

BlockReader::~BlockReader() {
  SQLHSTMT handle = statement_.handle();
  SQLFreeStmt(handle, SQL_UNBIND);
  SQLSetStmtAttr(handle, SQL_ATTR_ROW_STATUS_PTR, nullptr, 0);
  SQLSetStmtAttr(handle, SQL_ATTR_ROWS_FETCHED_PTR, nullptr, 0);
  SQLSetStmtAttr(handle, SQL_ATTR_ROW_ARRAY_SIZE, as_attribute(1), 0);
}

size_t BlockReader::next() {
  fetched_ = 0;
  const SQLRETURN result = statement_.fetch();
  // A cut connection or an error of the server in the middle of a block shows here at the latest,
  // whatever the return code: rows of such a block are not used.
  statement_.check(result);
  if (result == SQL_NO_DATA) {
    return 0;
  }
  for (size_t row = 0; row < fetched_; ++row) {
    if (buffers_.status[row] != SQL_ROW_SUCCESS) {
      throw SourceError(DSTREAM_FATAL,
                        statement_.doing() + " failed: the driver could not deliver a row whole.");
    }
  }
  if (fetched_ == 0) {
    throw SourceError(DSTREAM_FATAL, statement_.doing() + " failed: an empty block arrived.");
  }
  return fetched_;
}

SQLLEN BlockReader::driver_count() const {
  SQLLEN count = -1;
  return SQL_SUCCEEDED(SQLRowCount(statement_.handle(), &count)) ? count : -1;
}

}  // namespace dstream::sqlserver
