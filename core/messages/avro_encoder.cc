// The format `avro`: Avro's binary encoding behind the id of its schema, as Confluent's serializers
// write it. Described in docs/messages.md; why the writer is our own: docs/design/008-avro.md.
#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "core/base/clock.h"
#include "core/messages/avro_schema.h"
#include "core/messages/avro_text.h"
#include "core/messages/formats.h"
#include "core/messages/record_encoder.h"
#include "core/messages/time_text.h"

namespace dstream::core {
namespace {

constexpr int32_t kNoId = -1;
constexpr char kNull = 0;   // branches of ["null", T], zigzag
constexpr char kValue = 2;  // the same

struct SchemaIds {
  int32_t key = kNoId;
  int32_t value = kNoId;
  bool known = false;
};

struct AvroPlan final : SchemaPlan {
  std::string key_schema;
  std::string value_schema;
  std::vector<std::string> field_names;  // one for each column
  std::array<Fragment, kOpCount> heads;  // op, database, schema and table as they are written
  mutable std::array<SchemaIds, kOpCount> ids;
};

std::string encoded_string(std::string_view text) {
  std::string out(3 * text.size() + 2 * kSlackBytes, '\0');
  bool replaced = false;
  out.resize(static_cast<size_t>(write_avro_string(out.data(), text, &replaced) - out.data()));
  return out;
}

char* write_avro_ascii(char* out, std::string_view text) {
  return write_avro_bytes(out, text.data(), text.size());
}

// A text that a time writer puts at the place given; nullptr from it means out of range.
template <class Write>
char* write_time_string(char* out, Failure* failure, Write&& write) {
  char* const end = write(out + 1);
  if (!check_time(end, failure)) [[unlikely]] {
    return out;
  }
  static_assert(kScalarBytesMax < 64, "the length takes one byte");
  *out = static_cast<char>(2 * (end - out - 1));
  return end;
}

class AvroValue {
 public:
  char* operator()(char* out, const ColumnPlan& column, const dstream_value& value,
                   Failure* failure) const {
    if (value.type != column.type) [[unlikely]] {
      failure->set("DS-ENCODE-TYPE", "holds a value of another type than its schema says");
      return out;
    }
    const auto type = static_cast<ConnectType>(column.representation);
    switch (type) {
      case ConnectType::kBoolean:
        *out++ = value.as.i64 != 0 ? 1 : 0;
        return out;
      case ConnectType::kInt16:
      case ConnectType::kInt32:
      case ConnectType::kDate:
        return write_int(out, value, failure);
      case ConnectType::kInt64:
        if (value.type == DSTREAM_UINT64 && value.as.u64 > INT64_MAX) [[unlikely]] {
          failure->set("DS-ENCODE-RANGE", "holds a number above Avro's 64-bit integers",
                       "Use format json for this pipeline.");
        }
        return write_avro_long(out, value.as.i64);
      case ConnectType::kFloat32:
        return write_avro_float(out, static_cast<float>(value.as.f64));
      case ConnectType::kFloat64:
        return write_avro_float(out, value.as.f64);
      case ConnectType::kTime:
      case ConnectType::kMicroTime:
        return write_avro_long(out, floor_divide(value.as.i64, 1'000));
      case ConnectType::kTimestamp:
      case ConnectType::kMicroTimestamp:
        return write_micros(out, value, failure);
      case ConnectType::kNanoTime:
        return write_time_string(out, failure,
                                 [&](char* at) { return write_time(at, value.as.i64); });
      case ConnectType::kNanoTimestamp:
        return write_time_string(out, failure, [&](char* at) {
          return write_timestamp(at, value.as.time.seconds, value.as.time.nanos);
        });
      case ConnectType::kZonedTimestamp:
        return write_time_string(out, failure, [&](char* at) {
          return write_timestamp_with_zone(at, value.as.time.seconds, value.as.time.nanos,
                                           value.as.time.offset_min);
        });
      case ConnectType::kUuid:
        return write_time_string(out, failure,
                                 [&](char* at) { return write_uuid(at, value.as.uuid, false); });
      default:
        return write_variable(out, type, column.scale, value, failure);
    }
  }

 private:
  static char* write_int(char* out, const dstream_value& value, Failure* failure) {
    if (value.as.i64 < std::numeric_limits<int32_t>::min() ||
        value.as.i64 > std::numeric_limits<int32_t>::max()) [[unlikely]] {
      failure->set("DS-ENCODE-RANGE", "holds a number beyond the 32 bits of its type");
    }
    return write_avro_long(out, value.as.i64);
  }

  static char* write_micros(char* out, const dstream_value& value, Failure* failure) {
    const int64_t nanos = value.as.time.nanos;
    int64_t count = 0;
    if (nanos < 0 || nanos >= kNanosPerSecond ||
        __builtin_mul_overflow(value.as.time.seconds, int64_t{1'000'000}, &count) ||
        __builtin_add_overflow(count, nanos / 1'000, &count)) [[unlikely]] {
      failure->set("DS-ENCODE-RANGE", "holds a time that microseconds cannot count");
    }
    return write_avro_long(out, count);
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
        return check_decimal(text, failure) ? write_avro_ascii(out, text) : out;
      case ConnectType::kBytes:
        return write_avro_ascii(out, text);
      default:
        return write_avro_string(out, text, &failure->replaced);
    }
  }

  static char* write_decimal(char* out, std::string_view text, int32_t scale, Failure* failure) {
    uint8_t bytes[kUnscaledBytesMax];
    size_t size = 0;
    return take_unscaled(text, scale, bytes, &size, failure) ? write_avro_bytes(out, bytes, size)
                                                             : out;
  }
};

// A row as the record Row, every field ["null", T]; `*absent` becomes true if a value was not
// captured.
char* write_avro_row(char* out, const SchemaPlan& plan, const dstream_value* row, bool* absent,
                     Failure* failure) {
  if (row == nullptr || failure->code != nullptr) {
    *out++ = kNull;
    return out;
  }
  *out++ = kValue;
  const size_t count = plan.columns.size();
  for (size_t i = 0; i < count; ++i) {
    if (row[i].type == DSTREAM_NULL || row[i].type == DSTREAM_ABSENT) {
      *absent = *absent || row[i].type == DSTREAM_ABSENT;
      *out++ = kNull;
      continue;
    }
    *out++ = kValue;
    out = AvroValue()(out, plan.columns[i], row[i], failure);
    if (failure->code != nullptr) [[unlikely]] {
      failure->column = static_cast<uint32_t>(i);
      return out;
    }
  }
  return out;
}

// The record Key; it must say exactly which row it means, as write_key() has it.
char* write_avro_key(char* out, const SchemaPlan& plan, const dstream_value* row,
                     Failure* failure) {
  const bool replaced_before = failure->replaced;
  failure->replaced = false;
  for (const uint32_t i : plan.key) {
    const bool nullable = plan.facts[i].nullable;
    if (row[i].type == DSTREAM_ABSENT) [[unlikely]] {
      failure->set("DS-KEY-COLUMN", "is part of the key but was not captured with this change");
    } else if (row[i].type == DSTREAM_NULL && nullable) {
      *out++ = kNull;
    } else if (row[i].type == DSTREAM_NULL) [[unlikely]] {
      failure->set("DS-ENCODE-VALUE", "is NULL, which its schema says it never is");
    } else {
      if (nullable) {
        *out++ = kValue;
      }
      out = AvroValue()(out, plan.columns[i], row[i], failure);
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
  return out;
}

char* write_absent_names(char* out, const AvroPlan& plan, const dstream_value* row,
                         std::string_view prefix) {
  for (size_t i = 0; row != nullptr && i < plan.columns.size(); ++i) {
    if (row[i].type == DSTREAM_ABSENT) {
      const std::string& name = plan.field_names[i];
      out = write_avro_long(out, 1);  // a block of one item
      out = write_avro_long(out, static_cast<int64_t>(prefix.size() + name.size()));
      out = write_raw(out, prefix);
      out = write_raw(out, name);
    }
  }
  return out;
}

char* write_optional_text(char* out, std::string_view text) {
  if (text.empty()) {
    *out++ = kNull;
    return out;
  }
  *out++ = kValue;
  bool replaced = false;
  return write_avro_string(out, text, &replaced);
}

char* write_optional_instant(char* out, int64_t unix_ns) {
  if (unix_ns == 0) {
    *out++ = kNull;
    return out;
  }
  *out++ = kValue;
  return write_avro_long(out, floor_divide(unix_ns, 1'000));
}

char* write_schema_id(char* out, int32_t id) {
  *out++ = 0;
  for (int shift = 24; shift >= 0; shift -= 8) {
    *out++ = static_cast<char>(static_cast<uint32_t>(id) >> shift);
  }
  return out;
}

class AvroEncoder final : public RecordEncoder {
 public:
  AvroEncoder(const MessageSettings& settings, TopicTemplate topic, SchemaRegistry* registry)
      : RecordEncoder(settings, std::move(topic)), registry_(registry) {}

  bool needs_preparation() const override { return true; }
  std::optional<Error> trouble() const override {
    return registry_ != nullptr ? registry_->trouble() : std::nullopt;
  }

  Result<bool> prepare(const dstream_batch& batch) override {
    bool ready = true;
    for (uint32_t i = 0; i < batch.record_count; ++i) {
      auto prepared = prepare_record(*DSTREAM_RECORD_AT(&batch, i));
      if (!prepared) {
        return prepared;
      }
      ready = ready && *prepared;
    }
    return ready;
  }

 private:
  Result<bool> prepare_record(const dstream_record& record) {
    if (record.op < DSTREAM_OP_SNAPSHOT || record.op >= DSTREAM_OP_SCHEMA) {
      return true;  // no message, or an operation that encode() refuses
    }
    auto found = find_plan(record.schema);
    if (!found) {
      return true;  // encode() says what is wrong with it
    }
    auto* plan = static_cast<AvroPlan*>(*found);
    auto ready = resolve(plan, record.op);
    // An update of the key is a delete and an insert, which may go to topics of their own.
    for (dstream_op op : {DSTREAM_OP_DELETE, DSTREAM_OP_INSERT}) {
      if (ready && record.op == DSTREAM_OP_UPDATE && !plan->ids[op].known) {
        auto half = resolve(plan, op);
        ready = half ? Result<bool>(*ready && *half) : half;
      }
    }
    return ready;
  }

  // Finds the ids of messages of `op`, and of all operations that share their topic.
  Result<bool> resolve(AvroPlan* plan, dstream_op op) {
    if (plan->ids[op].known) {
      return true;
    }
    const TopicName topic = topic_for(plan, op);
    for (dstream_op other = DSTREAM_OP_SNAPSHOT; other < DSTREAM_OP_SCHEMA; ++other) {
      if (plan->ids[other].known && plan->topics[other].name != nullptr &&
          plan->topics[other].id == topic.id) {
        plan->ids[op] = plan->ids[other];
        return true;
      }
    }
    return ask(*plan, op);
  }

  Result<bool> ask(const AvroPlan& plan, dstream_op op) const {
    if (registry_ == nullptr) {
      return fail("DS-REGISTRY-MISSING", "Messages in format avro need a schema registry.",
                  "Set format.registry.url.");
    }
    const std::string topic = plan.topics[op].name;
    SchemaIds ids;
    if (!plan.key.empty()) {
      auto key = registry_->find(topic + "-key", plan.key_schema);
      if (!key) {
        return fail(std::move(key.error()));
      }
      ids.key = key->value_or(kNoId);
    }
    auto value = registry_->find(topic + "-value", plan.value_schema);
    if (!value) {
      return fail(std::move(value.error()));
    }
    ids.value = value->value_or(kNoId);
    ids.known = ids.value != kNoId && (plan.key.empty() || ids.key != kNoId);
    plan.ids[op] = ids;
    return ids.known;
  }

  std::unique_ptr<SchemaPlan> new_plan() const override { return std::make_unique<AvroPlan>(); }

  Result<void> finish_plan(SchemaPlan* shared) const override {
    auto* plan = static_cast<AvroPlan*>(shared);
    for (size_t i = 0; i < plan->columns.size(); ++i) {
      ColumnPlan& column = plan->columns[i];
      const ConnectColumn avro = avro_column(column.type, plan->facts[i]);
      column.representation = static_cast<uint8_t>(avro.type);
      column.scale = avro.scale;
      column.bytes_max += static_cast<uint32_t>(avro.scale);
    }
    plan->field_names = avro_field_names(*plan);
    plan->key_schema = avro_key_schema(*plan, plan->field_names);
    plan->value_schema = avro_value_schema(*plan, plan->field_names);
    for (dstream_op op = DSTREAM_OP_SNAPSHOT; op <= DSTREAM_OP_SCHEMA; ++op) {
      plan->heads[op] =
          plan->fragments.add(encoded_string(op_name(op)) + encoded_string(plan->database) +
                              encoded_string(plan->name_space) + encoded_string(plan->table));
    }
    constexpr size_t kOtherBytes = 256;  // ids of schemas, lengths, instants
    plan->fixed_bytes_max = plan->heads[DSTREAM_OP_TRUNCATE].size + kOtherBytes;
    return {};
  }

  size_t bytes_bound(const Change& change) const override { return envelope_bytes_bound(change); }

  char* write(char* out, const Change& change, Texts* texts, Failure* failure) const override {
    const auto& plan = static_cast<const AvroPlan&>(change.plan);
    // Not prepared: more schemas come by than plans are kept. The registry remembers them.
    if (!plan.ids[change.op].known && !ask(plan, change.op).value_or(false)) [[unlikely]] {
      failure->set("DS-REGISTRY-AWAY", "has a schema without an id from the schema registry");
      return out;
    }
    const SchemaIds& ids = plan.ids[change.op];
    char* begin = out;
    if (change.has_key()) {
      out = write_schema_id(out, ids.key);
      out = write_avro_key(out, plan, change.key_row(), failure);
      texts->key = span(begin, out);
    }
    begin = out;
    out = write_schema_id(out, ids.value);
    out = write_envelope(out, change, plan, failure);
    texts->value = span(begin, out);
    return out;
  }

  static char* write_envelope(char* out, const Change& change, const AvroPlan& plan,
                              Failure* failure) {
    out = write_id(out, change);
    out = write_fragment(out, plan.heads[change.op]);
    bool absent = false;
    out = write_avro_row(out, plan, change.before, &absent, failure);
    out = write_avro_row(out, plan, change.after, &absent, failure);
    out = write_optional_text(out, change.facts.commit_lsn);
    out = write_optional_text(out, change.facts.change_lsn);
    out = write_optional_text(out, change.facts.sequence);
    out = write_optional_instant(out, change.record.commit_time_ns);
    out = write_optional_instant(out, change.record.read_time_ns);
    if (absent) [[unlikely]] {
      out = write_absent_names(out, plan, change.before, "before.");
      out = write_absent_names(out, plan, change.after, "after.");
    }
    *out++ = 0;  // the end of the array
    return out;
  }

  // Its length is known only behind it: room for a length of two bytes is left, and where one is
  // enough the text moves.
  static char* write_id(char* out, const Change& change) {
    char* const text = out + 2;
    char* const end = write_change_id(text, change, op_name(change.op));
    const auto size = static_cast<size_t>(end - text);
    char scratch[16];
    const auto length_size =
        static_cast<size_t>(write_avro_long(scratch, static_cast<int64_t>(size)) - scratch);
    if (length_size != 2) {
      std::memmove(out + length_size, text, size);
    }
    std::memcpy(out, scratch, length_size);
    return out + length_size + size;
  }

  SchemaRegistry* const registry_;
};

}  // namespace

std::unique_ptr<Encoder> make_avro_encoder(const MessageSettings& settings, TopicTemplate topic,
                                           SchemaRegistry* registry) {
  return std::make_unique<AvroEncoder>(settings, std::move(topic), registry);
}

}  // namespace dstream::core
