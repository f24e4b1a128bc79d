// Change Data Capture for an Engine: construct it beside the engine, before the first login.
//
//   sql::Engine engine({.database = "demo"});
//   cdc::ChangeDataCapture capture(&engine, {.interval_ms = 200});
//   engine.run_script("EXEC sys.sp_cdc_enable_db ...");
//
// A job thread scans the log every interval, as SQL Server's capture job does. Tests that want each
// step in their hand construct it with `.starts_job = false` and call scan_once().
//
// Thread rule: construct and destroy by the engine's owner; the rest is [any-thread].
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "tests/standins/sqlserver/cdc/assumptions.h"
#include "tests/standins/sqlserver/cdc/database_capture.h"
#include "tests/standins/sqlserver/sql/engine.h"

namespace dstream::standin::cdc {

struct CaptureOptions {
  int64_t interval_ms = 5'000;               // between scans; SQL Server's default
  int64_t cleanup_interval_ms = 86'400'000;  // the retention job runs daily
  bool starts_job = true;                    // false: only scan_once() scans
};

class ChangeDataCapture final : public sql::CommitListener {
 public:
  ChangeDataCapture(sql::Engine* engine, CaptureOptions options);
  ~ChangeDataCapture() override;
  ChangeDataCapture(const ChangeDataCapture&) = delete;
  ChangeDataCapture& operator=(const ChangeDataCapture&) = delete;

  // All capture jobs, running or not. A paused job finishes the scan it is in.
  void pause();
  void resume();
  bool is_paused() const { return is_paused_.load(); }
  // One scan of up to @maxtrans transactions in every database, in this thread, paused or not.
  // Returns the number of transactions captured.
  int64_t scan_once();
  // Scans until nothing that was committed before the call is left. Returns the transactions.
  int64_t scan_all();
  // The retention job, once.
  void clean_up();

  // nullptr unless the database is enabled.
  DatabaseCapture* find(const sql::Database& database) const;
  // Created on first use, enabled or not.
  DatabaseCapture& of(sql::Database& database);

  void committed(sql::CommittedTransaction transaction) override;
  void writing_large(const sql::Table& table, int32_t column_id, int64_t bytes) override;

  // sp_configure N'max text repl size': what a statement may write into a captured column of a
  // large type. -1: anything.
  void set_text_repl_bytes_max(int64_t bytes) { text_repl_bytes_max_ = bytes; }
  int64_t text_repl_bytes_max() const { return text_repl_bytes_max_.load(); }

  sql::Engine& engine() { return *engine_; }
  const CaptureOptions& options() const { return options_; }
  // As in Azure SQL Database: no SQL Server Agent, the jobs of a database are listed in its own
  // cdc.cdc_jobs, and only how much a scan takes and what is kept can be changed.
  bool is_azure() const { return engine_->options().is_azure; }
  AssumptionSet& assumptions() { return assumptions_; }

 private:
  using Time = std::chrono::steady_clock::time_point;
  void run_job();
  // Returns when the next turn is due.
  Time job_turn();
  std::vector<DatabaseCapture*> enabled_databases() const;
  void scan_by_job(DatabaseCapture* capture, const JobSettings& job);
  void register_everything();
  static void follow_definition(DatabaseCapture* capture, const std::vector<InstancePtr>& instances,
                                const sql::TableDefinition& definition);
  void definition_changed(const sql::Engine::DefinitionChange& change);

  sql::Engine* const engine_;
  const CaptureOptions options_;
  AssumptionSet assumptions_;

  mutable std::mutex mutex_;  // guards databases_
  std::map<const sql::Database*, std::unique_ptr<DatabaseCapture>> databases_;

  std::atomic<int64_t> text_repl_bytes_max_{65'536};
  std::atomic<bool> is_paused_{false};
  std::mutex job_mutex_;  // guards is_stopping_
  std::condition_variable job_wake_;
  bool is_stopping_ = false;
  int64_t last_cleanup_ticks_ = 0;
  std::map<DatabaseCapture*, Time> next_scan_;  // the job thread's
  std::thread job_;
};

// What the constructor registers with the engine, by file.
void add_functions(ChangeDataCapture* capture);           // functions.cc
void add_procedures(ChangeDataCapture* capture);          // procedures.cc
void add_job_procedures(ChangeDataCapture* capture);      // job_procedures.cc
void add_help_procedures(ChangeDataCapture* capture);     // help_procedures.cc
void add_views(ChangeDataCapture* capture);               // views.cc
void add_control_procedures(ChangeDataCapture* capture);  // control_procedures.cc

// cdc.<name> as something to read: change tables, lsn_time_mapping, the metadata tables. nullptr if
// there is none.
std::shared_ptr<const sql::Relation> find_relation(ChangeDataCapture* capture,
                                                   sql::Database& database, std::string_view schema,
                                                   std::string_view name);
// cdc.fn_cdc_get_all_changes_<instance> and cdc.fn_cdc_get_net_changes_<instance>.
const sql::TableFunction* find_table_function(ChangeDataCapture* capture, sql::Database& database,
                                              std::string_view schema, std::string_view name);

}  // namespace dstream::standin::cdc
