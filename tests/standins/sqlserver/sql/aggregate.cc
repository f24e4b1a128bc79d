#include "tests/standins/sqlserver/sql/aggregate.h"

#include <algorithm>
#include <cmath>

#include "tests/standins/sqlserver/sql/conversion_rules.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

class Counter final : public Accumulator {
 public:
  explicit Counter(bool narrow) : narrow_(narrow) {}
  void add(const SqlValue&) override { ++count_; }
  SqlValue result() const override {
    if (narrow_ && count_ > 2147483647) {
      throw arithmetic_overflow("expression", "int");
    }
    return SqlValue::of_number(count_);
  }

 private:
  bool narrow_;
  int64_t count_ = 0;
};

class Extreme final : public Accumulator {
 public:
  Extreme(SqlType type, bool is_max) : type_(type), is_max_(is_max) {}
  void add(const SqlValue& value) override {
    if (best_.null) {
      best_ = value;
      return;
    }
    const int order = compare_values(type_, value, best_);
    if (is_max_ ? order > 0 : order < 0) {
      best_ = value;
    }
  }
  SqlValue result() const override { return best_; }

 private:
  SqlType type_;
  bool is_max_;
  SqlValue best_;
};

// SUM and AVG, exact for integers and decimals.
class Sum final : public Accumulator {
 public:
  Sum(SqlType argument, SqlType result, bool is_average)
      : argument_(argument), result_(result), is_average_(is_average) {}

  void add(const SqlValue& value) override {
    ++count_;
    if (family_of(result_.id) == Family::kReal) {
      real_ += double_of(argument_, value);
      return;
    }
    const Numeric number = numeric_of(argument_, value);
    const auto sum = sql::add(sum_, number, std::max(sum_.scale, number.scale));
    if (!sum) {
      throw arithmetic_overflow("expression", type_name(result_.id));
    }
    sum_ = *sum;
  }

  SqlValue result() const override {
    if (count_ == 0) {
      return {};
    }
    if (family_of(result_.id) == Family::kReal) {
      return SqlValue::of_real(is_average_ ? real_ / static_cast<double>(count_) : real_);
    }
    Numeric total = sum_;
    if (is_average_) {
      int precision = 0, scale = 0;
      decimal_shape(result_, &precision, &scale);
      const bool whole = family_of(result_.id) == Family::kInteger;
      total = divide(total, {count_, 0}, whole ? 0 : scale).value_or(Numeric{});
    }
    if (family_of(result_.id) == Family::kInteger) {
      const SqlType wide = decimal_type(38, 0);
      return convert_value(SqlValue::of_text(to_text(total)), wide, result_);
    }
    return value_of(total, result_, "expression");
  }

 private:
  SqlType argument_, result_;
  bool is_average_;
  Numeric sum_;
  double real_ = 0;
  int64_t count_ = 0;
};

class Spread final : public Accumulator {
 public:
  Spread(SqlType type, bool is_root, bool is_population)
      : type_(type), is_root_(is_root), is_population_(is_population) {}
  void add(const SqlValue& value) override {
    const double x = double_of(type_, value);
    ++count_;
    const double delta = x - mean_;
    mean_ += delta / static_cast<double>(count_);
    squares_ += delta * (x - mean_);
  }
  SqlValue result() const override {
    const int64_t divisor = is_population_ ? count_ : count_ - 1;
    if (divisor < 1) {
      return {};
    }
    const double variance = squares_ / static_cast<double>(divisor);
    return SqlValue::of_real(is_root_ ? std::sqrt(variance) : variance);
  }

 private:
  SqlType type_;
  bool is_root_, is_population_;
  int64_t count_ = 0;
  double mean_ = 0, squares_ = 0;
};

class Joined final : public Accumulator {
 public:
  Joined(SqlType type, std::string separator) : type_(type), separator_(std::move(separator)) {}
  void add(const SqlValue& value) override {
    if (!is_empty_) {
      text_ += separator_;
    }
    is_empty_ = false;
    text_ += convert_value(value, type_, nvarchar_type(kMaxLength)).text;
  }
  SqlValue result() const override { return is_empty_ ? SqlValue{} : SqlValue::of_text(text_); }

 private:
  SqlType type_;
  std::string separator_, text_;
  bool is_empty_ = true;
};

class Checksum final : public Accumulator {
 public:
  void add(const SqlValue& value) override {
    sum_ ^= static_cast<uint32_t>(value.number);
    is_empty_ = false;
  }
  SqlValue result() const override {
    return is_empty_ ? SqlValue{} : SqlValue::of_number(static_cast<int32_t>(sum_));
  }

 private:
  uint32_t sum_ = 0;
  bool is_empty_ = true;
};

struct WindowRow {
  std::string partition, order;
  size_t row = 0;
};

// Rank-like functions over one partition, already in order.
void rank_rows(const std::string& function, const std::vector<WindowRow>& sorted, size_t from,
               size_t to, size_t window, std::vector<std::vector<SqlValue>>* results) {
  int64_t rank = 0, dense = 0;
  for (size_t i = from; i < to; ++i) {
    const bool is_new = i == from || sorted[i].order != sorted[i - 1].order;
    dense += is_new ? 1 : 0;
    rank = is_new ? static_cast<int64_t>(i - from) + 1 : rank;
    const int64_t number = function == "ROW_NUMBER" ? static_cast<int64_t>(i - from) + 1
                           : function == "RANK"     ? rank
                                                    : dense;
    (*results)[sorted[i].row][window] = SqlValue::of_number(number);
  }
}

// Groups of NTILE: the first ones take what is left over.
void tile_rows(int64_t tiles, const std::vector<WindowRow>& sorted, size_t from, size_t to,
               size_t window, std::vector<std::vector<SqlValue>>* results) {
  if (tiles < 1) {
    throw SqlError(4116, 16, 1,
                   "The function 'ntile' takes only a positive int or bigint expression as its "
                   "input.");
  }
  const auto count = static_cast<int64_t>(to - from);
  const int64_t size = count / tiles, larger = count % tiles;
  for (size_t i = from; i < to; ++i) {
    const auto at = static_cast<int64_t>(i - from);
    const int64_t in_larger = larger * (size + 1);
    const int64_t tile =
        at < in_larger ? at / (size + 1) : larger + (size == 0 ? 0 : (at - in_larger) / size);
    (*results)[sorted[i].row][window] = SqlValue::of_number(tile + 1);
  }
}

// LAG, LEAD, FIRST_VALUE and LAST_VALUE over one partition.
class OffsetRows {
 public:
  OffsetRows(const WindowCall& call, const std::vector<WindowRow>& sorted,
             const std::vector<std::vector<SqlValue>>& rows, EvaluationContext context)
      : call_(call), sorted_(sorted), rows_(rows), context_(context) {}

  SqlValue value(size_t i, size_t from, size_t to) {
    if (call_.function == "FIRST_VALUE") {
      return argument(0, from);
    }
    if (call_.function == "LAST_VALUE") {
      // The frame ends with the last row of equal order.
      while (i + 1 < to && sorted_[i + 1].order == sorted_[i].order) {
        ++i;
      }
      return argument(0, i);
    }
    const SqlValue offset = call_.arguments.size() > 1 ? argument(1, i) : SqlValue::of_number(1);
    if (offset.null || offset.number < 0) {
      throw SqlError(8730, 16, 1,
                     "Offset parameter for Lag and Lead functions cannot be a negative value.");
    }
    const auto distance = static_cast<uint64_t>(offset.number);
    const bool back = call_.function == "LAG";
    if (back ? distance <= i - from : distance < to - i) {
      return argument(0, back ? i - distance : i + distance);
    }
    return call_.arguments.size() > 2 ? argument(2, i) : SqlValue{};
  }

 private:
  SqlValue argument(size_t number, size_t i) {
    context_.row = rows_[sorted_[i].row].data();
    return call_.arguments[number].evaluate(context_);
  }

  const WindowCall& call_;
  const std::vector<WindowRow>& sorted_;
  const std::vector<std::vector<SqlValue>>& rows_;
  EvaluationContext context_;
};

void compute_window(const WindowCall& call, size_t window,
                    const std::vector<std::vector<SqlValue>>& rows, EvaluationContext context,
                    std::vector<std::vector<SqlValue>>* results) {
  std::vector<WindowRow> sorted(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    context.row = rows[i].data();
    sorted[i].row = i;
    for (const BoundValue& value : call.partition_by) {
      append_key(value.type, value.evaluate(context), false, &sorted[i].partition);
    }
    for (const OrderKey& order : call.order_by) {
      append_key(order.value.type, order.value.evaluate(context), order.descending,
                 &sorted[i].order);
    }
  }
  std::stable_sort(sorted.begin(), sorted.end(), [](const WindowRow& a, const WindowRow& b) {
    return a.partition != b.partition ? a.partition < b.partition : a.order < b.order;
  });
  for (size_t from = 0; from < sorted.size();) {
    size_t to = from;
    while (to < sorted.size() && sorted[to].partition == sorted[from].partition) {
      ++to;
    }
    if (call.function == "NTILE") {
      context.row = rows[sorted[from].row].data();
      const SqlValue tiles = call.arguments[0].evaluate(context);
      tile_rows(tiles.null ? 0 : tiles.number, sorted, from, to, window, results);
    } else if (!call.arguments.empty() && !is_window_aggregate(call.function)) {
      OffsetRows offsets(call, sorted, rows, context);
      for (size_t i = from; i < to; ++i) {
        (*results)[sorted[i].row][window] = offsets.value(i, from, to);
      }
    } else if (!is_window_aggregate(call.function)) {
      rank_rows(call.function, sorted, from, to, window, results);
    } else {
      Aggregate aggregate;
      aggregate.function = call.function;
      aggregate.type = call.type;
      if (!call.arguments.empty()) {
        aggregate.argument = call.arguments[0];
      }
      const std::vector<Aggregate> one = {aggregate};
      GroupState state(one);
      // With ORDER BY the frame grows to the last row of equal order, else it is the partition.
      for (size_t i = from; i < to;) {
        size_t peers = i;
        while (peers < to && (call.order_by.empty() || sorted[peers].order == sorted[i].order)) {
          context.row = rows[sorted[peers].row].data();
          state.add(context);
          ++peers;
        }
        std::vector<SqlValue> value;
        state.results(&value);
        for (; i < peers; ++i) {
          (*results)[sorted[i].row][window] = value[0];
        }
      }
    }
    from = to;
  }
}

}  // namespace

bool is_window_aggregate(const std::string& function) {
  static constexpr std::string_view kOthers[] = {"ROW_NUMBER", "RANK", "DENSE_RANK",  "NTILE",
                                                 "LAG",        "LEAD", "FIRST_VALUE", "LAST_VALUE"};
  return std::find(std::begin(kOthers), std::end(kOthers), function) == std::end(kOthers);
}

SqlType aggregate_type(const std::string& function, const BoundValue& argument) {
  const Family family = family_of(argument.type.id);
  const auto refuse = [&]() -> SqlError {
    return {8117, 16, 1,
            "Operand data type " + std::string(type_name(argument.type.id)) + " is invalid for " +
                lower_text(function) + " operator."};
  };
  SqlType type = argument.type;
  if (function == "COUNT" || function == "CHECKSUM_AGG") {
    type = int_type();
  } else if (function == "COUNT_BIG") {
    type = bigint_type();
  } else if (function == "MIN" || function == "MAX") {
    if (type.id == TypeId::kBit || !is_comparable(type)) {
      throw refuse();
    }
  } else if (function == "STRING_AGG") {
    type =
        is_unicode(type.id) || family != Family::kText ? nvarchar_type(4000) : varchar_type(8000);
  } else if (function == "SUM" || function == "AVG") {
    if (type.id == TypeId::kBit ||
        (family != Family::kInteger && family != Family::kReal && family != Family::kDecimal)) {
      throw refuse();
    }
    if (family == Family::kInteger) {
      type = type.id == TypeId::kBigInt ? bigint_type() : int_type();
    } else if (family == Family::kReal) {
      type = float_type();
    } else if (type.id == TypeId::kMoney || type.id == TypeId::kSmallMoney) {
      type.id = TypeId::kMoney;
    } else {
      type = decimal_type(38, function == "SUM" ? type.scale : std::max<int>(type.scale, 6));
    }
  } else {
    if (family != Family::kInteger && family != Family::kReal && family != Family::kDecimal) {
      throw refuse();
    }
    type = float_type();
  }
  type.nullable = true;
  return type;
}

std::unique_ptr<Accumulator> make_accumulator(const Aggregate& aggregate) {
  const std::string& f = aggregate.function;
  const SqlType& argument = aggregate.argument.type;
  if (f == "COUNT" || f == "COUNT_BIG") {
    return std::make_unique<Counter>(f == "COUNT");
  }
  if (f == "MIN" || f == "MAX") {
    return std::make_unique<Extreme>(argument, f == "MAX");
  }
  if (f == "SUM" || f == "AVG") {
    return std::make_unique<Sum>(argument, aggregate.type, f == "AVG");
  }
  if (f == "STRING_AGG") {
    return std::make_unique<Joined>(argument, aggregate.separator);
  }
  if (f == "CHECKSUM_AGG") {
    return std::make_unique<Checksum>();
  }
  return std::make_unique<Spread>(argument, f.starts_with("STDEV"), f.ends_with("P"));
}

GroupState::GroupState(const std::vector<Aggregate>& aggregates) : aggregates_(&aggregates) {
  for (const Aggregate& aggregate : aggregates) {
    accumulators_.push_back(make_accumulator(aggregate));
  }
  seen_.resize(aggregates.size());
  ordered_.resize(aggregates.size());
}

void GroupState::add(const EvaluationContext& context) {
  for (size_t i = 0; i < accumulators_.size(); ++i) {
    const Aggregate& aggregate = (*aggregates_)[i];
    if (aggregate.argument.evaluate == nullptr) {
      accumulators_[i]->add(SqlValue{});
      continue;
    }
    const SqlValue value = aggregate.argument.evaluate(context);
    if (value.null) {
      continue;
    }
    has_value_ = true;
    if (aggregate.distinct) {
      std::string key;
      append_key(aggregate.argument.type, value, false, &key);
      if (!seen_[i].insert(std::move(key)).second) {
        continue;
      }
    }
    if (aggregate.order.empty()) {
      accumulators_[i]->add(value);
      continue;
    }
    std::string key;
    for (const OrderKey& order : aggregate.order) {
      append_key(order.value.type, order.value.evaluate(context), order.descending, &key);
    }
    ordered_[i].emplace_back(std::move(key), value);
  }
}

void GroupState::results(std::vector<SqlValue>* row) const {
  for (size_t i = 0; i < accumulators_.size(); ++i) {
    if ((*aggregates_)[i].order.empty()) {
      row->push_back(accumulators_[i]->result());
      continue;
    }
    auto sorted = ordered_[i];
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    const auto accumulator = make_accumulator((*aggregates_)[i]);
    for (const auto& [key, value] : sorted) {
      accumulator->add(value);
    }
    row->push_back(accumulator->result());
  }
}

std::vector<std::vector<SqlValue>> compute_windows(const std::vector<WindowCall>& windows,
                                                   const std::vector<std::vector<SqlValue>>& rows,
                                                   EvaluationContext context) {
  std::vector<std::vector<SqlValue>> results(rows.size(), std::vector<SqlValue>(windows.size()));
  for (size_t i = 0; i < windows.size(); ++i) {
    compute_window(windows[i], i, rows, context, &results);
  }
  return results;
}

}  // namespace dstream::standin::sql
