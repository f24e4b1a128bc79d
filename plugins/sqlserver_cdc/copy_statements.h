// The statements that copy tables, as text. Texts depend on the table only, so that the server's
// plan cache holds; keys and counts are parameters.
#pragma once

#include <string>
#include <vector>

#include "plugins/sqlserver_cdc/copy_fetcher.h"
#include "plugins/sqlserver_cdc/statements.h"

namespace dstream::sqlserver {

// What is read of a table itself: the captured columns that it still has.
struct CopySource {
  std::string table;                    // quoted
  std::vector<size_t> columns;          // bound ones first, then large ones; of the description
  std::vector<std::string> names;       // what is selected, in that order; the table is `c`
  std::vector<std::string> key;         // c.[name]; empty: no chunks
  std::vector<std::string> parameters;  // one for each key column: how it is written
};

// Rows after `after` up to `upto`, each empty for "no bound", in the order of the key, then a
// result set with the number of rows sent, the server's local time, and seconds since 2000-01-01
// UTC.
std::string chunk_statement(const CopySource& source, bool after, bool upto);
std::vector<BindValue> chunk_values(const ChunkRequest& request);

// Every row, in no order.
std::string whole_statement(const CopySource& source);

// The key of the `rows`-th row after `after`.
std::string boundary_statement(const CopySource& source, bool after);
std::vector<BindValue> boundary_values(const BoundaryRequest& request);

}  // namespace dstream::sqlserver
