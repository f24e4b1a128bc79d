#include "tests/standins/sqlserver/clients/odbc/session.h"

#include <algorithm>
#include <codecvt>
#include <cstring>
#include <locale>
#include <memory>

namespace dstream::standin::clients {
namespace {

// SQL Server's own ODBC types.
constexpr SQLSMALLINT kSqlTime2 = -154;
constexpr SQLSMALLINT kSqlDateTimeOffset = -155;
constexpr SQLSMALLINT kSqlXml = -152;

std::u16string to_utf16(const std::string& text) {
  std::wstring_convert<std::codecvt_utf8_utf16<char16_t>, char16_t> convert;
  return convert.from_bytes(text);
}

std::string to_utf8(const std::u16string& text) {
  std::wstring_convert<std::codecvt_utf8_utf16<char16_t>, char16_t> convert;
  return convert.to_bytes(text);
}

template <typename T>
std::string raw(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

// How a parameter is given to the driver.
struct Binding {
  SQLSMALLINT c_type = SQL_C_WCHAR;
  SQLSMALLINT sql_type = SQL_WVARCHAR;
  SQLULEN size = 0;
  SQLSMALLINT digits = 0;
  std::string bytes;
};

// The digits in the brackets of a declaration, "decimal(38,10)": 38 and 10.
std::pair<int, int> shape_of(const std::string& declaration) {
  int first = 0;
  int second = 0;
  std::sscanf(declaration.c_str(), "%*[^(](%d,%d)", &first, &second);
  return {first, second};
}

Binding integer_binding(const std::string& key, const std::string& text) {
  const int64_t number = std::stoll(text);
  if (key == "bit") {
    return {SQL_C_BIT, SQL_BIT, 1, 0, raw(static_cast<uint8_t>(number))};
  }
  if (key == "tinyint") {
    return {SQL_C_UTINYINT, SQL_TINYINT, 3, 0, raw(static_cast<uint8_t>(number))};
  }
  if (key == "smallint") {
    return {SQL_C_SSHORT, SQL_SMALLINT, 5, 0, raw(static_cast<int16_t>(number))};
  }
  if (key == "int") {
    return {SQL_C_SLONG, SQL_INTEGER, 10, 0, raw(static_cast<int32_t>(number))};
  }
  return {SQL_C_SBIGINT, SQL_BIGINT, 19, 0, raw(number)};
}

SQL_TIMESTAMP_STRUCT timestamp_of(const std::string& text) {
  SQL_TIMESTAMP_STRUCT value = {};
  int year = 0;
  int month = 0;
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  std::sscanf(text.c_str(), "%d-%d-%d %d:%d:%d", &year, &month, &day, &hour, &minute, &second);
  value.year = static_cast<SQLSMALLINT>(year);
  value.month = static_cast<SQLUSMALLINT>(month);
  value.day = static_cast<SQLUSMALLINT>(day);
  value.hour = static_cast<SQLUSMALLINT>(hour);
  value.minute = static_cast<SQLUSMALLINT>(minute);
  value.second = static_cast<SQLUSMALLINT>(second);
  if (const size_t dot = text.find('.'); dot != std::string::npos) {
    std::string digits = text.substr(dot + 1);
    digits.resize(9, '0');
    value.fraction = static_cast<SQLUINTEGER>(std::stoul(digits));
  }
  return value;
}

Binding time_binding(const TypeCase& type, const std::string& text, bool is_freetds) {
  const auto scale = static_cast<SQLSMALLINT>(shape_of(type.declaration).first);
  const auto with_scale = [scale](int whole) {
    return static_cast<SQLULEN>(whole + (scale > 0 ? scale + 1 : 0));
  };
  if (type.key == "date") {
    const SQL_TIMESTAMP_STRUCT at = timestamp_of(text + " 00:00:00");
    const SQL_DATE_STRUCT date = {at.year, at.month, at.day};
    return {SQL_C_TYPE_DATE, SQL_TYPE_DATE, 10, 0, raw(date)};
  }
  if (type.key.starts_with("time")) {
    return {SQL_C_CHAR, kSqlTime2, with_scale(8), scale, text};
  }
  if (type.key.starts_with("datetimeoffset")) {
    // FreeTDS takes the text without an offset, as UTC.
    const bool is_cut = is_freetds && text.ends_with(" +00:00");
    return {SQL_C_CHAR, kSqlDateTimeOffset, with_scale(26), scale,
            is_cut ? text.substr(0, text.size() - 7) : text};
  }
  const std::string at = raw(timestamp_of(text));
  if (type.key == "datetime") {
    return {SQL_C_TYPE_TIMESTAMP, SQL_TYPE_TIMESTAMP, 23, 3, at};
  }
  if (type.key == "smalldatetime") {
    return {SQL_C_TYPE_TIMESTAMP, SQL_TYPE_TIMESTAMP, 16, 0, at};
  }
  return {SQL_C_TYPE_TIMESTAMP, SQL_TYPE_TIMESTAMP, with_scale(19), scale, at};
}

SQLGUID guid_of(const std::string& text) {
  std::string hex = text;
  hex.erase(std::remove(hex.begin(), hex.end(), '-'), hex.end());
  const std::string bytes = bytes_of(hex);
  SQLGUID guid = {};
  guid.Data1 = static_cast<decltype(guid.Data1)>(std::stoul(hex.substr(0, 8), nullptr, 16));
  guid.Data2 = static_cast<decltype(guid.Data2)>(std::stoul(hex.substr(8, 4), nullptr, 16));
  guid.Data3 = static_cast<decltype(guid.Data3)>(std::stoul(hex.substr(12, 4), nullptr, 16));
  std::memcpy(guid.Data4, bytes.data() + 8, sizeof(guid.Data4));
  return guid;
}

Binding text_binding(const TypeCase& type, const std::string& text, bool is_freetds) {
  const std::u16string wide = to_utf16(text);
  Binding binding;
  binding.bytes.assign(reinterpret_cast<const char*>(wide.data()), wide.size() * 2);
  const bool is_max = type.declaration.find("max") != std::string::npos;
  const bool is_long = type.key == "text" || type.key == "ntext" || (is_max && is_freetds);
  const bool is_wide =
      type.declaration.starts_with("n") || type.key == "sql_variant" || type.key == "xml";
  if (type.key == "xml" && !is_freetds) {
    binding.sql_type = kSqlXml;
    return binding;
  }
  if (is_long) {
    binding.sql_type = is_wide ? SQL_WLONGVARCHAR : SQL_LONGVARCHAR;
    binding.size = std::max<SQLULEN>(wide.size(), 1);
    return binding;
  }
  if (is_max) {
    binding.sql_type = is_wide ? SQL_WVARCHAR : SQL_VARCHAR;  // of size 0: (max)
    return binding;
  }
  binding.sql_type = is_wide ? SQL_WVARCHAR : SQL_VARCHAR;
  binding.size = std::max<SQLULEN>(wide.size(), 1);
  return binding;
}

Binding binding_of(const TypeCase& type, const std::string& text, bool is_freetds) {
  if (type.kind == "integer") {
    return integer_binding(type.key, text);
  }
  if (type.kind == "single") {
    return {SQL_C_FLOAT, SQL_REAL, 7, 0, raw(std::stof(text))};
  }
  if (type.kind == "double") {
    return {SQL_C_DOUBLE, SQL_DOUBLE, 15, 0, raw(std::strtod(text.c_str(), nullptr))};
  }
  if (type.kind == "decimal") {
    auto [precision, scale] = shape_of(type.declaration);
    if (precision == 0) {
      precision = type.key == "money" ? 19 : 10;
      scale = 4;
    }
    return {SQL_C_CHAR, SQL_DECIMAL, static_cast<SQLULEN>(precision),
            static_cast<SQLSMALLINT>(scale), text};
  }
  if (type.kind == "time") {
    return time_binding(type, text, is_freetds);
  }
  if (type.kind == "guid") {
    return {SQL_C_GUID, SQL_GUID, 36, 0, raw(guid_of(text))};
  }
  if (type.kind == "bytes") {
    const std::string bytes = bytes_of(text);
    const bool is_long = bytes.size() > 8'000 || type.key == "image" ||
                         type.declaration.find("max") != std::string::npos;
    return {SQL_C_BINARY, static_cast<SQLSMALLINT>(is_long ? SQL_LONGVARBINARY : SQL_VARBINARY),
            std::max<SQLULEN>(bytes.size(), 1), 0, bytes};
  }
  return text_binding(type, text, is_freetds);
}

std::string timestamp_text(const SQL_TIMESTAMP_STRUCT& at) {
  char text[64];
  std::snprintf(text, sizeof(text), "%04d-%02u-%02u %02u:%02u:%02u.%09u", at.year, at.month, at.day,
                at.hour, at.minute, at.second, static_cast<unsigned>(at.fraction));
  return text;
}

template <typename T>
std::string number_text(const char* format, const T& value) {
  char text[64];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

}  // namespace

std::string hex_of(const std::string& bytes) {
  std::string hex;
  for (const char c : bytes) {
    char two[3];
    std::snprintf(two, sizeof(two), "%02X", static_cast<unsigned char>(c));
    hex += two;
  }
  return hex;
}

std::string bytes_of(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

// Kept until the statement is executed; the vector's elements do not move (reserved).
struct Session::Bound {
  std::string bytes;
  std::unique_ptr<SQLLEN> length;
};

Session::Session(const std::string& connection_string) {
  bound_.reserve(64);
  SQLAllocHandle(SQL_HANDLE_ENV, SQL_NULL_HANDLE, &environment_);
  SQLSetEnvAttr(environment_, SQL_ATTR_ODBC_VERSION, reinterpret_cast<SQLPOINTER>(SQL_OV_ODBC3), 0);
  SQLAllocHandle(SQL_HANDLE_DBC, environment_, &connection_);
  std::string text = connection_string;
  const SQLRETURN code =
      SQLDriverConnect(connection_, nullptr, reinterpret_cast<SQLCHAR*>(text.data()), SQL_NTS,
                       nullptr, 0, nullptr, SQL_DRIVER_NOPROMPT);
  try {
    check(code, "connect");
    check(SQLAllocHandle(SQL_HANDLE_STMT, connection_, &statement_), "allocate");
    char driver[256] = {};
    check(SQLGetInfo(connection_, SQL_DRIVER_NAME, driver, sizeof(driver), nullptr), "driver name");
    is_freetds_ = std::string(driver).find("tdsodbc") != std::string::npos;
  } catch (...) {
    SQLFreeHandle(SQL_HANDLE_DBC, connection_);
    SQLFreeHandle(SQL_HANDLE_ENV, environment_);
    throw;
  }
}

Session::~Session() {
  SQLFreeHandle(SQL_HANDLE_STMT, statement_);
  SQLDisconnect(connection_);
  SQLFreeHandle(SQL_HANDLE_DBC, connection_);
  SQLFreeHandle(SQL_HANDLE_ENV, environment_);
}

void Session::check(SQLRETURN code, const char* what) {
  if (SQL_SUCCEEDED(code) || code == SQL_NO_DATA) {
    return;
  }
  const bool has_statement = statement_ != SQL_NULL_HSTMT;
  std::string text = what;
  int number = 0;
  for (SQLSMALLINT record = 1;; ++record) {
    SQLCHAR state[6] = {};
    SQLINTEGER native = 0;
    SQLCHAR message[1024] = {};
    SQLSMALLINT length = 0;
    const SQLSMALLINT kind = has_statement ? SQL_HANDLE_STMT : SQL_HANDLE_DBC;
    const SQLHANDLE handle = has_statement ? statement_ : connection_;
    if (!SQL_SUCCEEDED(SQLGetDiagRec(kind, handle, record, state, &native, message, sizeof(message),
                                     &length))) {
      break;
    }
    number = number == 0 ? native : number;
    text += std::string(": ") + reinterpret_cast<char*>(state) + " " + std::to_string(native) +
            " " + reinterpret_cast<char*>(message);
  }
  throw ClientError(text, number);
}

void Session::execute(const std::string& sql) {
  std::string text = sql;
  check(SQLExecDirect(statement_, reinterpret_cast<SQLCHAR*>(text.data()), SQL_NTS), sql.c_str());
}

void Session::run(const std::string& sql) {
  execute(sql);
  SQLRETURN code = SQL_SUCCESS;
  while ((code = SQLMoreResults(statement_)) != SQL_NO_DATA) {
    check(code, "more results");
  }
  close();
}

void Session::prepare(const std::string& sql) {
  std::string text = sql;
  check(SQLPrepare(statement_, reinterpret_cast<SQLCHAR*>(text.data()), SQL_NTS), sql.c_str());
}

void Session::execute_prepared() { check(SQLExecute(statement_), "execute"); }

bool Session::fetch() {
  const SQLRETURN code = SQLFetch(statement_);
  check(code, "fetch");
  return code != SQL_NO_DATA;
}

void Session::close() { SQLFreeStmt(statement_, SQL_CLOSE); }

void Session::bind(SQLUSMALLINT place, const TypeCase& type, const std::string& text,
                   bool is_null) {
  Binding binding = binding_of(type, text, is_freetds_);
  const auto length = static_cast<SQLLEN>(binding.bytes.size());
  bound_.push_back({std::move(binding.bytes), std::make_unique<SQLLEN>(length)});
  Bound& kept = bound_.back();
  if (is_null) {
    *kept.length = SQL_NULL_DATA;
  }
  check(
      SQLBindParameter(statement_, place, SQL_PARAM_INPUT, binding.c_type, binding.sql_type,
                       binding.size, binding.digits, kept.bytes.data(), length, kept.length.get()),
      "bind");
}

void Session::bind_int(SQLUSMALLINT place, int value) {
  bind(place, {"int", "int", "integer", {}}, std::to_string(value), false);
}

void Session::bind_bytes(SQLUSMALLINT place, const std::string& hex) {
  bind(place, {"varbinary", "varbinary(50)", "bytes", {}}, hex, false);
}

void Session::unbind() {
  SQLFreeStmt(statement_, SQL_RESET_PARAMS);
  bound_.clear();
}

std::string Session::value(SQLUSMALLINT column, const std::string& key, const std::string& kind) {
  SQLLEN length = 0;
  const auto fixed = [&](SQLSMALLINT c_type, void* into, size_t size) {
    check(SQLGetData(statement_, column, c_type, into, static_cast<SQLLEN>(size), &length), "get");
  };
  if (kind == "single") {
    float number = 0;
    fixed(SQL_C_FLOAT, &number, sizeof(number));
    return length == SQL_NULL_DATA ? "NULL" : number_text("%.9g", static_cast<double>(number));
  }
  if (kind == "double") {
    double number = 0;
    fixed(SQL_C_DOUBLE, &number, sizeof(number));
    return length == SQL_NULL_DATA ? "NULL" : number_text("%.17g", number);
  }
  if (key == "datetime" || key == "smalldatetime" || key.starts_with("datetime2")) {
    SQL_TIMESTAMP_STRUCT at = {};
    fixed(SQL_C_TYPE_TIMESTAMP, &at, sizeof(at));
    return length == SQL_NULL_DATA ? "NULL" : timestamp_text(at);
  }
  if (key == "date") {
    SQL_DATE_STRUCT date = {};
    fixed(SQL_C_TYPE_DATE, &date, sizeof(date));
    char text[32];
    std::snprintf(text, sizeof(text), "%04d-%02u-%02u", date.year, date.month, date.day);
    return length == SQL_NULL_DATA ? "NULL" : text;
  }
  const bool is_wide = kind == "text";
  const SQLSMALLINT c_type = is_wide           ? static_cast<SQLSMALLINT>(SQL_C_WCHAR)
                             : kind == "bytes" ? static_cast<SQLSMALLINT>(SQL_C_BINARY)
                                               : static_cast<SQLSMALLINT>(SQL_C_CHAR);
  const size_t terminator = is_wide ? 2 : kind == "bytes" ? 0 : 1;
  std::string bytes;
  char part[32 * 1024];
  for (;;) {
    const SQLRETURN code = SQLGetData(statement_, column, c_type, part, sizeof(part), &length);
    check(code, "get");
    if (length == SQL_NULL_DATA) {
      return "NULL";
    }
    if (code == SQL_NO_DATA) {
      break;
    }
    const bool is_cut = length == SQL_NO_TOTAL || length > static_cast<SQLLEN>(sizeof(part)) -
                                                               static_cast<SQLLEN>(terminator);
    bytes.append(part, is_cut ? sizeof(part) - terminator : static_cast<size_t>(length));
    if (code == SQL_SUCCESS) {
      break;
    }
  }
  if (is_wide) {
    std::u16string wide(bytes.size() / 2, u'\0');
    std::memcpy(wide.data(), bytes.data(), wide.size() * 2);
    return to_utf8(wide);
  }
  if (key.starts_with("datetimeoffset") && bytes.find('-') < 4) {
    bytes.insert(0, 4 - bytes.find('-'), '0');  // FreeTDS writes the year 1 as "1"
  }
  return kind == "bytes" ? hex_of(bytes) : bytes;
}

std::string Session::list(const std::string& sql) {
  execute(sql);
  std::string joined;
  for (bool is_first = true; fetch(); is_first = false) {
    joined += (is_first ? "" : ",") + text(1);
  }
  close();
  return joined;
}

void Session::set_autocommit(bool on) {
  const SQLULEN value = on ? SQL_AUTOCOMMIT_ON : SQL_AUTOCOMMIT_OFF;
  check(SQLSetConnectAttr(connection_, SQL_ATTR_AUTOCOMMIT, reinterpret_cast<SQLPOINTER>(value), 0),
        "autocommit");
}

void Session::end_transaction(bool commit) {
  check(SQLEndTran(SQL_HANDLE_DBC, connection_, commit ? SQL_COMMIT : SQL_ROLLBACK), "end");
}

}  // namespace dstream::standin::clients
