// INSERT BULK: the statement names a table and its columns, the client's next message brings the
// rows. As bcp, SqlBulkCopy and their like load tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/standins/sqlserver/protocol/handler.h"
#include "tests/standins/sqlserver/sql/ast.h"
#include "tests/standins/sqlserver/sql/catalog.h"

namespace dstream::standin::sql {

class SqlSession;

struct BulkTarget {
  TablePtr table;
  std::vector<size_t> columns;  // places in the definition, in the order of the rows' values
  bool keep_nulls = false;      // else NULL becomes the column's default
};

// What an INSERT BULK announces. Throws 208 and 207.
BulkTarget bulk_target(SqlSession* session, const Statement& statement);

// Inserts the rows in one statement: all or none. Returns how many. Throws what INSERT throws, 4816
// where the rows are not those announced and 4804 where they break off.
// REQUIRES: not inside of as_statement().
int64_t load_rows(SqlSession* session, const BulkTarget& target, BulkRows& rows);

}  // namespace dstream::standin::sql
