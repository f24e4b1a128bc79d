// What T-SQL knows about its types: names, families, precedence, and the type of an expression made
// from two others. Values and their in-memory form are protocol/values.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tests/standins/sqlserver/protocol/values.h"

namespace dstream::standin::sql {

enum class Family : uint8_t {
  kInteger,   // bit, tinyint .. bigint
  kReal,      // real, float
  kDecimal,   // decimal, numeric, money, smallmoney
  kDate,      // date: days
  kTime,      // time: ticks of the day
  kDateTime,  // datetime, smalldatetime, datetime2: ticks
  kOffset,    // datetimeoffset
  kText,      // char .. xml
  kBytes,     // binary .. rowversion
  kGuid,
  kVariant,
  kClr,  // hierarchyid, geography, geometry: bytes that only their own methods understand
};

Family family_of(TypeId id);
inline bool is_temporal(Family f) {
  return f == Family::kDate || f == Family::kTime || f == Family::kDateTime || f == Family::kOffset;
}
bool is_unicode(TypeId id);          // nchar, nvarchar, ntext, xml
bool is_fixed_length(TypeId id);     // char, nchar, binary, rowversion
bool is_large(const SqlType& type);  // (max), text, ntext, image, xml

// "nvarchar", "decimal": as in sys.types and error texts.
std::string_view type_name(TypeId id);
// "nvarchar(50)", "decimal(18,4)", "datetime2(7)".
std::string type_declaration(const SqlType& type);
// By any of its T-SQL spellings ("int", "integer", "sysname", "timestamp"); lower or upper case.
std::optional<TypeId> type_by_name(std::string_view name);
// The type with what its declaration leaves out filled in, as in a column definition (length 1,
// decimal(18,0), scale 7). `in_cast` gives char and binary the 30 of CAST and CONVERT.
// Throws 2716, 1002, 131 and relatives for lengths that no server takes.
SqlType make_type(TypeId id, std::optional<int32_t> first, std::optional<int32_t> second,
                  bool in_cast = false);

SqlType int_type();
SqlType bigint_type();
SqlType bit_type();
SqlType float_type();
SqlType decimal_type(int precision, int scale);
SqlType nvarchar_type(int32_t length);
SqlType varchar_type(int32_t length);
SqlType sysname_type();
SqlType binary_type(int32_t length);
SqlType varbinary_type(int32_t length);
SqlType datetime_type();
SqlType datetime2_type(int scale);

// Higher wins when two types meet in a comparison, CASE or UNION.
int precedence(TypeId id);

// The declared digits of an exact number of this type: int is (10,0), money (19,4).
void decimal_shape(const SqlType& type, int* precision, int* scale);

// The type of CASE, COALESCE, UNION: the one of higher precedence, wide enough for both.
SqlType common_type(const SqlType& a, const SqlType& b);

// The type of `a op b` for + - * / % & | ^. Throws 402 or 8117 where T-SQL has no such operation.
SqlType arithmetic_type(char op, const SqlType& a, const SqlType& b);

// sys.columns.max_length: bytes, -1 for (max).
int32_t max_length_bytes(const SqlType& type);
// sys.columns.precision and scale: 0 where the type has none.
void precision_of(const SqlType& type, int* precision, int* scale);
// sys.types ids: the CLR types have one system_type_id together.
uint8_t system_type_id(TypeId id);
int32_t user_type_id(TypeId id);
// char, varchar and text, whose characters are of the collation's code page.
bool has_code_page(TypeId id);

}  // namespace dstream::standin::sql
