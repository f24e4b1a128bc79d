// Transactions: what they changed, what they wait for, and when their changes become visible.
//
// Rows have versions. A statement reads the newest version committed before it began (or, under
// SNAPSHOT, before its transaction's first read), plus its own transaction's; so readers wait for
// nobody. Writers lock rows until their transaction ends and wait for each other, up to
// LOCK_TIMEOUT; a circle of waits ends with error 1205 for the one that closes it.
//
// Thread rule: a Transaction belongs to its session's thread. Everything of TransactionManager is
// [any-thread].
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/standins/sqlserver/sql/row_format.h"
#include "tests/standins/sqlserver/sql/undo_history.h"

namespace dstream::standin::sql {

class Database;
class Table;
class TableStore;
struct Slot;

enum class ChangeKind : uint8_t { kInsert, kUpdate, kDelete };

// A row change as the transaction log records it: input of Change Data Capture.
struct RowChange {
  std::shared_ptr<Table> table;
  std::shared_ptr<const RowFormat> format;
  ChangeKind kind = ChangeKind::kInsert;
  bool key_changed = false;  // an update that changed a unique key: logged as delete and insert
  RowBytes before, after;
  uint64_t log_record = 0;     // place in the log, grows with time
  uint64_t insert_record = 0;  // of the insert half of a changed key
  int32_t command = 0;         // the statement within the transaction, from 1
};

struct CommittedTransaction {
  uint64_t id = 0;
  Database* database = nullptr;
  uint64_t begin_record = 0, commit_record = 0;
  int64_t begin_ticks = 0, commit_ticks = 0;  // local time, 100 ns
  std::vector<RowChange> changes;
};

// Told of every transaction with logged changes, one at a time, in commit order.
class CommitListener {
 public:
  virtual ~CommitListener() = default;
  virtual void committed(CommittedTransaction transaction) = 0;
  // A statement is about to give a (max), text, ntext or image column of a tracked table this many
  // bytes. Throws SqlError to refuse. [any-thread]
  virtual void writing_large(const Table& table, int32_t column_id, int64_t bytes) {
    static_cast<void>(table);
    static_cast<void>(column_id);
    static_cast<void>(bytes);
  }
};

// Everything a transaction wrote, for a store that keeps data over restarts. Called in commit
// order, before the changes become visible.
struct StoredChange {
  Table* table = nullptr;
  uint64_t row_id = 0;
  RowBytes data;  // nullptr: deleted
};

enum class Isolation : uint8_t {
  kReadUncommitted = 1,
  kReadCommitted,
  kRepeatableRead,
  kSerializable,
  kSnapshot,
};

class Transaction {
 public:
  uint64_t id() const { return id_; }
  // The log record of the transaction's begin, 0 before its first logged change.
  uint64_t begin_record = 0;
  int64_t begin_ticks = 0;
  uint64_t snapshot = 0;   // 0: each statement reads the newest
  bool is_doomed = false;  // only ROLLBACK is left
  bool is_deadlock_victim = false;
  int32_t log_command = 0;  // the last command id given to logged changes
  std::string name;

  struct Mark {
    size_t undo = 0, changes = 0, commit_actions = 0;
  };
  Mark mark() const { return {undo_.size(), changes_.size(), commit_actions_.size()}; }
  bool has_written() const { return !undo_.empty(); }

  // Adds to the log of the transaction.
  void log(RowChange change) { changes_.push_back(std::move(change)); }
  // Runs if the transaction, or the statement now executed, is rolled back, and if the database is
  // brought back to a point before its commit. nullptr for what is in no database: #t.
  void on_rollback(Database* database, std::function<void()> undo);
  // Runs within the commit, ahead of the transaction's changes, with a log record of its own.
  void on_commit(std::function<void(uint64_t record)> action) {
    commit_actions_.push_back(std::move(action));
  }
  // `before` and, for a row that is removed, `keys`: the row as it was.
  void wrote(std::shared_ptr<TableStore> store, Slot* slot, RowBytes before,
             std::unique_ptr<std::vector<std::string>> keys);
  void locked(std::shared_ptr<TableStore> store, Slot* slot);

 private:
  friend class TransactionManager;
  struct Undo {
    std::shared_ptr<TableStore> store;
    Slot* slot = nullptr;
    RowBytes before;
    std::unique_ptr<std::vector<std::string>> keys;
    Database* database = nullptr;  // of the action
    std::function<void()> action;
  };

  uint64_t id_ = 0;
  std::vector<Undo> undo_;
  std::vector<std::pair<std::shared_ptr<TableStore>, Slot*>> locks_;
  std::vector<RowChange> changes_;
  std::vector<std::function<void(uint64_t)>> commit_actions_;
  uint64_t waiting_for_ = 0;  // guarded by TransactionManager::wait_mutex_
};

// What a statement sees.
struct ReadView {
  uint64_t sequence = 0;     // versions committed up to here
  uint64_t transaction = 0;  // and this transaction's own
  bool dirty = false;        // READ UNCOMMITTED: the newest, committed or not
};

class TransactionManager {
 public:
  TransactionManager();

  std::unique_ptr<Transaction> begin();
  // Makes the changes visible at once to everybody, in the order of the calls.
  void commit(Transaction* transaction);
  void rollback(Transaction* transaction);
  void rollback_to(Transaction* transaction, const Transaction::Mark& mark);

  // Brings a database's tables back to what they were at the record of its log. REQUIRES: called
  // from within publish(), while nobody writes to the database.
  void undo_above(Database* database, uint64_t record, uint64_t sequence);

  // Runs `publish` with the sequence under which what it makes appears to readers: for writers
  // outside of row storage (change tables) that want one atomic step.
  void publish(const std::function<void(uint64_t sequence)>& publish);

  // A view of what is committed now; released by its destructor's owner. See Snapshot. Not beyond
  // `until` unless that is 0; somebody else holds a snapshot of it then.
  uint64_t acquire_snapshot(uint64_t until = 0);
  void release_snapshot(uint64_t sequence);

  struct WaitOptions {
    int64_t timeout_ms = -1;  // LOCK_TIMEOUT
    std::function<bool()> cancelled;
    int32_t session = 0;
  };
  // Waits until `blocker` returns 0 instead of the id of the transaction in the way. Throws 1205 or
  // 1222, or Cancelled.
  void wait(Transaction* transaction, const std::function<uint64_t()>& blocker,
            const WaitOptions& options);

  // Places in the transaction log. Every transaction and change takes some.
  uint64_t next_record() { return record_.fetch_add(1) + 1; }
  uint64_t reserve_records(uint64_t count) { return record_.fetch_add(count) + 1; }
  uint64_t last_record() const { return record_.load(); }

  void set_listener(CommitListener* listener) { listener_ = listener; }
  CommitListener* listener() const { return listener_; }
  using StoreWriter = std::function<void(const std::vector<StoredChange>&)>;
  void set_store_writer(StoreWriter writer) { store_writer_ = std::move(writer); }

  // Wakes everybody who waits for a lock: some were released outside of commit and rollback.
  void wake();
  size_t active_count() const;
  // Transactions that wait for a lock at this moment.
  size_t waiting_count() const;
  // Takes transactions' commits apart from each other: hold it to look at a still world.
  std::mutex& commit_mutex() { return commit_mutex_; }

 private:
  struct Garbage {
    uint64_t sequence = 0;
    std::shared_ptr<TableStore> store;
    std::string key;
  };

  void release_rows(Transaction* transaction);
  void finish(Transaction* transaction);
  void store_changes(const Transaction& transaction);
  static void keep_undo(Transaction* transaction, uint64_t first, uint64_t last);
  void collect_garbage();
  bool is_deadlock(const Transaction& waiter, uint64_t blocker) const;

  std::mutex commit_mutex_;  // guards the order of commits
  uint64_t next_sequence_ = 1;
  CommitListener* listener_ = nullptr;
  StoreWriter store_writer_;

  std::atomic<uint64_t> last_committed_{1};
  std::atomic<uint64_t> record_{0};

  mutable std::mutex snapshot_mutex_;  // guards snapshots_ and garbage_
  std::multiset<uint64_t> snapshots_;
  std::deque<Garbage> garbage_;

  mutable std::mutex wait_mutex_;  // guards active_, wake_count_ and waiting_for_ of all
  std::condition_variable wake_;
  uint64_t wake_count_ = 0;
  uint64_t next_id_ = 1;
  std::unordered_map<uint64_t, Transaction*> active_;
};

class Snapshot {
 public:
  explicit Snapshot(TransactionManager* manager)
      : manager_(manager), sequence_(manager->acquire_snapshot()) {}
  ~Snapshot() { manager_->release_snapshot(sequence_); }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  uint64_t sequence() const { return sequence_; }

 private:
  TransactionManager* manager_;
  uint64_t sequence_;
};

}  // namespace dstream::standin::sql
