#include "tests/standins/sqlserver/protocol/value_codec.h"

#include <limits>

#include "tests/standins/sqlserver/protocol/bytes.h"
#include "tests/standins/sqlserver/protocol/decimal.h"
#include "tests/standins/sqlserver/protocol/text_codec.h"
#include "tests/standins/sqlserver/protocol/wire_type.h"

namespace dstream::standin {
namespace {

constexpr int64_t kTicksPerMinute = 60 * kTicksPerSecond;
constexpr int64_t kThirdsPerDay = 86'400 * 300;  // datetime counts 1/300 s
constexpr int64_t kDateTimeDaysMin = 639'905;    // 1753-01-01
constexpr int64_t kSmallDateTimeDaysMax = 65'535;

bool append_integer(int64_t number, int64_t least, int64_t most, size_t bytes, std::string* out) {
  if (number < least || number > most) {
    return false;
  }
  put_low(out, static_cast<uint64_t>(number), bytes);
  return true;
}

bool append_money(const std::string& text, bool is_small, std::string* out) {
  Decimal decimal;
  if (!parse_decimal(text, 19, 4, &decimal)) {
    return false;
  }
  const Uint128 limit = is_small ? Uint128{1} << 31 : Uint128{1} << 63;
  if (decimal.magnitude > (decimal.negative ? limit : limit - 1)) {
    return false;
  }
  const auto magnitude = static_cast<uint64_t>(decimal.magnitude);
  const uint64_t value = decimal.negative ? ~magnitude + 1 : magnitude;
  if (!is_small) {
    put_u32(out, static_cast<uint32_t>(value >> 32));
  }
  put_u32(out, static_cast<uint32_t>(value));
  return true;
}

bool append_decimal(const SqlType& type, const std::string& text, std::string* out) {
  Decimal decimal;
  if (!parse_decimal(text, type.precision, type.scale, &decimal)) {
    return false;
  }
  put_u8(out, decimal.negative ? 0 : 1);
  const size_t bytes = decimal_bytes(type.precision);
  put_low(out, static_cast<uint64_t>(decimal.magnitude), bytes < 8 ? bytes : 8);
  if (bytes > 8) {
    put_low(out, static_cast<uint64_t>(decimal.magnitude >> 64), bytes - 8);
  }
  return true;
}

int64_t ticks_per_unit(uint8_t scale) {
  int64_t ticks = kTicksPerSecond;
  for (uint8_t i = 0; i < scale; ++i) {
    ticks /= 10;
  }
  return ticks;
}

// Ticks rounded to the scale, half up.
int64_t rounded_ticks(int64_t ticks, uint8_t scale) {
  const int64_t unit = ticks_per_unit(scale);
  return (ticks + unit / 2) / unit * unit;
}

void append_time(int64_t ticks_of_day, uint8_t scale, std::string* out) {
  put_low(out, static_cast<uint64_t>(ticks_of_day / ticks_per_unit(scale)), time_bytes(scale));
}

// Time, then days; a value that rounds past the last day keeps the last instant of it.
bool append_date_time(int64_t ticks, uint8_t scale, std::string* out) {
  if (ticks < 0 || ticks >= (kDaysMax + 1) * kTicksPerDay) {
    return false;
  }
  int64_t rounded = rounded_ticks(ticks, scale);
  if (rounded >= (kDaysMax + 1) * kTicksPerDay) {
    rounded = ticks;
  }
  append_time(rounded % kTicksPerDay, scale, out);
  put_low(out, static_cast<uint64_t>(rounded / kTicksPerDay), 3);
  return true;
}

bool append_datetime(int64_t ticks, std::string* out) {
  if (ticks < 0 || ticks >= (kDaysMax + 1) * kTicksPerDay) {
    return false;
  }
  int64_t days = ticks / kTicksPerDay;
  int64_t thirds = (ticks % kTicksPerDay * 3 + 50'000) / 100'000;
  if (thirds == kThirdsPerDay) {
    ++days;
    thirds = 0;
  }
  if (days < kDateTimeDaysMin || days > kDaysMax) {
    return false;
  }
  put(out, static_cast<int32_t>(days - kDaysOf1900));
  put_u32(out, static_cast<uint32_t>(thirds));
  return true;
}

bool append_smalldatetime(int64_t ticks, std::string* out) {
  if (ticks < kDaysOf1900 * kTicksPerDay) {
    return false;
  }
  const int64_t minutes = (ticks + kTicksPerMinute / 2) / kTicksPerMinute;
  const int64_t days = minutes / (24 * 60) - kDaysOf1900;
  if (days > kSmallDateTimeDaysMax) {
    return false;
  }
  put_u16(out, static_cast<uint16_t>(days));
  put_u16(out, static_cast<uint16_t>(minutes % (24 * 60)));
  return true;
}

// Text and bytes.
bool append_string(const SqlType& type, const std::string& text, std::string* out) {
  const size_t start = out->size();
  const bool utf16 = is_utf16(type.id);
  if (utf16) {
    append_utf16(text, out);
  } else if (is_single_byte_text(type.id) && !type.utf8) {
    append_cp1252(text, out);
  } else {
    out->append(text);
  }
  const bool bounded = type.id == TypeId::kChar || type.id == TypeId::kVarChar ||
                       type.id == TypeId::kNChar || type.id == TypeId::kNVarChar ||
                       type.id == TypeId::kBinary || type.id == TypeId::kVarBinary;
  if (!bounded || type.length == kMaxLength) {
    return true;
  }
  const size_t limit = static_cast<size_t>(type.length) * (utf16 ? 2 : 1);
  if (out->size() - start > limit) {
    out->resize(start);
    return false;
  }
  if (type.id == TypeId::kChar) {
    out->resize(start + limit, ' ');
  } else if (type.id == TypeId::kBinary) {
    out->resize(start + limit, '\0');
  }
  while (type.id == TypeId::kNChar && out->size() - start < limit) {
    put_u16(out, ' ');
  }
  return true;
}

bool append_sized_bytes(const std::string& text, size_t bytes, std::string* out) {
  if (text.size() != bytes) {
    return false;
  }
  out->append(text);
  return true;
}

int64_t signed_number(std::string_view raw) {
  uint64_t value = 0;
  std::memcpy(&value, raw.data(), raw.size());
  const size_t unused_bits = 64 - raw.size() * 8;
  return static_cast<int64_t>(value << unused_bits) >> unused_bits;
}

uint64_t unsigned_number(std::string_view raw) {
  uint64_t value = 0;
  std::memcpy(&value, raw.data(), raw.size());
  return value;
}

bool read_integer(TypeId id, std::string_view raw, SqlValue* value) {
  if (raw.size() != 1 && raw.size() != 2 && raw.size() != 4 && raw.size() != 8) {
    return false;
  }
  value->number = raw.size() == 1 ? static_cast<uint8_t>(raw[0]) : signed_number(raw);
  if (id == TypeId::kBit) {
    value->number = value->number != 0 ? 1 : 0;
  }
  return true;
}

bool read_float(std::string_view raw, SqlValue* value) {
  if (raw.size() == sizeof(float)) {
    float narrow = 0;
    std::memcpy(&narrow, raw.data(), sizeof(narrow));
    value->real = static_cast<double>(narrow);
    return true;
  }
  if (raw.size() != sizeof(double)) {
    return false;
  }
  std::memcpy(&value->real, raw.data(), sizeof(double));
  return true;
}

bool read_decimal(const SqlType& type, std::string_view raw, SqlValue* value) {
  // Clients may leave out leading zero bytes of a parameter's magnitude.
  if (raw.empty() || raw.size() > 17) {
    return false;
  }
  Decimal decimal;
  for (size_t i = raw.size() - 1; i >= 1; --i) {
    decimal.magnitude = (decimal.magnitude << 8) | static_cast<uint8_t>(raw[i]);
  }
  decimal.negative = raw[0] == 0 && decimal.magnitude != 0;
  value->text = decimal_text(decimal, type.scale);
  return true;
}

bool read_money(std::string_view raw, SqlValue* value) {
  uint64_t bits = 0;
  if (raw.size() == 4) {
    bits = static_cast<uint64_t>(signed_number(raw));
  } else if (raw.size() == 8) {
    bits = (unsigned_number(raw.substr(0, 4)) << 32) | unsigned_number(raw.substr(4));
  } else {
    return false;
  }
  Decimal decimal;
  decimal.negative = (bits >> 63) != 0;
  decimal.magnitude = decimal.negative ? ~bits + 1 : bits;
  value->text = decimal_text(decimal, 4);
  return true;
}

bool read_datetime(std::string_view raw, SqlValue* value) {
  if (raw.size() == 4) {
    const auto days = static_cast<int64_t>(unsigned_number(raw.substr(0, 2)));
    const auto minutes = static_cast<int64_t>(unsigned_number(raw.substr(2)));
    value->number = (days + kDaysOf1900) * kTicksPerDay + minutes * kTicksPerMinute;
    return minutes < 24 * 60;
  }
  if (raw.size() != 8) {
    return false;
  }
  const int64_t days = signed_number(raw.substr(0, 4)) + kDaysOf1900;
  const auto thirds = static_cast<int64_t>(unsigned_number(raw.substr(4)));
  if (days < 0 || days > kDaysMax || thirds >= kThirdsPerDay) {
    return false;
  }
  value->number = days * kTicksPerDay + (thirds * 100'000 + 1) / 3;
  return true;
}

bool read_time(std::string_view raw, uint8_t scale, int64_t* ticks) {
  const uint64_t units = unsigned_number(raw);
  if (units > static_cast<uint64_t>(kTicksPerDay / ticks_per_unit(scale))) {
    return false;
  }
  *ticks = static_cast<int64_t>(units) * ticks_per_unit(scale);
  return *ticks < kTicksPerDay;
}

// datetime2 and datetimeoffset. The offset, if there is one, is the last two bytes.
bool read_date_time(const SqlType& type, std::string_view raw, SqlValue* value) {
  if (type.id == TypeId::kDateTimeOffset) {
    if (raw.size() < 8) {
      return false;
    }
    value->offset_min = static_cast<int16_t>(signed_number(raw.substr(raw.size() - 2)));
    raw.remove_suffix(2);
  }
  if (raw.size() != time_bytes(type.scale) + size_t{3}) {
    return false;
  }
  int64_t ticks = 0;
  const auto days = static_cast<int64_t>(unsigned_number(raw.substr(raw.size() - 3)));
  raw.remove_suffix(3);
  if (!read_time(raw, type.scale, &ticks) || days > kDaysMax) {
    return false;
  }
  value->number = days * kTicksPerDay + ticks;
  return true;
}

bool append_number(TypeId id, int64_t number, std::string* out) {
  switch (id) {
    case TypeId::kBit:
      return append_integer(number, 0, 1, 1, out);
    case TypeId::kTinyInt:
      return append_integer(number, 0, 255, 1, out);
    case TypeId::kSmallInt:
      return append_integer(number, -32768, 32767, 2, out);
    case TypeId::kInt:
      return append_integer(number, std::numeric_limits<int32_t>::min(),
                            std::numeric_limits<int32_t>::max(), 4, out);
    case TypeId::kDate:
      return append_integer(number, 0, kDaysMax, 3, out);
    default:
      put(out, number);
      return true;
  }
}

bool append_time_of_day(int64_t ticks, uint8_t scale, std::string* out) {
  if (ticks < 0 || ticks >= kTicksPerDay) {
    return false;
  }
  append_time(rounded_ticks(ticks, scale) % kTicksPerDay, scale, out);
  return true;
}

bool append_date_time_offset(const SqlType& type, const SqlValue& value, std::string* out) {
  if (!append_date_time(value.number, type.scale, out)) {
    return false;
  }
  put(out, value.offset_min);
  return true;
}

}  // namespace

bool append_raw(const SqlType& type, const SqlValue& value, std::string* out) {
  switch (type.id) {
    case TypeId::kBit:
    case TypeId::kTinyInt:
    case TypeId::kSmallInt:
    case TypeId::kInt:
    case TypeId::kBigInt:
    case TypeId::kDate:
      return append_number(type.id, value.number, out);
    case TypeId::kReal:
      put(out, static_cast<float>(value.real));
      return true;
    case TypeId::kFloat:
      put(out, value.real);
      return true;
    case TypeId::kDecimal:
    case TypeId::kNumeric:
      return append_decimal(type, value.text, out);
    case TypeId::kMoney:
    case TypeId::kSmallMoney:
      return append_money(value.text, type.id == TypeId::kSmallMoney, out);
    case TypeId::kTime:
      return append_time_of_day(value.number, type.scale, out);
    case TypeId::kDateTime:
      return append_datetime(value.number, out);
    case TypeId::kSmallDateTime:
      return append_smalldatetime(value.number, out);
    case TypeId::kDateTime2:
      return append_date_time(value.number, type.scale, out);
    case TypeId::kDateTimeOffset:
      return append_date_time_offset(type, value, out);
    case TypeId::kRowVersion:
      return append_sized_bytes(value.text, 8, out);
    case TypeId::kUniqueIdentifier:
      return append_sized_bytes(value.text, 16, out);
    case TypeId::kSqlVariant:
      return append_variant(value, out);
    default:
      return append_string(type, value.text, out);
  }
}

bool read_raw(const SqlType& type, std::string_view raw, SqlValue* value) {
  *value = {};
  value->null = false;
  switch (type.id) {
    case TypeId::kBit:
    case TypeId::kTinyInt:
    case TypeId::kSmallInt:
    case TypeId::kInt:
    case TypeId::kBigInt:
      return read_integer(type.id, raw, value);
    case TypeId::kReal:
    case TypeId::kFloat:
      return read_float(raw, value);
    case TypeId::kDecimal:
    case TypeId::kNumeric:
      return read_decimal(type, raw, value);
    case TypeId::kMoney:
    case TypeId::kSmallMoney:
      return read_money(raw, value);
    case TypeId::kDate:
      if (raw.size() != 3) {
        return false;
      }
      value->number = static_cast<int64_t>(unsigned_number(raw));
      return value->number <= kDaysMax;
    case TypeId::kTime:
      return raw.size() == time_bytes(type.scale) && read_time(raw, type.scale, &value->number);
    case TypeId::kDateTime:
    case TypeId::kSmallDateTime:
      return read_datetime(raw, value);
    case TypeId::kDateTime2:
    case TypeId::kDateTimeOffset:
      return read_date_time(type, raw, value);
    case TypeId::kChar:
    case TypeId::kVarChar:
    case TypeId::kText:
      value->text = type.utf8 ? std::string(raw) : utf8_of_cp1252(raw);
      return true;
    case TypeId::kNChar:
    case TypeId::kNVarChar:
    case TypeId::kNText:
      value->text = utf8_of_utf16(raw);
      return true;
    case TypeId::kXml:
      // Some clients put a byte order mark before the text; it is no part of the value.
      value->text = utf8_of_utf16(raw.starts_with("\xFF\xFE") ? raw.substr(2) : raw);
      return true;
    case TypeId::kBinary:
    case TypeId::kVarBinary:
    case TypeId::kImage:
    case TypeId::kHierarchyId:
    case TypeId::kGeography:
    case TypeId::kGeometry:
      value->text = raw;
      return true;
    case TypeId::kRowVersion:
      value->text = raw;
      return raw.size() == 8;
    case TypeId::kUniqueIdentifier:
      value->text = raw;
      return raw.size() == 16;
    case TypeId::kSqlVariant:
      return read_variant(raw, value);
  }
  return false;
}

}  // namespace dstream::standin
