// Rows and keys as JSON objects, whatever the format does with single values.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/messages/change.h"
#include "core/messages/decimal.h"
#include "core/messages/json_text.h"
#include "core/messages/schema_plan.h"
#include "dstream/abi.h"

namespace dstream::core {

// Why a record could not be written; the first reason stays.
struct Failure {
  static constexpr uint32_t kNoColumn = UINT32_MAX;

  const char* code = nullptr;  // nullptr: nothing is wrong
  const char* reason = "";     // continues "Column x of y"
  const char* hint = "";
  uint32_t column = kNoColumn;
  bool replaced = false;  // invalid UTF-8 became U+FFFD; no failure by itself

  void set(const char* code_, const char* reason_, const char* hint_ = "") {
    if (code == nullptr) {
      code = code_;
      reason = reason_;
      hint = hint_;
    }
  }
};

inline std::string_view text_of(const dstream_value& value) {
  return {reinterpret_cast<const char*>(value.as.data), value.size};
}

inline bool is_variable(dstream_type type) {
  constexpr uint32_t kVariable = 1u << DSTREAM_DECIMAL | 1u << DSTREAM_STRING |
                                 1u << DSTREAM_BYTES | 1u << DSTREAM_JSON | 1u << DSTREAM_XML;
  return type < 32 && (kVariable >> type & 1u) != 0;
}

// The bytes of a variable value. False, with the reason set: it is none, or has none.
inline bool take_variable(const dstream_value& value, std::string_view* text, Failure* failure) {
  if (!is_variable(value.type)) [[unlikely]] {
    failure->set("DS-ENCODE-TYPE", "holds a value of a type that this version does not know");
    return false;
  }
  if (value.as.data == nullptr && value.size != 0) [[unlikely]] {
    failure->set("DS-ENCODE-VALUE", "holds a value without its bytes");
    return false;
  }
  *text = value.size == 0 ? std::string_view("") : text_of(value);
  return true;
}

// False, with the reason set: the text of a decimal is spelled otherwise.
inline bool check_decimal(std::string_view text, Failure* failure) {
  if (!is_decimal(text)) [[unlikely]] {
    failure->set("DS-ENCODE-VALUE", "holds a decimal that is not spelled as one");
    return false;
  }
  return true;
}

// Sets why unscaled_bytes() gave none.
void set_unscaled_failure(UnscaledResult result, Failure* failure);

// unscaled_bytes(). False, with the reason set: there are none.
inline bool take_unscaled(std::string_view text, int32_t scale, uint8_t (&bytes)[kUnscaledBytesMax],
                          size_t* size, Failure* failure) {
  const UnscaledResult result = unscaled_bytes(text, scale, bytes, size);
  if (result != UnscaledResult::kDone) [[unlikely]] {
    set_unscaled_failure(result, failure);
    return false;
  }
  return true;
}

// False, with the reason set: a time writer found its value out of range, and `end` is nullptr.
inline bool check_time(const char* end, Failure* failure) {
  if (end == nullptr) [[unlikely]] {
    failure->set("DS-ENCODE-RANGE", "holds a time outside the years 0001 to 9999");
    return false;
  }
  return true;
}

// Ends a quoted text that a time writer has begun behind the quote at `start`.
inline char* close_time(char* start, char* end, Failure* failure) {
  if (!check_time(end, failure)) [[unlikely]] {
    return start;
  }
  *start = '"';
  *end++ = '"';
  return end;
}

// A text that comes with the change, or null where there is none.
inline char* write_string_or_null(char* out, std::string_view text) {
  bool replaced = false;
  return text.empty() ? write_raw(out, "null") : write_string(out, text, &replaced);
}

// What a variable value adds to the bound of its row.
inline size_t variable_bytes_bound(const dstream_value& value) {
  if (value.size <= kMeasuredTextBytes) {
    return value.size * kEscapeGrowthMax;
  }
  if (value.as.data == nullptr) {
    return 0;
  }
  return value.type == DSTREAM_BYTES ? base64_size(value.size) : escaped_size(text_of(value));
}

// At least as many bytes as the object of `row` needs.
inline size_t row_bytes_bound(const SchemaPlan& plan, const dstream_value* row) {
  size_t bytes = plan.row_bytes_max;
  for (size_t i = 0; i < plan.columns.size(); ++i) {
    if (is_variable(row[i].type)) {
      bytes += variable_bytes_bound(row[i]);
    }
  }
  return bytes;
}

// The same for the object of the key columns.
inline size_t key_bytes_bound(const SchemaPlan& plan, const dstream_value* row) {
  size_t bytes = 2;
  for (uint32_t i : plan.key) {
    bytes += plan.columns[i].label.size + plan.columns[i].bytes_max;
    if (is_variable(row[i].type)) {
      bytes += variable_bytes_bound(row[i]);
    }
  }
  return bytes;
}

// Turns what follows `start`, members that each begin with a comma, into an object.
inline char* close_object(char* start, char* out) {
  if (out == start) {
    *out++ = '{';
  } else {
    *start = '{';
  }
  *out++ = '}';
  return out;
}

// `write_value(out, column, value, failure)` writes one value and returns the end. With
// `kSkipAbsent`, values that were not captured are left out.
template <bool kSkipAbsent, class WriteValue>
char* write_row(char* out, const SchemaPlan& plan, const dstream_value* row, Failure* failure,
                WriteValue&& write_value) {
  char* const start = out;
  const size_t count = plan.columns.size();
  for (size_t i = 0; i < count; ++i) {
    if (kSkipAbsent && row[i].type == DSTREAM_ABSENT) {
      continue;
    }
    out = write_fragment(out, plan.columns[i].label);
    out = write_value(out, plan.columns[i], row[i], failure);
    if (failure->code != nullptr) [[unlikely]] {
      failure->column = static_cast<uint32_t>(i);
      return out;
    }
  }
  return close_object(start, out);
}

// The key columns of `row`. A key must say exactly which row it means: a value that is not there
// or that had to be repaired is a failure.
template <class WriteValue>
char* write_key(char* out, const SchemaPlan& plan, const dstream_value* row, Failure* failure,
                WriteValue&& write_value) {
  char* const start = out;
  const bool replaced_before = failure->replaced;
  failure->replaced = false;
  for (uint32_t i : plan.key) {
    out = write_fragment(out, plan.columns[i].label);
    if (row[i].type == DSTREAM_ABSENT) [[unlikely]] {
      failure->set("DS-KEY-COLUMN", "is part of the key but was not captured with this change");
    } else {
      out = write_value(out, plan.columns[i], row[i], failure);
    }
    if (failure->replaced) [[unlikely]] {
      failure->set("DS-ENCODE-UTF8", "is part of the key and is not valid UTF-8");
    }
    if (failure->code != nullptr) [[unlikely]] {
      failure->column = i;
      return out;
    }
  }
  failure->replaced = replaced_before;
  return close_object(start, out);
}

// Room for an envelope of `change`: fixed parts, key, both rows, and the id twice, as the log
// positions it is made of may stand in the envelope once more.
inline size_t envelope_bytes_bound(const Change& change) {
  size_t bytes = change.plan.fixed_bytes_max + 2 * change_id_bytes_bound(change);
  if (change.before != nullptr) {
    bytes += row_bytes_bound(change.plan, change.before);
  }
  if (change.after != nullptr) {
    bytes += row_bytes_bound(change.plan, change.after);
  }
  if (change.has_key()) {
    bytes += key_bytes_bound(change.plan, change.key_row());
  }
  return bytes;
}

}  // namespace dstream::core
