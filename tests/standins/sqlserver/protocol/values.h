// SQL Server types and values between the protocol room and the SQL room.
//
// A column has an SqlType; a value is interpreted by its column's type. The protocol room turns
// values into wire bytes and wire parameters into values; it knows no SQL.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace dstream::standin {

enum class TypeId : uint8_t {
  kBit,
  kTinyInt,
  kSmallInt,
  kInt,
  kBigInt,  // number
  kReal,
  kFloat,  // real
  kDecimal,
  kNumeric,
  kMoney,
  kSmallMoney,  // text: "-123.4500", exact
  kDate,        // number: days since 0001-01-01
  kTime,        // number: 100 ns ticks since midnight
  kDateTime,
  kSmallDateTime,
  kDateTime2,       // number: 100 ns ticks since 0001-01-01
  kDateTimeOffset,  // number: UTC ticks, offset_min beside it
  kChar,
  kVarChar,
  kText,
  kNChar,
  kNVarChar,
  kNText,
  kXml,  // text: UTF-8
  kBinary,
  kVarBinary,
  kImage,
  kRowVersion,        // text: raw bytes
  kUniqueIdentifier,  // text: 16 raw bytes in wire order (mixed endian)
  kSqlVariant,        // by the value's `variant_type`
  kHierarchyId,
  kGeography,
  kGeometry,  // text: raw bytes of the CLR type
};

inline constexpr int32_t kMaxLength = -1;  // (max)

struct SqlType {
  TypeId id = TypeId::kInt;
  int32_t length = 0;  // char, binary: bytes; nchar, nvarchar: characters; kMaxLength for (max)
  uint8_t precision = 0;
  uint8_t scale = 0;  // decimals, and fraction digits of time types
  bool nullable = true;
  bool utf8 = false;  // char types under a _UTF8 collation
};

struct SqlValue {
  bool null = true;
  int64_t number = 0;
  double real = 0;
  std::string text;
  int16_t offset_min = 0;
  SqlType variant_type;  // what a non-NULL value of a kSqlVariant column holds; unused elsewhere

  static SqlValue of_number(int64_t v) { return {false, v, 0, {}, 0, {}}; }
  static SqlValue of_real(double v) { return {false, 0, v, {}, 0, {}}; }
  static SqlValue of_text(std::string v) { return {false, 0, 0, std::move(v), 0, {}}; }
};

struct ResultColumn {
  std::string name;  // UTF-8
  SqlType type;
  bool identity = false;
  bool computed = false;
  bool key = false;
  int32_t user_type_id = 0;  // of an alias type; 0 for one of the system
};

// Where a column of a server cursor comes from (COLINFO).
struct ColumnSource {
  uint8_t table = 0;  // from 1, in the list of tables; 0: an expression
  bool key = false;
  bool hidden = false;    // was not asked for: clients do not show it
  std::string base_name;  // of the table's column, where an alias hides it
};

// A parameter of an RPC. `name` is without '@'; empty if sent by position.
struct Parameter {
  std::string name;
  bool output = false;
  SqlType type;
  SqlValue value;
  bool use_default = false;  // no value was sent: the procedure's own default applies
};

}  // namespace dstream::standin
