#include "tests/standins/sqlserver/sql/procedures.h"

#include <algorithm>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/interpreter.h"
#include "tests/standins/sqlserver/sql/parser.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {

void ProcedureCall::bind(std::initializer_list<std::string_view> names) {
  std::vector<ProcedureArgument> ordered(names.size());
  for (ProcedureArgument& argument : ordered) {
    argument.is_default = true;
  }
  size_t position = 0;
  for (ProcedureArgument& argument : arguments) {
    size_t place = position++;
    if (!argument.name.empty()) {
      const auto* it = std::find_if(names.begin(), names.end(), [&](std::string_view n) {
        return fold_name(n) == argument.name;
      });
      if (it == names.end()) {
        throw SqlError(8145, 16, 1,
                       argument.name + " is not a parameter for procedure " + name + ".");
      }
      place = static_cast<size_t>(it - names.begin());
    }
    if (place >= names.size()) {
      throw SqlError(8144, 16, 2,
                     "Procedure or function " + name + " has too many arguments specified.");
    }
    ordered[place] = std::move(argument);
  }
  arguments = std::move(ordered);
}

bool ProcedureCall::has(size_t index) const {
  return index < arguments.size() && !arguments[index].is_default;
}

SqlValue ProcedureCall::get(size_t index, const SqlType& type) const {
  if (!has(index)) {
    return {};
  }
  return convert_value(arguments[index].value, arguments[index].type, type);
}

std::string ProcedureCall::text(size_t index) const {
  return get(index, nvarchar_type(kMaxLength)).text;
}

int64_t ProcedureCall::number(size_t index, int64_t otherwise) const {
  const SqlValue value = get(index, bigint_type());
  return value.null ? otherwise : value.number;
}

int32_t call_procedure(SqlSession* session, std::string_view name,
                       std::vector<ProcedureArgument>* arguments) {
  Name parsed;
  try {
    parsed = parse_name(name);
  } catch (const SqlError&) {
    throw unknown_procedure(name);
  }
  Engine& engine = session->engine();
  const std::string schema = fold_name(parsed.before_last(1));
  const std::string last = fold_name(parsed.last());
  const Procedure* procedure = nullptr;
  if (schema.empty() || schema == "sys" || schema == "dbo") {
    procedure = engine.find_procedure("sys." + last);
  } else {
    procedure = engine.find_procedure(schema + "." + last);
  }
  if (procedure == nullptr) {
    throw unknown_procedure(parsed.text());
  }
  if (session->nesting_level >= kNestingLevelMax) {
    throw SqlError(217, 16, 1,
                   "Maximum stored procedure, function, trigger, or view nesting level "
                   "exceeded (limit 32).");
  }
  Database& database = session->database_of(parsed);
  if (!schema.empty() && schema != "sys" && schema != "dbo") {
    // The procedures of sys are for everybody and look themselves at who calls.
    session->check_permission(database, Permission::kExecute,
                              {parsed.before_last(1), parsed.last()});
  }
  ProcedureCall call{*session, database, *session->out, parsed.last(), std::move(*arguments), 0};
  ++session->nesting_level;
  try {
    (*procedure)(call);
  } catch (SqlError& error) {
    --session->nesting_level;
    if (error.message.procedure.empty() && !last.starts_with("sp_execute") &&
        !last.starts_with("sp_prep")) {
      error.message.procedure = parsed.last();
    }
    throw;
  } catch (...) {
    --session->nesting_level;
    throw;
  }
  --session->nesting_level;
  *arguments = std::move(call.arguments);
  return call.return_status;
}

void run_execute(SqlSession* session, const Statement& statement) {
  auto batch = std::make_shared<Batch>();
  batch->statements.push_back(std::make_shared<const Statement>(statement));
  Interpreter(session, batch).run();
}

int32_t run_nested(SqlSession* session, std::string_view sql, Variables* variables) {
  if (session->nesting_level >= kNestingLevelMax) {
    throw SqlError(217, 16, 1,
                   "Maximum stored procedure, function, trigger, or view nesting level "
                   "exceeded (limit 32).");
  }
  const std::shared_ptr<const Batch> batch = session->parse(sql);
  Variables* const outer = session->variables;
  session->variables = variables;
  ++session->nesting_level;
  const OptionsScope options(session);
  Interpreter interpreter(session, batch);
  try {
    interpreter.run();
  } catch (...) {
    session->variables = outer;
    --session->nesting_level;
    throw;
  }
  session->variables = outer;
  --session->nesting_level;
  return interpreter.return_status();
}

void send_rows(ProcedureCall& call, const std::vector<ResultColumn>& columns,
               const std::vector<std::vector<SqlValue>>& rows) {
  call.out.columns(columns);
  for (const auto& row : rows) {
    if (!call.out.row(row)) {
      throw Cancelled{};
    }
  }
  call.out.statement_done(DoneCommand::kSelect, static_cast<int64_t>(rows.size()));
}

bool CapturingWriter::columns(std::span<const ResultColumn> columns) {
  columns_.assign(columns.begin(), columns.end());
  return true;
}

bool CapturingWriter::row(std::span<const SqlValue> values) {
  rows_.emplace_back(values.begin(), values.end());
  return true;
}

bool CapturingWriter::encoded_row(std::string_view token) {
  std::vector<SqlValue> values;
  decode_row(columns_, token, &values);
  rows_.push_back(std::move(values));
  return true;
}

}  // namespace dstream::standin::sql
