// How a source describes tables and builds batches of records.
//
//   dstream::Schema schema_{"sales", "dbo", "orders"};
//   schema_.column("id", DSTREAM_INT64, "bigint", DSTREAM_COLUMN_KEY)
//          .column("price", DSTREAM_DECIMAL, "decimal(9,2)", 0, 9, 2);
//   ...
//   dstream::BatchBuilder batch;
//   auto row = batch.row(schema_);
//   row.int64(1).decimal("19.90");
//   dstream_record& record = batch.add(DSTREAM_OP_INSERT, schema_, position);
//   record.after = row.values();
//   batch.headers(record, {{"commit_lsn", lsn}});
//   return batch;
//
// Everything a record points to lives in the batch and goes with it: text given to a row, to add()
// or to headers() is copied. A schema is not: see Schema.
//
// Cost: one row of 12 columns takes about 0.1 us to build; nothing here asks the heap per record.
//
// Thread rule: a builder belongs to one thread at a time. A finished batch is immutable.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <deque>
#include <initializer_list>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dstream/abi.h"
#include "dstream/detail/arena.hpp"
#include "dstream/host.hpp"

namespace dstream {

// Describes a table once; records refer to it.
//
// Lifetime: every batch whose records refer to a schema needs it until it is released, which may be
// after close(). A schema that is a member of your source is safe: the host releases every batch
// before it destroys the source. One that is replaced while the source runs is kept alive by
// handing its owner to BatchBuilder::keep().
//
// A changed table is a new Schema object: sinks cache by id. Ids are drawn so that no two plugins
// of a process meet.
class Schema {
 public:
  // `name_space` is what databases call the schema, "dbo"; `name` is the table.
  Schema(std::string database, std::string name_space, std::string name) {
    raw_.struct_size = sizeof raw_;
    raw_.column_stride = sizeof(dstream_column);
    raw_.id = next_id();
    raw_.database = keep(std::move(database));
    raw_.name_space = keep(std::move(name_space));
    raw_.name = keep(std::move(name));
  }
  Schema(std::string name_space, std::string name)
      : Schema("", std::move(name_space), std::move(name)) {}
  Schema(const Schema&) = delete;
  Schema& operator=(const Schema&) = delete;

  // Adds the next column; columns that are keys become the key in this order. `source_type` is the
  // type as the source spells it. `precision` and `scale` are those of decimals and times.
  // REQUIRES: no record refers to this schema yet.
  Schema& column(std::string name, dstream_type type, std::string source_type = "",
                 uint32_t flags = DSTREAM_COLUMN_NULLABLE, int32_t precision = 0,
                 int32_t scale = 0) {
    if (columns_.size() == DSTREAM_MAX_COLUMNS) {
      throw std::length_error("a table may have 4096 columns");
    }
    if ((flags & DSTREAM_COLUMN_KEY) != 0) {
      keys_.push_back(static_cast<uint32_t>(columns_.size()));
    }
    dstream_column column{};
    column.name = keep(std::move(name));
    column.source_type = keep(std::move(source_type));
    column.type = type;
    column.flags = flags;
    column.precision = precision;
    column.scale = scale;
    columns_.push_back(column);
    raw_.columns = columns_.data();
    raw_.column_count = static_cast<uint32_t>(columns_.size());
    raw_.key_columns = keys_.data();
    raw_.key_count = static_cast<uint32_t>(keys_.size());
    return *this;
  }

  const dstream_schema* raw() const { return &raw_; }
  uint32_t column_count() const { return raw_.column_count; }

 private:
  static uint64_t next_id() {
    // From a random start: each plugin library has its own counter.
    static std::atomic<uint64_t> next{[] {
      std::random_device random;
      return (uint64_t{random()} << 32) | random();
    }()};
    return next.fetch_add(1, std::memory_order_relaxed);
  }
  const char* keep(std::string text) { return text_.emplace_back(std::move(text)).c_str(); }

  dstream_schema raw_{};
  std::deque<std::string> text_;  // stable addresses
  std::vector<dstream_column> columns_;
  std::vector<uint32_t> keys_;
};

// One row of values, written column by column in schema order. Columns that are not written are
// NULL; writing more than there are throws std::out_of_range. A row is a small handle: copying it
// does not copy the values, which live in the batch.
class Row {
 public:
  Row(detail::BatchArena& arena, const dstream_schema* schema)
      : arena_(&arena),
        values_(static_cast<dstream_value*>(
            arena.allocate(sizeof(dstream_value) * schema->column_count, alignof(dstream_value)))),
        at_(values_),
        end_(values_ + schema->column_count) {
    std::memset(static_cast<void*>(values_), 0, sizeof(dstream_value) * schema->column_count);
  }

  Row& null() { return next(DSTREAM_NULL), *this; }
  // Not captured: the source does not know the value, which is not the same as NULL.
  Row& absent() { return next(DSTREAM_ABSENT), *this; }
  Row& boolean(bool value) { return next(DSTREAM_BOOL).as.i64 = value ? 1 : 0, *this; }
  Row& int64(int64_t value) { return next(DSTREAM_INT64).as.i64 = value, *this; }
  Row& uint64(uint64_t value) { return next(DSTREAM_UINT64).as.u64 = value, *this; }
  Row& float64(double value) { return next(DSTREAM_FLOAT64).as.f64 = value, *this; }
  // ASCII "-?digits(.digits)?", exact, as many digits as the scale says: "19.90".
  Row& decimal(std::string_view value) { return copied(DSTREAM_DECIMAL, value); }
  Row& string(std::string_view utf8) { return copied(DSTREAM_STRING, utf8); }
  Row& binary(std::string_view value) { return copied(DSTREAM_BYTES, value); }
  Row& json(std::string_view utf8) { return copied(DSTREAM_JSON, utf8); }
  Row& xml(std::string_view utf8) { return copied(DSTREAM_XML, utf8); }
  // Days since 1970-01-01, may be negative.
  Row& date(int64_t days) { return next(DSTREAM_DATE).as.i64 = days, *this; }
  // Nanoseconds since midnight, 0 .. 86'399'999'999'999.
  Row& time(int64_t nanos) { return next(DSTREAM_TIME).as.i64 = nanos, *this; }
  // Seconds since 1970-01-01T00:00:00 on the clock of the source, no zone; nanos 0 .. 999'999'999.
  Row& timestamp(int64_t seconds, int32_t nanos) {
    set_time(next(DSTREAM_TIMESTAMP), seconds, nanos, 0);
    return *this;
  }
  // An instant, in UTC, and the offset it was written with, in minutes east of UTC.
  Row& timestamp_tz(int64_t seconds_utc, int32_t nanos, int32_t offset_min) {
    set_time(next(DSTREAM_TIMESTAMP_TZ), seconds_utc, nanos, offset_min);
    return *this;
  }
  // RFC 4122 byte order: as the text form reads, not as SQL Server stores it.
  Row& uuid(const uint8_t (&value)[16]) {
    std::memcpy(next(DSTREAM_UUID).as.uuid, value, 16);
    return *this;
  }
  // Text that already lives in this batch (from BatchBuilder::allocate()): not copied again.
  Row& borrowed(dstream_type type, std::string_view value) {
    return set_text(next(type), value), *this;
  }
  // A value made elsewhere; what it points to must live as long as the batch.
  Row& value(const dstream_value& made) { return next(made.type) = made, *this; }

  const dstream_value* values() const { return values_; }

 private:
  dstream_value& next(dstream_type type) {
    if (at_ == end_) throw std::out_of_range("more values than columns");
    at_->type = type;
    return *at_++;
  }
  static void set_time(dstream_value& slot, int64_t seconds, int32_t nanos, int32_t offset_min) {
    slot.as.time.seconds = seconds;
    slot.as.time.nanos = nanos;
    slot.as.time.offset_min = offset_min;
  }
  static void set_text(dstream_value& slot, std::string_view text) {
    if (text.size() > DSTREAM_MAX_VALUE) throw std::length_error("a value of more than 1 GiB");
    slot.size = static_cast<uint32_t>(text.size());
    slot.as.data = reinterpret_cast<const uint8_t*>(text.data());
  }
  Row& copied(dstream_type type, std::string_view text) {
    dstream_value& slot = next(type);
    char* copy = static_cast<char*>(arena_->allocate(text.size(), 1));
    if (!text.empty()) std::memcpy(copy, text.data(), text.size());
    set_text(slot, {copy, text.size()});
    return *this;
  }

  detail::BatchArena* arena_;
  dstream_value* values_;
  dstream_value* at_;
  dstream_value* end_;
};

// Builds one batch. Move-only; a builder that is dropped gives its memory back. Return it from
// read(); the layer calls finish() and the host releases the batch when the last record is settled.
class BatchBuilder {
 public:
  using Row = dstream::Row;

  BatchBuilder() : block_(detail::BatchPool::instance().take()) {}

  Row row(const Schema& schema) { return Row(block_->arena, schema.raw()); }
  Row row(const dstream_schema* schema) { return Row(block_->arena, schema); }

  // Appends a record. `position` is what open() is given to continue after this record; at most
  // 64 KiB, best readable text with a version in it; empty where the source cannot resume, inside a
  // transaction. The reference is valid until the next add(): set before, after, times and
  // transaction now.
  dstream_record& add(dstream_op op, const dstream_schema* schema, std::string_view position) {
    dstream_record& record = block_->records.emplace_back();
    record.op = op;
    record.schema = schema;
    record.position = bytes(copy(position));
    return record;
  }
  dstream_record& add(dstream_op op, const Schema& schema, std::string_view position) {
    return add(op, schema.raw(), position);
  }
  // A position without a change: lets the checkpoint move on while the tables are quiet.
  dstream_record& add_watermark(std::string_view position) {
    return add(DSTREAM_OP_WATERMARK, nullptr, position);
  }

  // Facts about the change that are not columns. Names must outlive the batch: use literals; abi.h
  // lists those that the host's formats know. Values are copied.
  void headers(dstream_record& record,
               std::initializer_list<std::pair<const char*, std::string_view>> headers) {
    auto* fields = static_cast<dstream_field*>(
        block_->arena.allocate(sizeof(dstream_field) * headers.size(), alignof(dstream_field)));
    record.headers = fields;
    record.header_count = static_cast<uint32_t>(headers.size());
    for (const auto& [name, value] : headers) *fields++ = {name, bytes(copy(value))};
  }

  // `size` bytes of the batch's memory, uninitialised, for text or arrays the caller writes itself.
  void* allocate(size_t size, size_t alignment = 1) {
    return block_->arena.allocate(size, alignment);
  }
  // A copy of `text` that lives as long as the batch. Share one copy between records where you can:
  // the transaction id, a commit LSN.
  std::string_view copy(std::string_view text) {
    char* copied = static_cast<char*>(block_->arena.allocate(text.size(), 1));
    if (!text.empty()) std::memcpy(copied, text.data(), text.size());
    return {copied, text.size()};
  }
  // Keeps `owner` alive until the batch is released: a schema that may be replaced, a buffer that
  // rows borrow from.
  void keep(std::shared_ptr<const void> owner) { block_->kept.push_back(std::move(owner)); }

  size_t size() const { return block_->records.size(); }
  bool empty() const { return block_->records.empty(); }
  // Memory the batch holds so far; end a batch at about 1 MiB.
  size_t byte_size() const {
    return block_->arena.held_bytes() + block_->records.capacity() * sizeof(dstream_record);
  }

  // Hands the batch over. The builder is empty afterwards and must not be used again.
  dstream_batch* finish() {
    block_->arena.trim();
    if (block_->records.capacity() > 4 * block_->records.size() + 64) {
      block_->records.shrink_to_fit();
    }
    dstream_batch& raw = block_->raw;
    raw = {};
    raw.struct_size = sizeof raw;
    raw.record_stride = sizeof(dstream_record);
    raw.records = block_->records.data();
    raw.record_count = static_cast<uint32_t>(block_->records.size());
    raw.byte_size = byte_size();
    raw.release = [](dstream_batch* batch) noexcept {
      detail::GiveBack()(static_cast<detail::BatchBlock*>(batch->plugin_data));
    };
    raw.plugin_data = block_.release();
    return &raw;
  }

 private:
  detail::BatchBlockPtr block_;
};

}  // namespace dstream
