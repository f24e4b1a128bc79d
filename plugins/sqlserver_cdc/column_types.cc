#include "plugins/sqlserver_cdc/column_types.h"

#include <Poco/String.h>

#include <algorithm>
#include <array>

namespace dstream::sqlserver {
namespace {

// How a type's size is spelled behind its name.
enum class Suffix : uint8_t { kNone, kLength, kPrecisionScale, kScale };

struct Rule {
  std::string_view name;
  SQLSMALLINT sql_type;  // for alias types: the descriptor says what they are made of
  Fetch fetch;
  dstream_type type;
  SQLSMALLINT c_type;
  size_t width;  // 0: from the size
  Suffix suffix;
  Large large = Large::kNo;
  Select select = Select::kColumn;  // with ClrForm::kText, for CLR types
};

constexpr SQLSMALLINT kSqlVariant = -150;
constexpr SQLSMALLINT kSqlTime2 = -154;
constexpr SQLSMALLINT kSqlTimestampOffset = -155;
constexpr size_t kDecimalWidth = 48;  // 38 digits, sign, point, terminator
constexpr SQLULEN kLengthMax = 8000;
constexpr SQLSMALLINT kNoAlias = SQL_UNKNOWN_TYPE;

constexpr std::array kRules = {
    Rule{"tinyint", SQL_TINYINT, Fetch::kUint8, DSTREAM_INT64, SQL_C_UTINYINT, 1, Suffix::kNone},
    Rule{"smallint", SQL_SMALLINT, Fetch::kInt16, DSTREAM_INT64, SQL_C_SSHORT, 2, Suffix::kNone},
    Rule{"int", SQL_INTEGER, Fetch::kInt32, DSTREAM_INT64, SQL_C_SLONG, 4, Suffix::kNone},
    Rule{"bigint", SQL_BIGINT, Fetch::kInt64, DSTREAM_INT64, SQL_C_SBIGINT, 8, Suffix::kNone},
    Rule{"bit", SQL_BIT, Fetch::kBit, DSTREAM_BOOL, SQL_C_BIT, 1, Suffix::kNone},
    Rule{"real", SQL_REAL, Fetch::kFloat32, DSTREAM_FLOAT64, SQL_C_FLOAT, 4, Suffix::kNone},
    Rule{"float", SQL_DOUBLE, Fetch::kFloat64, DSTREAM_FLOAT64, SQL_C_DOUBLE, 8, Suffix::kNone},
    Rule{"float", SQL_FLOAT, Fetch::kFloat64, DSTREAM_FLOAT64, SQL_C_DOUBLE, 8, Suffix::kNone},
    Rule{"decimal", SQL_DECIMAL, Fetch::kNumeric, DSTREAM_DECIMAL, SQL_C_BINARY, kNumericStructSize,
         Suffix::kPrecisionScale},
    Rule{"numeric", SQL_NUMERIC, Fetch::kNumeric, DSTREAM_DECIMAL, SQL_C_BINARY, kNumericStructSize,
         Suffix::kPrecisionScale},
    Rule{"money", kNoAlias, Fetch::kDecimal, DSTREAM_DECIMAL, SQL_C_CHAR, kDecimalWidth,
         Suffix::kNone},
    Rule{"smallmoney", kNoAlias, Fetch::kDecimal, DSTREAM_DECIMAL, SQL_C_CHAR, kDecimalWidth,
         Suffix::kNone},
    Rule{"date", SQL_TYPE_DATE, Fetch::kDate, DSTREAM_DATE, SQL_C_TYPE_DATE,
         sizeof(SQL_DATE_STRUCT), Suffix::kNone},
    Rule{"time", kSqlTime2, Fetch::kTime, DSTREAM_TIME, SQL_C_BINARY, kTimeStructSize,
         Suffix::kScale},
    Rule{"datetime", kNoAlias, Fetch::kTimestamp, DSTREAM_TIMESTAMP, SQL_C_TYPE_TIMESTAMP,
         sizeof(SQL_TIMESTAMP_STRUCT), Suffix::kNone},
    Rule{"smalldatetime", kNoAlias, Fetch::kTimestamp, DSTREAM_TIMESTAMP, SQL_C_TYPE_TIMESTAMP,
         sizeof(SQL_TIMESTAMP_STRUCT), Suffix::kNone},
    Rule{"datetime2", SQL_TYPE_TIMESTAMP, Fetch::kTimestamp, DSTREAM_TIMESTAMP,
         SQL_C_TYPE_TIMESTAMP, sizeof(SQL_TIMESTAMP_STRUCT), Suffix::kScale},
    Rule{"datetimeoffset", kSqlTimestampOffset, Fetch::kTimestampOffset, DSTREAM_TIMESTAMP_TZ,
         SQL_C_BINARY, kTimestampOffsetStructSize, Suffix::kScale},
    Rule{"char", SQL_CHAR, Fetch::kUtf16, DSTREAM_STRING, SQL_C_WCHAR, 0, Suffix::kLength},
    Rule{"varchar", SQL_VARCHAR, Fetch::kUtf16, DSTREAM_STRING, SQL_C_WCHAR, 0, Suffix::kLength},
    // As they are sent: UTF-16, which drivers would convert to itself.
    Rule{"nchar", SQL_WCHAR, Fetch::kUtf16, DSTREAM_STRING, SQL_C_BINARY, 0, Suffix::kLength},
    Rule{"nvarchar", SQL_WVARCHAR, Fetch::kUtf16, DSTREAM_STRING, SQL_C_BINARY, 0, Suffix::kLength},
    Rule{"sysname", kNoAlias, Fetch::kUtf16, DSTREAM_STRING, SQL_C_WCHAR, 0, Suffix::kNone},
    Rule{"binary", SQL_BINARY, Fetch::kBytes, DSTREAM_BYTES, SQL_C_BINARY, 0, Suffix::kLength},
    Rule{"varbinary", SQL_VARBINARY, Fetch::kBytes, DSTREAM_BYTES, SQL_C_BINARY, 0,
         Suffix::kLength},
    // A change table keeps a rowversion as binary(8).
    Rule{"timestamp", kNoAlias, Fetch::kBytes, DSTREAM_BYTES, SQL_C_BINARY, 8, Suffix::kNone},
    Rule{"rowversion", kNoAlias, Fetch::kBytes, DSTREAM_BYTES, SQL_C_BINARY, 8, Suffix::kNone},
    Rule{"text", SQL_LONGVARCHAR, Fetch::kUtf16, DSTREAM_STRING, SQL_C_WCHAR, 0, Suffix::kNone,
         Large::kText},
    Rule{"ntext", SQL_WLONGVARCHAR, Fetch::kUtf16, DSTREAM_STRING, SQL_C_WCHAR, 0, Suffix::kNone,
         Large::kText},
    Rule{"image", kNoAlias, Fetch::kBytes, DSTREAM_BYTES, SQL_C_BINARY, 0, Suffix::kNone,
         Large::kText},
    Rule{"xml", kNoAlias, Fetch::kUtf16, DSTREAM_XML, SQL_C_WCHAR, 0, Suffix::kNone, Large::kMax},
    Rule{"hierarchyid", kNoAlias, Fetch::kBytes, DSTREAM_BYTES, SQL_C_BINARY, 0, Suffix::kNone,
         Large::kMax, Select::kToString},
    Rule{"geography", kNoAlias, Fetch::kBytes, DSTREAM_BYTES, SQL_C_BINARY, 0, Suffix::kNone,
         Large::kMax, Select::kToString},
    Rule{"geometry", kNoAlias, Fetch::kBytes, DSTREAM_BYTES, SQL_C_BINARY, 0, Suffix::kNone,
         Large::kMax, Select::kToString},
    Rule{"sql_variant", kSqlVariant, Fetch::kVariant, DSTREAM_JSON, SQL_C_WCHAR, 0, Suffix::kNone,
         Large::kVariant, Select::kVariant},
    Rule{"uniqueidentifier", SQL_GUID, Fetch::kGuid, DSTREAM_UUID, SQL_C_GUID, 16, Suffix::kNone},
};

constexpr std::array<std::string_view, 3> kNotCarried = {"json", "vector", "cursor"};

const Rule* find_rule(std::string_view declared, SQLSMALLINT sql_type) {
  for (const Rule& rule : kRules) {
    if (rule.name == declared) {
      return &rule;
    }
  }
  for (const std::string_view name : kNotCarried) {
    if (name == declared) {
      return nullptr;
    }
  }
  for (const Rule& rule : kRules) {
    if (rule.sql_type == sql_type && sql_type != kNoAlias) {
      return &rule;
    }
  }
  return nullptr;
}

std::string suffix_text(const Rule& rule, const DescribedColumn& described) {
  switch (rule.suffix) {
    case Suffix::kNone:
      return "";
    case Suffix::kLength:
      return described.size == 0 || described.size > kLengthMax
                 ? "(max)"
                 : '(' + std::to_string(described.size) + ')';
    case Suffix::kPrecisionScale:
      return '(' + std::to_string(described.size) + ',' + std::to_string(described.digits) + ')';
    case Suffix::kScale:
      return '(' + std::to_string(described.digits) + ')';
  }
  return "";
}

std::string_view spelled_name(const Rule& rule) {
  return rule.name == "timestamp" ? "rowversion" : rule.name;
}

}  // namespace

std::optional<ColumnType> column_type(std::string_view declared, const DescribedColumn& described,
                                      ClrForm clr_form) {
  const Rule* rule = find_rule(Poco::toLower(std::string(declared)), described.sql_type);
  if (rule == nullptr) {
    return std::nullopt;
  }
  const bool sized = rule->width == 0 && rule->large == Large::kNo;
  ColumnType type;
  type.large =
      sized && (described.size == 0 || described.size > kLengthMax) ? Large::kMax : rule->large;
  type.fetch = rule->fetch;
  type.type = rule->type;
  type.source_type = std::string(spelled_name(*rule)) + suffix_text(*rule, described);
  type.c_type = rule->c_type;
  type.width = rule->width;
  type.select = rule->select;
  if (type.select == Select::kToString) {
    if (clr_form == ClrForm::kBytes) {
      type.select = Select::kColumn;
    } else {
      type.fetch = Fetch::kUtf16;
      type.type = DSTREAM_STRING;
      type.c_type = SQL_C_WCHAR;
    }
  }
  if (type.large != Large::kNo) {
    type.width = 0;
    type.c_type = type.fetch == Fetch::kUtf16 ? SQL_C_WCHAR : type.c_type;
  } else if (rule->fetch == Fetch::kUtf16) {
    // n bytes of any code page are at most n UTF-16 units.
    type.width = (described.size + 1) * sizeof(SQLWCHAR);
  } else if (sized) {
    type.width = described.size;
  }
  if (rule->suffix == Suffix::kPrecisionScale) {
    type.precision = static_cast<int32_t>(described.size);
    type.scale = described.digits;
  } else if (rule->suffix == Suffix::kScale) {
    type.scale = described.digits;
  } else if (rule->fetch == Fetch::kDecimal) {
    type.precision = rule->name == "money" ? 19 : 10;
    type.scale = 4;
  } else if (rule->name == "datetime") {
    type.scale = 3;
  }
  return type;
}

bool is_type_name(std::string_view declared) {
  const std::string name = Poco::toLower(std::string(declared));
  const auto is_named = [&name](const auto& rule) { return rule.name == name; };
  return std::any_of(kRules.begin(), kRules.end(), is_named) ||
         std::find(kNotCarried.begin(), kNotCarried.end(), name) != kNotCarried.end();
}

std::optional<ColumnType> as_sent(const ColumnType& type, const DescribedColumn& described,
                                  int64_t code_page) {
  const bool is_narrow = described.sql_type == SQL_CHAR || described.sql_type == SQL_VARCHAR;
  const CodePage* page = CodePage::find(code_page);
  if (!is_narrow || type.fetch != Fetch::kUtf16 || type.large != Large::kNo || page == nullptr) {
    return std::nullopt;
  }
  ColumnType sent = type;
  sent.fetch = Fetch::kCodePage;
  sent.c_type = SQL_C_BINARY;
  sent.width = described.size;
  sent.code_page = page;
  return sent;
}

std::string select_term(Select select, const std::string& quoted) {
  std::string column = "c." + quoted;
  switch (select) {
    case Select::kColumn:
      return column;
    case Select::kToString:
      return column + ".ToString()";
    case Select::kVariant:
      break;
  }
  // To its base type first, for a style says nothing about a sql_variant; and each text to (max),
  // or the longest would be cut to the length of the first.
  const auto text = [&column](const std::string& type, const std::string& style) {
    return "CONVERT(nvarchar(max), CONVERT(" + type + ", " + column + ")" + style + ")";
  };
  const std::string base =
      "CONVERT(nvarchar(128), SQL_VARIANT_PROPERTY(" + column + ", 'BaseType'))";
  std::string term = base + " + N':' + CASE " + base;
  for (const char* bytes : {"binary", "varbinary"}) {
    term += " WHEN N'" + std::string(bytes) + "' THEN " + text("varbinary(8000)", ", 1");
  }
  for (const char* characters : {"char", "varchar"}) {
    term += " WHEN N'" + std::string(characters) + "' THEN " + text("varchar(8000)", "");
  }
  for (const char* exact : {"money", "smallmoney"}) {
    term += " WHEN N'" + std::string(exact) + "' THEN " + text(exact, ", 2");
  }
  for (const char* approximate : {"float", "real"}) {
    term += " WHEN N'" + std::string(approximate) + "' THEN " + text(approximate, ", 3");
  }
  for (const char* time : {"datetime", "smalldatetime", "datetime2", "datetimeoffset"}) {
    term += " WHEN N'" + std::string(time) + "' THEN " + text(time, ", 126");
  }
  return term + " ELSE " + text("nvarchar(4000)", "") + " END";
}

std::string spell_type(std::string_view declared, const DescribedColumn& described) {
  const std::string name = Poco::toLower(std::string(declared));
  const Rule* rule = find_rule(name, described.sql_type);
  return rule == nullptr ? name : std::string(spelled_name(*rule)) + suffix_text(*rule, described);
}

}  // namespace dstream::sqlserver
