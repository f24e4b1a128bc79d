// COL_LENGTH, COLLATIONPROPERTY, COLUMNPROPERTY, OBJECTPROPERTY, TYPE_ID.
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/functions.h"
#include "tests/standins/sqlserver/sql/parser.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

using Values = std::span<const SqlValue>;

// The table of a name or an id, nullptr if there is none.
TablePtr table_of(const CallContext& call, const SqlType& type, const SqlValue& value) {
  if (family_of(type.id) == Family::kInteger) {
    return call.database.find_table(static_cast<int32_t>(value.number));
  }
  try {
    return call.session.find_table(parse_name(value.text));
  } catch (const SqlError&) {
    return nullptr;
  }
}

SqlValue column_length(const CallContext& call, Values values) {
  const TablePtr table = table_of(call, nvarchar_type(kMaxLength), values[0]);
  const auto column =
      table == nullptr ? std::nullopt : table->definition()->find_column(values[1].text);
  return column ? SqlValue::of_number(max_length_bytes(table->definition()->columns[*column].type))
                : SqlValue{};
}

// Of the collations that columns have here: see catalog_views.cc.
SqlValue collation_property(const CallContext&, Values values) {
  const std::string collation = upper_text(values[0].text);
  if (!collation.starts_with("LATIN1_GENERAL_") &&
      !collation.starts_with("SQL_LATIN1_GENERAL_CP1_")) {
    return {};
  }
  const std::pair<std::string_view, int64_t> answers[] = {
      {"CODEPAGE", collation.ends_with("_UTF8") ? 65001 : 1252},
      {"LCID", 1033},
  };
  const std::string name = upper_text(values[1].text);
  for (const auto& [known, answer] : answers) {
    if (known == name) {
      return SqlValue::of_number(answer);
    }
  }
  return {};
}

SqlValue column_property(const CallContext& call, Values values) {
  const TablePtr table = table_of(call, int_type(), values[0]);
  const auto place =
      table == nullptr ? std::nullopt : table->definition()->find_column(values[1].text);
  if (!place) {
    return {};
  }
  const Column& column = table->definition()->columns[*place];
  const std::string name = upper_text(values[2].text);
  int precision = 0, scale = 0;
  precision_of(column.type, &precision, &scale);
  const bool is_text = family_of(column.type.id) == Family::kText;
  const std::pair<std::string_view, int64_t> answers[] = {
      {"ALLOWSNULL", column.type.nullable ? 1 : 0},
      {"COLUMNID", column.id},
      {"ISCOMPUTED", column.computed != nullptr ? 1 : 0},
      {"ISIDENTITY", column.identity ? 1 : 0},
      {"ISROWGUIDCOL", column.row_guid ? 1 : 0},
      {"ISHIDDEN", 0},
      {"ISSPARSE", 0},
      {"GENERATEDALWAYSTYPE", 0},
      {"PRECISION", is_text ? column.type.length : precision},
      {"SCALE", scale},
      {"CHARMAXLEN", is_text ? column.type.length : 0},
  };
  for (const auto& [known, answer] : answers) {
    if (known == name) {
      return SqlValue::of_number(answer);
    }
  }
  return {};
}

SqlValue object_property(const CallContext& call, Values values) {
  const TablePtr table = table_of(call, int_type(), values[0]);
  if (table == nullptr) {
    return {};
  }
  const std::string name = upper_text(values[1].text);
  bool has_identity = false;
  for (const Column& column : table->definition()->columns) {
    has_identity = has_identity || column.identity;
  }
  const std::pair<std::string_view, bool> answers[] = {
      {"ISUSERTABLE", true},
      {"ISTABLE", true},
      {"ISVIEW", false},
      {"ISPROCEDURE", false},
      {"ISMSSHIPPED", false},
      {"ISSYSTEMTABLE", false},
      {"TABLEHASPRIMARYKEY", table->definition()->primary_key() != nullptr},
      {"TABLEHASIDENTITY", has_identity},
      {"TABLEHASFOREIGNKEY", !table->definition()->foreign_keys.empty()},
      {"TABLEHASINDEX", !table->definition()->indexes.empty()},
  };
  for (const auto& [known, answer] : answers) {
    if (known == name) {
      return SqlValue::of_number(answer ? 1 : 0);
    }
  }
  return {};
}

SqlValue type_id(const CallContext& call, Values values) {
  Name name;
  try {
    name = parse_name(values[0].text);
  } catch (const SqlError&) {
    return {};
  }
  const std::string schema = name.before_last(1);
  const bool is_system = schema.empty() || equal_names(schema, "sys");
  if (const auto id = type_by_name(name.last()); id && is_system) {
    const bool is_sysname = equal_names(name.last(), "sysname");
    return SqlValue::of_number(is_sysname ? kSysnameTypeId : user_type_id(*id));
  }
  const auto alias = call.database.user_types().find(schema.empty() ? "dbo" : schema, name.last());
  return alias ? SqlValue::of_number(alias->id) : SqlValue{};
}

}  // namespace

void add_metadata_functions(FunctionRegistry* registry) {
  const SqlType text = nvarchar_type(776), name = sysname_type(), id = int_type();
  registry->add(
      "col_length",
      nullable_function(2, {text, name}, make_type(TypeId::kSmallInt, {}, {}), column_length));
  registry->add("collationproperty", nullable_function(2, {name, name}, id, collation_property));
  registry->add("columnproperty", nullable_function(3, {id, name, name}, id, column_property));
  registry->add("objectproperty", nullable_function(2, {id, name}, id, object_property));
  registry->add("objectpropertyex", nullable_function(2, {id, name}, id, object_property));
  registry->add("type_id", nullable_function(1, {text}, id, type_id));
  registry->add("rowcount_big",
                nullable_function(0, {}, bigint_type(), [](const CallContext& call, Values) {
                  return SqlValue::of_number(call.session.row_count);
                }));
}

}  // namespace dstream::standin::sql
