// A source and a sink whose functions are lambdas of the test, behind real C tables.
#pragma once

#include <cstring>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/plugins/guard.h"
#include "core/plugins/registry.h"

namespace dstream::core {

struct ScriptedSource {
  std::function<dstream_status(dstream_bytes, dstream_error*)> open;
  std::function<dstream_status(uint32_t, uint32_t, dstream_batch**, dstream_error*)> read;
  std::function<dstream_status(dstream_bytes, dstream_error*)> commit;
  std::function<const void*(std::string_view)> extension;
  std::vector<std::string> calls;
  const dstream_host* host = nullptr;

  // Gives the next instance that is created to this object.
  void arm() { armed = this; }
  static inline ScriptedSource* armed = nullptr;
};

struct ScriptedSink {
  std::function<dstream_status(const dstream_delivery*, uint32_t, uint32_t*, dstream_error*)> write;
  std::function<dstream_status(uint32_t, dstream_error*)> poll;
  std::function<dstream_status(uint32_t, dstream_error*)> flush;
  std::function<void()> close;
  std::function<const void*(std::string_view)> extension;
  std::vector<std::string> calls;
  const dstream_host* host = nullptr;

  void arm() { armed = this; }
  void settle(uint64_t delivery, uint32_t first, uint32_t count, dstream_status result = DSTREAM_OK,
              const dstream_error* error = nullptr) const {
    host->settle(host, delivery, first, count, result, error);
  }
  static inline ScriptedSink* armed = nullptr;
};

namespace scripted {

inline ScriptedSource& source(dstream_source* self) {
  return *reinterpret_cast<ScriptedSource*>(self);
}
inline ScriptedSink& sink(dstream_sink* self) { return *reinterpret_cast<ScriptedSink*>(self); }

inline constexpr dstream_source_api kSourceTable = {
    sizeof(dstream_source_api),
    0,
    [](const dstream_host* host, const char*, dstream_source** out, dstream_error*) noexcept {
      ScriptedSource::armed->host = host;
      ScriptedSource::armed->calls.push_back("create");
      *out = reinterpret_cast<dstream_source*>(ScriptedSource::armed);
      return dstream_status{DSTREAM_OK};
    },
    [](dstream_source* self, dstream_bytes position, dstream_error* error) noexcept {
      source(self).calls.push_back("open");
      return source(self).open ? source(self).open(position, error) : dstream_status{DSTREAM_OK};
    },
    [](dstream_source* self, uint32_t max_records, uint32_t max_wait_ms, dstream_batch** out,
       dstream_error* error) noexcept {
      return source(self).read ? source(self).read(max_records, max_wait_ms, out, error)
                               : dstream_status{DSTREAM_AGAIN};
    },
    [](dstream_source* self, dstream_bytes position, dstream_error* error) noexcept {
      source(self).calls.push_back("commit");
      return source(self).commit ? source(self).commit(position, error)
                                 : dstream_status{DSTREAM_OK};
    },
    [](dstream_source* self) noexcept { source(self).calls.push_back("request_stop"); },
    [](dstream_source* self) noexcept { source(self).calls.push_back("close"); },
    [](dstream_source* self) noexcept { source(self).calls.push_back("destroy"); },
    [](dstream_source* self, const char* id) noexcept {
      return source(self).extension ? source(self).extension(id) : nullptr;
    }};

inline constexpr dstream_sink_api kSinkTable = {
    sizeof(dstream_sink_api),
    0,
    [](const dstream_host* host, const char*, dstream_sink** out, dstream_error*) noexcept {
      ScriptedSink::armed->host = host;
      *out = reinterpret_cast<dstream_sink*>(ScriptedSink::armed);
      return dstream_status{DSTREAM_OK};
    },
    [](dstream_sink* self, dstream_error*) noexcept {
      sink(self).calls.push_back("open");
      return dstream_status{DSTREAM_OK};
    },
    [](dstream_sink* self, const dstream_delivery* delivery, uint32_t first, uint32_t* accepted,
       dstream_error* error) noexcept {
      return sink(self).write(delivery, first, accepted, error);
    },
    [](dstream_sink* self, uint32_t max_wait_ms, dstream_error* error) noexcept {
      return sink(self).poll ? sink(self).poll(max_wait_ms, error) : dstream_status{DSTREAM_AGAIN};
    },
    [](dstream_sink* self, uint32_t max_wait_ms, dstream_error* error) noexcept {
      return sink(self).flush ? sink(self).flush(max_wait_ms, error) : dstream_status{DSTREAM_OK};
    },
    [](dstream_sink* self) noexcept { sink(self).calls.push_back("request_stop"); },
    [](dstream_sink* self) noexcept {
      sink(self).calls.push_back("close");
      if (sink(self).close) {
        sink(self).close();
      }
    },
    [](dstream_sink* self) noexcept { sink(self).calls.push_back("destroy"); },
    [](dstream_sink* self, const char* id) noexcept {
      return sink(self).extension ? sink(self).extension(id) : nullptr;
    }};

inline constexpr const char* kAnyConfig = R"({"type":"object"})";
inline constexpr dstream_connector kSource = {sizeof(dstream_connector),
                                              0,
                                              "scripted",
                                              "1.0.0",
                                              "A test.",
                                              kAnyConfig,
                                              &kSourceTable,
                                              nullptr};
inline constexpr dstream_connector kSink = {
    sizeof(dstream_connector), 0, "scripted", "1.0.0", "A test.", kAnyConfig, nullptr, &kSinkTable};
inline constexpr const dstream_connector* kConnectors[] = {&kSource, &kSink};
inline constexpr dstream_plugin kPlugin = {DSTREAM_MAGIC,
                                           sizeof(dstream_plugin),
                                           DSTREAM_ABI_MINOR,
                                           0,
                                           "scripted",
                                           "DStream",
                                           "MIT",
                                           "test",
                                           kConnectors,
                                           2,
                                           0};

inline LoadedConnector source_connector() { return {&kSource, &kPlugin, "(test)"}; }
inline LoadedConnector sink_connector() { return {&kSink, &kPlugin, "(test)"}; }

}  // namespace scripted

// A table of two columns, the first the key.
struct TestSchema {
  TestSchema() {
    columns[0] = {"id", "bigint", DSTREAM_INT64, {}, DSTREAM_COLUMN_KEY, 0, 0};
    columns[1] = {"text", "nvarchar(20)", DSTREAM_STRING, {}, DSTREAM_COLUMN_NULLABLE, 0, 0};
    raw = {sizeof raw, sizeof(dstream_column), 1, "db", "dbo", "t", columns, 2, 1, &key};
  }
  TestSchema(const TestSchema&) = delete;
  TestSchema& operator=(const TestSchema&) = delete;
  dstream_column columns[2];
  uint32_t key = 0;
  dstream_schema raw;
};

// A batch of inserts that counts its releases.
struct TestBatch {
  explicit TestBatch(uint32_t count) : records(count) {
    values[0].type = DSTREAM_INT64;
    values[1].type = DSTREAM_NULL;
    for (dstream_record& record : records) {
      record.op = DSTREAM_OP_INSERT;
      record.schema = &schema.raw;
      record.after = values;
      record.position = {reinterpret_cast<const uint8_t*>("p"), 1};
    }
    raw = {};
    raw.struct_size = sizeof raw;
    raw.record_stride = sizeof(dstream_record);
    raw.records = records.data();
    raw.record_count = count;
    raw.release = [](dstream_batch* batch) noexcept {
      static_cast<TestBatch*>(batch->plugin_data)->releases++;
    };
    raw.plugin_data = this;
  }
  TestBatch(const TestBatch&) = delete;
  TestBatch& operator=(const TestBatch&) = delete;
  TestSchema schema;
  dstream_value values[2]{};
  std::vector<dstream_record> records;
  dstream_batch raw;
  int releases = 0;
};

class ManualClock final : public Clock {
 public:
  int64_t monotonic_ns() const override { return now_ns; }
  int64_t wall_ns() const override { return now_ns; }
  void advance_ms(int64_t ms) { now_ns += ms * kNanosPerMilli; }
  int64_t now_ns = 1'000'000'000;
};

// Keeps "message key=value ..." of every line.
class MemoryLog final : public Log {
 public:
  LogLevel level() const override { return LogLevel::kInfo; }
  void write(LogLevel, std::string_view message, std::span<const LogField> fields) override {
    std::string line(message);
    for (const LogField& field : fields) {
      line += " " + std::string(field.key) + "=" + field.value;
    }
    lines.push_back(line);
  }
  using Log::write;
  std::vector<std::string> lines;
};

}  // namespace dstream::core
