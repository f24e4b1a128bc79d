// Change Data Capture of one database: its capture instances, its log, and the scan that moves
// whole transactions from the log to the change tables.
//
// Thread rule: [any-thread]. Scans come one at a time.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/cdc/append_table.h"
#include "tests/standins/sqlserver/cdc/assumptions.h"
#include "tests/standins/sqlserver/cdc/capture_instance.h"
#include "tests/standins/sqlserver/cdc/scan_history.h"
#include "tests/standins/sqlserver/sql/engine.h"
#include "tests/standins/sqlserver/sql/error.h"

namespace dstream::standin::cdc {

// A row of cdc.lsn_time_mapping.
struct CommitEntry {
  std::string start_lsn;
  int64_t begin_ticks = 0, end_ticks = 0;
  std::string transaction_id;  // one zero byte for a dummy row
  std::string begin_lsn;
};

// A row of cdc.ddl_history.
struct DefinitionEntry {
  int32_t source_object_id = 0, object_id = 0;
  bool required_column_update = false;
  std::string command;
  std::string lsn;
  int64_t ticks = 0;
  std::string instance;
};

struct JobSettings {
  int64_t transactions_max = 500;  // @maxtrans
  int64_t scans_max = 10;          // @maxscans
  bool continuous = true;
  int64_t polling_interval_s = 5;  // as the job tables show it
  int64_t polling_interval_ms = 5'000;
  int64_t retention_min = 4320;
  int64_t threshold = 5000;
  bool has_capture_job = false, has_cleanup_job = false;
};

// An error that the scan meets instead of the log: for tests.
struct ScanFault {
  int32_t number = 0;
  std::string text;
  int64_t times = 1;
};

class DatabaseCapture {
 public:
  DatabaseCapture(sql::Engine* engine, sql::Database* database, const AssumptionSet* assumptions);

  sql::Database& database() { return *database_; }

  // Log: in commit order.
  void add_transaction(sql::CommittedTransaction transaction);
  // Something the scan does when it has passed all transactions before; `apply` gets the record's
  // LSN, which is returned as well. If it throws SqlError the scan has failed, and stays there.
  // REQUIRES: within the commit whose record it is (Transaction::on_commit).
  std::string add_note(uint64_t record, std::function<void(const std::string& lsn)> apply);
  // What takes a step back that is now made at the end of the log, when the database is brought
  // back to a point before it. REQUIRES: TransactionManager::commit_mutex() is held.
  void keep_undo(size_t bytes, std::function<void()> undo);
  size_t log_size() const;

  // One scan: up to `transactions_max` transactions into the change tables, in one step for
  // readers. Returns how many. A scan that fails leaves the log as it was and a row in errors.
  int64_t scan(int64_t transactions_max);
  // Up to `scans_max` scans, until one finds less than it may take.
  void scan_cycle(int64_t transactions_max, int64_t scans_max);
  // sys.sp_cdc_scan of a session: the capture job waits meanwhile. Returns the id of the session
  // that reads the log already, or 0.
  int32_t begin_log_reading(int32_t session);
  void end_log_reading();
  bool has_log_reader() const;
  // Waits until stop_job() ends the session's reading; false when the time is over.
  bool wait_for_stop(int64_t wait_ms);
  // The next scans fail. Faults are used up in their order.
  void add_scan_fault(ScanFault fault);
  void clear_scan_faults();
  // A row without changes in lsn_time_mapping: "captured up to here".
  void add_dummy_entry();
  int64_t last_entry_ticks() const;

  std::vector<InstancePtr> instances() const;
  InstancePtr find_instance(std::string_view name) const;
  std::vector<InstancePtr> instances_of(const sql::Table& table) const;
  void add_instance(InstancePtr instance);
  // Returns the instance's rows of cdc.ddl_history, which go with it.
  std::vector<DefinitionEntry> remove_instance(const InstancePtr& instance);
  void take_back_instance(const InstancePtr& instance,
                          const std::vector<DefinitionEntry>& definitions);
  void clear();

  std::shared_ptr<AppendTable> time_mapping() const;
  std::vector<CommitEntry> entries() const;
  std::string max_lsn() const;  // "" if there is none
  // What sys.fn_cdc_get_max_lsn() says: see Assumptions::max_lsn_is_dirty.
  std::string shown_max_lsn() const;
  std::optional<std::string> min_lsn(std::string_view instance) const;
  std::optional<std::string> min_lsn(const CaptureInstance& instance) const;
  // The capture scan has passed the record that enabled the instance.
  // Shows an LSN before the scan has activated the instance.
  void announce(const InstancePtr& instance, const std::string& lsn);
  void activate(const InstancePtr& instance, const std::string& lsn);
  bool has_entry(std::string_view lsn) const;

  std::vector<DefinitionEntry> definitions() const;
  void add_definition(DefinitionEntry entry);

  // Raises the instance's start LSN first, then drops the rows below it, and the entries no
  // instance needs. Never lowers anything.
  void raise_low_water(const InstancePtr& instance, const std::string& lsn);
  // The low-water mark of the retention job; "" if nothing is old enough.
  std::string retention_mark() const;
  // The database as it was at the newest commit at or below `lsn`, as after RESTORE ... STOPATMARK:
  // rows and definitions of tables, instances and what is captured. New LSNs go on from there, so
  // that LSNs of commits that are gone are given again. What was captured of the commits that stay
  // is captured at once. Goes on as it is: identity and rowversion counters, logins, jobs.
  //
  // Throws SqlError 3101 if somebody else writes to the database, 50000 if the point is not in
  // reach: before Change Data Capture was enabled, in the future, or so long ago that what takes
  // changes back from there is no longer held (UndoHistory::set_bytes_max()).
  void restore_to(const std::string& lsn);
  // Appends made-up changes with commits of their own, behind all that was committed before. The
  // filler reserves its records when it is called, and nobody commits meanwhile.
  using Filler = std::function<void(RowBatch*, std::vector<CommitEntry>*)>;
  void fill(const InstancePtr& instance, const Filler& filler);

  const ScanHistory& history() const { return history_; }
  // As sys.sp_cdc_change_job has left them.
  JobSettings jobs() const;
  void set_jobs(const JobSettings& jobs);
  // As the capture job took them when it was started last; nullopt while it is stopped.
  std::optional<JobSettings> running_job() const;
  void start_job();
  void stop_job();

 private:
  struct LogEntry {
    uint64_t record = 0;
    std::optional<sql::CommittedTransaction> transaction;
    std::function<void(const std::string&)> apply;
  };
  struct Batch;

  struct ScanLimits {
    int64_t transactions = 0;
    uint64_t record = 0;  // the last to look at
  };
  bool scan_step(const ScanLimits& limits, int64_t start_ticks, int64_t* transactions,
                 bool* has_failed);
  void collect(const ScanLimits& limits, Batch* batch);
  void put_back(std::vector<LogEntry>* entries);
  std::optional<sql::SqlError> next_fault();
  void note_failure(const Batch& batch, int64_t start_ticks, const sql::SqlError& error);
  void encode(const sql::CommittedTransaction& transaction, Batch* batch);
  void publish(Batch* batch);
  void append_entries(const std::vector<CommitEntry>& entries, uint64_t sequence);
  void note_session(const Batch& batch, int64_t start_ticks);
  void keep_uncapturing(Batch* batch);
  // What is captured at or above the LSN is no longer there.
  void forget_from(const std::string& lsn);
  uint64_t restore_point(const std::string& lsn) const;
  // Takes the next place in the database's log.
  uint64_t next_record() { return database_->log_record(engine_->transactions().next_record()); }

  sql::Engine* const engine_;
  sql::Database* const database_;
  const AssumptionSet* const assumptions_;

  mutable std::mutex log_mutex_;  // guards log_
  std::deque<LogEntry> log_;

  std::mutex scan_mutex_;  // one scan, cleanup or restore at a time; guards captured_record_
  uint64_t captured_record_ = 0;

  mutable std::mutex mutex_;  // guards all below it
  std::vector<InstancePtr> instances_;
  std::vector<CommitEntry> entries_;
  std::vector<DefinitionEntry> definitions_;
  std::deque<ScanFault> scan_faults_;
  JobSettings jobs_;
  std::optional<JobSettings> running_job_;
  int32_t log_reader_ = 0;         // a session's id
  bool is_reading_ended_ = false;  // by stop_job()
  std::condition_variable reading_ended_;
  std::shared_ptr<AppendTable> time_mapping_;
  ScanHistory history_;
};

std::vector<ResultColumn> time_mapping_columns();
// The bytes of append_key() for an LSN that comes first in an ordering.
std::string lsn_key(std::string_view lsn);

}  // namespace dstream::standin::cdc
