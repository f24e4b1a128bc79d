// Queries, bound and ready to run. A plan is made for one execution: it holds the session's catalog
// and variables as they are.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/standins/sqlserver/sql/binder.h"

namespace dstream::standin::sql {

class RowStream {
 public:
  virtual ~RowStream() = default;
  virtual bool next(std::vector<SqlValue>* row) = 0;
};

class SelectPlan;

class PlanNode {
 public:
  virtual ~PlanNode() = default;
  virtual std::unique_ptr<RowStream> open(const EvaluationContext* outer) const = 0;
  virtual uint64_t outer_sources() const = 0;
  virtual const SelectPlan* select() const { return nullptr; }

  std::vector<ResultColumn> columns;
  std::vector<bool> untyped_null;  // columns that are nothing but NULL
};

class QueryPlan {
 public:
  // `outer` is the scope of the query around this one, nullptr at the top.
  QueryPlan(SqlSession* session, const Query& query, Scope* outer,
            const CommonTables* common_tables = nullptr);
  ~QueryPlan();

  const std::vector<ResultColumn>& columns() const { return root_->columns; }
  std::unique_ptr<RowStream> open(const EvaluationContext* outer) const {
    return root_->open(outer);
  }
  // The sources of `outer` this query depends on.
  uint64_t outer_sources() const { return root_->outer_sources(); }
  // Set if the query is one SELECT: what can be sent without decoding is found through it.
  const SelectPlan* select() const { return root_->select(); }

 private:
  std::unique_ptr<PlanNode> root_;
};

// Rows of a query as something to stand in FROM.
class PlanRelation final : public Relation {
 public:
  explicit PlanRelation(std::shared_ptr<const QueryPlan> plan) : plan_(std::move(plan)) {}
  const std::vector<ResultColumn>& columns() const override { return plan_->columns(); }
  std::unique_ptr<Cursor> open(const ScanRequest& request) const override;

 private:
  std::shared_ptr<const QueryPlan> plan_;
};

// The bytes by which rows are grouped, made distinct and joined.
std::string row_key(const std::vector<ResultColumn>& columns, const std::vector<SqlValue>& row);

}  // namespace dstream::standin::sql
