// One client's session: its database, transaction, options, prepared statements. Runs batches and
// calls through the Interpreter.
//
// Thread rule: one thread at a time, as protocol/handler.h says.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/protocol/handler.h"
#include "tests/standins/sqlserver/sql/ast.h"
#include "tests/standins/sqlserver/sql/bulk_load.h"
#include "tests/standins/sqlserver/sql/catalog.h"
#include "tests/standins/sqlserver/sql/engine.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/parser.h"
#include "tests/standins/sqlserver/sql/server_cursors.h"
#include "tests/standins/sqlserver/sql/transaction.h"

namespace dstream::standin::sql {

struct Variable {
  SqlType type;
  SqlValue value;
  TablePtr table;  // table variables
};

// The variables of a batch, procedure call or EXEC('...').
using Variables = std::map<std::string, Variable, std::less<>>;  // folded, with '@'

struct SessionOptions {
  bool no_count = false;
  bool xact_abort = false;
  bool implicit_transactions = false;
  bool quoted_identifier = true;
  bool format_only = false;
  bool no_exec = false;
  bool arith_abort = true;
  Isolation isolation = Isolation::kReadCommitted;
  int64_t lock_timeout_ms = -1;
  int32_t date_first = 7;
  int32_t row_count = 0;
  std::string identity_insert;  // folded full name of the table, "" for none
};

// What the server of an availability group that a session is connected to lets it do.
struct Replica {
  std::string server_name;            // "": EngineOptions::server_name
  bool is_in_group = false;           // user databases have a primary and a secondary replica
  bool is_secondary = false;          // user databases are read-only, every transaction a snapshot
  std::optional<SqlError> no_access;  // why user databases cannot be used at all
  // True once the server's role has changed: nothing commits from then on. Unset: never.
  std::shared_ptr<const std::atomic<bool>> has_ended;
  // Of a secondary that has not redone everything: the last sequence it shows, 0 for all. Unset:
  // all.
  std::shared_ptr<const std::atomic<uint64_t>> redone_until;
};

class SqlSession final : public Session {
 public:
  SqlSession(Engine* engine, const LoginRequest& login, Database* database);
  ~SqlSession() override;

  void batch(std::string_view sql, ResponseWriter& out) override;
  void procedure(std::string_view name, std::span<const Parameter> parameters,
                 ResponseWriter& out) override;
  void begin_transaction(uint8_t isolation, ResponseWriter& out) override;
  void commit_transaction(ResponseWriter& out) override;
  void rollback_transaction(std::string_view savepoint, ResponseWriter& out) override;
  void bulk_load(BulkRows& rows, ResponseWriter& out) override;
  void reset() override;
  std::string database() const override { return database_->name(); }

  Engine& engine() { return *engine_; }
  Database& current_database() { return *database_; }
  void use(std::string_view name);
  void set_replica(Replica replica) { replica_ = std::move(replica); }
  const Replica& replica() const { return replica_; }
  std::string server_name() const;
  bool is_read_only(const Database& database) const;
  // Throws 3906.
  void check_writable(const Database& database) const;
  // Throws what Replica::no_access says.
  void check_access(const Database& database) const;
  const LoginRequest& login() const { return login_; }
  int32_t id() const { return id_; }
  SessionOptions& options() { return options_; }

  // The open transaction, nullptr if there is none.
  Transaction* transaction() { return transaction_.get(); }
  int32_t transaction_count() const { return transaction_count_; }
  void begin(const std::string& name);
  void commit();
  // To the savepoint of that name, or everything. False if there is no such savepoint.
  bool rollback(const std::string& savepoint);
  void rollback_all();
  void save(const std::string& name);

  // A statement's transaction: the open one, or one of its own that finish_statement() ends.
  Transaction& statement_transaction();
  void finish_statement(bool failed);
  // What the statement being executed reads.
  ReadView read_view();
  void end_read_view();

  // INSERT ... EXEC runs statements inside of a statement; only the outermost one ends anything.
  bool is_between_statements() const { return statement_depth_ == 0; }
  void enter_statement() { ++statement_depth_; }
  void leave_statement() { --statement_depth_; }

  // Waits for locks with the session's options.
  void wait(const std::function<uint64_t()>& blocker);
  void lock_table(const TablePtr& table, TableLock mode);

  bool is_sysadmin() const;
  // sysadmin, or a member of the database's db_owner.
  bool owns(const Database& database) const;
  bool may(const Database& database, Permission permission, const Securable& on) const;
  bool may(Permission permission, const Table& table) const;
  // Throw 229.
  void check_permission(const Database& database, Permission permission, const Securable& on) const;
  void check_permission(Permission permission, const Table& table) const;
  // To read a view: 229, or 262 or 300 where it shows the state of a database or of the server.
  void check_view_permission(const Database& database, Permission permission,
                             const Securable& on) const;
  // Finds what a name in FROM means. Throws 208, and 229 where the user may not read it.
  std::shared_ptr<const Relation> relation(const Name& name);
  // A user table to change. Throws 208.
  TablePtr table(const Name& name);
  TablePtr find_table(const Name& name);
  Database& database_of(const Name& name);
  void add_temporary_table(TablePtr table);
  void drop_temporary_table(std::string_view name);

  // State of the statement before, as @@ROWCOUNT and its relatives show it.
  int64_t row_count = 0;
  int32_t error_number = 0;
  std::optional<SqlValue> identity;   // decimal text
  std::vector<ServerMessage> caught;  // innermost CATCH last
  int32_t nesting_level = 0;
  bool has_open_result = false;  // columns were sent, their DONE was not
  int32_t try_depth = 0;         // TRY blocks around what runs, of all nesting levels
  int32_t recursion_max = 100;   // OPTION (MAXRECURSION n) of the statement; 0: no bound

  ServerCursors cursors;

  Variables* variables = nullptr;  // of the innermost frame
  ResponseWriter* out = nullptr;

  struct Prepared {
    std::shared_ptr<const Batch> batch;
    std::vector<ParameterSpec> parameters;
  };
  // The rows of the client's next message go there, unless another batch comes first.
  void expect_bulk_load(BulkTarget target) { bulk_target_ = std::move(target); }

  int32_t prepare(Prepared prepared);
  const Prepared* prepared(int32_t handle) const;
  bool unprepare(int32_t handle);

  // Runs a parsed batch in the current frame of variables.
  void run(const std::shared_ptr<const Batch>& batch);
  std::shared_ptr<const Batch> parse(std::string_view sql);

  // Sends an error and counts what was not understood. `statement` is quoted in the log.
  void report(const SqlError& error, std::string_view statement);

  // Runs `work` as one request: errors are sent, not thrown.
  void guarded(std::string_view text, const std::function<void()>& work);
  // What an error does to the transaction, when no CATCH takes it.
  void after_error(const SqlError& error);

 private:
  void close_transaction();
  void check_role();
  void execute_call(std::string_view name, std::span<const Parameter> parameters);

  Engine* engine_;
  const LoginRequest login_;
  Database* database_;
  Database* const login_database_;
  const int32_t id_;
  SessionOptions options_;
  Replica replica_;

  std::unique_ptr<Transaction> transaction_;
  int32_t transaction_count_ = 0;
  bool is_autocommit_ = false;  // transaction_ belongs to one statement
  int32_t statement_depth_ = 0;
  uint64_t transaction_snapshot_ = 0, statement_snapshot_ = 0;
  std::vector<std::pair<std::string, Transaction::Mark>> savepoints_;
  std::vector<TablePtr> locked_tables_;
  std::map<std::string, TablePtr> temporary_tables_;  // folded
  std::map<int32_t, Prepared> prepared_;
  std::optional<BulkTarget> bulk_target_;
  int32_t last_handle_ = 0;
};

}  // namespace dstream::standin::sql
