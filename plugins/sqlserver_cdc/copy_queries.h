// Reads rows of tables for their copies, over one connection. One thread, one of the pool's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plugins/sqlserver_cdc/block_reader.h"
#include "plugins/sqlserver_cdc/catalog.h"
#include "plugins/sqlserver_cdc/connection.h"
#include "plugins/sqlserver_cdc/copy_fetcher.h"
#include "plugins/sqlserver_cdc/copy_statements.h"
#include "plugins/sqlserver_cdc/large_values.h"

namespace dstream::sqlserver {

// True if the table's rows can be asked for by its key.
bool can_copy_by_key(const TableDescription& description);
// What a key is made of, in its order: "Id int", "Code nvarchar(10) Latin1_General_CI_AS". Keys of
// different columns have different orders. Empty if rows are not copied by a key.
std::vector<std::string> key_columns(const TableDescription& description);

class CopyQueries {
 public:
  // Sets how the connection reads: row versions where the database has them, else a lock time-out.
  // Everything is borrowed and outlives the queries.
  CopyQueries(Connection& connection, const Catalog& catalog, std::shared_ptr<SlabPool> pool,
              size_t value_bytes_max);
  ~CopyQueries();

  // False: what the connection shows may be older than the request wants. That can be so on a
  // readable secondary only, where another replica may have said what is new; it gets there.
  bool has_reached(const CopyRequest& request);
  // Throws SourceError. REQUIRES: has_reached().
  CopyAnswer run(const CopyRequest& request);

  // The table without a key whose statement is open: nothing else can be asked meanwhile.
  std::optional<uint32_t> open_table() const;
  void forget_open_table();
  // Rows are locked for a moment while they are read.
  bool takes_locks() const { return takes_locks_; }

 private:
  struct OpenTable;

  ChunkAnswer chunk(const ChunkRequest& request);
  ChunkAnswer whole(const ChunkRequest& request);
  BoundaryAnswer boundary(const BoundaryRequest& request);
  EstimateAnswer estimate(const EstimateRequest& request);

  const CopySource& source_of(uint32_t table);
  CopySource describe(uint32_t table);
  // True if the result was read to its end, false if `rows` or the memory of a page were reached.
  bool read_rows(Statement& statement, BlockReader& reader, uint32_t table, size_t rows_max,
                 ChunkAnswer& answer);
  ChunkPointer decode_block(BlockReader& reader, uint32_t table, size_t rows);
  ChunkPointer decode_large_row(Statement& statement, BlockReader& reader, uint32_t table);
  std::vector<const ColumnType*> result_types(uint32_t table);
  bool has_large(uint32_t table);

  Connection& connection_;
  const Catalog& catalog_;
  std::shared_ptr<SlabPool> pool_;
  LargeValueReader large_values_;
  BlockBuffers buffers_;
  std::map<uint32_t, CopySource> sources_;
  std::map<uint32_t, size_t> row_bytes_;  // what rows took lately
  std::unique_ptr<OpenTable> open_;
  bool takes_locks_ = false;
  Lsn reach_;  // committed maximum when last asked for
};

}  // namespace dstream::sqlserver
