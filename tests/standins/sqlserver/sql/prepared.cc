// sp_executesql and the prepared statement procedures.
#include <algorithm>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/interpreter.h"
#include "tests/standins/sqlserver/sql/parser.h"
#include "tests/standins/sqlserver/sql/procedures.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {

std::string argument_text(const ProcedureCall& call, size_t index) {
  if (index >= call.arguments.size()) {
    return {};
  }
  const ProcedureArgument& argument = call.arguments[index];
  return convert_value(argument.value, argument.type, nvarchar_type(kMaxLength)).text;
}

namespace {

// Declared parameters as variables, filled from the call's arguments from `first` on: by name, else
// by position.
Variables bind_parameters(const ProcedureCall& call, size_t first,
                          const std::vector<ParameterSpec>& parameters) {
  Variables variables;
  std::vector<bool> given(parameters.size(), false);
  for (size_t i = first; i < call.arguments.size(); ++i) {
    const ProcedureArgument& argument = call.arguments[i];
    size_t place = i - first;
    if (!argument.name.empty()) {
      const auto it =
          std::find_if(parameters.begin(), parameters.end(),
                       [&](const ParameterSpec& p) { return fold_name(p.name) == argument.name; });
      if (it == parameters.end()) {
        throw SqlError(8145, 16, 2,
                       argument.name + " is not a parameter for procedure " + call.name + ".");
      }
      place = static_cast<size_t>(it - parameters.begin());
    }
    if (place >= parameters.size()) {
      throw SqlError(8144, 16, 2,
                     "Procedure or function " + call.name + " has too many arguments specified.");
    }
    Variable variable;
    variable.type = declared_type(call.session.current_database(), parameters[place].type).type;
    if (!argument.is_default) {
      variable.value = convert_value(argument.value, argument.type, variable.type);
    }
    given[place] = true;
    variables.insert_or_assign(fold_name(parameters[place].name), std::move(variable));
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!given[i]) {
      const std::string query =
          first > 1 ? "(" + argument_text(call, first - 1) + ")" + argument_text(call, first - 2)
                    : std::string();
      throw SqlError(8178, 16, 1,
                     "The parameterized query '" + query + "' expects the parameter '" +
                         parameters[i].name + "', which was not supplied.");
    }
  }
  return variables;
}

void write_back(ProcedureCall* call, size_t first, const std::vector<ParameterSpec>& parameters,
                const Variables& variables) {
  for (size_t i = first; i < call->arguments.size(); ++i) {
    ProcedureArgument& argument = call->arguments[i];
    if (!argument.output) {
      continue;
    }
    const std::string name =
        !argument.name.empty() ? argument.name : fold_name(parameters[i - first].name);
    const auto it = variables.find(name);
    if (it != variables.end()) {
      argument.type = it->second.type;
      argument.value = it->second.value;
    }
  }
}

}  // namespace

void run_with_parameters(ProcedureCall* call, size_t first,
                         const std::shared_ptr<const Batch>& batch,
                         const std::vector<ParameterSpec>& parameters) {
  SqlSession& session = call->session;
  Variables variables = bind_parameters(*call, first, parameters);
  Variables* const outer = session.variables;
  session.variables = &variables;
  const OptionsScope options(&session);
  Interpreter interpreter(&session, batch);
  try {
    interpreter.run();
  } catch (...) {
    session.variables = outer;
    throw;
  }
  session.variables = outer;
  call->return_status = interpreter.return_status();
  write_back(call, first, parameters, variables);
}

namespace {

void execute_sql(ProcedureCall& call) {
  if (call.arguments.empty()) {
    throw missing_parameter("sp_executesql", "@statement");
  }
  if (!call.arguments[0].value.null && !is_unicode(call.arguments[0].type.id)) {
    throw SqlError(214, 16, 2,
                   "Procedure expects parameter '@statement' of type 'ntext/nchar/nvarchar'.");
  }
  const std::shared_ptr<const Batch> batch = call.session.parse(argument_text(call, 0));
  run_with_parameters(&call, 2, batch, parse_parameters(argument_text(call, 1)));
}

}  // namespace

void describe_columns(SqlSession* session, const SqlSession::Prepared& prepared) {
  Variables variables;
  for (const ParameterSpec& parameter : prepared.parameters) {
    Variable variable;
    variable.type = declared_type(session->current_database(), parameter.type).type;
    variables.insert_or_assign(fold_name(parameter.name), std::move(variable));
  }
  for (const StatementPtr& statement : prepared.batch->statements) {
    if (statement->kind != StatementKind::kQuery) {
      continue;
    }
    Variables* const outer = session->variables;
    session->variables = &variables;
    try {
      as_statement(session, [&] {
        const QueryPlan plan(session, *statement->query, nullptr);
        session->out->columns(plan.columns());
      });
    } catch (...) {
      session->variables = outer;
      throw;
    }
    session->variables = outer;
    session->out->statement_done(DoneCommand::kSelect, -1);
    return;
  }
}

SqlSession::Prepared make_prepared(const ProcedureCall& call, size_t declaration, size_t text) {
  SqlSession::Prepared prepared;
  prepared.parameters = parse_parameters(argument_text(call, declaration));
  prepared.batch = call.session.parse(argument_text(call, text));
  return prepared;
}

SqlSession::Prepared find_prepared(const ProcedureCall& call) {
  const auto handle = static_cast<int32_t>(
      convert_value(call.arguments[0].value, call.arguments[0].type, int_type()).number);
  const SqlSession::Prepared* prepared = call.session.prepared(handle);
  if (prepared == nullptr) {
    throw SqlError(8179, 16, 2,
                   "Could not find prepared statement with handle " + std::to_string(handle) + ".");
  }
  return *prepared;
}

namespace {

void set_handle(ProcedureCall* call, int32_t handle) {
  call->arguments[0].type = int_type();
  call->arguments[0].value = SqlValue::of_number(handle);
}

// A handle passed in with a new prepare is given back.
void drop_old_handle(const ProcedureCall& call) {
  if (!call.arguments.empty() && !call.arguments[0].value.null &&
      family_of(call.arguments[0].type.id) == Family::kInteger) {
    call.session.unprepare(static_cast<int32_t>(call.arguments[0].value.number));
  }
}

void prepare(ProcedureCall& call) {
  if (call.arguments.size() < 3) {
    throw missing_parameter("sp_prepare", "@stmt");
  }
  drop_old_handle(call);
  SqlSession::Prepared prepared = make_prepared(call, 1, 2);
  const bool describe = call.arguments.size() > 3 && !call.arguments[3].value.null &&
                        call.arguments[3].value.number == 1;
  if (describe) {
    describe_columns(&call.session, prepared);
  }
  set_handle(&call, call.session.prepare(std::move(prepared)));
}

void execute_prepared(ProcedureCall& call) {
  if (call.arguments.empty()) {
    throw missing_parameter("sp_execute", "@handle");
  }
  const SqlSession::Prepared prepared = find_prepared(call);
  run_with_parameters(&call, 1, prepared.batch, prepared.parameters);
}

void prepare_and_execute(ProcedureCall& call) {
  if (call.arguments.size() < 3) {
    throw missing_parameter("sp_prepexec", "@stmt");
  }
  drop_old_handle(call);
  const SqlSession::Prepared prepared = make_prepared(call, 1, 2);
  set_handle(&call, call.session.prepare(prepared));
  run_with_parameters(&call, 3, prepared.batch, prepared.parameters);
}

void unprepare(ProcedureCall& call) {
  if (call.arguments.empty()) {
    throw missing_parameter("sp_unprepare", "@handle");
  }
  const auto handle = static_cast<int32_t>(
      convert_value(call.arguments[0].value, call.arguments[0].type, int_type()).number);
  if (!call.session.unprepare(handle)) {
    throw SqlError(8179, 16, 1,
                   "Could not find prepared statement with handle " + std::to_string(handle) + ".");
  }
}

std::vector<ResultColumn> first_result_columns() {
  const auto name = sysname_type();
  const auto small = make_type(TypeId::kTinyInt, {}, {});
  return {view_column("is_hidden", bit_type(), false),
          view_column("column_ordinal", int_type(), false),
          view_column("name", name),
          view_column("is_nullable", bit_type(), false),
          view_column("system_type_id", int_type(), false),
          view_column("system_type_name", nvarchar_type(256)),
          view_column("max_length", make_type(TypeId::kSmallInt, {}, {}), false),
          view_column("precision", small, false),
          view_column("scale", small, false),
          view_column("collation_name", name),
          view_column("is_identity_column", bit_type()),
          view_column("is_computed_column", bit_type())};
}

void describe_first_result(ProcedureCall& call) {
  call.bind({"@tsql", "@params", "@browse_information_mode"});
  const std::shared_ptr<const Batch> batch = call.session.parse(call.text(0));
  Variables variables;
  for (const ParameterSpec& parameter : parse_parameters(call.text(1))) {
    Variable variable;
    variable.type = declared_type(call.session.current_database(), parameter.type).type;
    variables.insert_or_assign(fold_name(parameter.name), std::move(variable));
  }
  std::vector<std::vector<SqlValue>> rows;
  Variables* const outer = call.session.variables;
  call.session.variables = &variables;
  const auto restore = [&] { call.session.variables = outer; };
  for (const StatementPtr& statement : batch->statements) {
    if (statement->kind != StatementKind::kQuery) {
      continue;
    }
    try {
      as_statement(&call.session, [&] {
        const QueryPlan plan(&call.session, *statement->query, nullptr);
        int64_t ordinal = 0;
        for (const ResultColumn& column : plan.columns()) {
          int precision = 0, scale = 0;
          decimal_shape(column.type, &precision, &scale);
          const bool text = family_of(column.type.id) == Family::kText;
          rows.push_back(
              {SqlValue::of_number(0), SqlValue::of_number(++ordinal),
               SqlValue::of_text(column.name), SqlValue::of_number(column.type.nullable ? 1 : 0),
               SqlValue::of_number(system_type_id(column.type.id)),
               SqlValue::of_text(type_declaration(column.type)),
               SqlValue::of_number(max_length_bytes(column.type)),
               SqlValue::of_number(text ? 0 : precision), SqlValue::of_number(text ? 0 : scale),
               text ? SqlValue::of_text("SQL_Latin1_General_CP1_CI_AS") : SqlValue{},
               SqlValue::of_number(column.identity ? 1 : 0),
               SqlValue::of_number(column.computed ? 1 : 0)});
        }
      });
    } catch (...) {
      restore();
      throw;
    }
    break;
  }
  restore();
  send_rows(call, first_result_columns(), rows);
}

// What clients ask for and do not get: an error that says so, and is counted.
void refuse(ProcedureCall& call) { throw not_understood(call.name); }

}  // namespace

void add_prepared_procedures(Engine* engine) {
  engine->add_procedure("sys.sp_describe_undeclared_parameters", refuse);
  engine->add_procedure("sys.sp_cursorunprepare", unprepare);
  engine->add_procedure("sys.sp_executesql", execute_sql);
  engine->add_procedure("sys.sp_prepare", prepare);
  engine->add_procedure("sys.sp_execute", execute_prepared);
  engine->add_procedure("sys.sp_prepexec", prepare_and_execute);
  engine->add_procedure("sys.sp_unprepare", unprepare);
  engine->add_procedure("sys.sp_describe_first_result_set", describe_first_result);
}

}  // namespace dstream::standin::sql
