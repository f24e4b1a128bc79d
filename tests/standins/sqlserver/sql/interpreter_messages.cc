// PRINT, RAISERROR, THROW, WAITFOR.
#include <algorithm>
#include <span>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/interpreter.h"
#include "tests/standins/sqlserver/sql/message_format.h"
#include "tests/standins/sqlserver/sql/temporal.h"

namespace dstream::standin::sql {

void Interpreter::print(const Statement& statement) {
  SqlType type;
  const SqlValue text =
      convert_value(evaluate(statement.expressions[0], &type), type, nvarchar_type(4000));
  ServerMessage message;
  message.number = 0;
  message.severity = 0;
  message.state = 1;
  message.text = text.null ? " " : text.text;
  message.line = statement.line;
  session_->out->message(message);
}

void Interpreter::raise(const Statement& statement) {
  std::vector<SqlValue> values;
  std::vector<SqlType> types;
  for (const ExpressionPtr& expression : statement.expressions) {
    SqlType type;
    values.push_back(evaluate(expression, &type));
    types.push_back(type);
  }
  if (values.size() < 3) {
    throw syntax_error(")");
  }
  const int64_t severity = convert_value(values[1], types[1], int_type()).number;
  const int64_t state = convert_value(values[2], types[2], int_type()).number;
  const bool is_logged = std::find(statement.options.begin(), statement.options.end(), "LOG") !=
                         statement.options.end();
  if (severity > 18 && !is_logged) {
    throw SqlError(2754, 16, 1,
                   "Error severity levels greater than 18 can only be specified by "
                   "members of the sysadmin role, using the WITH LOG option.");
  }
  ServerMessage message;
  message.severity = static_cast<uint8_t>(std::clamp<int64_t>(severity, 0, 25));
  message.state = static_cast<uint8_t>(std::clamp<int64_t>(state < 0 ? 1 : state, 0, 255));
  message.line = statement.line;
  if (family_of(types[0].id) == Family::kInteger) {
    // There are no messages of users' own.
    message.number = 18054;
    message.text = "Error " + std::to_string(values[0].number) + ", severity " +
                   std::to_string(severity) + ", state " + std::to_string(state) +
                   " was raised, but no message with that error number was found in "
                   "sys.messages. If error is larger than 50000, make sure the user-defined "
                   "message is added using sp_addmessage.";
  } else {
    message.number = 50000;
    message.text = format_message(convert_value(values[0], types[0], nvarchar_type(2047)).text,
                                  std::span(types).subspan(3), std::span(values).subspan(3));
  }
  if (message.severity <= 10) {
    session_->out->message(message);
    return;
  }
  throw SqlError(std::move(message));
}

void Interpreter::throw_error(const Statement& statement) {
  is_rethrown_ = true;  // THROW ends the batch, whatever the number.
  if (statement.expressions.empty()) {
    if (session_->caught.empty()) {
      throw SqlError(10704, 15, 1,
                     "To rethrow an error, a THROW statement must be used inside a "
                     "CATCH block.");
    }
    throw SqlError(session_->caught.back());
  }
  SqlType type;
  ServerMessage message;
  message.number = static_cast<int32_t>(
      convert_value(evaluate(statement.expressions[0], &type), type, int_type()).number);
  message.text =
      convert_value(evaluate(statement.expressions[1], &type), type, nvarchar_type(2048)).text;
  message.state = static_cast<uint8_t>(
      convert_value(evaluate(statement.expressions[2], &type), type, int_type()).number);
  message.severity = 16;
  message.line = statement.line;
  if (message.number < 50000) {
    throw SqlError(35100, 16, 10,
                   "Error number " + std::to_string(message.number) +
                       " in the THROW statement is outside the valid range. Specify "
                       "an error number in the valid range of 50000 to 2147483647.");
  }
  throw SqlError(std::move(message));
}

void Interpreter::wait_for(const Statement& statement) {
  SqlType type;
  const SqlValue given = evaluate(statement.expressions[0], &type);
  const SqlType time = make_type(TypeId::kTime, 7, {});
  SqlValue value;
  try {
    value = convert_value(given, type, time);
  } catch (const SqlError&) {
    throw SqlError(148, 15, 1,
                   "Incorrect time syntax in time string '" + given.text + "' used with WAITFOR.");
  }
  int64_t rest_ms = value.number / kTicksPerMillisecond;
  while (rest_ms > 0) {
    const int64_t slice = std::min<int64_t>(rest_ms, 60'000);
    if (session_->out->wait_cancelled(static_cast<int>(slice))) {
      throw Cancelled{};
    }
    rest_ms -= slice;
  }
  done(DoneCommand::kNone, -1);
}

}  // namespace dstream::standin::sql
