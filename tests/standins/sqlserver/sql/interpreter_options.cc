// SET.
#include <algorithm>
#include <array>
#include <cstdlib>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/interpreter.h"
#include "tests/standins/sqlserver/sql/lexer.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

bool is_on(std::string_view value) { return equals_upper(value, "ON"); }

// Settings under which statements would mean something else than here: refused, not ignored.
void refuse_other_meaning(const std::string& name, const std::string& value) {
  static constexpr std::pair<std::string_view, std::string_view> kRefused[] = {
      {"ANSI_NULLS", "OFF"},    {"ANSI_PADDING", "OFF"},      {"CONCAT_NULL_YIELDS_NULL", "OFF"},
      {"ANSI_WARNINGS", "OFF"}, {"NUMERIC_ROUNDABORT", "ON"}, {"ARITHIGNORE", "ON"},
      {"PARSEONLY", "ON"},      {"ANSI_NULL_DFLT_OFF", "ON"},
  };
  for (const auto& [option, setting] : kRefused) {
    if (name == option && value == setting) {
      throw not_understood("SET " + name + " " + value);
    }
  }
  if ((name == "DATEFORMAT" && value != "MDY") ||
      (name == "LANGUAGE" && value != "US_ENGLISH" && value != "ENGLISH")) {
    throw not_understood("SET " + name + " " + value);
  }
}

}  // namespace

void Interpreter::set_option(const Statement& statement) {
  if (statement.option_names[0] == "IDENTITY_INSERT") {
    const TablePtr table = session_->table(statement.name);
    if (!session_->may(Permission::kAlter, *table)) {
      throw hidden_object(statement.name.text(), 11);
    }
    session_->options().identity_insert =
        is_on(statement.option_value) ? fold_name(table->full_name()) : std::string();
    return done(DoneCommand::kSet, -1);
  }
  for (const std::string& name : statement.option_names) {
    apply_option(name, statement);
  }
  done(DoneCommand::kSet, -1);
}

void Interpreter::apply_option(const std::string& name, const Statement& statement) {
  SessionOptions& options = session_->options();
  const std::string& value = statement.option_value;
  refuse_other_meaning(name, value);
  int64_t number = 0;
  if (!statement.expressions.empty()) {
    SqlType type;
    number = convert_value(evaluate(statement.expressions[0], &type), type, int_type()).number;
  } else if (!value.empty() && value.find_first_not_of("-0123456789") == std::string::npos) {
    number = std::strtoll(value.c_str(), nullptr, 10);
  }
  if (name == "NOCOUNT") {
    options.no_count = is_on(value);
  } else if (name == "XACT_ABORT") {
    options.xact_abort = is_on(value);
  } else if (name == "IMPLICIT_TRANSACTIONS") {
    options.implicit_transactions = is_on(value);
  } else if (name == "QUOTED_IDENTIFIER") {
    options.quoted_identifier = is_on(value);
  } else if (name == "FMTONLY") {
    options.format_only = is_on(value);
  } else if (name == "LOCK_TIMEOUT") {
    options.lock_timeout_ms = number;
  } else if (name == "ROWCOUNT") {
    options.row_count = static_cast<int32_t>(number);
  } else if (name == "DATEFIRST") {
    options.date_first = static_cast<int32_t>(number);
  } else if (name == "TRANSACTION ISOLATION LEVEL") {
    static constexpr std::pair<std::string_view, Isolation> kLevels[] = {
        {"READ UNCOMMITTED", Isolation::kReadUncommitted},
        {"READ COMMITTED", Isolation::kReadCommitted},
        {"REPEATABLE READ", Isolation::kRepeatableRead},
        {"SERIALIZABLE", Isolation::kSerializable},
        {"SNAPSHOT", Isolation::kSnapshot}};
    const auto* level = std::find_if(std::begin(kLevels), std::end(kLevels),
                                     [&](const auto& entry) { return entry.first == value; });
    if (level == std::end(kLevels)) {
      throw syntax_error(value);
    }
    options.isolation = level->second;
  } else {
    static constexpr std::array<std::string_view, 21> kAccepted = {"ANSI_NULLS",
                                                                   "ANSI_NULL_DFLT_ON",
                                                                   "ANSI_NULL_DFLT_OFF",
                                                                   "ANSI_PADDING",
                                                                   "ANSI_WARNINGS",
                                                                   "ANSI_DEFAULTS",
                                                                   "ARITHABORT",
                                                                   "ARITHIGNORE",
                                                                   "CONCAT_NULL_YIELDS_NULL",
                                                                   "DATEFORMAT",
                                                                   "LANGUAGE",
                                                                   "NUMERIC_ROUNDABORT",
                                                                   "TEXTSIZE",
                                                                   "CURSOR_CLOSE_ON_COMMIT",
                                                                   "FORCEPLAN",
                                                                   "DEADLOCK_PRIORITY",
                                                                   "CONTEXT_INFO",
                                                                   "STATISTICS IO",
                                                                   "STATISTICS TIME",
                                                                   "NO_BROWSETABLE",
                                                                   "PARSEONLY"};
    if (std::find(kAccepted.begin(), kAccepted.end(), name) == kAccepted.end()) {
      throw SqlError(195, 15, 5, "'" + name + "' is not a recognized SET option.");
    }
  }
}

}  // namespace dstream::standin::sql
