#include "plugins/sqlserver_cdc/copy_key.h"

#include <array>
#include <charconv>
#include <cstdio>

#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {
namespace {

struct CivilDate {
  int64_t year = 0;
  int64_t month = 0;
  int64_t day = 0;
};

// From days since 1970-01-01, in the proleptic Gregorian calendar.
CivilDate civil_date(int64_t days) {
  const int64_t shifted = days + 719468;  // from 0000-03-01
  const int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
  const int64_t of_era = shifted - era * 146097;
  const int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  const int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t month = (5 * of_year + 2) / 153;
  CivilDate date;
  date.day = of_year - (153 * month + 2) / 5 + 1;
  date.month = month < 10 ? month + 3 : month - 9;
  date.year = year_of_era + era * 400 + (date.month <= 2 ? 1 : 0);
  return date;
}

template <class... Numbers>
std::string printed(const char* format, Numbers... numbers) {
  std::array<char, 80> out{};
  const int size = std::snprintf(out.data(), out.size(), format, static_cast<long>(numbers)...);
  return {out.data(), static_cast<size_t>(size)};
}

std::string date_text(int64_t days) {
  const CivilDate date = civil_date(days);
  return printed("%04ld-%02ld-%02ld", date.year, date.month, date.day);
}

// Seven digits: the 100 ns that SQL Server's finest type counts.
std::string time_text(int64_t seconds, int64_t nanos) {
  return printed("%02ld:%02ld:%02ld.%07ld", seconds / 3600, seconds / 60 % 60, seconds % 60,
                 nanos / 100);
}

std::string timestamp_text(int64_t seconds, int64_t nanos) {
  const int64_t days = (seconds >= 0 ? seconds : seconds - 86399) / 86400;
  return date_text(days) + 'T' + time_text(seconds - days * 86400, nanos);
}

std::string hex_text(const uint8_t* data, size_t size) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out = "0x";
  for (size_t i = 0; i < size; ++i) {
    out += kDigits[data[i] >> 4];
    out += kDigits[data[i] & 15];
  }
  return out;
}

std::string uuid_text(const uint8_t* bytes) {
  std::string out;
  for (size_t i = 0; i < 16; ++i) {
    out += i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
    out += hex_text(bytes + i, 1).substr(2);
  }
  return out;
}

// The shortest text that gives the same bits.
std::string real_text(double value) {
  std::array<char, 32> out{};
  const auto end =
      std::to_chars(out.data(), out.data() + out.size(), value, std::chars_format::scientific);
  return {out.data(), end.ptr};
}

}  // namespace

std::string key_text(const dstream_value& value) {
  switch (value.type) {
    case DSTREAM_BOOL:
    case DSTREAM_INT64:
      return std::to_string(value.as.i64);
    case DSTREAM_UINT64:
      return std::to_string(value.as.u64);
    case DSTREAM_FLOAT64:
      return real_text(value.as.f64);
    case DSTREAM_DECIMAL:
    case DSTREAM_STRING:
      return {reinterpret_cast<const char*>(value.as.data), value.size};
    case DSTREAM_BYTES:
      return hex_text(value.as.data, value.size);
    case DSTREAM_DATE:
      return date_text(value.as.i64);
    case DSTREAM_TIME:
      return time_text(value.as.i64 / 1'000'000'000, value.as.i64 % 1'000'000'000);
    case DSTREAM_TIMESTAMP:
      return timestamp_text(value.as.time.seconds, value.as.time.nanos);
    case DSTREAM_TIMESTAMP_TZ:
      // Offsets do not count where SQL Server compares.
      return timestamp_text(value.as.time.seconds, value.as.time.nanos) + 'Z';
    case DSTREAM_UUID:
      return uuid_text(value.as.uuid);
    default:
      throw SourceError(DSTREAM_FATAL, "A key holds a value of a type that has no order.");
  }
}

CopyKey key_of(const dstream_value* row, const dstream_schema& schema) {
  CopyKey key;
  for (uint32_t i = 0; i < schema.key_count; ++i) {
    key.push_back(key_text(row[schema.key_columns[i]]));
  }
  return key;
}

bool can_be_key_type(const ColumnType& type) {
  switch (type.type) {
    case DSTREAM_BOOL:
    case DSTREAM_INT64:
    case DSTREAM_FLOAT64:
    case DSTREAM_DECIMAL:
    case DSTREAM_STRING:
    case DSTREAM_BYTES:
    case DSTREAM_DATE:
    case DSTREAM_TIME:
    case DSTREAM_TIMESTAMP:
    case DSTREAM_TIMESTAMP_TZ:
    case DSTREAM_UUID:
      return type.large == Large::kNo && type.fetch != Fetch::kAbsent &&
             type.source_type != "sql_variant";
    default:
      return false;
  }
}

std::string key_parameter(const ColumnType& type, std::string_view collation) {
  std::string name = type.source_type;
  std::string style;
  std::string value = "?";
  switch (type.type) {
    case DSTREAM_BYTES:
      if (name == "timestamp" || name == "rowversion") {
        name = "binary(8)";
      }
      style = ", 1";
      break;
    case DSTREAM_TIMESTAMP:
    case DSTREAM_TIME:
      // datetime and smalldatetime do not read seven digits.
      if (name == "datetime" || name == "smalldatetime") {
        return "CONVERT(" + name + ", CONVERT(datetime2(7), ?, 126))";
      }
      style = ", 126";
      break;
    case DSTREAM_TIMESTAMP_TZ:
      style = ", 127";
      break;
    case DSTREAM_FLOAT64:
      break;
    case DSTREAM_STRING:
      // The text becomes bytes of the column's code page, not of the database's.
      value += collation.empty() ? "" : " COLLATE " + std::string(collation);
      break;
    default:
      break;
  }
  return "CONVERT(" + name + ", " + value + style + ')';
}

}  // namespace dstream::sqlserver
