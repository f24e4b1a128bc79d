// The format `debezium-json`: what Debezium 3.x's SQL Server connector sends through Connect's
// JsonConverter, field for field. Described in docs/messages.md.
#include <algorithm>
#include <utility>

#include "core/base/clock.h"
#include "core/messages/connect_type.h"
#include "core/messages/formats.h"
#include "core/messages/record_encoder.h"
#include "core/messages/time_text.h"

namespace dstream::core {
namespace {

// What stands for a value that was not captured with the change, and the same as base64.
constexpr std::string_view kUnavailableText = "\"__debezium_unavailable_value\"";
constexpr std::string_view kUnavailableBytes = "\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\"";

struct DebeziumPlan final : SchemaPlan {
  Fragment key_head;      // {"schema":{...},"payload":   or nothing
  Fragment value_head;    // the same for the envelope
  Fragment source_head;   // ,"source":{"version":"...", ... "ts_ms":
  Fragment source_db;     // ","db":"shop","sequence":null,"ts_us":
  Fragment source_table;  // ,"schema":"dbo","table":"Orders","change_lsn":
  std::string_view tail;  // closes what the heads opened
};

char op_letter(dstream_op op) {
  switch (op) {
    case DSTREAM_OP_SNAPSHOT:
      return 'r';
    case DSTREAM_OP_INSERT:
      return 'c';
    case DSTREAM_OP_UPDATE:
      return 'u';
    case DSTREAM_OP_DELETE:
      return 'd';
    default:
      return 't';
  }
}

// An instant in three units. The digits of the longer ones begin with those of the shorter.
class InstantDigits {
 public:
  explicit InstantDigits(int64_t unix_ns) {
    // Below 0 the digits would not line up. No change is older than 1970: that is no time at all.
    size_ = static_cast<size_t>(write_integer(text_, std::max<int64_t>(unix_ns, 0)) - text_);
  }
  std::string_view milliseconds() const { return first(6); }
  std::string_view microseconds() const { return first(3); }
  std::string_view nanoseconds() const { return {text_, size_}; }

 private:
  std::string_view first(size_t without) const {
    return size_ > without ? std::string_view(text_, size_ - without) : std::string_view("0");
  }
  char text_[kScalarBytesMax];
  size_t size_;
};

// Writes single values as their Connect type has them.
class DebeziumValue {
 public:
  char* operator()(char* out, const ColumnPlan& column, const dstream_value& value,
                   Failure* failure) const {
    const auto type = static_cast<ConnectType>(column.representation);
    if (value.type == DSTREAM_NULL) {
      return write_raw(out, "null");
    }
    if (value.type == DSTREAM_ABSENT) {
      return write_absent(out, type);
    }
    if (value.type != column.type) [[unlikely]] {
      failure->set("DS-ENCODE-TYPE", "holds a value of another type than its schema says");
      return out;
    }
    switch (type) {
      case ConnectType::kBoolean:
        return value.as.i64 != 0 ? write_raw(out, "true") : write_raw(out, "false");
      case ConnectType::kInt16:
      case ConnectType::kInt32:
      case ConnectType::kInt64:
        return write_int(out, value, failure);
      case ConnectType::kFloat32:
        return write_float(out, static_cast<float>(value.as.f64));
      case ConnectType::kFloat64:
        return write_double(out, value.as.f64);
      case ConnectType::kDate:
        return write_integer(out, value.as.i64);
      case ConnectType::kTime:
        return write_integer(out, floor_divide(value.as.i64, 1'000'000));
      case ConnectType::kMicroTime:
        return write_integer(out, floor_divide(value.as.i64, 1'000));
      case ConnectType::kNanoTime:
        return write_integer(out, value.as.i64);
      case ConnectType::kTimestamp:
        return write_since_1970(out, value, 1'000, failure);
      case ConnectType::kMicroTimestamp:
        return write_since_1970(out, value, 1'000'000, failure);
      case ConnectType::kNanoTimestamp:
        return write_since_1970(out, value, kNanosPerSecond, failure);
      case ConnectType::kZonedTimestamp:
        return close_time(
            out,
            write_timestamp_with_zone(out + 1, value.as.time.seconds, value.as.time.nanos,
                                      value.as.time.offset_min, true),
            failure);
      case ConnectType::kUuid:
        *out++ = '"';
        out = write_uuid(out, value.as.uuid, true);
        *out++ = '"';
        return out;
      default:
        return write_variable(out, type, column.scale, value, failure);
    }
  }

 private:
  static char* write_absent(char* out, ConnectType type) {
    switch (type) {
      case ConnectType::kString:
      case ConnectType::kJson:
        return write_raw(out, kUnavailableText);
      case ConnectType::kBytes:
        return write_raw(out, kUnavailableBytes);
      default:
        return write_raw(out, "null");  // no other type has a value to spare
    }
  }

  static char* write_int(char* out, const dstream_value& value, Failure* failure) {
    if (value.type == DSTREAM_UINT64 && value.as.u64 > INT64_MAX) [[unlikely]] {
      failure->set("DS-ENCODE-RANGE", "holds a number above the 64-bit integers of this format",
                   "Use format json for this pipeline.");
    }
    return write_integer(out, value.as.i64);
  }

  static char* write_since_1970(char* out, const dstream_value& value, int64_t units,
                                Failure* failure) {
    const int64_t seconds = value.as.time.seconds;
    const int64_t nanos = value.as.time.nanos;
    int64_t count = 0;
    if (nanos < 0 || nanos >= kNanosPerSecond || __builtin_mul_overflow(seconds, units, &count) ||
        __builtin_add_overflow(count, nanos / (kNanosPerSecond / units), &count)) [[unlikely]] {
      failure->set("DS-ENCODE-RANGE",
                   "holds a time that this format cannot count (nanoseconds reach from 1677-09-21 "
                   "to 2262-04-11)",
                   "Use format json for this pipeline, or a column with fewer digits.");
    }
    return write_integer(out, count);
  }

  static char* write_variable(char* out, ConnectType type, int32_t scale,
                              const dstream_value& value, Failure* failure) {
    std::string_view text;
    if (!take_variable(value, &text, failure)) [[unlikely]] {
      return out;
    }
    switch (type) {
      case ConnectType::kDecimal:
        return write_decimal(out, text, scale, failure);
      case ConnectType::kDecimalText:
        return check_decimal(text, failure) ? write_quoted(out, text) : out;
      case ConnectType::kBytes:
        return write_quoted_base64(out, text.data(), text.size());
      default:
        return write_string(out, text, &failure->replaced);
    }
  }

  static char* write_decimal(char* out, std::string_view text, int32_t scale, Failure* failure) {
    uint8_t bytes[kUnscaledBytesMax];
    size_t size = 0;
    return take_unscaled(text, scale, bytes, &size, failure) ? write_quoted_base64(out, bytes, size)
                                                             : out;
  }
};

// Which of Debezium's words a snapshot record gets.
std::string_view snapshot_word(const Change& change) {
  if (change.op != DSTREAM_OP_SNAPSHOT) {
    return "false";
  }
  for (std::string_view word :
       {"first", "first_in_data_collection", "last_in_data_collection", "last", "incremental"}) {
    if (change.facts.snapshot == word) {
      return word;
    }
  }
  return (change.record.flags & DSTREAM_RECORD_SNAPSHOT_END) != 0 ? "last" : "true";
}

class DebeziumEncoder final : public RecordEncoder {
 public:
  DebeziumEncoder(const MessageSettings& settings, TopicTemplate topic)
      : RecordEncoder(settings, std::move(topic)),
        prefix_(settings.topic_prefix.empty() ? settings.pipeline : settings.topic_prefix) {}

 private:
  const char* new_key_header() const override { return "__debezium.newkey"; }
  const char* old_key_header() const override { return "__debezium.oldkey"; }
  std::unique_ptr<SchemaPlan> new_plan() const override { return std::make_unique<DebeziumPlan>(); }

  Result<void> finish_plan(SchemaPlan* shared) const override {
    auto* plan = static_cast<DebeziumPlan*>(shared);
    for (size_t i = 0; i < plan->columns.size(); ++i) {
      ColumnPlan& column = plan->columns[i];
      const ConnectColumn connect = connect_column(column.type, plan->facts[i]);
      if (connect.scale < 0 || static_cast<size_t>(connect.scale) > kUnscaledDigitsMax) {
        return fail("DS-ENCODE-SCHEMA", "Column \"" + plan->facts[i].name + "\" of " +
                                            plan->full_name() + " has an impossible scale.");
      }
      column.representation = static_cast<uint8_t>(connect.type);
      column.scale = connect.scale;
      column.bytes_max += static_cast<uint32_t>(connect.scale);
    }
    const bool schemas = settings().schemas_enable;
    plan->key_head = plan->fragments.add(
        schemas ? "{\"schema\":" + connect_key_schema(*plan, prefix_) + ",\"payload\":" : "");
    plan->value_head = plan->fragments.add(
        schemas ? "{\"schema\":" + connect_envelope_schema(*plan, prefix_) + ",\"payload\":" : "");
    plan->tail = schemas ? "}" : "";
    plan->source_head = plan->fragments.add(
        ",\"source\":{\"version\":" + json_string(DSTREAM_VERSION) +
        ",\"connector\":\"sqlserver\",\"name\":" + json_string(prefix_) + ",\"ts_ms\":");
    plan->source_db = plan->fragments.add("\",\"db\":" + json_string(plan->database) +
                                          ",\"sequence\":null,\"ts_us\":");
    plan->source_table =
        plan->fragments.add(",\"schema\":" + json_string(plan->name_space) +
                            ",\"table\":" + json_string(plan->table) + ",\"change_lsn\":");
    constexpr size_t kOtherTexts = 640;  // names of members, numbers
    plan->fixed_bytes_max = plan->key_head.size + plan->value_head.size + plan->source_head.size +
                            plan->source_db.size + plan->source_table.size + kOtherTexts;
    return {};
  }

  size_t bytes_bound(const Change& change) const override { return envelope_bytes_bound(change); }

  char* write(char* out, const Change& change, Texts* texts, Failure* failure) const override {
    const auto& plan = static_cast<const DebeziumPlan&>(change.plan);
    char* begin = out;
    out = write_change_id(out, change, op_name(change.op));
    texts->add_header(kIdHeader, span(begin, out));
    if (change.has_key()) {
      begin = out;
      out = write_fragment(out, plan.key_head);
      out = write_key(out, plan, change.key_row(), failure, DebeziumValue());
      out = write_raw(out, plan.tail);
      texts->key = span(begin, out);
    }
    begin = out;
    out = write_fragment(out, plan.value_head);
    out = write_raw(out, "{\"before\":");
    out = write_optional_row(out, plan, change.before, failure);
    out = write_raw(out, ",\"after\":");
    out = write_optional_row(out, plan, change.after, failure);
    out = write_source(out, plan, change);
    out = write_raw(out, ",\"transaction\":null,\"op\":\"");
    *out++ = op_letter(change.op);
    const InstantDigits read_at(change.record.read_time_ns);
    out = write_raw(out, "\",\"ts_ms\":");
    out = write_raw(out, read_at.milliseconds());
    out = write_raw(out, ",\"ts_us\":");
    out = write_raw(out, read_at.microseconds());
    out = write_raw(out, ",\"ts_ns\":");
    out = write_raw(out, read_at.nanoseconds());
    *out++ = '}';
    out = write_raw(out, plan.tail);
    texts->value = span(begin, out);
    return out;
  }

  static char* write_source(char* out, const DebeziumPlan& plan, const Change& change) {
    const InstantDigits committed_at(change.record.commit_time_ns);
    out = write_fragment(out, plan.source_head);
    out = write_raw(out, committed_at.milliseconds());
    out = write_raw(out, ",\"snapshot\":\"");
    out = write_raw(out, snapshot_word(change));
    out = write_fragment(out, plan.source_db);
    out = write_raw(out, committed_at.microseconds());
    out = write_raw(out, ",\"ts_ns\":");
    out = write_raw(out, committed_at.nanoseconds());
    out = write_fragment(out, plan.source_table);
    out = write_string_or_null(out, change.facts.change_lsn);
    out = write_raw(out, ",\"commit_lsn\":");
    out = write_string_or_null(out, change.facts.commit_lsn);
    out = write_raw(out, ",\"event_serial_no\":");
    if (is_small_number(change.facts.sequence)) {
      out = write_raw(out, change.facts.sequence);
    } else if (change.record.op == DSTREAM_OP_SNAPSHOT || change.record.op == DSTREAM_OP_TRUNCATE) {
      out = write_raw(out, "null");
    } else {
      out = write_raw(out, usual_sequence(change.record.op));
    }
    *out++ = '}';
    return out;
  }

  static char* write_optional_row(char* out, const SchemaPlan& plan, const dstream_value* row,
                                  Failure* failure) {
    if (row == nullptr || failure->code != nullptr) {
      return write_raw(out, "null");
    }
    return write_row<false>(out, plan, row, failure, DebeziumValue());
  }

  std::string prefix_;
};

}  // namespace

std::unique_ptr<Encoder> make_debezium_encoder(const MessageSettings& settings,
                                               TopicTemplate topic) {
  return std::make_unique<DebeziumEncoder>(settings, std::move(topic));
}

}  // namespace dstream::core
