#include "dstream/batch.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "dstream/delivery.hpp"

namespace dstream {
namespace {

// A batch as the host holds it.
using Finished = std::unique_ptr<dstream_batch, void (*)(dstream_batch*)>;
Finished finish(BatchBuilder& builder) {
  return {builder.finish(), [](dstream_batch* batch) { batch->release(batch); }};
}

TEST(Schema, DescribesColumnsAndKeyInOrder) {
  Schema schema("sales", "dbo", "orders");
  schema.column("text", DSTREAM_STRING, "nvarchar(20)")
      .column("b", DSTREAM_INT64, "bigint", DSTREAM_COLUMN_KEY)
      .column("a", DSTREAM_DECIMAL, "decimal(9,2)", DSTREAM_COLUMN_KEY, 9, 2);
  SchemaView view(schema.raw());
  EXPECT_EQ(view.database(), "sales");
  EXPECT_EQ(view.name_space(), "dbo");
  EXPECT_EQ(view.name(), "orders");
  ASSERT_EQ(view.column_count(), 3u);
  EXPECT_EQ(std::string(view.column(2).source_type), "decimal(9,2)");
  EXPECT_EQ(view.column(2).precision, 9);
  EXPECT_EQ(view.column(2).scale, 2);
  EXPECT_EQ(view.column(0).flags, uint32_t{DSTREAM_COLUMN_NULLABLE});
  ASSERT_EQ(view.key().size(), 2u);
  EXPECT_EQ(view.key()[0], 1u);
  EXPECT_EQ(view.key()[1], 2u);
  EXPECT_EQ(view.find("a"), 2u);
  EXPECT_EQ(view.find("absent"), 3u);
}

TEST(Schema, IdsDiffer) {
  Schema first("dbo", "a");
  Schema second("dbo", "a");
  EXPECT_NE(first.raw()->id, second.raw()->id);
}

TEST(Row, WritesEveryType) {
  Schema schema("dbo", "everything");
  for (int i = 0; i < 17; i++) {
    schema.column("c" + std::to_string(i), DSTREAM_STRING);
  }
  const uint8_t uuid[16] = {0x01, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  BatchBuilder batch;
  Row row = batch.row(schema);
  row.null().absent().boolean(true).int64(-5).uint64(UINT64_MAX).float64(0.5);
  row.decimal("-12.30").string("grün").binary(std::string_view("\0\1", 2));
  row.date(-1).time(86'399'999'999'999).timestamp(-62'135'596'800, 100);
  row.timestamp_tz(253'402'300'799, 999'999'900, -330).uuid(uuid).json("{}").xml("<a/>");
  const dstream_value* values = row.values();
  EXPECT_EQ(values[0].type, DSTREAM_NULL);
  EXPECT_EQ(values[1].type, DSTREAM_ABSENT);
  EXPECT_EQ(values[2].type, DSTREAM_BOOL);
  EXPECT_EQ(values[2].as.i64, 1);
  EXPECT_EQ(values[3].as.i64, -5);
  EXPECT_EQ(values[4].type, DSTREAM_UINT64);
  EXPECT_EQ(values[4].as.u64, UINT64_MAX);
  EXPECT_EQ(values[5].as.f64, 0.5);
  EXPECT_EQ(text(values[6]), "-12.30");
  EXPECT_EQ(text(values[7]), "grün");
  EXPECT_EQ(text(values[8]), std::string_view("\0\1", 2));
  EXPECT_EQ(values[9].type, DSTREAM_DATE);
  EXPECT_EQ(values[9].as.i64, -1);
  EXPECT_EQ(values[10].type, DSTREAM_TIME);
  EXPECT_EQ(values[11].type, DSTREAM_TIMESTAMP);
  EXPECT_EQ(values[11].as.time.seconds, -62'135'596'800);
  EXPECT_EQ(values[12].type, DSTREAM_TIMESTAMP_TZ);
  EXPECT_EQ(values[12].as.time.nanos, 999'999'900);
  EXPECT_EQ(values[12].as.time.offset_min, -330);
  EXPECT_EQ(values[13].as.uuid[0], 1);
  EXPECT_EQ(values[13].as.uuid[15], 16);
  EXPECT_EQ(text(values[14]), "{}");
  EXPECT_EQ(values[15].type, DSTREAM_XML);
  EXPECT_EQ(values[16].type, DSTREAM_NULL) << "a column that is not written is NULL";
  EXPECT_EQ(text(values[3]), "") << "a number has no text";
}

TEST(Row, RefusesMoreValuesThanColumns) {
  Schema schema("dbo", "one");
  schema.column("a", DSTREAM_INT64);
  BatchBuilder batch;
  Row row = batch.row(schema);
  row.int64(1);
  EXPECT_THROW(row.int64(2), std::out_of_range);
}

TEST(Row, CopiesWhatItIsGivenAndBorrowsWhatItIsTold) {
  Schema schema("dbo", "two");
  schema.column("a", DSTREAM_STRING).column("b", DSTREAM_STRING);
  BatchBuilder batch;
  std::string source = "copied";
  std::string_view own = batch.copy("own");
  const dstream_value* values =
      batch.row(schema).string(source).borrowed(DSTREAM_STRING, own).values();
  source = "other!";
  EXPECT_EQ(text(values[0]), "copied");
  EXPECT_EQ(values[1].as.data, bytes(own).data);
}

TEST(BatchBuilder, HandsOverRecordsInOrder) {
  Schema schema("dbo", "t");
  schema.column("n", DSTREAM_INT64);
  BatchBuilder builder;
  for (int i = 0; i < 1000; i++) {
    Row row = builder.row(schema);
    row.int64(i);
    dstream_record& record = builder.add(DSTREAM_OP_INSERT, schema, "p" + std::to_string(i));
    record.after = row.values();
    builder.headers(record, {{"commit_lsn", "lsn" + std::to_string(i)}, {"empty", ""}});
  }
  builder.add_watermark("end");
  EXPECT_EQ(builder.size(), 1001u);
  auto batch = finish(builder);
  ASSERT_EQ(batch->record_count, 1001u);
  EXPECT_GT(batch->byte_size, 1001 * sizeof(dstream_record));
  RecordView last(*DSTREAM_RECORD_AT(batch, 999));
  EXPECT_EQ(last.position(), "p999");
  EXPECT_EQ(last.after()[0].as.i64, 999);
  EXPECT_TRUE(last.before().empty());
  EXPECT_EQ(last.header("commit_lsn"), "lsn999");
  EXPECT_EQ(last.header("empty"), "");
  EXPECT_EQ(last.header("absent"), "");
  EXPECT_EQ(DSTREAM_RECORD_AT(batch, 1000)->op, uint32_t{DSTREAM_OP_WATERMARK});
}

TEST(BatchBuilder, KeepsItsMemoryApartFromTheNextBatch) {
  Schema schema("dbo", "t");
  schema.column("text", DSTREAM_STRING);
  std::vector<Finished> batches;
  for (int round = 0; round < 20; round++) {
    BatchBuilder builder;
    for (int i = 0; i < 50; i++) {
      Row row = builder.row(schema);
      row.string(std::to_string(round) + std::string(200, 'x'));
      builder.add(DSTREAM_OP_INSERT, schema, "").after = row.values();
    }
    batches.push_back(finish(builder));
    if (round % 3 == 0) batches.erase(batches.begin());  // memory goes back and is used again
  }
  for (const Finished& batch : batches) {
    std::string first(text(DSTREAM_RECORD_AT(batch, 0)->after[0]));
    for (uint32_t i = 1; i < batch->record_count; i++) {
      ASSERT_EQ(text(DSTREAM_RECORD_AT(batch, i)->after[0]), first);
    }
  }
}

TEST(BatchBuilder, TakesValuesOfAnySize) {
  Schema schema("dbo", "t");
  schema.column("text", DSTREAM_BYTES);
  for (size_t size : {0u, 1u, 4095u, 4096u, 4097u, 262'144u, 262'145u, 5'000'000u}) {
    BatchBuilder builder;
    std::string value(size, 'v');
    Row row = builder.row(schema);
    row.binary(value);
    builder.add(DSTREAM_OP_INSERT, schema, "p").after = row.values();
    auto batch = finish(builder);
    EXPECT_EQ(text(DSTREAM_RECORD_AT(batch, 0)->after[0]), value);
    EXPECT_GE(batch->byte_size, size);
  }
}

TEST(BatchBuilder, ASmallBatchIsNotChargedForTheLargeOneBeforeIt) {
  Schema schema("dbo", "t");
  schema.column("text", DSTREAM_STRING);
  {
    BatchBuilder large;
    for (int i = 0; i < 5000; i++) {
      large.add(DSTREAM_OP_INSERT, schema, std::string(100, 'p')).after =
          large.row(schema).string("v").values();
    }
    finish(large);
  }
  BatchBuilder small;
  small.add(DSTREAM_OP_INSERT, schema, "p").after = small.row(schema).string("v").values();
  EXPECT_LT(finish(small)->byte_size, 32'000u);
}

TEST(BatchBuilder, KeepsOwnersUntilTheRelease) {
  auto schema = std::make_shared<Schema>("dbo", "t");
  std::weak_ptr<Schema> watched = schema;
  BatchBuilder builder;
  builder.add(DSTREAM_OP_SCHEMA, *schema, "p");
  builder.keep(schema);
  schema.reset();
  {
    auto batch = finish(builder);
    EXPECT_FALSE(watched.expired());
  }
  EXPECT_TRUE(watched.expired());
}

TEST(BatchBuilder, MayBeReleasedFromAnotherThreadWhileTheNextIsBuilt) {
  Schema schema("dbo", "t");
  schema.column("text", DSTREAM_STRING);
  auto build = [&schema] {
    BatchBuilder builder;
    for (int i = 0; i < 20; i++) {
      builder.add(DSTREAM_OP_INSERT, schema, "p").after =
          builder.row(schema).string("value").values();
    }
    return builder.finish();
  };
  for (int round = 0; round < 200; round++) {
    dstream_batch* batch = build();
    std::thread releaser([batch] { batch->release(batch); });
    dstream_batch* next = build();
    releaser.join();
    EXPECT_EQ(text(DSTREAM_RECORD_AT(next, 19)->after[0]), "value");
    next->release(next);
  }
}

}  // namespace
}  // namespace dstream
