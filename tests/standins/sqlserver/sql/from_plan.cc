#include "tests/standins/sqlserver/sql/from_plan.h"

#include <algorithm>

#include "tests/standins/sqlserver/sql/computed_relation.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/lateral_function.h"
#include "tests/standins/sqlserver/sql/recursion.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {

const Query::CommonTable* CommonTables::find(std::string_view name,
                                             const CommonTables** scope) const {
  for (const CommonTables* level = this; level != nullptr; level = level->outer) {
    for (size_t i = level->count; i-- > 0;) {
      if (equal_names((*level->tables)[i].name, name)) {
        *scope = level;
        return &(*level->tables)[i];
      }
    }
  }
  return nullptr;
}

std::shared_ptr<const Relation> CommonTables::recursion(std::string_view name) const {
  for (const CommonTables* level = this; level != nullptr; level = level->outer) {
    if (level->rows != nullptr && equal_names(level->self, name)) {
      return level->rows;
    }
  }
  return nullptr;
}

std::unique_ptr<FromNode> FromBuilder::build(const std::vector<TableRefPtr>& from) {
  std::unique_ptr<FromNode> root;
  for (const TableRefPtr& ref : from) {
    std::unique_ptr<FromNode> node = build_one(*ref);
    if (root == nullptr) {
      root = std::move(node);
      continue;
    }
    auto join = std::make_unique<FromNode>();
    join->is_leaf = false;
    join->join = JoinKind::kCross;
    join->sources = root->sources | node->sources;
    join->left = std::move(root);
    join->right = std::move(node);
    root = std::move(join);
  }
  return root;
}

std::unique_ptr<FromNode> FromBuilder::build_target(const Name& name,
                                                    std::shared_ptr<const Relation> relation) {
  Source source;
  source.alias = name.last();
  source.name = name;
  source.columns = relation->columns();
  source.relation = std::move(relation);
  source.is_target = true;
  return add_source(std::move(source), TableRef{});
}

std::unique_ptr<FromNode> FromBuilder::add_source(Source source, const TableRef& ref) {
  if (!ref.column_aliases.empty()) {
    if (ref.column_aliases.size() != source.columns.size()) {
      throw SqlError(8158, 16, 1,
                     "'" + source.alias +
                         "' has more columns than were specified in "
                         "the column list.");
    }
    for (size_t i = 0; i < source.columns.size(); ++i) {
      source.columns[i].name = ref.column_aliases[i];
    }
  }
  if (!source.alias.empty()) {
    for (const Source& other : scope_->sources) {
      if (equal_names(other.alias, source.alias) &&
          (ref.alias.empty() ? other.name.text() == source.name.text() : true)) {
        throw SqlError(1013, 16, 1,
                       "The objects \"" + other.alias + "\" and \"" + source.alias +
                           "\" in the FROM clause have the same exposed names. Use "
                           "correlation names to distinguish them.");
      }
    }
  }
  auto node = std::make_unique<FromNode>();
  node->source = scope_->sources.size();
  node->sources = uint64_t{1} << node->source;
  scope_->add(std::move(source));
  return node;
}

std::shared_ptr<const Relation> FromBuilder::function_relation(const TableRef& ref) {
  Database& database = session_->database_of(ref.name);
  const std::string schema = ref.name.before_last(1);
  const std::string folded =
      fold_name(schema.empty() ? ref.name.last() : schema + "." + ref.name.last());
  const TableFunction* function = session_->engine().find_table_function(folded);
  if (function == nullptr && session_->engine().table_function_finder()) {
    function = session_->engine().table_function_finder()(database, schema, ref.name.last());
  }
  if (function == nullptr) {
    throw invalid_object(ref.name.text());
  }
  std::vector<BoundValue> arguments;
  std::vector<SqlType> types;
  Scope none;
  none.common_tables = scope_->common_tables;
  Binder binder(session_, is_lateral_ ? scope_ : &none);
  uint64_t sources = 0;
  std::vector<bool> is_constant;
  for (const ExpressionPtr& argument : ref.arguments) {
    // A column of the query around this one makes an argument as variable as one of this.
    const uint64_t outer_before = scope_->outer_sources;
    scope_->outer_sources = 0;
    arguments.push_back(binder.value(argument));
    is_constant.push_back(arguments.back().sources == 0 && scope_->outer_sources == 0);
    scope_->outer_sources |= outer_before;
    sources |= arguments.back().sources;
    types.push_back(arguments.back().is_null ? nvarchar_type(1) : arguments.back().type);
  }
  std::vector<SqlValue> values(arguments.size());
  const EvaluationContext context{session_, nullptr, nullptr};
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (is_constant[i]) {
      values[i] = arguments[i].evaluate(context);
    }
  }
  lateral_sources_ |= sources;
  if (std::find(is_constant.begin(), is_constant.end(), false) != is_constant.end()) {
    // The columns are those of a call without values; rows come with each row of the left.
    auto shape = function->make(*session_, database, values, types);
    return std::make_shared<LateralFunction>(
        shape->columns(), std::move(arguments),
        [function, session = session_, &database, types](std::span<const SqlValue> row) {
          return function->make(*session, database, row, types);
        });
  }
  return function->make(*session_, database, values, types);
}

std::shared_ptr<const Relation> FromBuilder::relation_of(const TableRef& ref, Source* source) {
  switch (ref.kind) {
    case TableRef::Kind::kDerived: {
      // Only behind APPLY does a derived table see the tables further left.
      Scope* outer = is_lateral_ ? scope_ : nullptr;
      auto plan =
          std::make_shared<const QueryPlan>(session_, *ref.query, outer, scope_->common_tables);
      lateral_sources_ |= plan->outer_sources();
      return std::make_shared<PlanRelation>(std::move(plan));
    }
    case TableRef::Kind::kValues: {
      Query values;
      values.values = ref.rows;
      auto plan = std::make_shared<const QueryPlan>(
          session_, values, is_lateral_ ? scope_ : nullptr, scope_->common_tables);
      lateral_sources_ |= plan->outer_sources();
      return std::make_shared<PlanRelation>(std::move(plan));
    }
    case TableRef::Kind::kFunction:
      source->name = ref.name;
      return function_relation(ref);
    case TableRef::Kind::kVariable: {
      const auto it = session_->variables->find(fold_name(ref.name.last()));
      if (it == session_->variables->end() || it->second.table == nullptr) {
        throw SqlError(1087, 15, 2, "Must declare the table variable \"" + ref.name.last() + "\".");
      }
      return make_table_relation(session_, it->second.table);
    }
    default:
      break;
  }
  source->name = ref.name;
  if (ref.name.parts.size() == 1 && scope_->common_tables != nullptr) {
    if (auto rows = scope_->common_tables->recursion(ref.name.last())) {
      return rows;
    }
    const CommonTables* level = nullptr;
    if (const auto* common = scope_->common_tables->find(ref.name.last(), &level)) {
      // It sees the common tables before it, and those around its own WITH.
      CommonTables before = *level;
      before.count = static_cast<size_t>(common - level->tables->data());
      if (is_recursive(*common)) {
        return recursive_relation(session_, *common, before);
      }
      auto plan = std::make_shared<const QueryPlan>(session_, *common->query, nullptr, &before);
      auto relation = std::make_shared<PlanRelation>(std::move(plan));
      source->columns = relation->columns();
      name_columns(*common, &source->columns);
      return relation;
    }
  }
  return session_->relation(ref.name);
}

std::unique_ptr<FromNode> FromBuilder::build_one(const TableRef& ref) {
  if (ref.kind != TableRef::Kind::kJoin) {
    Source source;
    source.relation = relation_of(ref, &source);
    source.alias = !ref.alias.empty()    ? ref.alias
                   : source.name.empty() ? std::string()
                                         : source.name.last();
    if (source.columns.empty()) {
      source.columns = source.relation->columns();
    }
    for (const ResultColumn& column : source.columns) {
      if (column.name.empty() && ref.column_aliases.empty()) {
        throw SqlError(8155, 16, 2,
                       "No column name was specified for column " +
                           std::to_string(&column - source.columns.data() + 1) + " of '" +
                           source.alias + "'.");
      }
    }
    const bool exclusive =
        std::find(ref.hints.begin(), ref.hints.end(), "TABLOCKX") != ref.hints.end();
    const bool shared = std::find(ref.hints.begin(), ref.hints.end(), "TABLOCK") != ref.hints.end();
    if (exclusive || shared) {
      const TablePtr table = source.relation->base_table();
      // A secondary replica ignores hints.
      if (table != nullptr &&
          (table->database == nullptr || !session_->is_read_only(*table->database))) {
        session_->lock_table(table, exclusive ? TableLock::kExclusive : TableLock::kShared);
      }
    }
    if (!target_.empty() && source.relation->base_table() != nullptr &&
        (equal_names(source.alias, target_.last()) ||
         (!source.name.empty() && equal_names(source.name.last(), target_.last())))) {
      source.is_target = true;
      target_ = {};
    }
    return add_source(std::move(source), ref);
  }
  if (ref.join == JoinKind::kCrossApply || ref.join == JoinKind::kOuterApply) {
    return build_apply(ref);
  }
  auto node = std::make_unique<FromNode>();
  node->is_leaf = false;
  node->join = ref.join;
  node->left = build_one(*ref.left);
  node->right = build_one(*ref.right);
  if (ref.join == JoinKind::kRight) {
    std::swap(node->left, node->right);
    node->join = JoinKind::kLeft;
  }
  node->sources = node->left->sources | node->right->sources;
  if (node->join == JoinKind::kLeft || node->join == JoinKind::kFull) {
    make_nullable(node->right->sources);
  }
  if (node->join == JoinKind::kFull) {
    make_nullable(node->left->sources);
  }
  split_conjuncts(ref.on, &node->conjuncts);
  return node;
}

// The right side is evaluated for each row of the left.
std::unique_ptr<FromNode> FromBuilder::build_apply(const TableRef& ref) {
  auto node = std::make_unique<FromNode>();
  node->is_leaf = false;
  const bool outer = ref.join == JoinKind::kOuterApply;
  node->join = outer ? JoinKind::kLeft : JoinKind::kInner;
  node->left = build_one(*ref.left);
  if (ref.right->kind == TableRef::Kind::kJoin) {
    throw not_understood("APPLY of a join in parentheses");
  }
  const bool was_lateral = is_lateral_;
  is_lateral_ = true;
  lateral_sources_ = 0;
  node->right = build_one(*ref.right);
  is_lateral_ = was_lateral;
  if ((lateral_sources_ & ~node->left->sources) != 0) {
    throw not_understood("APPLY that reads a table not on its left side");
  }
  node->right->is_lateral = true;
  node->sources = node->left->sources | node->right->sources;
  if (outer) {
    make_nullable(node->right->sources);
  }
  return node;
}

// An outer join may find no row there.
void FromBuilder::make_nullable(uint64_t sources) {
  for (size_t i = 0; i < scope_->sources.size(); ++i) {
    if ((sources >> i & 1) != 0) {
      for (ResultColumn& column : scope_->sources[i].columns) {
        column.type.nullable = true;
      }
    }
  }
}

void FromBuilder::finish(FromNode* root, const ExpressionPtr& where) {
  std::vector<ExpressionPtr> conjuncts;
  split_conjuncts(where, &conjuncts);
  Binder binder(session_, scope_);
  for (const ExpressionPtr& conjunct : conjuncts) {
    push_down(root, conjunct, binder.condition(conjunct).sources, true);
  }
  bind(root, 0);
}

void FromBuilder::push_down(FromNode* node, const ExpressionPtr& conjunct, uint64_t sources,
                            bool is_where) {
  if (node->is_leaf) {
    node->conjuncts.push_back(conjunct);
    return;
  }
  const bool inner = node->join == JoinKind::kInner || node->join == JoinKind::kCross;
  const bool on_left = sources != 0 && (sources & ~node->left->sources) == 0;
  const bool on_right = sources != 0 && (sources & ~node->right->sources) == 0;
  if (on_left && (inner || node->join == JoinKind::kLeft)) {
    push_down(node->left.get(), conjunct, sources, is_where);
  } else if (on_right && inner) {
    push_down(node->right.get(), conjunct, sources, is_where);
  } else if (inner) {
    node->conjuncts.push_back(conjunct);
  } else {
    node->post_conjuncts.push_back(conjunct);
  }
}

void FromBuilder::bind(FromNode* node, uint64_t available) {
  Binder binder(session_, scope_);
  if (!node->is_leaf) {
    bind_join(node, available);
    return;
  }
  node->path = choose_path(session_, scope_, node->source, node->conjuncts, available);
  for (const ExpressionPtr& conjunct : node->conjuncts) {
    node->conditions.push_back(binder.condition(conjunct));
  }
}

void FromBuilder::bind_join(FromNode* node, uint64_t available) {
  Binder binder(session_, scope_);
  const bool inner = node->join == JoinKind::kInner || node->join == JoinKind::kCross;
  // Conditions on one side alone are checked there.
  std::vector<ExpressionPtr> own;
  for (const ExpressionPtr& conjunct : node->conjuncts) {
    const uint64_t sources = binder.condition(conjunct).sources;
    if (sources != 0 && (sources & ~node->right->sources) == 0 && node->join != JoinKind::kFull) {
      push_down(node->right.get(), conjunct, sources, false);
    } else if (sources != 0 && (sources & ~node->left->sources) == 0 && inner) {
      push_down(node->left.get(), conjunct, sources, false);
    } else {
      own.push_back(conjunct);
    }
  }
  node->conjuncts = std::move(own);
  bind(node->left.get(), available);
  bind(node->right.get(), available | node->left->sources);
  for (const ExpressionPtr& conjunct : node->conjuncts) {
    node->conditions.push_back(binder.condition(conjunct));
  }
  for (const ExpressionPtr& conjunct : node->post_conjuncts) {
    node->post_conditions.push_back(binder.condition(conjunct));
  }
  if (node->join == JoinKind::kFull) {
    return;
  }
  if (node->right->is_leaf) {
    std::vector<ExpressionPtr> all = node->right->conjuncts;
    all.insert(all.end(), node->conjuncts.begin(), node->conjuncts.end());
    AccessPath path =
        choose_path(session_, scope_, node->right->source, all, available | node->left->sources);
    if (path.is_seek && path.equal_parts > 0) {
      // The leaf's own conditions are checked again: covered indexes are of another list.
      path.covered.clear();
      node->right->path = std::move(path);
      return;
    }
  }
  find_hash_keys(node);
}

void FromBuilder::find_hash_keys(FromNode* node) {
  Binder binder(session_, scope_);
  for (const ExpressionPtr& conjunct : node->conjuncts) {
    if (conjunct->kind != ExpressionKind::kCompare || conjunct->text != "=") {
      continue;
    }
    BoundValue a = binder.value(conjunct->operands[0]);
    BoundValue b = binder.value(conjunct->operands[1]);
    if ((a.sources & ~node->left->sources) != 0) {
      std::swap(a, b);
    }
    if (a.sources == 0 || b.sources == 0 || (a.sources & ~node->left->sources) != 0 ||
        (b.sources & ~node->right->sources) != 0) {
      continue;
    }
    const SqlType type = comparison_type(a, b);
    node->left_keys.push_back(binder.converted(std::move(a), type));
    node->right_keys.push_back(binder.converted(std::move(b), type));
  }
}

}  // namespace dstream::standin::sql
