#include "tests/standins/sqlserver/protocol/wire_type.h"

#include <algorithm>

#include "tests/standins/sqlserver/protocol/text_codec.h"

namespace dstream::standin {
namespace {

constexpr uint16_t kPlpLength = 0xFFFF;

WireType number_type(bool nullable, uint8_t fixed_token, uint8_t nullable_token, uint8_t bytes) {
  return nullable ? WireType{nullable_token, LengthForm::kByte, bytes}
                  : WireType{fixed_token, LengthForm::kFixed, bytes};
}

WireType string_type(const SqlType& type, uint8_t token) {
  return {token, type.length == kMaxLength ? LengthForm::kPlp : LengthForm::kShort, 0};
}

void append_b_varchar(std::string_view utf8, std::string* out) {
  put_u8(out, static_cast<uint8_t>(utf16_units(utf8)));
  append_utf16(utf8, out);
}

struct ClrName {
  std::string_view name;
  std::string_view assembly_class;
};

ClrName clr_name(TypeId id) {
  switch (id) {
    case TypeId::kGeography:
      return {"geography", "Microsoft.SqlServer.Types.SqlGeography"};
    case TypeId::kGeometry:
      return {"geometry", "Microsoft.SqlServer.Types.SqlGeometry"};
    default:
      return {"hierarchyid", "Microsoft.SqlServer.Types.SqlHierarchyId"};
  }
}

void append_clr_info(TypeId id, std::string* out) {
  const ClrName clr = clr_name(id);
  put_u16(out, id == TypeId::kHierarchyId ? 892 : kPlpLength);
  append_b_varchar("master", out);
  append_b_varchar("sys", out);
  append_b_varchar(clr.name, out);
  const std::string assembly = std::string(clr.assembly_class) +
                               ", Microsoft.SqlServer.Types, Version=11.0.0.0, Culture=neutral, "
                               "PublicKeyToken=89845dcd8080cc91";
  put_u16(out, static_cast<uint16_t>(assembly.size()));
  append_utf16(assembly, out);
}

// Character and binary types with a u16 length.
void append_string_info(const SqlType& type, std::string* out) {
  const int32_t unit_bytes = is_utf16(type.id) ? 2 : 1;
  put_u16(out,
          type.length == kMaxLength ? kPlpLength : static_cast<uint16_t>(type.length * unit_bytes));
  if (is_utf16(type.id) || is_single_byte_text(type.id)) {
    out->append(type.utf8 ? kUtf8Collation : kDefaultCollation);
  }
}

}  // namespace

bool is_utf16(TypeId id) {
  return id == TypeId::kNChar || id == TypeId::kNVarChar || id == TypeId::kNText ||
         id == TypeId::kXml;
}

bool is_single_byte_text(TypeId id) {
  return id == TypeId::kChar || id == TypeId::kVarChar || id == TypeId::kText;
}

uint8_t decimal_bytes(uint8_t precision) {
  if (precision <= 9) {
    return 4;
  }
  if (precision <= 19) {
    return 8;
  }
  return precision <= 28 ? 12 : 16;
}

uint8_t time_bytes(uint8_t scale) {
  if (scale <= 2) {
    return 3;
  }
  return scale <= 4 ? 4 : 5;
}

WireType wire_type(const SqlType& type) {
  switch (type.id) {
    case TypeId::kBit:
      return number_type(type.nullable, 0x32, 0x68, 1);
    case TypeId::kTinyInt:
      return number_type(type.nullable, 0x30, 0x26, 1);
    case TypeId::kSmallInt:
      return number_type(type.nullable, 0x34, 0x26, 2);
    case TypeId::kInt:
      return number_type(type.nullable, 0x38, 0x26, 4);
    case TypeId::kBigInt:
      return number_type(type.nullable, 0x7F, 0x26, 8);
    case TypeId::kReal:
      return number_type(type.nullable, 0x3B, 0x6D, 4);
    case TypeId::kFloat:
      return number_type(type.nullable, 0x3E, 0x6D, 8);
    case TypeId::kDecimal:
      return {0x6A, LengthForm::kByte, 0};
    case TypeId::kNumeric:
      return {0x6C, LengthForm::kByte, 0};
    case TypeId::kMoney:
      return number_type(type.nullable, 0x3C, 0x6E, 8);
    case TypeId::kSmallMoney:
      return number_type(type.nullable, 0x7A, 0x6E, 4);
    case TypeId::kDate:
      return {0x28, LengthForm::kByte, 3};
    case TypeId::kTime:
      return {0x29, LengthForm::kByte, 0};
    case TypeId::kDateTime:
      return number_type(type.nullable, 0x3D, 0x6F, 8);
    case TypeId::kSmallDateTime:
      return number_type(type.nullable, 0x3A, 0x6F, 4);
    case TypeId::kDateTime2:
      return {0x2A, LengthForm::kByte, 0};
    case TypeId::kDateTimeOffset:
      return {0x2B, LengthForm::kByte, 0};
    case TypeId::kChar:
      return {0xAF, LengthForm::kShort, 0};
    case TypeId::kVarChar:
      return string_type(type, 0xA7);
    case TypeId::kText:
      return {0x23, LengthForm::kText, 0};
    case TypeId::kNChar:
      return {0xEF, LengthForm::kShort, 0};
    case TypeId::kNVarChar:
      return string_type(type, 0xE7);
    case TypeId::kNText:
      return {0x63, LengthForm::kText, 0};
    case TypeId::kXml:
      return {0xF1, LengthForm::kPlp, 0};
    case TypeId::kBinary:
      return {0xAD, LengthForm::kShort, 0};
    case TypeId::kVarBinary:
      return string_type(type, 0xA5);
    case TypeId::kImage:
      return {0x22, LengthForm::kText, 0};
    case TypeId::kRowVersion:
      return {0xAD, LengthForm::kShort, 0};
    case TypeId::kUniqueIdentifier:
      return {0x24, LengthForm::kByte, 16};
    case TypeId::kSqlVariant:
      return {0x62, LengthForm::kVariant, 0};
    case TypeId::kHierarchyId:
    case TypeId::kGeography:
    case TypeId::kGeometry:
      return {0xF0, LengthForm::kPlp, 0};
  }
  return {};
}

void append_type_info(const SqlType& type, std::string* out) {
  const WireType wire = wire_type(type);
  put_u8(out, wire.token);
  if (wire.form == LengthForm::kFixed) {
    return;
  }
  switch (type.id) {
    case TypeId::kDecimal:
    case TypeId::kNumeric:
      put_u8(out, static_cast<uint8_t>(decimal_bytes(type.precision) + 1));
      put_u8(out, type.precision);
      put_u8(out, type.scale);
      return;
    case TypeId::kDate:
      return;
    case TypeId::kTime:
    case TypeId::kDateTime2:
    case TypeId::kDateTimeOffset:
      put_u8(out, type.scale);
      return;
    case TypeId::kText:
    case TypeId::kNText:
      put_u32(out, 0x7FFFFFFF - (type.id == TypeId::kNText ? 1u : 0u));
      out->append(type.utf8 && type.id == TypeId::kText ? kUtf8Collation : kDefaultCollation);
      return;
    case TypeId::kImage:
      put_u32(out, 0x7FFFFFFF);
      return;
    case TypeId::kXml:
      put_u8(out, 0);
      return;
    case TypeId::kRowVersion:
      put_u16(out, 8);
      return;
    case TypeId::kSqlVariant:
      put_u32(out, 8009);
      return;
    case TypeId::kHierarchyId:
    case TypeId::kGeography:
    case TypeId::kGeometry:
      append_clr_info(type.id, out);
      return;
    default:
      break;
  }
  if (wire.form == LengthForm::kByte) {
    put_u8(out, wire.fixed_bytes);
    return;
  }
  append_string_info(type, out);
}

}  // namespace dstream::standin
