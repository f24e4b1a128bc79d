// The catalog procedures behind SQLTables, SQLColumns, SQLPrimaryKeys and their JDBC relatives.
#include <algorithm>

#include "tests/standins/sqlserver/sql/alter.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/interpreter.h"
#include "tests/standins/sqlserver/sql/parser.h"
#include "tests/standins/sqlserver/sql/procedures.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

using Rows = std::vector<std::vector<SqlValue>>;

SqlValue number(int64_t value) { return SqlValue::of_number(value); }
SqlValue text(std::string_view value) { return SqlValue::of_text(std::string(value)); }
SqlType small() { return make_type(TypeId::kSmallInt, {}, {}); }

bool matches(const ProcedureCall& call, size_t index, std::string_view value) {
  const std::string pattern = call.text(index);
  return pattern.empty() || like(value, pattern, 0);
}

void tables(ProcedureCall& call) {
  call.bind({"@table_name", "@table_owner", "@table_qualifier", "@table_type", "@fUsePattern"});
  const std::string types = upper_text(call.text(3));
  Rows rows;
  const auto add = [&](const std::string& schema, const std::string& name, std::string_view type) {
    if (!types.empty() && types.find("'" + std::string(type) + "'") == std::string::npos) {
      return;
    }
    if (matches(call, 0, name) && matches(call, 1, schema)) {
      rows.push_back({text(call.database.name()), text(schema), text(name), text(type), {}});
    }
  };
  for (const TablePtr& table : call.database.tables()) {
    add(table->schema(), table->name(), "TABLE");
  }
  for (const Engine::SystemObject& object : call.session.engine().system_objects(call.database)) {
    if (object.type == "U ") {
      add(object.schema, object.name, "TABLE");
    }
  }
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return std::tie(a[3].text, a[1].text, a[2].text) < std::tie(b[3].text, b[1].text, b[2].text);
  });
  send_rows(
      call,
      {view_column("TABLE_QUALIFIER", sysname_type()), view_column("TABLE_OWNER", sysname_type()),
       view_column("TABLE_NAME", sysname_type()), view_column("TABLE_TYPE", varchar_type(32)),
       view_column("REMARKS", varchar_type(254))},
      rows);
}

struct OdbcType {
  int data_type = 0;      // ODBC 3 types
  int64_t precision = 0;  // COLUMN_SIZE
  int64_t length = 0;     // BUFFER_LENGTH
  int scale = -1, radix = -1;
  int sql_type = 0, time_sub = -1;
};

// Text and binary: (max) has size 0.
OdbcType sized_type(int id, const SqlType& type) {
  OdbcType odbc;
  odbc.data_type = odbc.sql_type = id;
  const bool is_max = type.length == kMaxLength;
  odbc.precision = is_max ? 0 : type.length;
  odbc.length = is_max ? 0 : max_length_bytes(type);
  return odbc;
}

OdbcType number_type(int id, int64_t length, const SqlType& type) {
  int precision = 0, scale = 0;
  decimal_shape(type, &precision, &scale);
  return {id, precision, length, scale, 10, id, -1};
}

OdbcType time_type(int id, int64_t whole, int64_t length, int sql_type, int sub,
                   const SqlType& type) {
  const int64_t size = whole + (type.scale > 0 ? type.scale + 1 : 0);
  return {id, size, length, type.scale, -1, sql_type, sub};
}

OdbcType decimal_odbc_type(int id, const SqlType& type) {
  return number_type(id, int64_t{type.precision} + 2, type);
}

OdbcType odbc_type(const SqlType& type) {
  switch (type.id) {
    case TypeId::kBit:
      return {-7, 1, 1, -1, -1, -7, -1};
    case TypeId::kTinyInt:
      return number_type(-6, 1, type);
    case TypeId::kSmallInt:
      return number_type(5, 2, type);
    case TypeId::kInt:
      return number_type(4, 4, type);
    case TypeId::kBigInt:
      return number_type(-5, 8, type);
    case TypeId::kReal:
      return {7, 24, 4, -1, 2, 7, -1};
    case TypeId::kFloat:
      return {6, 53, 8, -1, 2, 6, -1};
    case TypeId::kDecimal:
      return decimal_odbc_type(3, type);
    case TypeId::kNumeric:
      return decimal_odbc_type(2, type);
    case TypeId::kMoney:
      return number_type(3, 21, type);
    case TypeId::kSmallMoney:
      return number_type(3, 12, type);
    case TypeId::kDate:
      return {91, 10, 20, -1, -1, 9, 1};
    case TypeId::kTime:
      return time_type(-154, 8, 32, -154, -1, type);
    case TypeId::kDateTime:
      return {93, 23, 16, 3, -1, 9, 3};
    case TypeId::kSmallDateTime:
      return {93, 16, 16, 0, -1, 9, 3};
    case TypeId::kDateTime2:
      return time_type(93, 19, 54, 9, 3, type);
    case TypeId::kDateTimeOffset:
      return time_type(-155, 26, 68, -155, -1, type);
    case TypeId::kChar:
      return sized_type(1, type);
    case TypeId::kVarChar:
      return sized_type(12, type);
    case TypeId::kText:
      return {-1, 2147483647, 2147483647, -1, -1, -1, -1};
    case TypeId::kNChar:
      return sized_type(-8, type);
    case TypeId::kNVarChar:
      return sized_type(-9, type);
    case TypeId::kNText:
      return {-10, 1073741823, 2147483646, -1, -1, -10, -1};
    case TypeId::kXml:
      return {-152, 0, 0, -1, -1, -152, -1};
    case TypeId::kBinary:
      return sized_type(-2, type);
    case TypeId::kRowVersion:
      return {-2, 8, 8, -1, -1, -2, -1};
    case TypeId::kVarBinary:
      return sized_type(-3, type);
    case TypeId::kImage:
      return {-4, 2147483647, 2147483647, -1, -1, -4, -1};
    case TypeId::kUniqueIdentifier:
      return {-11, 36, 16, -1, -1, -11, -1};
    case TypeId::kHierarchyId:
      return {-151, 892, 892, -1, -1, -151, -1};
    case TypeId::kGeography:
    case TypeId::kGeometry:
      return {-151, 0, 0, -1, -1, -151, -1};
    default:
      return {-150, 8000, 8000, -1, -1, -150, -1};
  }
}

SqlValue optional_number(int64_t value) { return value < 0 ? SqlValue{} : number(value); }

std::vector<SqlValue> column_row(const Database& database, const std::string& schema,
                                 const std::string& table, const std::string& name, int64_t ordinal,
                                 const SqlType& type, const Column* column) {
  const OdbcType odbc = odbc_type(type);
  const bool identity = column != nullptr && column->identity;
  const Family family = family_of(type.id);
  const bool has_octets = family == Family::kText || family == Family::kBytes;
  const bool has_default = column != nullptr && !column->default_text.empty();
  const std::string alias = column == nullptr ? "" : alias_name(database, column->user_type_id);
  const std::string type_text = alias.empty() ? std::string(type_name(type.id)) : alias;
  return {text(database.name()),
          text(schema),
          text(table),
          text(name),
          number(odbc.data_type),
          text(type_text + (identity ? " identity" : "")),
          number(odbc.precision),
          number(odbc.length),
          optional_number(odbc.scale),
          optional_number(odbc.radix),
          number(type.nullable ? 1 : 0),
          {},
          has_default ? text("(" + column->default_text + ")") : SqlValue{},
          number(odbc.sql_type),
          optional_number(odbc.time_sub),
          has_octets ? number(odbc.length) : SqlValue{},
          number(ordinal),
          text(type.nullable ? "YES" : "NO"),
          number(system_type_id(type.id) & 0x7F)};
}

std::vector<ResultColumn> columns_result() {
  const SqlType name = sysname_type();
  return {view_column("TABLE_QUALIFIER", name),
          view_column("TABLE_OWNER", name),
          view_column("TABLE_NAME", name, false),
          view_column("COLUMN_NAME", name, false),
          view_column("DATA_TYPE", small(), false),
          view_column("TYPE_NAME", name, false),
          view_column("PRECISION", int_type()),
          view_column("LENGTH", int_type()),
          view_column("SCALE", small()),
          view_column("RADIX", small()),
          view_column("NULLABLE", small(), false),
          view_column("REMARKS", varchar_type(254)),
          view_column("COLUMN_DEF", nvarchar_type(4000)),
          view_column("SQL_DATA_TYPE", small(), false),
          view_column("SQL_DATETIME_SUB", small()),
          view_column("CHAR_OCTET_LENGTH", int_type()),
          view_column("ORDINAL_POSITION", int_type(), false),
          view_column("IS_NULLABLE", varchar_type(254)),
          view_column("SS_DATA_TYPE", make_type(TypeId::kTinyInt, {}, {}), false)};
}

Rows all_columns(ProcedureCall& call) {
  Rows rows;
  const Database& database = call.database;
  for (const TablePtr& table : call.database.tables()) {
    if (!matches(call, 0, table->name()) || !matches(call, 1, table->schema())) {
      continue;
    }
    int64_t ordinal = 0;
    for (const Column& column : table->definition()->columns) {
      ++ordinal;
      if (matches(call, 3, column.name)) {
        rows.push_back(column_row(database, table->schema(), table->name(), column.name, ordinal,
                                  column.type, &column));
      }
    }
  }
  for (const Engine::SystemObject& object : call.session.engine().system_objects(call.database)) {
    int64_t ordinal = 0;
    for (const ResultColumn& column : object.columns) {
      ++ordinal;
      if (matches(call, 0, object.name) && matches(call, 1, object.schema) &&
          matches(call, 3, column.name)) {
        rows.push_back(column_row(database, object.schema, object.name, column.name, ordinal,
                                  column.type, nullptr));
      }
    }
  }
  return rows;
}

void columns(ProcedureCall& call) {
  call.bind({"@table_name", "@table_owner", "@table_qualifier", "@column_name", "@ODBCVer",
             "@fUsePattern"});
  send_rows(call, columns_result(), all_columns(call));
}

// As sp_columns, with what newer drivers ask for behind it.
void columns_100(ProcedureCall& call) {
  call.bind({"@table_name", "@table_owner", "@table_qualifier", "@column_name", "@NameScope",
             "@ODBCVer", "@fUsePattern"});
  std::vector<ResultColumn> result = columns_result();
  const ResultColumn last = result.back();
  result.pop_back();
  const SqlType name = sysname_type();
  for (const char* flag :
       {"SS_IS_SPARSE", "SS_IS_COLUMN_SET", "SS_IS_COMPUTED", "SS_IS_IDENTITY"}) {
    result.push_back(view_column(flag, small()));
  }
  for (const char* part : {"SS_UDT_CATALOG_NAME", "SS_UDT_SCHEMA_NAME", "SS_UDT_ASSEMBLY_TYPE_NAME",
                           "SS_XML_SCHEMACOLLECTION_CATALOG_NAME",
                           "SS_XML_SCHEMACOLLECTION_SCHEMA_NAME", "SS_XML_SCHEMACOLLECTION_NAME"}) {
    result.push_back(view_column(part, name));
  }
  result.push_back(last);
  Rows rows = all_columns(call);
  for (auto& row : rows) {
    const SqlValue type = row.back();
    row.pop_back();
    const bool identity = row[5].text.find("identity") != std::string::npos;
    for (const int64_t value : {0, 0, 0, identity ? 1 : 0}) {
      row.push_back(number(value));
    }
    row.resize(row.size() + 6);
    row.push_back(type);
  }
  send_rows(call, result, rows);
}

void primary_keys(ProcedureCall& call) {
  call.bind({"@table_name", "@table_owner", "@table_qualifier"});
  Rows rows;
  for (const TablePtr& table : call.database.tables()) {
    const DefinitionPtr definition = table->definition();
    const Index* key = definition->primary_key();
    if (key == nullptr || !matches(call, 0, table->name()) || !matches(call, 1, table->schema())) {
      continue;
    }
    int64_t sequence = 0;
    for (const Index::Part& part : key->parts) {
      rows.push_back({text(call.database.name()), text(table->schema()), text(table->name()),
                      text(definition->columns[part.column].name), number(++sequence),
                      text(key->name)});
    }
  }
  const SqlType name = sysname_type();
  send_rows(call,
            {view_column("TABLE_QUALIFIER", name), view_column("TABLE_OWNER", name),
             view_column("TABLE_NAME", name, false), view_column("COLUMN_NAME", name, false),
             view_column("KEY_SEQ", small(), false), view_column("PK_NAME", name)},
            rows);
}

void statistics(ProcedureCall& call) {
  call.bind({"@table_name", "@table_owner", "@table_qualifier", "@index_name", "@is_unique",
             "@accuracy"});
  Rows rows;
  for (const TablePtr& table : call.database.tables()) {
    if (!matches(call, 0, table->name()) || !matches(call, 1, table->schema())) {
      continue;
    }
    const DefinitionPtr definition = table->definition();
    for (const Index& index : definition->indexes) {
      if (upper_text(call.text(4)) == "Y" && !index.unique) {
        continue;
      }
      int64_t sequence = 0;
      for (const Index::Part& part : index.parts) {
        rows.push_back({text(call.database.name()),
                        text(table->schema()),
                        text(table->name()),
                        number(index.unique ? 0 : 1),
                        text(table->name()),
                        text(index.name),
                        number(index.clustered ? 1 : 3),
                        number(++sequence),
                        text(definition->columns[part.column].name),
                        text(part.descending ? "D" : "A"),
                        {},
                        {},
                        {}});
      }
    }
  }
  const SqlType name = sysname_type();
  send_rows(
      call,
      {view_column("TABLE_QUALIFIER", name), view_column("TABLE_OWNER", name),
       view_column("TABLE_NAME", name, false), view_column("NON_UNIQUE", small()),
       view_column("INDEX_QUALIFIER", name), view_column("INDEX_NAME", name),
       view_column("TYPE", small(), false), view_column("SEQ_IN_INDEX", small()),
       view_column("COLUMN_NAME", name), view_column("COLLATION", make_type(TypeId::kChar, 1, {})),
       view_column("CARDINALITY", int_type()), view_column("PAGES", int_type()),
       view_column("FILTER_CONDITION", varchar_type(128))},
      rows);
}

void rename(ProcedureCall& call) {
  call.bind({"@objname", "@newname", "@objtype"});
  const Name name = parse_name(call.text(0));
  const std::string type = upper_text(call.text(2));
  const std::string to = call.text(1);
  as_statement(&call.session, [&] {
    if (type == "COLUMN") {
      Name table_name = name;
      table_name.parts.pop_back();
      const TablePtr table = table_name.empty() ? nullptr : call.session.find_table(table_name);
      if (table == nullptr || !call.session.may(Permission::kAlter, *table)) {
        throw SqlError(15248, 11, 1,
                       "Either the parameter @objname is ambiguous or the claimed "
                       "@objtype (COLUMN) is wrong.");
      }
      rename_column(&call.session, table, name.last(), to,
                    "EXEC sp_rename N'" + call.text(0) + "', N'" + to + "', 'COLUMN'");
      return;
    }
    const TablePtr table = call.session.find_table(name);
    if (table == nullptr || (!type.empty() && type != "OBJECT") ||
        !call.session.may(Permission::kAlter, *table)) {
      throw SqlError(15225, 11, 1,
                     "No item by the name of '" + call.text(0) +
                         "' could be found in the current database '" + call.database.name() +
                         "', given that @itemtype was input "
                         "as '" +
                         call.text(2) + "'.");
    }
    call.session.lock_table(table, TableLock::kExclusive);
    const std::string from = table->name();
    call.database.rename_table(table, to);
    call.session.engine().table_changed(table, false);
    call.session.statement_transaction().on_rollback(
        &call.database,
        [database = &call.database, table, from] { database->rename_table(table, from); });
  });
}

void reset_connection(ProcedureCall& call) { static_cast<void>(call); }

}  // namespace

void add_catalog_procedures(Engine* engine) {
  engine->add_procedure("sys.sp_tables", tables);
  for (const char* name : {"sys.sp_columns", "sys.sp_columns_90"}) {
    engine->add_procedure(name, columns);
  }
  engine->add_procedure("sys.sp_columns_100", columns_100);
  engine->add_procedure("sys.sp_pkeys", primary_keys);
  for (const char* name : {"sys.sp_statistics", "sys.sp_statistics_100"}) {
    engine->add_procedure(name, statistics);
  }
  add_datatype_info(engine);
  engine->add_procedure("sys.sp_rename", rename);
  engine->add_procedure("sys.sp_reset_connection", reset_connection);
}

}  // namespace dstream::standin::sql
