// DB_NAME, OBJECT_ID, SERVERPROPERTY, @@VERSION and the other functions about the server.
#include <array>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/engine.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/functions.h"
#include "tests/standins/sqlserver/sql/parser.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

using Values = std::span<const SqlValue>;

constexpr std::string_view kVersion =
    "Microsoft SQL Server 2022 (RTM) - 16.0.1000.6 (X64) \n\tDStream stand-in for tests, not a "
    "product \n\tDeveloper Edition (64-bit) on Linux";

constexpr std::string_view kAzureVersion =
    "Microsoft SQL Azure (RTM) - 12.0.2000.8 \n\tDStream stand-in for tests, not a product";

Database* database_argument(const CallContext& call, Values values, size_t at) {
  if (values.size() <= at) {
    return &call.database;
  }
  return values[at].null
             ? nullptr
             : call.session.engine().find_database(static_cast<int32_t>(values[at].number));
}

SqlValue object_id(const CallContext& call, Values values) {
  Name name;
  try {
    name = parse_name(values[0].text);
  } catch (const SqlError&) {
    return {};
  }
  if (values.size() > 1 && !values[1].null && upper_text(values[1].text) != "U") {
    return {};
  }
  const TablePtr table = call.session.find_table(name);
  if (table != nullptr) {
    return SqlValue::of_number(table->object_id());
  }
  return call.session.engine().object_id(call.session.database_of(name), name);
}

SqlValue database_id(const CallContext& call, Values values) {
  const Database* database = &call.session.current_database();
  if (!values.empty()) {
    database = values[0].null ? nullptr : call.session.engine().find_database(values[0].text);
  }
  return database == nullptr ? SqlValue{} : SqlValue::of_number(database->id());
}

SqlValue database_name(const CallContext& call, Values values) {
  const Database* database =
      values.empty() ? &call.session.current_database() : database_argument(call, values, 0);
  return database == nullptr ? SqlValue{} : SqlValue::of_text(database->name());
}

SqlValue object_name(const CallContext& call, Values values, bool schema) {
  Database* database = database_argument(call, values, 1);
  if (database == nullptr || values[0].null) {
    return {};
  }
  const auto id = static_cast<int32_t>(values[0].number);
  if (const TablePtr table = database->find_table(id)) {
    return SqlValue::of_text(schema ? table->schema() : table->name());
  }
  return call.session.engine().object_name(*database, id, schema);
}

SqlValue variant(SqlValue value, const SqlType& type) {
  value.variant_type = type;
  return value;
}

// What differs in Azure SQL Database.
std::optional<SqlValue> azure_property(std::string_view name) {
  const auto text = [](std::string_view value) {
    return variant(SqlValue::of_text(std::string(value)), sysname_type());
  };
  if (name == "PRODUCTVERSION") {
    return text("12.0.2000.8");
  }
  if (name == "PRODUCTMAJORVERSION") {
    return text("12");
  }
  if (name == "EDITION") {
    return text("SQL Azure");
  }
  if (name == "ENGINEEDITION") {
    return variant(SqlValue::of_number(5), int_type());
  }
  if (name == "EDITIONID") {
    return variant(SqlValue::of_number(1674378470), bigint_type());
  }
  return std::nullopt;
}

SqlValue server_property(const CallContext& call, Values values) {
  const std::string name = upper_text(values[0].text);
  const auto text = [](std::string_view value) {
    return variant(SqlValue::of_text(std::string(value)), sysname_type());
  };
  const auto number = [](int64_t value) { return variant(SqlValue::of_number(value), int_type()); };
  if (call.session.engine().options().is_azure) {
    if (const std::optional<SqlValue> property = azure_property(name)) {
      return *property;
    }
  }
  if (name == "PRODUCTVERSION") {
    return text("16.0.1000.6");
  }
  if (name == "PRODUCTMAJORVERSION") {
    return text("16");
  }
  if (name == "PRODUCTLEVEL") {
    return text("RTM");
  }
  if (name == "EDITION") {
    return text("Developer Edition (64-bit)");
  }
  if (name == "ENGINEEDITION") {
    return number(3);
  }
  if (name == "SERVERNAME" || name == "MACHINENAME") {
    return text(call.session.server_name());
  }
  if (name == "COLLATION") {
    return text("SQL_Latin1_General_CP1_CI_AS");
  }
  if (name == "ISHADRENABLED") {
    return number(call.session.replica().is_in_group ? 1 : 0);
  }
  if (name == "ISCLUSTERED" || name == "ISINTEGRATEDSECURITYONLY") {
    return number(0);
  }
  if (name == "EDITIONID") {
    return variant(SqlValue::of_number(-2117995310), bigint_type());
  }
  return {};
}

SqlValue database_property(const CallContext& call, Values values) {
  const Database* database = call.session.engine().find_database(values[0].text);
  const std::string name = upper_text(values[1].text);
  if (database == nullptr) {
    return {};
  }
  const auto text = [](std::string_view value) {
    return variant(SqlValue::of_text(std::string(value)), sysname_type());
  };
  if (name == "COLLATION") {
    return text("SQL_Latin1_General_CP1_CI_AS");
  }
  if (name == "UPDATEABILITY") {
    return text(call.session.is_read_only(*database) ? "READ_ONLY" : "READ_WRITE");
  }
  if (name == "STATUS") {
    return text("ONLINE");
  }
  if (name == "RECOVERY") {
    return text("FULL");
  }
  return {};
}

// NULL for a database that is in no availability group.
SqlValue is_primary_replica(const CallContext& call, Values values) {
  const Database* database = call.session.engine().find_database(values[0].text);
  const Replica& replica = call.session.replica();
  if (database == nullptr || database->is_system || !replica.is_in_group) {
    return {};
  }
  return SqlValue::of_number(replica.is_secondary ? 0 : 1);
}

SqlValue variant_property(const CallContext& call, Values values) {
  const bool is_variant = call.types[0].id == TypeId::kSqlVariant;
  const SqlType type = is_variant ? values[0].variant_type : call.types[0];
  if (values[0].null) {
    return {};
  }
  const std::string name = upper_text(values[1].text);
  const auto number = [](int64_t value) { return variant(SqlValue::of_number(value), int_type()); };
  if (name == "BASETYPE") {
    return variant(SqlValue::of_text(std::string(type_name(type.id))), sysname_type());
  }
  if (name == "MAXLENGTH") {
    return number(max_length_bytes(type));
  }
  if (name == "PRECISION" || name == "SCALE") {
    int precision = 0, scale = 0;
    precision_of(type, &precision, &scale);
    return number(name == "SCALE" ? scale : precision);
  }
  if (name == "COLLATION" && family_of(type.id) == Family::kText) {
    return variant(SqlValue::of_text("SQL_Latin1_General_CP1_CI_AS"), sysname_type());
  }
  return {};
}

ScalarFunction function(size_t least, size_t most, std::vector<std::optional<SqlType>> parameters,
                        SqlType result, std::function<SqlValue(const CallContext&, Values)> body) {
  ScalarFunction f;
  f.arguments_min = least;
  f.arguments_max = most;
  f.parameters = std::move(parameters);
  f.result = always(result);
  f.body = std::move(body);
  return f;
}

void add_errors(FunctionRegistry* registry) {
  struct ErrorPart {
    std::string_view name;
    SqlType type;
    SqlValue (*read)(const ServerMessage&);
  };
  const std::array parts = {
      ErrorPart{"error_number", int_type(),
                [](const ServerMessage& m) { return SqlValue::of_number(m.number); }},
      ErrorPart{"error_message", nvarchar_type(4000),
                [](const ServerMessage& m) { return SqlValue::of_text(m.text); }},
      ErrorPart{"error_severity", int_type(),
                [](const ServerMessage& m) { return SqlValue::of_number(m.severity); }},
      ErrorPart{"error_state", int_type(),
                [](const ServerMessage& m) { return SqlValue::of_number(m.state); }},
      ErrorPart{"error_line", int_type(),
                [](const ServerMessage& m) { return SqlValue::of_number(m.line); }},
      ErrorPart{"error_procedure", sysname_type(),
                [](const ServerMessage& m) {
                  return m.procedure.empty() ? SqlValue{} : SqlValue::of_text(m.procedure);
                }},
  };
  for (const ErrorPart& part : parts) {
    registry->add(
        part.name,
        function(0, 0, {}, part.type, [read = part.read](const CallContext& call, Values) {
          return call.session.caught.empty() ? SqlValue{} : read(call.session.caught.back());
        }));
  }
}

void add_identity(FunctionRegistry* registry) {
  const auto body = [](const CallContext& call, Values) {
    return call.session.identity.value_or(SqlValue{});
  };
  registry->add("scope_identity", function(0, 0, {}, decimal_type(38, 0), body));
  registry->add(
      "ident_current",
      function(1, 1, {nvarchar_type(776)}, decimal_type(38, 0),
               [](const CallContext& call, Values values) {
                 const TablePtr table = call.session.find_table(parse_name(values[0].text));
                 if (table == nullptr) {
                   return SqlValue{};
                 }
                 for (const Column& column : table->definition()->columns) {
                   if (column.identity) {
                     const int64_t step = table->identity_used ? column.identity_increment : 0;
                     return SqlValue::of_text(std::to_string(table->next_identity.load() - step));
                   }
                 }
                 return SqlValue{};
               }));
}

// IDENT_SEED and IDENT_INCR.
ScalarFunction identity_property(bool seed) {
  return function(1, 1, {nvarchar_type(776)}, decimal_type(38, 0),
                  [seed](const CallContext& call, Values values) {
                    const TablePtr table = call.session.find_table(parse_name(values[0].text));
                    if (table == nullptr) {
                      return SqlValue{};
                    }
                    for (const Column& column : table->definition()->columns) {
                      if (column.identity) {
                        return SqlValue::of_text(std::to_string(seed ? column.identity_seed
                                                                     : column.identity_increment));
                      }
                    }
                    return SqlValue{};
                  });
}

void add_names(FunctionRegistry* registry) {
  registry->add("ident_seed", identity_property(true));
  registry->add("ident_incr", identity_property(false));
  registry->add(
      "schema_name",
      function(0, 1, {int_type()}, sysname_type(), [](const CallContext& call, Values values) {
        const auto schema =
            call.database.find_schema(values.empty() ? 1 : static_cast<int32_t>(values[0].number));
        return schema ? SqlValue::of_text(schema->name) : SqlValue{};
      }));
  registry->add(
      "schema_id",
      function(0, 1, {sysname_type()}, int_type(), [](const CallContext& call, Values values) {
        const auto schema = call.database.find_schema(values.empty() ? "dbo" : values[0].text);
        return schema ? SqlValue::of_number(schema->id) : SqlValue{};
      }));
  registry->add(
      "type_name",
      function(1, 1, {int_type()}, sysname_type(), [](const CallContext& call, Values values) {
        const auto name = type_name_by_id(call.database, values[0].number);
        return name ? SqlValue::of_text(*name) : SqlValue{};
      }));
  registry->add("col_name", function(2, 2, {int_type(), int_type()}, sysname_type(),
                                     [](const CallContext& call, Values values) {
                                       const TablePtr table = call.database.find_table(
                                           static_cast<int32_t>(values[0].number));
                                       if (table != nullptr) {
                                         for (const Column& c : table->definition()->columns) {
                                           if (c.id == values[1].number) {
                                             return SqlValue::of_text(c.name);
                                           }
                                         }
                                       }
                                       return SqlValue{};
                                     }));
}

// The session and its login.
void add_callers(FunctionRegistry* registry) {
  for (const std::string_view name :
       {"suser_name", "suser_sname", "system_user", "original_login"}) {
    registry->add(name, function(0, 1, {}, sysname_type(), [](const CallContext& call, Values) {
                    return SqlValue::of_text(call.session.login().user);
                  }));
  }
  registry->add("host_name",
                function(0, 0, {}, sysname_type(), [](const CallContext& call, Values) {
                  return SqlValue::of_text(call.session.login().host);
                }));
  registry->add("app_name", function(0, 0, {}, sysname_type(), [](const CallContext& call, Values) {
                  return SqlValue::of_text(call.session.login().application);
                }));
  registry->add(
      "xact_state",
      function(0, 0, {}, make_type(TypeId::kSmallInt, {}, {}), [](const CallContext& call, Values) {
        const Transaction* t = call.session.transaction();
        return SqlValue::of_number(call.session.transaction_count() == 0 ? 0
                                   : t != nullptr && t->is_doomed        ? -1
                                                                         : 1);
      }));
}

}  // namespace

bool global_variable(std::string_view name, SqlSession& session, SqlType* type,
                     std::function<SqlValue(SqlSession&)>* value) {
  static_cast<void>(session);
  struct Global {
    std::string_view name;
    SqlType type;
    SqlValue (*read)(SqlSession&);
  };
  static const std::array kGlobals = {
      Global{"@@VERSION", nvarchar_type(300),
             [](SqlSession& s) {
               return SqlValue::of_text(
                   std::string(s.engine().options().is_azure ? kAzureVersion : kVersion));
             }},
      Global{"@@SPID", make_type(TypeId::kSmallInt, {}, {}),
             [](SqlSession& s) { return SqlValue::of_number(s.id()); }},
      Global{"@@TRANCOUNT", int_type(),
             [](SqlSession& s) { return SqlValue::of_number(s.transaction_count()); }},
      Global{"@@ROWCOUNT", int_type(),
             [](SqlSession& s) { return SqlValue::of_number(s.row_count); }},
      Global{"@@ERROR", int_type(),
             [](SqlSession& s) { return SqlValue::of_number(s.error_number); }},
      Global{"@@IDENTITY", decimal_type(38, 0),
             [](SqlSession& s) { return s.identity.value_or(SqlValue{}); }},
      Global{"@@SERVERNAME", nvarchar_type(128),
             [](SqlSession& s) { return SqlValue::of_text(s.server_name()); }},
      Global{"@@SERVICENAME", nvarchar_type(128),
             [](SqlSession&) { return SqlValue::of_text("MSSQLSERVER"); }},
      Global{"@@LANGUAGE", nvarchar_type(128),
             [](SqlSession&) { return SqlValue::of_text("us_english"); }},
      Global{"@@NESTLEVEL", int_type(),
             [](SqlSession& s) { return SqlValue::of_number(s.nesting_level); }},
      Global{"@@LOCK_TIMEOUT", int_type(),
             [](SqlSession& s) { return SqlValue::of_number(s.options().lock_timeout_ms); }},
      Global{"@@DATEFIRST", make_type(TypeId::kTinyInt, {}, {}),
             [](SqlSession& s) { return SqlValue::of_number(s.options().date_first); }},
      Global{"@@OPTIONS", int_type(), [](SqlSession&) { return SqlValue::of_number(5496); }},
      Global{"@@MAX_PRECISION", make_type(TypeId::kTinyInt, {}, {}),
             [](SqlSession&) { return SqlValue::of_number(38); }},
      Global{"@@MICROSOFTVERSION", int_type(),
             [](SqlSession&) { return SqlValue::of_number(0x100003E8); }},
      Global{"@@DBTS", varbinary_type(8),
             [](SqlSession& s) {
               return convert_value(SqlValue::of_number(static_cast<int64_t>(
                                        s.current_database().last_row_version())),
                                    bigint_type(), varbinary_type(8));
             }},
  };
  for (const Global& global : kGlobals) {
    if (global.name == name) {
      *type = global.type;
      *value = global.read;
      return true;
    }
  }
  return false;
}

void add_system_functions(FunctionRegistry* registry) {
  const SqlType text = nvarchar_type(kMaxLength);
  registry->add("db_name", function(0, 1, {int_type()}, sysname_type(), database_name));
  registry->add(
      "db_id", function(0, 1, {sysname_type()}, make_type(TypeId::kSmallInt, {}, {}), database_id));
  registry->add("object_id", function(1, 2, {text, nvarchar_type(2)}, int_type(), object_id));
  registry->add("object_name", function(1, 2, {int_type(), int_type()}, sysname_type(),
                                        [](const CallContext& call, Values values) {
                                          return object_name(call, values, false);
                                        }));
  registry->add("object_schema_name", function(1, 2, {int_type(), int_type()}, sysname_type(),
                                               [](const CallContext& call, Values values) {
                                                 return object_name(call, values, true);
                                               }));
  SqlType variant_type;
  variant_type.id = TypeId::kSqlVariant;
  registry->add("serverproperty", function(1, 1, {sysname_type()}, variant_type, server_property));
  registry->add("sql_variant_property",
                function(2, 2, {std::nullopt, sysname_type()}, variant_type, variant_property));
  registry->add("sys.fn_hadr_is_primary_replica",
                function(1, 1, {sysname_type()}, bit_type(), is_primary_replica));
  registry->add("databasepropertyex",
                function(2, 2, {sysname_type(), sysname_type()}, variant_type, database_property));
  add_names(registry);
  add_callers(registry);
  add_errors(registry);
  add_identity(registry);
}

}  // namespace dstream::standin::sql
