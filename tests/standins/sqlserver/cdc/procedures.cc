// sys.sp_cdc_enable_*, sp_cdc_disable_*, jobs and cleanup.
#include <algorithm>

#include "tests/standins/sqlserver/cdc/change_data_capture.h"
#include "tests/standins/sqlserver/cdc/lsn.h"
#include "tests/standins/sqlserver/cdc/procedure_support.h"
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
constexpr size_t kNoColumn = SIZE_MAX;
constexpr size_t kCapturedColumnsMax = 1019;  // 1024 with those in front of them

// In Azure SQL Database, which has no sysadmin, the database's owners do.
void sysadmin_only(const ProcedureCall& call) {
  const bool is_azure = call.session.engine().options().is_azure;
  if (is_azure ? !call.session.owns(call.database) : !call.session.is_sysadmin()) {
    throw SqlError(22902, 16, 1,
                   "Caller is not authorized to initiate the requested action. sysadmin "
                   "privileges are required.");
  }
  call.session.check_writable(call.database);
}

void enable_database(ChangeDataCapture* capture, ProcedureCall& call) {
  sql::Database& database = call.database;
  sysadmin_only(call);
  if (database.is_cdc_enabled) {
    ServerMessage information;
    information.number = 22905;
    information.severity = 10;
    information.text =
        "Database '" + database.name() +
        "' is already enabled for Change Data Capture. Ensure that the correct database context "
        "is set, and retry the operation. To report on the databases enabled for Change Data "
        "Capture, query the is_cdc_enabled column in the sys.databases catalog view.";
    call.out.message(information);
    return;
  }
  if (database.is_system) {
    throw SqlError(22989, 16, 1,
                   "Could not enable Change Data Capture for database '" + database.name() +
                       "'. Change data capture is not supported on system databases, or on a "
                       "distribution database.");
  }
  if (database.find_schema("cdc")) {
    throw SqlError(22906, 16, 1,
                   "The database '" + database.name() +
                       "' cannot be enabled for Change Data Capture because a database user named "
                       "'cdc' or a schema named 'cdc' already exists in the current database. "
                       "These objects are required exclusively by Change Data Capture. Drop or "
                       "rename the user or schema and retry the operation.");
  }
  capture->of(database).clear();
  database.add_schema("cdc");
  database.is_cdc_enabled = true;
  call.session.engine().schemas_changed(database);
}

void disable_database(ChangeDataCapture* capture, ProcedureCall& call) {
  sysadmin_only(call);
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

CapturedColumn captured(const sql::Database& database, const sql::Column& column) {
  CapturedColumn result;
  result.name = column.name;
  result.type = column.type;
  result.type.nullable = true;
  if (column.is_row_version()) {
    result.type = sql::binary_type(8);
  }
  result.source_type = sql::type_name(column.type.id);
  result.alias = sql::alias_name(database, column.user_type_id);
  result.column_id = column.id;
  result.physical = column.physical;
  result.is_computed = column.computed != nullptr;
  result.is_legacy_large = column.type.id == TypeId::kText || column.type.id == TypeId::kNText ||
                           column.type.id == TypeId::kImage;
  result.is_large = sql::is_large(column.type) && !result.is_legacy_large;
  return result;
}

// What @captured_column_list names, in its quotes or brackets or without.
std::vector<size_t> listed_columns(const sql::TableDefinition& definition, const std::string& table,
                                   const std::string& list) {
  const SqlError unmapped(22942, 16, 1,
                          "Columns specified in the captured column list could not be mapped to "
                          "columns in source table '" +
                              table +
                              "'. Verify that the columns specified in the parameter "
                              "@captured_column_list are delimited properly and match columns in "
                              "the source table.");
  std::vector<sql::Token> tokens;
  try {
    tokens = sql::tokenize(list);
  } catch (const SqlError&) {
    throw SqlError(22965, 16, 1,
                   "A quoted column in the column list is not properly terminated. Verify that "
                   "columns are correctly delimited and retry the operation. For more "
                   "information, see 'Delimited Identifiers' in Books Online.");
  }
  std::vector<size_t> chosen;
  bool wants_name = true;
  for (const sql::Token& token : tokens) {
    if (token.kind == sql::TokenKind::kEnd) {
      break;
    }
    if (wants_name) {
      const bool is_name =
          token.kind == sql::TokenKind::kWord || token.kind == sql::TokenKind::kName;
      const size_t column =
          is_name ? definition.find_column(token.text).value_or(kNoColumn) : kNoColumn;
      if (column == kNoColumn) {
        throw unmapped;
      }
      chosen.push_back(column);
    } else if (!token.is_operator(",")) {
      throw unmapped;
    }
    wants_name = !wants_name;
  }
  if (wants_name) {
    throw unmapped;
  }
  return chosen;
}

// The named columns in the table's own order, or all.
std::vector<CapturedColumn> choose_columns(const sql::Database& database,
                                           const sql::TableDefinition& definition,
                                           const std::string& table, const std::string& list) {
  std::vector<size_t> chosen;
  if (!list.empty()) {
    chosen = listed_columns(definition, table, list);
  }
  std::vector<CapturedColumn> columns;
  for (size_t i = 0; i < definition.columns.size(); ++i) {
    if (list.empty() || std::find(chosen.begin(), chosen.end(), i) != chosen.end()) {
      columns.push_back(captured(database, definition.columns[i]));
    }
  }
  for (const CapturedColumn& column : columns) {
    if (column.name.starts_with("__$")) {
      throw SqlError(22975, 16, 1,
                     "Source table '" + table +
                         "' contains one of the following reserved column names: __$start_lsn, "
                         "__$end_lsn, __$seqval, __$operation, and __$update_mask. To enable "
                         "Change Data Capture for this table, specify a captured column list and "
                         "ensure that these columns are excluded from the list.");
    }
  }
  if (columns.size() > kCapturedColumnsMax) {
    throw SqlError(
        22925, 16, 1,
        "The number of columns captured by capture instance '" + table +
            "' exceeds the maximum allowed number: " + std::to_string(kCapturedColumnsMax) +
            ". Use the @captured_columns_list parameter to specify a subset of the "
            "columns less than or equal to the maximum allowed and resubmit the "
            "request.");
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
    if (!sql::equal_names(index.name, name)) {
      continue;
    }
    if (!index.unique) {
      throw SqlError(22929, 16, 1,
                     "Index '" + name +
                         "' must be either a primary key or a unique index for table '" + table +
                         "'. Specify an index that meets at least one of these requirements.");
    }
    return &index;
  }
  throw SqlError(22928, 16, 1,
                 "Index name '" + name + "' is not an index for table '" + table +
                     "'. Specify a valid index name for the table.");
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
      throw SqlError(22943, 16, 1,
                     "Columns used to uniquely identify a row for net change tracking must be "
                     "included in the list of captured columns. Add either the primary key "
                     "columns of the source table, or the columns defined for the index specified "
                     "in the parameter @index_name to the list of captured columns and retry the "
                     "operation.");
    }
    instance->key_columns.push_back({column.name, column.id});
  }
}

void check_new_instance(const DatabaseCapture& cdc, const sql::Table& table,
                        const std::string& name) {
  if (static_cast<int64_t>(name.size()) > kInstanceNameMax) {
    throw SqlError(22927, 16, 1,
                   "Capture instance name '" + name +
                       "' exceeds the length limit of 100 characters. Specify a name that "
                       "satisfies the length constraint.");
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
                          const sql::TablePtr& table, bool has_command_id) {
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
      choose_columns(call.database, *definition, table->full_name(), call.text(kColumnList)),
      has_command_id);
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
  const CaptureOptions& options = capture->options();
  jobs.polling_interval_ms = options.interval_ms;
  jobs.polling_interval_s = capture->is_azure() ? 0 : options.interval_ms / 1000;
  jobs.has_capture_job = jobs.has_cleanup_job = true;
  cdc->set_jobs(jobs);
  cdc->start_job();
}

void enable_table(ChangeDataCapture* capture, ProcedureCall& call) {
  call.bind({"@source_schema", "@source_name", "@role_name", "@capture_instance",
             "@supports_net_changes", "@index_name", "@captured_column_list", "@filegroup_name",
             "@allow_partition_switch"});
  const std::string schema = required(call, kSourceSchema, "@source_schema");
  const std::string name = required(call, kSourceName, "@source_name");
  const std::string role = required(call, kRoleName, "@role_name");
  DatabaseCapture* cdc = &owned_to_change(capture, call);
  if (role.empty() && !call.get(kRoleName, sql::sysname_type()).null) {
    throw SqlError(22907, 16, 1,
                   "Parameter @role_name cannot be empty. Specify a value for @role_name and "
                   "retry the operation. Supply null as the value if no role is to be used to "
                   "gate access to captured change data.");
  }
  if (sql::equal_names(schema, "cdc")) {
    throw SqlError(22974, 16, 1,
                   "Tables contained in the cdc schema cannot be enabled for Change Data "
                   "Capture.");
  }
  const sql::TablePtr table = call.database.find_table(schema, name);
  if (table == nullptr) {
    throw no_source(schema, name);
  }
  sql::as_statement(&call.session, [&] {
    // Nobody writes between the decision and the record in the log.
    call.session.lock_table(table, sql::TableLock::kExclusive);
    const Assumptions assumptions = capture->assumptions().get();
    const InstancePtr instance = make_instance(call, *cdc, table, assumptions.has_command_id != 0);
    const bool was_tracked = table->is_tracked.exchange(true);
    if (cdc->instances().empty()) {
      add_jobs(capture, cdc);
    }
    cdc->add_instance(instance);
    if (instance->has_role) {
      call.session.engine().principals().add_role(call.database.name(), instance->role_name);
    }
    const bool waits = assumptions.start_lsn_waits_for_scan != 0;
    sql::Transaction& transaction = call.session.statement_transaction();
    transaction.on_rollback(&call.database, [cdc, instance, table, was_tracked] {
      cdc->remove_instance(instance);
      table->is_tracked = was_tracked;
    });
    transaction.on_commit([cdc, instance, waits](uint64_t record) {
      const std::string at = cdc->add_note(
          record, [cdc, instance](const std::string& lsn) { cdc->activate(instance, lsn); });
      if (!waits) {
        cdc->announce(instance, at);
      }
    });
    call.session.engine().table_changed(table, false);
  });
}

void disable_instance(ProcedureCall& call, DatabaseCapture* cdc, const InstancePtr& instance) {
  const std::vector<DefinitionEntry> definitions = cdc->remove_instance(instance);
  const sql::TablePtr table = instance->table();
  table->is_tracked = !cdc->instances_of(*table).empty();
  call.session.statement_transaction().on_rollback(&call.database, [cdc, instance, definitions] {
    cdc->take_back_instance(instance, definitions);
  });
  call.session.engine().table_changed(table, false);
}

void disable_table(ChangeDataCapture* capture, ProcedureCall& call) {
  call.bind({"@source_schema", "@source_name", "@capture_instance"});
  const std::string schema = required(call, 0, "@source_schema");
  const std::string name = required(call, 1, "@source_name");
  const std::string wanted = required(call, 2, "@capture_instance");
  DatabaseCapture* cdc = &owned_to_change(capture, call);
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
  DatabaseCapture& cdc = owned_to_change(capture, call);
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
                       ", specified as the new low end point for change table cleanup must "
                       "represent the start_lsn value of a current entry in the "
                       "cdc.lsn_time_mapping table. Choose an LSN value that satisfies this "
                       "requirement.");
  }
  cdc.raise_low_water(instance, mark.text);
}

// The options of the server that there are here: one.
void configure(ChangeDataCapture* capture, ProcedureCall& call) {
  call.bind({"@configname", "@configvalue"});
  const std::string name = call.text(0);
  if (sql::equal_names(name, "show advanced options")) {
    return;
  }
  if (!sql::equal_names(name, "max text repl size") &&
      !sql::equal_names(name, "max text repl size (B)")) {
    throw sql::not_understood("sp_configure '" + name + "'");
  }
  if (call.has(1)) {
    if (!call.session.is_sysadmin()) {
      throw SqlError(15247, 16, 1, "User does not have permission to perform this action.");
    }
    capture->set_text_repl_bytes_max(call.number(1, -1));
  }
}

}  // namespace

void add_procedures(ChangeDataCapture* capture) {
  sql::Engine& engine = capture->engine();
  const auto add = [&](const char* name, void (*body)(ChangeDataCapture*, ProcedureCall&)) {
    engine.add_procedure(name, [capture, body](ProcedureCall& call) { body(capture, call); });
  };
  add("sys.sp_configure", configure);
  add("sys.sp_cdc_enable_db", enable_database);
  add("sys.sp_cdc_disable_db", disable_database);
  add("sys.sp_cdc_enable_table", enable_table);
  add("sys.sp_cdc_disable_table", disable_table);
  add("sys.sp_cdc_cleanup_change_table", cleanup_change_table);
}

}  // namespace dstream::standin::cdc
