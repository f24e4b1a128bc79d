// What takes captured changes away: cleanup, and the way back to an earlier point of the log.
#include <algorithm>
#include <limits>

#include "tests/standins/sqlserver/cdc/database_capture.h"
#include "tests/standins/sqlserver/cdc/lsn.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::cdc {
namespace {

// All tables of a database, with nobody else who writes to them.
class ExclusiveAccess {
 public:
  ExclusiveAccess(sql::TransactionManager* manager, const sql::Database& database)
      : manager_(manager), transaction_(manager->begin()) {
    for (const sql::TablePtr& table : database.tables()) {
      if (table->try_lock(transaction_->id(), sql::TableLock::kExclusive) != 0) {
        release();
        throw sql::SqlError(3101, 16, 1,
                            "Exclusive access could not be obtained because the database is in "
                            "use.");
      }
      tables_.push_back(table);
    }
  }
  ~ExclusiveAccess() { release(); }
  ExclusiveAccess(const ExclusiveAccess&) = delete;
  ExclusiveAccess& operator=(const ExclusiveAccess&) = delete;

 private:
  void release() {
    for (const sql::TablePtr& table : tables_) {
      table->release(transaction_->id());
    }
    tables_.clear();
    manager_->rollback(transaction_.get());
  }

  sql::TransactionManager* const manager_;
  const std::unique_ptr<sql::Transaction> transaction_;
  std::vector<sql::TablePtr> tables_;
};

size_t bytes_of(const std::vector<AppendTable::Run>& runs) {
  size_t bytes = 0;
  for (const AppendTable::Run& run : runs) {
    const std::vector<uint32_t>& ends = run.segment->rows.ends;
    bytes += ends[run.last - 1] - (run.first == 0 ? 0 : ends[run.first - 1]);
  }
  return bytes;
}

}  // namespace

void DatabaseCapture::keep_undo(size_t bytes, std::function<void()> undo) {
  const uint64_t record = next_record();
  database_->undo_history().add_action({record, record}, bytes, std::move(undo));
}

void DatabaseCapture::raise_low_water(const InstancePtr& instance, const std::string& lsn) {
  const std::lock_guard scan_lock(scan_mutex_);
  const std::lock_guard commit_lock(engine_->transactions().commit_mutex());
  std::string lowest;
  const std::optional<std::string> start_before = instance->start_lsn;
  {
    const std::lock_guard lock(mutex_);
    if (instance->start_lsn && *instance->start_lsn < lsn) {
      instance->start_lsn = lsn;
    }
    for (const InstancePtr& other : instances_) {
      if (other->start_lsn && (lowest.empty() || *other->start_lsn < lowest)) {
        lowest = *other->start_lsn;
      }
    }
  }
  const std::vector<AppendTable::Run> rows = instance->changes()->drop_below(lsn_key(lsn));
  std::vector<AppendTable::Run> mapping;
  std::vector<CommitEntry> entries;
  if (!lowest.empty()) {
    mapping = time_mapping()->drop_below(lsn_key(lowest));
    const std::lock_guard lock(mutex_);
    const auto kept = std::find_if(entries_.begin(), entries_.end(), [&](const CommitEntry& entry) {
      return entry.start_lsn >= lowest;
    });
    entries.assign(std::make_move_iterator(entries_.begin()), std::make_move_iterator(kept));
    entries_.erase(entries_.begin(), kept);
  }
  keep_undo(bytes_of(rows) + bytes_of(mapping) + entries.size() * sizeof(CommitEntry),
            [this, instance, start_before, rows, mapping, entries] {
              instance->changes()->prepend(rows);
              time_mapping()->prepend(mapping);
              const std::lock_guard lock(mutex_);
              instance->start_lsn = start_before;
              entries_.insert(entries_.begin(), entries.begin(), entries.end());
            });
}

void DatabaseCapture::forget_from(const std::string& lsn) {
  const std::string key = lsn_key(lsn);
  for (const InstancePtr& instance : instances()) {
    instance->changes()->drop_from(key);
  }
  time_mapping()->drop_from(key);
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&](const CommitEntry& entry) { return entry.start_lsn >= lsn; });
  std::erase_if(definitions_, [&](const DefinitionEntry& entry) { return entry.lsn >= lsn; });
}

uint64_t DatabaseCapture::restore_point(const std::string& lsn) const {
  const uint64_t record = record_at_or_below(lsn);
  const uint64_t newest = database_->log_record(engine_->transactions().last_record());
  const sql::UndoHistory& history = database_->undo_history();
  if (record > newest) {
    throw sql::SqlError(50000, 16, 1,
                        "The database cannot be brought back to LSN 0x" + sql::hex(lsn) +
                            ": its log ends at 0x" + sql::hex(lsn_of_record(newest)) + ".");
  }
  if (record < history.floor()) {
    throw sql::SqlError(50000, 16, 2,
                        "The database cannot be brought back to LSN 0x" + sql::hex(lsn) +
                            ": the earliest point in reach is 0x" +
                            sql::hex(lsn_of_record(history.floor())) + ".");
  }
  return history.settled(record);
}

void DatabaseCapture::restore_to(const std::string& lsn) {
  const std::lock_guard scan_lock(scan_mutex_);
  sql::TransactionManager& transactions = engine_->transactions();
  const uint64_t captured = captured_record_;
  {
    const ExclusiveAccess access(&transactions, *database_);
    transactions.publish([&](uint64_t sequence) {
      const uint64_t record = restore_point(lsn);
      transactions.undo_above(database_, record, sequence);
      captured_record_ = std::min(captured, record);
      database_->set_log_shift(transactions.last_record() - record);
      const std::lock_guard lock(log_mutex_);
      while (!log_.empty() && log_.back().record > record) {
        log_.pop_back();
      }
    });
  }
  int64_t count = 0;
  bool has_failed = false;
  while (scan_step({std::numeric_limits<int64_t>::max(), captured_record_}, engine_->local_ticks(),
                   &count, &has_failed)) {
  }
}

}  // namespace dstream::standin::cdc
