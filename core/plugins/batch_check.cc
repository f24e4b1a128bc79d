#include "core/plugins/batch_check.h"

namespace dstream::core {
namespace {

constexpr uint32_t kStrideMax = 4096;
constexpr uint32_t kHeadersMax = 1024;

bool is_aligned(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer) % alignof(dstream_record) == 0;
}

bool is_bytes(const dstream_bytes& bytes) { return bytes.data != nullptr || bytes.size == 0; }

// Which images each operation has.
enum Image : uint8_t { kNone, kRequired, kOptional };
struct Images {
  Image before;
  Image after;
};
constexpr Images kImages[] = {
    {kNone, kNone},          // no operation has the number 0
    {kNone, kRequired},      // SNAPSHOT
    {kNone, kRequired},      // INSERT
    {kOptional, kRequired},  // UPDATE
    {kRequired, kNone},      // DELETE
    {kNone, kNone},          // TRUNCATE
    {kNone, kNone},          // SCHEMA
    {kNone, kNone},          // WATERMARK
};

bool fits(Image image, const dstream_value* values) {
  return image == kOptional || (image == kRequired) == (values != nullptr);
}

const char* find_headers_breach(const dstream_record& record) {
  if (record.header_count > kHeadersMax) {
    return "returned a record with more than 1024 headers.";
  }
  if (record.header_count > 0 && record.headers == nullptr) {
    return "returned a record whose headers are NULL.";
  }
  for (uint32_t i = 0; i < record.header_count; i++) {
    if (record.headers[i].name == nullptr || !is_bytes(record.headers[i].value)) {
      return "returned a record with a header that is NULL.";
    }
  }
  return nullptr;
}

bool has_text(dstream_type type) {
  return (type >= DSTREAM_DECIMAL && type <= DSTREAM_BYTES) || type == DSTREAM_JSON ||
         type == DSTREAM_XML;
}

const char* find_value_breach(const dstream_value& value) {
  if (value.type > DSTREAM_XML) {
    return "returned a value of an unknown type.";
  }
  if (has_text(value.type)) {
    if (value.size > DSTREAM_MAX_VALUE) {
      return "returned a value of more than 1 GiB.";
    }
    if (value.size > 0 && value.as.data == nullptr) {
      return "returned a value whose bytes are NULL.";
    }
  }
  bool is_time = value.type == DSTREAM_TIMESTAMP || value.type == DSTREAM_TIMESTAMP_TZ;
  if (is_time && (value.as.time.nanos < 0 || value.as.time.nanos > 999'999'999)) {
    return "returned a timestamp whose nanos are outside 0..999999999.";
  }
  if (value.type == DSTREAM_TIME && (value.as.i64 < 0 || value.as.i64 >= 86'400'000'000'000)) {
    return "returned a time of day outside 24 hours.";
  }
  if (value.type == DSTREAM_BOOL && value.as.i64 != 0 && value.as.i64 != 1) {
    return "returned a boolean other than 0 and 1.";
  }
  return nullptr;
}

const char* find_values_breach(const dstream_value* values, uint32_t count) {
  for (uint32_t i = 0; values != nullptr && i < count; i++) {
    if (const char* breach = find_value_breach(values[i]); breach != nullptr) {
      return breach;
    }
  }
  return nullptr;
}

}  // namespace

const char* BatchCheck::find_breach(const dstream_batch* batch, uint32_t max_records) {
  if (!is_aligned(batch) || batch->struct_size < sizeof *batch) {
    return "returned a batch whose struct_size is too small.";
  }
  if (batch->release == nullptr) {
    return "returned a batch without release().";
  }
  if (batch->record_stride < sizeof(dstream_record) || batch->record_stride > kStrideMax ||
      batch->record_stride % alignof(dstream_record) != 0) {
    return "returned a batch whose record_stride is wrong.";
  }
  if (batch->record_count == 0) {
    return "returned OK with an empty batch.";
  }
  if (batch->record_count > max_records) {
    return "returned more records than it was asked for.";
  }
  if (batch->records == nullptr || !is_aligned(batch->records)) {
    return "returned a batch whose records are NULL.";
  }
  for (uint32_t i = 0; i < batch->record_count; i++) {
    if (const char* breach = find_record_breach(*DSTREAM_RECORD_AT(batch, i)); breach != nullptr) {
      return breach;
    }
  }
  return nullptr;
}

const char* BatchCheck::find_record_breach(const dstream_record& record) {
  if (record.op < DSTREAM_OP_SNAPSHOT || record.op > DSTREAM_OP_WATERMARK) {
    return "returned a record with an unknown operation.";
  }
  const Images& images = kImages[record.op];
  if (!fits(images.before, record.before) || !fits(images.after, record.after)) {
    return "returned a record whose before and after do not fit its operation.";
  }
  if (record.op != DSTREAM_OP_WATERMARK) {
    if (const char* breach = find_schema_breach(record.schema); breach != nullptr) {
      return breach;
    }
  }
  if (record.position.size > DSTREAM_MAX_POSITION) {
    return "returned a position of more than 64 KiB.";
  }
  if (!is_bytes(record.position) || !is_bytes(record.transaction_id)) {
    return "returned a position or transaction id that is NULL.";
  }
  if (const char* breach = find_headers_breach(record); breach != nullptr) {
    return breach;
  }
  if (check_values_ && record.schema != nullptr) {
    const char* breach = find_values_breach(record.before, record.schema->column_count);
    return breach != nullptr ? breach
                             : find_values_breach(record.after, record.schema->column_count);
  }
  return nullptr;
}

const char* BatchCheck::find_schema_breach(const dstream_schema* schema) {
  if (schema == nullptr || !is_aligned(schema)) {
    return "returned a record without a schema.";
  }
  Passed& passed = passed_[(reinterpret_cast<uintptr_t>(schema) / sizeof *schema) % passed_.size()];
  if (passed.schema == schema && passed.id == schema->id && passed.columns == schema->columns) {
    return nullptr;
  }
  if (schema->struct_size < sizeof *schema || schema->column_stride < sizeof(dstream_column) ||
      schema->column_stride > kStrideMax || schema->column_stride % alignof(dstream_column) != 0) {
    return "returned a schema whose struct_size or column_stride is wrong.";
  }
  if (schema->column_count > DSTREAM_MAX_COLUMNS) {
    return "returned a schema with more than 4096 columns.";
  }
  if (schema->database == nullptr || schema->name_space == nullptr || schema->name == nullptr ||
      (schema->column_count > 0 && schema->columns == nullptr) ||
      (schema->key_count > 0 && schema->key_columns == nullptr)) {
    return "returned a schema with a pointer that is NULL.";
  }
  const char* at = reinterpret_cast<const char*>(schema->columns);
  for (uint32_t i = 0; i < schema->column_count; i++, at += schema->column_stride) {
    const auto* column = reinterpret_cast<const dstream_column*>(at);
    if (column->name == nullptr || column->name[0] == '\0' || column->source_type == nullptr) {
      return "returned a schema with a column that has no name.";
    }
  }
  for (uint32_t i = 0; i < schema->key_count; i++) {
    if (schema->key_columns[i] >= schema->column_count) {
      return "returned a schema whose key names a column it does not have.";
    }
  }
  passed = {schema, schema->id, schema->columns};
  return nullptr;
}

}  // namespace dstream::core
