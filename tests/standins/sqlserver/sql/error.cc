#include "tests/standins/sqlserver/sql/error.h"

#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

constexpr int64_t kMessageLengthMax = 2047;  // UTF-16 units, as SQL Server's own messages

std::string join(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) {
    text += part;
  }
  return text;
}

}  // namespace

SqlError::SqlError(int32_t number, uint8_t severity, uint8_t state, std::string text) {
  message.number = number;
  message.severity = severity;
  message.state = state;
  message.text = utf16_length(text) > kMessageLengthMax
                     ? utf16_substring(text, 0, kMessageLengthMax)
                     : std::move(text);
}

SqlError caused_by(const SqlError& cause, SqlError error) {
  error.preceding = cause.preceding;
  error.preceding.push_back(cause.message);
  return error;
}

SqlError not_understood(std::string_view what) {
  return {kNotUnderstood, 16, 1,
          join({"Statement '", what, "' is not supported in this version of SQL Server."})};
}

SqlError syntax_error(std::string_view near) {
  return {102, 15, 1, join({"Incorrect syntax near '", near, "'."})};
}

SqlError keyword_error(std::string_view keyword) {
  return {156, 15, 1, join({"Incorrect syntax near the keyword '", keyword, "'."})};
}

SqlError undeclared_variable(std::string_view name) {
  return {137, 15, 2, join({"Must declare the scalar variable \"", name, "\"."})};
}

SqlError invalid_column(std::string_view name) {
  return {207, 16, 1, join({"Invalid column name '", name, "'."})};
}

SqlError invalid_object(std::string_view name) {
  const bool is_temporary = name.starts_with("#");
  return {208, 16, static_cast<uint8_t>(is_temporary ? 0 : 1),
          join({"Invalid object name '", name, "'."})};
}

SqlError permission_denied(std::string_view permission, std::string_view database,
                           std::string_view schema, std::string_view object) {
  return {229, 14, 5,
          join({"The ", permission, " permission was denied on the object '", object,
                "', database '", database, "', schema '", schema, "'."})};
}

SqlError database_permission_denied(std::string_view permission, std::string_view database) {
  return {262, 14, 1, join({permission, " permission denied in database '", database, "'."})};
}

SqlError server_permission_denied(std::string_view permission) {
  return {300, 14, 1,
          join({permission, " permission was denied on object 'server', database 'master'."})};
}

SqlError hidden_object(std::string_view name, uint8_t state) {
  return {1088, 16, state,
          join({"Cannot find the object \"", name,
                "\" because it does not exist or you do not have permissions."})};
}

SqlError ambiguous_column(std::string_view name) {
  return {209, 16, 1, join({"Ambiguous column name '", name, "'."})};
}

SqlError unknown_function(std::string_view name) {
  return {195, 15, 10, join({"'", name, "' is not a recognized built-in function name."})};
}

SqlError argument_count(std::string_view function, size_t expected) {
  return {
      174, 15, 1,
      join({"The ", function, " function requires ", std::to_string(expected), " argument(s)."})};
}

SqlError unbound_name(std::string_view name) {
  return {4104, 16, 1, join({"The multi-part identifier \"", name, "\" could not be bound."})};
}

SqlError unknown_procedure(std::string_view name) {
  return {2812, 16, 62, join({"Could not find stored procedure '", name, "'."})};
}

SqlError unknown_database(std::string_view name) {
  return {911, 16, 1,
          join({"Database '", name,
                "' does not exist. Make sure that the name is entered correctly."})};
}

SqlError already_exists(std::string_view name) {
  return {2714, 16, 6, join({"There is already an object named '", name, "' in the database."})};
}

SqlError cannot_drop(std::string_view kind, std::string_view name) {
  return {3701, 11, 5,
          join({"Cannot drop the ", kind, " '", name,
                "', because it does not exist or you do not have permission."})};
}

SqlError conversion_failed(std::string_view type, std::string_view value, std::string_view to) {
  return {245, 16, 1,
          join({"Conversion failed when converting the ", type, " value '", value,
                "' to data type ", to, "."})};
}

SqlError numeric_conversion_failed(std::string_view from, std::string_view to) {
  return {8114, 16, 5, join({"Error converting data type ", from, " to ", to, "."})};
}

SqlError operand_clash(std::string_view from, std::string_view to) {
  return {206, 16, 2, join({"Operand type clash: ", from, " is incompatible with ", to})};
}

SqlError arithmetic_overflow(std::string_view from, std::string_view to, uint8_t state) {
  return {8115, 16, state,
          join({"Arithmetic overflow error converting ", from, " to data type ", to, "."})};
}

SqlError missing_parameter(std::string_view procedure, std::string_view parameter) {
  return {201, 16, 4,
          join({"Procedure or function '", procedure, "' expects parameter '", parameter,
                "', which was not supplied."})};
}

}  // namespace dstream::standin::sql
