// Copies tables chunk by chunk, beside the stream of changes: what to ask for, and which rows leave
// next. Why it is right: docs/design/004-snapshot.md.
//
// The stream calls: it knows up to which LSN changes may have left (the low fence of whatever is
// asked for now), and lets no later change leave while is_behind() says that chunks from before are
// still to come.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plugins/sqlserver_cdc/change_batch.h"
#include "plugins/sqlserver_cdc/copy_fetcher.h"
#include "plugins/sqlserver_cdc/position.h"
#include "plugins/sqlserver_cdc/stop_signal.h"

namespace dstream::sqlserver {

// What is known of a table that may be copied. The index is that of the stream's tables.
struct CopyTable {
  TableName name;
  const dstream_schema* schema = nullptr;
  bool has_key = false;            // can be read in chunks
  size_t row_bytes = 0;            // first guess at what a row holds in memory
  std::vector<std::string> key{};  // what it is copied by, see key_columns()
};

struct CopySettings {
  uint32_t chunk_rows = 10000;
  size_t read_ahead_bytes = 16 << 20;
  uint32_t connections = 3;
};

// For status and metrics.
struct CopyProgress {
  uint32_t tables_left = 0;    // to be copied or being copied
  uint32_t tables_copied = 0;  // since the source was opened
  uint64_t rows = 0;           // delivered, of all tables since the source was opened
  uint64_t chunks = 0;         // likewise
};

struct TableProgress {
  TableName table;
  enum class State { kWaiting, kRunning, kDone } state = State::kWaiting;
  uint64_t rows = 0;           // delivered of this copy, also before a restart
  uint64_t rows_estimate = 0;  // 0: not known yet
};

// [worker]
class Copies {
 public:
  Copies(std::vector<CopyTable> tables, CopyPosition position, const CopySettings& settings,
         CopyFetcher& fetcher);

  // Begins a table's copy, anew if one is under way. `truncate`: rows may have gone unnoticed.
  void begin(uint32_t table, bool truncate);
  // The table's changes are streamed from a point that is known: its rows may be asked for.
  void allow(uint32_t table);

  bool wants(uint32_t table) const;  // the table is to be copied
  // Tables whose stored copies were of another key, and begin again.
  const std::vector<TableName>& restarted() const { return restarted_; }

  // Something is to be copied.
  bool active() const { return !copies_.empty(); }
  // Chunks are asked for or at hand that were asked for before the stream was at `bound`.
  bool is_behind(Lsn bound) const;
  bool waits_for_fetch() const { return requested_ > 0; }

  // Takes answers and asks for what there is room for, with `low` as the fence. Throws SourceError;
  // after RETRY the next call asks again.
  void take_answers();
  void request(Lsn low);
  // Asks only for what has to leave before chunks that are behind `low` can.
  void request_behind(Lsn low);

  // The next records, nullptr if none are at hand. `position` gives the text of the stream's
  // position with these copies in it.
  using PositionText = std::function<std::string(const CopyPosition&)>;
  dstream_batch* next_batch(const std::shared_ptr<SlabPool>& pool, int64_t now_unix_ns,
                            size_t records_max, const PositionText& position);

  const CopyPosition& position() const { return position_; }
  // The stream has passed everything that the copies may have seen.
  void settled() { position_.settling.clear(); }
  CopyProgress progress() const;
  // Of every table that is or was to be copied since the source was opened.
  std::vector<TableProgress> tables() const;

 private:
  // A part of a table: asked for as one chunk, or still to be divided if it is the last one.
  struct Range {
    uint64_t id = 0;
    CopyKey after, upto;
    Lsn low;
    bool from_start = false;  // of a table without a key: starts its statement
    bool continues = false;   // likewise: what that statement reads next, as old as its beginning
    uint64_t statement = 0;   // likewise: id of the range that started it
    bool requested = false;
    std::optional<ChunkAnswer> answer;
    size_t chunk = 0, row = 0;  // next to leave
  };
  struct Copy {
    uint32_t table = 0;
    bool allowed = false;
    bool estimated = false;
    bool is_large = false;    // a chunk was full: worth dividing
    uint64_t dividing = 0;    // id of what asks for a boundary inside the last range; 0: nothing
    bool is_divided = false;  // no boundary lies in it
    uint64_t estimate = 0;
    std::deque<Range> ranges;  // in key order; no gap between them
  };

  static bool is_behind(const Range& range, Lsn bound);
  void on_answer(ChunkAnswer answer);
  void on_answer(const BoundaryAnswer& answer);
  void on_answer(const EstimateAnswer& answer);
  Copy* find(uint32_t table);
  void check_key(uint32_t table);
  void restart(Copy& copy);
  void request_range(const Copy& copy, Range& range, Lsn low);
  void request_tail(Copy& copy, Lsn low);
  uint32_t rows_for(uint32_t table) const;
  size_t held_bytes() const;
  bool has_room(uint32_t table) const;
  TableCopy& stored(uint32_t table);

  size_t under_way() const;
  // True if something was added or the table is finished.
  bool advance(Copy& copy, ChangeBatch& batch);
  void add_rows(const Copy& copy, Range& range, ChangeBatch& batch);
  void forget_requests();

  const CopySettings settings_;
  CopyFetcher& fetcher_;
  std::vector<CopyTable> tables_;
  CopyPosition position_;
  std::deque<Copy> copies_;  // the first ones are under way
  size_t requested_ = 0;     // answers that are missing
  uint64_t last_id_ = 0;
  CopyProgress progress_;
  std::vector<TableProgress> done_;
  std::vector<TableName> restarted_;
};

}  // namespace dstream::sqlserver
