#include "tests/standins/sqlserver/sql/session.h"

#include <algorithm>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/interpreter.h"
#include "tests/standins/sqlserver/sql/procedures.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {

SqlSession::SqlSession(Engine* engine, const LoginRequest& login, Database* database)
    : engine_(engine),
      login_(login),
      database_(database),
      login_database_(database),
      id_(engine->open_session(this, login)) {}

SqlSession::~SqlSession() {
  rollback_all();
  engine_->close_session(this);
}

// Runs a request. Errors are sent, never thrown to the protocol room.
void SqlSession::guarded(std::string_view text, const std::function<void()>& work) {
  try {
    work();
  } catch (const SqlError& error) {
    report(error, text);
    after_error(error);
    out->statement_done(DoneCommand::kNone, -1, true);
  } catch (const Cancelled&) {
    // What was done stays; an attention rolls back only under XACT_ABORT.
    if (options_.xact_abort) {
      rollback_all();
    }
  } catch (const std::exception& error) {
    report(SqlError(8680, 17, 1, std::string("Internal error of the stand-in: ") + error.what()),
           text);
    rollback_all();
    out->statement_done(DoneCommand::kNone, -1, true);
  }
}

void SqlSession::batch(std::string_view sql, ResponseWriter& writer) {
  engine_->counters().batches.fetch_add(1, std::memory_order_relaxed);
  out = &writer;
  nesting_level = 0;
  try_depth = 0;
  has_open_result = false;
  caught.clear();
  bulk_target_.reset();
  Variables frame;
  variables = &frame;
  guarded(sql, [&] { run(parse(sql)); });
  variables = nullptr;
  out = nullptr;
}

void SqlSession::bulk_load(BulkRows& rows, ResponseWriter& writer) {
  if (!bulk_target_) {
    return Session::bulk_load(rows, writer);
  }
  const BulkTarget target = *std::exchange(bulk_target_, std::nullopt);
  out = &writer;
  guarded("INSERT BULK", [&] {
    row_count = load_rows(this, target, rows);
    writer.statement_done(DoneCommand::kBulkInsert, row_count);
  });
  out = nullptr;
}

void SqlSession::run(const std::shared_ptr<const Batch>& batch) { Interpreter(this, batch).run(); }

void SqlSession::procedure(std::string_view name, std::span<const Parameter> parameters,
                           ResponseWriter& writer) {
  out = &writer;
  nesting_level = 0;
  try_depth = 0;
  has_open_result = false;
  caught.clear();
  Variables frame;
  variables = &frame;
  guarded(name, [&] { execute_call(name, parameters); });
  variables = nullptr;
  out = nullptr;
}

void SqlSession::execute_call(std::string_view name, std::span<const Parameter> parameters) {
  std::vector<ProcedureArgument> arguments;
  for (const Parameter& parameter : parameters) {
    ProcedureArgument argument;
    argument.name = parameter.name.empty() ? std::string() : "@" + fold_name(parameter.name);
    argument.type = parameter.type;
    argument.value = parameter.value;
    argument.is_default = parameter.use_default;
    argument.output = parameter.output;
    arguments.push_back(std::move(argument));
  }
  // The named arguments of sp_executesql and sp_prepare stand in their own order.
  const int32_t status = call_procedure(this, name, &arguments);
  out->return_status(status);
  for (size_t i = 0; i < parameters.size() && i < arguments.size(); ++i) {
    if (parameters[i].output && arguments[i].output) {
      Parameter value = parameters[i];
      value.type = arguments[i].type;
      value.value = arguments[i].value;
      out->return_value(value);
    }
  }
}

void SqlSession::begin_transaction(uint8_t isolation, ResponseWriter& writer) {
  out = &writer;
  guarded("BEGIN TRANSACTION", [&] {
    if (isolation >= 1 && isolation <= 5) {
      options_.isolation = static_cast<Isolation>(isolation);
    }
    begin("");
  });
  out = nullptr;
}

void SqlSession::commit_transaction(ResponseWriter& writer) {
  out = &writer;
  guarded("COMMIT TRANSACTION", [&] {
    if (transaction_count_ == 0) {
      throw SqlError(3902, 16, 1,
                     "The COMMIT TRANSACTION request has no corresponding BEGIN "
                     "TRANSACTION.");
    }
    commit();
  });
  out = nullptr;
}

void SqlSession::rollback_transaction(std::string_view savepoint, ResponseWriter& writer) {
  out = &writer;
  guarded("ROLLBACK TRANSACTION", [&] {
    if (transaction_count_ == 0) {
      throw SqlError(3903, 16, 1,
                     "The ROLLBACK TRANSACTION request has no corresponding BEGIN "
                     "TRANSACTION.");
    }
    if (!rollback(std::string(savepoint))) {
      throw SqlError(6401, 16, 1,
                     "Cannot roll back " + std::string(savepoint) +
                         ". No transaction or savepoint of that name was found.");
    }
  });
  out = nullptr;
}

void SqlSession::reset() {
  rollback_all();
  options_ = {};
  database_ = login_database_;
  prepared_.clear();
  bulk_target_.reset();
  cursors.open.clear();
  temporary_tables_.clear();
  identity.reset();
  row_count = 0;
}

std::shared_ptr<const Batch> SqlSession::parse(std::string_view sql) {
  return engine_->parse_cached(sql, options_.quoted_identifier);
}

void SqlSession::use(std::string_view name) {
  Database* database = engine_->find_database(name);
  if (database == nullptr) {
    throw unknown_database(name);
  }
  check_access(*database);
  if (engine_->options().is_azure && database != database_) {
    throw SqlError(40508, 16, 1,
                   "USE statement is not supported to switch between databases. Use a new "
                   "connection to connect to a different database.");
  }
  const std::string from = database_->name();
  database_ = database;
  out->database_changed(from, database->name());
}

void SqlSession::report(const SqlError& error, std::string_view statement) {
  const int32_t number = error.message.number;
  if (number == kNotUnderstood || number == 102 || number == 156 || number == 195 ||
      number == 8680) {
    engine_->counters().not_understood.fetch_add(1);
    engine_->log("not understood (" + std::to_string(number) + ": " + error.message.text +
                 "): " + std::string(statement.substr(0, 2000)));
  }
  error_number = number;
  for (ServerMessage before : error.preceding) {
    before.line = error.message.line;
    out->message(before);
  }
  out->message(error.message);
  if (number == 2627 || number == 2601 || number == 515 || number == 547 || number == 2628 ||
      number == 8134 || number == 8115 || number == 220) {
    ServerMessage terminated;
    terminated.number = 3621;
    terminated.severity = 0;
    terminated.state = 0;
    terminated.text = "The statement has been terminated.";
    out->message(terminated);
  }
}

void SqlSession::after_error(const SqlError& error) {
  if (transaction_ == nullptr || transaction_count_ == 0) {
    return;
  }
  if (transaction_->is_deadlock_victim || ends_transaction(error) ||
      (options_.xact_abort && error.message.number != 102 && error.message.severity > 10)) {
    rollback_all();
  }
}

int32_t SqlSession::prepare(Prepared prepared) {
  prepared_.insert_or_assign(++last_handle_, std::move(prepared));
  return last_handle_;
}

const SqlSession::Prepared* SqlSession::prepared(int32_t handle) const {
  const auto it = prepared_.find(handle);
  return it == prepared_.end() ? nullptr : &it->second;
}

bool SqlSession::unprepare(int32_t handle) { return prepared_.erase(handle) > 0; }

}  // namespace dstream::standin::sql
