#include "tests/standins/sqlserver/protocol/row_form.h"

#include <chrono>

#include "tests/standins/sqlserver/protocol/value_codec.h"

namespace dstream::standin {
namespace {

constexpr uint8_t kNullBitmapRowToken = 0xD2;
constexpr int32_t kNVarCharMax = 4000;
constexpr int64_t kDaysOf1970 = 719'162;  // 1970-01-01, counted from 0001-01-01

bool is_new_time(TypeId id) {
  return id == TypeId::kDate || id == TypeId::kTime || id == TypeId::kDateTime2 ||
         id == TypeId::kDateTimeOffset;
}

std::string digits(int64_t number, size_t width) {
  std::string text = std::to_string(number);
  return text.size() < width ? std::string(width - text.size(), '0') + text : text;
}

std::string date_part(int64_t days) {
  const std::chrono::year_month_day day(
      std::chrono::sys_days(std::chrono::days(static_cast<int>(days - kDaysOf1970))));
  return digits(static_cast<int>(day.year()), 4) + "-" +
         digits(static_cast<unsigned>(day.month()), 2) + "-" +
         digits(static_cast<unsigned>(day.day()), 2);
}

std::string clock_part(int64_t ticks, uint8_t scale) {
  const int64_t seconds = ticks / kTicksPerSecond;
  std::string text = digits(seconds / 3600, 2) + ":" + digits(seconds / 60 % 60, 2) + ":" +
                     digits(seconds % 60, 2);
  if (scale > 0) {
    text += "." + digits(ticks % kTicksPerSecond, 7).substr(0, scale);
  }
  return text;
}

std::string offset_part(int offset_min) {
  const int minutes = offset_min < 0 ? -offset_min : offset_min;
  return (offset_min < 0 ? " -" : " +") + digits(minutes / 60, 2) + ":" + digits(minutes % 60, 2);
}

// Characters of time_text().
int32_t text_length(const SqlType& type) {
  const int32_t fraction = type.scale == 0 ? 0 : type.scale + 1;
  switch (type.id) {
    case TypeId::kDate:
      return 10;
    case TypeId::kTime:
      return 8 + fraction;
    case TypeId::kDateTime2:
      return 19 + fraction;
    default:
      return 26 + fraction;
  }
}

}  // namespace

std::string time_text(const SqlType& type, const SqlValue& value) {
  if (type.id == TypeId::kDate) {
    return date_part(value.number);
  }
  if (type.id == TypeId::kTime) {
    return clock_part(value.number, type.scale);
  }
  int64_t local = value.number;
  if (type.id == TypeId::kDateTimeOffset) {
    local += value.offset_min * 60 * kTicksPerSecond;
  }
  std::string text =
      date_part(local / kTicksPerDay) + " " + clock_part(local % kTicksPerDay, type.scale);
  if (type.id == TypeId::kDateTimeOffset) {
    text += offset_part(value.offset_min);
  }
  return text;
}

SqlType type_in_dialect(const SqlType& type, const Dialect& dialect) {
  SqlType sent = type;
  if (!dialect.date_types && is_new_time(type.id)) {
    return {TypeId::kNVarChar, text_length(type), 0, 0, type.nullable, false};
  }
  if (type.utf8 && !dialect.utf8 && is_single_byte_text(type.id)) {
    sent.id = TypeId::kNVarChar;
    sent.length = type.length > kNVarCharMax ? kMaxLength : type.length;
  }
  if (dialect.wide) {
    return sent;
  }
  if (type.id == TypeId::kXml) {
    sent.id = TypeId::kNText;
  } else if (type.id == TypeId::kHierarchyId || type.id == TypeId::kGeography ||
             type.id == TypeId::kGeometry) {
    sent.id = TypeId::kImage;
  } else if (sent.length == kMaxLength) {
    sent.id = sent.id == TypeId::kVarChar    ? TypeId::kText
              : sent.id == TypeId::kNVarChar ? TypeId::kNText
                                             : TypeId::kImage;
  }
  return sent;
}

SqlValue value_in_dialect(const SqlType& type, const SqlValue& value, const Dialect& dialect) {
  if (value.null || dialect.date_types || !is_new_time(type.id)) {
    return value;
  }
  return SqlValue::of_text(time_text(type, value));
}

void RowForm::begin(std::span<const ResultColumn> columns, const Dialect& dialect,
                    bool null_bitmap) {
  columns_.assign(columns.begin(), columns.end());
  sent_columns_ = columns_;
  dialect_ = dialect;
  null_bitmap_ = null_bitmap && dialect.date_types;
  converts_ = false;
  for (ResultColumn& column : sent_columns_) {
    const SqlType sent = type_in_dialect(column.type, dialect);
    converts_ = converts_ || sent.id != column.type.id;
    column.type = sent;
  }
  if (null_bitmap_) {
    sent_layout_.emplace(sent_columns_);
    scratch_.resize(sent_columns_.size());
  }
}

std::string_view RowForm::convert(std::string_view token) {
  if (!converts_) {
    return null_bitmap_ ? with_null_bitmap(token) : token;
  }
  size_t bad_column = 0;
  std::vector<SqlValue> values;
  return decode_row(columns_, token, &values) ? encode(values, &bad_column) : std::string_view{};
}

std::string_view RowForm::encode(std::span<const SqlValue> values, size_t* bad_column) {
  if (converts_ && values.size() == columns_.size()) {
    values_.resize(values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      values_[i] = value_in_dialect(columns_[i].type, values[i], dialect_);
    }
    values = values_;
  }
  row_.clear();
  if (!encode_row(sent_columns_, values, &row_, bad_column)) {
    return {};
  }
  return null_bitmap_ ? with_null_bitmap(row_) : row_;
}

std::string_view RowForm::with_null_bitmap(std::string_view token) {
  if (!sent_layout_->ranges(token, scratch_)) {
    return {};
  }
  bitmap_row_.assign(1, static_cast<char>(kNullBitmapRowToken));
  bitmap_row_.append((scratch_.size() + 7) / 8, '\0');
  bool has_null = false;
  for (size_t i = 0; i < scratch_.size(); ++i) {
    if (sent_layout_->is_null(token, scratch_[i], i)) {
      char& bits = bitmap_row_[1 + i / 8];
      bits = static_cast<char>(bits | (1 << (i % 8)));
      has_null = true;
    } else {
      bitmap_row_.append(token.substr(scratch_[i].offset, scratch_[i].size));
    }
  }
  return has_null ? std::string_view(bitmap_row_) : token;
}

}  // namespace dstream::standin
