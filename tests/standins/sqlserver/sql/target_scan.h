// What INSERT, UPDATE, DELETE and MERGE share: the rows of a target, found and locked, and the
// columns they are about.
//
// Thread rule: one thread an object.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/standins/sqlserver/sql/change.h"
#include "tests/standins/sqlserver/sql/from_plan.h"

namespace dstream::standin::sql {

// Finds and locks the rows an UPDATE or DELETE is about, and hands each to `take` with the flat row
// still in place.
class TargetScan {
 public:
  TargetScan(SqlSession* session, const Statement& statement);

  Scope* scope() { return &scope_; }
  const TablePtr& table() const { return table_; }
  size_t target_first() const { return scope_.sources[target_].first; }
  // Throws 229 where the statement looks at the target's columns and the user may not read them.
  void check_reading(const Statement& statement) const;
  // MERGE: rows of the sources without a target row come too, with an empty key, and a target row
  // comes as often as it is matched.
  void keep_all_rows() { keeps_all_rows_ = true; }
  // The rows that TOP allows, -1 for any number; the caller counts them from now on.
  int64_t take_limit() { return std::exchange(limit_, -1); }

  struct Row {
    std::string key;
    RowBytes data;
  };
  using Take = std::function<void(const Row&, const EvaluationContext&)>;

  // `take` evaluates what it needs of the context.
  void run(const Take& take, const std::function<void()>& restart);

 private:
  TablePtr target_of_from() const;
  bool try_run(const Take& take);
  // False if the row is not the one that was read any more.
  bool lock(const std::string& key, const RowBytes& data, bool by_snapshot);

  SqlSession* session_;
  Scope scope_;
  CommonTables common_tables_;
  std::unique_ptr<FromNode> from_;
  TablePtr table_;
  size_t target_ = 0;
  int64_t limit_ = -1;
  bool keeps_all_rows_ = false;
};

struct BoundAssignment {
  size_t column = 0;
  bool has_column = false;
  std::string variable;
  BoundValue value;
};
std::vector<BoundAssignment> bind_assignments(SqlSession* session,
                                              const std::vector<Assignment>& assignments,
                                              Scope* scope, const TableWriter& writer);
// The new values of a row, and of variables.
TableWriter::Update updated_row(SqlSession* session, const TargetScan::Row& row,
                                const std::vector<BoundAssignment>& assignments,
                                const EvaluationContext& context, const TableWriter& writer);
// Places of the columns an INSERT names, or of all it may name.
std::vector<size_t> insert_columns(SqlSession* session, const std::vector<std::string>& names,
                                   const TableWriter& writer);
// Throws 273 for a rowversion that is not DEFAULT.
void check_row_versions(const TableWriter& writer, const std::vector<size_t>& columns,
                        const std::vector<bool>& defaults);

}  // namespace dstream::standin::sql
