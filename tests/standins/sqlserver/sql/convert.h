// Conversions between SQL Server types, and comparison of values of one type.
//
// Every function throws SqlError (245, 241, 8114, 8115, 8169, 529) where SQL Server does.
#pragma once

#include <string>
#include <string_view>

#include "tests/standins/sqlserver/protocol/values.h"
#include "tests/standins/sqlserver/sql/numeric.h"
#include "tests/standins/sqlserver/sql/types.h"

namespace dstream::standin::sql {

inline constexpr int kDefaultStyle = -1;

// CAST and CONVERT: text and binary are cut to the target's length, char and binary padded.
SqlValue convert_value(const SqlValue& value, const SqlType& from, const SqlType& to,
                       int style = kDefaultStyle);

// As an assignment to a column does: like convert_value, but text or binary that does not fit in
// the target sets *too_long instead of being cut.
SqlValue assign_value(const SqlValue& value, const SqlType& from, const SqlType& to,
                      bool* too_long);

// True if values of both types look the same in memory and compare alike, so that nothing needs to
// be converted between them.
bool same_representation(const SqlType& a, const SqlType& b);

// True if a column of that integer type can hold the number.
bool fits_integer(TypeId id, int64_t number);

// <0, 0, >0. REQUIRES: neither is NULL.
int compare_values(const SqlType& type, const SqlValue& a, const SqlValue& b);

// Appends bytes that compare (memcmp) as the values do; NULL sorts first. `descending` turns the
// order round.
void append_key(const SqlType& type, const SqlValue& value, bool descending, std::string* key);

// The exact number behind a value of an integer or decimal type.
Numeric numeric_of(const SqlType& type, const SqlValue& value);
// To the scale of `type`; throws 8115 if it does not fit.
SqlValue value_of(const Numeric& number, const SqlType& type, std::string_view from = "numeric");
double double_of(const SqlType& type, const SqlValue& value);

// 6F9619FF-8B86-D011-B42D-00C04FC964FF between text and the mixed-endian bytes of the wire.
std::string guid_text(std::string_view bytes);
bool parse_guid(std::string_view text, std::string* bytes);

}  // namespace dstream::standin::sql
