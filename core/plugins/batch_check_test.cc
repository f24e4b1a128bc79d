#include "core/plugins/batch_check.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "core/plugins/scripted_plugin_test.h"

namespace dstream::core {
namespace {

struct Case {
  const char* name;
  const char* expected;  // a part of the sentence; nullptr: no breach
  std::function<void(TestBatch&)> spoil;
};

void PrintTo(const Case& each, std::ostream* out) { *out << each.name; }

class BatchCheckCase : public testing::TestWithParam<Case> {};

TEST_P(BatchCheckCase, IsSeen) {
  TestBatch batch(3);
  GetParam().spoil(batch);
  BatchCheck check(true);
  const char* breach = check.find_breach(&batch.raw, 10);
  if (GetParam().expected == nullptr) {
    EXPECT_EQ(breach, nullptr) << breach;
  } else {
    ASSERT_NE(breach, nullptr);
    EXPECT_NE(std::string(breach).find(GetParam().expected), std::string::npos) << breach;
  }
}

dstream_bytes long_bytes() {
  static const std::string text(DSTREAM_MAX_POSITION + 1, 'x');
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

const dstream_field kNamelessHeader = {nullptr, {}};

const Case kCases[] = {
        Case{"good", nullptr, [](TestBatch&) {}},
        Case{"struct_size", "struct_size", [](TestBatch& b) { b.raw.struct_size = 40; }},
        Case{"release", "release()", [](TestBatch& b) { b.raw.release = nullptr; }},
        Case{"stride_small", "stride", [](TestBatch& b) { b.raw.record_stride = 96; }},
        Case{"stride_odd", "stride", [](TestBatch& b) { b.raw.record_stride = 105; }},
        Case{"stride_large", "stride", [](TestBatch& b) { b.raw.record_stride = 1u << 20; }},
        Case{"empty", "empty", [](TestBatch& b) { b.raw.record_count = 0; }},
        Case{"too_many", "more records", [](TestBatch& b) { b.raw.record_count = 11; }},
        Case{"records_null", "NULL", [](TestBatch& b) { b.raw.records = nullptr; }},
        Case{"op_zero", "operation", [](TestBatch& b) { b.records[1].op = 0; }},
        Case{"op_unknown", "operation", [](TestBatch& b) { b.records[2].op = 8; }},
        Case{"insert_without_after", "before and after",
             [](TestBatch& b) { b.records[0].after = nullptr; }},
        Case{"insert_with_before", "before and after",
             [](TestBatch& b) { b.records[0].before = b.values; }},
        Case{"update_with_before", nullptr,
             [](TestBatch& b) {
               b.records[0].op = DSTREAM_OP_UPDATE;
               b.records[0].before = b.values;
             }},
        Case{"update_without_before", nullptr,
             [](TestBatch& b) { b.records[0].op = DSTREAM_OP_UPDATE; }},
        Case{"delete_with_after", "before and after",
             [](TestBatch& b) { b.records[0].op = DSTREAM_OP_DELETE; }},
        Case{"truncate", nullptr,
             [](TestBatch& b) {
               b.records[0].op = DSTREAM_OP_TRUNCATE;
               b.records[0].after = nullptr;
             }},
        Case{"watermark_without_schema", nullptr,
             [](TestBatch& b) {
               b.records[0].op = DSTREAM_OP_WATERMARK;
               b.records[0].after = nullptr;
               b.records[0].schema = nullptr;
             }},
        Case{"watermark_with_values", "before and after",
             [](TestBatch& b) { b.records[0].op = DSTREAM_OP_WATERMARK; }},
        Case{"schema_null", "schema", [](TestBatch& b) { b.records[0].schema = nullptr; }},
        Case{"schema_size", "struct_size", [](TestBatch& b) { b.schema.raw.struct_size = 8; }},
        Case{"column_stride", "column_stride",
             [](TestBatch& b) { b.schema.raw.column_stride = 31; }},
        Case{"columns_many", "4096",
             [](TestBatch& b) { b.schema.raw.column_count = DSTREAM_MAX_COLUMNS + 1; }},
        Case{"columns_null", "NULL", [](TestBatch& b) { b.schema.raw.columns = nullptr; }},
        Case{"table_null", "NULL", [](TestBatch& b) { b.schema.raw.name = nullptr; }},
        Case{"column_nameless", "column", [](TestBatch& b) { b.schema.columns[1].name = nullptr; }},
        Case{"key_outside", "key", [](TestBatch& b) { b.schema.key = 2; }},
        Case{"position_long", "64 KiB",
             [](TestBatch& b) { b.records[1].position = long_bytes(); }},
        Case{"position_null", "NULL",
             [](TestBatch& b) { b.records[1].position = {nullptr, 3}; }},
        Case{"position_empty", nullptr, [](TestBatch& b) { b.records[1].position = {}; }},
        Case{"headers_null", "headers", [](TestBatch& b) { b.records[1].header_count = 1; }},
        Case{"header_nameless", "header",
             [](TestBatch& b) {
               b.records[1].header_count = 1;
               b.records[1].headers = &kNamelessHeader;
             }},
        Case{"value_type", "unknown type", [](TestBatch& b) { b.values[1].type = 99; }},
        Case{"value_bytes_null", "bytes",
             [](TestBatch& b) {
               b.values[1].type = DSTREAM_STRING;
               b.values[1].size = 1;
             }},
        Case{"value_nanos", "nanos",
             [](TestBatch& b) {
               b.values[1].type = DSTREAM_TIMESTAMP;
               b.values[1].as.time.nanos = 1'000'000'000;
             }}};

INSTANTIATE_TEST_SUITE_P(Batches, BatchCheckCase, testing::ValuesIn(kCases),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(BatchCheck, ReadsRecordsAndColumnsOfANewerPluginByTheirStride) {
  struct NewerRecord {
    dstream_record known;
    uint64_t added[3];
  };
  TestBatch batch(2);
  std::vector<NewerRecord> newer(2);
  newer[0].known = newer[1].known = batch.records[0];
  batch.raw.records = &newer[0].known;
  batch.raw.record_stride = sizeof(NewerRecord);
  BatchCheck check(true);
  EXPECT_EQ(check.find_breach(&batch.raw, 2), nullptr);
  newer[1].known.op = 77;
  EXPECT_NE(check.find_breach(&batch.raw, 2), nullptr);
}

TEST(BatchCheck, ChecksASchemaAgainWhenItsAddressIsUsedForAnother) {
  TestBatch batch(1);
  BatchCheck check(false);
  EXPECT_EQ(check.find_breach(&batch.raw, 1), nullptr);
  batch.schema.raw.id = 2;
  batch.schema.raw.name = nullptr;
  EXPECT_NE(check.find_breach(&batch.raw, 1), nullptr);
}

}  // namespace
}  // namespace dstream::core
