#include "plugins/sqlserver_cdc/catalog.h"

#include <Poco/String.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "plugins/sqlserver_cdc/capture_catalog.h"
#include "plugins/sqlserver_cdc/history.h"
#include "plugins/sqlserver_cdc/instances.h"

namespace dstream::sqlserver {
namespace {

std::string check_database(Connection& connection) {
  Statement statement(connection,
                      "SELECT DB_NAME(), is_cdc_enabled FROM sys.databases WHERE name = DB_NAME()",
                      {}, "Looking at the database");
  std::string name;
  int64_t enabled = 0;
  if (statement.next_row()) {
    statement.get_text(1, &name);
    statement.get_int(2, &enabled);
  }
  if (enabled == 0) {
    throw SourceError(DSTREAM_CONFIG, "Change Data Capture is not enabled in database " + name +
                                          ". Run in it, as sysadmin: EXEC sys.sp_cdc_enable_db;");
  }
  return name;
}

// The instance that captured a table under its name of before: instances keep their names when
// tables are renamed. nullptr if there is none.
const CapturedTable* find_renamed(const std::vector<CapturedTable>& all,
                                  const TableOptions& wanted) {
  const auto default_name = [](const TableName& table) { return table.schema + '_' + table.table; };
  const std::string name =
      wanted.capture_instance.empty() ? default_name(wanted.name) : wanted.capture_instance;
  const auto at = std::find_if(all.begin(), all.end(), [&](const CapturedTable& row) {
    return Poco::icompare(row.instance, name) == 0;
  });
  return at == all.end() ? nullptr : &*at;
}

[[noreturn]] void refuse_unknown(const std::vector<CapturedTable>& all, const TableOptions& wanted,
                                 const std::string& place, const std::string& database,
                                 bool was_read) {
  const std::string name = wanted.name.text();
  if (const CapturedTable* renamed = find_renamed(all, wanted); renamed != nullptr && was_read) {
    throw SourceError(DSTREAM_CONFIG, place + ": " + name + " was renamed to " +
                                          renamed->table.text() + ", which capture instance " +
                                          renamed->instance +
                                          " goes on capturing. Put the new name into tables: it "
                                          "is then read as a table of its own, from its "
                                          "beginning.");
  }
  throw SourceError(DSTREAM_CONFIG,
                    place + ": database " + database + " has no table " + name +
                        ", or the login may not see it." +
                        (was_read ? ' ' + name +
                                        " was dropped or renamed since it was read. Take it out "
                                        "of tables if that was meant; what was captured and not "
                                        "read yet is gone with it."
                                  : ""));
}

[[noreturn]] void refuse_missing(Connection& connection, const std::vector<CapturedTable>& all,
                                 const TableOptions& wanted, const std::string& place,
                                 const std::string& database, bool was_read) {
  Statement statement(connection, "SELECT OBJECT_ID(?)", {BindValue::of(wanted.name.quoted())},
                      "Looking for a table");
  int64_t object_id = 0;
  const bool exists = statement.next_row() && statement.get_int(1, &object_id);
  if (!exists) {
    refuse_unknown(all, wanted, place, database, was_read);
  }
  throw SourceError(
      DSTREAM_CONFIG,
      place + ": " + wanted.name.text() +
          (was_read ? " is not captured any more. What is written until it is "
                      "again is lost, and has to be copied. Run as db_owner: "
                    : " is not captured. Run as db_owner: ") +
          "EXEC sys.sp_cdc_enable_table @source_schema = " + quote_literal(wanted.name.schema) +
          ", @source_name = " + quote_literal(wanted.name.table) + ", @role_name = NULL;");
}

// The position knows the table.
bool was_read(const Position& position, const TableName& name) {
  return std::any_of(
      position.entries.begin(), position.entries.end(), [&name](const PositionEntry& entry) {
        return std::any_of(entry.tables.begin(), entry.tables.end(),
                           [&name](const TableName& known) { return same_name(known, name); });
      });
}

std::vector<CapturedTable> find_captured(Connection& connection,
                                         const std::vector<CapturedTable>& all,
                                         const TableOptions& wanted, const std::string& place,
                                         const std::string& database, const Position& position) {
  // An exact match counts more than one that only a case-insensitive collation would make.
  std::vector<CapturedTable> candidates;
  for (const bool exact : {true, false}) {
    for (const CapturedTable& row : all) {
      if (exact ? row.table == wanted.name : same_name(row.table, wanted.name)) {
        candidates.push_back(row);
      }
    }
    if (!candidates.empty()) {
      break;
    }
  }
  if (candidates.empty()) {
    refuse_missing(connection, all, wanted, place, database, was_read(position, wanted.name));
  }
  if (!wanted.capture_instance.empty()) {
    std::erase_if(candidates, [&wanted](const CapturedTable& row) {
      return Poco::icompare(row.instance, wanted.capture_instance) != 0;
    });
    if (candidates.empty()) {
      throw SourceError(DSTREAM_CONFIG, place + "/capture_instance: " + wanted.name.text() +
                                            " has no capture instance \"" +
                                            wanted.capture_instance + "\".");
    }
  }
  return candidates;
}

// What is copied first needs no older changes, and has all columns in the newest instance.
CapturedTable choose(const std::vector<CapturedTable>& candidates, const Position& position,
                     SnapshotMode snapshot) {
  const TableName& name = candidates.front().table;
  const PositionEntry* known = position.find(name);
  if (known == nullptr && snapshot != SnapshotMode::kNever) {
    return candidates.back();
  }
  std::vector<InstanceRow> rows;
  rows.reserve(candidates.size());
  for (const CapturedTable& candidate : candidates) {
    rows.push_back({candidate.object_id, candidate.source_object_id, candidate.start});
  }
  return candidates[choose_instance(rows,
                                    known == nullptr ? Lsn{} : known->key_of(name).first_needed())];
}

// Names of the instances that came before `chosen`.
std::vector<std::string> superseded(const std::vector<CapturedTable>& candidates,
                                    const CapturedTable& chosen) {
  std::vector<std::string> names;
  for (const CapturedTable& other : candidates) {
    if (other.object_id == chosen.object_id) {
      break;
    }
    names.push_back(other.instance);
  }
  return names;
}

// The change table's columns as the driver describes them.
std::map<std::string, DescribedColumn> describe(Connection& connection,
                                                const CaptureInstance& instance) {
  Statement statement(connection, "SELECT TOP (0) * FROM " + instance.change_table(), {},
                      "Describing the change table of " + instance.description.table.text());
  SQLSMALLINT count = 0;
  statement.check(SQLNumResultCols(statement.handle(), &count));
  std::map<std::string, DescribedColumn> columns;
  for (SQLSMALLINT i = 1; i <= count; ++i) {
    DescribedColumn column = statement.describe(i);
    columns.emplace(column.name, std::move(column));
  }
  return columns;
}

std::vector<uint32_t> key_indexes(const std::vector<CapturedColumn>& columns,
                                  const std::vector<std::string>& names) {
  std::vector<uint32_t> indexes;
  for (const std::string& name : names) {
    for (uint32_t i = 0; i < columns.size(); ++i) {
      if (columns[i].name == name) {
        indexes.push_back(i);
      }
    }
  }
  // A key that is not captured whole is no key.
  return indexes.size() == names.size() ? indexes : std::vector<uint32_t>{};
}

CapturedColumn make_column(const DeclaredColumn& declared, const DescribedColumn& described,
                           const TableName& table, ClrForm clr_form) {
  auto type = column_type(declared.type, described, clr_form);
  if (!type && declared.computed) {
    type.emplace();  // nothing is read of it anyway
    type->type = DSTREAM_STRING;
    type->source_type = spell_type(declared.type, described);
  }
  if (!type) {
    throw SourceError(DSTREAM_UNSUPPORTED,
                      "Column " + declared.name + " of " + table.text() + " has type " +
                          spell_type(declared.type, described) +
                          ", which cannot be read yet. Leave it out with @captured_column_list of "
                          "sys.sp_cdc_enable_table.");
  }
  if (declared.computed) {
    type->fetch = Fetch::kAbsent;
  }
  return {declared.name, *std::move(type), true, declared.computed, false, declared.id};
}

// What describes captured tables beside cdc.change_tables.
struct Facts {
  std::string database;
  Definitions definitions;
  CapturedColumns columns;
  CapturedKeys keys;
  TableColumns table_columns;
};

CaptureInstance make_instance(Connection& connection, const CapturedTable& captured,
                              const Facts& facts, ClrForm clr_form) {
  CaptureInstance instance;
  instance.name = captured.instance;
  instance.object_id = captured.object_id;
  instance.source_object_id = captured.source_object_id;
  instance.start = captured.start;
  if (const auto known = facts.definitions.find(captured.object_id);
      known != facts.definitions.end()) {
    instance.definition = known->second;
  }
  instance.description.database = facts.database;
  instance.description.table = captured.table;
  const auto described = describe(connection, instance);
  instance.has_command_id = described.contains("__$command_id");
  const auto declared = facts.columns.find(captured.object_id);
  if (declared == facts.columns.end()) {
    throw SourceError(DSTREAM_DENIED, "The login may not see the captured columns of " +
                                          captured.table.text() +
                                          ". Grant SELECT on schema cdc, or db_owner.");
  }
  const auto table = facts.table_columns.find(captured.source_object_id);
  for (const DeclaredColumn& column : declared->second) {
    const auto at = described.find(column.name);
    if (at == described.end()) {
      throw SourceError(DSTREAM_REOPEN, "The change table of " + captured.table.text() +
                                            " is being altered; trying again.");
    }
    instance.description.columns.push_back(
        make_column(column, at->second, captured.table, clr_form));
    CapturedColumn& added = instance.description.columns.back();
    added.sent = as_sent(added.type, at->second, column.code_page);
    if (table != facts.table_columns.end()) {
      const auto now = table->second.find(column.id);  // another one may have its name
      added.dropped = now == table->second.end();
      added.nullable = added.dropped || now->second.nullable;
      added.collation = added.dropped ? "" : now->second.collation;
    }
  }
  if (const auto key = facts.keys.find(captured.object_id); key != facts.keys.end()) {
    instance.description.key = key_indexes(instance.description.columns, key->second);
  }
  return instance;
}

// Warns if the log has not been scanned for a while. Seeing that needs VIEW DATABASE STATE; without
// it, and where the view does not exist, nothing is known and nothing is said.
void check_capture_job(Connection& connection, const std::string& database, const LogLine& log) {
  // The job scans every few seconds; a table that was captured a moment ago may be its first.
  constexpr int64_t kSilentSecondsMax = 300;
  constexpr int64_t kFreshSecondsMax = 60;
  try {
    Statement statement(connection,
                        "SELECT DATEDIFF(second, MIN(create_date), GETDATE()) FROM "
                        "cdc.change_tables;\n"
                        "SELECT TOP (1) DATEDIFF(second, end_time, GETDATE())"
                        " FROM sys.dm_cdc_log_scan_sessions ORDER BY session_id DESC;",
                        {}, "Looking at the capture job");
    int64_t enabled_seconds = 0;
    while (statement.next_row()) {
      statement.get_int(1, &enabled_seconds);
    }
    int64_t seconds = 0;
    const bool has_run =
        statement.next_result() && statement.next_row() && statement.get_int(1, &seconds);
    std::string what;
    if (has_run && seconds > kSilentSecondsMax) {
      what = " has not scanned the log for " + std::to_string(seconds) + " s.";
    } else if (!has_run && enabled_seconds > kFreshSecondsMax) {
      what = " has not run since the server started.";
    } else {
      return;
    }
    log(DSTREAM_LOG_WARN, "The capture job of database " + database + what +
                              " New changes appear only while it runs: start SQL Server Agent, or "
                              "run EXEC sys.sp_cdc_start_job N'capture';");
  } catch (const SourceError& error) {
    if (connection.dead()) {
      throw;
    }
    log(DSTREAM_LOG_DEBUG, error.what());
  }
}

}  // namespace

Catalog load_catalog(Connection& connection, const Options& options, const Position& position,
                     const LogLine& log) {
  Catalog catalog;
  catalog.database = check_database(connection);
  std::vector<CapturedTable> captured = load_captured_tables(connection);
  std::erase_if(captured, [](const CapturedTable& row) { return row.table.table.empty(); });
  std::vector<std::tuple<CapturedTable, const TableOptions*, std::vector<std::string>>> chosen;
  std::map<TableName, std::string> seen;
  for (size_t i = 0; i < options.tables.size(); ++i) {
    const TableOptions& wanted = options.tables[i];
    const std::string place = "tables/" + std::to_string(i);
    const std::vector<CapturedTable> candidates =
        find_captured(connection, captured, wanted, place, catalog.database, position);
    const CapturedTable found = choose(candidates, position, options.snapshot);
    const auto [other, fresh] = seen.emplace(found.table, place);
    if (!fresh) {
      throw SourceError(DSTREAM_CONFIG, place + ": " + wanted.name.text() +
                                            " is the same table as " + other->second + ".");
    }
    chosen.emplace_back(found, &wanted, superseded(candidates, found));
  }
  std::sort(chosen.begin(), chosen.end(), [](const auto& a, const auto& b) {
    return std::get<0>(a).table < std::get<0>(b).table;
  });

  // Before the columns: what alters them meanwhile is newer than what is known here.
  Definitions definitions = load_definitions(connection);
  const Facts facts{catalog.database, std::move(definitions), load_captured_columns(connection),
                    load_captured_keys(connection), load_table_columns(connection)};
  History history(connection);
  for (auto& [found, wanted, older] : chosen) {
    CatalogTable table;
    table.instance = make_instance(connection, found, facts, options.clr_form);
    table.instance.is_final = !wanted->capture_instance.empty();
    table.superseded = std::move(older);
    table.poll_interval = wanted->poll_interval;
    table.max_poll_interval = wanted->max_poll_interval;
    if (const PositionEntry* known = position.find(found.table)) {
      table.foreign = history.why_foreign(*known);
    }
    catalog.tables.push_back(std::move(table));
  }
  if (!connection.read_only()) {  // a secondary replica has no log scans of its own
    check_capture_job(connection, catalog.database, log);
  }
  return catalog;
}

}  // namespace dstream::sqlserver
