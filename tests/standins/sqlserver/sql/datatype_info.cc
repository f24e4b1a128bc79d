// sp_datatype_info: what types there are, as SQLGetTypeInfo() and DatabaseMetaData.getTypeInfo()
// show them. Poco's ODBC session asks for it at every connect and needs rows.
#include <array>
#include <string_view>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/procedures.h"

namespace dstream::standin::sql {
namespace {

constexpr int kNone = -32768;  // NULL

// A row of the result, with the numbers of ODBC 3.
struct TypeRow {
  std::string_view name;
  int data_type;
  int64_t precision;
  std::string_view prefix, suffix, parameters;
  int nullable, case_sensitive, searchable, is_unsigned, money, auto_increment;
  int scale_least, scale_most;
  int sql_type, time_sub, radix, user_type;
};

constexpr std::array kTypes = {
    TypeRow{"datetimeoffset", -155, 34, "'", "'", "scale", 1, 0, 3, kNone, 0, kNone, 0, 7, -155, 0,
            kNone, 0},
    TypeRow{"time", -154, 16, "'", "'", "scale", 1, 0, 3, kNone, 0, kNone, 0, 7, -154, 0, kNone, 0},
    TypeRow{"xml", -152, 0, "N'", "'", "", 1, 1, 0, kNone, 0, kNone, kNone, kNone, -152, kNone,
            kNone, 0},
    TypeRow{"sql_variant", -150, 8000, "", "", "", 1, 0, 2, kNone, 0, kNone, 0, 0, -150, kNone, 10,
            39},
    TypeRow{"uniqueidentifier", -11, 36, "'", "'", "", 1, 0, 2, kNone, 0, kNone, kNone, kNone, -11,
            kNone, kNone, 37},
    TypeRow{"ntext", -10, 1073741823, "N'", "'", "", 1, 0, 1, kNone, 0, kNone, kNone, kNone, -10,
            kNone, kNone, 0},
    TypeRow{"nvarchar", -9, 4000, "N'", "'", "max length", 1, 0, 3, kNone, 0, kNone, kNone, kNone,
            -9, kNone, kNone, 0},
    TypeRow{"sysname", -9, 128, "N'", "'", "", 0, 0, 3, kNone, 0, kNone, kNone, kNone, -9, kNone,
            kNone, 18},
    TypeRow{"nchar", -8, 4000, "N'", "'", "length", 1, 0, 3, kNone, 0, kNone, kNone, kNone, -8,
            kNone, kNone, 0},
    TypeRow{"bit", -7, 1, "", "", "", 1, 0, 2, kNone, 0, kNone, 0, 0, -7, kNone, kNone, 16},
    TypeRow{"tinyint", -6, 3, "", "", "", 1, 0, 2, 1, 0, 0, 0, 0, -6, kNone, 10, 5},
    TypeRow{"tinyint identity", -6, 3, "", "", "", 0, 0, 2, 1, 0, 1, 0, 0, -6, kNone, 10, 5},
    TypeRow{"bigint", -5, 19, "", "", "", 1, 0, 2, 0, 0, 0, 0, 0, -5, kNone, 10, 0},
    TypeRow{"bigint identity", -5, 19, "", "", "", 0, 0, 2, 0, 0, 1, 0, 0, -5, kNone, 10, 0},
    TypeRow{"image", -4, 2147483647, "0x", "", "", 1, 0, 0, kNone, 0, kNone, kNone, kNone, -4,
            kNone, kNone, 20},
    TypeRow{"varbinary", -3, 8000, "0x", "", "max length", 1, 0, 2, kNone, 0, kNone, kNone, kNone,
            -3, kNone, kNone, 4},
    TypeRow{"binary", -2, 8000, "0x", "", "length", 1, 0, 2, kNone, 0, kNone, kNone, kNone, -2,
            kNone, kNone, 3},
    TypeRow{"timestamp", -2, 8, "0x", "", "", 0, 0, 2, kNone, 0, kNone, kNone, kNone, -2, kNone,
            kNone, 80},
    TypeRow{"text", -1, 2147483647, "'", "'", "", 1, 0, 1, kNone, 0, kNone, kNone, kNone, -1, kNone,
            kNone, 19},
    TypeRow{"char", 1, 8000, "'", "'", "length", 1, 0, 3, kNone, 0, kNone, kNone, kNone, 1, kNone,
            kNone, 1},
    TypeRow{"numeric", 2, 38, "", "", "precision,scale", 1, 0, 2, 0, 0, 0, 0, 38, 2, kNone, 10, 10},
    TypeRow{"numeric() identity", 2, 38, "", "", "precision", 0, 0, 2, 0, 0, 1, 0, 0, 2, kNone, 10,
            10},
    TypeRow{"decimal", 3, 38, "", "", "precision,scale", 1, 0, 2, 0, 0, 0, 0, 38, 3, kNone, 10, 24},
    TypeRow{"money", 3, 19, "$", "", "", 1, 0, 2, 0, 1, 0, 4, 4, 3, kNone, 10, 11},
    TypeRow{"smallmoney", 3, 10, "$", "", "", 1, 0, 2, 0, 1, 0, 4, 4, 3, kNone, 10, 21},
    TypeRow{"decimal() identity", 3, 38, "", "", "precision", 0, 0, 2, 0, 0, 1, 0, 0, 3, kNone, 10,
            24},
    TypeRow{"int", 4, 10, "", "", "", 1, 0, 2, 0, 0, 0, 0, 0, 4, kNone, 10, 7},
    TypeRow{"int identity", 4, 10, "", "", "", 0, 0, 2, 0, 0, 1, 0, 0, 4, kNone, 10, 7},
    TypeRow{"smallint", 5, 5, "", "", "", 1, 0, 2, 0, 0, 0, 0, 0, 5, kNone, 10, 6},
    TypeRow{"smallint identity", 5, 5, "", "", "", 0, 0, 2, 0, 0, 1, 0, 0, 5, kNone, 10, 6},
    TypeRow{"float", 6, 53, "", "", "", 1, 0, 2, 0, 0, 0, kNone, kNone, 6, kNone, 2, 8},
    TypeRow{"real", 7, 24, "", "", "", 1, 0, 2, 0, 0, 0, kNone, kNone, 7, kNone, 2, 23},
    TypeRow{"varchar", 12, 8000, "'", "'", "max length", 1, 0, 3, kNone, 0, kNone, kNone, kNone, 12,
            kNone, kNone, 2},
    TypeRow{"date", 91, 10, "'", "'", "", 1, 0, 3, kNone, 0, kNone, kNone, 0, 9, 1, kNone, 0},
    TypeRow{"datetime2", 93, 27, "'", "'", "scale", 1, 0, 3, kNone, 0, kNone, 0, 7, 9, 3, kNone, 0},
    TypeRow{"datetime", 93, 23, "'", "'", "", 1, 0, 3, kNone, 0, kNone, 3, 3, 9, 3, kNone, 12},
    TypeRow{"smalldatetime", 93, 16, "'", "'", "", 1, 0, 3, kNone, 0, kNone, 0, 0, 9, 3, kNone, 22},
};

// ODBC 2 numbers its dates otherwise.
int data_type_of(const TypeRow& type, int64_t odbc_version) {
  const bool old = odbc_version < 3;
  return old && type.data_type == 91 ? 9 : old && type.data_type == 93 ? 11 : type.data_type;
}

void datatype_info(ProcedureCall& call) {
  call.bind({"@data_type", "@ODBCVer"});
  const int64_t wanted = call.number(0, 0);
  const int64_t odbc_version = call.number(1, 2);
  const auto number = [](int64_t value) {
    return value == kNone ? SqlValue{} : SqlValue::of_number(value);
  };
  const auto text = [](std::string_view value) {
    return value.empty() ? SqlValue{} : SqlValue::of_text(std::string(value));
  };
  std::vector<std::vector<SqlValue>> rows;
  for (const TypeRow& type : kTypes) {
    const int data_type = data_type_of(type, odbc_version);
    if (wanted != 0 && wanted != data_type) {
      continue;
    }
    rows.push_back({text(type.name),
                    number(data_type),
                    number(type.precision),
                    text(type.prefix),
                    text(type.suffix),
                    text(type.parameters),
                    number(type.nullable),
                    number(type.case_sensitive),
                    number(type.searchable),
                    number(type.is_unsigned),
                    number(type.money),
                    number(type.auto_increment),
                    text(type.name),
                    number(type.scale_least),
                    number(type.scale_most),
                    number(type.sql_type),
                    number(type.time_sub),
                    number(type.radix),
                    {},
                    number(type.user_type)});
  }
  const SqlType small = make_type(TypeId::kSmallInt, {}, {});
  const SqlType words = varchar_type(32);
  send_rows(call,
            {view_column("TYPE_NAME", sysname_type(), false),
             view_column("DATA_TYPE", small, false),
             view_column("PRECISION", int_type()),
             view_column("LITERAL_PREFIX", words),
             view_column("LITERAL_SUFFIX", words),
             view_column("CREATE_PARAMS", words),
             view_column("NULLABLE", small, false),
             view_column("CASE_SENSITIVE", small, false),
             view_column("SEARCHABLE", small, false),
             view_column("UNSIGNED_ATTRIBUTE", small),
             view_column("MONEY", small, false),
             view_column("AUTO_INCREMENT", small),
             view_column("LOCAL_TYPE_NAME", sysname_type()),
             view_column("MINIMUM_SCALE", small),
             view_column("MAXIMUM_SCALE", small),
             view_column("SQL_DATA_TYPE", small, false),
             view_column("SQL_DATETIME_SUB", small),
             view_column("NUM_PREC_RADIX", int_type()),
             view_column("INTERVAL_PRECISION", small),
             view_column("USERTYPE", small)},
            rows);
}

}  // namespace

void add_datatype_info(Engine* engine) {
  for (const char* name :
       {"sys.sp_datatype_info", "sys.sp_datatype_info_90", "sys.sp_datatype_info_100"}) {
    engine->add_procedure(name, datatype_info);
  }
}

}  // namespace dstream::standin::sql
