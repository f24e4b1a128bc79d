#include "tests/standins/sqlserver/sql/select_plan.h"

#include <algorithm>
#include <array>

#include "tests/standins/sqlserver/sql/conversion_rules.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/lexer.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

bool source_matches(const Source& source, const Name& star) {
  if (star.parts.size() == 1) {
    return equal_names(source.alias, star.last());
  }
  return !source.name.empty() && equal_names(source.name.last(), star.last()) &&
         (source.name.before_last(1).empty() ||
          equal_names(source.name.before_last(1), star.before_last(1)));
}

// A column of a source by its place, whatever other sources call theirs.
ExpressionPtr column_expression(const Source& source, size_t column) {
  auto expression = std::make_shared<Expression>();
  expression->kind = ExpressionKind::kColumn;
  if (!source.alias.empty()) {
    expression->name.parts.push_back(source.alias);
  }
  expression->name.parts.push_back(source.columns[column].name);
  return expression;
}

int64_t row_limit(const BoundValue& value, const EvaluationContext& context,
                  std::string_view clause) {
  const SqlValue number = convert_value(value.evaluate(context), value.type, bigint_type());
  if (number.null || number.number < 0) {
    if (!number.null && clause.starts_with("TOP")) {
      throw SqlError(127, 15, 1, "A TOP N or FETCH rowcount value may not be negative.");
    }
    throw SqlError(1014, 15, 1, "A " + std::string(clause) + " clause contains an invalid value.");
  }
  return number.number;
}

}  // namespace

bool is_aggregate_name(std::string_view capitals) {
  static constexpr std::array<std::string_view, 12> kNames = {
      "COUNT", "COUNT_BIG", "SUM", "AVG",  "MIN",        "MAX",
      "STDEV", "STDEVP",    "VAR", "VARP", "STRING_AGG", "CHECKSUM_AGG"};
  return std::find(kNames.begin(), kNames.end(), capitals) != kNames.end();
}

bool contains_aggregate(const Expression& expression) {
  if (expression.kind == ExpressionKind::kCall && !expression.has_over &&
      expression.name.parts.size() == 1 && is_aggregate_name(upper_ascii(expression.name.last()))) {
    return true;
  }
  return std::any_of(expression.operands.begin(), expression.operands.end(),
                     [](const ExpressionPtr& operand) { return contains_aggregate(*operand); });
}

SelectPlan::SelectPlan(SqlSession* session, const SelectCore& core, const Query* query,
                       Scope* outer, const CommonTables* common_tables)
    : session_(session),
      distinct_(core.distinct),
      top_percent_(core.top_percent),
      with_ties_(core.with_ties) {
  scope_.outer = outer;
  scope_.common_tables = common_tables;
  bind_from(core);
  expand_items(core);
  bind_grouping(core, query);
  bind_items(core);
  bind_order(core, query);
  Binder binder(session_, &scope_);
  if (core.top != nullptr) {
    top_ = binder.value(core.top);
  }
  if (query != nullptr && query->offset != nullptr) {
    offset_ = binder.value(query->offset);
    fetch_ = query->fetch != nullptr ? std::optional(binder.value(query->fetch)) : std::nullopt;
  }
  for (const OutputItem& item : items_) {
    ResultColumn column;
    column.name = item.value.name;
    column.type = item.value.type;
    if (item.value.column >= 0) {
      column.identity = item.value.origin.identity;
      column.computed = item.value.origin.computed;
      column.key = item.value.origin.key;
      column.user_type_id = item.value.origin.user_type_id;
    }
    columns.push_back(std::move(column));
    untyped_null.push_back(item.value.is_null);
  }
  choose_order();
  choose_first_row();
}

void SelectPlan::bind_from(const SelectCore& core) {
  if (core.from.empty()) {
    if (core.where != nullptr) {
      constant_where_.push_back(Binder(session_, &scope_).condition(core.where));
    }
    return;
  }
  FromBuilder builder(session_, &scope_);
  from_ = builder.build(core.from);
  builder.finish(from_.get(), core.where);
}

void SelectPlan::expand_items(const SelectCore& core) {
  for (const SelectItem& item : core.items) {
    if (item.expression->kind != ExpressionKind::kStar) {
      expanded_.push_back(item);
      continue;
    }
    const Name& star = item.expression->name;
    bool found = false;
    for (const Source& source : scope_.sources) {
      if (!star.empty() && !source_matches(source, star)) {
        continue;
      }
      found = true;
      for (size_t i = 0; i < source.columns.size(); ++i) {
        SelectItem column;
        column.expression = column_expression(source, i);
        column.alias = source.columns[i].name;
        expanded_.push_back(std::move(column));
      }
    }
    if (!found) {
      if (star.empty()) {
        throw SqlError(263, 16, 1, "Must specify table to select from.");
      }
      throw SqlError(107, 15, 1,
                     "The column prefix '" + star.text() +
                         "' does not match with a table name or alias name used in the "
                         "query.");
    }
  }
}

void SelectPlan::bind_grouping(const SelectCore& core, const Query* query) {
  is_grouped_ = !core.group_by.empty() || core.having != nullptr;
  for (const SelectItem& item : expanded_) {
    is_grouped_ = is_grouped_ || contains_aggregate(*item.expression);
  }
  if (query != nullptr) {
    for (const OrderItem& item : query->order_by) {
      is_grouped_ = is_grouped_ || contains_aggregate(*item.expression);
    }
  }
  if (!is_grouped_) {
    return;
  }
  Binder binder(session_, &scope_);
  for (const ExpressionPtr& key : core.group_by) {
    BoundValue bound = binder.value(key);
    if (bound.is_literal) {
      throw SqlError(164, 15, 1,
                     "Each GROUP BY expression must contain at least one column that "
                     "is not an outer reference.");
    }
    check_sortable(bound.type, "GROUP BY");
    grouping_.keys.push_back(key);
    grouping_.bound_keys.push_back(std::move(bound));
  }
  scope_.grouping = &grouping_;
  if (core.having != nullptr) {
    having_ = binder.condition(core.having);
  }
}

void SelectPlan::bind_items(const SelectCore& core) {
  Binder binder(session_, &scope_);
  binder.set_windows(&windows_);
  for (const SelectItem& item : expanded_) {
    OutputItem output;
    output.value = binder.value(item.expression);
    if (!item.alias.empty()) {
      output.value.name = item.alias;
    } else if (item.expression->kind != ExpressionKind::kColumn) {
      output.value.name.clear();
    }
    if (output.value.is_null) {
      output.value.type = int_type();
    }
    if (!item.assign_to.empty()) {
      output.assign_to = fold_name(item.assign_to);
      if (!session_->variables->contains(output.assign_to)) {
        throw undeclared_variable(item.assign_to);
      }
    }
    items_.push_back(std::move(output));
  }
  const auto assigning = std::count_if(
      items_.begin(), items_.end(), [](const OutputItem& item) { return !item.assign_to.empty(); });
  if (assigning != 0 && static_cast<size_t>(assigning) != items_.size()) {
    throw SqlError(141, 15, 1,
                   "A SELECT statement that assigns a value to a variable must not be "
                   "combined with data-retrieval operations.");
  }
  assigns_ = assigning != 0;
  for (const OutputItem& item : items_) {
    if (core.distinct && !is_comparable(item.value.type)) {
      throw SqlError(421, 16, 1,
                     "The " + std::string(type_name(item.value.type.id)) +
                         " data type cannot be selected as DISTINCT because it is not "
                         "comparable.");
    }
  }
}

void SelectPlan::bind_order(const SelectCore& core, const Query* query) {
  if (query == nullptr) {
    return;
  }
  for (const OrderItem& item : query->order_by) {
    order_.push_back(sort_key(item, core));
    const SortKey& key = order_.back();
    check_sortable(
        key.output >= 0 ? items_[static_cast<size_t>(key.output)].value.type : key.value.type,
        "ORDER BY");
  }
}

SortKey SelectPlan::sort_key(const OrderItem& item, const SelectCore& core) {
  SortKey key;
  key.descending = item.descending;
  const Expression& expression = *item.expression;
  if (expression.kind == ExpressionKind::kLiteral && expression.type.id == TypeId::kInt) {
    const int64_t place = expression.value.number;
    if (place < 1 || place > static_cast<int64_t>(items_.size())) {
      throw SqlError(108, 16, 1,
                     "The ORDER BY position number " + std::to_string(place) +
                         " is out of range of the number of items in the select "
                         "list.");
    }
    key.output = static_cast<int>(place - 1);
    return key;
  }
  if (expression.kind == ExpressionKind::kColumn && expression.name.parts.size() == 1) {
    for (size_t i = 0; i < expanded_.size(); ++i) {
      if (!expanded_[i].alias.empty() && equal_names(expanded_[i].alias, expression.name.last())) {
        key.output = static_cast<int>(i);
        return key;
      }
    }
  }
  for (size_t i = 0; i < expanded_.size(); ++i) {
    if (same_expression(*expanded_[i].expression, expression) &&
        (expression.kind != ExpressionKind::kColumn ||
         expanded_[i].expression->name.text() == expression.name.text())) {
      key.output = static_cast<int>(i);
      return key;
    }
  }
  if (core.distinct) {
    throw SqlError(145, 15, 1,
                   "ORDER BY items must appear in the select list if SELECT DISTINCT "
                   "is specified.");
  }
  Binder binder(session_, &scope_);
  binder.set_windows(&windows_);
  key.value = binder.value(item.expression);
  return key;
}

// The order a single source can deliver by itself.
void SelectPlan::choose_order() {
  if (order_.empty()) {
    return;
  }
  if (from_ == nullptr || !from_->is_leaf || is_grouped_ || distinct_ || !windows_.empty()) {
    return;
  }
  const std::vector<Ordering>& orderings = scope_.sources[0].relation->orderings();
  AccessPath& path = from_->path;
  bool backwards = false;
  for (size_t i = 0; i < orderings.size(); ++i) {
    if (path.is_seek && path.ordering != i) {
      continue;
    }
    if (order_matches(orderings[i], path.is_seek ? path.equal_parts : 0, &backwards)) {
      path.ordering = i;
      from_->backwards = backwards;
      is_presorted_ = true;
      return;
    }
  }
}

bool SelectPlan::order_matches(const Ordering& ordering, size_t fixed_parts,
                               bool* backwards) const {
  size_t part = 0;
  bool decided = false;
  for (const SortKey& key : order_) {
    const BoundValue& value =
        key.output >= 0 ? items_[static_cast<size_t>(key.output)].value : key.value;
    if (value.column < 0) {
      return false;
    }
    // Parts fixed to one value order nothing.
    while (part < ordering.parts.size() && part < fixed_parts &&
           ordering.parts[part].column != static_cast<size_t>(value.column)) {
      ++part;
    }
    if (part >= ordering.parts.size()) {
      // Behind the last part of a unique key nothing is left to order.
      return ordering.is_unique && decided;
    }
    if (ordering.parts[part].column != static_cast<size_t>(value.column)) {
      return false;
    }
    const bool reversed = ordering.parts[part].descending != key.descending;
    if (decided && reversed != *backwards) {
      return false;
    }
    *backwards = reversed;
    decided = true;
    ++part;
  }
  return decided;
}

// SELECT MAX(x) FROM t reads the last key, not the table.
void SelectPlan::choose_first_row() {
  if (!is_grouped_ || !grouping_.keys.empty() || grouping_.aggregates.size() != 1 ||
      from_ == nullptr || !from_->is_leaf) {
    return;
  }
  const Aggregate& aggregate = grouping_.aggregates[0];
  const bool is_max = aggregate.function == "MAX";
  if ((!is_max && aggregate.function != "MIN") || aggregate.argument.column < 0) {
    return;
  }
  const auto column = static_cast<size_t>(aggregate.argument.column);
  const std::vector<Ordering>& orderings = scope_.sources[0].relation->orderings();
  AccessPath& path = from_->path;
  for (size_t i = 0; i < orderings.size(); ++i) {
    const size_t part = path.is_seek ? path.equal_parts : 0;
    if ((path.is_seek && path.ordering != i) || part >= orderings[i].parts.size() ||
        orderings[i].parts[part].column != column) {
      continue;
    }
    path.ordering = i;
    from_->backwards = is_max != orderings[i].parts[part].descending;
    first_row_only_ = true;
    return;
  }
}

void SelectPlan::prepare_state(FromState* state, const EvaluationContext* outer) const {
  state->session = session_;
  state->scope = &scope_;
  state->row.resize(scope_.width());
  state->needed.assign(scope_.width(), -1);
  for (size_t i = 0; i < scope_.width(); ++i) {
    state->needed[i] = scope_.used[i] ? static_cast<int>(i) : -1;
  }
  state->context = {session_, state->row.data(), outer};
}

SelectPlan::Limit SelectPlan::limit(const EvaluationContext* outer) const {
  Limit result;
  const EvaluationContext context{session_, nullptr, outer};
  if (top_) {
    if (top_percent_) {
      const SqlValue share = convert_value(top_->evaluate(context), top_->type, float_type());
      if (share.null || share.real < 0 || share.real > 100) {
        throw SqlError(1031, 15, 1, "Percent values must be between 0 and 100.");
      }
      result.percent = true;
      result.count = static_cast<int64_t>(share.real * 1e6);  // millionths of a percent
    } else {
      result.count = row_limit(*top_, context, "TOP or FETCH");
    }
  }
  if (offset_) {
    result.offset = row_limit(*offset_, context, "OFFSET");
  }
  if (fetch_) {
    result.count = row_limit(*fetch_, context, "FETCH");
  }
  if (session_->options().row_count > 0 && scope_.outer == nullptr) {
    const int64_t most = session_->options().row_count;
    result.count = result.count < 0 ? most : std::min(result.count, most);
  }
  return result;
}

std::vector<uint16_t> SelectPlan::sorted_columns() const {
  std::vector<uint16_t> result;
  for (const SortKey& key : order_) {
    int output = key.output;
    for (size_t i = 0; output < 0 && i < items_.size(); ++i) {
      output = items_[i].value.column >= 0 && items_[i].value.column == key.value.column
                   ? static_cast<int>(i)
                   : -1;
    }
    result.push_back(static_cast<uint16_t>(output + 1));
  }
  return result;
}

std::optional<std::vector<uint16_t>> SelectPlan::token_columns() const {
  if (from_ == nullptr || !from_->is_leaf || is_grouped_ || distinct_ || !windows_.empty() ||
      assigns_ || (!order_.empty() && !is_presorted_) || top_percent_ || with_ties_ ||
      scope_.sources[0].relation->layout() == nullptr) {
    return std::nullopt;
  }
  std::vector<uint16_t> picks;
  for (const OutputItem& item : items_) {
    if (item.value.column < 0) {
      return std::nullopt;
    }
    picks.push_back(static_cast<uint16_t>(item.value.column));
  }
  return picks;
}

const RowLayout& SelectPlan::token_layout() const { return *scope_.sources[0].relation->layout(); }

void SelectPlan::stream_tokens(const std::function<bool(std::string_view)>& emit) const {
  FromState state;
  prepare_state(&state, nullptr);
  Limit rows = limit(nullptr);
  bool exact = true;
  const std::unique_ptr<Cursor> cursor = open_leaf(*from_, &state, &exact);
  std::vector<const BoundCondition*> conditions;
  for (size_t i = 0; i < from_->conditions.size(); ++i) {
    const auto& covered = from_->path.covered;
    if (!exact || std::find(covered.begin(), covered.end(), i) == covered.end()) {
      conditions.push_back(&from_->conditions[i]);
    }
  }
  std::string_view token;
  while (rows.count != 0 && cursor->next_token(&token)) {
    if (!conditions.empty()) {
      cursor->decode(state.row.data());
      if (!std::all_of(conditions.begin(), conditions.end(), [&](const BoundCondition* c) {
            return c->evaluate(state.context) == Truth::kTrue;
          })) {
        continue;
      }
    }
    if (rows.offset > 0) {
      --rows.offset;
      continue;
    }
    rows.count -= rows.count > 0 ? 1 : 0;
    if (!emit(token)) {
      return;
    }
  }
}

}  // namespace dstream::standin::sql
