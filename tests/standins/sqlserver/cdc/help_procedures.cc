// sys.sp_cdc_help_*, sp_cdc_get_*.
#include "tests/standins/sqlserver/cdc/change_data_capture.h"
#include "tests/standins/sqlserver/cdc/procedure_support.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/functions.h"
#include "tests/standins/sqlserver/sql/procedures.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/temporal.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::cdc {
namespace {

using sql::ProcedureCall;
using sql::view_column;
template <class List>
std::string name_list(const List& columns) {
  std::string result;
  for (const auto& column : columns) {
    result += (result.empty() ? "" : ", ") + sql::quote_name(column.name);
  }
  return result;
}

void check_source(const DatabaseCapture& cdc, const ProcedureCall& call, const std::string& schema,
                  const std::string& name) {
  if (schema.empty() != name.empty()) {
    throw sql::SqlError(22972, 16, 1,
                        "When calling stored procedure [sys].sp_cdc_help_change_data capture, if "
                        "either @source_schema or @source_name is non-null and non-empty, the "
                        "other parameter must also be non-null and non-empty.");
  }
  if (name.empty()) {
    return;
  }
  const sql::TablePtr table = call.database.find_table(schema, name);
  if (table == nullptr || cdc.instances_of(*table).empty()) {
    throw sql::SqlError(22985, 16, 1,
                        "Change data capture has not been enabled for source table '" + schema +
                            "." + name +
                            "'. Specify the name of a table enabled for Change Data Capture. To "
                            "report on the tables enabled for Change Data Capture, query the "
                            "is_tracked_by_cdc column in the sys.tables catalog view.");
  }
}

void help_capture(ChangeDataCapture* capture, ProcedureCall& call) {
  call.bind({"@source_schema", "@source_name"});
  DatabaseCapture& cdc = enabled(capture, call);
  const std::string schema = call.text(0), name = call.text(1);
  check_source(cdc, call, schema, name);
  Rows rows;
  for (const InstancePtr& instance : cdc.instances()) {
    const sql::Table& table = *instance->table();
    if (!may_read(call.session, call.database, *instance)) {
      continue;
    }
    if ((!schema.empty() && !sql::equal_names(schema, table.schema())) ||
        (!name.empty() && !sql::equal_names(name, table.name()))) {
      continue;
    }
    const auto start = cdc.min_lsn(instance->name());
    rows.push_back({text(table.schema()),
                    text(table.name()),
                    text(instance->name()),
                    number(instance->object_id()),
                    number(instance->source_object_id()),
                    start ? text(*start) : SqlValue{},
                    {},
                    flag(instance->supports_net_changes),
                    flag(instance->has_drop_pending),
                    optional_text(instance->has_role, instance->role_name),
                    optional_text(instance->has_index, instance->index_name),
                    optional_text(instance->has_filegroup, instance->filegroup_name),
                    date_time(instance->create_ticks),
                    optional_text(instance->has_index, name_list(instance->key_columns)),
                    text(name_list(*instance->columns()))});
  }
  const SqlType name_type = sql::sysname_type(), lsn = sql::binary_type(10);
  sql::send_rows(
      call,
      {view_column("source_schema", name_type), view_column("source_table", name_type),
       view_column("capture_instance", name_type), view_column("object_id", sql::int_type()),
       view_column("source_object_id", sql::int_type()), view_column("start_lsn", lsn),
       view_column("end_lsn", lsn), view_column("supports_net_changes", sql::bit_type()),
       view_column("has_drop_pending", sql::bit_type()), view_column("role_name", name_type),
       view_column("index_name", name_type), view_column("filegroup_name", name_type),
       view_column("create_date", sql::datetime_type()),
       view_column("index_column_list", sql::nvarchar_type(kMaxLength)),
       view_column("captured_column_list", sql::nvarchar_type(kMaxLength))},
      rows);
}

void help_jobs(ChangeDataCapture* capture, ProcedureCall& call) {
  const DatabaseCapture& cdc = owned(capture, call);
  const bool has_name = capture->assumptions().get().help_jobs_has_job_name != 0;
  const JobSettings jobs = cdc.jobs();
  Rows rows;
  const auto add = [&](std::string id, const std::string& type, std::vector<SqlValue> settings) {
    id.resize(16, type == "capture" ? '.' : '+');
    std::vector<SqlValue> row = {text(id), text(type)};
    if (has_name) {
      row.push_back(text("cdc." + call.database.name() + "_" + type));
    }
    row.insert(row.end(), settings.begin(), settings.end());
    rows.push_back(std::move(row));
  };
  const std::string id = "stand-in job " + std::to_string(call.database.id());
  if (jobs.has_capture_job) {
    add(id, "capture",
        {number(jobs.transactions_max), number(jobs.scans_max), flag(jobs.continuous),
         number(jobs.polling_interval_s), number(0), number(0)});
  }
  if (jobs.has_cleanup_job) {
    add(id, "cleanup",
        {number(0), number(0), flag(false), number(0), number(jobs.retention_min),
         number(jobs.threshold)});
  }
  const SqlType bigint = sql::bigint_type();
  std::vector<ResultColumn> columns = {
      view_column("job_id", sql::make_type(TypeId::kUniqueIdentifier, {}, {})),
      view_column("job_type", sql::nvarchar_type(20))};
  if (has_name) {
    columns.push_back(view_column("job_name", sql::sysname_type()));
  }
  for (const auto& [name, type] : {std::pair{"maxtrans", sql::int_type()},
                                   {"maxscans", sql::int_type()},
                                   {"continuous", sql::bit_type()},
                                   {"pollinginterval", bigint},
                                   {"retention", bigint},
                                   {"threshold", bigint}}) {
    columns.push_back(view_column(name, type));
  }
  sql::send_rows(call, columns, rows);
}

InstancePtr required_instance(const DatabaseCapture& cdc, const ProcedureCall& call) {
  if (!call.has(0)) {
    throw sql::missing_parameter(call.name, "@capture_instance");
  }
  InstancePtr instance = cdc.find_instance(call.text(0));
  if (instance == nullptr || !may_read(call.session, call.database, *instance)) {
    throw sql::SqlError(22981, 16, 1, "Object does not exist or access is denied.");
  }
  return instance;
}

void captured_columns(ChangeDataCapture* capture, ProcedureCall& call) {
  call.bind({"@capture_instance"});
  const InstancePtr instance = required_instance(enabled(capture, call), call);
  const sql::Table& table = *instance->table();
  Rows rows;
  int64_t ordinal = 0;
  const CaptureInstance::Columns columns = instance->columns();
  for (const CapturedColumn& column : *columns) {
    int precision = 0, scale = 0;
    sql::decimal_shape(column.type, &precision, &scale);
    const sql::Family family = sql::family_of(column.type.id);
    const bool is_number = family == sql::Family::kInteger || family == sql::Family::kDecimal;
    const bool has_length = family == sql::Family::kText || family == sql::Family::kBytes;
    rows.push_back({text(table.schema()), text(table.name()), text(instance->name()),
                    text(column.name), number(column.column_id), number(++ordinal),
                    text(column.source_type), has_length ? number(column.type.length) : SqlValue{},
                    is_number ? number(precision) : SqlValue{}, is_number ? number(10) : SqlValue{},
                    is_number ? number(scale) : SqlValue{},
                    sql::is_temporal(family) ? number(column.type.scale) : SqlValue{}});
  }
  const SqlType name = sql::sysname_type(), small = sql::make_type(TypeId::kSmallInt, {}, {});
  sql::send_rows(
      call,
      {view_column("source_schema", name), view_column("source_table", name),
       view_column("capture_instance", name), view_column("column_name", name),
       view_column("column_id", sql::int_type()), view_column("ordinal_position", sql::int_type()),
       view_column("data_type", name), view_column("character_maximum_length", sql::int_type()),
       view_column("numeric_precision", sql::make_type(TypeId::kTinyInt, {}, {})),
       view_column("numeric_precision_radix", small), view_column("numeric_scale", sql::int_type()),
       view_column("datetime_precision", small)},
      rows);
}

void ddl_history(ChangeDataCapture* capture, ProcedureCall& call) {
  call.bind({"@capture_instance"});
  const DatabaseCapture& cdc = enabled(capture, call);
  const InstancePtr instance = required_instance(cdc, call);
  Rows rows;
  for (const DefinitionEntry& entry : cdc.definitions()) {
    if (entry.object_id == instance->object_id()) {
      rows.push_back({text(instance->table()->schema()), text(instance->table()->name()),
                      text(instance->name()), flag(entry.required_column_update),
                      text(entry.command), text(entry.lsn), date_time(entry.ticks)});
    }
  }
  const SqlType name = sql::sysname_type();
  sql::send_rows(
      call,
      {view_column("source_schema", name), view_column("source_table", name),
       view_column("capture_instance", name),
       view_column("required_column_update", sql::bit_type()),
       view_column("ddl_command", sql::nvarchar_type(kMaxLength)),
       view_column("ddl_lsn", sql::binary_type(10)), view_column("ddl_time", sql::datetime_type())},
      rows);
}

}  // namespace

void add_help_procedures(ChangeDataCapture* capture) {
  sql::Engine& engine = capture->engine();
  const auto add = [&](const char* name, void (*body)(ChangeDataCapture*, ProcedureCall&)) {
    engine.add_procedure(name, [capture, body](ProcedureCall& call) { body(capture, call); });
  };
  add("sys.sp_cdc_help_change_data_capture", help_capture);
  add("sys.sp_cdc_help_jobs", help_jobs);
  add("sys.sp_cdc_get_captured_columns", captured_columns);
  add("sys.sp_cdc_get_ddl_history", ddl_history);
}

}  // namespace dstream::standin::cdc
