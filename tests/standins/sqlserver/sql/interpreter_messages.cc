// PRINT, RAISERROR, THROW, WAITFOR.
#include <algorithm>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/interpreter.h"
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
  ServerMessage message;
  message.number =
      family_of(types[0].id) == Family::kInteger ? static_cast<int32_t>(values[0].number) : 50000;
  message.text = family_of(types[0].id) == Family::kInteger
                     ? "Error " + std::to_string(message.number) + ", severity " +
                           std::to_string(values[1].number) + ", state " +
                           std::to_string(values[2].number) +
                           " was raised, but no message with "
                           "that error number was found in sys.messages."
                     : values[0].text;
  message.severity = static_cast<uint8_t>(std::clamp<int64_t>(values[1].number, 0, 25));
  message.state = static_cast<uint8_t>(std::clamp<int64_t>(values[2].number, 0, 255));
  message.line = statement.line;
  // %d, %s and relatives take the arguments in order.
  size_t next = 3;
  std::string text;
  for (size_t i = 0; i < message.text.size(); ++i) {
    if (message.text[i] == '%' && i + 1 < message.text.size()) {
      const char kind = message.text[i + 1];
      if (kind == '%') {
        text.push_back('%');
      } else if (next < values.size()) {
        text += convert_value(values[next], types[next], nvarchar_type(kMaxLength)).text;
        ++next;
      } else {
        text += "(null)";
      }
      ++i;
    } else {
      text.push_back(message.text[i]);
    }
  }
  message.text = std::move(text);
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
  const SqlValue value = convert_value(evaluate(statement.expressions[0], &type), type,
                                       make_type(TypeId::kTime, 7, {}));
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
