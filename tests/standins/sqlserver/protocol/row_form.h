// Rows for clients that want another form than the ROW token of TDS 7.4: those of an older dialect,
// which has no date types and no (max), and tests that want NBCROW.
//
// Thread rule: one thread a connection.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/protocol/row_codec.h"
#include "tests/standins/sqlserver/protocol/tokens.h"
#include "tests/standins/sqlserver/protocol/values.h"

namespace dstream::standin {

// What a column becomes in a dialect: before TDS 7.3 date and time types are nvarchar, before 7.2
// (max) types, xml and CLR types are text, ntext and image; text of a UTF-8 collation is nvarchar
// where the client has not asked for UTF-8. Other types stay.
SqlType type_in_dialect(const SqlType& type, const Dialect& dialect);
// The value that goes with it: times become text as CONVERT(nvarchar, ...) writes them.
SqlValue value_in_dialect(const SqlType& type, const SqlValue& value, const Dialect& dialect);

// "2026-11-23 12:34:56.1234567 +05:30", as much of it as the type has.
std::string time_text(const SqlType& type, const SqlValue& value);

class RowForm {
 public:
  // A result begins. `null_bitmap` asks for NBCROW where a row has a NULL and the dialect allows.
  void begin(std::span<const ResultColumn> columns, const Dialect& dialect, bool null_bitmap);

  // The columns as the client is told.
  std::span<const ResultColumn> columns() const { return sent_columns_; }
  // True if ROW tokens go out as they are.
  bool is_plain() const { return !converts_ && !null_bitmap_; }

  // A ROW token in the client's form, valid until the next call. Empty if the token is not of the
  // result's columns.
  std::string_view convert(std::string_view token);
  // The same from values. Empty if they do not fit; then *bad_column says which.
  std::string_view encode(std::span<const SqlValue> values, size_t* bad_column);

 private:
  std::string_view with_null_bitmap(std::string_view token);

  std::vector<ResultColumn> columns_;
  std::vector<ResultColumn> sent_columns_;
  Dialect dialect_;
  bool converts_ = false;
  bool null_bitmap_ = false;
  std::optional<RowLayout> sent_layout_;
  std::vector<ByteRange> scratch_;
  std::vector<SqlValue> values_;
  std::string row_;
  std::string bitmap_row_;
};

}  // namespace dstream::standin
