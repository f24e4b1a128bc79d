#include "tests/standins/sqlserver/sql/constraint_views.h"

#include <algorithm>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/expression_columns.h"
#include "tests/standins/sqlserver/sql/procedures.h"
#include "tests/standins/sqlserver/sql/references.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

using Row = std::vector<SqlValue>;
using Rows = std::vector<Row>;

SqlValue number(int64_t value) { return SqlValue::of_number(value); }
SqlValue flag(bool value) { return SqlValue::of_number(value ? 1 : 0); }
SqlValue text(std::string_view value) { return SqlValue::of_text(std::string(value)); }
ResultColumn name_column(std::string name, bool nullable = true) {
  return view_column(std::move(name), sysname_type(), nullable);
}

bool is_system_named(const std::string& name) { return name.find("__") != std::string::npos; }

// A foreign key with the table it is on, the table it refers to, and the columns of both.
struct KeyUse {
  TablePtr child, parent;
  DefinitionPtr child_definition, parent_definition;
  const ForeignKey* key;
  std::vector<size_t> parent_columns;
  const Index* index;  // of the parent, over these columns; nullptr if there is none any more
};

std::vector<size_t> columns_of(const Index& index) {
  std::vector<size_t> columns;
  for (const Index::Part& part : index.parts) {
    columns.push_back(part.column);
  }
  return columns;
}

std::vector<KeyUse> key_uses(Database& database) {
  std::vector<KeyUse> uses;
  for (const TablePtr& child : database.tables()) {
    const DefinitionPtr definition = child->definition();
    for (const ForeignKey& key : definition->foreign_keys) {
      KeyUse use{child,  database.find_table(key.referenced_table), definition, {}, &key, {},
                 nullptr};
      if (use.parent == nullptr) {
        continue;
      }
      use.parent_definition = use.parent->definition();
      for (const std::string& name : key.referenced_columns) {
        if (const auto column = use.parent_definition->find_column(name)) {
          use.parent_columns.push_back(*column);
        }
      }
      const Index* primary = use.parent_definition->primary_key();
      if (key.referenced_columns.empty() && primary != nullptr) {
        use.parent_columns = columns_of(*primary);
      }
      for (const Index& index : use.parent_definition->indexes) {
        std::vector<size_t> indexed = columns_of(index), wanted = use.parent_columns;
        std::sort(indexed.begin(), indexed.end());
        std::sort(wanted.begin(), wanted.end());
        if (index.unique && indexed == wanted && use.index == nullptr) {
          use.index = &index;
        }
      }
      uses.push_back(std::move(use));
    }
  }
  return uses;
}

// A view of the objects that `add` finds something to add to, with these columns more.
SystemView objects_with(const SystemView& objects, const std::vector<ResultColumn>& more,
                        std::function<bool(Database&, int32_t id, Row* row)> add) {
  SystemView view = objects;
  view.columns.insert(view.columns.end(), more.begin(), more.end());
  view.rows = [rows_of = objects.rows, add = std::move(add)](SqlSession& session,
                                                             Database& database) {
    constexpr size_t kObjectId = 1;
    Rows rows;
    for (Row& row : rows_of(session, database)) {
      if (add(database, static_cast<int32_t>(row[kObjectId].number), &row)) {
        rows.push_back(std::move(row));
      }
    }
    return rows;
  };
  return view;
}

SystemView foreign_keys(const SystemView& objects) {
  const SqlType tiny = make_type(TypeId::kTinyInt, {}, {});
  const std::vector<ResultColumn> more = {
      view_column("referenced_object_id", int_type()),
      view_column("key_index_id", int_type()),
      view_column("is_disabled", bit_type(), false),
      view_column("is_not_for_replication", bit_type(), false),
      view_column("is_not_trusted", bit_type(), false),
      view_column("delete_referential_action", tiny),
      view_column("delete_referential_action_desc", nvarchar_type(60)),
      view_column("update_referential_action", tiny),
      view_column("update_referential_action_desc", nvarchar_type(60)),
      view_column("is_system_named", bit_type(), false)};
  return objects_with(objects, more, [](Database& database, int32_t id, Row* row) {
    for (const KeyUse& use : key_uses(database)) {
      if (use.key->object_id == id) {
        const Row values = {number(use.key->referenced_table),
                            use.index != nullptr ? number(use.index->id) : SqlValue{},
                            flag(false),
                            flag(false),
                            flag(false),
                            number(static_cast<int64_t>(use.key->on_delete)),
                            text(action_name(use.key->on_delete, '_')),
                            number(static_cast<int64_t>(use.key->on_update)),
                            text(action_name(use.key->on_update, '_')),
                            flag(is_system_named(use.key->name))};
        row->insert(row->end(), values.begin(), values.end());
        return true;
      }
    }
    return false;
  });
}

SystemView foreign_key_columns() {
  SystemView view;
  for (const char* name : {"constraint_object_id", "constraint_column_id", "parent_object_id",
                           "parent_column_id", "referenced_object_id", "referenced_column_id"}) {
    view.columns.push_back(view_column(name, int_type(), false));
  }
  view.rows = [](SqlSession&, Database& database) {
    Rows rows;
    for (const KeyUse& use : key_uses(database)) {
      for (size_t i = 0; i < use.key->columns.size() && i < use.parent_columns.size(); ++i) {
        rows.push_back({number(use.key->object_id), number(static_cast<int64_t>(i + 1)),
                        number(use.child->object_id()),
                        number(use.child_definition->columns[use.key->columns[i]].id),
                        number(use.parent->object_id()),
                        number(use.parent_definition->columns[use.parent_columns[i]].id)});
      }
    }
    return rows;
  };
  return view;
}

// The column that a check is about, if it is about one alone.
int32_t checked_column(const TableDefinition& definition, const Check& check) {
  const std::set<std::string> names = columns_of(*check.condition);
  const auto column = names.size() == 1 ? definition.find_column(*names.begin()) : std::nullopt;
  return column ? definition.columns[*column].id : 0;
}

SystemView check_constraints(const SystemView& objects) {
  const std::vector<ResultColumn> more = {view_column("is_disabled", bit_type(), false),
                                          view_column("is_not_for_replication", bit_type(), false),
                                          view_column("is_not_trusted", bit_type(), false),
                                          view_column("parent_column_id", int_type(), false),
                                          view_column("definition", nvarchar_type(kMaxLength)),
                                          view_column("uses_database_collation", bit_type()),
                                          view_column("is_system_named", bit_type(), false)};
  return objects_with(objects, more, [](Database& database, int32_t id, Row* row) {
    for (const TablePtr& table : database.tables()) {
      const DefinitionPtr definition = table->definition();
      for (const Check& check : definition->checks) {
        if (check.object_id == id) {
          const Row values = {flag(false),
                              flag(false),
                              flag(false),
                              number(checked_column(*definition, check)),
                              text(check.text),
                              flag(true),
                              flag(is_system_named(check.name))};
          row->insert(row->end(), values.begin(), values.end());
          return true;
        }
      }
    }
    return false;
  });
}

SystemView referential_constraints() {
  SystemView view;
  view.columns = {name_column("CONSTRAINT_CATALOG"),
                  name_column("CONSTRAINT_SCHEMA"),
                  name_column("CONSTRAINT_NAME", false),
                  name_column("UNIQUE_CONSTRAINT_CATALOG"),
                  name_column("UNIQUE_CONSTRAINT_SCHEMA"),
                  name_column("UNIQUE_CONSTRAINT_NAME"),
                  view_column("MATCH_OPTION", varchar_type(7)),
                  view_column("UPDATE_RULE", varchar_type(11)),
                  view_column("DELETE_RULE", varchar_type(11))};
  view.rows = [](SqlSession&, Database& database) {
    Rows rows;
    for (const KeyUse& use : key_uses(database)) {
      rows.push_back({text(database.name()), text(use.child->schema()), text(use.key->name),
                      text(database.name()), text(use.parent->schema()),
                      use.index != nullptr ? text(use.index->name) : SqlValue{}, text("SIMPLE"),
                      text(action_name(use.key->on_update, ' ')),
                      text(action_name(use.key->on_delete, ' '))});
    }
    return rows;
  };
  return view;
}

SystemView check_clauses() {
  SystemView view;
  view.columns = {name_column("CONSTRAINT_CATALOG"), name_column("CONSTRAINT_SCHEMA"),
                  name_column("CONSTRAINT_NAME", false),
                  view_column("CHECK_CLAUSE", nvarchar_type(4000))};
  view.rows = [](SqlSession&, Database& database) {
    Rows rows;
    for (const TablePtr& table : database.tables()) {
      for (const Check& check : table->definition()->checks) {
        rows.push_back(
            {text(database.name()), text(table->schema()), text(check.name), text(check.text)});
      }
    }
    return rows;
  };
  return view;
}

// Modules are views, triggers, procedures and functions: no user has any here.
SystemView modules() {
  SystemView view;
  view.columns = {view_column("object_id", int_type(), false),
                  view_column("definition", nvarchar_type(kMaxLength)),
                  view_column("uses_ansi_nulls", bit_type()),
                  view_column("uses_quoted_identifier", bit_type()),
                  view_column("is_schema_bound", bit_type()),
                  view_column("uses_database_collation", bit_type()),
                  view_column("is_recompiled", bit_type()),
                  view_column("null_on_null_input", bit_type()),
                  view_column("execute_as_principal_id", int_type())};
  view.rows = [](SqlSession&, Database&) { return Rows(); };
  return view;
}

bool is_wanted(const ProcedureCall& call, size_t name, const Table& table) {
  const std::string table_name = call.text(name), schema = call.text(name + 1);
  return (table_name.empty() || equal_names(table_name, table.name())) &&
         (schema.empty() || equal_names(schema, table.schema()));
}

// As ODBC numbers them: CASCADE before NO ACTION.
int64_t rule_of(ReferentialAction action) {
  return action == ReferentialAction::kCascade    ? 0
         : action == ReferentialAction::kNoAction ? 1
                                                  : static_cast<int64_t>(action);
}

void foreign_key_procedure(ProcedureCall& call) {
  call.bind({"@pktable_name", "@pktable_owner", "@pktable_qualifier", "@fktable_name",
             "@fktable_owner", "@fktable_qualifier"});
  constexpr size_t kParent = 0, kChild = 3;
  if (call.text(kParent).empty() && call.text(kChild).empty()) {
    throw SqlError(15252, 16, 1, "The primary or foreign key table name must be given.");
  }
  constexpr int kNotDeferrable = 7;
  Rows rows;
  for (const KeyUse& use : key_uses(call.database)) {
    if (!is_wanted(call, kParent, *use.parent) || !is_wanted(call, kChild, *use.child)) {
      continue;
    }
    for (size_t i = 0; i < use.key->columns.size() && i < use.parent_columns.size(); ++i) {
      rows.push_back(
          {text(call.database.name()), text(use.parent->schema()), text(use.parent->name()),
           text(use.parent_definition->columns[use.parent_columns[i]].name),
           text(call.database.name()), text(use.child->schema()), text(use.child->name()),
           text(use.child_definition->columns[use.key->columns[i]].name),
           number(static_cast<int64_t>(i + 1)), number(rule_of(use.key->on_update)),
           number(rule_of(use.key->on_delete)), text(use.key->name),
           use.index != nullptr ? text(use.index->name) : SqlValue{}, number(kNotDeferrable)});
    }
  }
  const SqlType small = make_type(TypeId::kSmallInt, {}, {});
  send_rows(call,
            {name_column("PKTABLE_QUALIFIER"), name_column("PKTABLE_OWNER"),
             name_column("PKTABLE_NAME", false), name_column("PKCOLUMN_NAME", false),
             name_column("FKTABLE_QUALIFIER"), name_column("FKTABLE_OWNER"),
             name_column("FKTABLE_NAME", false), name_column("FKCOLUMN_NAME", false),
             view_column("KEY_SEQ", small, false), view_column("UPDATE_RULE", small),
             view_column("DELETE_RULE", small), name_column("FK_NAME"), name_column("PK_NAME"),
             view_column("DEFERRABILITY", small)},
            rows);
}

}  // namespace

void add_constraint_views(Engine* engine) {
  const SystemView objects = *engine->find_view("sys.objects");
  engine->add_view("sys.foreign_keys", foreign_keys(objects));
  engine->add_view("sys.foreign_key_columns", foreign_key_columns());
  engine->add_view("sys.check_constraints", check_constraints(objects));
  engine->add_view("sys.sql_modules", modules());
  engine->add_view("sys.all_sql_modules", modules());
  engine->add_view("information_schema.referential_constraints", referential_constraints());
  engine->add_view("information_schema.check_constraints", check_clauses());
  engine->add_procedure("sys.sp_fkeys", foreign_key_procedure);
}

}  // namespace dstream::standin::sql
