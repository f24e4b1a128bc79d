#include "tests/standins/sqlserver/cdc/database_capture.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "tests/standins/sqlserver/cdc/lsn.h"
#include "tests/standins/sqlserver/sql/functions.h"
#include "tests/standins/sqlserver/sql/temporal.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::cdc {
namespace {

using sql::view_column;

std::shared_ptr<AppendTable> make_time_mapping() {
  // The LSN is the first column: its bytes follow the token and the length.
  return std::make_shared<AppendTable>(time_mapping_columns(), sql::Ordering{{{0, false}}, true},
                                       [](std::string_view token, std::string* key) {
                                         key->push_back('\1');
                                         key->append(token.substr(3, kLsnBytes));
                                       });
}

// From the engine's count of records to places in the database's own log.
void to_database_records(const sql::Database& database, sql::CommittedTransaction* transaction) {
  for (uint64_t* record : {&transaction->begin_record, &transaction->commit_record}) {
    *record = database.log_record(*record);
  }
  for (sql::RowChange& change : transaction->changes) {
    change.log_record = database.log_record(change.log_record);
    change.insert_record = database.log_record(change.insert_record);
  }
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

DatabaseCapture::DatabaseCapture(sql::Engine* engine, sql::Database* database,
                                 const AssumptionSet* assumptions)
    : engine_(engine),
      database_(database),
      assumptions_(assumptions),
      time_mapping_(make_time_mapping()) {}

void DatabaseCapture::add_transaction(sql::CommittedTransaction transaction) {
  to_database_records(*database_, &transaction);
  const std::lock_guard lock(log_mutex_);
  LogEntry entry;
  entry.record = transaction.commit_record;
  entry.transaction = std::move(transaction);
  log_.push_back(std::move(entry));
}

std::string DatabaseCapture::add_note(uint64_t record,
                                      std::function<void(const std::string&)> apply) {
  const std::lock_guard lock(log_mutex_);
  LogEntry entry;
  entry.record = database_->log_record(record);
  entry.apply = std::move(apply);
  log_.push_back(std::move(entry));
  return lsn_of_record(log_.back().record);
}

size_t DatabaseCapture::log_size() const {
  const std::lock_guard lock(log_mutex_);
  return log_.size();
}

void DatabaseCapture::add_scan_fault(ScanFault fault) {
  const std::lock_guard lock(mutex_);
  scan_faults_.push_back(std::move(fault));
}

void DatabaseCapture::clear_scan_faults() {
  const std::lock_guard lock(mutex_);
  scan_faults_.clear();
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

void DatabaseCapture::add_dummy_entry() {
  const std::lock_guard scan_lock(scan_mutex_);
  engine_->transactions().publish([&](uint64_t sequence) {
    // No commit comes in here. An entry above what still waits in the log would tell readers that
    // they have seen it.
    if (log_size() > 0) {
      return;
    }
    const int64_t now = engine_->local_ticks();
    const uint64_t record = next_record();
    const std::string lsn = lsn_of_record(record);
    append_entries({{lsn, now, now, std::string(1, '\0'), zero_lsn()}}, sequence);
    database_->undo_history().add_action({record, record}, 0, [this, lsn] { forget_from(lsn); });
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
  const std::string folded = sql::fold_name(name);
  const std::lock_guard lock(mutex_);
  const auto it =
      std::find_if(instances_.begin(), instances_.end(),
                   [&](const InstancePtr& instance) { return instance->folded_name() == folded; });
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

std::vector<DefinitionEntry> DatabaseCapture::remove_instance(const InstancePtr& instance) {
  const std::lock_guard lock(mutex_);
  std::erase(instances_, instance);
  const auto kept = std::stable_partition(
      definitions_.begin(), definitions_.end(),
      [&](const DefinitionEntry& entry) { return entry.object_id != instance->object_id(); });
  std::vector<DefinitionEntry> removed(kept, definitions_.end());
  definitions_.erase(kept, definitions_.end());
  return removed;
}

void DatabaseCapture::take_back_instance(const InstancePtr& instance,
                                         const std::vector<DefinitionEntry>& definitions) {
  const std::lock_guard lock(mutex_);
  // As they were created.
  const auto place = std::find_if(
      instances_.begin(), instances_.end(),
      [&](const InstancePtr& other) { return other->object_id() > instance->object_id(); });
  instances_.insert(place, instance);
  definitions_.insert(definitions_.end(), definitions.begin(), definitions.end());
  std::stable_sort(
      definitions_.begin(), definitions_.end(),
      [](const DefinitionEntry& a, const DefinitionEntry& b) { return a.lsn < b.lsn; });
  instance->table()->is_tracked = true;
}

void DatabaseCapture::clear() {
  const std::lock_guard scan_lock(scan_mutex_);
  const std::lock_guard commit_lock(engine_->transactions().commit_mutex());
  database_->undo_history().restart(next_record());
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

std::string DatabaseCapture::shown_max_lsn() const {
  if (assumptions_->get().max_lsn_is_dirty != 0) {
    const std::lock_guard lock(log_mutex_);
    if (!log_.empty()) {
      return lsn_of_record(log_.back().record);
    }
  }
  return max_lsn();
}

std::string DatabaseCapture::max_lsn() const {
  const std::lock_guard lock(mutex_);
  return entries_.empty() ? std::string() : entries_.back().start_lsn;
}

std::optional<std::string> DatabaseCapture::min_lsn(std::string_view name) const {
  const InstancePtr instance = find_instance(name);
  return instance == nullptr ? std::nullopt : min_lsn(*instance);
}

std::optional<std::string> DatabaseCapture::min_lsn(const CaptureInstance& instance) const {
  const std::lock_guard lock(mutex_);
  return instance.start_lsn ? instance.start_lsn : instance.announced_lsn;
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
      const uint64_t first = next_record();
      filler(&rows, &entries);
      instance->changes()->append(std::move(rows), sequence);
      append_entries(entries, sequence);
      database_->undo_history().add_action(
          {first, next_record()}, 0, [this, lsn = lsn_of_record(first)] { forget_from(lsn); });
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
  is_reading_ended_ = true;
  reading_ended_.notify_all();
}

int32_t DatabaseCapture::begin_log_reading(int32_t session) {
  const std::lock_guard lock(mutex_);
  if (log_reader_ != 0) {
    return log_reader_;
  }
  log_reader_ = session;
  is_reading_ended_ = false;
  return 0;
}

void DatabaseCapture::end_log_reading() {
  const std::lock_guard lock(mutex_);
  log_reader_ = 0;
}

bool DatabaseCapture::has_log_reader() const {
  const std::lock_guard lock(mutex_);
  return log_reader_ != 0;
}

bool DatabaseCapture::wait_for_stop(int64_t wait_ms) {
  std::unique_lock lock(mutex_);
  return reading_ended_.wait_for(lock, std::chrono::milliseconds(wait_ms),
                                 [this] { return is_reading_ended_; });
}

}  // namespace dstream::standin::cdc
