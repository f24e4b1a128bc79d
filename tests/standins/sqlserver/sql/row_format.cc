#include "tests/standins/sqlserver/sql/row_format.h"

#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/types.h"

namespace dstream::standin::sql {

RowFormat::RowFormat(std::vector<SqlType> types, std::vector<SqlValue> missing)
    : types_(std::move(types)), missing_(std::move(missing)) {
  missing_.resize(types_.size());
  for (SqlType& type : types_) {
    type.nullable = true;
    wires_.push_back(wire_type(type));
  }
}

void RowFormat::append(std::span<const SqlValue> values, std::string* out) const {
  for (size_t i = 0; i < types_.size(); ++i) {
    if (!append_value(types_[i], values[i], out)) {
      throw arithmetic_overflow("expression", type_name(types_[i].id));
    }
  }
}

RowBytes RowFormat::encode(std::span<const SqlValue> values) const {
  std::string bytes;
  append(values, &bytes);
  bytes.shrink_to_fit();
  return std::make_shared<const std::string>(std::move(bytes));
}

void RowFormat::decode(std::string_view row, std::span<const int> to, SqlValue* values) const {
  ByteReader reader(row);
  for (size_t i = 0; i < types_.size(); ++i) {
    const int target = i < to.size() ? to[i] : -1;
    if (reader.at_end()) {
      if (target >= 0) {
        values[target] = missing_[i];
      }
    } else if (target >= 0) {
      read_value(&reader, types_[i], wires_[i], &values[target]);
    } else {
      skip_value(&reader, wires_[i]);
    }
  }
}

void RowFormat::decode_all(std::string_view row, std::vector<SqlValue>* values) const {
  values->resize(types_.size());
  ByteReader reader(row);
  for (size_t i = 0; i < types_.size(); ++i) {
    if (reader.at_end()) {
      (*values)[i] = missing_[i];
    } else {
      read_value(&reader, types_[i], wires_[i], &(*values)[i]);
    }
  }
}

void RowFormat::split(std::string_view row, std::vector<std::string_view>* columns) const {
  columns->resize(types_.size());
  ByteReader reader(row);
  for (size_t i = 0; i < types_.size(); ++i) {
    const size_t start = reader.position();
    if (!reader.at_end()) {
      skip_value(&reader, wires_[i]);
    }
    (*columns)[i] = row.substr(start, reader.position() - start);
  }
}

bool skip_value(ByteReader* reader, const WireType& wire) {
  constexpr uint64_t kPlpNull = ~uint64_t{0};
  switch (wire.form) {
    case LengthForm::kFixed:
      reader->bytes(wire.fixed_bytes);
      break;
    case LengthForm::kByte:
      reader->bytes(reader->u8());
      break;
    case LengthForm::kShort: {
      const uint16_t length = reader->u16();
      reader->bytes(length == 0xFFFF ? 0 : length);
      break;
    }
    case LengthForm::kPlp:
      if (reader->u64() != kPlpNull) {
        while (true) {
          const uint32_t chunk = reader->u32();
          if (chunk == 0 || !reader->ok()) {
            break;
          }
          reader->bytes(chunk);
        }
      }
      break;
    case LengthForm::kText: {
      const uint8_t pointer = reader->u8();
      if (pointer != 0) {
        reader->bytes(pointer + size_t{8});
        reader->bytes(reader->u32());
      }
      break;
    }
    case LengthForm::kVariant:
      reader->bytes(reader->u32());
      break;
    case LengthForm::kLong: {
      const uint32_t length = reader->u32();
      reader->bytes(length == ~uint32_t{0} ? 0 : length);
      break;
    }
  }
  return reader->ok();
}

}  // namespace dstream::standin::sql
