#include "plugins/sqlserver_cdc/change_batch.h"

#include <array>
#include <charconv>
#include <cstring>

namespace dstream::sqlserver {
namespace {

constexpr size_t kHeadersPerRecord = 3;
// Positions up to this size go on every record.
constexpr size_t kShortPosition = 512;
// Longer ones are at most this part of the batch.
constexpr size_t kPositionShare = 8;

dstream_bytes as_bytes(const char* start, const char* end) {
  return {reinterpret_cast<const uint8_t*>(start), static_cast<uint64_t>(end - start)};
}

// "1" and "2" are nearly all there is; larger numbers are written into the arena.
dstream_bytes number_text(uint32_t number, Arena& arena) {
  static constexpr char kDigits[] = "0123456789";
  if (number < 10) {
    return as_bytes(kDigits + number, kDigits + number + 1);
  }
  char* start = arena.reserve(10);
  char* end = std::to_chars(start, start + 10, number).ptr;
  arena.use(end);
  return as_bytes(start, end);
}

}  // namespace

struct ChangeBatch::Held {
  Held(std::shared_ptr<SlabPool> pool, size_t expected) : arena(std::move(pool), expected) {}
  dstream_batch raw{};
  Arena arena;
  std::vector<ChunkPointer> chunks;
};

ChangeBatch::ChangeBatch(std::shared_ptr<SlabPool> pool, size_t records_max, int64_t read_time_ns)
    : records_max_(records_max), read_time_ns_(read_time_ns) {
  const size_t fixed =
      records_max * (sizeof(dstream_record) + kHeadersPerRecord * sizeof(dstream_field));
  // Texts of a record: its change LSN and a position of the usual size.
  constexpr size_t kTexts = 200;
  held_ = std::make_unique<Held>(std::move(pool), fixed + records_max * kTexts);
  records_ =
      static_cast<dstream_record*>(held_->arena.allocate(records_max * sizeof(dstream_record)));
  headers_ = static_cast<dstream_field*>(
      held_->arena.allocate(records_max * kHeadersPerRecord * sizeof(dstream_field)));
}

ChangeBatch::~ChangeBatch() = default;

dstream_record& ChangeBatch::next_record() {
  dstream_record& record = records_[count_++];
  record = {};
  record.read_time_ns = read_time_ns_;
  return record;
}

dstream_bytes ChangeBatch::lsn_text(Lsn lsn) {
  char* start = held_->arena.reserve(Lsn::kTextSize);
  lsn.format(start);
  held_->arena.use(start + Lsn::kTextSize);
  return as_bytes(start, start + Lsn::kTextSize);
}

dstream_bytes ChangeBatch::copied_text(std::string_view text) {
  char* start = held_->arena.reserve(text.size());
  std::memcpy(start, text.data(), text.size());
  held_->arena.use(start + text.size());
  return as_bytes(start, start + text.size());
}

// Neighbouring records nearly always share it.
dstream_bytes ChangeBatch::commit_text(Lsn commit) {
  if (commit_text_.data == nullptr || commit_ != commit) {
    commit_ = commit;
    commit_text_ = lsn_text(commit_);
  }
  return commit_text_;
}

void ChangeBatch::set_headers(dstream_record& record, const Change& change, uint32_t serial) {
  record.transaction_id = commit_text(change.key.commit);
  dstream_field* fields = headers_ + (count_ - 1) * kHeadersPerRecord;
  fields[0] = {"commit_lsn", commit_text_};
  fields[1] = {"change_lsn", lsn_text(change.key.sequence)};
  fields[2] = {"sequence", number_text(serial, held_->arena)};
  record.headers = fields;
  record.header_count = kHeadersPerRecord;
}

void ChangeBatch::set_position(dstream_record& record, const ChangeKey& key,
                               const RecordFacts& facts, const PositionWriter& positions) {
  position_commit_.set(key.commit, facts.commit_time_ms);
  char* start = held_->arena.reserve(positions.size_max(facts.table_json.size()));
  char* end = facts.transaction_end
                  ? positions.write_complete(start, position_commit_)
                  : positions.write(start, position_commit_, key, facts.table_json,
                                    facts.transaction_seq, facts.serial);
  held_->arena.use(end);
  record.position = as_bytes(start, end);
}

void ChangeBatch::keep(const ChunkPointer& chunk) {
  // Neighbouring records nearly always share a chunk; with several tables a few take turns.
  const size_t count = held_->chunks.size();
  for (size_t i = 0; i < 4 && i < count; ++i) {
    if (held_->chunks[count - 1 - i] == chunk) {
      return;
    }
  }
  held_->chunks.push_back(chunk);
}

void ChangeBatch::add(const Change& change, const RecordFacts& facts,
                      const std::shared_ptr<const PositionWriter>& positions) {
  dstream_record& record = next_record();
  record.op = change.op;
  record.flags = facts.transaction_end ? uint32_t{DSTREAM_RECORD_TX_END} : 0;
  record.schema = facts.schema;
  record.before = change.before;
  record.after = change.after;
  record.transaction_seq = facts.transaction_seq;
  record.commit_time_ns = facts.commit_time_ns;
  set_headers(record, change, facts.serial);
  keep(change.chunk);
  if (change.before_chunk != nullptr) {
    keep(change.before_chunk);
  }
  bytes_ += change.bytes;
  bytes_without_position_ += change.bytes;
  const size_t position_size = positions->size_max(facts.table_json.size());
  if (position_size <= kShortPosition ||
      bytes_without_position_ >= kPositionShare * position_size) {
    set_position(record, change.key, facts, *positions);
    bytes_without_position_ = 0;
    unplaced_.positions.reset();
  } else {
    unplaced_ = {change.key, facts, positions};
  }
}

void ChangeBatch::add_watermark(Lsn commit, int64_t commit_time_ms,
                                const PositionWriter& positions) {
  dstream_record& record = next_record();
  record.op = DSTREAM_OP_WATERMARK;
  char* start = held_->arena.reserve(positions.size_max(0));
  position_commit_.set(commit, commit_time_ms);
  char* end = positions.write_complete(start, position_commit_);
  held_->arena.use(end);
  record.position = as_bytes(start, end);
  unplaced_.positions.reset();
}

void ChangeBatch::add_copied(const CopiedRow& row) {
  dstream_record& record = next_record();
  record.op = DSTREAM_OP_SNAPSHOT;
  record.schema = row.schema;
  record.after = row.values;
  record.commit_time_ns = row.read_time_ns;
  dstream_field* fields = headers_ + (count_ - 1) * kHeadersPerRecord;
  fields[0] = {"commit_lsn", commit_text(row.low)};
  fields[1] = {"snapshot", {reinterpret_cast<const uint8_t*>("true"), 4}};
  record.headers = fields;
  record.header_count = 2;
  keep(row.chunk);
  bytes_ += row.chunk->row_bytes();
}

void ChangeBatch::add_truncate(const dstream_schema* schema) {
  dstream_record& record = next_record();
  record.op = DSTREAM_OP_TRUNCATE;
  record.schema = schema;
}

void ChangeBatch::add_schema(const dstream_schema* schema, std::string_view instance,
                             const Definition& definition) {
  dstream_record& record = next_record();
  record.op = DSTREAM_OP_SCHEMA;
  record.schema = schema;
  record.commit_time_ns = definition.time_ns;
  dstream_field* fields = headers_ + (count_ - 1) * kHeadersPerRecord;
  fields[0] = {"commit_lsn", commit_text(definition.lsn)};
  fields[1] = {"capture_instance", copied_text(instance)};
  record.header_count = 2;
  if (!definition.statement.empty()) {
    fields[record.header_count++] = {"ddl", copied_text(definition.statement)};
  }
  record.headers = fields;
}

dstream_batch* ChangeBatch::finish_at(std::string_view position) {
  if (count_ == 0) {
    next_record().op = DSTREAM_OP_WATERMARK;
  }
  dstream_record& record = records_[count_ - 1];
  record.flags |= snapshot_end_ ? uint32_t{DSTREAM_RECORD_SNAPSHOT_END} : 0;
  // A position that would be too long is left out: the next one that is not says as much.
  if (position.size() <= DSTREAM_MAX_POSITION) {
    char* start = held_->arena.reserve(position.size());
    std::memcpy(start, position.data(), position.size());
    held_->arena.use(start + position.size());
    record.position = as_bytes(start, start + position.size());
  }
  return finish();
}

dstream_batch* ChangeBatch::finish() {
  if (unplaced_.positions != nullptr) {
    set_position(records_[count_ - 1], unplaced_.key, unplaced_.facts, *unplaced_.positions);
    unplaced_.positions.reset();
  }
  Held* held = held_.release();
  dstream_batch& raw = held->raw;
  raw.struct_size = sizeof raw;
  raw.record_stride = sizeof(dstream_record);
  raw.records = records_;
  raw.record_count = static_cast<uint32_t>(count_);
  raw.byte_size = held->arena.held() + sizeof(Held) + bytes_;
  raw.plugin_data = held;
  raw.release = [](dstream_batch* batch) noexcept {
    delete static_cast<Held*>(batch->plugin_data);
  };
  return &raw;
}

}  // namespace dstream::sqlserver
