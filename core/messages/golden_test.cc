// Every kind of message, compared byte for byte with files: consumers depend on these texts. A
// change of a file is a change of the format and belongs in the release notes.
//
// With DSTREAM_GOLDEN_WRITE=1 in the environment the files are written instead.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>

#include "core/messages/encoder.h"
#include "core/messages/test_record.h"

namespace dstream::core {
namespace {

using test::absent;
using test::binary;
using test::boolean;
using test::decimal;
using test::kKey;
using test::kNullable;
using test::null;
using test::number;
using test::real;
using test::text;
using test::timestamp;
using test::unsigned_number;
using test::uuid;
using Row = test::TestRecord::Row;

// Writes what an encoder makes of records as a text that people can read and diff.
class Scribe {
 public:
  explicit Scribe(const MessageSettings& settings, SchemaRegistry* registry = nullptr)
      : encoder_(make_encoder(settings, registry).value()), binary_(registry != nullptr) {}

  void add(const std::string& title, const test::TestRecord& record) {
    out_ << "== " << title << "\n";
    std::vector<dstream_message> messages;
    auto encoded = encoder_->encode(record.raw, 7, arena_, messages);
    if (!encoded) {
      EXPECT_TRUE(messages.empty());
      out_ << "error: " << encoded.error().text() << "\n";
    }
    if (encoded && messages.empty()) {
      out_ << "no message\n";
    }
    for (const dstream_message& message : messages) {
      EXPECT_EQ(message.record, 7u);
      EXPECT_EQ(message.partition, -1);
      EXPECT_EQ(message.timestamp_ns, record.raw.commit_time_ns);
      out_ << "topic: " << message.topic << " (" << message.topic_id << ")\n";
      out_ << "key: " << (message.key.data ? shown(message.key) : "-") << "\n";
      for (uint32_t i = 0; i < message.header_count; ++i) {
        out_ << "header: " << message.headers[i].name << " = "
             << test::text_of(message.headers[i].value) << "\n";
      }
      out_ << "value: " << (message.value.data ? shown(message.value) : "-") << "\n";
    }
  }
  std::string text() const { return out_.str(); }

 private:
  std::string shown(dstream_bytes bytes) const {
    return binary_ ? test::hex_of(bytes) : test::text_of(bytes);
  }

  std::unique_ptr<Encoder> encoder_;
  const bool binary_;
  Arena arena_;
  std::ostringstream out_;
};

void compare(const std::string& name, const std::string& text) {
  const std::string path = std::string(DSTREAM_TESTDATA) + "/" + name;
  if (std::getenv("DSTREAM_GOLDEN_WRITE") != nullptr) {
    std::ofstream(path) << text;
  }
  std::ifstream file(path);
  std::stringstream expected;
  expected << file.rdbuf();
  EXPECT_EQ(text, expected.str()) << path;
}

// One column of each type the ABI has, and of each way SQL Server spells the numbers and times.
test::Table all_types() {
  test::Table table("Everything");
  table.column("id", "int", DSTREAM_INT64, kKey)
      .column("flag", "bit", DSTREAM_BOOL, kNullable)
      .column("tiny", "tinyint", DSTREAM_INT64, kNullable)
      .column("small", "smallint", DSTREAM_INT64, kNullable)
      .column("big", "bigint", DSTREAM_INT64, kNullable)
      .column("unsigned", "", DSTREAM_UINT64, kNullable)
      .column("float", "float", DSTREAM_FLOAT64, kNullable)
      .column("real", "real", DSTREAM_FLOAT64, kNullable)
      .column("decimal", "decimal(18,4)", DSTREAM_DECIMAL, kNullable)
      .column("wide", "numeric(38,10)", DSTREAM_DECIMAL, kNullable)
      .column("money", "money", DSTREAM_DECIMAL, kNullable)
      .column("smallmoney", "smallmoney", DSTREAM_DECIMAL, kNullable)
      .column("free", "", DSTREAM_DECIMAL, kNullable)
      .column("name", "nvarchar(50)", DSTREAM_STRING, kNullable)
      .column("bytes", "varbinary(max)", DSTREAM_BYTES, kNullable)
      .column("date", "date", DSTREAM_DATE, kNullable)
      .column("time0", "time(0)", DSTREAM_TIME, kNullable)
      .column("time6", "time(6)", DSTREAM_TIME, kNullable)
      .column("time7", "time", DSTREAM_TIME, kNullable)
      .column("smalldatetime", "smalldatetime", DSTREAM_TIMESTAMP, kNullable)
      .column("datetime", "datetime", DSTREAM_TIMESTAMP, kNullable)
      .column("datetime2_3", "datetime2(3)", DSTREAM_TIMESTAMP, kNullable)
      .column("datetime2_6", "datetime2(6)", DSTREAM_TIMESTAMP, kNullable)
      .column("datetime2_7", "datetime2(7)", DSTREAM_TIMESTAMP, kNullable)
      .column("datetimeoffset", "datetimeoffset(7)", DSTREAM_TIMESTAMP_TZ, kNullable)
      .column("uuid", "uniqueidentifier", DSTREAM_UUID, kNullable)
      .column("json", "json", DSTREAM_JSON, kNullable)
      .column("xml", "xml", DSTREAM_XML, kNullable);
  return table;
}

constexpr int64_t kSecond = 1'531'481'025;  // 2018-07-13T11:23:45

Row full_row() {
  return {number(1),
          boolean(true),
          number(255),
          number(-32768),
          number(std::numeric_limits<int64_t>::max()),
          unsigned_number(9007199254740993u),
          real(0.1),
          real(static_cast<double>(0.1f)),
          decimal("-12345678901234.5678"),
          decimal("9999999999999999999999999999.9999999999"),
          decimal("922337203685477.5807"),
          decimal("-0.5"),
          decimal("12.50"),
          text("Grüße, \"世界\" \\ / 😀\n\t\x01"),
          binary({"\x00\x01\xFE\xFF", 4}),
          number(17725, DSTREAM_DATE),
          number(37'425'000'000'000, DSTREAM_TIME),
          number(37'425'678'900'000, DSTREAM_TIME),
          number(37'425'678'901'200, DSTREAM_TIME),
          timestamp(kSecond - 45, 0),
          timestamp(kSecond, 780'000'000),
          timestamp(kSecond, 340'000'000),
          timestamp(kSecond, 345'678'000),
          timestamp(kSecond, 345'678'900),
          timestamp(kSecond, 456'000'000, DSTREAM_TIMESTAMP_TZ, 11 * 60),
          uuid(0xA0),
          text("{\"a\": [1, 2]}", DSTREAM_JSON),
          text("<a b=\"c\"/>", DSTREAM_XML)};
}

Row row_of(dstream_value rest) {
  Row row = full_row();
  for (size_t i = 1; i < row.size(); ++i) {
    row[i] = rest;
  }
  return row;
}

test::Table persons() {
  test::Table table("Persons");
  table.column("Id", "int", DSTREAM_INT64, kKey)
      .column("First \"Name\"", "nvarchar(50)", DSTREAM_STRING, kNullable);
  return table;
}

void write_all(Scribe& scribe) {
  test::Table everything = all_types();
  scribe.add("every type", {everything, DSTREAM_OP_INSERT, {}, full_row()});
  scribe.add("every value NULL", {everything, DSTREAM_OP_INSERT, {}, row_of(null())});
  scribe.add("every value ABSENT", {everything, DSTREAM_OP_INSERT, {}, row_of(absent())});

  test::Table people = persons();
  const Row ann = {number(1), text("Ann")};
  const Row eve = {number(1), text("Eve")};
  scribe.add("insert", {people, DSTREAM_OP_INSERT, {}, ann});
  scribe.add("update", {people, DSTREAM_OP_UPDATE, ann, eve});
  scribe.add("update without before", {people, DSTREAM_OP_UPDATE, {}, eve});
  scribe.add("delete and tombstone", {people, DSTREAM_OP_DELETE, eve, {}});
  scribe.add("update of the key", {people, DSTREAM_OP_UPDATE, ann, {number(2), text("Ann")}});
  scribe.add("truncate", {people, DSTREAM_OP_TRUNCATE, {}, {}});
  test::TestRecord ddl(people, DSTREAM_OP_SCHEMA, {}, {});
  ddl.without_headers().header("commit_lsn", "00000027:00000760:0001");
  ddl.header("ddl", "ALTER TABLE dbo.\"Persons\"\n ADD Email nvarchar(200)");
  ddl.header("capture_instance", "dbo_Persons");
  scribe.add("a statement that changed the table", ddl);
  test::TestRecord takeover(people, DSTREAM_OP_SCHEMA, {}, {});
  takeover.without_headers().header("commit_lsn", "00000027:00000761:0001");
  scribe.add("other columns without a statement", takeover);
  scribe.add("watermark", {people, DSTREAM_OP_WATERMARK, {}, {}});

  test::TestRecord snapshot(people, DSTREAM_OP_SNAPSHOT, {}, ann);
  snapshot.without_headers().header("commit_lsn", "00000027:00000758:0005");
  snapshot.header("snapshot", "true");
  scribe.add("snapshot", snapshot);
  snapshot.raw.flags = DSTREAM_RECORD_SNAPSHOT_END;
  scribe.add("last of a snapshot", snapshot);

  test::TestRecord bare(people, DSTREAM_OP_INSERT, {}, ann);
  bare.without_headers();
  bare.raw.commit_time_ns = 0;
  bare.raw.read_time_ns = 0;
  bare.raw.position = test::bytes_of("42");
  scribe.add("a source that says little", bare);

  test::TestRecord rich(people, DSTREAM_OP_UPDATE, ann, eve);
  rich.header("sequence", "3").header("shard", "eu-1");
  scribe.add("a sequence and a header of the source's own", rich);

  scribe.add("bytes that are no UTF-8",
             {people, DSTREAM_OP_INSERT, {}, {number(1), text("a\xFFz\xE4\xB8q\xED\xA0\x80")}});
  scribe.add("insert without its row", {people, DSTREAM_OP_INSERT, ann, {}});
}

TEST(Golden, Json) {
  MessageSettings settings;
  settings.pipeline = "people";
  Scribe scribe(settings);
  write_all(scribe);
  compare("json.txt", scribe.text());
}

TEST(Golden, DebeziumJson) {
  MessageSettings settings;
  settings.pipeline = "people";
  settings.format = "debezium-json";
  Scribe scribe(settings);
  write_all(scribe);
  compare("debezium_json.txt", scribe.text());
}

TEST(Golden, DebeziumJsonWithSchemas) {
  MessageSettings settings;
  settings.pipeline = "people";
  settings.format = "debezium-json";
  settings.schemas_enable = true;
  settings.topic_prefix = "server1";
  settings.topic = "{pipeline}.{database}.{schema}.{table}";
  Scribe scribe(settings);
  write_all(scribe);
  compare("debezium_json_schemas.txt", scribe.text());
}

// What Apache Avro reads in this file is compared by tests/standins/registry.
TEST(Golden, Avro) {
  MessageSettings settings;
  settings.pipeline = "people";
  settings.format = "avro";
  test::PromptRegistry registry;
  Scribe scribe(settings, &registry);
  write_all(scribe);
  std::string schemas;
  for (const auto& [id, schema] : registry.schemas) {
    schemas += "schema " + std::to_string(id) + ": " + schema + "\n";
  }
  compare("avro.txt", scribe.text() + schemas);
}

TEST(Golden, CloudEventsStructured) {
  MessageSettings settings;
  settings.pipeline = "people";
  settings.format = "cloudevents-json";
  Scribe scribe(settings);
  write_all(scribe);
  compare("cloudevents_structured.txt", scribe.text());
}

TEST(Golden, CloudEventsBinary) {
  MessageSettings settings;
  settings.pipeline = "people";
  settings.format = "cloudevents-json";
  settings.cloudevents_binary = true;
  settings.cloudevents_source = "https://example.com/shop of Ann?a=b";
  Scribe scribe(settings);
  write_all(scribe);
  compare("cloudevents_binary.txt", scribe.text());
}

}  // namespace
}  // namespace dstream::core
