// TYPE_INFO as clients send it with RPC parameters.
#include <algorithm>

#include "tests/standins/sqlserver/protocol/text_codec.h"
#include "tests/standins/sqlserver/protocol/wire_type.h"

namespace dstream::standin {
namespace {

constexpr uint8_t kUtf8CollationFlag = 0x04;  // fUTF8, bit 26 of the collation

// Sets the type of a fixed-length token. False if the token is not one.
bool fixed_type(uint8_t token, SqlType* type, uint8_t* bytes) {
  switch (token) {
    case 0x30:
      type->id = TypeId::kTinyInt, *bytes = 1;
      return true;
    case 0x32:
      type->id = TypeId::kBit, *bytes = 1;
      return true;
    case 0x34:
      type->id = TypeId::kSmallInt, *bytes = 2;
      return true;
    case 0x38:
      type->id = TypeId::kInt, *bytes = 4;
      return true;
    case 0x7F:
      type->id = TypeId::kBigInt, *bytes = 8;
      return true;
    case 0x3B:
      type->id = TypeId::kReal, *bytes = 4;
      return true;
    case 0x3E:
      type->id = TypeId::kFloat, *bytes = 8;
      return true;
    case 0x3C:
      type->id = TypeId::kMoney, *bytes = 8;
      return true;
    case 0x7A:
      type->id = TypeId::kSmallMoney, *bytes = 4;
      return true;
    case 0x3D:
      type->id = TypeId::kDateTime, *bytes = 8;
      return true;
    case 0x3A:
      type->id = TypeId::kSmallDateTime, *bytes = 4;
      return true;
    default:
      return false;
  }
}

bool sized_number(uint8_t token, uint8_t bytes, SqlType* type) {
  const bool wide = bytes == 8;
  if (token == 0x68) {
    type->id = TypeId::kBit;
    return bytes == 1;
  }
  if (token == 0x26) {
    type->id = bytes == 1   ? TypeId::kTinyInt
               : bytes == 2 ? TypeId::kSmallInt
               : bytes == 4 ? TypeId::kInt
                            : TypeId::kBigInt;
    return bytes == 1 || bytes == 2 || bytes == 4 || wide;
  }
  if (token == 0x6D) {
    type->id = wide ? TypeId::kFloat : TypeId::kReal;
  } else if (token == 0x6E) {
    type->id = wide ? TypeId::kMoney : TypeId::kSmallMoney;
  } else {
    type->id = wide ? TypeId::kDateTime : TypeId::kSmallDateTime;
  }
  return bytes == 4 || wide;
}

bool read_collation(ByteReader* reader, SqlType* type) {
  const std::string_view collation = reader->bytes(kDefaultCollation.size());
  type->utf8 = reader->ok() && (static_cast<uint8_t>(collation[3]) & kUtf8CollationFlag) != 0;
  return reader->ok();
}

bool read_decimal(ByteReader* reader, ParameterType* parameter) {
  reader->u8();
  parameter->type.id = parameter->wire.token == 0x6A ? TypeId::kDecimal : TypeId::kNumeric;
  parameter->type.precision = reader->u8();
  parameter->type.scale = reader->u8();
  parameter->wire.form = LengthForm::kByte;
  return reader->ok() && parameter->type.precision >= 1 && parameter->type.precision <= 38 &&
         parameter->type.scale <= parameter->type.precision;
}

bool read_scaled_time(ByteReader* reader, ParameterType* parameter) {
  const uint8_t token = parameter->wire.token;
  parameter->type.id = token == 0x29   ? TypeId::kTime
                       : token == 0x2A ? TypeId::kDateTime2
                                       : TypeId::kDateTimeOffset;
  parameter->type.scale = reader->u8();
  parameter->wire.form = LengthForm::kByte;
  return reader->ok() && parameter->type.scale <= 7;
}

// char, varchar, nchar, nvarchar, binary, varbinary with a u16 length.
bool read_string(ByteReader* reader, TypeId id, ParameterType* parameter) {
  SqlType* type = &parameter->type;
  type->id = id;
  const uint16_t bytes = reader->u16();
  parameter->wire.form = bytes == 0xFFFF ? LengthForm::kPlp : LengthForm::kShort;
  if (bytes == 0xFFFF) {
    type->length = kMaxLength;
  } else {
    type->length = std::max(1, is_utf16(id) ? bytes / 2 : bytes + 0);
  }
  if (is_utf16(id) || is_single_byte_text(id)) {
    return read_collation(reader, type);
  }
  return reader->ok();
}

// char, varchar, binary, varbinary as before TDS 7.0: a u8 length and no collation.
bool read_legacy_string(ByteReader* reader, TypeId id, ParameterType* parameter) {
  parameter->type.id = id;
  parameter->type.length = std::max<int32_t>(1, reader->u8());
  parameter->wire.form = LengthForm::kByte;
  return reader->ok();
}

bool read_long(ByteReader* reader, TypeId id, ParameterType* parameter) {
  parameter->type.id = id;
  parameter->type.length = kMaxLength;
  parameter->wire.form = LengthForm::kLong;
  reader->u32();
  return id == TypeId::kImage ? reader->ok() : read_collation(reader, &parameter->type);
}

bool read_xml(ByteReader* reader, ParameterType* parameter) {
  parameter->type.id = TypeId::kXml;
  parameter->wire.form = LengthForm::kPlp;
  const uint8_t schema_present = reader->u8();
  if (schema_present == 1) {
    reader->bytes(reader->u8() * size_t{2});
    reader->bytes(reader->u8() * size_t{2});
    reader->bytes(reader->u16() * size_t{2});
  }
  return reader->ok() && schema_present <= 1;
}

bool read_clr(ByteReader* reader, ParameterType* parameter) {
  reader->bytes(reader->u8() * size_t{2});
  reader->bytes(reader->u8() * size_t{2});
  const std::string name = utf8_of_utf16(reader->bytes(reader->u8() * size_t{2}));
  parameter->wire.form = LengthForm::kPlp;
  parameter->type.id = name == "geography"  ? TypeId::kGeography
                       : name == "geometry" ? TypeId::kGeometry
                                            : TypeId::kHierarchyId;
  return reader->ok();
}

// Types whose length follows the token as one byte, or that have none.
bool read_number_or_time(ByteReader* reader, ParameterType* parameter) {
  SqlType* type = &parameter->type;
  parameter->wire.form = LengthForm::kByte;
  switch (parameter->wire.token) {
    case 0x6A:
    case 0x6C:
      return read_decimal(reader, parameter);
    case 0x28:
      type->id = TypeId::kDate;
      return reader->ok();
    case 0x29:
    case 0x2A:
    case 0x2B:
      return read_scaled_time(reader, parameter);
    case 0x24:
      type->id = TypeId::kUniqueIdentifier;
      reader->u8();
      return reader->ok();
    default:
      return sized_number(parameter->wire.token, reader->u8(), type) && reader->ok();
  }
}

struct StringToken {
  uint8_t token;
  TypeId id;
  bool (*read)(ByteReader*, TypeId, ParameterType*);
};

constexpr StringToken kStringTokens[] = {{0x2F, TypeId::kChar, read_legacy_string},
                                         {0x27, TypeId::kVarChar, read_legacy_string},
                                         {0x2D, TypeId::kBinary, read_legacy_string},
                                         {0x25, TypeId::kVarBinary, read_legacy_string},
                                         {0xAF, TypeId::kChar, read_string},
                                         {0xA7, TypeId::kVarChar, read_string},
                                         {0xEF, TypeId::kNChar, read_string},
                                         {0xE7, TypeId::kNVarChar, read_string},
                                         {0xAD, TypeId::kBinary, read_string},
                                         {0xA5, TypeId::kVarBinary, read_string},
                                         {0x23, TypeId::kText, read_long},
                                         {0x63, TypeId::kNText, read_long},
                                         {0x22, TypeId::kImage, read_long}};

bool read_string_or_long(ByteReader* reader, ParameterType* parameter) {
  for (const StringToken& candidate : kStringTokens) {
    if (candidate.token == parameter->wire.token) {
      return candidate.read(reader, candidate.id, parameter);
    }
  }
  return false;
}

}  // namespace

bool read_type_info(ByteReader* reader, ParameterType* parameter) {
  *parameter = {};
  SqlType* type = &parameter->type;
  const uint8_t token = reader->u8();
  parameter->wire.token = token;
  if (fixed_type(token, type, &parameter->wire.fixed_bytes)) {
    type->nullable = false;
    return reader->ok();
  }
  switch (token) {
    case 0x1F:
      parameter->is_null_type = true;
      type->id = TypeId::kNVarChar;
      type->length = 1;
      return reader->ok();
    case 0x24:
    case 0x26:
    case 0x28:
    case 0x29:
    case 0x2A:
    case 0x2B:
    case 0x68:
    case 0x6A:
    case 0x6C:
    case 0x6D:
    case 0x6E:
    case 0x6F:
      return read_number_or_time(reader, parameter);
    case 0xF1:
      return read_xml(reader, parameter);
    case 0xF0:
      return read_clr(reader, parameter);
    case 0x62:
      type->id = TypeId::kSqlVariant;
      parameter->wire.form = LengthForm::kVariant;
      reader->u32();
      return reader->ok();
    default:
      return read_string_or_long(reader, parameter);
  }
}

}  // namespace dstream::standin
