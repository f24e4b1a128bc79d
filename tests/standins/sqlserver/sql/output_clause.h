// OUTPUT of INSERT, UPDATE, DELETE and MERGE.
//
// Thread rule: one thread an object.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/sql/change.h"

namespace dstream::standin::sql {

// The table or table variable that a statement changes. Throws 208, 1087.
TablePtr target_table(SqlSession* session, const Name& name);

// Both OUTPUT clauses of a statement: one may go into a table, the other to the client.
class OutputCollector {
 public:
  // `verb`: INSERT has nothing deleted to name, DELETE nothing inserted.
  OutputCollector(SqlSession* session, const Statement& statement, const TablePtr& table,
                  std::string_view verb);
  ~OutputCollector();

  // A changed row, nullptr for the side there is not; `action` is what $action says in MERGE.
  void add(const std::vector<SqlValue>* inserted, const std::vector<SqlValue>* deleted,
           std::string_view action = {});
  // Behind the statement's work: into the table, and to the client.
  void finish();

 private:
  class Clause;
  void store();
  void send(const Clause& clause);

  SqlSession* session_;
  const Statement::OutputTarget& into_;
  std::unique_ptr<Clause> first_, second_;
};

}  // namespace dstream::standin::sql
