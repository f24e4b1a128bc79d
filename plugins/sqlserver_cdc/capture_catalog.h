// The tables that CDC and the server keep about captured tables, row by row: what a source reads of
// them to start, and what its checks look at.
//
// Thread rule: one thread. Every load_*() throws SourceError: the login may not see it, or the
// connection is gone (Connection::dead()).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "plugins/sqlserver_cdc/connection.h"
#include "plugins/sqlserver_cdc/identifiers.h"
#include "plugins/sqlserver_cdc/lsn.h"

namespace dstream::sqlserver {

// One row of cdc.change_tables.
struct CapturedTable {
  TableName table;  // empty names: the login may not see it
  std::string instance;
  int32_t object_id = 0;         // of the change table
  int32_t source_object_id = 0;  // of the table itself
  Lsn start;                     // low end point; zero: not established yet
  bool net_changes = false;
  // "" where there is none.
  std::string role;  // gating role
  std::string index;
  std::string filegroup;
  bool allows_partition_switch = true;
};
// In the order of their creation.
std::vector<CapturedTable> load_captured_tables(Connection& connection);

// One row of cdc.captured_columns.
struct DeclaredColumn {
  int32_t id = 0;  // in the source table
  std::string name;
  // As cdc.captured_columns has it, but for an alias: that is what the column of the change table
  // is made of.
  std::string type;
  bool computed = false;
  int64_t code_page = 0;  // of its collation in the change table; 0: not known, or no text
};
// By change table, in the order of their ordinals.
using CapturedColumns = std::map<int32_t, std::vector<DeclaredColumn>>;
CapturedColumns load_captured_columns(Connection& connection);

// By change table: the columns of the index that tells its rows apart, in the order of the index.
using CapturedKeys = std::map<int32_t, std::vector<std::string>>;
CapturedKeys load_captured_keys(Connection& connection);

// By change table: the newest DDL that it has met.
using Definitions = std::map<int32_t, Lsn>;
Definitions load_definitions(Connection& connection);

// A column of a captured table as it is now. Change tables allow NULL everywhere: whether a column
// can be NULL is said here.
struct TableColumn {
  std::string name;
  bool nullable = true;
  std::string collation;  // empty where it has none
  bool large = false;     // values of up to 2 GB
};
// By source table and column id. Tables whose columns the login may not see are not there.
using TableColumns = std::map<int32_t, std::map<int32_t, TableColumn>>;
TableColumns load_table_columns(Connection& connection);

}  // namespace dstream::sqlserver
