// MERGE, and common tables before changes.
#include <algorithm>

#include "tests/standins/sqlserver/sql/merge.h"
#include "tests/standins/sqlserver/sql/parser_internal.h"

namespace dstream::standin::sql {
namespace {

ExpressionPtr star() {
  auto expression = std::make_shared<Expression>();
  expression->kind = ExpressionKind::kStar;
  return expression;
}

ExpressionPtr one() {
  auto expression = std::make_shared<Expression>();
  expression->type = int_type();
  expression->value = SqlValue::of_number(1);
  return expression;
}

bool has_clause(const Statement& merge, MergeClause::When when) {
  return std::any_of(merge.merge.begin(), merge.merge.end(),
                     [when](const MergeClause& clause) { return clause.when == when; });
}

// The clauses of one kind: the last may be without a condition, and no action comes twice.
void check_clauses(const Statement& merge) {
  for (size_t i = 0; i < merge.merge.size(); ++i) {
    const MergeClause& clause = merge.merge[i];
    const std::string name = clause.when == MergeClause::When::kMatched      ? "WHEN MATCHED"
                             : clause.when == MergeClause::When::kNotMatched ? "WHEN NOT MATCHED"
                                                                             : "WHEN NOT MATCHED "
                                                                               "BY SOURCE";
    if ((clause.when == MergeClause::When::kNotMatched) !=
        (clause.action == MergeClause::Action::kInsert)) {
      const std::string action = clause.action == MergeClause::Action::kInsert   ? "INSERT"
                                 : clause.action == MergeClause::Action::kUpdate ? "UPDATE"
                                                                                 : "DELETE";
      throw SqlError(10711, 15, 1,
                     "An action of type '" + action + "' is not allowed in the '" + name +
                         "' clause of a MERGE statement.");
    }
    for (size_t j = 0; j < i; ++j) {
      if (merge.merge[j].when != clause.when) {
        continue;
      }
      if (merge.merge[j].condition == nullptr) {
        throw SqlError(5324, 15, 1,
                       "In a MERGE statement, a '" + name +
                           "' clause with a search condition cannot appear after a '" + name +
                           "' clause with no search condition.");
      }
      if (merge.merge[j].action == clause.action) {
        throw SqlError(10714, 15, 1,
                       "An action of type '" + name + "' cannot appear more than once in a '" +
                           (clause.action == MergeClause::Action::kInsert   ? "INSERT"
                            : clause.action == MergeClause::Action::kUpdate ? "UPDATE"
                                                                            : "DELETE") +
                           "' clause of a MERGE statement.");
      }
    }
  }
}

}  // namespace

StatementPtr Parser::change_with_common_tables(std::vector<Query::CommonTable> tables) {
  Statement change = *(peek().is_word("INSERT")   ? insert_statement()
                       : peek().is_word("UPDATE") ? update_statement()
                       : peek().is_word("DELETE") ? delete_statement()
                                                  : merge_statement());
  if (change.kind != StatementKind::kInsert) {
    change.common_tables = std::move(tables);
    return std::make_shared<const Statement>(std::move(change));
  }
  if (change.query == nullptr || !change.query->common_tables.empty()) {
    fail();
  }
  Query query = *change.query;
  query.common_tables = std::move(tables);
  change.query = std::make_shared<const Query>(std::move(query));
  return std::make_shared<const Statement>(std::move(change));
}

// MERGE [INTO] target [[AS] t] USING source [[AS] s] ON ... WHEN ... [OUTPUT ...];
StatementPtr Parser::merge_statement() {
  NewStatement result = make(StatementKind::kMerge);
  take();
  change_top(result.get());
  accept_word("INTO");
  auto join = std::make_shared<TableRef>();
  join->kind = TableRef::Kind::kJoin;
  join->right = merge_target(result.get());
  expect_word("USING");
  join->left = merge_source();
  expect_word("ON");
  join->on = condition();
  while (peek().is_word("WHEN")) {
    result->merge.push_back(merge_clause());
  }
  if (result->merge.empty()) {
    fail();
  }
  check_clauses(*result);
  const bool adds = has_clause(*result, MergeClause::When::kNotMatched);
  const bool by_source = has_clause(*result, MergeClause::When::kNotMatchedBySource);
  join->join = adds && by_source ? JoinKind::kFull
               : adds            ? JoinKind::kLeft
               : by_source       ? JoinKind::kRight
                                 : JoinKind::kInner;
  result->from = {join};
  output_clause(result.get());
  option_clause();
  if (!peek().is_operator(";")) {
    throw SqlError(10713, 15, 1, "A MERGE statement must be terminated by a semi-colon (;).");
  }
  return result;
}

TableRefPtr Parser::merge_target(Statement* merge) {
  auto target = std::make_shared<TableRef>();
  if (peek().kind == TokenKind::kVariable) {
    target->kind = TableRef::Kind::kVariable;
    target->name.parts = {take().text};
  } else {
    target->name = name();
  }
  table_hints(&merge->hints);
  const bool is_named = accept_word("AS");
  if (is_named || !peek().is_word("USING")) {
    target->alias = identifier();
  }
  merge->name = target->alias.empty() ? target->name : Name{{target->alias}};
  return target;
}

// What is merged, with a column that is NULL only where a target row has no source row.
TableRefPtr Parser::merge_source() {
  const TableRefPtr source = table_primary();
  auto query = std::make_shared<Query>();
  query->core.emplace();
  query->core->items = {{star(), {}, {}}, {one(), std::string(kMergeMark), {}}};
  query->core->from = {source};
  auto marked = std::make_shared<TableRef>();
  marked->kind = TableRef::Kind::kDerived;
  marked->query = query;
  marked->alias =
      !source->alias.empty() || source->name.empty() ? source->alias : source->name.last();
  return marked;
}

MergeClause Parser::merge_clause() {
  MergeClause clause;
  expect_word("WHEN");
  if (accept_word("NOT")) {
    clause.when = MergeClause::When::kNotMatched;
  }
  expect_word("MATCHED");
  if (clause.when == MergeClause::When::kNotMatched && accept_word("BY")) {
    if (accept_word("SOURCE")) {
      clause.when = MergeClause::When::kNotMatchedBySource;
    } else {
      expect_word("TARGET");
    }
  }
  if (accept_word("AND")) {
    clause.condition = condition();
  }
  expect_word("THEN");
  if (accept_word("DELETE")) {
    clause.action = MergeClause::Action::kDelete;
  } else if (accept_word("UPDATE")) {
    expect_word("SET");
    do {
      clause.assignments.push_back(assignment());
    } while (accept(","));
  } else {
    expect_word("INSERT");
    clause.action = MergeClause::Action::kInsert;
    if (accept("(")) {
      clause.columns = identifier_list();
      expect(")");
    }
    clause.default_values = accept_words("DEFAULT", "VALUES");
    if (!clause.default_values) {
      expect_word("VALUES");
      expect("(");
      do {
        clause.values.push_back(expression());
      } while (accept(","));
      expect(")");
    }
  }
  return clause;
}

}  // namespace dstream::standin::sql
