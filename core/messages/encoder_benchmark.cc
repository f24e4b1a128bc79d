// Nanoseconds to encode one record of the benchmark row: 12 columns, about 430 bytes of JSON.
//
//   build/release/core/messages/encoder_benchmark
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "core/messages/encoder.h"
#include "core/messages/test_record.h"

namespace dstream::core {
namespace {

using test::boolean;
using test::decimal;
using test::number;
using test::text;
using test::timestamp;

constexpr size_t kRecords = 1000;

test::Table orders() {
  test::Table table("Orders");
  table.column("Id", "bigint", DSTREAM_INT64, test::kKey)
      .column("CustomerId", "int", DSTREAM_INT64)
      .column("FirstName", "nvarchar(50)", DSTREAM_STRING)
      .column("LastName", "nvarchar(50)", DSTREAM_STRING)
      .column("City", "nvarchar(50)", DSTREAM_STRING)
      .column("Sku", "varchar(20)", DSTREAM_STRING)
      .column("Email", "varchar(60)", DSTREAM_STRING)
      .column("Price", "decimal(18,4)", DSTREAM_DECIMAL)
      .column("Tax", "decimal(9,2)", DSTREAM_DECIMAL)
      .column("Quantity", "int", DSTREAM_INT64)
      .column("Paid", "bit", DSTREAM_BOOL)
      .column("OrderedAt", "datetime2(7)", DSTREAM_TIMESTAMP);
  return table;
}

test::TestRecord::Row row(int64_t id) {
  return {number(1'000'000'000 + id),
          number(4711),
          text("Maximilian"),
          text("Schönberger"),
          text("San Francisco"),
          text("SKU-00012345"),
          text("maximilian.schoenberger@example.com"),
          decimal("12345.6700"),
          decimal("2345.67"),
          number(17),
          boolean(true),
          timestamp(1'795'412'400 + id, 123'456'700)};
}

void encode(benchmark::State& state, const MessageSettings& settings, dstream_op op) {
  test::PromptRegistry registry;
  auto encoder = make_encoder(settings, &registry).value();
  test::Table table = orders();
  std::vector<std::unique_ptr<test::TestRecord>> records;
  for (size_t i = 0; i < kRecords; ++i) {
    const auto id = static_cast<int64_t>(i);
    records.push_back(std::make_unique<test::TestRecord>(
        table, op, op == DSTREAM_OP_UPDATE ? row(id) : test::TestRecord::Row{}, row(id)));
  }
  Arena arena;
  std::vector<dstream_message> messages;
  size_t bytes = 0;
  for (auto _ : state) {
    arena.reset();
    messages.clear();
    for (uint32_t i = 0; i < kRecords; ++i) {
      if (!encoder->encode(records[i]->raw, i, arena, messages)) {
        state.SkipWithError("a record was refused");
      }
    }
    benchmark::DoNotOptimize(messages.data());
  }
  for (const dstream_message& message : messages) {
    bytes += message.value.size;
  }
  const auto done = static_cast<double>(state.iterations() * kRecords);
  state.counters["time_per_record"] =
      benchmark::Counter(done, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["value_bytes"] = static_cast<double>(bytes) / static_cast<double>(kRecords);
}

void json_insert(benchmark::State& state) { encode(state, MessageSettings(), DSTREAM_OP_INSERT); }
void json_update(benchmark::State& state) { encode(state, MessageSettings(), DSTREAM_OP_UPDATE); }
void debezium_insert(benchmark::State& state) {
  MessageSettings settings;
  settings.format = "debezium-json";
  encode(state, settings, DSTREAM_OP_INSERT);
}
void debezium_update(benchmark::State& state) {
  MessageSettings settings;
  settings.format = "debezium-json";
  encode(state, settings, DSTREAM_OP_UPDATE);
}
void debezium_insert_with_schemas(benchmark::State& state) {
  MessageSettings settings;
  settings.format = "debezium-json";
  settings.schemas_enable = true;
  encode(state, settings, DSTREAM_OP_INSERT);
}

void cloudevents_insert(benchmark::State& state, bool binary) {
  MessageSettings settings;
  settings.pipeline = "shop";
  settings.format = "cloudevents-json";
  settings.cloudevents_binary = binary;
  encode(state, settings, DSTREAM_OP_INSERT);
}
void cloudevents_structured_insert(benchmark::State& state) { cloudevents_insert(state, false); }
void cloudevents_binary_insert(benchmark::State& state) { cloudevents_insert(state, true); }

void avro_insert(benchmark::State& state) {
  MessageSettings settings;
  settings.format = "avro";
  encode(state, settings, DSTREAM_OP_INSERT);
}

BENCHMARK(json_insert);
BENCHMARK(json_update);
BENCHMARK(debezium_insert);
BENCHMARK(debezium_update);
BENCHMARK(debezium_insert_with_schemas);
BENCHMARK(cloudevents_structured_insert);
BENCHMARK(cloudevents_binary_insert);
BENCHMARK(avro_insert);

}  // namespace
}  // namespace dstream::core

BENCHMARK_MAIN();
