// sys.* over the catalog.
#include <algorithm>

#include "tests/standins/sqlserver/sql/constraint_views.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/engine.h"
#include "tests/standins/sqlserver/sql/information_schema.h"
#include "tests/standins/sqlserver/sql/procedures.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/temporal.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

using Row = std::vector<SqlValue>;
using Rows = std::vector<Row>;

SqlValue number(int64_t value) { return SqlValue::of_number(value); }
SqlValue text(std::string_view value) { return SqlValue::of_text(std::string(value)); }
SqlValue flag(bool value) { return SqlValue::of_number(value ? 1 : 0); }
SqlValue date_time(int64_t ticks) {
  return SqlValue::of_number(round_ticks(datetime_type(), ticks));
}

const SqlType kTiny = make_type(TypeId::kTinyInt, {}, {});
const SqlType kSmall = make_type(TypeId::kSmallInt, {}, {});

constexpr std::string_view kCollationName = "SQL_Latin1_General_CP1_CI_AS";
constexpr std::string_view kUtf8CollationName = "Latin1_General_100_CI_AS_SC_UTF8";

int32_t schema_id(Database& database, const std::string& name) {
  const auto schema = database.find_schema(name);
  return schema ? schema->id : 1;
}

int32_t column_type_id(const Column& column) {
  return column.user_type_id != 0 ? column.user_type_id : user_type_id(column.type.id);
}

SqlValue collation_name(const SqlType& type) {
  const bool is_text = family_of(type.id) == Family::kText && type.id != TypeId::kXml;
  return !is_text ? SqlValue{} : text(type.utf8 ? kUtf8CollationName : kCollationName);
}

SystemView databases() {
  SystemView view;
  view.columns = {view_column("name", sysname_type(), false),
                  view_column("database_id", int_type(), false),
                  view_column("source_database_id", int_type()),
                  view_column("create_date", datetime_type(), false),
                  view_column("compatibility_level", kTiny, false),
                  view_column("collation_name", sysname_type()),
                  view_column("user_access", kTiny),
                  view_column("is_read_only", bit_type()),
                  view_column("state", kTiny),
                  view_column("state_desc", nvarchar_type(60)),
                  view_column("snapshot_isolation_state", kTiny),
                  view_column("snapshot_isolation_state_desc", nvarchar_type(60)),
                  view_column("is_read_committed_snapshot_on", bit_type()),
                  view_column("recovery_model", kTiny),
                  view_column("recovery_model_desc", nvarchar_type(60)),
                  view_column("is_cdc_enabled", bit_type(), false),
                  view_column("is_encrypted", bit_type())};
  view.rows = [](SqlSession& session, Database&) {
    Rows rows;
    for (const Database* database : session.engine().databases()) {
      rows.push_back({text(database->name()),
                      number(database->id()),
                      {},
                      date_time(database->create_ticks),
                      number(160),
                      text(kCollationName),
                      number(0),
                      flag(false),
                      number(0),
                      text("ONLINE"),
                      number(1),
                      text("ON"),
                      flag(true),
                      number(1),
                      text("FULL"),
                      flag(database->is_cdc_enabled),
                      flag(false)});
    }
    return rows;
  };
  return view;
}

SystemView schemas() {
  SystemView view;
  view.columns = {view_column("name", sysname_type(), false),
                  view_column("schema_id", int_type(), false),
                  view_column("principal_id", int_type())};
  view.rows = [](SqlSession&, Database& database) {
    Rows rows;
    for (const Schema& schema : database.schemas()) {
      rows.push_back({text(schema.name), number(schema.id), number(1)});
    }
    return rows;
  };
  return view;
}

const std::vector<ResultColumn>& object_columns() {
  static const std::vector<ResultColumn> kColumns = {
      view_column("name", sysname_type(), false),
      view_column("object_id", int_type(), false),
      view_column("principal_id", int_type()),
      view_column("schema_id", int_type(), false),
      view_column("parent_object_id", int_type(), false),
      view_column("type", make_type(TypeId::kChar, 2, {})),
      view_column("type_desc", nvarchar_type(60)),
      view_column("create_date", datetime_type(), false),
      view_column("modify_date", datetime_type(), false),
      view_column("is_ms_shipped", bit_type(), false),
      view_column("is_published", bit_type(), false),
      view_column("is_schema_published", bit_type(), false)};
  return kColumns;
}

std::string_view type_description(std::string_view type) {
  if (type == "U ") {
    return "USER_TABLE";
  }
  if (type == "PK") {
    return "PRIMARY_KEY_CONSTRAINT";
  }
  if (type == "UQ") {
    return "UNIQUE_CONSTRAINT";
  }
  if (type == "D ") {
    return "DEFAULT_CONSTRAINT";
  }
  if (type == "F ") {
    return "FOREIGN_KEY_CONSTRAINT";
  }
  if (type == "C ") {
    return "CHECK_CONSTRAINT";
  }
  if (type == "IF") {
    return "SQL_INLINE_TABLE_VALUED_FUNCTION";
  }
  return "SYSTEM_TABLE";
}

Row object_row(Database& database, std::string_view name, int32_t id, const std::string& schema,
               int32_t parent, std::string_view type, int64_t created, int64_t modified,
               bool shipped) {
  return {text(name),
          number(id),
          {},
          number(schema_id(database, schema)),
          number(parent),
          text(type),
          text(type_description(type)),
          date_time(created),
          date_time(modified),
          flag(shipped),
          flag(false),
          flag(false)};
}

void add_constraint_rows(Database& database, const Table& table, Rows* rows) {
  const DefinitionPtr definition = table.definition();
  const auto add = [&](const std::string& name, int32_t id, std::string_view type) {
    rows->push_back(object_row(database, name, id, table.schema(), table.object_id(), type,
                               table.create_ticks, table.modify_ticks, false));
  };
  for (const Index& index : definition->indexes) {
    if (index.is_constraint) {
      add(index.name, index.object_id, index.primary ? "PK" : "UQ");
    }
  }
  for (const Column& column : definition->columns) {
    if (column.default_id != 0 && !column.default_name.empty()) {
      add(column.default_name, column.default_id, "D ");
    }
  }
  for (const ForeignKey& key : definition->foreign_keys) {
    add(key.name, key.object_id, "F ");
  }
  for (const Check& check : definition->checks) {
    add(check.name, check.object_id, "C ");
  }
}

Rows all_objects(SqlSession& session, Database& database, bool tables_only) {
  Rows rows;
  for (const TablePtr& table : database.tables()) {
    rows.push_back(object_row(database, table->name(), table->object_id(), table->schema(), 0, "U ",
                              table->create_ticks, table->modify_ticks, false));
    if (!tables_only) {
      add_constraint_rows(database, *table, &rows);
    }
  }
  for (const Engine::SystemObject& object : session.engine().system_objects(database)) {
    if (!tables_only || object.type == "U ") {
      rows.push_back(object_row(database, object.name, object.id, object.schema, 0, object.type,
                                object.create_ticks, object.create_ticks, true));
    }
  }
  return rows;
}

SystemView objects() {
  SystemView view;
  view.columns = object_columns();
  view.rows = [](SqlSession& session, Database& database) {
    return all_objects(session, database, false);
  };
  return view;
}

SystemView tables() {
  SystemView view;
  view.columns = object_columns();
  view.columns.push_back(view_column("lob_data_space_id", int_type(), false));
  view.columns.push_back(view_column("max_column_id_used", int_type(), false));
  view.columns.push_back(view_column("is_tracked_by_cdc", bit_type()));
  view.columns.push_back(view_column("is_replicated", bit_type()));
  view.columns.push_back(view_column("temporal_type", kTiny));
  view.columns.push_back(view_column("is_memory_optimized", bit_type()));
  view.columns.push_back(view_column("is_external", bit_type()));
  view.rows = [](SqlSession& session, Database& database) {
    Rows rows = all_objects(session, database, true);
    for (Row& row : rows) {
      const TablePtr table = database.find_table(static_cast<int32_t>(row[1].number));
      row.push_back(number(0));
      row.push_back(number(table != nullptr ? table->definition()->last_column_id : 0));
      row.push_back(flag(table != nullptr && table->is_tracked));
      row.push_back(flag(false));
      row.push_back(number(0));
      row.push_back(flag(false));
      row.push_back(flag(false));
    }
    return rows;
  };
  return view;
}

Row column_row(int32_t object_id, const std::string& name, int32_t id, const SqlType& type,
               int32_t user_type, const Column* column) {
  int precision = 0, scale = 0;
  precision_of(type, &precision, &scale);
  const bool has_default = column != nullptr && !column->default_text.empty();
  return {number(object_id),
          text(name),
          number(id),
          number(system_type_id(type.id)),
          number(user_type),
          number(max_length_bytes(type)),
          number(precision),
          number(scale),
          collation_name(type),
          flag(type.nullable),
          flag(true),
          flag(column != nullptr && column->row_guid),
          flag(column != nullptr && column->identity),
          flag(column != nullptr && column->computed != nullptr),
          flag(false),
          number(has_default ? column->default_id : 0),
          flag(false),
          flag(false),
          number(0),
          text("NOT_APPLICABLE"),
          flag(false)};
}

SystemView columns() {
  SystemView view;
  view.columns = {view_column("object_id", int_type(), false),
                  view_column("name", sysname_type()),
                  view_column("column_id", int_type(), false),
                  view_column("system_type_id", kTiny, false),
                  view_column("user_type_id", int_type(), false),
                  view_column("max_length", kSmall, false),
                  view_column("precision", kTiny, false),
                  view_column("scale", kTiny, false),
                  view_column("collation_name", sysname_type()),
                  view_column("is_nullable", bit_type()),
                  view_column("is_ansi_padded", bit_type(), false),
                  view_column("is_rowguidcol", bit_type(), false),
                  view_column("is_identity", bit_type(), false),
                  view_column("is_computed", bit_type(), false),
                  view_column("is_filestream", bit_type(), false),
                  view_column("default_object_id", int_type(), false),
                  view_column("is_sparse", bit_type()),
                  view_column("is_column_set", bit_type()),
                  view_column("generated_always_type", kTiny),
                  view_column("generated_always_type_desc", nvarchar_type(60)),
                  view_column("is_hidden", bit_type(), false)};
  view.rows = [](SqlSession& session, Database& database) {
    Rows rows;
    for (const TablePtr& table : database.tables()) {
      for (const Column& column : table->definition()->columns) {
        rows.push_back(column_row(table->object_id(), column.name, column.id, column.type,
                                  column_type_id(column), &column));
      }
    }
    for (const Engine::SystemObject& object : session.engine().system_objects(database)) {
      int32_t id = 0;
      for (const ResultColumn& column : object.columns) {
        rows.push_back(column_row(object.id, column.name, ++id, column.type,
                                  user_type_id(column.type.id), nullptr));
      }
    }
    return rows;
  };
  return view;
}

SystemView types() {
  SystemView view;
  view.columns = {view_column("name", sysname_type(), false),
                  view_column("system_type_id", kTiny, false),
                  view_column("user_type_id", int_type(), false),
                  view_column("schema_id", int_type(), false),
                  view_column("max_length", kSmall, false),
                  view_column("precision", kTiny, false),
                  view_column("scale", kTiny, false),
                  view_column("collation_name", sysname_type()),
                  view_column("is_nullable", bit_type()),
                  view_column("is_user_defined", bit_type(), false),
                  view_column("is_assembly_type", bit_type(), false)};
  view.rows = [](SqlSession&, Database& database) {
    Rows rows;
    const auto add = [&rows](std::string_view name, const SqlType& type, int32_t user_id) {
      int precision = 0, scale = 0;
      precision_of(type, &precision, &scale);
      if (type.id == TypeId::kDecimal || type.id == TypeId::kNumeric) {
        scale = precision;  // the most it can be
      }
      rows.push_back({text(name), number(system_type_id(type.id)), number(user_id), number(4),
                      number(max_length_bytes(type)), number(precision), number(scale),
                      collation_name(type), flag(type.nullable), flag(false),
                      flag(family_of(type.id) == Family::kClr)});
    };
    for (int id = 0; id <= static_cast<int>(TypeId::kGeometry); ++id) {
      SqlType type;
      type.id = static_cast<TypeId>(id);
      type.scale = is_temporal(family_of(type.id)) ? 7 : 0;
      type.precision = 38;
      type.nullable = type.id != TypeId::kRowVersion;
      type.length = is_unicode(type.id) ? 4000 : 8000;
      add(type_name(type.id), type, user_type_id(type.id));
    }
    SqlType sysname = sysname_type();
    sysname.nullable = false;
    add("sysname", sysname, kSysnameTypeId);
    for (const UserType& alias : database.user_types().all()) {
      int precision = 0, scale = 0;
      precision_of(alias.type, &precision, &scale);
      rows.push_back({text(alias.name), number(system_type_id(alias.type.id)), number(alias.id),
                      number(schema_id(database, alias.schema)),
                      number(max_length_bytes(alias.type)), number(precision), number(scale),
                      collation_name(alias.type), flag(alias.type.nullable), flag(true),
                      flag(false)});
    }
    return rows;
  };
  return view;
}

SystemView indexes() {
  SystemView view;
  view.columns = {view_column("object_id", int_type(), false),
                  view_column("name", sysname_type()),
                  view_column("index_id", int_type(), false),
                  view_column("type", kTiny, false),
                  view_column("type_desc", nvarchar_type(60)),
                  view_column("is_unique", bit_type()),
                  view_column("data_space_id", int_type()),
                  view_column("ignore_dup_key", bit_type()),
                  view_column("is_primary_key", bit_type()),
                  view_column("is_unique_constraint", bit_type()),
                  view_column("fill_factor", kTiny, false),
                  view_column("is_disabled", bit_type()),
                  view_column("is_hypothetical", bit_type()),
                  view_column("has_filter", bit_type(), false),
                  view_column("filter_definition", nvarchar_type(kMaxLength))};
  view.rows = [](SqlSession&, Database& database) {
    Rows rows;
    for (const TablePtr& table : database.tables()) {
      const DefinitionPtr definition = table->definition();
      if (definition->clustered_index() == nullptr) {
        rows.push_back({number(table->object_id()),
                        {},
                        number(0),
                        number(0),
                        text("HEAP"),
                        flag(false),
                        number(1),
                        flag(false),
                        flag(false),
                        flag(false),
                        number(0),
                        flag(false),
                        flag(false),
                        flag(false),
                        {}});
      }
      for (const Index& index : definition->indexes) {
        rows.push_back({number(table->object_id()),
                        text(index.name),
                        number(index.id),
                        number(index.clustered ? 1 : 2),
                        text(index.clustered ? "CLUSTERED" : "NONCLUSTERED"),
                        flag(index.unique),
                        number(1),
                        flag(false),
                        flag(index.primary),
                        flag(index.is_constraint && !index.primary),
                        number(0),
                        flag(false),
                        flag(false),
                        flag(false),
                        {}});
      }
    }
    return rows;
  };
  return view;
}

SystemView index_columns() {
  SystemView view;
  view.columns = {view_column("object_id", int_type(), false),
                  view_column("index_id", int_type(), false),
                  view_column("index_column_id", int_type(), false),
                  view_column("column_id", int_type(), false),
                  view_column("key_ordinal", kTiny, false),
                  view_column("partition_ordinal", kTiny, false),
                  view_column("is_descending_key", bit_type()),
                  view_column("is_included_column", bit_type())};
  view.rows = [](SqlSession&, Database& database) {
    Rows rows;
    for (const TablePtr& table : database.tables()) {
      const DefinitionPtr definition = table->definition();
      for (const Index& index : definition->indexes) {
        for (size_t i = 0; i < index.parts.size(); ++i) {
          const auto ordinal = static_cast<int64_t>(i) + 1;
          rows.push_back({number(table->object_id()), number(index.id), number(ordinal),
                          number(definition->columns[index.parts[i].column].id), number(ordinal),
                          number(0), flag(index.parts[i].descending), flag(false)});
        }
      }
    }
    return rows;
  };
  return view;
}

SystemView constraints(bool keys) {
  SystemView view;
  view.columns = object_columns();
  if (keys) {
    view.columns.push_back(view_column("unique_index_id", int_type()));
    view.columns.push_back(view_column("is_system_named", bit_type()));
  } else {
    view.columns.push_back(view_column("parent_column_id", int_type(), false));
    view.columns.push_back(view_column("definition", nvarchar_type(kMaxLength)));
    view.columns.push_back(view_column("is_system_named", bit_type()));
  }
  view.rows = [keys](SqlSession&, Database& database) {
    Rows rows;
    for (const TablePtr& table : database.tables()) {
      Rows all;
      add_constraint_rows(database, *table, &all);
      const DefinitionPtr definition = table->definition();
      for (Row& row : all) {
        const auto id = static_cast<int32_t>(row[1].number);
        if (keys) {
          for (const Index& index : definition->indexes) {
            if (index.is_constraint && index.object_id == id) {
              row.push_back(number(index.id));
              row.push_back(flag(index.name.find("__") != std::string::npos));
              rows.push_back(row);
            }
          }
          continue;
        }
        for (const Column& column : definition->columns) {
          if (column.default_id == id && !column.default_name.empty()) {
            row.push_back(number(column.id));
            row.push_back(text("(" + column.default_text + ")"));
            row.push_back(flag(column.default_name.find("__") != std::string::npos));
            rows.push_back(row);
          }
        }
      }
    }
    return rows;
  };
  return view;
}

SystemView identity_columns() {
  SystemView view = columns();
  const SqlType bigint = bigint_type();
  view.columns.push_back(view_column("seed_value", bigint));
  view.columns.push_back(view_column("increment_value", bigint));
  view.columns.push_back(view_column("last_value", bigint));
  view.rows = [](SqlSession&, Database& database) {
    Rows rows;
    for (const TablePtr& table : database.tables()) {
      for (const Column& column : table->definition()->columns) {
        if (column.identity) {
          Row row = column_row(table->object_id(), column.name, column.id, column.type,
                               column_type_id(column), &column);
          row.push_back(number(column.identity_seed));
          row.push_back(number(column.identity_increment));
          row.push_back(table->identity_used
                            ? number(table->next_identity - column.identity_increment)
                            : SqlValue{});
          rows.push_back(std::move(row));
        }
      }
    }
    return rows;
  };
  return view;
}

SystemView computed_columns() {
  SystemView view = columns();
  view.columns.push_back(view_column("definition", nvarchar_type(kMaxLength)));
  view.columns.push_back(view_column("is_persisted", bit_type(), false));
  view.rows = [](SqlSession&, Database& database) {
    Rows rows;
    for (const TablePtr& table : database.tables()) {
      for (const Column& column : table->definition()->columns) {
        if (column.computed != nullptr) {
          Row row = column_row(table->object_id(), column.name, column.id, column.type,
                               column_type_id(column), &column);
          row.push_back(text("(" + column.computed_text + ")"));
          row.push_back(flag(column.persisted));
          rows.push_back(std::move(row));
        }
      }
    }
    return rows;
  };
  return view;
}

SystemView partitions() {
  SystemView view;
  view.columns = {
      view_column("partition_id", bigint_type(), false),
      view_column("object_id", int_type(), false), view_column("index_id", int_type(), false),
      view_column("partition_number", int_type(), false), view_column("rows", bigint_type())};
  view.rows = [](SqlSession&, Database& database) {
    Rows rows;
    for (const TablePtr& table : database.tables()) {
      const bool heap = table->definition()->clustered_index() == nullptr;
      rows.push_back({number(int64_t{table->object_id()} << 16), number(table->object_id()),
                      number(heap ? 0 : 1), number(1),
                      number(static_cast<int64_t>(table->store()->row_count()))});
    }
    return rows;
  };
  return view;
}

SystemView sessions() {
  SystemView view;
  view.columns = {view_column("session_id", kSmall, false),
                  view_column("login_name", sysname_type(), false),
                  view_column("host_name", sysname_type()),
                  view_column("program_name", sysname_type()),
                  view_column("client_interface_name", sysname_type()),
                  view_column("status", nvarchar_type(30), false),
                  view_column("is_user_process", bit_type(), false)};
  view.rows = [](SqlSession& session, Database&) {
    Rows rows;
    const bool sees_all =
        session.may(session.engine().main_database(), Permission::kViewServerPerformanceState, {});
    for (const Engine::SessionInfo& other : session.engine().sessions()) {
      if (other.id != session.id() && !sees_all) {
        continue;
      }
      rows.push_back({number(other.id), text(other.login.user), text(other.login.host),
                      text(other.login.application), text(other.login.client_library),
                      text(other.id == session.id() ? "running" : "sleeping"), flag(true)});
    }
    return rows;
  };
  return view;
}

SystemView empty_like(const SystemView& view) {
  SystemView empty = view;
  empty.rows = [](SqlSession&, Database&) { return Rows(); };
  return empty;
}

SystemView services() {
  SystemView view;
  view.columns = {view_column("servicename", nvarchar_type(256), false),
                  view_column("startup_type", int_type()),
                  view_column("startup_type_desc", nvarchar_type(256), false),
                  view_column("status", int_type()),
                  view_column("status_desc", nvarchar_type(256), false),
                  view_column("process_id", int_type())};
  view.rows = [](SqlSession&, Database&) {
    return Rows{{text("SQL Server (MSSQLSERVER)"), number(2), text("Automatic"), number(4),
                 text("Running"), number(1)},
                {text("SQL Server Agent (MSSQLSERVER)"), number(2), text("Automatic"), number(4),
                 text("Running"), number(2)}};
  };
  view.needed = Permission::kViewServerSecurityState;
  return view;
}

}  // namespace

void add_catalog_views(Engine* engine) {
  engine->add_view("sys.databases", databases());
  engine->add_view("sys.schemas", schemas());
  for (const char* name : {"sys.objects", "sys.all_objects"}) {
    engine->add_view(name, objects());
  }
  engine->add_view("sys.tables", tables());
  for (const char* name : {"sys.columns", "sys.all_columns"}) {
    engine->add_view(name, columns());
  }
  engine->add_view("sys.types", types());
  engine->add_view("sys.indexes", indexes());
  engine->add_view("sys.index_columns", index_columns());
  engine->add_view("sys.key_constraints", constraints(true));
  engine->add_view("sys.default_constraints", constraints(false));
  engine->add_view("sys.identity_columns", identity_columns());
  engine->add_view("sys.partitions", partitions());
  engine->add_view("sys.dm_exec_sessions", sessions());
  if (!engine->options().is_azure) {
    engine->add_view("sys.dm_server_services", services());
  }
  for (const char* name : {"sys.views", "sys.all_views", "sys.procedures", "sys.triggers"}) {
    engine->add_view(name, empty_like(objects()));
  }
  engine->add_view("sys.computed_columns", computed_columns());
  add_connection_views(engine);
  add_constraint_views(engine);
  add_information_schema(engine);
}

}  // namespace dstream::standin::sql
