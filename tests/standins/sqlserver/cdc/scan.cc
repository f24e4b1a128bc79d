// The scan: whole transactions from the log into change tables and lsn_time_mapping.
#include <algorithm>
#include <limits>
#include <map>
#include <unordered_map>

#include "tests/standins/sqlserver/cdc/database_capture.h"
#include "tests/standins/sqlserver/cdc/lsn.h"
#include "tests/standins/sqlserver/sql/temporal.h"

namespace dstream::standin::cdc {
namespace {

constexpr size_t kTransactionIdBytes = 6;

std::string transaction_id(uint64_t id) {
  std::string bytes;
  for (size_t i = kTransactionIdBytes; i-- > 0;) {
    bytes.push_back(static_cast<char>(id >> (8 * i)));
  }
  return bytes;
}

}  // namespace

// What one scan has collected and publishes in one step.
struct DatabaseCapture::Batch {
  std::vector<LogEntry> log;
  uint64_t first_record = 0, last_record = 0;
  std::vector<CommitEntry> entries;
  std::map<InstancePtr, RowBatch> rows;
  // The active ones. A thousand tables may be tracked while a transaction changes one.
  std::unordered_map<const sql::Table*, std::vector<InstancePtr>> instances_of;
  int64_t transactions = 0, commands = 0, schema_changes = 0;
  Assumptions assumptions;
};

int64_t DatabaseCapture::scan(int64_t transactions_max) {
  const std::lock_guard lock(scan_mutex_);
  const int64_t start = engine_->local_ticks();
  if (const std::optional<sql::SqlError> fault = next_fault()) {
    note_failure({}, start, *fault);
    return 0;
  }
  int64_t transactions = 0;
  bool has_found = false, has_failed = false;
  // A note changes what the rows behind it mean, so it is a step of its own.
  while (transactions < transactions_max &&
         scan_step({transactions_max - transactions, std::numeric_limits<uint64_t>::max()}, start,
                   &transactions, &has_failed)) {
    has_found = true;
  }
  if (!has_found && !has_failed) {
    ScanSession empty;
    empty.start_ticks = start;
    empty.end_ticks = engine_->local_ticks();
    history_.add(std::move(empty));
  }
  return transactions;
}

void DatabaseCapture::scan_cycle(int64_t transactions_max, int64_t scans_max) {
  for (int64_t i = 0; i < scans_max; ++i) {
    if (scan(transactions_max) < transactions_max) {
      break;
    }
  }
}

// False if there was nothing to do, or no way on.
bool DatabaseCapture::scan_step(const ScanLimits& limits, int64_t start_ticks,
                                int64_t* transactions, bool* has_failed) {
  Batch batch;
  collect(limits, &batch);
  if (batch.log.empty()) {
    return false;
  }
  try {
    publish(&batch);
  } catch (const sql::SqlError& error) {
    note_failure(batch, start_ticks, error);
    put_back(&batch.log);
    *has_failed = true;
    return false;
  }
  captured_record_ = batch.last_record;
  note_session(batch, start_ticks);
  *transactions += batch.transactions;
  return true;
}

void DatabaseCapture::put_back(std::vector<LogEntry>* entries) {
  const std::lock_guard lock(log_mutex_);
  while (!entries->empty()) {
    log_.push_front(std::move(entries->back()));
    entries->pop_back();
  }
}

void DatabaseCapture::collect(const ScanLimits& limits, Batch* batch) {
  {
    const std::lock_guard lock(log_mutex_);
    while (!log_.empty() && log_.front().record <= limits.record) {
      const bool is_note = !log_.front().transaction.has_value();
      if ((is_note && !batch->log.empty()) ||
          (!is_note && batch->transactions >= limits.transactions)) {
        break;
      }
      batch->transactions += is_note ? 0 : 1;
      batch->schema_changes += is_note ? 1 : 0;
      batch->log.push_back(std::move(log_.front()));
      log_.pop_front();
      if (is_note) {
        break;
      }
    }
  }
  if (batch->log.empty()) {
    return;
  }
  batch->first_record = batch->log.front().record;
  batch->last_record = batch->log.back().record;
  batch->assumptions = assumptions_->get();
  for (const InstancePtr& instance :
       batch->transactions > 0 ? instances() : std::vector<InstancePtr>()) {
    if (instance->is_active()) {
      batch->instances_of[instance->table().get()].push_back(instance);
    }
  }
  for (const LogEntry& entry : batch->log) {
    if (entry.transaction) {
      encode(*entry.transaction, batch);
    }
  }
}

std::optional<sql::SqlError> DatabaseCapture::next_fault() {
  const std::lock_guard lock(mutex_);
  if (scan_faults_.empty()) {
    return std::nullopt;
  }
  ScanFault& fault = scan_faults_.front();
  sql::SqlError error(fault.number, 16, 1, fault.text);
  if (--fault.times == 0) {
    scan_faults_.pop_front();
  }
  return error;
}

void DatabaseCapture::note_failure(const Batch& batch, int64_t start_ticks,
                                   const sql::SqlError& error) {
  ScanSession session;
  session.start_ticks = start_ticks;
  session.end_ticks = engine_->local_ticks();
  ScanError row;
  row.ticks = session.end_ticks;
  row.number = error.message.number;
  row.severity = error.message.severity;
  row.state = error.message.state;
  row.text = error.message.text;
  row.lsn = batch.log.empty() ? std::string() : lsn_of_record(batch.first_record);
  session.start_lsn = session.end_lsn = row.lsn;
  history_.add_failure(std::move(session), std::move(row));
}

void DatabaseCapture::encode(const sql::CommittedTransaction& transaction, Batch* batch) {
  const std::string commit_lsn = lsn_of_record(transaction.commit_record);
  bool has_rows = false;
  std::vector<const sql::Table*> touched;
  for (const sql::RowChange& change : transaction.changes) {
    const sql::Table* const table = change.table.get();
    const auto known = batch->instances_of.find(table);
    if (known == batch->instances_of.end() ||
        std::find(touched.begin(), touched.end(), table) != touched.end()) {
      continue;
    }
    touched.push_back(table);
    for (const InstancePtr& instance : known->second) {
      RowBatch& rows = batch->rows[instance];
      const size_t before = rows.size();
      instance->append_changes(commit_lsn, transaction.changes, batch->assumptions, &rows);
      has_rows = has_rows || rows.size() > before;
    }
  }
  batch->commands += static_cast<int64_t>(transaction.changes.size());
  if (!has_rows) {
    return;
  }
  CommitEntry entry;
  entry.start_lsn = commit_lsn;
  entry.begin_ticks = transaction.begin_ticks;
  entry.end_ticks = transaction.commit_ticks;
  entry.transaction_id = transaction_id(transaction.id);
  entry.begin_lsn = lsn_of_record(transaction.begin_record);
  batch->entries.push_back(std::move(entry));
}

void DatabaseCapture::publish(Batch* batch) {
  engine_->transactions().publish([&](uint64_t sequence) {
    for (const LogEntry& entry : batch->log) {
      if (entry.apply) {
        const std::string lsn = lsn_of_record(entry.record);
        entry.apply(lsn);
        const int64_t now = engine_->local_ticks();
        if (batch->assumptions.definitions_have_entries != 0) {
          append_entries({{lsn, now, now, std::string(1, '\0'), zero_lsn()}}, sequence);
        }
      }
    }
    for (auto& [instance, rows] : batch->rows) {
      instance->changes()->append(std::move(rows), sequence);
    }
    append_entries(batch->entries, sequence);
    keep_uncapturing(batch);
  });
}

// A restore to a point before this scan gives the log back what it took.
void DatabaseCapture::keep_uncapturing(Batch* batch) {
  size_t bytes = 0;
  for (const LogEntry& entry : batch->log) {
    bytes += sizeof(entry);
    for (size_t i = 0; entry.transaction && i < entry.transaction->changes.size(); ++i) {
      const sql::RowBytes& after = entry.transaction->changes[i].after;
      bytes += sizeof(sql::RowChange) + (after == nullptr ? 0 : after->size());
    }
  }
  keep_undo(bytes, [this, log = std::make_shared<std::vector<LogEntry>>(std::move(batch->log))] {
    forget_from(lsn_of_record(log->front().record));
    put_back(log.get());
  });
}

void DatabaseCapture::note_session(const Batch& batch, int64_t start_ticks) {
  ScanSession session;
  session.start_ticks = start_ticks;
  session.end_ticks = engine_->local_ticks();
  session.start_lsn = lsn_of_record(batch.first_record);
  session.end_lsn = lsn_of_record(batch.last_record);
  session.transactions = batch.transactions;
  session.commands = batch.commands;
  session.log_records = batch.commands + 2 * batch.transactions;
  session.schema_changes = batch.schema_changes;
  if (!batch.entries.empty()) {
    session.last_commit_lsn = batch.entries.back().start_lsn;
    session.last_commit_ticks = batch.entries.back().end_ticks;
    session.latency_s = (session.end_ticks - session.last_commit_ticks) / sql::kTicksPerSecond;
  }
  history_.add(std::move(session));
}

}  // namespace dstream::standin::cdc
