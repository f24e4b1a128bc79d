// A bulk load message: COLMETADATA, rows, DONE, as a server would send them but for the name of a
// text column's table.
#include "tests/standins/sqlserver/protocol/requests.h"
#include "tests/standins/sqlserver/protocol/row_codec.h"
#include "tests/standins/sqlserver/protocol/text_codec.h"

namespace dstream::standin {
namespace {

constexpr uint8_t kColumnsToken = 0x81;
constexpr uint16_t kColumnsMax = 4'096;
constexpr uint16_t kNullableFlag = 0x0001;

bool is_done(uint8_t token) { return token >= 0xFD; }

}  // namespace

BulkMessage::BulkMessage(std::string_view body, const Dialect& dialect)
    : reader_(body), dialect_(dialect) {
  is_damaged_ = !read_columns();
}

bool BulkMessage::read_columns() {
  const uint8_t token = reader_.u8();
  const uint16_t count = reader_.u16();
  if (token != kColumnsToken || count == 0 || count > kColumnsMax) {
    return false;
  }
  for (uint16_t i = 0; i < count; ++i) {
    reader_.bytes(dialect_.wide ? 4 : 2);  // user type
    const uint16_t flags = reader_.u16();
    ParameterType parameter;
    if (!read_type_info(&reader_, &parameter)) {
      return false;
    }
    if (parameter.wire.form == LengthForm::kLong) {
      parameter.wire.form = LengthForm::kText;
      reader_.bytes(reader_.u16() * size_t{2});
    }
    ResultColumn column;
    column.type = parameter.type;
    column.type.nullable = (flags & kNullableFlag) != 0;
    column.name = utf8_of_utf16(reader_.bytes(reader_.u8() * size_t{2}));
    columns_.push_back(std::move(column));
    wires_.push_back(parameter.wire);
  }
  return reader_.ok();
}

bool BulkMessage::next(std::vector<SqlValue>* values) {
  if (is_damaged_ || has_ended_) {
    return false;
  }
  if (reader_.at_end() || is_done(reader_.peek())) {
    has_ended_ = true;
    return false;
  }
  is_damaged_ = !read_row(values);
  return !is_damaged_;
}

bool BulkMessage::read_row(std::vector<SqlValue>* values) {
  if (reader_.u8() != kRowToken) {
    return false;
  }
  values->resize(columns_.size());
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (!read_value(&reader_, columns_[i].type, wires_[i], &(*values)[i])) {
      return false;
    }
  }
  return true;
}

}  // namespace dstream::standin
