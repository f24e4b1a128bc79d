#include "core/messages/json_encoder.h"

#include "core/messages/formats.h"

namespace dstream::core {
namespace {

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

char* write_optional_instant(char* out, int64_t unix_ns, InstantWriter* writer) {
  if (unix_ns == 0) {
    return write_raw(out, "null");
  }
  *out = '"';
  out = writer->write(out + 1, unix_ns);
  *out++ = '"';
  return out;
}

}  // namespace

Result<void> JsonEncoder::finish_plan(SchemaPlan* shared) const {
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

size_t JsonEncoder::bytes_bound(const Change& change) const {
  const size_t bytes = envelope_bytes_bound(change);
  if (change.op != DSTREAM_OP_SCHEMA) {
    return bytes;
  }
  const auto& plan = static_cast<const JsonPlan&>(change.plan);
  return bytes + plan.schema_key.size() + escaped_size(change.facts.ddl) + plan.columns.size();
}

char* JsonEncoder::write(char* out, const Change& change, Texts* texts, Failure* failure) const {
  char* const begin = out;
  Places places;
  out = write_message(out, change, &places, failure);
  texts->key = places.key;
  texts->value = span(begin, out);
  return out;
}

char* JsonEncoder::write_message(char* out, const Change& change, Places* places,
                                 Failure* failure) const {
  const auto& plan = static_cast<const JsonPlan&>(change.plan);
  out = write_raw(out, "{\"id\":\"");
  char* const id = out;
  out = write_change_id(out, change, op_name(change.op));
  places->id = span(id, out);
  out = write_fragment(out, plan.heads[change.op]);
  // The message's key is the same text: it is not written twice.
  char* const key = out;
  if (change.has_key()) {
    out = write_key(out, plan, change.key_row(), failure, value_);
    places->key = span(key, out);
  } else if (change.op == DSTREAM_OP_SCHEMA) {
    out = write_raw(out, plan.schema_key);
    places->key = span(key, out);
  } else {
    out = write_raw(out, "null");
  }
  out = write_raw(out, ",\"before\":");
  out = write_optional_row(out, plan, change.before, failure);
  out = write_raw(out, ",\"after\":");
  out = write_optional_row(out, plan, change.after, failure);
  out = write_raw(out, ",\"source\":{\"commit_lsn\":");
  out = write_string_or_null(out, change.facts.commit_lsn);
  out = write_raw(out, ",\"change_lsn\":");
  out = write_string_or_null(out, change.facts.change_lsn);
  out = write_raw(out, ",\"sequence\":");
  out = is_small_number(change.facts.sequence) ? write_raw(out, change.facts.sequence)
                                               : write_string_or_null(out, change.facts.sequence);
  out = write_raw(out, ",\"committed_at\":");
  char* const committed_at = out;
  out = write_optional_instant(out, change.record.commit_time_ns, &committed_at_);
  if (change.record.commit_time_ns != 0) {
    places->committed_at = span(committed_at + 1, out - 1);
  }
  out = write_raw(out, "},\"read_at\":");
  out = write_optional_instant(out, change.record.read_time_ns, &read_at_);
  if (change.op == DSTREAM_OP_SCHEMA) {
    out = write_raw(out, ",\"ddl\":");
    out = write_string_or_null(out, change.facts.ddl);
    out = write_raw(out, plan.columns);
  } else {
    *out++ = '}';
  }
  return out;
}

char* JsonEncoder::write_optional_row(char* out, const SchemaPlan& plan, const dstream_value* row,
                                      Failure* failure) const {
  if (row == nullptr || failure->code != nullptr) {
    return write_raw(out, "null");
  }
  return write_row<true>(out, plan, row, failure, value_);
}

std::unique_ptr<Encoder> make_json_encoder(const MessageSettings& settings, TopicTemplate topic) {
  return std::make_unique<JsonEncoder>(settings, std::move(topic));
}

}  // namespace dstream::core
