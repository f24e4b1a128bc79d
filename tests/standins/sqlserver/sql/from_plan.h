// FROM: sources joined into flat rows.
//
// All sources of a query share one flat row; each cursor writes its columns into its own part, so a
// join copies nothing. The left side of a join drives; the right side is sought by index where a
// condition allows, else hashed or kept in memory.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/standins/sqlserver/sql/access_path.h"
#include "tests/standins/sqlserver/sql/binder.h"
#include "tests/standins/sqlserver/sql/plan.h"

namespace dstream::standin::sql {

struct FromNode {
  bool is_leaf = true;
  size_t source = 0;
  JoinKind join = JoinKind::kInner;
  std::unique_ptr<FromNode> left, right;
  uint64_t sources = 0;

  std::vector<ExpressionPtr> conjuncts;       // ON, and WHERE conditions pushed down to here
  std::vector<ExpressionPtr> post_conjuncts;  // WHERE conditions that must follow an outer join
  std::vector<BoundCondition> conditions, post_conditions;

  AccessPath path;          // leaf
  bool is_lateral = false;  // leaf: made anew for each row of the sources further left
  bool backwards = false;   // leaf: read the ordering from its end
  // Inner or left join with equalities: the right side is hashed by these.
  std::vector<BoundValue> left_keys, right_keys;
};

class FromIterator {
 public:
  virtual ~FromIterator() = default;
  // Starts (again) with what the flat row holds of sources further left.
  virtual void open() = 0;
  virtual bool next() = 0;
};

// What the iterators share.
struct FromState {
  SqlSession* session = nullptr;
  const Scope* scope = nullptr;
  EvaluationContext context;  // row points at `row`
  std::vector<SqlValue> row;
  std::vector<int> needed;  // per flat column: its place if used, else -1
  bool for_update = false;  // the target source waits for locks
  // The target's rows as they were when they passed its conditions, by identity.
  std::unordered_map<std::string, RowBytes> target_rows;
};

// Turns the FROM list into a tree over the scope's sources, adding them to it.
class FromBuilder {
 public:
  FromBuilder(SqlSession* session, Scope* scope) : session_(session), scope_(scope) {}
  std::unique_ptr<FromNode> build(const std::vector<TableRefPtr>& from);
  // UPDATE t ... FROM: the source of this alias or table is the one to change.
  void set_target(Name name) { target_ = std::move(name); }
  // A statement's target alone: UPDATE t, DELETE t.
  std::unique_ptr<FromNode> build_target(const Name& name,
                                         std::shared_ptr<const Relation> relation);
  // Distributes WHERE, binds all conditions and chooses index paths.
  void finish(FromNode* root, const ExpressionPtr& where);

 private:
  std::unique_ptr<FromNode> build_one(const TableRef& ref);
  std::unique_ptr<FromNode> build_apply(const TableRef& ref);
  std::unique_ptr<FromNode> add_source(Source source, const TableRef& ref);
  std::shared_ptr<const Relation> relation_of(const TableRef& ref, Source* source);
  std::shared_ptr<const Relation> function_relation(const TableRef& ref);
  void make_nullable(uint64_t sources);
  void push_down(FromNode* node, const ExpressionPtr& conjunct, uint64_t sources, bool is_where);
  void bind(FromNode* node, uint64_t available);
  void bind_join(FromNode* node, uint64_t available);
  void find_hash_keys(FromNode* node);

  SqlSession* session_;
  Scope* scope_;
  Name target_;
  bool is_lateral_ = false;       // on the right of an APPLY
  uint64_t lateral_sources_ = 0;  // what that reads of the left
};

std::unique_ptr<FromIterator> open_from(const FromNode& node, FromState* state);
// The cursor of a leaf, for what reads tokens or row identities itself.
std::unique_ptr<Cursor> open_leaf(const FromNode& leaf, FromState* state, bool* exact);

}  // namespace dstream::standin::sql
