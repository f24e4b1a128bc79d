#include "core/messages/partition_template.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/messages/json_text.h"

namespace dstream::core {
namespace {

constexpr int64_t kPartitionMax = std::numeric_limits<int32_t>::max();
constexpr size_t kPartitionDigitsMax = 10;
constexpr std::string_view kColumnField = "column:";
constexpr const char* kValueHint =
    "Partitions are whole numbers from 0 up; choose a column that has them in every row.";

tl::unexpected<Error> bad_template(std::string_view whole, const std::string& why) {
  Error error;
  error.code = "DS-PARTITION-TEMPLATE";
  error.message = "The partition \"" + std::string(whole) + "\" " + why + ".";
  error.hint = "Write digits and columns that have digits: \"{column:region_id}\".";
  error.exit_code = ExitCode::kUsage;
  return fail(std::move(error));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A number that is put together digit by digit; no more of them than the largest has.
class Number {
 public:
  // False: no digits, or too many.
  bool add(std::string_view text) {
    if (text.empty() || !std::all_of(text.begin(), text.end(), is_digit) ||
        digits_ + text.size() > kPartitionDigitsMax) {
      return false;
    }
    digits_ += text.size();
    for (const char c : text) {
      value_ = value_ * 10 + (c - '0');
    }
    return true;
  }
  bool is_partition() const { return digits_ > 0 && value_ <= kPartitionMax; }
  int32_t partition() const { return static_cast<int32_t>(value_); }

 private:
  int64_t value_ = 0;
  size_t digits_ = 0;
};

// nullptr, or why not.
const char* add_value(const dstream_value& value, Number* number) {
  char digits[kScalarBytesMax];
  switch (value.type) {
    case DSTREAM_NULL:
      return "is NULL and names no partition";
    case DSTREAM_BOOL:
    case DSTREAM_INT64:
    case DSTREAM_UINT64: {
      const bool is_signed = value.type != DSTREAM_UINT64;
      const char* end =
          is_signed ? write_integer(digits, value.as.i64) : write_integer(digits, value.as.u64);
      if (number->add({digits, static_cast<size_t>(end - digits)})) {
        return nullptr;
      }
      break;
    }
    case DSTREAM_DECIMAL:
    case DSTREAM_STRING:
      if (number->add(value.size == 0 ? std::string_view() : text_of(value))) {
        return nullptr;
      }
      break;
    default:
      break;
  }
  return "names no partition: it is no whole number from 0 to 2147483647";
}

int32_t partition_in_row(const SchemaPlan& plan, const dstream_value* row, Failure* failure) {
  Number number;
  uint32_t last_column = Failure::kNoColumn;
  for (const PartitionPart& part : plan.partition) {
    if (part.column == PartitionPart::kDigits) {
      if (!number.add(part.digits)) {
        break;
      }
      continue;
    }
    last_column = part.column;
    const dstream_value& value = row[part.column];
    if (value.type == DSTREAM_ABSENT) {
      failure->set("DS-PARTITION-COLUMN",
                   "is part of the partition but was not captured with this change");
    } else if (const char* reason = add_value(value, &number); reason != nullptr) {
      failure->set("DS-PARTITION-VALUE", reason, kValueHint);
    }
    if (failure->code != nullptr) [[unlikely]] {
      failure->column = part.column;
      return kPartitionOfKey;
    }
  }
  if (!number.is_partition()) [[unlikely]] {
    failure->set("DS-PARTITION-VALUE", "makes a partition above 2147483647", kValueHint);
    failure->column = last_column;
    return kPartitionOfKey;
  }
  return number.partition();
}

}  // namespace

Result<PartitionTemplate> PartitionTemplate::parse(std::string_view text) {
  const std::string_view whole = text;
  if (text.empty()) {
    return bad_template(whole, "is empty");
  }
  PartitionTemplate result;
  Number digits;
  bool fits = true;
  bool has_columns = false;
  while (!text.empty()) {
    if (text.front() != '{') {
      const std::string_view literal = text.substr(0, text.find('{'));
      if (!std::all_of(literal.begin(), literal.end(), is_digit)) {
        return bad_template(whole, "has text that is no digit");
      }
      fits = fits && digits.add(literal);
      result.parts_.push_back({std::string(literal), false});
      text.remove_prefix(literal.size());
      continue;
    }
    const size_t close = text.find('}');
    if (close == std::string_view::npos) {
      return bad_template(whole, "has a { that is not closed");
    }
    const std::string_view field = text.substr(1, close - 1);
    if (!field.starts_with(kColumnField) || field.size() == kColumnField.size()) {
      return bad_template(whole, "has the unknown field {" + std::string(field) + "}");
    }
    result.parts_.push_back({std::string(field.substr(kColumnField.size())), true});
    has_columns = true;
    text.remove_prefix(close + 1);
  }
  if (!fits || (!has_columns && !digits.is_partition())) {
    return bad_template(whole, "is more than the largest partition, 2147483647");
  }
  return result;
}

Result<std::vector<PartitionPart>> PartitionTemplate::plan(const SchemaPlan& table) const {
  std::vector<PartitionPart> out;
  for (const Part& part : parts_) {
    if (!part.is_column) {
      out.push_back({part.text, PartitionPart::kDigits});
      continue;
    }
    const std::optional<uint32_t> column = find_column(table, part.text);
    if (!column) {
      return fail(
          "DS-PARTITION-COLUMN",
          "The partition of " + table.full_name() + " names the column \"" + part.text +
              "\", which is not among the columns read from it.",
          "Correct partition, capture the column, or give the table a pipeline of its own.");
    }
    out.push_back({"", *column});
  }
  return out;
}

int32_t partition_of(const Change& change, Failure* failure) {
  const SchemaPlan& plan = change.plan;
  if (plan.partition.empty()) {
    return kPartitionOfKey;
  }
  const dstream_value* row = change.key_row();
  const bool has_columns =
      std::any_of(plan.partition.begin(), plan.partition.end(),
                  [](const PartitionPart& part) { return part.column != PartitionPart::kDigits; });
  if (row == nullptr && has_columns) {
    return kPartitionOfKey;
  }
  return partition_in_row(plan, row, failure);
}

bool changes_partition(const Change& update) {
  if (update.plan.partition.empty() || update.before == nullptr || update.after == nullptr) {
    return false;
  }
  Failure unknown;
  const int32_t from = partition_in_row(update.plan, update.before, &unknown);
  const int32_t to = partition_in_row(update.plan, update.after, &unknown);
  return unknown.code == nullptr && from != to;
}

}  // namespace dstream::core
