// sql_variant: a value that carries its own type.
#include "tests/standins/sqlserver/protocol/bytes.h"
#include "tests/standins/sqlserver/protocol/value_codec.h"
#include "tests/standins/sqlserver/protocol/wire_type.h"

namespace dstream::standin {
namespace {

enum class Properties { kNone, kScale, kPrecisionScale, kLength, kCollationLength, kNotAllowed };

Properties properties_of(const SqlType& type) {
  switch (type.id) {
    case TypeId::kTime:
    case TypeId::kDateTime2:
    case TypeId::kDateTimeOffset:
      return Properties::kScale;
    case TypeId::kDecimal:
    case TypeId::kNumeric:
      return Properties::kPrecisionScale;
    case TypeId::kBinary:
    case TypeId::kVarBinary:
      return type.length == kMaxLength ? Properties::kNotAllowed : Properties::kLength;
    case TypeId::kChar:
    case TypeId::kVarChar:
    case TypeId::kNChar:
    case TypeId::kNVarChar:
      return type.length == kMaxLength ? Properties::kNotAllowed : Properties::kCollationLength;
    case TypeId::kText:
    case TypeId::kNText:
    case TypeId::kImage:
    case TypeId::kXml:
    case TypeId::kRowVersion:
    case TypeId::kSqlVariant:
    case TypeId::kHierarchyId:
    case TypeId::kGeography:
    case TypeId::kGeometry:
      return Properties::kNotAllowed;
    default:
      return Properties::kNone;
  }
}

uint16_t byte_length(const SqlType& type) {
  return static_cast<uint16_t>(type.length * (is_utf16(type.id) ? 2 : 1));
}

// The base type of a token, without its properties. False for tokens a variant cannot hold.
bool base_type(uint8_t token, SqlType* type) {
  constexpr TypeId kBases[] = {
      TypeId::kBit,       TypeId::kTinyInt,        TypeId::kSmallInt,
      TypeId::kInt,       TypeId::kBigInt,         TypeId::kReal,
      TypeId::kFloat,     TypeId::kDecimal,        TypeId::kNumeric,
      TypeId::kMoney,     TypeId::kSmallMoney,     TypeId::kDate,
      TypeId::kTime,      TypeId::kDateTime,       TypeId::kSmallDateTime,
      TypeId::kDateTime2, TypeId::kDateTimeOffset, TypeId::kChar,
      TypeId::kVarChar,   TypeId::kNChar,          TypeId::kNVarChar,
      TypeId::kBinary,    TypeId::kVarBinary,      TypeId::kUniqueIdentifier};
  for (const TypeId id : kBases) {
    SqlType candidate;
    candidate.id = id;
    candidate.nullable = false;
    if (wire_type(candidate).token == token) {
      *type = candidate;
      return true;
    }
  }
  return false;
}

// The raw length the type demands, 0 if it may vary; a variant has no other sign of its width.
size_t exact_bytes(const SqlType& type) {
  const WireType wire = wire_type(type);
  return wire.fixed_bytes;
}

}  // namespace

bool append_variant(const SqlValue& value, std::string* out) {
  SqlType type = value.variant_type;
  type.nullable = false;  // the fixed token is the one a variant carries
  const Properties properties = properties_of(type);
  if (properties == Properties::kNotAllowed) {
    return false;
  }
  const size_t start = out->size();
  put_u8(out, wire_type(type).token);
  switch (properties) {
    case Properties::kScale:
      put_u8(out, 1);
      put_u8(out, type.scale);
      break;
    case Properties::kPrecisionScale:
      put_u8(out, 2);
      put_u8(out, type.precision);
      put_u8(out, type.scale);
      break;
    case Properties::kLength:
      put_u8(out, 2);
      put_u16(out, byte_length(type));
      break;
    case Properties::kCollationLength:
      put_u8(out, 7);
      out->append(type.utf8 && !is_utf16(type.id) ? kUtf8Collation : kDefaultCollation);
      put_u16(out, byte_length(type));
      break;
    default:
      put_u8(out, 0);
      break;
  }
  if (!append_raw(type, value, out)) {
    out->resize(start);
    return false;
  }
  return true;
}

bool read_variant(std::string_view raw, SqlValue* value) {
  ByteReader reader(raw);
  SqlType type;
  const uint8_t token = reader.u8();
  ByteReader properties(reader.bytes(reader.u8()));
  if (!reader.ok() || !base_type(token, &type)) {
    return false;
  }
  switch (properties_of(type)) {
    case Properties::kScale:
      type.scale = properties.u8();
      break;
    case Properties::kPrecisionScale:
      type.precision = properties.u8();
      type.scale = properties.u8();
      break;
    case Properties::kCollationLength: {
      const std::string_view collation = properties.bytes(kDefaultCollation.size());
      type.utf8 = properties.ok() && (static_cast<uint8_t>(collation[3]) & 0x04) != 0;
      const uint16_t bytes = properties.u16();
      type.length = is_utf16(type.id) ? bytes / 2 : bytes + 0;
      break;
    }
    case Properties::kLength:
      type.length = properties.u16();
      break;
    default:
      break;
  }
  const std::string_view data = reader.bytes(reader.remaining());
  const size_t exact = exact_bytes(type);
  if (!properties.ok() || type.scale > 38 || (exact != 0 && data.size() != exact)) {
    return false;
  }
  if ((type.id == TypeId::kTime || type.id == TypeId::kDateTime2 ||
       type.id == TypeId::kDateTimeOffset) &&
      type.scale > 7) {
    return false;
  }
  if (!read_raw(type, data, value)) {
    return false;
  }
  value->variant_type = type;
  return true;
}

}  // namespace dstream::standin
