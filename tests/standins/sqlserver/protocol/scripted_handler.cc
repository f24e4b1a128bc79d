#include "tests/standins/sqlserver/protocol/scripted_handler.h"

#include <algorithm>

namespace dstream::standin {
namespace {

constexpr uint16_t kSelect = 0xC1;
constexpr uint16_t kExecute = 0xE0;

ServerMessage error(int32_t number, uint8_t severity, std::string text) {
  ServerMessage message;
  message.number = number;
  message.severity = severity;
  message.text = std::move(text);
  return message;
}

class ScriptedSession final : public Session {
 public:
  ScriptedSession(const ScriptedHandler* handler, std::string database)
      : handler_(handler), database_(std::move(database)) {}

  void batch(std::string_view sql, ResponseWriter& out) override { run(sql, {}, out); }

  void procedure(std::string_view name, std::span<const Parameter> parameters,
                 ResponseWriter& out) override {
    if (name == "sp_executesql" && !parameters.empty()) {
      run(parameters[0].value.text, parameters.subspan(std::min<size_t>(2, parameters.size())),
          out);
      out.return_status(0);
    } else if (name == "sp_prepexec" && parameters.size() >= 3) {
      const int64_t handle = prepare(parameters[2].value.text);
      run(parameters[2].value.text, parameters.subspan(3), out);
      return_handle(parameters[0], handle, out);
    } else if (name == "sp_prepare" && parameters.size() >= 3) {
      return_handle(parameters[0], prepare(parameters[2].value.text), out);
    } else if (name == "sp_execute" && !parameters.empty()) {
      run(prepared_[parameters[0].value.number], parameters.subspan(1), out);
      out.return_status(0);
    } else if (name == "sp_unprepare" && !parameters.empty()) {
      prepared_.erase(parameters[0].value.number);
      out.return_status(0);
    } else {
      run_procedure(name, parameters, out);
    }
  }

  void begin_transaction(uint8_t isolation, ResponseWriter& out) override {
    handler_->on_event("begin " + std::to_string(isolation));
    out.transaction_changed(8);
  }
  void commit_transaction(ResponseWriter& out) override {
    handler_->on_event("commit");
    out.transaction_changed(9);
  }
  void rollback_transaction(std::string_view savepoint, ResponseWriter& out) override {
    handler_->on_event("rollback" + (savepoint.empty() ? "" : " " + std::string(savepoint)));
    out.transaction_changed(10);
  }
  void bulk_load(BulkRows& rows, ResponseWriter& out) override {
    if (handler_->on_bulk_load) {
      handler_->on_bulk_load(rows, out);
    } else {
      Session::bulk_load(rows, out);
    }
  }
  void reset() override {
    handler_->on_event("reset");
    prepared_.clear();
  }
  std::string database() const override { return database_; }

 private:
  void run(std::string_view sql, std::span<const Parameter> parameters, ResponseWriter& out) {
    const auto found = handler_->statements.find(sql);
    if (found != handler_->statements.end()) {
      found->second(parameters, out);
      return;
    }
    out.message(error(102, 15, "Incorrect syntax near '" + std::string(sql) + "'."));
    out.statement_done(kSelect, -1, true);
  }

  void run_procedure(std::string_view name, std::span<const Parameter> parameters,
                     ResponseWriter& out) {
    const auto found = handler_->procedures.find(name);
    if (found != handler_->procedures.end()) {
      found->second(parameters, out);
      return;
    }
    out.message(error(2812, 16, "Could not find stored procedure '" + std::string(name) + "'."));
    out.statement_done(kExecute, -1, true);
  }

  int64_t prepare(std::string sql) {
    prepared_[++last_handle_] = std::move(sql);
    return last_handle_;
  }

  void return_handle(const Parameter& parameter, int64_t handle, ResponseWriter& out) {
    out.return_status(0);
    Parameter answer = parameter;
    answer.type = SqlType{TypeId::kInt, 0, 0, 0, true, false};
    answer.value = SqlValue::of_number(handle);
    out.return_value(answer);
  }

  const ScriptedHandler* handler_;
  std::string database_;
  std::map<int64_t, std::string> prepared_;
  int64_t last_handle_ = 0;
};

}  // namespace

std::unique_ptr<Session> ScriptedHandler::login(const LoginRequest& request,
                                                ServerMessage* refusal) {
  const auto user = users.find(request.user);
  if (user == users.end() || user->second != request.password) {
    *refusal = error(18456, 14, "Login failed for user '" + request.user + "'.");
    return nullptr;
  }
  const std::string database = request.database.empty() ? "master" : request.database;
  if (std::find(databases.begin(), databases.end(), database) == databases.end()) {
    *refusal = error(
        4060, 11,
        "Cannot open database \"" + database + "\" requested by the login. The login failed.");
    return nullptr;
  }
  return std::make_unique<ScriptedSession>(this, database);
}

void send_result(std::span<const ResultColumn> columns, std::span<const std::vector<SqlValue>> rows,
                 ResponseWriter& out) {
  out.columns(columns);
  for (const std::vector<SqlValue>& row : rows) {
    out.row(row);
  }
  out.statement_done(kSelect, static_cast<int64_t>(rows.size()));
}

}  // namespace dstream::standin
