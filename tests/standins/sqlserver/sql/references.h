// Foreign keys seen from the table they refer to, and what they do to the rows that hold them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/standins/sqlserver/sql/catalog.h"
#include "tests/standins/sqlserver/sql/error.h"

namespace dstream::standin::sql {

// A foreign key that refers to a table, and the columns of that table it refers to.
struct Reference {
  TablePtr child;
  DefinitionPtr definition;  // the child's; owns `key`
  const ForeignKey* key = nullptr;
  std::vector<size_t> columns;
};

// A row whose key others may hold: as it was, and as it is. Without new values it was removed.
struct GoneRow {
  std::vector<SqlValue> old_values, new_values;
};

// The columns a foreign key refers to: named, or the primary key's. Throws 207.
std::vector<size_t> referenced_columns(const ForeignKey& key, const TableDefinition& parent);
// True if a row of `table` has these values in these columns, committed or of this transaction.
bool has_row(SqlSession* session, const TablePtr& table, const std::vector<size_t>& columns,
             const std::vector<SqlValue>& values);
SqlError foreign_key_conflict(const std::string& verb, const std::string& kind,
                              const ForeignKey& key, const std::string& database,
                              const Table& table, const std::string& column);  // 547

// "SET NULL", with the character between the words.
std::string action_name(ReferentialAction action, char between);
// Of the last foreign key of `definition`. Throws 1761 or 1762 where it may write a NULL that its
// columns do not take, and 1785 where one change would come to a table twice. `table_id` is 0 for a
// table that is being made.
void check_actions(const Database& database, int32_t table_id, const std::string& table_name,
                   const TableDefinition& definition);

}  // namespace dstream::standin::sql
