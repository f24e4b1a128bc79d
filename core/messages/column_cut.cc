#include "core/messages/column_cut.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/messages/oversize.h"
#include "core/messages/schema_plan.h"

namespace dstream::core {
namespace {

// Below this nothing is gained.
constexpr uint64_t kCutBytesMin = 64;

const dstream_column& column_at(const dstream_schema& schema, uint32_t index) {
  return *reinterpret_cast<const dstream_column*>(reinterpret_cast<const char*>(schema.columns) +
                                                  size_t{schema.column_stride} * index);
}

bool is_text(dstream_type type) { return type == DSTREAM_STRING || type == DSTREAM_BYTES; }
bool is_document(dstream_type type) { return type == DSTREAM_JSON || type == DSTREAM_XML; }

// As the format itself finds them; it has encoded the record before, so that this cannot fail.
std::vector<uint32_t> key_of(const dstream_schema& schema, const MessageSettings& settings) {
  SchemaPlan plan;
  const Result<void> planned = plan_schema(schema, settings, &plan);
  DSTREAM_ASSERT(planned.has_value());
  return plan.key;
}

uint64_t bytes_in(const std::vector<dstream_value>& row, uint32_t index) {
  if (row.empty()) {
    return 0;
  }
  const dstream_value& value = row[index];
  return is_text(value.type) || is_document(value.type) ? value.size : 0;
}

// The longest beginning of at most `bytes` that ends with a whole character.
uint32_t whole_characters(const uint8_t* text, uint32_t bytes) {
  while (bytes > 0 && (text[bytes] & 0xc0) == 0x80) {
    --bytes;
  }
  return bytes;
}

}  // namespace

ColumnCut::ColumnCut(const dstream_record& record, const MessageSettings& settings)
    : original_(record), record_(record) {
  const dstream_schema& schema = *record.schema;
  const std::vector<uint32_t> key = key_of(schema, settings);
  if (record.before != nullptr) {
    before_.assign(record.before, record.before + schema.column_count);
  }
  if (record.after != nullptr) {
    after_.assign(record.after, record.after + schema.column_count);
  }
  for (uint32_t i = 0; i < schema.column_count; ++i) {
    Column column{i, is_document(column_at(schema, i).type)};
    column.original_bytes = std::max(bytes_in(before_, i), bytes_in(after_, i));
    if (column.original_bytes > kCutBytesMin && std::find(key.begin(), key.end(), i) == key.end()) {
      columns_.push_back(column);
    }
  }
}

uint64_t ColumnCut::bytes_of(const Column& column) const {
  return std::max(bytes_in(before_, column.index), bytes_in(after_, column.index));
}

uint64_t ColumnCut::left() const {
  uint64_t bytes = 0;
  for (const Column& column : columns_) {
    bytes += bytes_in(before_, column.index) + bytes_in(after_, column.index);
  }
  return bytes;
}

bool ColumnCut::take(uint64_t bytes) {
  const auto largest = std::max_element(
      columns_.begin(), columns_.end(),
      [this](const Column& a, const Column& b) { return bytes_of(a) < bytes_of(b); });
  if (largest == columns_.end() || bytes_of(*largest) == 0) {
    return false;
  }
  const uint64_t now = bytes_of(*largest);
  const uint64_t to = bytes >= now || now - bytes < kCutBytesMin ? 0 : now - bytes;
  largest->cut = true;
  shorten(before_, *largest, to);
  shorten(after_, *largest, to);
  return true;
}

void ColumnCut::shorten(std::vector<dstream_value>& row, const Column& column,
                        uint64_t bytes) const {
  if (bytes_in(row, column.index) <= bytes) {
    return;
  }
  dstream_value& value = row[column.index];
  if (!is_text(value.type) || bytes == 0) {
    value = {};
    value.type = DSTREAM_ABSENT;
    return;
  }
  value.size = value.type == DSTREAM_STRING
                   ? whole_characters(value.as.data, static_cast<uint32_t>(bytes))
                   : static_cast<uint32_t>(bytes);
}

const dstream_record& ColumnCut::record(Arena& arena) {
  std::string cut;
  for (const Column& column : columns_) {
    if (column.cut) {
      cut += (cut.empty() ? "" : ",") + std::string(column_at(*record_.schema, column.index).name) +
             ":" + std::to_string(column.original_bytes);
    }
  }
  const std::string_view text = arena.copy(cut);
  headers_.assign(original_.headers, original_.headers + original_.header_count);
  headers_.push_back(
      {kTruncatedHeader, {reinterpret_cast<const uint8_t*>(text.data()), text.size()}});
  record_.headers = headers_.data();
  record_.header_count = static_cast<uint32_t>(headers_.size());
  record_.before = before_.empty() ? nullptr : before_.data();
  record_.after = after_.empty() ? nullptr : after_.data();
  return record_;
}

}  // namespace dstream::core
