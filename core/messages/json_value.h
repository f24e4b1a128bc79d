// Single values as the format `json` has them; docs/messages.md has the table.
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/messages/json_text.h"
#include "core/messages/row_text.h"
#include "core/messages/schema_plan.h"
#include "core/messages/time_text.h"
#include "dstream/abi.h"

namespace dstream::core {

// A class, so that the row loop is compiled with it inside.
class JsonValue {
 public:
  explicit JsonValue(bool large_integers_as_strings)
      : large_integers_as_strings_(large_integers_as_strings) {}

  char* operator()(char* out, const ColumnPlan& column, const dstream_value& value,
                   Failure* failure) const {
    switch (value.type) {
      case DSTREAM_NULL:
        return write_raw(out, "null");
      case DSTREAM_BOOL:
        return value.as.i64 != 0 ? write_raw(out, "true") : write_raw(out, "false");
      case DSTREAM_INT64: {
        const int64_t number = value.as.i64;
        const bool large = number > kExactInteger || number < -kExactInteger;
        return write_number(out, number, large);
      }
      case DSTREAM_UINT64:
        return write_number(out, value.as.u64, value.as.u64 > static_cast<uint64_t>(kExactInteger));
      case DSTREAM_FLOAT64:
        return column.single_precision ? write_float(out, static_cast<float>(value.as.f64))
                                       : write_double(out, value.as.f64);
      case DSTREAM_DATE:
        return close_time(out, write_date(out + 1, value.as.i64), failure);
      case DSTREAM_TIME:
        return close_time(out, write_time(out + 1, value.as.i64), failure);
      case DSTREAM_TIMESTAMP:
        return close_time(out, write_timestamp(out + 1, value.as.time.seconds, value.as.time.nanos),
                          failure);
      case DSTREAM_TIMESTAMP_TZ:
        return close_time(out,
                          write_timestamp_with_zone(out + 1, value.as.time.seconds,
                                                    value.as.time.nanos, value.as.time.offset_min),
                          failure);
      case DSTREAM_UUID:
        *out++ = '"';
        out = write_uuid(out, value.as.uuid, false);
        *out++ = '"';
        return out;
      default:
        return write_variable(out, value, failure);
    }
  }

 private:
  // The last one a double counts without gaps.
  static constexpr int64_t kExactInteger = int64_t{1} << 53;

  template <class Integer>
  char* write_number(char* out, Integer number, bool large) const {
    if (large && large_integers_as_strings_) {
      *out++ = '"';
      out = write_integer(out, number);
      *out++ = '"';
      return out;
    }
    return write_integer(out, number);
  }

  static char* write_variable(char* out, const dstream_value& value, Failure* failure) {
    std::string_view text;
    if (!take_variable(value, &text, failure)) [[unlikely]] {
      return out;
    }
    switch (value.type) {
      case DSTREAM_DECIMAL:
        return check_decimal(text, failure) ? write_quoted(out, text) : out;
      case DSTREAM_BYTES:
        return write_quoted_base64(out, text.data(), text.size());
      default:
        return write_string(out, text, &failure->replaced);
    }
  }

  bool large_integers_as_strings_;
};

}  // namespace dstream::core
