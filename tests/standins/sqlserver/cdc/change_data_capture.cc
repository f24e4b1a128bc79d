#include "tests/standins/sqlserver/cdc/change_data_capture.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/temporal.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::cdc {
namespace {

std::vector<sql::Engine::SystemObject> capture_objects(ChangeDataCapture* capture,
                                                       sql::Database& database) {
  std::vector<sql::Engine::SystemObject> objects;
  const DatabaseCapture* cdc = capture->find(database);
  if (cdc == nullptr) {
    return objects;
  }
  for (const InstancePtr& instance : cdc->instances()) {
    sql::Engine::SystemObject table;
    table.id = instance->object_id();
    table.schema = "cdc";
    table.name = instance->name() + "_CT";
    table.columns = instance->change_columns();
    table.create_ticks = instance->create_ticks;
    objects.push_back(std::move(table));
    sql::Engine::SystemObject function;
    function.id = instance->object_id() + 1;
    function.schema = "cdc";
    function.name = "fn_cdc_get_all_changes_" + instance->name();
    function.type = "IF";
    function.create_ticks = instance->create_ticks;
    objects.push_back(function);
    if (instance->supports_net_changes) {
      function.id = instance->object_id() + 2;
      function.name = "fn_cdc_get_net_changes_" + instance->name();
      objects.push_back(std::move(function));
    }
  }
  return objects;
}

// What a tracked table does not allow.
void check_change(const sql::Engine::DefinitionChange& change, const CaptureInstance& instance,
                  const Assumptions& assumptions) {
  if (instance.has_index) {
    const auto& indexes = change.next->indexes;
    const bool is_there = std::any_of(indexes.begin(), indexes.end(), [&](const sql::Index& index) {
      return sql::equal_names(index.name, instance.index_name);
    });
    if (!is_there && change.is_index) {
      throw sql::SqlError(22983, 16, 1,
                          "The unique index '" + instance.index_name + "' on source table '" +
                              change.table->full_name() +
                              "' is used by Change Data Capture. To alter or drop the index, you "
                              "must first disable Change Data Capture on the table.");
    }
    if (!is_there) {
      throw sql::SqlError(22979, 16, 1,
                          "The unique index '" + instance.index_name + "' on table '" +
                              change.table->full_name() +
                              "' is used by Change Data Capture. The constraint using this index "
                              "cannot be dropped or disabled.");
    }
  }
  if (!change.is_rename || assumptions.column_rename_is_refused == 0) {
    return;
  }
  const CaptureInstance::Columns columns = instance.columns();
  for (const CapturedColumn& column : *columns) {
    if (sql::equal_names(column.name, change.dropped_columns.front())) {
      throw sql::SqlError(4928, 16, 1,
                          "Cannot alter column '" + column.name + "' because it is 'REPLICATED'.");
    }
  }
}

}  // namespace

ChangeDataCapture::ChangeDataCapture(sql::Engine* engine, CaptureOptions options)
    : engine_(engine), options_(options), last_cleanup_ticks_(engine->local_ticks()) {
  register_everything();
  engine_->transactions().set_listener(this);
  if (options_.starts_job) {
    job_ = std::thread([this] { run_job(); });
  }
}

ChangeDataCapture::~ChangeDataCapture() {
  {
    const std::lock_guard lock(job_mutex_);
    is_stopping_ = true;
  }
  job_wake_.notify_all();
  if (job_.joinable()) {
    job_.join();
  }
  engine_->transactions().set_listener(nullptr);
}

void ChangeDataCapture::register_everything() {
  add_functions(this);
  add_procedures(this);
  add_job_procedures(this);
  add_help_procedures(this);
  add_views(this);
  add_control_procedures(this);
  engine_->set_relation_finder(
      [this](sql::Database& database, std::string_view schema, std::string_view name) {
        return find_relation(this, database, schema, name);
      });
  engine_->set_table_function_finder(
      [this](sql::Database& database, std::string_view schema, std::string_view name) {
        return find_table_function(this, database, schema, name);
      });
  engine_->set_object_lister(
      [this](sql::Database& database) { return capture_objects(this, database); });
  engine_->set_definition_listener(
      [this](const sql::Engine::DefinitionChange& change) { definition_changed(change); });
}

void ChangeDataCapture::run_job() {
  std::unique_lock lock(job_mutex_);
  Time wake = std::chrono::steady_clock::now() + std::chrono::milliseconds(options_.interval_ms);
  while (!is_stopping_) {
    job_wake_.wait_until(lock, wake, [this] { return is_stopping_; });
    if (is_stopping_) {
      return;
    }
    lock.unlock();
    wake = job_turn();
    lock.lock();
  }
}

std::vector<DatabaseCapture*> ChangeDataCapture::enabled_databases() const {
  const std::lock_guard lock(mutex_);
  std::vector<DatabaseCapture*> enabled;
  for (const auto& [database, capture] : databases_) {
    if (database->is_cdc_enabled) {
      enabled.push_back(capture.get());
    }
  }
  return enabled;
}

// What SQL Server's two jobs do when their time has come.
ChangeDataCapture::Time ChangeDataCapture::job_turn() {
  const Time now = std::chrono::steady_clock::now();
  const auto interval_max = std::chrono::milliseconds(options_.interval_ms);
  Time wake = now + interval_max;
  if (is_paused_) {
    return wake;
  }
  for (DatabaseCapture* capture : enabled_databases()) {
    const std::optional<JobSettings> job = capture->running_job();
    if (!job) {
      next_scan_.erase(capture);
      continue;
    }
    Time& next = next_scan_[capture];
    // A job that was started since then with a shorter interval does not wait for the longer one.
    const auto interval = std::chrono::milliseconds(std::max<int64_t>(job->polling_interval_ms, 1));
    next = std::min(next, now + interval);
    if (next <= now) {
      scan_by_job(capture, *job);
      next = std::chrono::steady_clock::now() + interval;
    }
    wake = std::min(wake, next);
  }
  const int64_t ticks = engine_->local_ticks();
  if (ticks - last_cleanup_ticks_ >= options_.cleanup_interval_ms * sql::kTicksPerMillisecond) {
    last_cleanup_ticks_ = ticks;
    clean_up();
  }
  return wake;
}

void ChangeDataCapture::scan_by_job(DatabaseCapture* capture, const JobSettings& job) {
  if (capture->has_log_reader()) {
    return;  // sys.sp_cdc_scan of a client
  }
  capture->scan_cycle(job.transactions_max, job.scans_max);
  if (engine_->local_ticks() - capture->last_entry_ticks() >=
      assumptions_.get().dummy_interval_ms * sql::kTicksPerMillisecond) {
    capture->add_dummy_entry();
  }
  if (!job.continuous) {
    capture->stop_job();
  }
}

void ChangeDataCapture::pause() { is_paused_ = true; }
void ChangeDataCapture::resume() { is_paused_ = false; }

int64_t ChangeDataCapture::scan_once() {
  int64_t transactions = 0;
  for (sql::Database* database : engine_->databases()) {
    if (DatabaseCapture* capture = find(*database)) {
      transactions += capture->scan(capture->jobs().transactions_max);
    }
  }
  return transactions;
}

int64_t ChangeDataCapture::scan_all() {
  int64_t transactions = 0;
  for (sql::Database* database : engine_->databases()) {
    if (DatabaseCapture* capture = find(*database)) {
      transactions += capture->scan(std::numeric_limits<int64_t>::max());
    }
  }
  return transactions;
}

void ChangeDataCapture::clean_up() {
  for (sql::Database* database : engine_->databases()) {
    DatabaseCapture* capture = find(*database);
    if (capture == nullptr || !capture->jobs().has_cleanup_job) {
      continue;
    }
    const std::string mark = capture->retention_mark();
    if (mark.empty()) {
      continue;
    }
    for (const InstancePtr& instance : capture->instances()) {
      capture->raise_low_water(instance, mark);
    }
  }
}

DatabaseCapture* ChangeDataCapture::find(const sql::Database& database) const {
  if (!database.is_cdc_enabled) {
    return nullptr;
  }
  const std::lock_guard lock(mutex_);
  const auto it = databases_.find(&database);
  return it == databases_.end() ? nullptr : it->second.get();
}

DatabaseCapture& ChangeDataCapture::of(sql::Database& database) {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<DatabaseCapture>& capture = databases_[&database];
  if (capture == nullptr) {
    capture = std::make_unique<DatabaseCapture>(engine_, &database, &assumptions_);
  }
  return *capture;
}

// A transaction over several databases has a commit in the log of each.
void ChangeDataCapture::committed(sql::CommittedTransaction transaction) {
  transaction.commit_ticks = engine_->local_ticks();
  std::vector<sql::Database*> touched;
  for (const sql::RowChange& change : transaction.changes) {
    sql::Database* database = change.table->database;
    if (std::find(touched.begin(), touched.end(), database) == touched.end()) {
      touched.push_back(database);
    }
  }
  for (sql::Database* database : touched) {
    sql::CommittedTransaction part = transaction;
    if (touched.size() > 1) {
      std::erase_if(part.changes, [database](const sql::RowChange& change) {
        return change.table->database != database;
      });
    }
    part.database = database;
    of(*database).add_transaction(std::move(part));
  }
}

void ChangeDataCapture::writing_large(const sql::Table& table, int32_t column_id, int64_t bytes) {
  const int64_t limit = text_repl_bytes_max_.load();
  const DatabaseCapture* capture = limit < 0 || bytes <= limit ? nullptr : find(*table.database);
  if (capture == nullptr) {
    return;
  }
  for (const InstancePtr& instance : capture->instances_of(table)) {
    const CaptureInstance::Columns columns = instance->columns();
    for (const CapturedColumn& column : *columns) {
      if (column.column_id == column_id) {
        throw sql::SqlError(
            7139, 16, 1,
            "Length of LOB data (" + std::to_string(bytes) +
                ") to be replicated exceeds configured maximum " + std::to_string(limit) +
                ". Use the stored procedure sp_configure to increase the configured maximum value "
                "for max text repl size option, which defaults to 65536. A configured value of -1 "
                "indicates no limit, other that the limit imposed by the data type.");
      }
    }
  }
}

// The table's change tables follow the definition: types that were altered, columns that are gone.
void ChangeDataCapture::follow_definition(DatabaseCapture* capture,
                                          const std::vector<InstancePtr>& instances,
                                          const sql::TableDefinition& definition) {
  for (const InstancePtr& instance : instances) {
    const CaptureInstance::Columns columns = instance->columns();
    for (const CapturedColumn& captured : *columns) {
      const auto column =
          std::find_if(definition.columns.begin(), definition.columns.end(),
                       [&](const sql::Column& other) { return other.id == captured.column_id; });
      if (column == definition.columns.end()) {
        if (!captured.is_dropped) {
          const auto undo = instance->drop_column(captured.column_id);
          capture->keep_undo(0, [instance, undo] { undo(); });
        }
      } else if (sql::type_declaration(column->type) != sql::type_declaration(captured.type) &&
                 !column->is_row_version()) {
        // The way back keeps the rows as they are now.
        const size_t bytes = instance->changes()->byte_count();
        const auto undo = instance->alter_column(
            column->id, column->type,
            sql::alias_name(*instance->table()->database, column->user_type_id));
        capture->keep_undo(bytes, [instance, undo] { undo(); });
      }
    }
  }
}

// DDL on a tracked table: refused, or written down when the scan gets there.
void ChangeDataCapture::definition_changed(const sql::Engine::DefinitionChange& change) {
  DatabaseCapture* capture = find(*change.table->database);
  if (capture == nullptr || !change.table->is_tracked) {
    return;
  }
  const std::vector<InstancePtr> instances = capture->instances_of(*change.table);
  if (change.is_drop) {
    // Dropping a source table drops its capture instances with it.
    for (const InstancePtr& instance : instances) {
      const std::vector<DefinitionEntry> definitions = capture->remove_instance(instance);
      change.session.statement_transaction().on_rollback(
          change.table->database,
          [capture, instance, definitions] { capture->take_back_instance(instance, definitions); });
    }
    return;
  }
  for (const InstancePtr& instance : instances) {
    check_change(change, *instance, assumptions_.get());
  }
  if (change.is_index) {
    return;
  }
  const sql::TablePtr table = change.table;
  const std::string statement = change.statement;
  const bool type_changed = change.column_type_changed;
  const sql::DefinitionPtr next = change.next;  // when the scan gets here it may be another
  change.session.statement_transaction().on_commit([=, this](uint64_t record) {
    capture->add_note(record, [=, this](const std::string& lsn) {
      // Instances that were enabled later know nothing of it.
      std::vector<InstancePtr> concerned = capture->instances_of(*table);
      std::erase_if(concerned, [](const InstancePtr& other) { return !other->is_active(); });
      follow_definition(capture, concerned, *next);
      for (const InstancePtr& instance : concerned) {
        DefinitionEntry entry;
        entry.source_object_id = table->object_id();
        entry.object_id = instance->object_id();
        entry.required_column_update = type_changed;
        entry.command = statement;
        entry.lsn = lsn;
        entry.ticks = engine_->local_ticks();
        entry.instance = instance->name();
        capture->add_definition(std::move(entry));
      }
    });
  });
}

}  // namespace dstream::standin::cdc
