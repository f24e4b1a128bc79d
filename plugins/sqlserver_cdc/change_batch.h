// Builds one batch of the ABI: records, their headers and positions in one arena, and the chunks
// their values live in, released together.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "dstream/abi.h"
#include "plugins/sqlserver_cdc/change_fetcher.h"
#include "plugins/sqlserver_cdc/position.h"
#include "plugins/sqlserver_cdc/row_memory.h"
#include "plugins/sqlserver_cdc/table_cursor.h"

namespace dstream::sqlserver {

// What a record needs besides its change.
struct RecordFacts {
  const dstream_schema* schema = nullptr;
  std::string_view table_json;   // json_string of the table's name, for the position
  uint64_t transaction_seq = 0;  // order in the transaction, from 1
  uint32_t serial = 0;           // order among the rows that share commit and change LSN, from 1
  bool transaction_end = false;
  int64_t commit_time_ns = 0;
  int64_t commit_time_ms = 0;  // by the server's local clock, for the position
};

// A row that was copied from its table.
struct CopiedRow {
  const dstream_schema* schema = nullptr;
  const dstream_value* values = nullptr;
  const ChunkPointer& chunk;
  Lsn low;                   // at least as new as every change up to here
  int64_t read_time_ns = 0;  // by the server's clock
};

// [worker]
class ChangeBatch {
 public:
  // Room for `records_max` records; `read_time_ns` goes into each.
  ChangeBatch(std::shared_ptr<SlabPool> pool, size_t records_max, int64_t read_time_ns);
  ~ChangeBatch();
  ChangeBatch(const ChangeBatch&) = delete;
  ChangeBatch& operator=(const ChangeBatch&) = delete;

  bool empty() const { return count_ == 0; }
  size_t size() const { return count_; }
  // Room for another record, and the values so far do not make the batch too large for the queue.
  bool has_room() const { return count_ < records_max_ && bytes_ < kBytesMax; }

  // Chunks of `change` stay alive with the batch. REQUIRES: has_room().
  //
  // Every record has a position as long as positions are short. Where many tables make them long,
  // only some have one, so that positions stay a small part of the batch; the last always has.
  void add(const Change& change, const RecordFacts& facts,
           const std::shared_ptr<const PositionWriter>& positions);
  // A record without a change: the position is complete up to `commit`. REQUIRES: has_room().
  void add_watermark(Lsn commit, int64_t commit_time_ms, const PositionWriter& positions);

  // Rows of a table, and the record that says that what was known of a table is void. They have no
  // position but the one finish_at() gives. REQUIRES: has_room().
  void add_copied(const CopiedRow& row);
  void add_truncate(const dstream_schema* schema);
  // From here on a table's records have `schema`: because of a statement, or of a capture instance
  // that takes over (`definition.statement` is empty then).
  void add_schema(const dstream_schema* schema, std::string_view instance,
                  const Definition& definition);
  void mark_snapshot_end() { snapshot_end_ = true; }
  // finish() with `position` on the last record, or on a watermark if there is no record.
  dstream_batch* finish_at(std::string_view position);

  // Hands the batch to the host. REQUIRES: !empty(). Nothing may be called after it.
  dstream_batch* finish();

 private:
  static constexpr size_t kBytesMax = 1 << 20;

  struct Held;       // what the host releases
  struct Unplaced {  // what the last record's position is made from, if it has none yet
    ChangeKey key;
    RecordFacts facts;
    std::shared_ptr<const PositionWriter> positions;
  };
  dstream_record& next_record();
  void set_headers(dstream_record& record, const Change& change, uint32_t serial);
  void set_position(dstream_record& record, const ChangeKey& key, const RecordFacts& facts,
                    const PositionWriter& positions);
  dstream_bytes lsn_text(Lsn lsn);
  dstream_bytes copied_text(std::string_view text);
  dstream_bytes commit_text(Lsn commit);
  void keep(const ChunkPointer& chunk);

  std::unique_ptr<Held> held_;
  dstream_record* records_ = nullptr;
  dstream_field* headers_ = nullptr;
  size_t records_max_;
  size_t count_ = 0;
  size_t bytes_ = 0;
  size_t bytes_without_position_ = 0;
  Unplaced unplaced_;
  bool snapshot_end_ = false;
  int64_t read_time_ns_;
  Lsn commit_;  // commit_text_ is its text
  dstream_bytes commit_text_{};
  CommitText position_commit_;
};

}  // namespace dstream::sqlserver
