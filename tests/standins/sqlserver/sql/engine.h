// The stand-in's SQL engine: databases, sessions, and what other rooms add to it.
//
//   Engine engine({.database = "demo"});
//   cdc::ChangeDataCapture capture(&engine, {});
//   Server server(&engine, {});          // protocol/server.h
//
// The engine holds everything in memory; EngineOptions::data_file keeps it over restarts.
//
// Thread rule: construct and register before the first login; then [any-thread].
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tests/standins/sqlserver/protocol/handler.h"
#include "tests/standins/sqlserver/sql/catalog.h"
#include "tests/standins/sqlserver/sql/functions.h"
#include "tests/standins/sqlserver/sql/principals.h"
#include "tests/standins/sqlserver/sql/transaction.h"

namespace dstream::standin::sql {

class SqlSession;
struct ProcedureCall;

struct EngineOptions {
  std::string database = "testdb";
  std::string user = "sa";
  std::string password = "Secret-1";
  std::string server_name = "DSTREAM-STANDIN";
  // As Azure SQL Database tells it: edition 5, no msdb and no Agent, and a session stays in the
  // database it logged in to.
  bool is_azure = false;
  int16_t utc_offset_min = 0;          // the server's time zone
  std::function<int64_t()> utc_ticks;  // the clock; unset: the system's
  // Statements the stand-in does not understand, and errors of the stand-in itself.
  std::function<void(std::string_view)> log;
};

struct EngineCounters {
  std::atomic<uint64_t> batches{0};
  std::atomic<uint64_t> statements{0};
  std::atomic<uint64_t> not_understood{0};
};

// An argument of a procedure call.
struct ProcedureArgument {
  std::string name;  // folded, with '@'; "" by position
  SqlType type;
  SqlValue value;
  bool is_default = false;
  bool output = false;
};

struct ProcedureCall {
  SqlSession& session;
  Database& database;
  ResponseWriter& out;
  std::string name;                          // as called
  std::vector<ProcedureArgument> arguments;  // output ones are written back
  int32_t return_status = 0;

  // Brings the arguments into the order of `names` ("@schema", ...). Throws 8145 for a name that is
  // not among them and 8144 for too many. Arguments not given have is_default set.
  void bind(std::initializer_list<std::string_view> names);
  bool has(size_t index) const;  // given and not DEFAULT
  // Converted; NULL if not given.
  SqlValue get(size_t index, const SqlType& type) const;
  std::string text(size_t index) const;  // "" for NULL or not given
  int64_t number(size_t index, int64_t otherwise) const;
};
using Procedure = std::function<void(ProcedureCall&)>;

class Engine final : public Handler {
 public:
  explicit Engine(EngineOptions options);
  ~Engine() override;

  std::unique_ptr<Session> login(const LoginRequest& request, ServerMessage* refusal) override;
  // A session of the engine itself, for scripts and jobs.
  std::unique_ptr<SqlSession> internal_session(std::string_view database = {});
  // Runs a script, batches split at GO. Throws SqlError at the first error.
  void run_script(std::string_view script);

  const EngineOptions& options() const { return options_; }
  EngineCounters& counters() { return counters_; }
  TransactionManager& transactions() { return transactions_; }
  // Who may log in beside options().user, and what they may do.
  Principals& principals() { return principals_; }

  Database* find_database(std::string_view name);
  Database* find_database(int32_t id);
  std::vector<Database*> databases();
  Database& main_database() { return *main_database_; }
  Database& create_database(const std::string& name);

  int64_t utc_ticks() const;
  int64_t local_ticks() const;
  // The clock in a test's hand, 100 ns since 0001-01-01, UTC. It stands where it was set and moves
  // when told to; resume_clock() lets EngineOptions::utc_ticks show through again.
  void set_clock(int64_t utc_ticks);
  void advance_clock(int64_t ticks);
  void resume_clock();

  // Registries, by folded name with schema: "sys.tables", "msdb.dbo.cdc_jobs",
  // "sys.sp_cdc_help_jobs".
  FunctionRegistry& functions() { return functions_; }
  void add_view(std::string_view name, SystemView view);
  const SystemView* find_view(std::string_view folded) const;
  void add_table_function(std::string_view name, TableFunction function);
  const TableFunction* find_table_function(std::string_view folded) const;
  void add_procedure(std::string_view name, Procedure procedure);
  const Procedure* find_procedure(std::string_view folded) const;

  // Relations a room owns by itself (change tables). Asked for every name before 208 is thrown.
  using RelationFinder = std::function<std::shared_ptr<const Relation>(
      Database&, std::string_view schema, std::string_view name)>;
  void set_relation_finder(RelationFinder finder) { relation_finder_ = std::move(finder); }
  const RelationFinder& relation_finder() const { return relation_finder_; }
  using TableFunctionFinder = std::function<const TableFunction*(Database&, std::string_view schema,
                                                                 std::string_view name)>;
  void set_table_function_finder(TableFunctionFinder finder) {
    table_function_finder_ = std::move(finder);
  }
  const TableFunctionFinder& table_function_finder() const { return table_function_finder_; }

  // Objects of other rooms: what sys.objects, OBJECT_ID and OBJECT_NAME show beside user tables.
  struct SystemObject {
    int32_t id = 0;
    std::string schema, name;
    std::string type = "U ";  // as in sys.objects
    std::vector<ResultColumn> columns;
    int64_t create_ticks = 0;
  };
  using ObjectLister = std::function<std::vector<SystemObject>(Database&)>;
  void set_object_lister(ObjectLister lister) { object_lister_ = std::move(lister); }
  std::vector<SystemObject> system_objects(Database& database) const;
  SqlValue object_id(Database& database, const Name& name) const;
  SqlValue object_name(Database& database, int32_t id, bool schema) const;

  // Told when a table's definition changes, inside of the transaction that does it; `statement` is
  // the DDL's text. Throws to refuse.
  struct DefinitionChange {
    SqlSession& session;
    TablePtr table;
    std::string statement;
    bool is_drop = false;
    bool column_type_changed = false;
    std::vector<std::string> dropped_columns;
    DefinitionPtr next;      // what the table will be; nullptr if it is dropped
    bool is_rename = false;  // of the column in dropped_columns
    bool is_index = false;   // CREATE or DROP INDEX
  };
  using DefinitionListener = std::function<void(const DefinitionChange&)>;
  void set_definition_listener(DefinitionListener listener) {
    definition_listener_ = std::move(listener);
  }
  const DefinitionListener& definition_listener() const { return definition_listener_; }

  // True if a table, view or object of another room has that name.
  bool has_object(Database& database, std::string_view schema, std::string_view name);
  // True if the name is a view or an object of another room: not to be changed by statements.
  bool is_read_only_object(Database& database, std::string_view schema, std::string_view name);
  // For what keeps the catalog over restarts.
  void table_changed(const TablePtr& table, bool is_dropped);
  void schemas_changed(Database& database);
  using CatalogListener = std::function<void(Database&, const TablePtr&, bool is_dropped)>;
  void set_catalog_listener(CatalogListener listener) { catalog_listener_ = std::move(listener); }

  // Parsed batches are kept: clients send the same texts again and again.
  std::shared_ptr<const Batch> parse_cached(std::string_view sql, bool quoted_identifier);

  int32_t open_session(const SqlSession* session, const LoginRequest& login);
  void close_session(const SqlSession* session);
  struct SessionInfo {
    int32_t id = 0;
    LoginRequest login;  // without the password
  };
  std::vector<SessionInfo> sessions();
  void log(std::string_view line) const;

 private:
  EngineOptions options_;
  EngineCounters counters_;
  TransactionManager transactions_;
  Principals principals_;
  std::atomic<int64_t> set_ticks_{0};  // 0: the clock runs
  FunctionRegistry functions_;
  std::map<std::string, SystemView, std::less<>> views_;
  std::map<std::string, TableFunction, std::less<>> table_functions_;
  std::map<std::string, Procedure, std::less<>> procedures_;
  RelationFinder relation_finder_;
  TableFunctionFinder table_function_finder_;
  DefinitionListener definition_listener_;
  ObjectLister object_lister_;
  CatalogListener catalog_listener_;

  std::mutex parse_mutex_;  // guards parsed_
  std::unordered_map<std::string, std::shared_ptr<const Batch>> parsed_;

  std::mutex mutex_;  // guards databases_ and sessions_
  std::map<std::string, std::unique_ptr<Database>> databases_;
  Database* main_database_ = nullptr;
  std::map<const SqlSession*, SessionInfo> sessions_;
  int32_t last_session_id_ = 50;
};

}  // namespace dstream::standin::sql
