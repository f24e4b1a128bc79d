#include "core/messages/record_encoder.h"

#include <openssl/sha.h>

#include <algorithm>
#include <utility>

#include "core/base/assert.h"
#include "core/messages/partition_template.h"

namespace dstream::core {

void set_unscaled_failure(UnscaledResult result, Failure* failure) {
  switch (result) {
    case UnscaledResult::kDone:
      return;
    case UnscaledResult::kNotADecimal:
      failure->set("DS-ENCODE-VALUE", "holds a decimal that is not spelled as one");
      return;
    case UnscaledResult::kTooManyDigits:
      failure->set("DS-ENCODE-RANGE", "holds a decimal with more digits than this format takes");
      return;
    case UnscaledResult::kScaleExceeded:
      failure->set("DS-ENCODE-RANGE",
                   "holds a decimal with more digits behind the point than its type says");
      return;
  }
}
namespace {

// More schemas than this at once means that a source makes new ones all the time; the plans of
// old ones are then dropped and made again when needed.
constexpr size_t kPlansMax = 10'000;

constexpr std::string_view kHashedKeyPrefix = "sha256:";
constexpr size_t kHashedKeyBytes = kHashedKeyPrefix.size() + 2 * SHA256_DIGEST_LENGTH;

Error to_error(const Failure& failure, const SchemaPlan& plan) {
  Error error;
  error.code = failure.code;
  error.message = failure.column == Failure::kNoColumn
                      ? "A change of " + plan.full_name()
                      : "Column \"" + plan.facts[failure.column].name + "\" of " + plan.full_name();
  error.message += std::string(" ") + failure.reason + ".";
  error.hint = failure.hint;
  return error;
}

// Takes from the record the rows its op speaks of. Errors: DS-ENCODE-OP, DS-ENCODE-ROW.
Result<Change> make_change(const dstream_record& record, const SchemaPlan& plan,
                           const ChangeFacts& facts) {
  Change change{record, plan, facts, record.op, nullptr, nullptr};
  bool complete = true;
  switch (record.op) {
    case DSTREAM_OP_SNAPSHOT:
    case DSTREAM_OP_INSERT:
      change.after = record.after;
      complete = record.after != nullptr;
      break;
    case DSTREAM_OP_UPDATE:
      change.before = record.before;
      change.after = record.after;
      complete = record.after != nullptr;
      break;
    case DSTREAM_OP_DELETE:
      change.before = record.before;
      complete = record.before != nullptr;
      break;
    case DSTREAM_OP_TRUNCATE:
    case DSTREAM_OP_SCHEMA:
      break;
    default:
      return fail("DS-ENCODE-OP", "A change of " + plan.full_name() +
                                      " has an operation that no message format knows.");
  }
  if (!complete) {
    return fail("DS-ENCODE-ROW", std::string("A change of ") + plan.full_name() + " (" +
                                     op_name(record.op) + ") came without its row.");
  }
  return change;
}

}  // namespace

Result<void> RecordEncoder::encode(const dstream_record& record, uint32_t record_index,
                                   Arena& arena, std::vector<dstream_message>& out) {
  if (record.op == DSTREAM_OP_WATERMARK || (record.op == DSTREAM_OP_SCHEMA && !writes_schemas())) {
    return {};
  }
  auto plan = find_plan(record.schema);
  if (!plan) {
    return fail(std::move(plan.error()));
  }
  const ChangeFacts facts = read_facts(record);
  auto change = make_change(record, **plan, facts);
  if (!change) {
    return fail(std::move(change.error()));
  }
  if (record.op == DSTREAM_OP_UPDATE && (changes_key(*change) || changes_partition(*change))) {
    return append_move(*change, *plan, record_index, arena, out);
  }
  const TopicName topic = topic_for(*plan, change->op);
  Texts texts;
  if (auto written = write_texts(*change, arena, &texts); !written) {
    return written;
  }
  append(*change, topic, texts, {nullptr, {}}, record_index, arena, out);
  return {};
}

// Consumers that keep the last message of each key would otherwise keep the row under its old key
// for ever, and messages of one row would be ordered under two keys. Of a row that moves to another
// partition the old one would keep it for ever likewise.
Result<void> RecordEncoder::append_move(const Change& update, SchemaPlan* plan,
                                        uint32_t record_index, Arena& arena,
                                        std::vector<dstream_message>& out) {
  const Change deletion{update.record,     update.plan,   update.facts,
                        DSTREAM_OP_DELETE, update.before, nullptr};
  const Change insertion{update.record,     update.plan, update.facts,
                         DSTREAM_OP_INSERT, nullptr,     update.after};
  const TopicName old_topic = topic_for(plan, DSTREAM_OP_DELETE);
  const TopicName new_topic = topic_for(plan, DSTREAM_OP_INSERT);
  Texts old_texts;
  Texts new_texts;
  if (auto written = write_texts(deletion, arena, &old_texts); !written) {
    return written;
  }
  if (auto written = write_texts(insertion, arena, &new_texts); !written) {
    return written;
  }
  const bool new_key = changes_key(update);
  append(deletion, old_topic, old_texts, {new_key ? new_key_header() : nullptr, new_texts.key},
         record_index, arena, out);
  append(insertion, new_topic, new_texts, {new_key ? old_key_header() : nullptr, old_texts.key},
         record_index, arena, out);
  return {};
}

Result<SchemaPlan*> RecordEncoder::find_plan(const dstream_schema* schema) {
  if (schema == nullptr) {
    return fail("DS-ENCODE-SCHEMA", "A change came from the source plugin without its schema.");
  }
  if (last_plan_ != nullptr && last_schema_ == schema->id &&
      last_plan_->columns.size() == schema->column_count) {
    return last_plan_;
  }
  auto found = plans_.find(schema->id);
  if (found == plans_.end() || found->second->columns.size() != schema->column_count) {
    std::unique_ptr<SchemaPlan> plan = new_plan();
    if (auto planned = plan_schema(*schema, settings_, plan.get()); !planned) {
      return fail(std::move(planned.error()));
    }
    if (auto finished = finish_plan(plan.get()); !finished) {
      return fail(std::move(finished.error()));
    }
    plan->row_bytes_max = 2;
    for (const ColumnPlan& column : plan->columns) {
      plan->row_bytes_max += column.label.size + column.bytes_max;
    }
    if (plans_.size() >= kPlansMax) {
      plans_.clear();
    }
    found = plans_.insert_or_assign(schema->id, std::move(plan)).first;
  }
  last_schema_ = schema->id;
  last_plan_ = found->second.get();
  return last_plan_;
}

TopicName RecordEncoder::topic_for(SchemaPlan* plan, dstream_op op) {
  TopicName& topic = plan->topics[op];
  if (topic.name == nullptr) {
    const std::string name = topic_.expand(
        {settings_.pipeline, plan->database, plan->name_space, plan->table, op_name(op)});
    const auto id = static_cast<uint32_t>(topic_ids_.size());
    const auto known = topic_ids_.emplace(name, id).first;
    topic = {known->first.c_str(), known->second};
  }
  return topic;
}

Result<void> RecordEncoder::write_texts(const Change& change, Arena& arena, Texts* texts) const {
  const size_t bound = bytes_bound(change) + kSlackBytes;
  char* const begin = arena.reserve(bound);
  Failure failure;
  char* const end = write(begin, change, texts, &failure);
  if (failure.code == nullptr) {
    texts->partition = partition_of(change, &failure);
  }
  DSTREAM_ASSERT(static_cast<size_t>(end - begin) <= bound);
  if (failure.code != nullptr) {
    return fail(to_error(failure, change.plan));
  }
  arena.commit(static_cast<size_t>(end - begin));
  if (settings_.key_bytes_max != 0 && texts->key.size > settings_.key_bytes_max) [[unlikely]] {
    texts->key = hashed_key(texts->key, arena);
  }
  return {};
}

// The same key has the same hash, and so its partition and its place in a compacted topic. The
// digest is on the stack: such keys may come with every record.
dstream_bytes RecordEncoder::hashed_key(dstream_bytes key, Arena& arena) const {
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(key.data, key.size, digest);
  char* const begin = arena.reserve(kHashedKeyBytes + kSlackBytes);
  char* out = write_raw(begin, kHashedKeyPrefix);
  for (const uint8_t byte : digest) {
    *out++ = "0123456789abcdef"[byte >> 4];
    *out++ = "0123456789abcdef"[byte & 15];
  }
  arena.commit(kHashedKeyBytes);
  return span(begin, out);
}

void RecordEncoder::append(const Change& change, TopicName topic, const Texts& texts,
                           const dstream_field& extra_header, uint32_t record_index, Arena& arena,
                           std::vector<dstream_message>& out) const {
  dstream_message message{};
  message.topic = topic.name;
  message.topic_id = topic.id;
  message.partition = texts.partition;
  message.key = texts.key;
  message.value = texts.value;
  message.record = record_index;
  message.timestamp_ns = change.record.commit_time_ns;

  const uint32_t count =
      texts.header_count + change.facts.other_headers + (extra_header.name != nullptr ? 1u : 0u);
  if (count > 0) {
    auto* headers = static_cast<dstream_field*>(
        arena.allocate(count * sizeof(dstream_field), alignof(dstream_field)));
    message.headers = headers;
    message.header_count = count;
    headers = std::copy_n(texts.headers.begin(), texts.header_count, headers);
    if (extra_header.name != nullptr) {
      *headers++ = extra_header;
    }
    for (uint32_t i = 0; change.facts.other_headers > 0 && i < change.record.header_count; ++i) {
      if (!is_fact(change.record.headers[i].name)) {
        *headers++ = change.record.headers[i];
      }
    }
  }
  out.push_back(message);
  if (change.op == DSTREAM_OP_DELETE && settings_.tombstones && texts.key.data != nullptr) {
    append_tombstone(change, texts, message, arena, out);
  }
}

void RecordEncoder::append_tombstone(const Change& deletion, const Texts& deleted,
                                     dstream_message message, Arena& arena,
                                     std::vector<dstream_message>& out) const {
  Texts tombstone;
  char* const begin = arena.reserve(change_id_bytes_bound(deletion));
  char* const end = write_tombstone(begin, deletion, deleted, &tombstone);
  arena.commit(static_cast<size_t>(end - begin));
  auto* headers = static_cast<dstream_field*>(
      arena.allocate(tombstone.header_count * sizeof(dstream_field), alignof(dstream_field)));
  std::copy_n(tombstone.headers.begin(), tombstone.header_count, headers);
  message.value = {nullptr, 0};
  message.headers = headers;
  message.header_count = tombstone.header_count;
  out.push_back(message);
}

// Not the id of the delete: a consumer that drops what it has seen would drop the tombstone.
char* RecordEncoder::write_tombstone(char* out, const Change& deletion, const Texts& /*deleted*/,
                                     Texts* tombstone) const {
  char* const end = write_change_id(out, deletion, "tombstone");
  tombstone->add_header(kIdHeader, span(out, end));
  return end;
}

}  // namespace dstream::core
