// Rows as ROW tokens: made once, stored, and sent again as they are, whole or with their columns
// picked and reordered, without decoding.
//
//   RowLayout layout(columns);                  // once per result or stored table
//   std::string token;
//   encode_row(columns, values, &token);        // one ROW token, 0xD1 first
//   ...
//   writer.columns(columns);
//   writer.encoded_row(token);                  // the fast way out
//
// A token's bytes depend on every column's whole SqlType, `nullable` included: it may only be sent
// under columns of the same types in the same order. To send columns 2, 0 of a stored row, announce
// exactly these two ResultColumns and append_picked(token, {2, 0}).
//
// Bytes are those of TDS 7.4. Where a client speaks an older dialect or wants another row form, the
// writer converts; the caller need not know.
//
// Thread rule: functions are plain; a RowLayout is immutable after construction. [any-thread]
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/protocol/bytes.h"
#include "tests/standins/sqlserver/protocol/values.h"
#include "tests/standins/sqlserver/protocol/wire_type.h"

namespace dstream::standin {

inline constexpr uint8_t kRowToken = 0xD1;

// Appends one value with its length, as it stands in a ROW. False, with `out` as it was, if the
// value does not fit the type (see append_raw) or is NULL where the wire form has no NULL.
bool append_value(const SqlType& type, const SqlValue& value, std::string* out);

// Reads one value with its length in the given form. False if the bytes are not one.
bool read_value(ByteReader* reader, const SqlType& type, const WireType& wire, SqlValue* value);

// Appends a whole ROW token. False, with `out` as it was, if there are not as many values as
// columns or one does not fit; then *bad_column (if given) says which, columns.size() for a wrong
// count. REQUIRES: a value longer than its column, or a number too large for it, was refused by
// the caller with SQL Server's own error before it came here.
bool encode_row(std::span<const ResultColumn> columns, std::span<const SqlValue> values,
                std::string* out, size_t* bad_column = nullptr);

// Reads a ROW token back. False if it is not one of these columns. `values` keeps its capacity, so
// a vector reused over rows allocates only for text.
bool decode_row(std::span<const ResultColumn> columns, std::string_view token,
                std::vector<SqlValue>* values);

// Where a column's bytes lie in a token, its length field included.
struct ByteRange {
  uint32_t offset = 0;
  uint32_t size = 0;
};

// What it takes to walk over tokens of given columns, worked out once.
class RowLayout {
 public:
  explicit RowLayout(std::span<const ResultColumn> columns);

  size_t column_count() const { return types_.size(); }

  // The range of each column; `ranges` must have column_count() elements. False if the token is
  // cut short or longer than its columns: it was made for other columns.
  bool ranges(std::string_view token, std::span<ByteRange> ranges) const;

  // Decodes one column whose range is known.
  bool value(std::string_view token, ByteRange range, size_t column, SqlValue* value) const;
  // True if the column is NULL.
  bool is_null(std::string_view token, ByteRange range, size_t column) const;

  // Appends a ROW token with the picked columns, in that order (one may appear twice). `scratch`
  // must have column_count() elements; it spares an allocation per row. False as for ranges(), or
  // if a pick is not below column_count().
  bool append_picked(std::string_view token, std::span<const uint16_t> picks,
                     std::span<ByteRange> scratch, std::string* out) const;

 private:
  std::vector<SqlType> types_;
  std::vector<WireType> wires_;
};

}  // namespace dstream::standin
