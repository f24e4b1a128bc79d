// Scalar functions. The SQL room's own are in functions_*.cc; other rooms add theirs to the
// engine's registry under schema-qualified names ("sys.fn_cdc_get_max_lsn").
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/sql/principals.h"
#include "tests/standins/sqlserver/sql/relation.h"
#include "tests/standins/sqlserver/sql/types.h"

namespace dstream::standin::sql {

class Database;
class SqlSession;

struct CallContext {
  SqlSession& session;
  Database& database;              // of a three-part name, else the session's
  std::span<const SqlType> types;  // of the arguments, after conversion
  const SqlType& result;
};

struct ScalarFunction {
  size_t arguments_min = 0, arguments_max = 0;
  // What arguments are converted to; nullopt or missing leaves them as they are.
  std::vector<std::optional<SqlType>> parameters;
  std::function<SqlType(std::span<const SqlType>)> result;
  bool null_on_null = true;  // any NULL argument makes NULL without a call
  std::function<SqlValue(const CallContext&, std::span<const SqlValue>)> body;
};

// name (folded) -> function. Several rooms fill it before the first login; read-only afterwards.
class FunctionRegistry {
 public:
  FunctionRegistry();  // with the SQL room's own
  void add(std::string_view name, ScalarFunction function);
  const ScalarFunction* find(std::string_view folded_name) const;

 private:
  std::map<std::string, ScalarFunction, std::less<>> functions_;
};

void add_calendar_functions(FunctionRegistry* registry);
void add_edit_functions(FunctionRegistry* registry);
void add_math_functions(FunctionRegistry* registry);
void add_metadata_functions(FunctionRegistry* registry);
void add_security_functions(FunctionRegistry* registry);
void add_text_functions(FunctionRegistry* registry);
void add_time_functions(FunctionRegistry* registry);
void add_number_functions(FunctionRegistry* registry);
void add_system_functions(FunctionRegistry* registry);

// For the registrations.
std::function<SqlType(std::span<const SqlType>)> always(SqlType type);
std::function<SqlType(std::span<const SqlType>)> same_as(size_t argument);

// Takes `arguments_min` to `parameters.size()` arguments and may make NULL.
ScalarFunction nullable_function(
    size_t arguments_min, std::vector<std::optional<SqlType>> parameters, SqlType result,
    std::function<SqlValue(const CallContext&, std::span<const SqlValue>)> body);

// @@NAME. False if there is no such variable.
bool global_variable(std::string_view capitals, SqlSession& session, SqlType* type,
                     std::function<SqlValue(SqlSession&)>* value);

// DATEADD, DATEDIFF, DATEPART, DATENAME and relatives: `part` is a bare word.
struct DatePart {
  enum Kind : uint8_t {
    kYear,
    kQuarter,
    kMonth,
    kDayOfYear,
    kDay,
    kWeek,
    kWeekday,
    kHour,
    kMinute,
    kSecond,
    kMillisecond,
    kMicrosecond,
    kNanosecond,
    kOffset,
    kIsoWeek,
  };
};
std::optional<DatePart::Kind> date_part_by_name(std::string_view word);
SqlValue date_add(DatePart::Kind part, int64_t count, const SqlType& type, const SqlValue& value);
int64_t date_diff(DatePart::Kind part, const SqlType& a_type, const SqlValue& a,
                  const SqlType& b_type, const SqlValue& b, bool* overflow);
// `date_first`: the first day of the week, 1 is Monday, 7 Sunday.
int64_t date_part(DatePart::Kind part, const SqlType& type, const SqlValue& value,
                  int32_t date_first = 7);
SqlValue date_trunc(DatePart::Kind part, const SqlType& type, const SqlValue& value,
                    int32_t date_first);
std::string date_name(DatePart::Kind part, const SqlType& type, const SqlValue& value);

// A view of the catalog, or any relation made when asked for: sys.tables, cdc.change_tables.
struct SystemView {
  std::vector<ResultColumn> columns;
  std::function<std::vector<std::vector<SqlValue>>(SqlSession&, Database&)> rows;
  // Of the view (kSelect), the database or the server. Without one everybody may read.
  std::optional<Permission> needed = std::nullopt;
};
ResultColumn view_column(std::string name, SqlType type, bool nullable = true);

// A function in FROM. `make` gets the evaluated arguments.
struct TableFunction {
  std::function<std::shared_ptr<const Relation>(SqlSession&, Database&, std::span<const SqlValue>,
                                                std::span<const SqlType>)>
      make;
};

}  // namespace dstream::standin::sql
