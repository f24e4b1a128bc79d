// From a captured column to how it is fetched and what it becomes in a record.
//
// Rules go by type, not by driver: both drivers report some types differently (FreeTDS calls a
// decimal SQL_NUMERIC and a CLR type SQL_LONGVARBINARY), so the name that
// cdc.captured_columns gives decides and the descriptor adds sizes.
#pragma once

#include <sql.h>
#include <sqlext.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dstream/abi.h"
#include "plugins/sqlserver_cdc/code_page.h"

namespace dstream::sqlserver {

// How one fetched value is read from its buffer.
enum class Fetch : uint8_t {
  kAbsent,  // not fetched at all: computed columns are NULL in a change table, whatever they hold
  kUint8,
  kInt16,
  kInt32,
  kInt64,
  kBit,
  kFloat32,
  kFloat64,
  kNumeric,  // SQL_NUMERIC_STRUCT as bytes: SQL_C_NUMERIC loses the fraction in FreeTDS, and
             // drivers take longer to write the digits than we do
  kDecimal,  // text: money, whose bytes differ between drivers
  kDate,
  kTimestamp,
  kTime,             // SQL_SS_TIME2_STRUCT as bytes: SQL_C_TYPE_TIME drops the fraction
  kTimestampOffset,  // SQL_SS_TIMESTAMPOFFSET_STRUCT as bytes: local time with its offset
  kUtf16,            // all character types; converted to UTF-8 here, faster than in the driver
  kCodePage,         // char and varchar as they are sent; see as_sent()
  kBytes,
  kGuid,
  kVariant  // "base type:value" as Select::kVariant has it, becomes JSON
};

// Values of no fixed size are not bound; see large_values.h.
enum class Large : uint8_t {
  kNo,
  kMax,     // (max) types, xml, CLR types
  kText,    // text, ntext, image: a change table never has them before a change
  kVariant  // sql_variant: at most 8,016 bytes, and so always logged
};

// What a page asks the server for.
enum class Select : uint8_t {
  kColumn,
  kToString,  // a CLR type's own text: WKT with Z and M of a geometry, the path of a hierarchyid
  kVariant    // base type and exact text of a sql_variant
};

// How hierarchyid, geography and geometry are delivered.
enum class ClrForm : uint8_t { kBytes, kText };

struct ColumnType {
  Fetch fetch = Fetch::kAbsent;
  dstream_type type = DSTREAM_NULL;
  std::string source_type;  // as T-SQL declares it: "decimal(18,4)"
  int32_t precision = 0;    // decimals, else 0
  int32_t scale = 0;        // decimals, and fraction digits of time types
  SQLSMALLINT c_type = SQL_C_CHAR;
  size_t width = 0;  // bytes of one value's buffer, terminator included; 0 for large ones
  Large large = Large::kNo;
  Select select = Select::kColumn;
  const CodePage* code_page = nullptr;  // with Fetch::kCodePage
};

// What SQLDescribeCol says.
struct DescribedColumn {
  std::string name;
  SQLSMALLINT sql_type = SQL_UNKNOWN_TYPE;
  SQLULEN size = 0;  // 0: (max)
  SQLSMALLINT digits = 0;
};

// `declared` is captured_columns.column_type. Nothing for a type that cannot be carried exactly:
// json, vector.
std::optional<ColumnType> column_type(std::string_view declared, const DescribedColumn& described,
                                      ClrForm clr_form = ClrForm::kBytes);

// False for what is none of the server's own types, and so an alias of one.
bool is_type_name(std::string_view declared);

// `type` read without a conversion in the driver, if it is a char or varchar of fixed size in code
// page `code_page` (CodePage::find()). Else nothing, and `type` is how it is read: what arrives of
// UTF-8 depends on what the driver agreed with the server, and pages of several bytes a character
// are left to it.
std::optional<ColumnType> as_sent(const ColumnType& type, const DescribedColumn& described,
                                  int64_t code_page);

// The term of a SELECT list for column `quoted` of table c.
std::string select_term(Select select, const std::string& quoted);

// The type as T-SQL would spell it, for messages about a column that column_type() refuses.
std::string spell_type(std::string_view declared, const DescribedColumn& described);

// Sizes of the structs that drivers fill for time(n) and datetimeoffset(n).
inline constexpr size_t kTimeStructSize = 12;
inline constexpr size_t kNumericStructSize = 19;
inline constexpr size_t kTimestampOffsetStructSize = 20;

}  // namespace dstream::sqlserver
