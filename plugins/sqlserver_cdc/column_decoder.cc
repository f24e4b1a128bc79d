#include "plugins/sqlserver_cdc/column_decoder.h"

#include <cstring>

#include "plugins/sqlserver_cdc/utf16.h"

namespace dstream::sqlserver {
namespace {

constexpr int64_t kSecondsPerDay = 86400;

template <class Number>
Number read(const uint8_t* at) {
  Number value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// Calls `set(value, bytes, length)` for every value that is not NULL.
template <class Set>
void for_each(const FetchedColumn& column, size_t rows, dstream_value* out, size_t stride,
              dstream_type type, Set set) {
  const size_t width = column.type->width;
  const uint8_t* bytes = column.values;
  for (size_t row = 0; row < rows; ++row, bytes += width, out += stride) {
    const SQLLEN length = column.lengths[row];
    *out = {};
    if (length == SQL_NULL_DATA) {
      continue;
    }
    if (length < 0) {
      throw BadValue("the driver does not know the length of a value");
    }
    out->type = type;
    set(*out, bytes, static_cast<size_t>(length));
  }
}

template <class Number>
void decode_integers(const FetchedColumn& column, size_t rows, dstream_value* out, size_t stride) {
  for_each(column, rows, out, stride, DSTREAM_INT64,
           [](dstream_value& value, const uint8_t* bytes, size_t) {
             value.as.i64 = static_cast<int64_t>(read<Number>(bytes));
           });
}

template <class Number>
void decode_floats(const FetchedColumn& column, size_t rows, dstream_value* out, size_t stride) {
  for_each(column, rows, out, stride, DSTREAM_FLOAT64,
           [](dstream_value& value, const uint8_t* bytes, size_t) {
             value.as.f64 = static_cast<double>(read<Number>(bytes));
           });
}

void decode_bits(const FetchedColumn& column, size_t rows, dstream_value* out, size_t stride) {
  for_each(
      column, rows, out, stride, DSTREAM_BOOL,
      [](dstream_value& value, const uint8_t* bytes, size_t) { value.as.i64 = bytes[0] != 0; });
}

void set_text(dstream_value& value, Arena& arena, const char* start, const char* end) {
  value.size = static_cast<uint32_t>(end - start);
  value.as.data = reinterpret_cast<const uint8_t*>(start);
  arena.use(end);
}

__extension__ using Unsigned128 = unsigned __int128;

// The digits of `number` that end at `end`, at least `count` of them. Returns where they begin.
char* write_digits_before(char* end, uint64_t number, int count) {
  while (number != 0 || count > 0) {
    *--end = static_cast<char>('0' + number % 10);
    number /= 10;
    --count;
  }
  return end;
}

// Writes sign, digits and point of a SQL_NUMERIC_STRUCT: precision, scale, sign (1: positive) and
// 16 bytes of the number without its point, lowest first. Returns the end.
char* write_numeric(char* out, const uint8_t* bytes) {
  constexpr uint64_t kTenTo19 = 10'000'000'000'000'000'000U;
  constexpr int kDigitsMax = 40;
  const int scale = bytes[1];
  const auto low = read<uint64_t>(bytes + 3);
  const auto high = read<uint64_t>(bytes + 11);
  char digits[kDigitsMax];
  char* const end = digits + kDigitsMax;
  const Unsigned128 number = static_cast<Unsigned128>(high) << 64 | low;
  const bool is_short = high == 0;
  const uint64_t tail = is_short ? low : static_cast<uint64_t>(number % kTenTo19);
  char* start = write_digits_before(end, tail, is_short ? scale + 1 : 19);
  if (!is_short) {
    const Unsigned128 rest = number / kTenTo19;
    if (rest >= static_cast<Unsigned128>(kTenTo19)) {
      throw BadValue("a decimal value has more than 38 digits");
    }
    start = write_digits_before(start, static_cast<uint64_t>(rest), scale + 1 - 19);
  }
  if (bytes[2] != 1 && (low | high) != 0) {
    *out++ = '-';
  }
  const auto whole = static_cast<size_t>(end - start - scale);
  std::memcpy(out, start, whole);
  out += whole;
  if (scale > 0) {
    *out++ = '.';
    std::memcpy(out, start + whole, static_cast<size_t>(scale));
    out += scale;
  }
  return out;
}

void decode_numerics(const FetchedColumn& column, size_t rows, dstream_value* out, size_t stride,
                     Arena& arena) {
  constexpr size_t kTextMax = 42;  // 38 digits, a zero before the point, sign, point
  const int32_t scale = column.type->scale;
  if (scale < 0 || scale > 38) {
    throw BadValue("a decimal column has an impossible scale");
  }
  for_each(column, rows, out, stride, DSTREAM_DECIMAL,
           [&](dstream_value& value, const uint8_t* bytes, size_t length) {
             if (length != kNumericStructSize || bytes[1] != scale) {
               throw BadValue("a decimal value has an unexpected form");
             }
             char* start = arena.reserve(kTextMax);
             set_text(value, arena, start, write_numeric(start, bytes));
           });
}

// Drivers may leave out the zero before the point (".5000"); records do not.
void decode_decimals(const FetchedColumn& column, size_t rows, dstream_value* out, size_t stride,
                     Arena& arena) {
  const size_t width = column.type->width;
  for_each(column, rows, out, stride, DSTREAM_DECIMAL,
           [&](dstream_value& value, const uint8_t* bytes, size_t length) {
             if (length >= width || length == 0) {
               throw BadValue("a decimal value was cut");
             }
             const auto* text = reinterpret_cast<const char*>(bytes);
             char* start = arena.reserve(length + 1);
             char* end = start;
             if (*text == '-') {
               *end++ = *text++;
               --length;
             }
             if (*text == '.') {
               *end++ = '0';
             }
             std::memcpy(end, text, length);
             set_text(value, arena, start, end + length);
           });
}

void decode_utf16(const FetchedColumn& column, size_t rows, dstream_value* out, size_t stride,
                  Arena& arena) {
  const size_t width = column.type->width;
  for_each(column, rows, out, stride, DSTREAM_STRING,
           [&](dstream_value& value, const uint8_t* bytes, size_t length) {
             if (length + sizeof(SQLWCHAR) > width || length % sizeof(SQLWCHAR) != 0) {
               throw BadValue("a character value was cut");
             }
             const size_t units = length / sizeof(SQLWCHAR);
             char* start = arena.reserve(utf8_size_max(units));
             set_text(value, arena, start, utf16_to_utf8(bytes, units, start));
           });
}

void decode_code_page(const FetchedColumn& column, size_t rows, dstream_value* out, size_t stride,
                      Arena& arena) {
  const size_t width = column.type->width;
  const CodePage& page = *column.type->code_page;
  for_each(column, rows, out, stride, DSTREAM_STRING,
           [&](dstream_value& value, const uint8_t* bytes, size_t length) {
             if (length > width) {
               throw BadValue("a character value was cut");
             }
             char* start = arena.reserve(CodePage::utf8_size_max(length));
             set_text(value, arena, start, page.to_utf8(bytes, length, start));
           });
}

void decode_bytes(const FetchedColumn& column, size_t rows, dstream_value* out, size_t stride,
                  Arena& arena) {
  const size_t width = column.type->width;
  for_each(column, rows, out, stride, DSTREAM_BYTES,
           [&](dstream_value& value, const uint8_t* bytes, size_t length) {
             if (length > width) {
               throw BadValue("a binary value was cut");
             }
             char* start = arena.reserve(length);
             std::memcpy(start, bytes, length);
             set_text(value, arena, start, start + length);
           });
}

void decode_dates(const FetchedColumn& column, size_t rows, dstream_value* out, size_t stride) {
  for_each(column, rows, out, stride, DSTREAM_DATE,
           [](dstream_value& value, const uint8_t* bytes, size_t) {
             const auto date = read<SQL_DATE_STRUCT>(bytes);
             value.as.i64 = days_from_date(date.year, date.month, date.day);
           });
}

int64_t seconds_of(int32_t year, uint32_t month, uint32_t day, uint32_t hour, uint32_t minute,
                   uint32_t second) {
  return days_from_date(year, month, day) * kSecondsPerDay +
         static_cast<int64_t>(hour * 3600 + minute * 60 + second);
}

void decode_timestamps(const FetchedColumn& column, size_t rows, dstream_value* out,
                       size_t stride) {
  for_each(column, rows, out, stride, DSTREAM_TIMESTAMP,
           [](dstream_value& value, const uint8_t* bytes, size_t) {
             const auto time = read<SQL_TIMESTAMP_STRUCT>(bytes);
             value.as.time.seconds =
                 seconds_of(time.year, time.month, time.day, time.hour, time.minute, time.second);
             value.as.time.nanos = static_cast<int32_t>(time.fraction);
             value.as.time.offset_min = 0;
           });
}

// SQL_SS_TIME2_STRUCT: hour, minute, second (16 bits each), padding, fraction in ns (32 bits).
void decode_times(const FetchedColumn& column, size_t rows, dstream_value* out, size_t stride) {
  for_each(column, rows, out, stride, DSTREAM_TIME,
           [](dstream_value& value, const uint8_t* bytes, size_t length) {
             if (length != kTimeStructSize) {
               throw BadValue("a time value has an unexpected form");
             }
             const int64_t seconds = read<uint16_t>(bytes) * 3600 + read<uint16_t>(bytes + 2) * 60 +
                                     read<uint16_t>(bytes + 4);
             value.as.i64 = seconds * 1'000'000'000 + read<uint32_t>(bytes + 8);
           });
}

// SQL_SS_TIMESTAMPOFFSET_STRUCT: year .. second (16 bits each), fraction in ns (32 bits), and the
// offset of the zone in hours and minutes. The time is local to the offset; records carry UTC.
void decode_timestamp_offsets(const FetchedColumn& column, size_t rows, dstream_value* out,
                              size_t stride) {
  for_each(column, rows, out, stride, DSTREAM_TIMESTAMP_TZ,
           [](dstream_value& value, const uint8_t* bytes, size_t length) {
             if (length != kTimestampOffsetStructSize) {
               throw BadValue("a datetimeoffset value has an unexpected form");
             }
             const int32_t offset = read<int16_t>(bytes + 16) * 60 + read<int16_t>(bytes + 18);
             const int64_t local = seconds_of(
                 read<int16_t>(bytes), read<uint16_t>(bytes + 2), read<uint16_t>(bytes + 4),
                 read<uint16_t>(bytes + 6), read<uint16_t>(bytes + 8), read<uint16_t>(bytes + 10));
             value.as.time.seconds = local - offset * int64_t{60};
             value.as.time.nanos = static_cast<int32_t>(read<uint32_t>(bytes + 12));
             value.as.time.offset_min = offset;
           });
}

// SQLGUID keeps its first three groups in the machine's byte order; RFC 4122 is big-endian.
void decode_guids(const FetchedColumn& column, size_t rows, dstream_value* out, size_t stride) {
  for_each(column, rows, out, stride, DSTREAM_UUID,
           [](dstream_value& value, const uint8_t* bytes, size_t) {
             constexpr uint8_t kOrder[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
             for (size_t i = 0; i < 16; ++i) {
               value.as.uuid[i] = bytes[kOrder[i]];
             }
           });
}

void set_absent(size_t rows, dstream_value* out, size_t stride) {
  for (size_t row = 0; row < rows; ++row, out += stride) {
    *out = {};
    out->type = DSTREAM_ABSENT;
  }
}

}  // namespace

int64_t days_from_date(int32_t year, uint32_t month, uint32_t day) {
  // Years begin in March, so that the leap day is the last; 400 years are 146,097 days.
  const int64_t y = month <= 2 ? year - 1 : year;
  const int64_t era = (y >= 0 ? y : y - 399) / 400;
  const int64_t year_of_era = y - era * 400;
  const int64_t month_from_march = (month + 9) % 12;
  const int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

void decode_column(const FetchedColumn& column, size_t rows, dstream_value* out, size_t stride,
                   Arena& arena) {
  switch (column.type->fetch) {
    case Fetch::kAbsent:
      return set_absent(rows, out, stride);
    case Fetch::kUint8:
      return decode_integers<uint8_t>(column, rows, out, stride);
    case Fetch::kInt16:
      return decode_integers<int16_t>(column, rows, out, stride);
    case Fetch::kInt32:
      return decode_integers<int32_t>(column, rows, out, stride);
    case Fetch::kInt64:
      return decode_integers<int64_t>(column, rows, out, stride);
    case Fetch::kBit:
      return decode_bits(column, rows, out, stride);
    case Fetch::kFloat32:
      return decode_floats<float>(column, rows, out, stride);
    case Fetch::kFloat64:
      return decode_floats<double>(column, rows, out, stride);
    case Fetch::kNumeric:
      return decode_numerics(column, rows, out, stride, arena);
    case Fetch::kDecimal:
      return decode_decimals(column, rows, out, stride, arena);
    case Fetch::kDate:
      return decode_dates(column, rows, out, stride);
    case Fetch::kTimestamp:
      return decode_timestamps(column, rows, out, stride);
    case Fetch::kTime:
      return decode_times(column, rows, out, stride);
    case Fetch::kTimestampOffset:
      return decode_timestamp_offsets(column, rows, out, stride);
    case Fetch::kUtf16:
      return decode_utf16(column, rows, out, stride, arena);
    case Fetch::kCodePage:
      return decode_code_page(column, rows, out, stride, arena);
    case Fetch::kBytes:
      return decode_bytes(column, rows, out, stride, arena);
    case Fetch::kGuid:
      return decode_guids(column, rows, out, stride);
    case Fetch::kVariant:
      throw BadValue("a sql_variant is not read in blocks");
  }
}

}  // namespace dstream::sqlserver
