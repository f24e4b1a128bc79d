// Schemas of captured tables as records refer to them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dstream/abi.h"
#include "plugins/sqlserver_cdc/column_types.h"
#include "plugins/sqlserver_cdc/identifiers.h"

namespace dstream::sqlserver {

struct CapturedColumn {
  std::string name;
  ColumnType type;
  bool nullable = true;
  bool computed = false;  // a change table never holds its values
  bool dropped = false;   // the table no longer has it
  // In the table, where it stays when the column is renamed and is never another column's.
  int32_t column_id = 0;
  std::string collation{};  // of the table's column; empty where it has none
  // How the change table's column is read, if not as `type` says. The table's own column may have
  // another collation.
  std::optional<ColumnType> sent{};
};

// What a capture instance captures.
struct TableDescription {
  std::string database;
  TableName table;
  std::vector<CapturedColumn> columns;
  std::vector<uint32_t> key;  // indexes into columns, in key order; empty if there is no key

  // Columns of this kind are read row by row, behind the others.
  bool has_large() const;
};

// The schema of `description`. The same content gives the same schema and id for the life of the
// process, also after a reconnect; schemas are never freed, since batches that the host still holds
// refer to them. [any-thread]
const dstream_schema* intern_schema(const TableDescription& description);

}  // namespace dstream::sqlserver
