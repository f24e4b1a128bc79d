// Change Data Capture of one database: its capture instances, its log, and the scan that moves
// whole transactions from the log to the change tables.
//
// Thread rule: [any-thread]. Scans come one at a time.
#pragma once

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
#include "tests/standins/sqlserver/cdc/capture_instance.h"
#include "tests/standins/sqlserver/sql/engine.h"

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

// A row of sys.dm_cdc_log_scan_sessions.
struct ScanSession {
  int32_t id = 0;
  int64_t start_ticks = 0, end_ticks = 0;
  std::string start_lsn, end_lsn;  // empty for an empty scan
  int64_t transactions = 0, log_records = 0, commands = 0, schema_changes = 0;
  int64_t last_commit_ticks = 0;
  int64_t latency_s = 0;
};

struct JobSettings {
  int64_t transactions_max = 500;  // @maxtrans
  int64_t scans_max = 10;          // @maxscans
  bool continuous = true;
  int64_t polling_interval_s = 5;  // as the job tables show it
  int64_t retention_min = 4320;
  int64_t threshold = 5000;
  bool has_capture_job = false, has_cleanup_job = false;
};

class DatabaseCapture {
 public:
  DatabaseCapture(sql::Engine* engine, sql::Database* database);

  sql::Database& database() { return *database_; }

  // Log: in commit order.
  void add_transaction(sql::CommittedTransaction transaction);
  // Something the scan does when it has passed all transactions before; `apply` gets the record's
  // LSN.
  void add_note(std::function<void(const std::string& lsn)> apply);
  size_t log_size() const;

  // One scan: up to `transactions_max` transactions into the change tables, in one step for
  // readers. Returns how many.
  int64_t scan(int64_t transactions_max);
  // A row without changes in lsn_time_mapping: "captured up to here".
  void add_dummy_entry();
  int64_t last_entry_ticks() const;

  std::vector<InstancePtr> instances() const;
  InstancePtr find_instance(std::string_view name) const;
  std::vector<InstancePtr> instances_of(const sql::Table& table) const;
  void add_instance(InstancePtr instance);
  void remove_instance(const InstancePtr& instance);
  void clear();

  std::shared_ptr<AppendTable> time_mapping() const;
  std::vector<CommitEntry> entries() const;
  std::string max_lsn() const;  // "" if there is none
  std::optional<std::string> min_lsn(std::string_view instance) const;
  // The capture scan has passed the record that enabled the instance.
  void activate(const InstancePtr& instance, const std::string& lsn);
  bool has_entry(std::string_view lsn) const;

  std::vector<DefinitionEntry> definitions() const;
  void add_definition(DefinitionEntry entry);

  // Raises the instance's start LSN first, then drops the rows below it, and the entries no
  // instance needs. Never lowers anything.
  void raise_low_water(const InstancePtr& instance, const std::string& lsn);
  // The low-water mark of the retention job; "" if nothing is old enough.
  std::string retention_mark() const;
  // Everything captured above `lsn` is gone, and the log goes on from there, as after a restore.
  void restore_to(const std::string& lsn);
  // Appends made-up changes with commits of their own, behind all that was committed before. The
  // filler reserves its records when it is called, and nobody commits meanwhile.
  using Filler = std::function<void(RowBatch*, std::vector<CommitEntry>*)>;
  void fill(const InstancePtr& instance, const Filler& filler);

  std::vector<ScanSession> sessions() const;
  JobSettings jobs() const;
  void set_jobs(const JobSettings& jobs);

 private:
  struct LogEntry {
    uint64_t record = 0;
    std::optional<sql::CommittedTransaction> transaction;
    std::function<void(const std::string&)> apply;
  };
  struct Batch;

  void collect(int64_t transactions_max, Batch* batch);
  void encode(const sql::CommittedTransaction& transaction, Batch* batch);
  void publish(Batch* batch);
  void append_entries(const std::vector<CommitEntry>& entries, uint64_t sequence);
  void note_session(const Batch& batch, int64_t start_ticks);

  sql::Engine* const engine_;
  sql::Database* const database_;

  mutable std::mutex log_mutex_;  // guards log_
  std::deque<LogEntry> log_;

  std::mutex scan_mutex_;  // one scan, cleanup or restore at a time

  mutable std::mutex mutex_;  // guards all below it
  std::vector<InstancePtr> instances_;
  std::vector<CommitEntry> entries_;
  std::vector<DefinitionEntry> definitions_;
  std::deque<ScanSession> sessions_;
  int32_t last_session_ = 0;
  JobSettings jobs_;
  std::shared_ptr<AppendTable> time_mapping_;
};

std::vector<ResultColumn> time_mapping_columns();
// The bytes of append_key() for an LSN that comes first in an ordering.
std::string lsn_key(std::string_view lsn);

}  // namespace dstream::standin::cdc
