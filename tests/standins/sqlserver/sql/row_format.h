// Rows as the tables keep them: the values of all physical columns one after the other, each as it
// stands in a ROW token of a nullable column. A change table's row is then a copy of bytes, and a
// stored row costs little more than its data.
//
// A row written before a column was added is shorter; what is missing has the column's own
// `missing` value.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/protocol/row_codec.h"
#include "tests/standins/sqlserver/protocol/values.h"

namespace dstream::standin::sql {

using RowBytes = std::shared_ptr<const std::string>;

class RowFormat {
 public:
  // `missing` has one value per type: what a shorter row holds there.
  RowFormat(std::vector<SqlType> types, std::vector<SqlValue> missing);

  size_t size() const { return types_.size(); }
  const SqlType& type(size_t physical) const { return types_[physical]; }
  const SqlValue& missing(size_t physical) const { return missing_[physical]; }

  // REQUIRES: one value per physical column, each fitting its type.
  RowBytes encode(std::span<const SqlValue> values) const;
  void append(std::span<const SqlValue> values, std::string* out) const;

  // Decodes the wanted columns: values[to[i]] = column i; to[i] < 0 is left out.
  void decode(std::string_view row, std::span<const int> to, SqlValue* values) const;
  void decode_all(std::string_view row, std::vector<SqlValue>* values) const;

  // The bytes of every column; those the row lacks are empty.
  void split(std::string_view row, std::vector<std::string_view>* columns) const;

 private:
  std::vector<SqlType> types_;  // all nullable
  std::vector<WireType> wires_;
  std::vector<SqlValue> missing_;
};

// Moves over one value in the given form; false if the bytes end too early.
bool skip_value(ByteReader* reader, const WireType& wire);

}  // namespace dstream::standin::sql
