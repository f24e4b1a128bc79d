#include "plugins/sqlserver_cdc/table_schema.h"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <set>

namespace dstream::sqlserver {
namespace {

// A description and the ABI structures that point into it.
struct Interned {
  TableDescription description;
  std::vector<dstream_column> columns;
  dstream_schema raw{};
};

uint32_t flags_of(const TableDescription& description, size_t column) {
  const CapturedColumn& captured = description.columns[column];
  uint32_t flags = captured.nullable ? uint32_t{DSTREAM_COLUMN_NULLABLE} : 0;
  flags |= captured.computed ? uint32_t{DSTREAM_COLUMN_COMPUTED} : 0;
  flags |= captured.dropped ? uint32_t{DSTREAM_COLUMN_DROPPED} : 0;
  const auto& key = description.key;
  if (std::find(key.begin(), key.end(), static_cast<uint32_t>(column)) != key.end()) {
    flags |= DSTREAM_COLUMN_KEY;
  }
  return flags;
}

void fill(Interned& interned, uint64_t id) {
  const TableDescription& description = interned.description;
  for (size_t i = 0; i < description.columns.size(); ++i) {
    const CapturedColumn& from = description.columns[i];
    dstream_column column{};
    column.name = from.name.c_str();
    column.source_type = from.type.source_type.c_str();
    column.type = from.type.type;
    column.flags = flags_of(description, i);
    column.precision = from.type.precision;
    column.scale = from.type.scale;
    interned.columns.push_back(column);
  }
  dstream_schema& raw = interned.raw;
  raw.struct_size = sizeof raw;
  raw.column_stride = sizeof(dstream_column);
  raw.id = id;
  raw.database = description.database.c_str();
  raw.name_space = description.table.schema.c_str();
  raw.name = description.table.table.c_str();
  raw.columns = interned.columns.data();
  raw.column_count = static_cast<uint32_t>(interned.columns.size());
  raw.key_columns = description.key.data();
  raw.key_count = static_cast<uint32_t>(description.key.size());
}

// Everything that tells two schemas apart, unambiguously.
std::string content_of(const TableDescription& description) {
  std::string text;
  const auto add = [&text](const std::string& part) {
    text += std::to_string(part.size()) + ':' + part;
  };
  add(description.database);
  add(description.table.schema);
  add(description.table.table);
  for (const CapturedColumn& column : description.columns) {
    add(column.name);
    add(column.type.source_type);
    text += std::to_string(column.type.type) + (column.nullable ? '?' : '!');
    text += std::string(column.computed ? "c" : "") + (column.dropped ? "d" : "");
  }
  for (const uint32_t index : description.key) {
    text += ',' + std::to_string(index);
  }
  return text;
}

// Other sources of the process count their schemas from 1; a hash keeps clear of them.
uint64_t hash_of(const std::string& content) {
  uint64_t hash = 14695981039346656037u;
  for (const char c : content) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  }
  return hash;
}

struct Registry {
  std::mutex mutex;  // guards everything below
  std::map<std::string, std::unique_ptr<Interned>> schemas;
  std::set<uint64_t> ids;
};

}  // namespace

bool TableDescription::has_large() const {
  return std::any_of(columns.begin(), columns.end(), [](const CapturedColumn& column) {
    return column.type.fetch != Fetch::kAbsent && column.type.large != Large::kNo;
  });
}

const dstream_schema* intern_schema(const TableDescription& description) {
  static Registry& registry = *new Registry;  // outlives every batch
  const std::string content = content_of(description);
  const std::lock_guard lock(registry.mutex);
  std::unique_ptr<Interned>& interned = registry.schemas[content];
  if (interned == nullptr) {
    uint64_t id = hash_of(content);
    while (id == 0 || !registry.ids.insert(id).second) {
      ++id;
    }
    interned = std::make_unique<Interned>();
    interned->description = description;
    fill(*interned, id);
  }
  return &interned->raw;
}

}  // namespace dstream::sqlserver
