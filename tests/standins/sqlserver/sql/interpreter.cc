#include "tests/standins/sqlserver/sql/interpreter.h"

#include <algorithm>
#include <array>

#include "tests/standins/sqlserver/sql/bulk_load.h"
#include "tests/standins/sqlserver/sql/change.h"
#include "tests/standins/sqlserver/sql/conversion_rules.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/definition.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/lexer.h"
#include "tests/standins/sqlserver/sql/procedures.h"
#include "tests/standins/sqlserver/sql/select_plan.h"
#include "tests/standins/sqlserver/sql/temporal.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

// Errors after which the rest of the batch still runs, unless XACT_ABORT is on.
constexpr std::array kStatementErrors = {515,  544,  547,  2601, 2627, 2628, 8134, 8152,  220, 8115,
                                         8114, 3701, 3728, 3902, 3903, 2812, 2714, 50000, 512, 201,
                                         8144, 8145, 3906, 1222, 535,  517,  313,  3727};

// Steps of a recursive common table without MAXRECURSION.
constexpr int32_t kRecursionMax = 100;

// What starts a transaction under SET IMPLICIT_TRANSACTIONS ON.
bool begins_implicitly(const Statement& statement) {
  switch (statement.kind) {
    case StatementKind::kQuery:
      return !statement.query->core || !statement.query->core->from.empty();
    case StatementKind::kInsert:
    case StatementKind::kUpdate:
    case StatementKind::kDelete:
    case StatementKind::kMerge:
    case StatementKind::kTruncate:
    case StatementKind::kCreateTable:
    case StatementKind::kAlterTable:
    case StatementKind::kDropTable:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool ends_batch(const SqlError& error) {
  const int32_t number = error.message.number;
  return std::find(kStatementErrors.begin(), kStatementErrors.end(), number) ==
             kStatementErrors.end() &&
         number < 22000;
}

// Conversion errors doom the transaction; a deadlock has rolled it back already.
bool ends_transaction(const SqlError& error) {
  const int32_t number = error.message.number;
  return number == 245 || number == 241 || number == 242 || number == 248 || number == 1205 ||
         number == 8169 || number == 3960;
}

void as_statement(SqlSession* session, const std::function<void()>& work) {
  const bool is_outermost = session->is_between_statements();
  Transaction& transaction = session->statement_transaction();
  const Transaction::Mark mark = transaction.mark();
  session->enter_statement();
  try {
    work();
  } catch (...) {
    session->leave_statement();
    // Nothing of a failed statement stays, whatever becomes of its transaction.
    if (session->transaction() != nullptr) {
      session->engine().transactions().rollback_to(session->transaction(), mark);
    }
    if (is_outermost) {
      session->end_read_view();
      session->finish_statement(true);
    }
    throw;
  }
  session->leave_statement();
  if (is_outermost) {
    session->end_read_view();
    session->finish_statement(false);
  }
}

void assign_variable(SqlSession* session, std::string_view name, const SqlType& type,
                     const SqlValue& value) {
  const auto it = session->variables->find(fold_name(name));
  if (it == session->variables->end() || it->second.table != nullptr) {
    throw undeclared_variable(name);
  }
  if (!value.null) {
    check_implicit(type, it->second.type);
  }
  it->second.value = convert_value(value, type, it->second.type);
}

int64_t send_rows(SqlSession* session, const QueryPlan& plan) {
  ResponseWriter& out = *session->out;
  if (!out.columns(plan.columns())) {
    throw Cancelled{};
  }
  session->has_open_result = true;
  int64_t count = 0;
  const SelectPlan* select = plan.select();
  const auto picks = select != nullptr ? select->token_columns() : std::nullopt;
  if (select != nullptr) {
    const std::vector<uint16_t> order = select->sorted_columns();
    if (!order.empty() && std::find(order.begin(), order.end(), 0) == order.end()) {
      out.order(order);
    }
  }
  if (session->options().format_only) {
    return 0;
  }
  if (picks) {
    TokenPicker picker(select->token_layout(), *picks);
    select->stream_tokens([&](std::string_view token) {
      ++count;
      if (!out.encoded_row(picker.pick(token))) {
        throw Cancelled{};
      }
      return true;
    });
    return count;
  }
  const auto rows = plan.open(nullptr);
  std::vector<SqlValue> row;
  while (rows->next(&row)) {
    ++count;
    if (!out.row(row)) {
      throw Cancelled{};
    }
  }
  return count;
}

TokenPicker::TokenPicker(const RowLayout& layout, const std::vector<uint16_t>& picks)
    : layout_(layout), ranges_(layout.column_count()) {
  for (const uint16_t pick : picks) {
    if (!runs_.empty() && runs_.back().last + 1 == pick) {
      runs_.back().last = pick;
    } else {
      runs_.push_back({pick, pick});
    }
  }
  is_identity_ = runs_.size() == 1 && picks.size() == layout.column_count();
}

std::string_view TokenPicker::pick(std::string_view token) {
  if (is_identity_) {
    return token;
  }
  layout_.ranges(token, ranges_);
  scratch_.assign(1, static_cast<char>(kRowToken));
  for (const Run& run : runs_) {
    const ByteRange& last = ranges_[run.last];
    const uint32_t from = ranges_[run.first].offset;
    scratch_.append(token.substr(from, last.offset + last.size - from));
  }
  return scratch_;
}

void Interpreter::run() { run_all(batch_->statements); }

Interpreter::Flow Interpreter::run_all(const std::vector<StatementPtr>& statements) {
  for (const StatementPtr& statement : statements) {
    const Flow flow = run_one(*statement);
    if (flow != Flow::kNext) {
      return flow;
    }
  }
  return Flow::kNext;
}

// One statement. Errors go to the CATCH around, or are sent here.
Interpreter::Flow Interpreter::run_one(const Statement& statement) {
  if (session_->out->cancelled()) {
    throw Cancelled{};
  }
  session_->engine().counters().statements.fetch_add(1, std::memory_order_relaxed);
  try {
    return execute(statement);
  } catch (SqlError& error) {
    if (error.message.line <= 1) {
      error.message.line = statement.line;
    }
    session_->error_number = error.message.number;
    session_->row_count = 0;
    if (session_->try_depth > 0 && error.message.severity < 20) {
      if (session_->has_open_result) {
        done(DoneCommand::kSelect, 0);  // What the client got of the result ends here.
      }
      throw;
    }
    session_->has_open_result = false;
    const bool aborts = ends_batch(error) || session_->options().xact_abort ||
                        error.message.number == 0 || is_rethrown_;
    if (aborts) {
      throw;
    }
    session_->report(error, batch_->text_of(statement));
    session_->after_error(error);
    session_->out->statement_done(DoneCommand::kNone, -1, true);
    return Flow::kNext;
  }
}

Interpreter::Flow Interpreter::execute(const Statement& statement) {
  bool is_control = false;
  const Flow flow = control(statement, &is_control);
  if (is_control) {
    return flow;
  }
  const Transaction* open = session_->transaction();
  if (open != nullptr && open->is_doomed && statement.kind != StatementKind::kRollback &&
      (statement.kind == StatementKind::kInsert || statement.kind == StatementKind::kUpdate ||
       statement.kind == StatementKind::kDelete || statement.kind == StatementKind::kMerge ||
       statement.kind == StatementKind::kCommit || statement.kind == StatementKind::kCreateTable)) {
    throw SqlError(3930, 16, 1,
                   "The current transaction cannot be committed and cannot support "
                   "operations that write to the log file. Roll back the "
                   "transaction.");
  }
  plain(statement);
  if (statement.kind != StatementKind::kDeclare) {
    session_->error_number = 0;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::control(const Statement& statement, bool* is_control) {
  *is_control = true;
  switch (statement.kind) {
    case StatementKind::kBlock:
      return run_all(statement.body);
    case StatementKind::kIf:
      return truth(statement.condition) ? run_all(statement.body) : run_all(statement.other);
    case StatementKind::kWhile:
      while (truth(statement.condition)) {
        const Flow flow = run_all(statement.body);
        if (flow == Flow::kBreak) {
          break;
        }
        if (flow == Flow::kReturn) {
          return flow;
        }
      }
      return Flow::kNext;
    case StatementKind::kBreak:
      return Flow::kBreak;
    case StatementKind::kContinue:
      return Flow::kContinue;
    case StatementKind::kReturn:
      if (!statement.expressions.empty()) {
        SqlType type;
        const SqlValue value = evaluate(statement.expressions[0], &type);
        return_status_ = static_cast<int32_t>(convert_value(value, type, int_type()).number);
      }
      return Flow::kReturn;
    case StatementKind::kTryCatch:
      return try_catch(statement);
    default:
      *is_control = false;
      return Flow::kNext;
  }
}

Interpreter::Flow Interpreter::try_catch(const Statement& statement) {
  ++session_->try_depth;
  try {
    const Flow flow = run_all(statement.body);
    --session_->try_depth;
    return flow;
  } catch (SqlError& error) {
    --session_->try_depth;
    if (error.message.severity >= 20) {
      throw;
    }
    Transaction* open = session_->transaction();
    if (open != nullptr && session_->transaction_count() > 0) {
      if (open->is_deadlock_victim) {
        session_->rollback_all();
      } else if (ends_transaction(error) || session_->options().xact_abort) {
        open->is_doomed = true;
      }
    }
    session_->caught.push_back(error.message);
    try {
      const Flow flow = run_all(statement.other);
      session_->caught.pop_back();
      return flow;
    } catch (...) {
      session_->caught.pop_back();
      throw;
    }
  } catch (...) {
    --session_->try_depth;
    throw;
  }
}

void Interpreter::plain(const Statement& statement) {
  if (session_->options().implicit_transactions && session_->transaction_count() == 0 &&
      begins_implicitly(statement)) {
    session_->begin("");
  }
  switch (statement.kind) {
    case StatementKind::kQuery:
      return query(statement);
    case StatementKind::kInsert:
    case StatementKind::kUpdate:
    case StatementKind::kDelete:
    case StatementKind::kMerge:
    case StatementKind::kTruncate: {
      const int64_t rows = execute_change(session_, statement);
      session_->row_count = rows;
      return done(statement.kind == StatementKind::kInsert   ? DoneCommand::kInsert
                  : statement.kind == StatementKind::kUpdate ? DoneCommand::kUpdate
                  : statement.kind == StatementKind::kMerge  ? DoneCommand::kMerge
                                                             : DoneCommand::kDelete,
                  statement.kind == StatementKind::kTruncate ? -1 : rows);
    }
    case StatementKind::kInsertBulk:
      session_->expect_bulk_load(bulk_target(session_, statement));
      return done(DoneCommand::kNone, -1);
    case StatementKind::kCreateTable:
    case StatementKind::kAlterTable:
    case StatementKind::kDropTable:
    case StatementKind::kCreateIndex:
    case StatementKind::kDropIndex:
    case StatementKind::kCreateSchema:
    case StatementKind::kDropSchema:
    case StatementKind::kCreateDatabase:
    case StatementKind::kCreateType:
    case StatementKind::kDropType:
      execute_definition(session_, statement, batch_->text_of(statement));
      return done(DoneCommand::kCreateTable, -1);
    case StatementKind::kDeclare:
      return declare(statement);
    case StatementKind::kSetVariable:
      return set_variable(statement);
    case StatementKind::kSetOption:
      return set_option(statement);
    case StatementKind::kUse:
      session_->use(statement.name.last());
      return done(DoneCommand::kSet, -1);
    case StatementKind::kExecute:
      return execute_procedure(statement);
    case StatementKind::kExecuteText:
      return execute_text(statement);
    case StatementKind::kPrint:
      return print(statement);
    case StatementKind::kRaiserror:
      return raise(statement);
    case StatementKind::kThrow:
      return throw_error(statement);
    case StatementKind::kWaitFor:
      return wait_for(statement);
    case StatementKind::kBeginTransaction:
    case StatementKind::kCommit:
    case StatementKind::kRollback:
    case StatementKind::kSave:
      return transaction(statement);
    case StatementKind::kNoOperation:
      return done(DoneCommand::kNone, -1);
    default:
      throw not_understood(batch_->text_of(statement));
  }
}

void Interpreter::done(uint16_t command, int64_t rows) {
  session_->has_open_result = false;
  session_->out->statement_done(command, session_->options().no_count ? -1 : rows);
}

bool Interpreter::truth(const ExpressionPtr& condition) {
  Scope scope;
  Truth result = Truth::kUnknown;
  as_statement(session_, [&] {
    Binder binder(session_, &scope);
    const BoundCondition bound = binder.condition(condition);
    result = bound.evaluate({session_, nullptr, nullptr, nullptr});
  });
  return result == Truth::kTrue;
}

SqlValue Interpreter::evaluate(const ExpressionPtr& expression, SqlType* type) {
  Scope scope;
  SqlValue result;
  as_statement(session_, [&] {
    Binder binder(session_, &scope);
    const BoundValue bound = binder.value(expression);
    if (type != nullptr) {
      *type = bound.is_null ? nvarchar_type(1) : bound.type;
    }
    result = bound.evaluate({session_, nullptr, nullptr, nullptr});
  });
  return result;
}

void Interpreter::query(const Statement& statement) {
  if (statement.query->core && !statement.query->core->into.empty()) {
    return select_into(statement);
  }
  session_->recursion_max = statement.query->recursion_max.value_or(kRecursionMax);
  int64_t rows = 0;
  bool assigned = false;
  as_statement(session_, [&] {
    const QueryPlan plan(session_, *statement.query, nullptr);
    if (plan.select() != nullptr && plan.select()->assigns()) {
      assigned = true;
      return assign_query(*plan.select());
    }
    rows = send_rows(session_, plan);
  });
  if (!assigned) {
    session_->row_count = rows;
    done(DoneCommand::kSelect, rows);
  }
}

// SELECT @a = x: every row assigns, the last one stays.
void Interpreter::assign_query(const SelectPlan& plan) {
  const auto rows = plan.open(nullptr);
  std::vector<SqlValue> row;
  int64_t count = 0;
  while (rows->next(&row)) {
    ++count;
    for (size_t i = 0; i < row.size(); ++i) {
      assign_variable(session_, plan.items()[i].assign_to, plan.columns[i].type, row[i]);
    }
  }
  session_->row_count = count;
}

void Interpreter::select_into(const Statement& statement) {
  const int64_t rows = execute_select_into(session_, statement);
  session_->row_count = rows;
  done(DoneCommand::kInsert, rows);
}

void Interpreter::declare(const Statement& statement) {
  for (const DeclaredVariable& declared : statement.variables) {
    Variable variable;
    if (declared.table != nullptr) {
      variable.table = make_table_variable(session_, declared.name, *declared.table);
    } else {
      variable.type = declared_type(session_->current_database(), declared.type).type;
      if (declared.value != nullptr) {
        SqlType type;
        const SqlValue value = evaluate(declared.value, &type);
        if (!value.null) {
          check_implicit(type, variable.type);
        }
        variable.value = convert_value(value, type, variable.type);
      } else if (const auto it = session_->variables->find(fold_name(declared.name));
                 it != session_->variables->end()) {
        continue;  // A DECLARE in a loop declares once.
      }
    }
    session_->variables->insert_or_assign(fold_name(declared.name), std::move(variable));
  }
}

void Interpreter::set_variable(const Statement& statement) {
  const Assignment& assignment = statement.assignments[0];
  ExpressionPtr value = assignment.value;
  if (assignment.op != '\0') {
    auto self = std::make_shared<Expression>();
    self->kind = ExpressionKind::kVariable;
    self->text = assignment.variable;
    auto binary = std::make_shared<Expression>();
    binary->kind = ExpressionKind::kBinary;
    binary->op = assignment.op;
    binary->operands = {self, value};
    value = binary;
  }
  SqlType type;
  const SqlValue result = evaluate(value, &type);
  assign_variable(session_, assignment.variable, type, result);
}

void Interpreter::execute_procedure(const Statement& statement) {
  std::string name = statement.name.text();
  if (!statement.expressions.empty()) {
    SqlType type;
    name = convert_value(evaluate(statement.expressions[0], &type), type, nvarchar_type(kMaxLength))
               .text;
  }
  std::vector<ProcedureArgument> arguments;
  for (const Argument& argument : statement.arguments) {
    ProcedureArgument value;
    value.name = fold_name(argument.name);
    value.output = argument.output;
    value.is_default = argument.value == nullptr;
    if (argument.value != nullptr) {
      value.value = evaluate(argument.value, &value.type);
    }
    arguments.push_back(std::move(value));
  }
  const int32_t status = call_procedure(session_, name, &arguments);
  for (size_t i = 0; i < arguments.size() && i < statement.arguments.size(); ++i) {
    const Argument& argument = statement.arguments[i];
    if (argument.output && argument.value->kind == ExpressionKind::kVariable) {
      assign_variable(session_, argument.value->text, arguments[i].type, arguments[i].value);
    }
  }
  if (!statement.result_variable.empty()) {
    assign_variable(session_, statement.result_variable, int_type(), SqlValue::of_number(status));
  }
}

void Interpreter::execute_text(const Statement& statement) {
  SqlType type;
  const SqlValue text =
      convert_value(evaluate(statement.expressions[0], &type), type, nvarchar_type(kMaxLength));
  // USE inside of it lasts as long as it does.
  const std::string database = session_->current_database().name();
  const auto restore = [&] {
    if (session_->current_database().name() != database) {
      session_->use(database);
    }
  };
  Variables inner;
  try {
    run_nested(session_, text.text, &inner);
  } catch (const SqlError&) {
    restore();
    throw;
  }
  restore();
}

std::string Interpreter::transaction_name(const Statement& statement) {
  if (!statement.name.empty()) {
    return statement.name.last();
  }
  if (!statement.expressions.empty()) {
    SqlType type;
    return convert_value(evaluate(statement.expressions[0], &type), type, nvarchar_type(32)).text;
  }
  return {};
}

void Interpreter::transaction(const Statement& statement) {
  const std::string name = transaction_name(statement);
  switch (statement.kind) {
    case StatementKind::kBeginTransaction:
      session_->begin(name);
      break;
    case StatementKind::kCommit:
      if (session_->transaction_count() == 0) {
        throw SqlError(3902, 16, 1,
                       "The COMMIT TRANSACTION request has no corresponding BEGIN "
                       "TRANSACTION.");
      }
      session_->commit();
      break;
    case StatementKind::kSave:
      if (session_->transaction_count() == 0) {
        throw SqlError(628, 16, 0,
                       "Cannot issue SAVE TRANSACTION when there is no active "
                       "transaction.");
      }
      session_->save(name);
      break;
    default:
      if (session_->transaction_count() == 0) {
        throw SqlError(3903, 16, 1,
                       "The ROLLBACK TRANSACTION request has no corresponding BEGIN "
                       "TRANSACTION.");
      }
      if (!session_->rollback(name)) {
        throw SqlError(6401, 16, 1,
                       "Cannot roll back " + name +
                           ". No transaction or savepoint of "
                           "that name was found.");
      }
      break;
  }
  done(DoneCommand::kNone, -1);
}

}  // namespace dstream::standin::sql
