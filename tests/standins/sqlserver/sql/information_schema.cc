#include "tests/standins/sqlserver/sql/information_schema.h"

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/session.h"

namespace dstream::standin::sql {
namespace {

using Rows = std::vector<std::vector<SqlValue>>;

SqlValue number(int64_t value) { return SqlValue::of_number(value); }
SqlValue text(std::string_view value) { return SqlValue::of_text(std::string(value)); }

ResultColumn name_column(std::string name, bool nullable = true) {
  return view_column(std::move(name), sysname_type(), nullable);
}

SystemView schemata() {
  SystemView view;
  view.columns = {name_column("CATALOG_NAME"), name_column("SCHEMA_NAME", false),
                  name_column("SCHEMA_OWNER")};
  view.rows = [](SqlSession&, Database& database) {
    Rows rows;
    for (const Schema& schema : database.schemas()) {
      rows.push_back({text(database.name()), text(schema.name), text("dbo")});
    }
    return rows;
  };
  return view;
}

SystemView tables() {
  SystemView view;
  view.columns = {name_column("TABLE_CATALOG"), name_column("TABLE_SCHEMA"),
                  name_column("TABLE_NAME", false), view_column("TABLE_TYPE", varchar_type(10))};
  view.rows = [](SqlSession& session, Database& database) {
    Rows rows;
    for (const TablePtr& table : database.tables()) {
      rows.push_back(
          {text(database.name()), text(table->schema()), text(table->name()), text("BASE TABLE")});
    }
    for (const Engine::SystemObject& object : session.engine().system_objects(database)) {
      if (object.type == "U ") {
        rows.push_back(
            {text(database.name()), text(object.schema), text(object.name), text("BASE TABLE")});
      }
    }
    return rows;
  };
  return view;
}

std::vector<SqlValue> column_row(const Database& database, const std::string& schema,
                                 const std::string& table, const std::string& name, int64_t ordinal,
                                 const SqlType& type, const Column* column) {
  const Family family = family_of(type.id);
  const bool is_text = family == Family::kText, is_bytes = family == Family::kBytes;
  int precision = 0, scale = 0;
  decimal_shape(type, &precision, &scale);
  const bool exact = family == Family::kInteger || family == Family::kDecimal;
  const bool is_real = family == Family::kReal;
  const bool is_clr = family == Family::kClr;
  const bool has_length = (is_text || is_bytes || is_clr) && type.id != TypeId::kRowVersion;
  const bool has_default = column != nullptr && !column->default_text.empty();
  const auto alias =
      column == nullptr ? std::nullopt : database.user_types().find(column->user_type_id);
  return {text(database.name()),
          text(schema),
          text(table),
          text(name),
          number(ordinal),
          has_default ? text("(" + column->default_text + ")") : SqlValue{},
          text(type.nullable ? "YES" : "NO"),
          text(type_name(type.id)),
          has_length ? number(is_clr ? max_length_bytes(type) : type.length) : SqlValue{},
          has_length ? number(max_length_bytes(type)) : SqlValue{},
          exact && type.id != TypeId::kBit ? number(precision)
          : is_real                        ? number(type.id == TypeId::kReal ? 24 : 53)
                                           : SqlValue{},
          exact && type.id != TypeId::kBit ? number(10)
          : is_real                        ? number(2)
                                           : SqlValue{},
          exact && type.id != TypeId::kBit ? number(scale) : SqlValue{},
          is_temporal(family) ? number(type.id == TypeId::kDateTime ? 3
                                       : family == Family::kDate    ? 0
                                                                    : type.scale)
                              : SqlValue{},
          {},
          {},
          is_text ? text(is_unicode(type.id) ? "UNICODE"
                         : type.utf8         ? "utf8"
                                             : "iso_1")
                  : SqlValue{},
          {},
          {},
          is_text ? text(type.utf8 ? "Latin1_General_100_CI_AS_SC_UTF8"
                                   : "SQL_Latin1_General_CP1_CI_AS")
                  : SqlValue{},
          alias ? text(database.name()) : SqlValue{},
          alias ? text(alias->schema) : SqlValue{},
          alias ? text(alias->name) : SqlValue{}};
}

SystemView columns() {
  const SqlType small = make_type(TypeId::kSmallInt, {}, {});
  SystemView view;
  view.columns = {name_column("TABLE_CATALOG"),
                  name_column("TABLE_SCHEMA"),
                  name_column("TABLE_NAME", false),
                  name_column("COLUMN_NAME"),
                  view_column("ORDINAL_POSITION", int_type()),
                  view_column("COLUMN_DEFAULT", nvarchar_type(4000)),
                  view_column("IS_NULLABLE", varchar_type(3)),
                  name_column("DATA_TYPE"),
                  view_column("CHARACTER_MAXIMUM_LENGTH", int_type()),
                  view_column("CHARACTER_OCTET_LENGTH", int_type()),
                  view_column("NUMERIC_PRECISION", make_type(TypeId::kTinyInt, {}, {})),
                  view_column("NUMERIC_PRECISION_RADIX", small),
                  view_column("NUMERIC_SCALE", int_type()),
                  view_column("DATETIME_PRECISION", small),
                  name_column("CHARACTER_SET_CATALOG"),
                  name_column("CHARACTER_SET_SCHEMA"),
                  name_column("CHARACTER_SET_NAME"),
                  name_column("COLLATION_CATALOG"),
                  name_column("COLLATION_SCHEMA"),
                  name_column("COLLATION_NAME"),
                  name_column("DOMAIN_CATALOG"),
                  name_column("DOMAIN_SCHEMA"),
                  name_column("DOMAIN_NAME")};
  view.rows = [](SqlSession& session, Database& database) {
    Rows rows;
    for (const TablePtr& table : database.tables()) {
      int64_t ordinal = 0;
      for (const Column& column : table->definition()->columns) {
        rows.push_back(column_row(database, table->schema(), table->name(), column.name, ++ordinal,
                                  column.type, &column));
      }
    }
    for (const Engine::SystemObject& object : session.engine().system_objects(database)) {
      int64_t ordinal = 0;
      for (const ResultColumn& column : object.columns) {
        rows.push_back(column_row(database, object.schema, object.name, column.name, ++ordinal,
                                  column.type, nullptr));
      }
    }
    return rows;
  };
  return view;
}

SystemView table_constraints() {
  SystemView view;
  view.columns = {name_column("CONSTRAINT_CATALOG"),
                  name_column("CONSTRAINT_SCHEMA"),
                  name_column("CONSTRAINT_NAME", false),
                  name_column("TABLE_CATALOG"),
                  name_column("TABLE_SCHEMA"),
                  name_column("TABLE_NAME", false),
                  view_column("CONSTRAINT_TYPE", varchar_type(11)),
                  view_column("IS_DEFERRABLE", varchar_type(2), false),
                  view_column("INITIALLY_DEFERRED", varchar_type(2), false)};
  view.rows = [](SqlSession&, Database& database) {
    Rows rows;
    for (const TablePtr& table : database.tables()) {
      const DefinitionPtr definition = table->definition();
      const auto add = [&](const std::string& name, std::string_view type) {
        rows.push_back({text(database.name()), text(table->schema()), text(name),
                        text(database.name()), text(table->schema()), text(table->name()),
                        text(type), text("NO"), text("NO")});
      };
      for (const Index& index : definition->indexes) {
        if (index.is_constraint) {
          add(index.name, index.primary ? "PRIMARY KEY" : "UNIQUE");
        }
      }
      for (const ForeignKey& key : definition->foreign_keys) {
        add(key.name, "FOREIGN KEY");
      }
      for (const Check& check : definition->checks) {
        add(check.name, "CHECK");
      }
    }
    return rows;
  };
  return view;
}

SystemView key_column_usage() {
  SystemView view;
  view.columns = {name_column("CONSTRAINT_CATALOG"),
                  name_column("CONSTRAINT_SCHEMA"),
                  name_column("CONSTRAINT_NAME", false),
                  name_column("TABLE_CATALOG"),
                  name_column("TABLE_SCHEMA"),
                  name_column("TABLE_NAME", false),
                  name_column("COLUMN_NAME"),
                  view_column("ORDINAL_POSITION", int_type(), false)};
  view.rows = [](SqlSession&, Database& database) {
    Rows rows;
    for (const TablePtr& table : database.tables()) {
      const DefinitionPtr definition = table->definition();
      for (const Index& index : definition->indexes) {
        int64_t ordinal = 0;
        for (const Index::Part& part : index.parts) {
          if (index.is_constraint) {
            rows.push_back({text(database.name()), text(table->schema()), text(index.name),
                            text(database.name()), text(table->schema()), text(table->name()),
                            text(definition->columns[part.column].name), number(++ordinal)});
          }
        }
      }
      for (const ForeignKey& key : definition->foreign_keys) {
        int64_t ordinal = 0;
        for (const size_t column : key.columns) {
          rows.push_back({text(database.name()), text(table->schema()), text(key.name),
                          text(database.name()), text(table->schema()), text(table->name()),
                          text(definition->columns[column].name), number(++ordinal)});
        }
      }
    }
    return rows;
  };
  return view;
}

}  // namespace

void add_information_schema(Engine* engine) {
  engine->add_view("information_schema.schemata", schemata());
  engine->add_view("information_schema.tables", tables());
  engine->add_view("information_schema.columns", columns());
  engine->add_view("information_schema.table_constraints", table_constraints());
  engine->add_view("information_schema.key_column_usage", key_column_usage());
}

}  // namespace dstream::standin::sql
