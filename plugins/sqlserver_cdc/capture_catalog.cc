#include "plugins/sqlserver_cdc/capture_catalog.h"

#include <utility>

#include "plugins/sqlserver_cdc/column_types.h"

namespace dstream::sqlserver {
namespace {

int32_t as_int(int64_t value) { return static_cast<int32_t>(value); }

}  // namespace

std::vector<CapturedTable> load_captured_tables(Connection& connection) {
  Statement statement(
      connection,
      "SELECT OBJECT_SCHEMA_NAME(source_object_id), OBJECT_NAME(source_object_id),"
      " capture_instance, object_id, source_object_id, start_lsn,"
      " CAST(supports_net_changes AS int), role_name, index_name, filegroup_name,"
      " CAST(partition_switch AS int) FROM cdc.change_tables ORDER BY create_date, object_id",
      {}, "Reading cdc.change_tables");
  std::vector<CapturedTable> all;
  while (statement.next_row()) {
    CapturedTable row;
    int64_t object_id = 0;
    int64_t source_object_id = 0;
    int64_t flag = 0;
    // Names are NULL for tables that the login may not see.
    statement.get_text(1, &row.table.schema);
    statement.get_text(2, &row.table.table);
    statement.get_text(3, &row.instance);
    statement.get_int(4, &object_id);
    statement.get_int(5, &source_object_id);
    statement.get_lsn(6, &row.start);
    statement.get_int(7, &flag);
    row.net_changes = flag != 0;
    statement.get_text(8, &row.role);
    statement.get_text(9, &row.index);
    statement.get_text(10, &row.filegroup);
    statement.get_int(11, &flag);
    row.allows_partition_switch = flag != 0;
    row.object_id = as_int(object_id);
    row.source_object_id = as_int(source_object_id);
    all.push_back(std::move(row));
  }
  return all;
}

Definitions load_definitions(Connection& connection) {
  Statement statement(connection,
                      "SELECT object_id, MAX(ddl_lsn) FROM cdc.ddl_history GROUP BY object_id", {},
                      "Reading cdc.ddl_history");
  Definitions definitions;
  while (statement.next_row()) {
    int64_t object_id = 0;
    statement.get_int(1, &object_id);
    statement.get_lsn(2, &definitions[as_int(object_id)]);
  }
  return definitions;
}

// The type of a column is its name in cdc.captured_columns, but for an alias: that is what the
// column of the change table is made of. CLR types share a system type, and are told by their own.
CapturedColumns load_captured_columns(Connection& connection) {
  Statement statement(connection,
                      "SELECT c.object_id, c.column_name, c.column_type, c.is_computed,"
                      " TYPE_NAME(CASE WHEN t.system_type_id = 240 THEN t.user_type_id"
                      " ELSE t.system_type_id END), c.column_id,"
                      " CONVERT(int, COLLATIONPROPERTY(t.collation_name, 'CodePage'))"
                      " FROM cdc.captured_columns c LEFT JOIN sys.columns t"
                      " ON t.object_id = c.object_id AND t.name = c.column_name"
                      " ORDER BY c.object_id, c.column_ordinal",
                      {}, "Reading cdc.captured_columns");
  CapturedColumns columns;
  while (statement.next_row()) {
    int64_t object_id = 0;
    int64_t computed = 0;
    DeclaredColumn column;
    statement.get_int(1, &object_id);
    statement.get_text(2, &column.name);
    statement.get_text(3, &column.type);
    statement.get_int(4, &computed);
    column.computed = computed != 0;
    if (std::string base; !is_type_name(column.type) && statement.get_text(5, &base)) {
      column.type = std::move(base);
    }
    int64_t id = 0;
    statement.get_int(6, &id);
    column.id = as_int(id);
    statement.get_int(7, &column.code_page);
    columns[as_int(object_id)].push_back(std::move(column));
  }
  return columns;
}

CapturedKeys load_captured_keys(Connection& connection) {
  Statement statement(connection,
                      "SELECT object_id, column_name FROM cdc.index_columns"
                      " ORDER BY object_id, index_ordinal",
                      {}, "Reading cdc.index_columns");
  CapturedKeys keys;
  while (statement.next_row()) {
    int64_t object_id = 0;
    std::string name;
    statement.get_int(1, &object_id);
    statement.get_text(2, &name);
    keys[as_int(object_id)].push_back(std::move(name));
  }
  return keys;
}

TableColumns load_table_columns(Connection& connection) {
  Statement statement(connection,
                      "SELECT object_id, column_id, name, is_nullable, collation_name, max_length,"
                      " TYPE_NAME(system_type_id) FROM sys.columns WHERE object_id"
                      " IN (SELECT source_object_id FROM cdc.change_tables)",
                      {}, "Reading sys.columns");
  TableColumns columns;
  while (statement.next_row()) {
    int64_t object_id = 0;
    int64_t id = 0;
    int64_t nullable = 0;
    int64_t length = 0;
    std::string type;
    statement.get_int(1, &object_id);
    statement.get_int(2, &id);
    TableColumn& column = columns[as_int(object_id)][as_int(id)];
    statement.get_text(3, &column.name);
    statement.get_int(4, &nullable);
    statement.get_text(5, &column.collation);
    statement.get_int(6, &length);
    statement.get_text(7, &type);
    column.nullable = nullable != 0;
    column.large = length == -1 || type == "text" || type == "ntext" || type == "image";
  }
  return columns;
}

}  // namespace dstream::sqlserver
