// What a record costs on its way from a source's batch to its settle, and what building its batch
// costs the source. Budgets: docs/architecture.md, section 10.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "core/plugins/batch_check.h"
#include "core/plugins/guard.h"
#include "dstream/plugin.hpp"

namespace dstream::core {
namespace {

constexpr uint32_t kRecords = 1000;

// 12 columns: 2 bigint, int, 2 nvarchar, decimal, 2 datetime2, bit, uuid, text, rowversion.
void describe(Schema& schema) {
  schema.column("id", DSTREAM_INT64, "bigint", DSTREAM_COLUMN_KEY);
  for (int i = 0; i < 11; i++) {
    schema.column("c" + std::to_string(i), DSTREAM_STRING);
  }
}

BatchBuilder build(const Schema& schema, uint32_t records) {
  static constexpr uint8_t kUuid[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  static const std::string text(80, 't');
  BatchBuilder batch;
  for (uint32_t i = 0; i < records; i++) {
    Row row = batch.row(schema);
    row.int64(i).int64(i * 7).int64(42).string("Anneliese").string("Mustermann-Example");
    row.decimal("12345.67").timestamp(1'700'000'000, 100).timestamp(1'700'000'000, 200);
    row.boolean(true).uuid(kUuid).string(text).binary(std::string_view("\0\0\0\0\0\0\0\1", 8));
    dstream_record& record =
        batch.add(DSTREAM_OP_INSERT, schema, "1:0000002a:00000150:0003/0000002a:00000150:0002");
    record.after = row.values();
    batch.headers(record, {{"commit_lsn", "0000002a:00000150:0003"},
                           {"change_lsn", "0000002a:00000150:0002"}});
  }
  return batch;
}

void BM_BuildRow(benchmark::State& state) {
  Schema schema("dbo", "wide");
  describe(schema);
  auto records = static_cast<uint32_t>(state.range(0));
  for (auto _ : state) {
    dstream_batch* batch = build(schema, records).finish();
    benchmark::DoNotOptimize(batch);
    batch->release(batch);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * records);
}
BENCHMARK(BM_BuildRow)->Arg(1)->Arg(10)->Arg(100)->Arg(1000);

void BM_CheckBatch(benchmark::State& state) {
  Schema schema("dbo", "wide");
  describe(schema);
  dstream_batch* batch = build(schema, kRecords).finish();
  BatchCheck check(false);
  for (auto _ : state) {
    benchmark::DoNotOptimize(check.find_breach(batch, kRecords));
  }
  batch->release(batch);
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * kRecords);
}
BENCHMARK(BM_CheckBatch);

// Takes everything and settles it in poll(), item by item or at once.
template <bool kItemByItem>
class BenchmarkSink {
 public:
  explicit BenchmarkSink(Host host) : host_(host) {}
  void open() {}
  uint32_t write(const Delivery& delivery, uint32_t first) {
    id_ = delivery.id();
    count_ = delivery.count();
    return count_ - first;
  }
  void poll(Millis) {
    if constexpr (kItemByItem) {
      for (uint32_t i = 0; i < count_; i++) {
        host_.settle(id_, i, 1);
      }
    } else {
      host_.settle(id_, 0, count_);
    }
  }
  bool flush(Millis) { return true; }
  void close() {}

 private:
  Host host_;
  uint64_t id_ = 0;
  uint32_t count_ = 0;
};

class CountingHandler final : public SettleHandler {
 public:
  void on_settle(uint64_t, uint32_t, uint32_t count, dstream_status,
                 const dstream_error*) override {
    items += count;
  }
  uint64_t items = 0;
};

template <bool kItemByItem>
void BM_WriteAndSettle(benchmark::State& state) {
  static constexpr dstream_connector kConnector =
      record_sink<BenchmarkSink<kItemByItem>>("benchmark", "1.0.0", "Settles.", "{}");
  static constexpr const dstream_connector* kList[] = {&kConnector};
  static constexpr dstream_plugin kPlugin = {
      DSTREAM_MAGIC, sizeof(dstream_plugin), 0, 0, "b", "DStream", "MIT", "", kList, 1, 0};
  CountingHandler handler;
  InstanceOptions options;
  options.config_json = "{}";
  auto sink = make_sink({&kConnector, &kPlugin, "(benchmark)"}, options, &handler);
  (*sink)->open();
  std::vector<dstream_record> records(kRecords);
  dstream_delivery delivery{};
  delivery.struct_size = sizeof delivery;
  delivery.count = kRecords;
  delivery.records = records.data();
  delivery.record_stride = sizeof(dstream_record);
  delivery.record_count = kRecords;
  for (auto _ : state) {
    delivery.id++;
    uint32_t accepted = 0;
    (*sink)->write(delivery, 0, &accepted);
    (*sink)->poll(0);
  }
  if (handler.items != static_cast<uint64_t>(state.iterations()) * kRecords) {
    state.SkipWithError("not everything was settled");
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * kRecords);
}
BENCHMARK(BM_WriteAndSettle<true>);
BENCHMARK(BM_WriteAndSettle<false>);

}  // namespace
}  // namespace dstream::core

BENCHMARK_MAIN();
