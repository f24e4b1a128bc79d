// What it takes to bring a database back to an earlier point of its log: the opposite of every
// committed step, newest first. Bounded: the oldest steps go when there are too many bytes.
//
// Records are those of the database's log (Database::log_record()).
//
// Thread rule: under TransactionManager::commit_mutex(), but for set_bytes_max().
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/standins/sqlserver/sql/row_format.h"

namespace dstream::standin::sql {

class TableStore;

class UndoHistory {
 public:
  // The records that a commit, or whatever else counts as one step, has taken.
  struct Extent {
    uint64_t first = 0, last = 0;
  };
  struct Row {
    std::shared_ptr<TableStore> store;
    std::string key;                                 // in index 0
    RowBytes before;                                 // nullptr: there was no row
    std::unique_ptr<std::vector<std::string>> keys;  // of a row that was removed
  };

  void add_row(const Extent& extent, Row row);
  // `bytes`: what the action holds on to, more or less.
  void add_action(const Extent& extent, size_t bytes, std::function<void()> undo);
  // Forgets everything; from `record` on the database can be brought back.
  void restart(uint64_t record);

  // The earliest record to go back to.
  uint64_t floor() const { return floor_; }
  // The end of the newest step that begins at or below the record, if that is above it: a step is
  // taken back whole or not at all.
  uint64_t settled(uint64_t record) const;
  // Rows that are touched, by store and key: their old versions are garbage.
  using Touched = std::vector<std::pair<std::shared_ptr<TableStore>, std::string>>;
  // Takes back all steps above the record. Rows are what they were from `sequence` on.
  Touched undo_above(uint64_t record, uint64_t sequence);

  void set_bytes_max(size_t bytes) { bytes_max_ = bytes; }  // [any-thread]
  size_t bytes() const { return bytes_; }

 private:
  struct Step {
    Extent extent;
    size_t bytes = 0;
    Row row;
    std::function<void()> undo;  // unset for a row
  };
  void add(Step step);

  std::deque<Step> steps_;
  size_t bytes_ = 0;
  uint64_t floor_ = 0;
  std::atomic<size_t> bytes_max_{size_t{64} << 20};
};

}  // namespace dstream::standin::sql
