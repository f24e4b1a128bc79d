// Stored procedures: the calls of clients, of EXEC, and the SQL room's own.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/sql/engine.h"
#include "tests/standins/sqlserver/sql/session.h"

namespace dstream::standin::sql {

// Calls by name as written ("sys.sp_cdc_enable_db", "db..p"). Output arguments are written back.
// Returns the return status. Throws 2812.
int32_t call_procedure(SqlSession* session, std::string_view name,
                       std::vector<ProcedureArgument>* arguments);

// What SET says within a procedure or dynamic SQL holds until that returns.
class OptionsScope {
 public:
  explicit OptionsScope(SqlSession* session) : session_(session), before_(session->options()) {}
  ~OptionsScope() { session_->options() = before_; }
  OptionsScope(const OptionsScope&) = delete;
  OptionsScope& operator=(const OptionsScope&) = delete;

 private:
  SqlSession* session_;
  SessionOptions before_;
};

// EXEC inside of INSERT ... EXEC.
void run_execute(SqlSession* session, const Statement& statement);
// A batch inside of the one being run, with its own variables.
int32_t run_nested(SqlSession* session, std::string_view sql, Variables* variables);

// Text of an argument, "" where there is none.
std::string argument_text(const ProcedureCall& call, size_t index);
// A statement and its declared parameters, from two arguments of a call.
SqlSession::Prepared make_prepared(const ProcedureCall& call, size_t declaration, size_t text);
// The statement prepared under the handle in the first argument, kept while it runs. Throws 8179.
SqlSession::Prepared find_prepared(const ProcedureCall& call);
// Runs a statement with the arguments from `first` on as its parameters, output ones written back.
void run_with_parameters(ProcedureCall* call, size_t first,
                         const std::shared_ptr<const Batch>& batch,
                         const std::vector<ParameterSpec>& parameters);
// Sends the columns of the statement's first result, without rows.
void describe_columns(SqlSession* session, const SqlSession::Prepared& prepared);

// sp_executesql, sp_prepare, sp_execute, sp_prepexec, sp_unprepare and relatives.
void add_prepared_procedures(Engine* engine);
// sp_cursoropen and its sisters.
void add_cursor_procedures(Engine* engine);
// sp_tables, sp_columns, sp_pkeys, sp_rename, ...
void add_catalog_procedures(Engine* engine);
// sp_datatype_info and its relatives.
void add_datatype_info(Engine* engine);
// sys.* and INFORMATION_SCHEMA.
void add_catalog_views(Engine* engine);
// sys.dm_exec_connections.
void add_connection_views(Engine* engine);

// Sends a result made in memory.
void send_rows(ProcedureCall& call, const std::vector<ResultColumn>& columns,
               const std::vector<std::vector<SqlValue>>& rows);

// Takes a result instead of the client: INSERT ... EXEC. Messages still go to the client.
class CapturingWriter final : public ResponseWriter {
 public:
  explicit CapturingWriter(ResponseWriter* client) : client_(client) {}
  const std::vector<ResultColumn>& result_columns() const { return columns_; }
  std::vector<std::vector<SqlValue>>& rows() { return rows_; }

  bool columns(std::span<const ResultColumn> columns) override;
  bool row(std::span<const SqlValue> values) override;
  bool encoded_row(std::string_view token) override;
  bool message(const ServerMessage& message) override { return client_->message(message); }
  bool database_changed(std::string_view, std::string_view) override { return true; }
  bool transaction_changed(uint8_t) override { return true; }
  bool statement_done(uint16_t, int64_t, bool) override { return true; }
  bool return_status(int32_t) override { return true; }
  bool return_value(const Parameter&) override { return true; }
  bool cancelled() override { return client_->cancelled(); }
  bool wait_cancelled(int timeout_ms) override { return client_->wait_cancelled(timeout_ms); }

 private:
  ResponseWriter* client_;
  std::vector<ResultColumn> columns_;
  std::vector<std::vector<SqlValue>> rows_;
};

}  // namespace dstream::standin::sql
