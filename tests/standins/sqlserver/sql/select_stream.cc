// Running a SELECT: the stages behind FROM.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "tests/standins/sqlserver/sql/aggregate.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/select_plan.h"
#include "tests/standins/sqlserver/sql/session.h"

namespace dstream::standin::sql {

class SelectStream final : public RowStream {
 public:
  SelectStream(const SelectPlan& plan, const EvaluationContext* outer)
      : plan_(plan), limit_(plan.limit(outer)) {
    plan.prepare_state(&state_, outer);
    if (plan.from_ != nullptr) {
      from_ = open_from(*plan.from_, &state_);
    }
  }

  bool next(std::vector<SqlValue>* row) override {
    if (!is_open_) {
      open();
    }
    while (limit_.count != 0 && next_output(row)) {
      if (limit_.offset > 0) {
        --limit_.offset;
        continue;
      }
      limit_.count -= limit_.count > 0 ? 1 : 0;
      return true;
    }
    return false;
  }

 private:
  struct Sorted {
    std::string key;
    std::vector<SqlValue> row;
  };

  void open() {
    is_open_ = true;
    if (limit_.count == 0) {
      return;
    }
    if (from_ != nullptr) {
      from_->open();
    }
    const bool must_sort = !plan_.order_.empty() && !plan_.is_presorted_;
    is_kept_ = plan_.is_grouped_ || !plan_.windows_.empty();
    if (is_kept_) {
      keep_stage_rows();
    }
    if (must_sort || limit_.percent || plan_.with_ties_) {
      sort_output();
    }
  }

  // FROM and WHERE: the flat row is in state_.row.
  bool next_flat() {
    if (from_ != nullptr) {
      return from_->next();
    }
    if (is_single_done_) {
      return false;
    }
    is_single_done_ = true;
    return std::all_of(plan_.constant_where_.begin(), plan_.constant_where_.end(),
                       [this](const BoundCondition& condition) {
                         return condition.evaluate(state_.context) == Truth::kTrue;
                       });
  }

  void keep_stage_rows() {
    if (plan_.is_grouped_) {
      group();
    } else {
      while (next_flat()) {
        stage_.push_back(state_.row);
      }
    }
    windows_ = compute_windows(plan_.windows_, stage_, state_.context);
  }

  void group() {
    std::map<std::string, size_t> groups;
    std::vector<std::vector<SqlValue>> keys;
    std::vector<GroupState> states;
    const Grouping& grouping = plan_.grouping_;
    while (next_flat()) {
      std::vector<SqlValue> key_values;
      std::string key;
      for (const BoundValue& value : grouping.bound_keys) {
        key_values.push_back(value.evaluate(state_.context));
        append_key(value.type, key_values.back(), false, &key);
      }
      const auto [it, is_new] = groups.emplace(std::move(key), states.size());
      if (is_new) {
        keys.push_back(std::move(key_values));
        states.emplace_back(grouping.aggregates);
      }
      states[it->second].add(state_.context);
      if (plan_.first_row_only_ && states[0].has_value()) {
        break;
      }
    }
    if (states.empty() && grouping.keys.empty()) {
      keys.emplace_back();
      states.emplace_back(grouping.aggregates);
    }
    EvaluationContext context = state_.context;
    for (const auto& [key, i] : groups_in_order(groups, states.size())) {
      std::vector<SqlValue> row = std::move(keys[i]);
      states[i].results(&row);
      context.row = row.data();
      if (!plan_.having_ || plan_.having_->evaluate(context) == Truth::kTrue) {
        stage_.push_back(std::move(row));
      }
    }
  }

  static std::vector<std::pair<std::string, size_t>> groups_in_order(
      const std::map<std::string, size_t>& groups, size_t count) {
    std::vector<std::pair<std::string, size_t>> result(groups.begin(), groups.end());
    if (result.empty() && count == 1) {
      result.emplace_back("", 0);
    }
    return result;
  }

  // The context of the next stage row; false at the end.
  bool next_stage(EvaluationContext* context) {
    *context = state_.context;
    if (!is_kept_) {
      return next_flat();
    }
    if (at_ >= stage_.size()) {
      return false;
    }
    context->row = stage_[at_].data();
    context->windows = windows_[at_].data();
    ++at_;
    return true;
  }

  bool next_projected(std::vector<SqlValue>* row, std::string* sort_key) {
    EvaluationContext context;
    while (next_stage(&context)) {
      row->resize(plan_.items_.size());
      for (size_t i = 0; i < plan_.items_.size(); ++i) {
        (*row)[i] = plan_.items_[i].value.evaluate(context);
      }
      if (plan_.distinct_ && !seen_.insert(row_key(plan_.columns, *row)).second) {
        continue;
      }
      if (sort_key != nullptr) {
        for (const SortKey& key : plan_.order_) {
          if (key.output >= 0) {
            const auto output = static_cast<size_t>(key.output);
            append_key(plan_.columns[output].type, (*row)[output], key.descending, sort_key);
          } else {
            append_key(key.value.type, key.value.evaluate(context), key.descending, sort_key);
          }
        }
      }
      return true;
    }
    return false;
  }

  void sort_output() {
    is_sorted_ = true;
    Sorted entry;
    while (next_projected(&entry.row, &entry.key)) {
      sorted_.push_back(std::move(entry));
      entry = {};
    }
    std::stable_sort(sorted_.begin(), sorted_.end(),
                     [](const Sorted& a, const Sorted& b) { return a.key < b.key; });
    if (limit_.percent) {
      limit_.count = static_cast<int64_t>(
          std::ceil(static_cast<double>(limit_.count) / 1e8 * static_cast<double>(sorted_.size())));
    }
    if (plan_.with_ties_ && limit_.count > 0) {
      auto count = static_cast<size_t>(limit_.count);
      while (count < sorted_.size() && sorted_[count].key == sorted_[count - 1].key) {
        ++count;
      }
      limit_.count = static_cast<int64_t>(count);
    }
  }

  bool next_output(std::vector<SqlValue>* row) {
    if (!is_sorted_) {
      return next_projected(row, nullptr);
    }
    if (sorted_at_ >= sorted_.size()) {
      return false;
    }
    *row = std::move(sorted_[sorted_at_++].row);
    return true;
  }

  const SelectPlan& plan_;
  SelectPlan::Limit limit_;
  FromState state_;
  std::unique_ptr<FromIterator> from_;
  bool is_open_ = false;
  bool is_single_done_ = false;
  bool is_kept_ = false;
  bool is_sorted_ = false;
  std::vector<std::vector<SqlValue>> stage_;
  std::vector<std::vector<SqlValue>> windows_;
  size_t at_ = 0;
  std::set<std::string> seen_;
  std::vector<Sorted> sorted_;
  size_t sorted_at_ = 0;
};

std::unique_ptr<RowStream> SelectPlan::open(const EvaluationContext* outer) const {
  return std::make_unique<SelectStream>(*this, outer);
}

}  // namespace dstream::standin::sql
