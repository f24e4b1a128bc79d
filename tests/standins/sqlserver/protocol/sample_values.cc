#include "tests/standins/sqlserver/protocol/sample_values.h"

#include <cmath>

#include "tests/standins/sqlserver/protocol/hex.h"
#include "tests/standins/sqlserver/protocol/value_codec.h"
#include "tests/standins/sqlserver/protocol/wire_type.h"

namespace dstream::standin {
namespace {

int64_t pick(int64_t least, int64_t most, std::mt19937_64* random) {
  return std::uniform_int_distribution<int64_t>(least, most)(*random);
}

std::string random_bytes(size_t count, std::mt19937_64* random) {
  std::string bytes(count, '\0');
  for (char& byte : bytes) {
    byte = static_cast<char>((*random)());
  }
  return bytes;
}

// Text of exactly `units` UTF-16 units, or bytes of code page 1252 or UTF-8.
std::string random_text(const SqlType& type, size_t units, std::mt19937_64* random) {
  const bool is_wide = is_utf16(type.id);
  std::string text;
  for (size_t used = 0; used < units;) {
    const int64_t kind = pick(0, 9, random);
    if (kind == 0 && is_wide && used + 2 <= units) {
      text += "\xF0\x9F\x98\x80";
      used += 2;
    } else if (kind == 1 && is_wide) {
      text += "\xD0\x96";
      used += 1;
    } else if (kind == 2 && (is_wide || !type.utf8)) {
      text += "\xE2\x82\xAC";
      used += 1;
    } else {
      text.push_back(static_cast<char>(pick('!', '~', random)));
      used += 1;
    }
  }
  return text;
}

std::string random_decimal(const SqlType& type, std::mt19937_64* random) {
  const int64_t whole = pick(0, type.precision - type.scale, random);
  std::string text = whole == 0 ? "0" : std::to_string(pick(1, 9, random));
  for (int64_t i = 1; i < whole; ++i) {
    text.push_back(static_cast<char>(pick('0', '9', random)));
  }
  bool is_zero = whole == 0;
  if (type.scale > 0) {
    text.push_back('.');
    for (int i = 0; i < type.scale; ++i) {
      text.push_back(static_cast<char>(pick('0', '9', random)));
      is_zero = is_zero && text.back() == '0';
    }
  }
  return !is_zero && pick(0, 1, random) == 1 ? "-" + text : text;
}

int64_t random_ticks(const SqlType& type, int64_t limit, std::mt19937_64* random) {
  int64_t unit = kTicksPerSecond;
  for (int i = 0; i < type.scale; ++i) {
    unit /= 10;
  }
  return pick(0, limit / unit - 1, random) * unit;
}

int64_t random_datetime(std::mt19937_64* random) {
  const int64_t days = pick(kDaysOf1900 - 50'000, kDaysMax, random);
  return days * kTicksPerDay + (pick(0, 86'400 * 300 - 1, random) * 100'000 + 1) / 3;
}

SqlValue random_string(const SqlType& type, std::mt19937_64* random) {
  const bool is_fixed =
      type.id == TypeId::kChar || type.id == TypeId::kNChar || type.id == TypeId::kBinary;
  const int64_t limit = type.length > 0 ? type.length : 5'000;
  const auto units = static_cast<size_t>(is_fixed ? limit : pick(0, limit, random));
  const bool is_text = is_utf16(type.id) || is_single_byte_text(type.id);
  return SqlValue::of_text(is_text ? random_text(type, units, random)
                                   : random_bytes(units, random));
}

SqlValue random_variant(std::mt19937_64* random) {
  for (;;) {
    const std::vector<SqlType> types = sample_types();
    SqlType base =
        types[static_cast<size_t>(pick(0, static_cast<int64_t>(types.size()) - 1, random))];
    base.nullable = false;
    SqlValue value = sample_value(base, random);
    value.variant_type = base;
    std::string bytes;
    if (base.id != TypeId::kSqlVariant && !value.null && append_variant(value, &bytes)) {
      return value;
    }
  }
}

}  // namespace

std::vector<SqlType> sample_types() {
  std::vector<SqlType> types;
  const auto add = [&types](TypeId id, int32_t length = 0, uint8_t precision = 0,
                            uint8_t scale = 0) {
    types.push_back({id, length, precision, scale, true, false});
  };
  for (const TypeId id : {TypeId::kBit, TypeId::kTinyInt, TypeId::kSmallInt, TypeId::kInt,
                          TypeId::kBigInt, TypeId::kReal, TypeId::kFloat, TypeId::kMoney,
                          TypeId::kSmallMoney, TypeId::kDateTime, TypeId::kSmallDateTime}) {
    add(id);
    types.push_back({id, 0, 0, 0, false, false});
  }
  for (const int digits : {1, 9, 10, 19, 20, 28, 29, 38}) {
    const auto precision = static_cast<uint8_t>(digits);
    add(TypeId::kDecimal, 0, precision, 0);
    add(TypeId::kNumeric, 0, precision, precision);
    add(TypeId::kDecimal, 0, precision, static_cast<uint8_t>(precision / 2));
  }
  add(TypeId::kDate);
  for (uint8_t scale = 0; scale <= 7; ++scale) {
    add(TypeId::kTime, 0, 0, scale);
    add(TypeId::kDateTime2, 0, 0, scale);
    add(TypeId::kDateTimeOffset, 0, 0, scale);
  }
  for (const TypeId id : {TypeId::kChar, TypeId::kVarChar, TypeId::kNChar, TypeId::kNVarChar,
                          TypeId::kBinary, TypeId::kVarBinary}) {
    add(id, 1);
    add(id, 40);
    add(id, is_utf16(id) ? 4000 : 8000);
  }
  types.push_back({TypeId::kVarChar, 30, 0, 0, true, true});
  for (const TypeId id : {TypeId::kVarChar, TypeId::kNVarChar, TypeId::kVarBinary}) {
    add(id, kMaxLength);
  }
  for (const TypeId id : {TypeId::kText, TypeId::kNText, TypeId::kXml, TypeId::kImage,
                          TypeId::kRowVersion, TypeId::kUniqueIdentifier, TypeId::kSqlVariant,
                          TypeId::kHierarchyId, TypeId::kGeography, TypeId::kGeometry}) {
    add(id);
  }
  return types;
}

SqlValue sample_value(const SqlType& type, std::mt19937_64* random) {
  if (type.nullable && pick(0, 7, random) == 0) {
    return {};
  }
  switch (type.id) {
    case TypeId::kBit:
      return SqlValue::of_number(pick(0, 1, random));
    case TypeId::kTinyInt:
      return SqlValue::of_number(pick(0, 255, random));
    case TypeId::kSmallInt:
      return SqlValue::of_number(pick(-32768, 32767, random));
    case TypeId::kInt:
      return SqlValue::of_number(pick(INT32_MIN, INT32_MAX, random));
    case TypeId::kBigInt:
      return SqlValue::of_number(pick(INT64_MIN, INT64_MAX, random));
    case TypeId::kReal:
      return SqlValue::of_real(
          static_cast<double>(static_cast<float>(pick(-99999, 99999, random)) / 7.0f));
    case TypeId::kFloat:
      return SqlValue::of_real(static_cast<double>(pick(INT32_MIN, INT32_MAX, random)) / 7.0);
    case TypeId::kDecimal:
    case TypeId::kNumeric:
      return SqlValue::of_text(random_decimal(type, random));
    case TypeId::kMoney:
      return SqlValue::of_text(random_decimal({TypeId::kDecimal, 0, 18, 4, true, false}, random));
    case TypeId::kSmallMoney:
      return SqlValue::of_text(random_decimal({TypeId::kDecimal, 0, 9, 4, true, false}, random));
    case TypeId::kDate:
      return SqlValue::of_number(pick(0, kDaysMax, random));
    case TypeId::kTime:
      return SqlValue::of_number(random_ticks(type, kTicksPerDay, random));
    case TypeId::kDateTime:
      return SqlValue::of_number(random_datetime(random));
    case TypeId::kSmallDateTime:
      return SqlValue::of_number((kDaysOf1900 * 1440 + pick(0, 65'535 * 1440, random)) * 60 *
                                 kTicksPerSecond);
    case TypeId::kDateTime2:
      return SqlValue::of_number(random_ticks(type, (kDaysMax + 1) * kTicksPerDay, random));
    case TypeId::kDateTimeOffset: {
      SqlValue value = SqlValue::of_number(
          kTicksPerDay + random_ticks(type, (kDaysMax - 1) * kTicksPerDay, random));
      value.offset_min = static_cast<int16_t>(pick(-840, 840, random));
      return value;
    }
    case TypeId::kRowVersion:
      return SqlValue::of_text(random_bytes(8, random));
    case TypeId::kUniqueIdentifier:
      return SqlValue::of_text(random_bytes(16, random));
    case TypeId::kSqlVariant:
      return random_variant(random);
    default:
      return random_string(type, random);
  }
}

std::string describe(const SqlType& type) {
  return "type " + std::to_string(static_cast<int>(type.id)) + "(" + std::to_string(type.length) +
         "," + std::to_string(type.precision) + "," + std::to_string(type.scale) + ")" +
         (type.nullable ? "" : " not null") + (type.utf8 ? " utf8" : "");
}

std::string describe(const SqlValue& value) {
  if (value.null) {
    return "NULL";
  }
  return std::to_string(value.number) + " " + std::to_string(value.real) + " " +
         std::to_string(value.offset_min) + " " + to_hex(value.text) + " " +
         describe(value.variant_type);
}

}  // namespace dstream::standin
