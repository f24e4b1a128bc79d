// A table that only grows at its end and shrinks at its start: change tables, lsn_time_mapping.
//
// Rows are kept as ROW tokens in key order, in segments of a few megabytes, so that a read hands
// bytes to the socket without looking at them. What a reader has opened stays as it was.
//
// Thread rule: [any-thread]; appends come one at a time, from the capture scan.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/standins/sqlserver/protocol/row_codec.h"
#include "tests/standins/sqlserver/sql/relation.h"

namespace dstream::standin::cdc {

// Appends the bytes of append_key() for a token's key parts.
using KeyOfToken = std::function<void(std::string_view token, std::string* key)>;

// Rows on their way into a table, in key order.
struct RowBatch {
  std::string bytes;
  std::vector<uint32_t> ends;  // of each row in `bytes`

  void finish_row() { ends.push_back(static_cast<uint32_t>(bytes.size())); }
  size_t size() const { return ends.size(); }
  std::string_view row(size_t i) const {
    const uint32_t from = i == 0 ? 0 : ends[i - 1];
    return std::string_view(bytes).substr(from, ends[i] - from);
  }
};

class AppendTable {
 public:
  struct Segment {
    RowBatch rows;
    // Rows [0, count) are visible from `sequence` on; ascending.
    std::vector<std::pair<size_t, uint64_t>> steps;
  };
  // A piece of a segment.
  struct Run {
    std::shared_ptr<const Segment> segment;
    size_t first = 0, last = 0;
  };

  AppendTable(std::vector<ResultColumn> columns, sql::Ordering ordering, KeyOfToken key_of);

  // REQUIRES: keys above all keys in the table. Visible from `sequence` on.
  void append(RowBatch rows, uint64_t sequence);
  // Drops rows with keys below (above or at) the key prefix.
  std::vector<Run> drop_below(const std::string& key);  // what prepend() takes to undo it
  void drop_from(const std::string& key);
  void prepend(std::vector<Run> runs);
  // Other columns, every row rewritten: ALTER COLUMN of a captured column.
  void rewrite(std::vector<ResultColumn> columns,
               const std::function<void(const std::vector<SqlValue>&, std::string*)>& encode);

  size_t row_count() const;
  size_t byte_count() const;

  // What a reader works with: layout and rows belong together.
  struct Snapshot {
    std::vector<Run> runs;
    std::shared_ptr<const std::vector<ResultColumn>> columns;
    std::shared_ptr<const RowLayout> layout;
  };
  Snapshot snapshot() const;
  void restore(Snapshot snapshot);
  // The part visible at `sequence` with keys in the range.
  std::vector<Run> select(const Snapshot& snapshot, uint64_t sequence,
                          const sql::KeyRange& range) const;
  const sql::Ordering& ordering() const { return ordering_; }

 private:
  // The first row of the run whose key is not below `key`.
  size_t lower_bound(const Run& run, const std::string& key) const;

  const sql::Ordering ordering_;
  const KeyOfToken key_of_;
  mutable std::mutex mutex_;  // guards state_
  Snapshot state_;
};

// An AppendTable in FROM: a snapshot taken when the statement named it.
class AppendRelation final : public sql::Relation {
 public:
  explicit AppendRelation(std::shared_ptr<const AppendTable> table);
  const std::vector<ResultColumn>& columns() const override { return *snapshot_.columns; }
  const std::vector<sql::Ordering>& orderings() const override { return orderings_; }
  std::unique_ptr<sql::Cursor> open(const sql::ScanRequest& request) const override;
  const RowLayout* layout() const override { return snapshot_.layout.get(); }

 private:
  std::shared_ptr<const AppendTable> table_;
  AppendTable::Snapshot snapshot_;
  std::vector<sql::Ordering> orderings_;
};

}  // namespace dstream::standin::cdc
