// sys.sp_cdc_enable_*, sp_cdc_disable_*, jobs and cleanup.
#include <algorithm>

#include "tests/standins/sqlserver/cdc/change_data_capture.h"
#include "tests/standins/sqlserver/cdc/lsn.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/interpreter.h"
#include "tests/standins/sqlserver/sql/lexer.h"
#include "tests/standins/sqlserver/sql/parser.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::cdc {
namespace {

using sql::ProcedureCall;
using sql::SqlError;

constexpr int64_t kInstanceNameMax = 100;
constexpr size_t kInstancesPerTableMax = 2;

SqlError not_enabled(const std::string& database) {
  return {22901, 16, 1,
          "The database '" + database +
              "' is not enabled for Change Data Capture. "
              "Ensure that the correct database context is set and retry the operation. "
              "To report on the databases enabled for Change Data Capture, query the "
              "is_cdc_enabled column in the sys.databases catalog view."};
}

DatabaseCapture& enabled(ChangeDataCapture* capture, const ProcedureCall& call) {
  DatabaseCapture* cdc = capture->find(call.database);
  if (cdc == nullptr) {
    throw not_enabled(call.database.name());
  }
  return *cdc;
}

std::string required(const ProcedureCall& call, size_t index, std::string_view name) {
  if (!call.has(index)) {
    throw sql::missing_parameter(call.name, name);
  }
  return call.text(index);
}

void enable_database(ChangeDataCapture* capture, ProcedureCall& call) {
  sql::Database& database = call.database;
  if (database.is_cdc_enabled) {
    return;
  }
  if (database.id() <= 4) {
    throw SqlError(22902, 16, 1,
                   "Caller is not authorized to initiate the requested action. "
                   "System databases cannot be enabled for Change Data Capture.");
  }
  if (database.find_schema("cdc")) {
    throw SqlError(22906, 16, 1,
                   "The database '" + database.name() +
                       "' cannot be enabled for "
                       "Change Data Capture because a database user named 'cdc' or a "
                       "schema named 'cdc' already exists in the current database. These "
                       "objects are required exclusively by CDC. Drop or rename the user "
                       "or schema and retry the operation.");
  }
  capture->of(database).clear();
  database.add_schema("cdc");
  database.is_cdc_enabled = true;
  call.session.engine().schemas_changed(database);
}

void disable_database(ChangeDataCapture* capture, ProcedureCall& call) {
  sql::Database& database = call.database;
  if (!database.is_cdc_enabled) {
    return;
  }
  database.is_cdc_enabled = false;
  capture->of(database).clear();
  database.remove_schema("cdc");
  call.session.engine().schemas_changed(database);
}

SqlError no_source(const std::string& schema, const std::string& name) {
  return {22931, 16, 1,
          "Source table '" + schema + "." + name +
              "' does not exist in the current "
              "database. Ensure that the correct database context is set. Specify a valid "
              "schema and table name for the database."};
}

CapturedColumn captured(const sql::Column& column) {
  CapturedColumn result;
  result.name = column.name;
  result.type = column.type;
  result.type.nullable = true;
  if (column.is_row_version()) {
    result.type = sql::binary_type(8);
  }
  result.source_type = sql::type_name(column.type.id);
  result.column_id = column.id;
  result.physical = column.physical;
  result.is_computed = column.computed != nullptr;
  result.is_legacy_large = column.type.id == TypeId::kText || column.type.id == TypeId::kNText ||
                           column.type.id == TypeId::kImage;
  result.is_large = sql::is_large(column.type) && !result.is_legacy_large;
  return result;
}

// The named columns in the table's own order, or all.
std::vector<CapturedColumn> choose_columns(const sql::TableDefinition& definition,
                                           const std::string& table, const std::string& list,
                                           bool has_list) {
  std::vector<CapturedColumn> columns;
  std::vector<size_t> chosen;
  if (has_list) {
    for (const sql::Token& token : sql::tokenize(list)) {
      if (token.kind != sql::TokenKind::kWord && token.kind != sql::TokenKind::kName) {
        continue;
      }
      const auto column = definition.find_column(token.text);
      if (!column) {
        throw SqlError(22977, 16, 1,
                       "Capture column '" + token.text +
                           "' was not found in source "
                           "table '" +
                           table +
                           "'. Ensure that the columns named in "
                           "@captured_column_list are columns of the source table.");
      }
      chosen.push_back(*column);
    }
  }
  for (size_t i = 0; i < definition.columns.size(); ++i) {
    if (!has_list || std::find(chosen.begin(), chosen.end(), i) != chosen.end()) {
      columns.push_back(captured(definition.columns[i]));
    }
  }
  for (const CapturedColumn& column : columns) {
    if (column.name.starts_with("__$")) {
      throw SqlError(22979, 16, 1,
                     "The column name '" + column.name +
                         "' is reserved for Change "
                         "Data Capture.");
    }
  }
  return columns;
}

// The index that identifies rows: the one named, else the primary key.
const sql::Index* identifying_index(const sql::TableDefinition& definition,
                                    const std::string& table, const std::string& name) {
  if (name.empty()) {
    return definition.primary_key();
  }
  for (const sql::Index& index : definition.indexes) {
    if (sql::equal_names(index.name, name) && index.unique) {
      return &index;
    }
  }
  throw SqlError(22940, 16, 1,
                 "Could not use index '" + name + "' of table '" + table +
                     "' for "
                     "Change Data Capture: it does not exist or is not unique.");
}

void add_keys(const sql::TableDefinition& definition, const sql::Index* index,
              CaptureInstance* instance) {
  if (index == nullptr) {
    return;
  }
  const CaptureInstance::Columns columns = instance->columns();
  for (const sql::Index::Part& part : index->parts) {
    const sql::Column& column = definition.columns[part.column];
    const auto is_captured =
        std::any_of(columns->begin(), columns->end(),
                    [&](const CapturedColumn& c) { return c.column_id == column.id; });
    if (!is_captured) {
      throw SqlError(22983, 16, 1,
                     "The unique index '" + index->name +
                         "' on the source table is "
                         "used by Change Data Capture, and its column '" +
                         column.name + "' must be in @captured_column_list.");
    }
    instance->key_columns.push_back({column.name, column.id});
  }
}

void check_new_instance(const DatabaseCapture& cdc, const sql::Table& table,
                        const std::string& name) {
  if (static_cast<int64_t>(name.size()) > kInstanceNameMax) {
    throw SqlError(22927, 16, 1,
                   "The capture instance name '" + name +
                       "' exceeds the length limit "
                       "of 100 characters. Specify a name that satisfies the length "
                       "constraint.");
  }
  if (cdc.find_instance(name) != nullptr) {
    throw SqlError(22926, 16, 1,
                   "Could not create a capture instance because the capture instance "
                   "name '" +
                       name +
                       "' already exists in the current database. "
                       "Specify an explicit unique name for the parameter "
                       "@capture_instance.");
  }
  if (cdc.instances_of(table).size() >= kInstancesPerTableMax) {
    throw SqlError(22962, 16, 1,
                   "Two capture instances already exist for source table '" + table.full_name() +
                       "'. A table can have at most two capture "
                       "instances. If the current tracking options are not "
                       "appropriate, disable change tracking for the obsolete "
                       "instance by using sys.sp_cdc_disable_table and retry the "
                       "operation.");
  }
}

enum EnableParameter : size_t {
  kSourceSchema,
  kSourceName,
  kRoleName,
  kCaptureInstance,
  kSupportsNetChanges,
  kIndexName,
  kColumnList,
  kFilegroup,
  kPartitionSwitch,
};

InstancePtr make_instance(ProcedureCall& call, const DatabaseCapture& cdc,
                          const sql::TablePtr& table) {
  std::string name = call.text(kCaptureInstance);
  if (name.empty()) {
    name = table->schema() + "_" + table->name();
  }
  check_new_instance(cdc, *table, name);
  const sql::DefinitionPtr definition = table->definition();
  const std::string index_name = call.text(kIndexName);
  const sql::Index* index = identifying_index(*definition, table->full_name(), index_name);
  const bool net_changes = call.number(kSupportsNetChanges, index != nullptr ? 1 : 0) != 0;
  if (net_changes && index == nullptr) {
    throw SqlError(22939, 16, 1,
                   "The parameter @supports_net_changes is set to 1, but the source "
                   "table does not have a primary key defined and no alternate unique "
                   "index has been specified.");
  }
  // The change table and its function take two ids.
  const int32_t object_id = call.database.new_object_id();
  auto instance = std::make_shared<CaptureInstance>(
      name, table, object_id,
      choose_columns(*definition, table->full_name(), call.text(kColumnList),
                     !call.text(kColumnList).empty()));
  add_keys(*definition, index, instance.get());
  instance->supports_net_changes = net_changes;
  instance->role_name = call.text(kRoleName);
  instance->has_role = !instance->role_name.empty();
  instance->has_index = index != nullptr;
  instance->index_name = index != nullptr ? index->name : std::string();
  instance->filegroup_name = call.text(kFilegroup);
  instance->has_filegroup = !instance->filegroup_name.empty();
  instance->partition_switch = call.number(kPartitionSwitch, 1) != 0;
  instance->create_ticks = call.session.engine().local_ticks();
  return instance;
}

// The first instance of a database brings its jobs with it.
void add_jobs(ChangeDataCapture* capture, DatabaseCapture* cdc) {
  JobSettings jobs = cdc->jobs();
  jobs.polling_interval_s = std::max<int64_t>(capture->options().interval_ms / 1000, 0);
  jobs.has_capture_job = jobs.has_cleanup_job = true;
  cdc->set_jobs(jobs);
}

void enable_table(ChangeDataCapture* capture, ProcedureCall& call) {
  call.bind({"@source_schema", "@source_name", "@role_name", "@capture_instance",
             "@supports_net_changes", "@index_name", "@captured_column_list", "@filegroup_name",
             "@allow_partition_switch"});
  const std::string schema = required(call, kSourceSchema, "@source_schema");
  const std::string name = required(call, kSourceName, "@source_name");
  required(call, kRoleName, "@role_name");
  DatabaseCapture* cdc = &enabled(capture, call);
  const sql::TablePtr table = call.database.find_table(schema, name);
  if (table == nullptr) {
    throw no_source(schema, name);
  }
  sql::as_statement(&call.session, [&] {
    // Nobody writes between the decision and the record in the log.
    call.session.lock_table(table, sql::TableLock::kExclusive);
    const InstancePtr instance = make_instance(call, *cdc, table);
    const bool was_tracked = table->is_tracked.exchange(true);
    if (cdc->instances().empty()) {
      add_jobs(capture, cdc);
    }
    cdc->add_instance(instance);
    sql::Transaction& transaction = call.session.statement_transaction();
    transaction.on_rollback([cdc, instance, table, was_tracked] {
      cdc->remove_instance(instance);
      table->is_tracked = was_tracked;
    });
    transaction.on_commit([cdc, instance] {
      cdc->add_note([cdc, instance](const std::string& lsn) { cdc->activate(instance, lsn); });
    });
    call.session.engine().table_changed(table, false);
  });
}

void disable_instance(ProcedureCall& call, DatabaseCapture* cdc, const InstancePtr& instance) {
  cdc->remove_instance(instance);
  const sql::TablePtr table = instance->table();
  table->is_tracked = !cdc->instances_of(*table).empty();
  call.session.statement_transaction().on_rollback([cdc, instance, table] {
    cdc->add_instance(instance);
    table->is_tracked = true;
  });
  call.session.engine().table_changed(table, false);
}

void disable_table(ChangeDataCapture* capture, ProcedureCall& call) {
  call.bind({"@source_schema", "@source_name", "@capture_instance"});
  const std::string schema = required(call, 0, "@source_schema");
  const std::string name = required(call, 1, "@source_name");
  const std::string wanted = required(call, 2, "@capture_instance");
  DatabaseCapture* cdc = &enabled(capture, call);
  const sql::TablePtr table = call.database.find_table(schema, name);
  if (table == nullptr) {
    throw no_source(schema, name);
  }
  sql::as_statement(&call.session, [&] {
    call.session.lock_table(table, sql::TableLock::kExclusive);
    bool found = false;
    for (const InstancePtr& instance : cdc->instances_of(*table)) {
      if (sql::equal_names(wanted, "all") || sql::equal_names(wanted, instance->name())) {
        found = true;
        disable_instance(call, cdc, instance);
      }
    }
    if (!found) {
      throw SqlError(22960, 16, 1,
                     "Change data capture instance '" + wanted +
                         "' has not been "
                         "enabled for the source table '" +
                         schema + "." + name +
                         "'. Use sys.sp_cdc_help_change_data_capture to verify the "
                         "capture instance name and retry the operation.");
    }
  });
}

void cleanup_change_table(ChangeDataCapture* capture, ProcedureCall& call) {
  call.bind({"@capture_instance", "@low_water_mark", "@threshold", "@fCleanupFailed"});
  DatabaseCapture& cdc = enabled(capture, call);
  const std::string name = required(call, 0, "@capture_instance");
  const InstancePtr instance = cdc.find_instance(name);
  if (instance == nullptr) {
    throw SqlError(22960, 16, 1,
                   "Change data capture instance '" + name +
                       "' has not been enabled "
                       "for the source table.");
  }
  const SqlValue mark = call.get(1, sql::binary_type(10));
  if (mark.null) {
    cdc.raise_low_water(instance, cdc.min_lsn(name).value_or(zero_lsn()));
    return;
  }
  if (!cdc.has_entry(mark.text)) {
    throw SqlError(22964, 16, 1,
                   "LSN 0x" + sql::hex(mark.text) +
                       ", specified as the new low end "
                       "point for change table 'cdc." +
                       name +
                       "_CT', is not within the "
                       "Change Data Capture timeline.");
  }
  cdc.raise_low_water(instance, mark.text);
}

void scan(ChangeDataCapture* capture, ProcedureCall& call) {
  call.bind({"@maxtrans", "@maxscans", "@continuous", "@pollinginterval"});
  DatabaseCapture& cdc = enabled(capture, call);
  const int64_t transactions = call.number(0, cdc.jobs().transactions_max);
  for (int64_t i = 0; i < call.number(1, cdc.jobs().scans_max); ++i) {
    if (cdc.scan(transactions) < transactions) {
      break;
    }
  }
}

void change_job(ChangeDataCapture* capture, ProcedureCall& call) {
  call.bind({"@job_type", "@maxtrans", "@maxscans", "@continuous", "@pollinginterval", "@retention",
             "@threshold"});
  DatabaseCapture& cdc = enabled(capture, call);
  JobSettings jobs = cdc.jobs();
  jobs.transactions_max = call.number(1, jobs.transactions_max);
  jobs.scans_max = call.number(2, jobs.scans_max);
  jobs.continuous = call.number(3, jobs.continuous ? 1 : 0) != 0;
  jobs.polling_interval_s = call.number(4, jobs.polling_interval_s);
  jobs.retention_min = call.number(5, jobs.retention_min);
  jobs.threshold = call.number(6, jobs.threshold);
  if (jobs.transactions_max < 1 || jobs.scans_max < 1) {
    throw SqlError(22991, 16, 1,
                   "The value specified for the parameter @maxscans or @maxtrans must "
                   "be greater than 0.");
  }
  cdc.set_jobs(jobs);
}

bool is_cleanup(const ProcedureCall& call) { return sql::equal_names(call.text(0), "cleanup"); }

void set_job(ChangeDataCapture* capture, ProcedureCall& call, bool exists) {
  DatabaseCapture& cdc = enabled(capture, call);
  JobSettings jobs = cdc.jobs();
  (is_cleanup(call) ? jobs.has_cleanup_job : jobs.has_capture_job) = exists;
  cdc.set_jobs(jobs);
}

}  // namespace

void add_procedures(ChangeDataCapture* capture) {
  sql::Engine& engine = capture->engine();
  const auto add = [&](const char* name, void (*body)(ChangeDataCapture*, ProcedureCall&)) {
    engine.add_procedure(name, [capture, body](ProcedureCall& call) { body(capture, call); });
  };
  add("sys.sp_cdc_enable_db", enable_database);
  add("sys.sp_cdc_disable_db", disable_database);
  add("sys.sp_cdc_enable_table", enable_table);
  add("sys.sp_cdc_disable_table", disable_table);
  add("sys.sp_cdc_cleanup_change_table", cleanup_change_table);
  add("sys.sp_cdc_scan", scan);
  add("sys.sp_cdc_change_job", change_job);
  add("sys.sp_cdc_add_job",
      [](ChangeDataCapture* c, ProcedureCall& call) { set_job(c, call, true); });
  add("sys.sp_cdc_drop_job",
      [](ChangeDataCapture* c, ProcedureCall& call) { set_job(c, call, false); });
  add("sys.sp_cdc_start_job", [](ChangeDataCapture* c, ProcedureCall& call) {
    enabled(c, call);
    if (!is_cleanup(call)) {
      c->resume();
    } else {
      c->clean_up();
    }
  });
  add("sys.sp_cdc_stop_job", [](ChangeDataCapture* c, ProcedureCall& call) {
    enabled(c, call);
    if (!is_cleanup(call)) {
      c->pause();
    }
  });
}

}  // namespace dstream::standin::cdc
