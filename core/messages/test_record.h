// Schemas, rows and records for the tests of this room.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/messages/schema_registry.h"
#include "dstream/abi.h"

namespace dstream::core::test {

inline dstream_bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string text_of(dstream_bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data), bytes.size};
}

inline std::string hex_of(dstream_bytes bytes) {
  std::string out;
  for (uint64_t i = 0; i < bytes.size; ++i) {
    out += "0123456789abcdef"[bytes.data[i] >> 4];
    out += "0123456789abcdef"[bytes.data[i] & 15];
  }
  return out;
}

// Knows every schema at once, unless it is told to hold its answers back.
class PromptRegistry final : public SchemaRegistry {
 public:
  Result<std::optional<int32_t>> find(const std::string& subject,
                                      const std::string& schema) override {
    asked.push_back(subject);
    if (refusal) {
      return fail(*refusal);
    }
    if (holds) {
      return std::nullopt;
    }
    for (const auto& [id, text] : schemas) {
      if (text == schema) {
        return id;
      }
    }
    const auto id = static_cast<int32_t>(schemas.size()) + 1;
    schemas[id] = schema;
    return id;
  }
  std::optional<Error> trouble() const override { return why; }

  bool holds = false;
  std::optional<Error> refusal;
  std::optional<Error> why;
  std::map<int32_t, std::string> schemas;
  std::vector<std::string> asked;
};

// ---- values: the text behind a value is borrowed ----

inline dstream_value value_of(dstream_type type) {
  dstream_value value{};
  value.type = type;
  return value;
}
inline dstream_value null() { return value_of(DSTREAM_NULL); }
inline dstream_value absent() { return value_of(DSTREAM_ABSENT); }
inline dstream_value number(int64_t i64, dstream_type type = DSTREAM_INT64) {
  dstream_value value = value_of(type);
  value.as.i64 = i64;
  return value;
}
inline dstream_value boolean(bool b) { return number(b ? 1 : 0, DSTREAM_BOOL); }
inline dstream_value unsigned_number(uint64_t u64) {
  dstream_value value = value_of(DSTREAM_UINT64);
  value.as.u64 = u64;
  return value;
}
inline dstream_value real(double f64) {
  dstream_value value = value_of(DSTREAM_FLOAT64);
  value.as.f64 = f64;
  return value;
}
inline dstream_value text(std::string_view bytes, dstream_type type = DSTREAM_STRING) {
  dstream_value value = value_of(type);
  value.size = static_cast<uint32_t>(bytes.size());
  value.as.data = reinterpret_cast<const uint8_t*>(bytes.data());
  return value;
}
inline dstream_value decimal(std::string_view digits) { return text(digits, DSTREAM_DECIMAL); }
inline dstream_value binary(std::string_view bytes) { return text(bytes, DSTREAM_BYTES); }
inline dstream_value timestamp(int64_t seconds, int32_t nanos,
                               dstream_type type = DSTREAM_TIMESTAMP, int32_t offset_minutes = 0) {
  dstream_value value = value_of(type);
  value.as.time.seconds = seconds;
  value.as.time.nanos = nanos;
  value.as.time.offset_min = offset_minutes;
  return value;
}
inline dstream_value uuid(uint8_t first) {
  dstream_value value = value_of(DSTREAM_UUID);
  for (uint8_t i = 0; i < 16; ++i) {
    value.as.uuid[i] = static_cast<uint8_t>(first + i * 0x11);
  }
  return value;
}

// A table; build it with column() and take raw().
class Table {
 public:
  explicit Table(std::string name, std::string database = "shop", std::string name_space = "dbo")
      : name_(std::move(name)), database_(std::move(database)), name_space_(std::move(name_space)) {
    static uint64_t next_id = 1;
    id_ = next_id++;
  }
  Table& column(std::string name, std::string source_type, dstream_type type, uint32_t flags = 0) {
    if ((flags & DSTREAM_COLUMN_KEY) != 0) {
      keys_.push_back(static_cast<uint32_t>(columns_.size()));
    }
    dstream_column column{};
    column.name = texts_.emplace_back(std::move(name)).c_str();
    column.source_type = texts_.emplace_back(std::move(source_type)).c_str();
    column.type = type;
    column.flags = flags;
    columns_.push_back(column);
    return *this;
  }
  const dstream_schema* raw() {
    raw_ = {};
    raw_.struct_size = sizeof raw_;
    raw_.column_stride = sizeof(dstream_column);
    raw_.id = id_;
    raw_.database = database_.c_str();
    raw_.name_space = name_space_.c_str();
    raw_.name = name_.c_str();
    raw_.columns = columns_.data();
    raw_.column_count = static_cast<uint32_t>(columns_.size());
    raw_.key_count = static_cast<uint32_t>(keys_.size());
    raw_.key_columns = keys_.data();
    return &raw_;
  }

 private:
  std::string name_, database_, name_space_;
  uint64_t id_;
  std::deque<std::string> texts_;
  std::vector<dstream_column> columns_;
  std::vector<uint32_t> keys_;
  dstream_schema raw_{};
};

inline constexpr uint32_t kKey = DSTREAM_COLUMN_KEY;
inline constexpr uint32_t kNullable = DSTREAM_COLUMN_NULLABLE;

// A record with its rows and headers. Not copyable: the raw record points into it.
struct TestRecord {
  using Row = std::vector<dstream_value>;

  TestRecord(Table& table, dstream_op op, Row before_, Row after_)
      : before(std::move(before_)), after(std::move(after_)) {
    raw.op = op;
    raw.schema = table.raw();
    raw.before = before.empty() ? nullptr : before.data();
    raw.after = after.empty() ? nullptr : after.data();
    raw.commit_time_ns = 1'795'412'400'123'000'000;
    raw.read_time_ns = 1'795'412'401'123'456'789;
    header("commit_lsn", "00000027:00000758:0005");
    header("change_lsn", "00000027:00000758:0003");
  }
  TestRecord(const TestRecord&) = delete;
  TestRecord& operator=(const TestRecord&) = delete;

  TestRecord& header(const char* name, std::string_view value) {
    headers.push_back({name, bytes_of(value)});
    raw.headers = headers.data();
    raw.header_count = static_cast<uint32_t>(headers.size());
    return *this;
  }
  TestRecord& without_headers() {
    headers.clear();
    raw.header_count = 0;
    return *this;
  }

  Row before;
  Row after;
  std::vector<dstream_field> headers;
  dstream_record raw{};
};

}  // namespace dstream::core::test
