// Executes statements: control flow here, changes in change.h, definitions in definition.h.
//
// Thread rule: one object a batch, on the session's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/sql/ast.h"
#include "tests/standins/sqlserver/sql/binder.h"
#include "tests/standins/sqlserver/sql/plan.h"
#include "tests/standins/sqlserver/sql/session.h"

namespace dstream::standin::sql {

// DONE's idea of what was executed.
struct DoneCommand {
  static constexpr uint16_t kSelect = 0xC1, kInsert = 0xC3, kDelete = 0xC4, kUpdate = 0xC5,
                            kCreateTable = 0xC6, kSet = 0xB9, kExecute = 0xE0, kNone = 0xFD,
                            kBulkInsert = 0xF0, kMerge = 0x117;
};

class Interpreter {
 public:
  Interpreter(SqlSession* session, std::shared_ptr<const Batch> batch)
      : session_(session), batch_(std::move(batch)) {}

  enum class Flow : uint8_t { kNext, kBreak, kContinue, kReturn };
  // Runs everything. An error that no CATCH takes is sent, and ends the batch where SQL Server
  // ends it.
  void run();
  int32_t return_status() const { return return_status_; }

 private:
  Flow run_all(const std::vector<StatementPtr>& statements);
  Flow run_one(const Statement& statement);
  Flow execute(const Statement& statement);
  Flow control(const Statement& statement, bool* is_control);
  Flow try_catch(const Statement& statement);
  void plain(const Statement& statement);

  void query(const Statement& statement);
  void assign_query(const SelectPlan& plan);
  void select_into(const Statement& statement);
  void declare(const Statement& statement);
  void set_variable(const Statement& statement);
  void set_option(const Statement& statement);
  void apply_option(const std::string& name, const Statement& statement);
  void execute_procedure(const Statement& statement);
  void execute_text(const Statement& statement);
  void print(const Statement& statement);
  void raise(const Statement& statement);
  void throw_error(const Statement& statement);
  void wait_for(const Statement& statement);
  void transaction(const Statement& statement);

  bool truth(const ExpressionPtr& condition);
  SqlValue evaluate(const ExpressionPtr& expression, SqlType* type = nullptr);
  std::string transaction_name(const Statement& statement);
  void done(uint16_t command, int64_t rows);

  SqlSession* session_;
  std::shared_ptr<const Batch> batch_;
  int32_t return_status_ = 0;
  bool is_rethrown_ = false;
};

// Picks columns out of stored ROW tokens; as they are if all are wanted in their order.
class TokenPicker {
 public:
  TokenPicker(const RowLayout& layout, const std::vector<uint16_t>& picks);
  std::string_view pick(std::string_view token);

 private:
  // Columns that stand side by side in the token and in the list are copied as one piece.
  struct Run {
    uint16_t first, last;
  };

  const RowLayout& layout_;
  std::vector<Run> runs_;
  bool is_identity_ = false;
  std::vector<ByteRange> ranges_;
  std::string scratch_;
};

// An error that ends the batch, and one that rolls the transaction back as well.
bool ends_batch(const SqlError& error);
bool ends_transaction(const SqlError& error);

// Assigns to a variable, converted to its type. Throws 137.
void assign_variable(SqlSession* session, std::string_view name, const SqlType& type,
                     const SqlValue& value);

// Sends a query's rows to the client. Returns how many. Throws Cancelled if the client has gone.
int64_t send_rows(SqlSession* session, const QueryPlan& plan);

// Runs `work` as a statement: in its own or the open transaction, undone as a whole if it fails.
void as_statement(SqlSession* session, const std::function<void()>& work);

inline constexpr int32_t kNestingLevelMax = 32;

}  // namespace dstream::standin::sql
