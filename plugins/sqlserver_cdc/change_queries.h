// Answers the stream's requests from a connection. One thread, one of the fetcher's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plugins/sqlserver_cdc/block_reader.h"
#include "plugins/sqlserver_cdc/catalog.h"
#include "plugins/sqlserver_cdc/change_fetcher.h"
#include "plugins/sqlserver_cdc/connection.h"
#include "plugins/sqlserver_cdc/instances.h"
#include "plugins/sqlserver_cdc/large_values.h"

namespace dstream::sqlserver {

// The columns of the key, at the beginning of a page's rows.
struct KeyColumns {
  KeyColumns(const BlockReader& reader, const CaptureInstance& instance)
      : has_command(instance.has_command_id),
        commit(reader.column(0)),
        command(has_command ? reader.column(1) : FetchedColumn{}),
        sequence(reader.column(count() - 2)),
        operation(reader.column(count() - 1)),
        table(instance.description.table.text()) {}
  size_t count() const { return has_command ? 4 : 3; }

  bool has_command;
  FetchedColumn commit, command, sequence, operation;
  std::string table;  // for messages
};

// What the bound columns of a page are, in order.
std::vector<const ColumnType*> result_columns(const CaptureInstance& instance);

[[noreturn]] void refuse_dropped(const CaptureInstance& instance);

// What is asked with every page, after its rows.
struct InstanceState {
  Lsn low;      // low end point
  Lsn altered;  // newest DDL that altered the change table; zero: none
};

class ChangeQueries {
 public:
  // `groups` are ChangeStream::groups(), for probes. Connections of one server share what is
  // learned of its masks. Everything is borrowed and outlives the queries.
  ChangeQueries(
      Connection& connection, const Catalog& catalog, std::vector<std::vector<uint32_t>> groups,
      std::shared_ptr<SlabPool> pool, size_t value_bytes_max,
      std::shared_ptr<MaskOrderLearner> mask_order = std::make_shared<MaskOrderLearner>());

  // Throws SourceError. DATA_LOSS: cleanup has removed changes that were not read.
  FetchAnswer run(const FetchRequest& request);

 private:
  ProbeAnswer probe(const ProbeRequest& request);
  void read_bounds(Statement& statement, ProbeAnswer& answer);
  // How many rows there were: one for each table that was asked for.
  size_t read_newest(Statement& statement, ProbeAnswer& answer);
  // definition_queries.cc: what the instances of a group have become.
  void read_definitions(Statement& statement, ProbeAnswer& answer);
  void read_instances(Statement& statement, ProbeAnswer& answer);
  void note_instances(std::vector<InstanceRow> rows);
  void read_names(Statement& statement, ProbeAnswer& answer);
  void ask_definitions(const ProbeRequest& request, ProbeAnswer& answer);
  PageAnswer page(const PageRequest& asked);
  TimesAnswer times(const TimesRequest& request);
  SettleAnswer has_settled(const SettleRequest& request);
  ScanAnswer scans();

  void read_rows(Statement& statement, const CatalogTable& table, const PageRequest& request,
                 PageAnswer& answer);
  ChunkPointer decode_block(BlockReader& reader, const CatalogTable& table, size_t rows,
                            const PageRequest& request, ChangeKey& last);
  // Throws FATAL unless the key of a fetched row follows *last, which it becomes.
  static ChangeKey next_key(const KeyColumns& columns, size_t row, const PageRequest& request,
                            ChangeKey* last);
  // Rows of a table with large values that a page has room for, by what they took lately: what is
  // sent beyond that would be thrown away.
  uint32_t large_rows_max(const PageRequest& asked) const;
  // large_rows.cc: tables with values of no fixed size, row by row. False if the page holds so much
  // memory that it ends before the result does.
  bool read_large_rows(Statement& statement, const CatalogTable& table, const PageRequest& request,
                       PageAnswer& answer);
  // `expected` are the bytes of values that the chunk has room for at first.
  ChunkPointer decode_large_rows(Statement& statement, BlockReader& reader,
                                 const CatalogTable& table, const PageRequest& request,
                                 size_t expected, ChangeKey& last, bool* more);
  // What the server's own function takes for the first byte of an update mask.
  void ask_mask_order();
  // Asked for by itself where the page's own statement was not read to its end.
  InstanceState instance_state(const CaptureInstance& instance);
  std::vector<TransactionTime> read_times(Statement& statement, size_t expected);
  // In ns since 1970 UTC, from the server's local time.
  int64_t utc_ns(const SQL_TIMESTAMP_STRUCT& local) const;
  // Throws DATA_LOSS unless nothing between `complete` and `low` can have existed.
  void check_gap(const CatalogTable& table, const ChangeKey& complete, Lsn low);

  Connection& connection_;
  const Catalog& catalog_;
  std::vector<std::vector<uint32_t>> groups_;
  std::vector<std::string> probe_statements_;  // by group
  std::vector<size_t> row_bytes_;              // by table: what rows took lately
  std::vector<InstanceRow> instances_;         // as the last probe found them
  // By table, of `instances_`; nothing where its instance is not among them.
  std::vector<std::optional<InstanceBounds>> bounds_;
  std::shared_ptr<SlabPool> pool_;
  BlockBuffers buffers_;
  LargeValueReader large_values_;
  const std::shared_ptr<MaskOrderLearner> mask_order_;
  int64_t server_offset_minutes_ = 0;
};

}  // namespace dstream::sqlserver
