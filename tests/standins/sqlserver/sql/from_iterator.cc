// Running FROM: scans, joins.
#include <algorithm>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/from_plan.h"
#include "tests/standins/sqlserver/sql/session.h"

namespace dstream::standin::sql {
namespace {

bool holds(const std::vector<BoundCondition>& conditions, const EvaluationContext& context) {
  for (const BoundCondition& condition : conditions) {
    if (condition.evaluate(context) != Truth::kTrue) {
      return false;
    }
  }
  return true;
}

// Flat columns of all sources under a node.
void collect_columns(const FromNode& node, const Scope& scope, std::vector<size_t>* columns) {
  if (!node.is_leaf) {
    collect_columns(*node.left, scope, columns);
    collect_columns(*node.right, scope, columns);
    return;
  }
  const Source& source = scope.sources[node.source];
  for (size_t i = 0; i < source.columns.size() + (source.is_target ? 1 : 0); ++i) {
    columns->push_back(source.first + i);
  }
}

class LeafIterator final : public FromIterator {
 public:
  LeafIterator(const FromNode& node, FromState* state) : node_(node), state_(state) {
    const Source& source = state->scope->sources[node.source];
    identity_ = source.is_target ? static_cast<int>(source.first + source.columns.size()) : -1;
    for (size_t i = 0; i < node.conditions.size(); ++i) {
      if (std::find(node.path.covered.begin(), node.path.covered.end(), i) ==
          node.path.covered.end()) {
        uncovered_.push_back(node.conditions[i]);
      }
    }
  }

  void open() override {
    bool exact = true;
    cursor_ = open_leaf(node_, state_, &exact);
    conditions_ = exact ? &uncovered_ : &node_.conditions;
  }

  bool next() override {
    while (cursor_->next(state_->row.data())) {
      if (holds(*conditions_, state_->context)) {
        if (identity_ >= 0) {
          const FetchedRow* row = cursor_->current();
          state_->row[static_cast<size_t>(identity_)] = SqlValue::of_text(row->key);
          state_->target_rows[row->key] = row->data;
        }
        return true;
      }
    }
    return false;
  }

 private:
  const FromNode& node_;
  FromState* state_;
  int identity_ = -1;
  std::unique_ptr<Cursor> cursor_;
  std::vector<BoundCondition> uncovered_;
  const std::vector<BoundCondition>* conditions_ = nullptr;
};

// Keeps its child's rows, so that a join may go over them again and again.
class KeptIterator final : public FromIterator {
 public:
  KeptIterator(const FromNode& node, FromState* state, const std::vector<BoundValue>& keys,
               const std::vector<BoundValue>& probes)
      : state_(state), child_(open_from(node, state)), keys_(keys), probes_(probes) {
    collect_columns(node, *state->scope, &columns_);
  }

  void open() override {
    if (!is_filled_) {
      fill();
    }
    at_ = 0;
    if (probes_.empty()) {
      return;
    }
    found_ = nullptr;
    std::string key;
    if (encode(probes_, &key)) {
      const auto it = by_key_.find(key);
      found_ = it == by_key_.end() ? nullptr : &it->second;
    }
  }

  bool next() override {
    const std::vector<SqlValue>* row = nullptr;
    if (probes_.empty()) {
      if (at_ >= rows_.size()) {
        return false;
      }
      row = &rows_[at_++];
      last_ = at_ - 1;
    } else {
      if (found_ == nullptr || at_ >= found_->size()) {
        return false;
      }
      last_ = (*found_)[at_++];
      row = &rows_[last_];
    }
    restore(*row);
    return true;
  }

  // For FULL JOIN: which row was delivered last, and all rows.
  size_t last() const { return last_; }
  size_t size() const { return rows_.size(); }
  void deliver(size_t row) { restore(rows_[row]); }

 private:
  void fill() {
    child_->open();
    while (child_->next()) {
      std::vector<SqlValue> row;
      row.reserve(columns_.size());
      for (const size_t column : columns_) {
        row.push_back(state_->row[column]);
      }
      std::string key;
      if (!keys_.empty() && encode(keys_, &key)) {
        by_key_[key].push_back(rows_.size());
      }
      rows_.push_back(std::move(row));
    }
    is_filled_ = true;
  }

  bool encode(const std::vector<BoundValue>& values, std::string* key) const {
    for (const BoundValue& value : values) {
      const SqlValue v = value.evaluate(state_->context);
      if (v.null) {
        return false;
      }
      append_key(value.type, v, false, key);
    }
    return true;
  }

  void restore(const std::vector<SqlValue>& row) {
    for (size_t i = 0; i < columns_.size(); ++i) {
      state_->row[columns_[i]] = row[i];
    }
  }

  FromState* state_;
  std::unique_ptr<FromIterator> child_;
  const std::vector<BoundValue>& keys_;
  const std::vector<BoundValue>& probes_;
  std::vector<size_t> columns_;
  std::vector<std::vector<SqlValue>> rows_;
  std::unordered_map<std::string, std::vector<size_t>> by_key_;
  const std::vector<size_t>* found_ = nullptr;
  bool is_filled_ = false;
  size_t at_ = 0;
  size_t last_ = 0;
};

class JoinIterator final : public FromIterator {
 public:
  JoinIterator(const FromNode& node, FromState* state)
      : node_(node), state_(state), left_(open_from(*node.left, state)) {
    const bool anew = node.right->is_leaf && node.right->is_lateral;
    const bool seeks = node.right->is_leaf && node.right->path.is_seek &&
                       node.right->path.equal_parts > 0 && node.join != JoinKind::kFull;
    if (seeks || anew) {
      right_ = open_from(*node.right, state);
    } else {
      auto kept =
          std::make_unique<KeptIterator>(*node.right, state, node.right_keys, node.left_keys);
      kept_ = kept.get();
      right_ = std::move(kept);
    }
    collect_columns(*node.right, *state->scope, &right_columns_);
    collect_columns(*node.left, *state->scope, &left_columns_);
  }

  void open() override {
    left_->open();
    has_left_ = false;
    rest_ = 0;
    is_draining_ = false;
    matched_.clear();
  }

  bool next() override {
    while (advance()) {
      if (holds(node_.post_conditions, state_->context)) {
        return true;
      }
    }
    return false;
  }

 private:
  bool advance() {
    while (!is_draining_) {
      if (!has_left_) {
        if (!left_->next()) {
          is_draining_ = true;
          break;
        }
        has_left_ = true;
        has_match_ = false;
        right_->open();
      }
      while (right_->next()) {
        if (holds(node_.conditions, state_->context)) {
          has_match_ = true;
          note_match();
          return true;
        }
      }
      has_left_ = false;
      if (!has_match_ && (node_.join == JoinKind::kLeft || node_.join == JoinKind::kFull)) {
        clear(right_columns_);
        return true;
      }
    }
    return node_.join == JoinKind::kFull && next_unmatched();
  }

  void note_match() {
    if (node_.join == JoinKind::kFull) {
      matched_.resize(kept_->size());
      matched_[kept_->last()] = true;
    }
  }

  bool next_unmatched() {
    kept_->open();
    matched_.resize(kept_->size());
    while (rest_ < matched_.size()) {
      const size_t row = rest_++;
      if (!matched_[row]) {
        clear(left_columns_);
        kept_->deliver(row);
        return true;
      }
    }
    return false;
  }

  void clear(const std::vector<size_t>& columns) {
    for (const size_t column : columns) {
      state_->row[column] = SqlValue{};
    }
  }

  const FromNode& node_;
  FromState* state_;
  std::unique_ptr<FromIterator> left_, right_;
  KeptIterator* kept_ = nullptr;
  std::vector<size_t> left_columns_, right_columns_;
  std::vector<bool> matched_;
  bool has_left_ = false;
  bool has_match_ = false;
  bool is_draining_ = false;
  size_t rest_ = 0;
};

}  // namespace

std::unique_ptr<Cursor> open_leaf(const FromNode& leaf, FromState* state, bool* exact) {
  const Source& source = state->scope->sources[leaf.source];
  ScanRequest request;
  request.ordering = leaf.path.ordering;
  request.range = leaf.path.range(*source.relation, state->context, exact);
  request.descending = leaf.backwards;
  request.needed = std::span<const int>(state->needed).subspan(source.first, source.columns.size());
  request.view = state->session->read_view();
  request.for_update = state->for_update && source.is_target;
  request.out = state->session->out;
  request.context = &state->context;
  request.wait = [session = state->session](const std::function<uint64_t()>& blocker) {
    session->wait(blocker);
  };
  return source.relation->open(request);
}

std::unique_ptr<FromIterator> open_from(const FromNode& node, FromState* state) {
  if (node.is_leaf) {
    return std::make_unique<LeafIterator>(node, state);
  }
  return std::make_unique<JoinIterator>(node, state);
}

}  // namespace dstream::standin::sql
