// T-SQL errors.
//
// An error in T-SQL unwinds: out of the expression, out of the statement, to the nearest CATCH or
// to the end of the batch. Inside the SQL and CDC rooms it is therefore a C++ exception, caught by
// the interpreter at the statement; nothing is thrown across protocol/handler.h.
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/protocol/handler.h"

namespace dstream::standin::sql {

class SqlError : public std::exception {
 public:
  SqlError(int32_t number, uint8_t severity, uint8_t state, std::string text);
  explicit SqlError(ServerMessage m) : message(std::move(m)) {}
  const char* what() const noexcept override { return message.text.c_str(); }

  ServerMessage message;
  // Errors that were sent before this one: SQL Server often says first what is wrong and then what
  // it therefore could not do. A CATCH sees the last.
  std::vector<ServerMessage> preceding;
};

// `error`, preceded by `cause`.
SqlError caused_by(const SqlError& cause, SqlError error);

// The client has gone or has sent an attention. Not an error: nothing is answered.
struct Cancelled {};

// What the stand-in does not understand: an error that quotes the construct, counted and logged by
// the engine. Never a wrong answer.
SqlError not_understood(std::string_view what);
inline constexpr int32_t kNotUnderstood = 40510;
inline constexpr int32_t kConversionNotAllowed = 529;

SqlError syntax_error(std::string_view near);         // 102
SqlError keyword_error(std::string_view keyword);     // 156
SqlError undeclared_variable(std::string_view name);  // 137
SqlError invalid_column(std::string_view name);       // 207
SqlError invalid_object(std::string_view name);       // 208
SqlError permission_denied(std::string_view permission, std::string_view database,
                           std::string_view schema, std::string_view object);                 // 229
SqlError database_permission_denied(std::string_view permission, std::string_view database);  // 262
SqlError server_permission_denied(std::string_view permission);                               // 300
SqlError hidden_object(std::string_view name, uint8_t state);         // 1088
SqlError ambiguous_column(std::string_view name);                     // 209
SqlError unknown_function(std::string_view name);                     // 195
SqlError argument_count(std::string_view function, size_t expected);  // 174
SqlError unbound_name(std::string_view name);                         // 4104
SqlError unknown_procedure(std::string_view name);                    // 2812
SqlError unknown_database(std::string_view name);                     // 911
SqlError already_exists(std::string_view name);                       // 2714
SqlError cannot_drop(std::string_view kind, std::string_view name);   // 3701
SqlError conversion_failed(std::string_view type, std::string_view value,
                           std::string_view to);                                 // 245
SqlError numeric_conversion_failed(std::string_view from, std::string_view to);  // 8114
SqlError arithmetic_overflow(std::string_view from, std::string_view to,
                             uint8_t state = 2);                                     // 8115
SqlError operand_clash(std::string_view from, std::string_view to);                  // 206
SqlError missing_parameter(std::string_view procedure, std::string_view parameter);  // 201

}  // namespace dstream::standin::sql
