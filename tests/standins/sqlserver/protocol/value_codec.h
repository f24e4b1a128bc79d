// One value between SqlValue and its wire bytes, without any length in front.
//
// The bytes are those of TDS 7.3 and later, the same in a row, a parameter and a sql_variant.
//
// Thread rule: plain functions, no shared state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/standins/sqlserver/protocol/values.h"

namespace dstream::standin {

inline constexpr int64_t kTicksPerSecond = 10'000'000;  // a tick is 100 ns
inline constexpr int64_t kTicksPerDay = 86'400 * kTicksPerSecond;
inline constexpr int64_t kDaysMax = 3'652'058;   // 9999-12-31, counted from 0001-01-01
inline constexpr int64_t kDaysOf1900 = 693'595;  // 1900-01-01

// Appends the bytes of a value. False, with `out` as it was, if the value does not fit the type:
// out of range, too long, not a number. Text of char and nchar is padded with spaces, binary with
// zeros. Times are rounded to the scale, datetime to 1/300 s, smalldatetime to the minute.
// REQUIRES: !value.null.
bool append_raw(const SqlType& type, const SqlValue& value, std::string* out);

// Reads the bytes of one value that is not NULL. False if they cannot be such a value. datetime is
// rounded to the nearest tick; integers and floats of another width than declared are accepted.
bool read_raw(const SqlType& type, std::string_view raw, SqlValue* value);

// sql_variant: base type, its properties, then the value's bytes. Base types are all but the long
// ones (text, ntext, image, xml, (max), CLR types, rowversion, sql_variant itself).
bool append_variant(const SqlValue& value, std::string* out);
bool read_variant(std::string_view raw, SqlValue* value);

}  // namespace dstream::standin
