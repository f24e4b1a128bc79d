// The format `json`: DStream's own envelope, described in docs/messages.md.
#include <utility>

#include "core/messages/decimal.h"
#include "core/messages/formats.h"
#include "core/messages/record_encoder.h"
#include "core/messages/time_text.h"

namespace dstream::core {
namespace {

constexpr int64_t kExactInteger = int64_t{1} << 53;  // the last one a double counts without gaps

struct JsonPlan final : SchemaPlan {
  // ","op":"insert","database":"shop","schema":"dbo","table":"Orders","key":
  std::array<Fragment, kOpCount> heads;
  // Of a message about the table itself: its key, and what ends it behind the statement.
  std::string schema_key;  // {"database":"shop","schema":"dbo","table":"Orders"}
  std::string columns;     // ,"columns":[...],"key_columns":[...]}
};

std::string columns_json(const SchemaPlan& plan) {
  std::string out = ",\"columns\":[";
  for (const ColumnFacts& column : plan.facts) {
    out += (out.back() == '[' ? "" : ",") + std::string("{\"name\":") + json_string(column.name) +
           ",\"type\":" + json_string(column.declared_type) +
           ",\"nullable\":" + (column.nullable ? "true}" : "false}");
  }
  out += "],\"key_columns\":[";
  for (const uint32_t index : plan.key) {
    out += (out.back() == '[' ? "" : ",") + json_string(plan.facts[index].name);
  }
  return out + "]}";
}

dstream_bytes span(const char* begin, const char* end) {
  return {reinterpret_cast<const uint8_t*>(begin), static_cast<uint64_t>(end - begin)};
}

char* write_quoted(char* out, std::string_view text) {
  *out++ = '"';
  out = write_raw(out, text);
  *out++ = '"';
  return out;
}

// Ends a quoted text that a time writer has begun behind the quote; nullptr means out of range.
char* close_time(char* start, char* end, Failure* failure) {
  if (end == nullptr) [[unlikely]] {
    failure->set("DS-ENCODE-RANGE", "holds a time outside the years 0001 to 9999");
    return start;
  }
  *start = '"';
  *end++ = '"';
  return end;
}

// Writes single values. A class, so that the row loop is compiled with it inside.
class JsonValue {
 public:
  explicit JsonValue(bool large_integers_as_strings)
      : large_integers_as_strings_(large_integers_as_strings) {}

  char* operator()(char* out, const ColumnPlan& column, const dstream_value& value,
                   Failure* failure) const {
    switch (value.type) {
      case DSTREAM_NULL:
        return write_raw(out, "null");
      case DSTREAM_BOOL:
        return value.as.i64 != 0 ? write_raw(out, "true") : write_raw(out, "false");
      case DSTREAM_INT64: {
        const int64_t number = value.as.i64;
        const bool large = number > kExactInteger || number < -kExactInteger;
        return write_number(out, number, large);
      }
      case DSTREAM_UINT64:
        return write_number(out, value.as.u64, value.as.u64 > static_cast<uint64_t>(kExactInteger));
      case DSTREAM_FLOAT64:
        return column.single_precision ? write_float(out, static_cast<float>(value.as.f64))
                                       : write_double(out, value.as.f64);
      case DSTREAM_DATE:
        return close_time(out, write_date(out + 1, value.as.i64), failure);
      case DSTREAM_TIME:
        return close_time(out, write_time(out + 1, value.as.i64), failure);
      case DSTREAM_TIMESTAMP:
        return close_time(out, write_timestamp(out + 1, value.as.time.seconds, value.as.time.nanos),
                          failure);
      case DSTREAM_TIMESTAMP_TZ:
        return close_time(out,
                          write_timestamp_with_zone(out + 1, value.as.time.seconds,
                                                    value.as.time.nanos, value.as.time.offset_min),
                          failure);
      case DSTREAM_UUID:
        *out++ = '"';
        out = write_uuid(out, value.as.uuid, false);
        *out++ = '"';
        return out;
      default:
        return write_variable(out, value, failure);
    }
  }

 private:
  template <class Integer>
  char* write_number(char* out, Integer number, bool large) const {
    if (large && large_integers_as_strings_) {
      *out++ = '"';
      out = write_integer(out, number);
      *out++ = '"';
      return out;
    }
    return write_integer(out, number);
  }

  static char* write_variable(char* out, const dstream_value& value, Failure* failure) {
    if (!is_variable(value.type)) [[unlikely]] {
      failure->set("DS-ENCODE-TYPE", "holds a value of a type that this version does not know");
      return out;
    }
    if (value.as.data == nullptr && value.size != 0) [[unlikely]] {
      failure->set("DS-ENCODE-VALUE", "holds a value without its bytes");
      return out;
    }
    const std::string_view text = value.size == 0 ? std::string_view("") : text_of(value);
    switch (value.type) {
      case DSTREAM_DECIMAL:
        if (!is_decimal(text)) [[unlikely]] {
          failure->set("DS-ENCODE-VALUE", "holds a decimal that is not spelled as one");
          return out;
        }
        return write_quoted(out, text);
      case DSTREAM_BYTES:
        *out++ = '"';
        out = write_base64(out, reinterpret_cast<const uint8_t*>(text.data()), text.size());
        *out++ = '"';
        return out;
      default:
        return write_string(out, text, &failure->replaced);
    }
  }

  bool large_integers_as_strings_;
};

class JsonEncoder final : public RecordEncoder {
 public:
  JsonEncoder(const MessageSettings& settings, TopicTemplate topic)
      : RecordEncoder(settings, std::move(topic)), value_(settings.large_integers_as_strings) {}

 private:
  bool writes_schemas() const override { return settings().schema_changes; }

  std::unique_ptr<SchemaPlan> new_plan() const override { return std::make_unique<JsonPlan>(); }

  Result<void> finish_plan(SchemaPlan* shared) const override {
    auto* plan = static_cast<JsonPlan*>(shared);
    for (dstream_op op = DSTREAM_OP_SNAPSHOT; op <= DSTREAM_OP_SCHEMA; ++op) {
      plan->heads[op] = plan->fragments.add(std::string("\",\"op\":\"") + op_name(op) +
                                            "\",\"database\":" + json_string(plan->database) +
                                            ",\"schema\":" + json_string(plan->name_space) +
                                            ",\"table\":" + json_string(plan->table) + ",\"key\":");
    }
    plan->schema_key = "{\"database\":" + json_string(plan->database) +
                       ",\"schema\":" + json_string(plan->name_space) +
                       ",\"table\":" + json_string(plan->table) + '}';
    plan->columns = columns_json(*plan);
    constexpr size_t kOtherTexts = 256;  // names of members, the two times
    plan->fixed_bytes_max = plan->heads[DSTREAM_OP_TRUNCATE].size + kOtherTexts;
    return {};
  }

  size_t bytes_bound(const Change& change) const override {
    const size_t bytes = envelope_bytes_bound(change);
    if (change.op != DSTREAM_OP_SCHEMA) {
      return bytes;
    }
    const auto& plan = static_cast<const JsonPlan&>(change.plan);
    return bytes + plan.schema_key.size() + escaped_size(change.facts.ddl) + plan.columns.size();
  }

  char* write(char* out, const Change& change, Texts* texts, Failure* failure) const override {
    const auto& plan = static_cast<const JsonPlan&>(change.plan);
    char* const begin = out;
    out = write_raw(out, "{\"id\":\"");
    out = write_change_id(out, change, op_name(change.op));
    out = write_fragment(out, plan.heads[change.op]);
    // The message's key is the same text: it is not written twice.
    char* const key = out;
    if (change.has_key()) {
      out = write_key(out, plan, change.key_row(), failure, value_);
      texts->key = span(key, out);
    } else if (change.op == DSTREAM_OP_SCHEMA) {
      out = write_raw(out, plan.schema_key);
      texts->key = span(key, out);
    } else {
      out = write_raw(out, "null");
    }
    out = write_raw(out, ",\"before\":");
    out = write_optional_row(out, plan, change.before, failure);
    out = write_raw(out, ",\"after\":");
    out = write_optional_row(out, plan, change.after, failure);
    out = write_raw(out, ",\"source\":{\"commit_lsn\":");
    out = write_optional_text(out, change.facts.commit_lsn);
    out = write_raw(out, ",\"change_lsn\":");
    out = write_optional_text(out, change.facts.change_lsn);
    out = write_raw(out, ",\"sequence\":");
    out = is_small_number(change.facts.sequence) ? write_raw(out, change.facts.sequence)
                                                 : write_optional_text(out, change.facts.sequence);
    out = write_raw(out, ",\"committed_at\":");
    out = write_optional_instant(out, change.record.commit_time_ns, &committed_at_);
    out = write_raw(out, "},\"read_at\":");
    out = write_optional_instant(out, change.record.read_time_ns, &read_at_);
    if (change.op == DSTREAM_OP_SCHEMA) {
      out = write_raw(out, ",\"ddl\":");
      out = write_optional_text(out, change.facts.ddl);
      out = write_raw(out, plan.columns);
    } else {
      *out++ = '}';
    }
    texts->value = span(begin, out);
    return out;
  }

  char* write_optional_row(char* out, const SchemaPlan& plan, const dstream_value* row,
                           Failure* failure) const {
    if (row == nullptr || failure->code != nullptr) {
      return write_raw(out, "null");
    }
    return write_row<true>(out, plan, row, failure, value_);
  }

  static char* write_optional_text(char* out, std::string_view text) {
    bool replaced = false;
    return text.empty() ? write_raw(out, "null") : write_string(out, text, &replaced);
  }

  static char* write_optional_instant(char* out, int64_t unix_ns, InstantWriter* writer) {
    if (unix_ns == 0) {
      return write_raw(out, "null");
    }
    *out = '"';
    out = writer->write(out + 1, unix_ns);
    *out++ = '"';
    return out;
  }

  JsonValue value_;
  mutable InstantWriter committed_at_;  // records of a batch mostly share these seconds
  mutable InstantWriter read_at_;
};

}  // namespace

std::unique_ptr<Encoder> make_json_encoder(const MessageSettings& settings, TopicTemplate topic) {
  return std::make_unique<JsonEncoder>(settings, std::move(topic));
}

}  // namespace dstream::core
