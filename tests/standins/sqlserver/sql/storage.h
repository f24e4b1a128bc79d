// Rows of one table in memory, with versions and ordered indexes.
//
// Index 0 orders and owns the rows: by the clustered key, or by row id for a heap. Keys are bytes
// of append_key() followed by the row id, so that an old version and a new row with the same key
// can stand side by side.
//
// Thread rule: [any-thread]. Rows are handed out as shared immutable bytes.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

#include "tests/standins/sqlserver/sql/row_format.h"
#include "tests/standins/sqlserver/sql/transaction.h"

namespace dstream::standin::sql {

inline constexpr uint64_t kUncommitted = ~uint64_t{0};

struct Version {
  RowBytes data;  // nullptr: deleted
  uint64_t sequence = kUncommitted;
  std::unique_ptr<Version> older;
};

struct Slot {
  uint64_t id = 0;
  uint64_t owner = 0;  // the transaction that has locked the row, 0 for none
  std::unique_ptr<Version> head;
  std::vector<std::string> keys;  // in every index, row id included
};

// Keys in [begin, end); an empty end means no bound.
struct KeyRange {
  std::string begin, end;
};
// The first key behind all keys that start with `prefix`; empty if there is none.
std::string after_prefix(std::string prefix);

struct FetchedRow {
  RowBytes data;
  std::string key;  // in index 0: names the row for lock() and the writers
};

class TableStore : public std::enable_shared_from_this<TableStore> {
 public:
  // unique[i]: index i refuses equal keys. Index 0 is the clustered one or the heap.
  explicit TableStore(std::vector<bool> unique) : unique_(std::move(unique)) {
    indexes_.resize(unique_.size());
  }
  ~TableStore();
  TableStore(const TableStore&) = delete;
  TableStore& operator=(const TableStore&) = delete;

  // Appends up to `count` rows visible in the view, in the order of the index. `range` is moved
  // behind them; false when it is exhausted. With `blocker`, stops at a row another transaction has
  // locked and stores that transaction's id: the caller waits and comes back.
  bool fetch(const ReadView& view, size_t index, KeyRange* range, bool descending, size_t count,
             std::vector<FetchedRow>* rows, uint64_t* blocker = nullptr) const;

  // Locks a row for the transaction. Returns the id of another owner, or 0; then *is_same tells
  // whether the row still holds `expected`.
  uint64_t lock(Transaction* transaction, const std::string& key, const RowBytes& expected,
                bool* is_same);

  enum class Outcome : uint8_t { kDone, kDuplicate, kBlocked };
  struct Result {
    Outcome outcome = Outcome::kDone;
    size_t index = 0;  // of the duplicate
    uint64_t blocker = 0;
  };
  // keys: one per index, without row id.
  Result insert(Transaction* transaction, RowBytes data, const std::vector<std::string>& keys);
  // REQUIRES: the row is locked by the transaction, and no indexed column changes.
  void update(Transaction* transaction, const std::string& key, RowBytes data);
  void remove(Transaction* transaction, const std::string& key);

  // The row is what it was before a step that is taken back, from `sequence` on. `keys` if the step
  // removed it.
  void put_back(const std::string& key, const std::vector<std::string>* keys, RowBytes data,
                uint64_t sequence);

  // For rows that come back from a file: committed at once, with their old id.
  void restore(uint64_t id, RowBytes data, const std::vector<std::string>& keys);

  // Adds an index over the rows there are, as number `place`: those behind it move. `key_of` makes
  // a row's key. False if `unique` fails.
  bool add_index(size_t place, bool unique,
                 const std::function<std::string(const std::string&)>& key_of);
  void drop_index(size_t index);
  // Replaces every row's bytes, all versions included. The caller holds the table exclusively.
  void rewrite(const std::function<RowBytes(const RowBytes&)>& change);

  size_t row_count() const;
  uint64_t next_id() { return next_id_.fetch_add(1); }

  // For TransactionManager.
  // The row stays locked: a transaction may have written it more than once.
  void commit_slot(Slot* slot, uint64_t sequence);
  void undo_slot(Slot* slot);
  void unlock_slot(Slot* slot, uint64_t transaction);
  // Drops versions nobody can see; false if the row must be looked at again later.
  void prune(const std::string& key, uint64_t oldest_snapshot);
  static std::string key_of(const Slot& slot) { return slot.keys.front(); }
  StoredChange stored_change(const Slot& slot) const;
  Table* table = nullptr;  // back, for stored changes; nullptr for temporary tables

 private:
  using Ordered = std::map<std::string, Slot*>;

  void unlink(Slot* slot);
  static void push_version(Slot* slot, RowBytes data, uint64_t sequence);
  static const Version* visible(const Slot& slot, const ReadView& view);

  mutable std::shared_mutex mutex_;  // guards all below but next_id_
  std::vector<bool> unique_;
  std::vector<Ordered> indexes_;
  std::atomic<uint64_t> next_id_{1};
};

}  // namespace dstream::standin::sql
