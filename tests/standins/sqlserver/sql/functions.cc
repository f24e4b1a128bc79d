#include "tests/standins/sqlserver/sql/functions.h"

#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {

FunctionRegistry::FunctionRegistry() {
  add_text_functions(this);
  add_edit_functions(this);
  add_calendar_functions(this);
  add_math_functions(this);
  add_metadata_functions(this);
  add_security_functions(this);
  add_time_functions(this);
  add_number_functions(this);
  add_system_functions(this);
}

void FunctionRegistry::add(std::string_view name, ScalarFunction function) {
  functions_.insert_or_assign(fold_name(name), std::move(function));
}

const ScalarFunction* FunctionRegistry::find(std::string_view folded_name) const {
  const auto it = functions_.find(folded_name);
  return it == functions_.end() ? nullptr : &it->second;
}

std::function<SqlType(std::span<const SqlType>)> always(SqlType type) {
  return [type](std::span<const SqlType>) { return type; };
}

std::function<SqlType(std::span<const SqlType>)> same_as(size_t argument) {
  return [argument](std::span<const SqlType> types) {
    SqlType type = types[argument];
    type.nullable = true;
    return type;
  };
}

ScalarFunction nullable_function(
    size_t arguments_min, std::vector<std::optional<SqlType>> parameters, SqlType result,
    std::function<SqlValue(const CallContext&, std::span<const SqlValue>)> body) {
  ScalarFunction made;
  made.arguments_min = arguments_min;
  made.arguments_max = parameters.size();
  made.parameters = std::move(parameters);
  result.nullable = true;
  made.result = always(result);
  made.body = std::move(body);
  return made;
}

ResultColumn view_column(std::string name, SqlType type, bool nullable) {
  ResultColumn column;
  column.name = std::move(name);
  column.type = type;
  column.type.nullable = nullable;
  return column;
}

}  // namespace dstream::standin::sql
