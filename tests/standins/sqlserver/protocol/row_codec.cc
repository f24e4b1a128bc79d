#include "tests/standins/sqlserver/protocol/row_codec.h"

#include "tests/standins/sqlserver/protocol/value_codec.h"

namespace dstream::standin {
namespace {

constexpr uint64_t kPlpNull = 0xFFFFFFFFFFFFFFFF;
constexpr uint64_t kPlpUnknown = 0xFFFFFFFFFFFFFFFE;
constexpr uint16_t kShortNull = 0xFFFF;
constexpr uint32_t kLongNull = 0xFFFFFFFF;

// A text pointer and time stamp that no client may use: READTEXT is not offered.
constexpr std::string_view kTextPointer{"stand-in textptr", 16};
constexpr std::string_view kTextTimestamp{"\0\0\0\0\0\0\0\1", 8};

bool append_null(LengthForm form, std::string* out) {
  switch (form) {
    case LengthForm::kFixed:
      return false;
    case LengthForm::kByte:
    case LengthForm::kText:
      put_u8(out, 0);
      return true;
    case LengthForm::kShort:
      put_u16(out, kShortNull);
      return true;
    case LengthForm::kPlp:
      put_u64(out, kPlpNull);
      return true;
    case LengthForm::kVariant:
      put_u32(out, 0);
      return true;
    case LengthForm::kLong:
      put_u32(out, kLongNull);
      return true;
  }
  return false;
}

// Leaves room for the length of a value in front of its bytes; fill_length() fills it.
void append_length_room(LengthForm form, std::string* out) {
  switch (form) {
    case LengthForm::kFixed:
      return;
    case LengthForm::kByte:
      put_u8(out, 0);
      return;
    case LengthForm::kShort:
      put_u16(out, 0);
      return;
    case LengthForm::kPlp:
      put_u64(out, 0);
      put_u32(out, 0);
      return;
    case LengthForm::kText:
      put_u8(out, static_cast<uint8_t>(kTextPointer.size()));
      out->append(kTextPointer);
      out->append(kTextTimestamp);
      put_u32(out, 0);
      return;
    case LengthForm::kVariant:
    case LengthForm::kLong:
      put_u32(out, 0);
      return;
  }
}

// `body` is where the value's bytes start; they end at the end of `out`.
void fill_length(LengthForm form, size_t body, std::string* out) {
  const size_t length = out->size() - body;
  switch (form) {
    case LengthForm::kFixed:
      return;
    case LengthForm::kByte:
      patch(out, body - 1, static_cast<uint8_t>(length));
      return;
    case LengthForm::kShort:
      patch(out, body - 2, static_cast<uint16_t>(length));
      return;
    case LengthForm::kPlp:
      patch(out, body - 12, static_cast<uint64_t>(length));
      if (length == 0) {
        // An empty value has no chunk; the four bytes kept for its length are the terminator.
        return;
      }
      patch(out, body - 4, static_cast<uint32_t>(length));
      put_u32(out, 0);
      return;
    case LengthForm::kText:
    case LengthForm::kVariant:
    case LengthForm::kLong:
      patch(out, body - 4, static_cast<uint32_t>(length));
      return;
  }
}

// Walks over the chunks of a PLP value. `bytes` collects them if given.
bool read_plp(ByteReader* reader, bool* is_null, std::string* bytes) {
  const uint64_t total = reader->u64();
  *is_null = total == kPlpNull;
  if (*is_null) {
    return reader->ok();
  }
  uint64_t seen = 0;
  for (;;) {
    const uint32_t size = reader->u32();
    if (!reader->ok()) {
      return false;
    }
    if (size == 0) {
      return total == kPlpUnknown || total == seen;
    }
    const std::string_view chunk = reader->bytes(size);
    seen += size;
    if (bytes != nullptr) {
      bytes->append(chunk);
    }
  }
}

// The bytes of a value in any form but kPlp.
bool read_sized(ByteReader* reader, const WireType& wire, bool* is_null, std::string_view* raw) {
  *is_null = false;
  switch (wire.form) {
    case LengthForm::kFixed:
      *raw = reader->bytes(wire.fixed_bytes);
      break;
    case LengthForm::kByte: {
      const uint8_t length = reader->u8();
      *is_null = length == 0;
      *raw = reader->bytes(length);
      break;
    }
    case LengthForm::kShort: {
      const uint16_t length = reader->u16();
      *is_null = length == kShortNull;
      *raw = reader->bytes(*is_null ? 0 : length);
      break;
    }
    case LengthForm::kText: {
      const uint8_t pointer_bytes = reader->u8();
      *is_null = pointer_bytes == 0;
      if (!*is_null) {
        reader->bytes(pointer_bytes + kTextTimestamp.size());
        *raw = reader->bytes(reader->u32());
      }
      break;
    }
    case LengthForm::kVariant: {
      const uint32_t length = reader->u32();
      *is_null = length == 0;
      *raw = reader->bytes(length);
      break;
    }
    case LengthForm::kLong: {
      const uint32_t length = reader->u32();
      *is_null = length == kLongNull;
      *raw = reader->bytes(*is_null ? 0 : length);
      break;
    }
    case LengthForm::kPlp:
      return false;
  }
  return reader->ok();
}

bool skip_value(ByteReader* reader, const WireType& wire) {
  bool is_null = false;
  std::string_view raw;
  if (wire.form == LengthForm::kPlp) {
    return read_plp(reader, &is_null, nullptr);
  }
  return read_sized(reader, wire, &is_null, &raw);
}

}  // namespace

bool append_value(const SqlType& type, const SqlValue& value, std::string* out) {
  const LengthForm form = wire_type(type).form;
  if (value.null) {
    return append_null(form, out);
  }
  const size_t start = out->size();
  append_length_room(form, out);
  const size_t body = out->size();
  if (!append_raw(type, value, out)) {
    out->resize(start);
    return false;
  }
  fill_length(form, body, out);
  return true;
}

bool read_value(ByteReader* reader, const SqlType& type, const WireType& wire, SqlValue* value) {
  bool is_null = false;
  std::string_view raw;
  std::string collected;
  if (wire.form == LengthForm::kPlp) {
    if (!read_plp(reader, &is_null, &collected)) {
      return false;
    }
    raw = collected;
  } else if (!read_sized(reader, wire, &is_null, &raw)) {
    return false;
  }
  // A legacy string has a length byte, so that an empty one is not NULL but cannot be told apart.
  if (is_null) {
    *value = {};
    return true;
  }
  return read_raw(type, raw, value);
}

bool encode_row(std::span<const ResultColumn> columns, std::span<const SqlValue> values,
                std::string* out, size_t* bad_column) {
  const size_t start = out->size();
  size_t column = columns.size();
  if (columns.size() == values.size()) {
    put_u8(out, kRowToken);
    for (column = 0; column < columns.size(); ++column) {
      if (!append_value(columns[column].type, values[column], out)) {
        break;
      }
    }
    if (column == columns.size()) {
      return true;
    }
  }
  out->resize(start);
  if (bad_column != nullptr) {
    *bad_column = column;
  }
  return false;
}

bool decode_row(std::span<const ResultColumn> columns, std::string_view token,
                std::vector<SqlValue>* values) {
  ByteReader reader(token);
  if (reader.u8() != kRowToken) {
    return false;
  }
  values->resize(columns.size());
  for (size_t i = 0; i < columns.size(); ++i) {
    const SqlType& type = columns[i].type;
    if (!read_value(&reader, type, wire_type(type), &(*values)[i])) {
      return false;
    }
  }
  return reader.ok() && reader.at_end();
}

RowLayout::RowLayout(std::span<const ResultColumn> columns) {
  types_.reserve(columns.size());
  wires_.reserve(columns.size());
  for (const ResultColumn& column : columns) {
    types_.push_back(column.type);
    wires_.push_back(wire_type(column.type));
  }
}

bool RowLayout::ranges(std::string_view token, std::span<ByteRange> ranges) const {
  ByteReader reader(token);
  if (reader.u8() != kRowToken || ranges.size() != wires_.size()) {
    return false;
  }
  for (size_t i = 0; i < wires_.size(); ++i) {
    const size_t start = reader.position();
    if (!skip_value(&reader, wires_[i])) {
      return false;
    }
    ranges[i] = {static_cast<uint32_t>(start), static_cast<uint32_t>(reader.position() - start)};
  }
  return reader.at_end();
}

bool RowLayout::value(std::string_view token, ByteRange range, size_t column,
                      SqlValue* value) const {
  if (column >= types_.size() || range.offset > token.size()) {
    return false;
  }
  ByteReader reader(token.substr(range.offset, range.size));
  return read_value(&reader, types_[column], wires_[column], value);
}

bool RowLayout::is_null(std::string_view token, ByteRange range, size_t column) const {
  if (column >= wires_.size() || range.offset > token.size()) {
    return false;
  }
  ByteReader reader(token.substr(range.offset, range.size));
  bool is_null = false;
  std::string_view raw;
  if (wires_[column].form == LengthForm::kPlp) {
    return reader.u64() == kPlpNull && reader.ok();
  }
  return read_sized(&reader, wires_[column], &is_null, &raw) && is_null;
}

bool RowLayout::append_picked(std::string_view token, std::span<const uint16_t> picks,
                              std::span<ByteRange> scratch, std::string* out) const {
  if (!ranges(token, scratch)) {
    return false;
  }
  const size_t start = out->size();
  put_u8(out, kRowToken);
  for (const uint16_t pick : picks) {
    if (pick >= scratch.size()) {
      out->resize(start);
      return false;
    }
    out->append(token.substr(scratch[pick].offset, scratch[pick].size));
  }
  return true;
}

}  // namespace dstream::standin
