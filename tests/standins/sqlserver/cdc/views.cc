// The cdc schema as tables, and the views of jobs and scans.
#include "tests/standins/sqlserver/cdc/change_data_capture.h"
#include "tests/standins/sqlserver/cdc/lsn.h"
#include "tests/standins/sqlserver/cdc/procedure_support.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/functions.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/temporal.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::cdc {
namespace {

using sql::view_column;
constexpr int64_t kSchemaVersioningPhase = 6;

std::shared_ptr<const sql::Relation> relation(std::vector<ResultColumn> columns, Rows rows) {
  return std::make_shared<sql::RowsRelation>(std::move(columns), std::move(rows));
}

std::shared_ptr<const sql::Relation> change_tables(const DatabaseCapture& cdc) {
  const SqlType name = sql::sysname_type(), lsn = sql::binary_type(10);
  Rows rows;
  for (const InstancePtr& instance : cdc.instances()) {
    const auto start = cdc.min_lsn(*instance);
    rows.push_back({number(instance->object_id()),
                    number(0),
                    number(instance->source_object_id()),
                    text(instance->name()),
                    start ? text(*start) : SqlValue{},
                    {},
                    flag(instance->supports_net_changes),
                    flag(instance->has_drop_pending),
                    optional_text(instance->has_role, instance->role_name),
                    optional_text(instance->has_index, instance->index_name),
                    optional_text(instance->has_filegroup, instance->filegroup_name),
                    date_time(instance->create_ticks),
                    flag(instance->partition_switch)});
  }
  return relation(
      {view_column("object_id", sql::int_type(), false), view_column("version", sql::int_type()),
       view_column("source_object_id", sql::int_type()),
       view_column("capture_instance", name, false), view_column("start_lsn", lsn),
       view_column("end_lsn", lsn), view_column("supports_net_changes", sql::bit_type()),
       view_column("has_drop_pending", sql::bit_type()), view_column("role_name", name),
       view_column("index_name", name), view_column("filegroup_name", name),
       view_column("create_date", sql::datetime_type()),
       view_column("partition_switch", sql::bit_type(), false)},
      std::move(rows));
}

std::shared_ptr<const sql::Relation> captured_columns(const DatabaseCapture& cdc,
                                                      const Assumptions& assumptions) {
  const SqlType name = sql::sysname_type();
  const bool has_masking_function = assumptions.has_masking_function != 0;
  Rows rows;
  for (const InstancePtr& instance : cdc.instances()) {
    int64_t ordinal = 0;
    const CaptureInstance::Columns columns = instance->columns();
    for (const CapturedColumn& column : *columns) {
      const bool by_alias = assumptions.column_type_is_alias != 0 && !column.alias.empty();
      rows.push_back({number(instance->object_id()), text(column.name), number(column.column_id),
                      text(by_alias ? column.alias : column.source_type), number(++ordinal),
                      flag(column.is_computed)});
      rows.back().resize(has_masking_function ? 7 : 6);
    }
  }
  std::vector<ResultColumn> columns = {view_column("object_id", sql::int_type(), false),
                                       view_column("column_name", name, false),
                                       view_column("column_id", sql::int_type()),
                                       view_column("column_type", name, false),
                                       view_column("column_ordinal", sql::int_type(), false),
                                       view_column("is_computed", sql::bit_type())};
  if (has_masking_function) {
    columns.push_back(view_column("masking_function", sql::nvarchar_type(4000)));
  }
  return relation(std::move(columns), std::move(rows));
}

std::shared_ptr<const sql::Relation> index_columns(const DatabaseCapture& cdc) {
  Rows rows;
  for (const InstancePtr& instance : cdc.instances()) {
    int64_t ordinal = 0;
    for (const KeyColumn& column : instance->key_columns) {
      rows.push_back({number(instance->object_id()), text(column.name), number(++ordinal),
                      number(column.column_id)});
    }
  }
  return relation({view_column("object_id", sql::int_type(), false),
                   view_column("column_name", sql::sysname_type(), false),
                   view_column("index_ordinal", sql::make_type(TypeId::kTinyInt, {}, {}), false),
                   view_column("column_id", sql::int_type(), false)},
                  std::move(rows));
}

std::shared_ptr<const sql::Relation> ddl_history(const DatabaseCapture& cdc) {
  Rows rows;
  for (const DefinitionEntry& entry : cdc.definitions()) {
    rows.push_back({number(entry.source_object_id), number(entry.object_id),
                    flag(entry.required_column_update), text(entry.command), text(entry.lsn),
                    date_time(entry.ticks)});
  }
  return relation({view_column("source_object_id", sql::int_type()),
                   view_column("object_id", sql::int_type(), false),
                   view_column("required_column_update", sql::bit_type()),
                   view_column("ddl_command", sql::nvarchar_type(kMaxLength)),
                   view_column("ddl_lsn", sql::binary_type(10), false),
                   view_column("ddl_time", sql::datetime_type())},
                  std::move(rows));
}

std::vector<ResultColumn> job_columns() {
  const SqlType bigint = sql::bigint_type();
  return {view_column("database_id", sql::int_type(), false),
          view_column("job_type", sql::nvarchar_type(20), false),
          view_column("job_id", sql::make_type(TypeId::kUniqueIdentifier, {}, {})),
          view_column("maxtrans", sql::int_type()),
          view_column("maxscans", sql::int_type()),
          view_column("continuous", sql::bit_type()),
          view_column("pollinginterval", bigint),
          view_column("retention", bigint),
          view_column("threshold", bigint)};
}

void add_jobs(const DatabaseCapture& cdc, int64_t database, Rows* rows) {
  const JobSettings jobs = cdc.jobs();
  std::string id = "stand-in job " + std::to_string(database);
  id.resize(16, '.');
  if (jobs.has_capture_job) {
    rows->push_back({number(database), text("capture"), text(id), number(jobs.transactions_max),
                     number(jobs.scans_max), flag(jobs.continuous), number(jobs.polling_interval_s),
                     number(0), number(0)});
  }
  if (jobs.has_cleanup_job) {
    id.back() = '+';
    rows->push_back({number(database), text("cleanup"), text(id), number(0), number(0), flag(false),
                     number(0), number(jobs.retention_min), number(jobs.threshold)});
  }
}

// msdb's, of all databases.
sql::SystemView jobs_view(ChangeDataCapture* capture) {
  sql::SystemView view;
  view.columns = job_columns();
  view.rows = [capture](sql::SqlSession& session, sql::Database&) {
    Rows rows;
    for (sql::Database* database : session.engine().databases()) {
      if (const DatabaseCapture* cdc = capture->find(*database)) {
        add_jobs(*cdc, database->id(), &rows);
      }
    }
    return rows;
  };
  view.needed = sql::Permission::kSelect;
  return view;
}

std::vector<ResultColumn> session_columns() {
  const SqlType bigint = sql::bigint_type(), lsn = sql::nvarchar_type(23);
  return {view_column("session_id", sql::int_type()),
          view_column("start_time", sql::datetime_type()),
          view_column("end_time", sql::datetime_type()),
          view_column("duration", bigint),
          view_column("scan_phase", sql::nvarchar_type(200)),
          view_column("error_count", sql::int_type()),
          view_column("start_lsn", lsn),
          view_column("current_lsn", lsn),
          view_column("end_lsn", lsn),
          view_column("tran_count", bigint),
          view_column("last_commit_lsn", lsn),
          view_column("last_commit_time", sql::datetime_type()),
          view_column("log_record_count", bigint),
          view_column("schema_change_count", sql::int_type()),
          view_column("command_count", bigint),
          view_column("first_begin_cdc_lsn", lsn),
          view_column("last_commit_cdc_lsn", lsn),
          view_column("last_commit_cdc_time", sql::datetime_type()),
          view_column("latency", sql::int_type()),
          view_column("empty_scan_count", sql::int_type()),
          view_column("failed_sessions_count", sql::int_type())};
}

std::vector<SqlValue> session_row(const ScanSession& session) {
  const auto lsn = [](const std::string& value) {
    return text(lsn_text(value.empty() ? zero_lsn() : value));
  };
  const SqlValue commit_time =
      session.last_commit_ticks == 0 ? SqlValue{} : date_time(session.last_commit_ticks);
  return {number(session.id),
          date_time(session.start_ticks),
          date_time(session.end_ticks),
          number((session.end_ticks - session.start_ticks) / sql::kTicksPerSecond),
          text(session.phase),
          number(session.errors),
          lsn(session.start_lsn),
          lsn(session.end_lsn),
          lsn(session.end_lsn),
          number(session.transactions),
          lsn(session.last_commit_lsn),
          commit_time,
          number(session.log_records),
          number(session.schema_changes),
          number(session.commands),
          lsn(session.start_lsn),
          lsn(session.last_commit_lsn),
          commit_time,
          number(session.latency_s),
          number(session.empty_scans),
          number(session.failed_sessions)};
}

// Scans are known where they run: not on a secondary replica.
const DatabaseCapture* scanned(ChangeDataCapture* capture, const sql::SqlSession& session,
                               const sql::Database& database) {
  return session.is_read_only(database) ? nullptr : capture->find(database);
}

sql::SystemView sessions_view(ChangeDataCapture* capture) {
  sql::SystemView view;
  view.columns = session_columns();
  view.rows = [capture](sql::SqlSession& session, sql::Database& database) {
    Rows rows;
    const DatabaseCapture* cdc = scanned(capture, session, database);
    if (cdc == nullptr) {
      return rows;
    }
    for (const ScanSession& scan : cdc->history().sessions()) {
      rows.push_back(session_row(scan));
    }
    return rows;
  };
  view.needed = sql::Permission::kViewDatabasePerformanceState;
  return view;
}

sql::SystemView errors_view(ChangeDataCapture* capture) {
  sql::SystemView view;
  const SqlType lsn = sql::nvarchar_type(23);
  view.columns = {view_column("session_id", sql::int_type()),
                  view_column("phase_number", sql::int_type()),
                  view_column("entry_time", sql::datetime_type()),
                  view_column("error_number", sql::int_type()),
                  view_column("error_severity", sql::int_type()),
                  view_column("error_state", sql::int_type()),
                  view_column("error_message", sql::nvarchar_type(1024)),
                  view_column("start_lsn", lsn),
                  view_column("begin_lsn", lsn),
                  view_column("sequence_value", lsn)};
  view.rows = [capture](sql::SqlSession& session, sql::Database& database) {
    Rows rows;
    const DatabaseCapture* cdc = scanned(capture, session, database);
    for (const ScanError& error :
         cdc == nullptr ? std::vector<ScanError>() : cdc->history().errors()) {
      const SqlValue at = text(lsn_text(error.lsn.empty() ? zero_lsn() : error.lsn));
      rows.push_back({number(error.session), number(kSchemaVersioningPhase), date_time(error.ticks),
                      number(error.number), number(error.severity), number(error.state),
                      text(error.text), at, at, at});
    }
    return rows;
  };
  view.needed = sql::Permission::kViewDatabasePerformanceState;
  return view;
}

}  // namespace

std::shared_ptr<const sql::Relation> find_relation(ChangeDataCapture* capture,
                                                   sql::Database& database, std::string_view schema,
                                                   std::string_view name) {
  DatabaseCapture* cdc = capture->find(database);
  if (cdc == nullptr || !sql::equal_names(schema, "cdc")) {
    return nullptr;
  }
  const std::string folded = sql::fold_name(name);
  if (folded == "lsn_time_mapping") {
    return std::make_shared<AppendRelation>(cdc->time_mapping());
  }
  if (folded == "change_tables") {
    return change_tables(*cdc);
  }
  if (folded == "captured_columns") {
    return captured_columns(*cdc, capture->assumptions().get());
  }
  if (folded == "index_columns") {
    return index_columns(*cdc);
  }
  if (folded == "ddl_history") {
    return ddl_history(*cdc);
  }
  if (folded == "cdc_jobs" && capture->is_azure()) {
    Rows rows;
    add_jobs(*cdc, database.id(), &rows);
    return relation(job_columns(), std::move(rows));
  }
  if (folded.ends_with("_ct")) {
    const InstancePtr instance = cdc->find_instance(name.substr(0, name.size() - 3));
    if (instance != nullptr) {
      return std::make_shared<AppendRelation>(instance->changes());
    }
  }
  return nullptr;
}

void add_views(ChangeDataCapture* capture) {
  sql::Engine& engine = capture->engine();
  if (!capture->is_azure()) {
    engine.add_view("msdb.dbo.cdc_jobs", jobs_view(capture));
  }
  engine.add_view("sys.dm_cdc_log_scan_sessions", sessions_view(capture));
  engine.add_view("sys.dm_cdc_errors", errors_view(capture));
}

}  // namespace dstream::standin::cdc
