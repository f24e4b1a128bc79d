#include "tests/standins/sqlserver/cdc/database_capture.h"

#include <algorithm>
#include <limits>
#include <map>
#include <unordered_map>

#include "tests/standins/sqlserver/cdc/lsn.h"
#include "tests/standins/sqlserver/sql/functions.h"
#include "tests/standins/sqlserver/sql/temporal.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::cdc {
namespace {

using sql::view_column;

constexpr size_t kTransactionIdBytes = 6;

std::shared_ptr<AppendTable> make_time_mapping() {
  // The LSN is the first column: its bytes follow the token and the length.
  return std::make_shared<AppendTable>(time_mapping_columns(), sql::Ordering{{{0, false}}, true},
                                       [](std::string_view token, std::string* key) {
                                         key->push_back('\1');
                                         key->append(token.substr(3, kLsnBytes));
                                       });
}

std::string transaction_id(uint64_t id) {
  std::string bytes;
  for (size_t i = kTransactionIdBytes; i-- > 0;) {
    bytes.push_back(static_cast<char>(id >> (8 * i)));
  }
  return bytes;
}

}  // namespace

std::vector<ResultColumn> time_mapping_columns() {
  return {view_column("start_lsn", sql::binary_type(10), false),
          view_column("tran_begin_time", sql::datetime_type()),
          view_column("tran_end_time", sql::datetime_type()),
          view_column("tran_id", sql::varbinary_type(10)),
          view_column("tran_begin_lsn", sql::binary_type(10))};
}

std::string lsn_key(std::string_view lsn) { return "\1" + std::string(lsn); }

// What one scan has collected and publishes in one step.
struct DatabaseCapture::Batch {
  std::vector<LogEntry> log;
  std::vector<CommitEntry> entries;
  std::map<InstancePtr, RowBatch> rows;
  // The active ones. A thousand tables may be tracked while a transaction changes one.
  std::unordered_map<const sql::Table*, std::vector<InstancePtr>> instances_of;
  int64_t transactions = 0, commands = 0, schema_changes = 0;
  Assumptions assumptions;
};

DatabaseCapture::DatabaseCapture(sql::Engine* engine, sql::Database* database,
                                 const AssumptionSet* assumptions)
    : engine_(engine),
      database_(database),
      assumptions_(assumptions),
      time_mapping_(make_time_mapping()) {}

void DatabaseCapture::add_transaction(sql::CommittedTransaction transaction) {
  const std::lock_guard lock(log_mutex_);
  LogEntry entry;
  entry.record = transaction.commit_record;
  entry.transaction = std::move(transaction);
  log_.push_back(std::move(entry));
}

std::string DatabaseCapture::add_note(std::function<void(const std::string&)> apply) {
  // Between two commits: the log is in the order of its records.
  const std::lock_guard commit_lock(engine_->transactions().commit_mutex());
  const std::lock_guard lock(log_mutex_);
  LogEntry entry;
  entry.record = engine_->transactions().next_record();
  entry.apply = std::move(apply);
  log_.push_back(std::move(entry));
  return lsn_of_record(log_.back().record);
}

size_t DatabaseCapture::log_size() const {
  const std::lock_guard lock(log_mutex_);
  return log_.size();
}

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
         scan_step(transactions_max - transactions, start, &transactions, &has_failed)) {
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

// False if there was nothing to do, or no way on.
bool DatabaseCapture::scan_step(int64_t transactions_max, int64_t start_ticks,
                                int64_t* transactions, bool* has_failed) {
  Batch batch;
  collect(transactions_max, &batch);
  if (batch.log.empty()) {
    return false;
  }
  try {
    publish(&batch);
  } catch (const sql::SqlError& error) {
    note_failure(batch, start_ticks, error);
    put_back(&batch);
    *has_failed = true;
    return false;
  }
  note_session(batch, start_ticks);
  *transactions += batch.transactions;
  return true;
}

void DatabaseCapture::put_back(Batch* batch) {
  const std::lock_guard lock(log_mutex_);
  while (!batch->log.empty()) {
    log_.push_front(std::move(batch->log.back()));
    batch->log.pop_back();
  }
}

void DatabaseCapture::collect(int64_t transactions_max, Batch* batch) {
  {
    const std::lock_guard lock(log_mutex_);
    while (!log_.empty()) {
      const bool is_note = !log_.front().transaction.has_value();
      if ((is_note && !batch->log.empty()) ||
          (!is_note && batch->transactions >= transactions_max)) {
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

void DatabaseCapture::add_scan_fault(ScanFault fault) {
  const std::lock_guard lock(mutex_);
  scan_faults_.push_back(std::move(fault));
}

void DatabaseCapture::clear_scan_faults() {
  const std::lock_guard lock(mutex_);
  scan_faults_.clear();
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
  row.lsn = batch.log.empty() ? std::string() : lsn_of_record(batch.log.front().record);
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
        append_entries({{lsn, now, now, std::string(1, '\0'), zero_lsn()}}, sequence);
      }
    }
    for (auto& [instance, rows] : batch->rows) {
      instance->changes()->append(std::move(rows), sequence);
    }
    append_entries(batch->entries, sequence);
  });
}

void DatabaseCapture::append_entries(const std::vector<CommitEntry>& entries, uint64_t sequence) {
  RowBatch rows;
  const std::vector<ResultColumn> columns = time_mapping_columns();
  const auto time = [](int64_t ticks) {
    return SqlValue::of_number(sql::round_ticks(sql::datetime_type(), ticks));
  };
  for (const CommitEntry& entry : entries) {
    const std::vector<SqlValue> values = {
        SqlValue::of_text(entry.start_lsn), time(entry.begin_ticks), time(entry.end_ticks),
        SqlValue::of_text(entry.transaction_id), SqlValue::of_text(entry.begin_lsn)};
    encode_row(columns, values, &rows.bytes);
    rows.finish_row();
  }
  time_mapping()->append(std::move(rows), sequence);
  const std::lock_guard lock(mutex_);
  entries_.insert(entries_.end(), entries.begin(), entries.end());
}

void DatabaseCapture::note_session(const Batch& batch, int64_t start_ticks) {
  ScanSession session;
  session.start_ticks = start_ticks;
  session.end_ticks = engine_->local_ticks();
  session.start_lsn = lsn_of_record(batch.log.front().record);
  session.end_lsn = lsn_of_record(batch.log.back().record);
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

void DatabaseCapture::add_dummy_entry() {
  const std::lock_guard scan_lock(scan_mutex_);
  engine_->transactions().publish([&](uint64_t sequence) {
    // No commit comes in here. An entry above what still waits in the log would tell readers that
    // they have seen it.
    if (log_size() > 0) {
      return;
    }
    const int64_t now = engine_->local_ticks();
    append_entries({{lsn_of_record(engine_->transactions().next_record()), now, now,
                     std::string(1, '\0'), zero_lsn()}},
                   sequence);
  });
}

int64_t DatabaseCapture::last_entry_ticks() const {
  const std::lock_guard lock(mutex_);
  return entries_.empty() ? 0 : entries_.back().end_ticks;
}

std::vector<InstancePtr> DatabaseCapture::instances() const {
  const std::lock_guard lock(mutex_);
  return instances_;
}

InstancePtr DatabaseCapture::find_instance(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto it = std::find_if(
      instances_.begin(), instances_.end(),
      [&](const InstancePtr& instance) { return sql::equal_names(instance->name(), name); });
  return it == instances_.end() ? nullptr : *it;
}

std::vector<InstancePtr> DatabaseCapture::instances_of(const sql::Table& table) const {
  const std::lock_guard lock(mutex_);
  std::vector<InstancePtr> result;
  for (const InstancePtr& instance : instances_) {
    if (instance->table().get() == &table) {
      result.push_back(instance);
    }
  }
  return result;
}

void DatabaseCapture::add_instance(InstancePtr instance) {
  const std::lock_guard lock(mutex_);
  instances_.push_back(std::move(instance));
}

void DatabaseCapture::remove_instance(const InstancePtr& instance) {
  const std::lock_guard lock(mutex_);
  std::erase(instances_, instance);
  std::erase_if(definitions_, [&](const DefinitionEntry& entry) {
    return entry.object_id == instance->object_id();
  });
}

void DatabaseCapture::clear() {
  const std::lock_guard scan_lock(scan_mutex_);
  {
    const std::lock_guard lock(log_mutex_);
    log_.clear();
  }
  const std::lock_guard lock(mutex_);
  for (const InstancePtr& instance : instances_) {
    instance->table()->is_tracked = false;
  }
  instances_.clear();
  entries_.clear();
  definitions_.clear();
  scan_faults_.clear();
  jobs_ = {};
  running_job_.reset();
  history_.clear();
  time_mapping_ = make_time_mapping();
}

std::vector<CommitEntry> DatabaseCapture::entries() const {
  const std::lock_guard lock(mutex_);
  return entries_;
}

std::string DatabaseCapture::max_lsn() const {
  const std::lock_guard lock(mutex_);
  return entries_.empty() ? std::string() : entries_.back().start_lsn;
}

std::optional<std::string> DatabaseCapture::min_lsn(std::string_view name) const {
  const InstancePtr instance = find_instance(name);
  const std::lock_guard lock(mutex_);
  if (instance == nullptr) {
    return std::nullopt;
  }
  return instance->start_lsn ? instance->start_lsn : instance->announced_lsn;
}

void DatabaseCapture::announce(const InstancePtr& instance, const std::string& lsn) {
  const std::lock_guard lock(mutex_);
  instance->announced_lsn = lsn;
}

void DatabaseCapture::activate(const InstancePtr& instance, const std::string& lsn) {
  const std::lock_guard lock(mutex_);
  instance->start_lsn = lsn;
}

std::shared_ptr<AppendTable> DatabaseCapture::time_mapping() const {
  const std::lock_guard lock(mutex_);
  return time_mapping_;
}

bool DatabaseCapture::has_entry(std::string_view lsn) const {
  const std::lock_guard lock(mutex_);
  const auto it = std::lower_bound(
      entries_.begin(), entries_.end(), lsn,
      [](const CommitEntry& entry, std::string_view value) { return entry.start_lsn < value; });
  return it != entries_.end() && it->start_lsn == lsn;
}

std::vector<DefinitionEntry> DatabaseCapture::definitions() const {
  const std::lock_guard lock(mutex_);
  return definitions_;
}

void DatabaseCapture::add_definition(DefinitionEntry entry) {
  const std::lock_guard lock(mutex_);
  definitions_.push_back(std::move(entry));
}

void DatabaseCapture::raise_low_water(const InstancePtr& instance, const std::string& lsn) {
  const std::lock_guard scan_lock(scan_mutex_);
  std::string lowest;
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
  instance->changes()->drop_below(lsn_key(lsn));
  if (lowest.empty()) {
    return;
  }
  time_mapping()->drop_below(lsn_key(lowest));
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&](const CommitEntry& entry) { return entry.start_lsn < lowest; });
}

std::string DatabaseCapture::retention_mark() const {
  const std::lock_guard lock(mutex_);
  if (entries_.empty()) {
    return {};
  }
  // Measured back from the newest commit, not from now.
  const int64_t keep = entries_.back().end_ticks - jobs_.retention_min * sql::kTicksPerMinute;
  const auto it = std::find_if(entries_.begin(), entries_.end(), [keep](const CommitEntry& entry) {
    return entry.end_ticks >= keep;
  });
  return it == entries_.begin() || it == entries_.end() ? std::string() : it->start_lsn;
}

void DatabaseCapture::restore_to(const std::string& lsn) {
  const std::lock_guard scan_lock(scan_mutex_);
  const std::lock_guard commit_lock(engine_->transactions().commit_mutex());
  const std::string above = lsn_key(increment_lsn(lsn));
  {
    const std::lock_guard lock(log_mutex_);
    log_.clear();
  }
  for (const InstancePtr& instance : instances()) {
    instance->changes()->drop_from(above);
  }
  time_mapping()->drop_from(above);
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&](const CommitEntry& entry) { return entry.start_lsn > lsn; });
  std::erase_if(definitions_, [&](const DefinitionEntry& entry) { return entry.lsn > lsn; });
  engine_->transactions().set_last_record(record_at_or_below(lsn));
}

void DatabaseCapture::fill(const InstancePtr& instance, const Filler& filler) {
  bool is_filled = false;
  while (!is_filled) {
    scan(std::numeric_limits<int64_t>::max());
    const std::lock_guard scan_lock(scan_mutex_);
    engine_->transactions().publish([&](uint64_t sequence) {
      if (log_size() > 0) {
        return;  // Committed since the scan: its rows come first.
      }
      RowBatch rows;
      std::vector<CommitEntry> entries;
      filler(&rows, &entries);
      instance->changes()->append(std::move(rows), sequence);
      append_entries(entries, sequence);
      is_filled = true;
    });
  }
}

JobSettings DatabaseCapture::jobs() const {
  const std::lock_guard lock(mutex_);
  return jobs_;
}

void DatabaseCapture::set_jobs(const JobSettings& jobs) {
  const std::lock_guard lock(mutex_);
  jobs_ = jobs;
  if (!jobs.has_capture_job) {
    running_job_.reset();
  }
}

std::optional<JobSettings> DatabaseCapture::running_job() const {
  const std::lock_guard lock(mutex_);
  return running_job_;
}

void DatabaseCapture::start_job() {
  const std::lock_guard lock(mutex_);
  running_job_ = jobs_;
}

void DatabaseCapture::stop_job() {
  const std::lock_guard lock(mutex_);
  running_job_.reset();
}

}  // namespace dstream::standin::cdc
