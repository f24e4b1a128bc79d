#include "core/messages/encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "core/messages/test_record.h"

namespace dstream::core {
namespace {

using test::absent;
using test::binary;
using test::decimal;
using test::kKey;
using test::kNullable;
using test::null;
using test::number;
using test::real;
using test::text;
using test::timestamp;
using test::unsigned_number;
using testing::HasSubstr;
using testing::Not;
using Row = test::TestRecord::Row;

// An encoder and what it made last.
class Bench {
 public:
  explicit Bench(const MessageSettings& settings = {}) : encoder_(make_encoder(settings).value()) {}

  // The error's code, or "" and the messages in `messages`.
  std::string encode(const test::TestRecord& record) {
    messages.clear();
    auto result = encoder_->encode(record.raw, 0, arena_, messages);
    if (result) {
      return "";
    }
    EXPECT_TRUE(messages.empty());
    error = result.error();
    return error.code;
  }
  std::string value(size_t i = 0) const { return test::text_of(messages.at(i).value); }
  std::string key(size_t i = 0) const { return test::text_of(messages.at(i).key); }

  std::vector<dstream_message> messages;
  Error error;

 private:
  std::unique_ptr<Encoder> encoder_;
  Arena arena_;
};

MessageSettings debezium() {
  MessageSettings settings;
  settings.pipeline = "server1";
  settings.format = "debezium-json";
  return settings;
}

test::Table one_column(const std::string& source_type, dstream_type type) {
  test::Table table("T");
  table.column("id", "int", DSTREAM_INT64, kKey).column("x", source_type, type, kNullable);
  return table;
}

TEST(Encoder, AKeyThatIsTooLongBecomesItsHash) {
  for (const char* format : {"json", "debezium-json", "cloudevents-json"}) {
    MessageSettings settings;
    settings.format = format;
    settings.key_bytes_max = 30;
    Bench bench(settings);
    test::Table table("T");
    table.column("id", "nvarchar(99)", DSTREAM_STRING, kKey);
    const std::string just = "{\"id\":\"" + std::string(21, 'x') + "\"}";
    ASSERT_EQ(just.size(), 30u);
    ASSERT_EQ(bench.encode({table, DSTREAM_OP_INSERT, {}, {text(std::string(21, 'x'))}}), "");
    EXPECT_EQ(test::text_of(bench.messages.at(0).key), just);
    // printf '{"id":"%s"}' xxxxxxxxxxxxxxxxxxxxxx | sha256sum
    const std::string hash =
        "sha256:925528c0ba43a87601fa6de75b9a094124ed67c1b1c409bf32f4ae18d02d9d2b";
    ASSERT_EQ(bench.encode({table, DSTREAM_OP_DELETE, {text(std::string(22, 'x'))}, {}}), "");
    ASSERT_EQ(bench.messages.size(), 2u);
    EXPECT_EQ(test::text_of(bench.messages[0].key), hash) << format;
    EXPECT_EQ(test::text_of(bench.messages[1].key), hash) << "the tombstone's, too";
    EXPECT_THAT(test::text_of(bench.messages[0].value), HasSubstr(std::string(22, 'x')));
  }
}

TEST(Encoder, UnknownFormatAndBadTopicAreRefused) {
  MessageSettings settings;
  settings.format = "protobuf";
  auto encoder = make_encoder(settings);
  ASSERT_FALSE(encoder);
  EXPECT_EQ(encoder.error().code, "DS-FORMAT-UNKNOWN");
  EXPECT_THAT(encoder.error().text(), HasSubstr("debezium-json"));
  settings.format = "json";
  settings.topic = "{tabel}";
  EXPECT_EQ(make_encoder(settings).error().code, "DS-TOPIC-TEMPLATE");
}

TEST(Encoder, TopicIdsAreDenseAndStable) {
  MessageSettings settings;
  settings.topic = "{table}-{op}";
  Bench bench(settings);
  test::Table a = one_column("int", DSTREAM_INT64), b("U");
  b.column("id", "int", DSTREAM_INT64, kKey);
  bench.encode({a, DSTREAM_OP_INSERT, {}, {number(1), number(1)}});
  EXPECT_STREQ(bench.messages[0].topic, "T-insert");
  EXPECT_EQ(bench.messages[0].topic_id, 0u);
  bench.encode({b, DSTREAM_OP_INSERT, {}, {number(1)}});
  EXPECT_EQ(bench.messages[0].topic_id, 1u);
  bench.encode({a, DSTREAM_OP_DELETE, {number(1), number(1)}, {}});
  EXPECT_STREQ(bench.messages[0].topic, "T-delete");
  EXPECT_EQ(bench.messages[0].topic_id, 2u);
  // The same table after a change of its columns is the same topic.
  test::Table a2 = one_column("bigint", DSTREAM_INT64);
  bench.encode({a2, DSTREAM_OP_INSERT, {}, {number(1), number(1)}});
  EXPECT_EQ(bench.messages[0].topic_id, 0u);
}

TEST(Encoder, TablesThatShareATopicShareItsId) {
  MessageSettings settings;
  settings.topic = "all";
  Bench bench(settings);
  test::Table a = one_column("int", DSTREAM_INT64), b = one_column("int", DSTREAM_INT64);
  bench.encode({a, DSTREAM_OP_INSERT, {}, {number(1), number(1)}});
  bench.encode({b, DSTREAM_OP_INSERT, {}, {number(1), number(1)}});
  EXPECT_EQ(bench.messages[0].topic_id, 0u);
}

TEST(Encoder, ChangesOfATableAreToldUnlessTurnedOff) {
  MessageSettings settings;
  settings.topic = "{table}-{op}";
  test::Table table = one_column("int", DSTREAM_INT64);
  test::TestRecord record(table, DSTREAM_OP_SCHEMA, {}, {});
  record.without_headers().header("commit_lsn", "1").header("ddl", "ALTER TABLE T ADD x int");
  Bench bench(settings);
  ASSERT_EQ(bench.encode(record), "");
  ASSERT_EQ(bench.messages.size(), 1u);
  EXPECT_STREQ(bench.messages[0].topic, "T-schema");
  EXPECT_EQ(bench.key(), R"({"database":"shop","schema":"dbo","table":"T"})");
  EXPECT_THAT(bench.value(), HasSubstr(R"("ddl":"ALTER TABLE T ADD x int")"));
  EXPECT_THAT(bench.value(),
              HasSubstr(R"({"name":"x","type":"int","nullable":true}],"key_columns":["id"]})"));
  const std::string first = bench.value();
  // The same change has the same id from wherever it is read again; another statement another one.
  record.raw.position = test::bytes_of("elsewhere");
  ASSERT_EQ(bench.encode(record), "");
  EXPECT_EQ(bench.value(), first);
  test::TestRecord other(table, DSTREAM_OP_SCHEMA, {}, {});
  other.without_headers().header("commit_lsn", "1").header("ddl", "ALTER TABLE T ADD y int");
  ASSERT_EQ(bench.encode(other), "");
  EXPECT_NE(bench.value().substr(0, 40), first.substr(0, 40));
  settings.schema_changes = false;
  Bench silent(settings);
  EXPECT_EQ(silent.encode(record), "");
  EXPECT_TRUE(silent.messages.empty());
  Bench debezium_bench(debezium());
  EXPECT_EQ(debezium_bench.encode(record), "");
  EXPECT_TRUE(debezium_bench.messages.empty());
}

TEST(Encoder, ConfiguredKeyReplacesThePrimaryKey) {
  MessageSettings settings;
  settings.key_columns["DBO.t"] = {"X", "id"};  // names as people write them
  Bench bench(settings);
  test::Table table = one_column("varchar(9)", DSTREAM_STRING);
  EXPECT_EQ(bench.encode({table, DSTREAM_OP_INSERT, {}, {number(1), text("a")}}), "");
  EXPECT_EQ(bench.key(), "{\"x\":\"a\",\"id\":1}");
}

TEST(Encoder, KeyColumnThatIsNotThereIsAnError) {
  MessageSettings settings;
  settings.key_columns["dbo.T"] = {"nosuch"};
  Bench bench(settings);
  test::Table table = one_column("int", DSTREAM_INT64);
  EXPECT_EQ(bench.encode({table, DSTREAM_OP_INSERT, {}, {number(1), number(1)}}), "DS-KEY-COLUMN");
  EXPECT_THAT(bench.error.message, HasSubstr("nosuch"));
}

TEST(Encoder, TableWithoutKeyIsRefusedUnlessAllowed) {
  test::Table table("Log");
  table.column("line", "varchar(9)", DSTREAM_STRING);
  const test::TestRecord insert(table, DSTREAM_OP_INSERT, {}, {text("a")});
  const test::TestRecord removal(table, DSTREAM_OP_DELETE, {text("a")}, {});
  for (MessageSettings settings : {MessageSettings(), debezium()}) {
    Bench strict(settings);
    EXPECT_EQ(strict.encode(insert), "DS-KEY-MISSING");
    EXPECT_THAT(strict.error.text(), HasSubstr("dbo.Log"));
    settings.allow_no_key = true;
    Bench lenient(settings);
    EXPECT_EQ(lenient.encode(insert), "");
    EXPECT_EQ(lenient.messages[0].key.data, nullptr);
    // A tombstone without a key would mean nothing.
    EXPECT_EQ(lenient.encode(removal), "");
    EXPECT_EQ(lenient.messages.size(), 1u);
  }
}

TEST(Encoder, KeyValuesMustBeThereAndExact) {
  MessageSettings settings;
  settings.key_columns["dbo.T"] = {"x"};
  test::Table table = one_column("varchar(9)", DSTREAM_STRING);
  Bench bench(settings);
  EXPECT_EQ(bench.encode({table, DSTREAM_OP_INSERT, {}, {number(1), absent()}}), "DS-KEY-COLUMN");
  EXPECT_EQ(bench.encode({table, DSTREAM_OP_INSERT, {}, {number(1), text("a\xFF")}}),
            "DS-ENCODE-UTF8");
  EXPECT_EQ(bench.encode({table, DSTREAM_OP_INSERT, {}, {number(1), null()}}), "");
  EXPECT_EQ(bench.key(), "{\"x\":null}");
}

TEST(Encoder, TombstonesCanBeTurnedOff) {
  MessageSettings settings;
  settings.tombstones = false;
  Bench bench(settings);
  test::Table table = one_column("int", DSTREAM_INT64);
  EXPECT_EQ(bench.encode({table, DSTREAM_OP_DELETE, {number(1), number(2)}, {}}), "");
  EXPECT_EQ(bench.messages.size(), 1u);
  EXPECT_EQ(bench.encode({table, DSTREAM_OP_UPDATE, {number(1), null()}, {number(2), null()}}), "");
  EXPECT_EQ(bench.messages.size(), 2u);
}

TEST(Encoder, UpdateThatKeepsTheKeyIsOneMessage) {
  Bench bench;
  test::Table table = one_column("int", DSTREAM_INT64);
  EXPECT_EQ(bench.encode({table, DSTREAM_OP_UPDATE, {number(1), number(2)}, {number(1), null()}}),
            "");
  EXPECT_EQ(bench.messages.size(), 1u);
  // An old key that was not captured says nothing about a change of the key.
  EXPECT_EQ(bench.encode({table, DSTREAM_OP_UPDATE, {absent(), number(2)}, {number(1), null()}}),
            "");
  EXPECT_EQ(bench.messages.size(), 1u);
}

TEST(Encoder, LargeIntegersBecomeStringsIfAsked) {
  MessageSettings settings;
  settings.large_integers_as_strings = true;
  Bench bench(settings);
  test::Table table = one_column("bigint", DSTREAM_INT64);
  const int64_t exact = int64_t{1} << 53;
  for (int64_t value : {exact, -exact, int64_t{0}}) {
    bench.encode({table, DSTREAM_OP_INSERT, {}, {number(1), number(value)}});
    EXPECT_THAT(bench.value(), HasSubstr("\"x\":" + std::to_string(value) + "}"));
  }
  for (int64_t value : {exact + 1, -exact - 1, std::numeric_limits<int64_t>::min()}) {
    bench.encode({table, DSTREAM_OP_INSERT, {}, {number(1), number(value)}});
    EXPECT_THAT(bench.value(), HasSubstr("\"x\":\"" + std::to_string(value) + "\"}"));
  }
  bench.encode({table, DSTREAM_OP_INSERT, {}, {number(1), unsigned_number(UINT64_MAX)}});
  EXPECT_THAT(bench.value(), HasSubstr("\"x\":\"18446744073709551615\"}"));
}

TEST(Encoder, NumbersJsonDoesNotHaveAreStrings) {
  test::Table table = one_column("float", DSTREAM_FLOAT64);
  for (const MessageSettings& settings : {MessageSettings(), debezium()}) {
    Bench bench(settings);
    EXPECT_EQ(bench.encode({table, DSTREAM_OP_INSERT, {}, {number(1), real(NAN)}}), "");
    EXPECT_THAT(bench.value(), HasSubstr("\"x\":\"NaN\""));
  }
}

// Values longer than what is reserved for the worst case are measured first.
TEST(Encoder, LongValues) {
  const std::string long_text(3'000'000, 'x');
  const std::string controls(100'000, '\x01');
  const std::string umlauts = [] {
    std::string out;
    for (int i = 0; i < 50'000; ++i) {
      out += "ü\xFF";
    }
    return out;
  }();
  test::Table texts = one_column("nvarchar(max)", DSTREAM_STRING);
  test::Table bytes = one_column("varbinary(max)", DSTREAM_BYTES);
  for (const MessageSettings& settings : {MessageSettings(), debezium()}) {
    Bench bench(settings);
    for (const std::string& value : {long_text, controls, umlauts}) {
      EXPECT_EQ(bench.encode({texts, DSTREAM_OP_INSERT, {}, {number(1), text(value)}}), "");
      EXPECT_EQ(bench.encode({bytes, DSTREAM_OP_INSERT, {}, {number(1), binary(value)}}), "");
      EXPECT_GT(bench.value().size(), value.size());
    }
  }
}

TEST(Encoder, BadValuesAreErrorsThatNameTheColumn) {
  struct Case {
    dstream_type type;
    dstream_value value;
    std::string code;
  };
  dstream_value no_bytes = text("abc");
  no_bytes.as.data = nullptr;
  dstream_value unknown = null();
  unknown.type = 77;
  const Case cases[] = {
      {DSTREAM_DECIMAL, decimal("12,5"), "DS-ENCODE-VALUE"},
      {DSTREAM_STRING, no_bytes, "DS-ENCODE-VALUE"},
      {77, unknown, "DS-ENCODE-TYPE"},
      {DSTREAM_DATE, number(INT64_MAX, DSTREAM_DATE), "DS-ENCODE-RANGE"},
      {DSTREAM_TIME, number(-1, DSTREAM_TIME), "DS-ENCODE-RANGE"},
      {DSTREAM_TIMESTAMP, timestamp(0, -1), "DS-ENCODE-RANGE"},
      {DSTREAM_TIMESTAMP, timestamp(INT64_MAX, 0), "DS-ENCODE-RANGE"},
      {DSTREAM_TIMESTAMP_TZ, timestamp(0, 0, DSTREAM_TIMESTAMP_TZ, 5000), "DS-ENCODE-RANGE"}};
  for (const MessageSettings& settings : {MessageSettings(), debezium()}) {
    Bench bench(settings);
    for (const Case& test : cases) {
      if (settings.format == "debezium-json" &&
          (test.type == DSTREAM_DATE || test.type == DSTREAM_TIME)) {
        continue;  // plain counts there
      }
      test::Table table = one_column("", test.type);
      EXPECT_EQ(bench.encode({table, DSTREAM_OP_INSERT, {}, {number(1), test.value}}), test.code)
          << static_cast<int>(test.type) << " in " << settings.format;
      EXPECT_THAT(bench.error.message, HasSubstr("\"x\" of dbo.T"));
    }
    // After all these the encoder goes on.
    test::Table table = one_column("int", DSTREAM_INT64);
    EXPECT_EQ(bench.encode({table, DSTREAM_OP_INSERT, {}, {number(1), number(1)}}), "");
  }
}

TEST(Encoder, BadRecordsAreErrors) {
  test::Table table = one_column("int", DSTREAM_INT64);
  const Row row = {number(1), number(1)};
  for (const MessageSettings& settings : {MessageSettings(), debezium()}) {
    Bench bench(settings);
    EXPECT_EQ(bench.encode({table, DSTREAM_OP_INSERT, row, {}}), "DS-ENCODE-ROW");
    EXPECT_EQ(bench.encode({table, DSTREAM_OP_SNAPSHOT, row, {}}), "DS-ENCODE-ROW");
    EXPECT_EQ(bench.encode({table, DSTREAM_OP_UPDATE, row, {}}), "DS-ENCODE-ROW");
    EXPECT_EQ(bench.encode({table, DSTREAM_OP_DELETE, {}, row}), "DS-ENCODE-ROW");
    EXPECT_EQ(bench.encode({table, 99, row, row}), "DS-ENCODE-OP");
    test::TestRecord no_schema(table, DSTREAM_OP_INSERT, {}, row);
    no_schema.raw.schema = nullptr;
    EXPECT_EQ(bench.encode(no_schema), "DS-ENCODE-SCHEMA");
    test::TestRecord nameless(table, DSTREAM_OP_INSERT, {}, row);
    nameless.header(nullptr, "x");
    EXPECT_EQ(bench.encode(nameless), "");
  }
}

TEST(Encoder, MalformedSchemasAreErrors) {
  test::Table table = one_column("int", DSTREAM_INT64);
  const test::TestRecord good(table, DSTREAM_OP_INSERT, {}, {number(1), number(1)});
  const uint32_t wrong_key[] = {2};
  auto code = [&](auto change) {
    dstream_schema schema = *good.raw.schema;
    schema.id += 1000;
    change(schema);
    test::TestRecord record(table, DSTREAM_OP_INSERT, {}, good.after);
    record.raw.schema = &schema;
    return Bench().encode(record);
  };
  EXPECT_EQ(code([](dstream_schema&) {}), "");
  EXPECT_EQ(code([&](dstream_schema& s) { s.key_columns = wrong_key; }), "DS-ENCODE-SCHEMA");
  EXPECT_EQ(code([](dstream_schema& s) { s.key_columns = nullptr; }), "DS-ENCODE-SCHEMA");
  EXPECT_EQ(code([](dstream_schema& s) { s.columns = nullptr; }), "DS-ENCODE-SCHEMA");
  EXPECT_EQ(code([](dstream_schema& s) { s.column_count = DSTREAM_MAX_COLUMNS + 1; }),
            "DS-ENCODE-SCHEMA");
  EXPECT_EQ(code([](dstream_schema& s) { s.database = s.name_space = s.name = nullptr; }), "");
}

TEST(Encoder, IdsTellChangesApartAndStayTheSame) {
  Bench bench;
  test::Table table = one_column("int", DSTREAM_INT64);
  std::set<std::string> ids;
  auto id_of = [&](const test::TestRecord& record) {
    EXPECT_EQ(bench.encode(record), "");
    const std::string value = bench.value();
    return value.substr(0, value.find("\",\"op\""));
  };
  for (int i = 0; i < 100; ++i) {
    test::TestRecord snapshot(table, DSTREAM_OP_SNAPSHOT, {}, {number(i), number(1)});
    snapshot.without_headers().header("commit_lsn", "1");
    EXPECT_TRUE(ids.insert(id_of(snapshot)).second);
    snapshot.after[1] = number(2);  // the same row, read later in the same snapshot
    EXPECT_FALSE(ids.insert(id_of(snapshot)).second);
    test::TestRecord change(table, DSTREAM_OP_INSERT, {}, {number(7), number(1)});
    change.without_headers();
    const std::string position = "position " + std::to_string(i) + std::string(100, '\x80');
    change.raw.position = test::bytes_of(position);
    EXPECT_TRUE(ids.insert(id_of(change)).second);
  }
}

// An id is longer only where it has to be: several changes at the same log positions.
TEST(Encoder, SequenceIsPartOfTheIdWhereItIsNeeded) {
  Bench bench;
  test::Table table = one_column("int", DSTREAM_INT64);
  const Row row = {number(1), number(1)};
  auto id_of = [&](dstream_op op, std::string_view sequence) {
    test::TestRecord record(table, op, op == DSTREAM_OP_INSERT ? Row{} : row,
                            op == DSTREAM_OP_DELETE ? Row{} : row);
    record.without_headers().header("commit_lsn", "a").header("change_lsn", "b");
    record.header("sequence", sequence);
    EXPECT_EQ(bench.encode(record), "");
    const std::string value = bench.value();
    return value.substr(7, value.find("\",\"op\"") - 7);
  };
  EXPECT_EQ(id_of(DSTREAM_OP_INSERT, "1"), "a:b:insert");
  EXPECT_EQ(id_of(DSTREAM_OP_DELETE, "1"), "a:b:delete");
  EXPECT_EQ(id_of(DSTREAM_OP_UPDATE, "2"), "a:b:update");
  EXPECT_EQ(id_of(DSTREAM_OP_INSERT, "2"), "a:b:insert:2");
  EXPECT_EQ(id_of(DSTREAM_OP_UPDATE, "4"), "a:b:update:4");
}

TEST(Encoder, LogPositionsAreEscaped) {
  Bench bench;
  test::Table table = one_column("int", DSTREAM_INT64);
  test::TestRecord record(table, DSTREAM_OP_INSERT, {}, {number(1), number(1)});
  record.without_headers().header("commit_lsn", "a\"b").header("change_lsn", "\n\xFF");
  EXPECT_EQ(bench.encode(record), "");
  EXPECT_THAT(bench.value(), HasSubstr("\"id\":\"a\\\"b:\\n\xEF\xBF\xBD:insert\""));
}

// ---- debezium-json ----

// The example of Debezium's manual, apart from the version.
TEST(Debezium, ManualExample) {
  Bench bench(debezium());
  test::Table table("customers", "testDB");
  table.column("id", "int", DSTREAM_INT64, kKey).column("email", "varchar(255)", DSTREAM_STRING);
  test::TestRecord record(table, DSTREAM_OP_INSERT, {}, {number(1005), text("j@x")});
  record.raw.commit_time_ns = 1'559'729'468'470'000'000;
  record.raw.read_time_ns = 1'559'729'471'739'876'149;
  EXPECT_EQ(bench.encode(record), "");
  EXPECT_EQ(
      bench.value(),
      R"({"before":null,"after":{"id":1005,"email":"j@x"},"source":{"version":"0.1.0",)"
      R"("connector":"sqlserver","name":"server1","ts_ms":1559729468470,"snapshot":"false",)"
      R"("db":"testDB","sequence":null,"ts_us":1559729468470000,"ts_ns":1559729468470000000,)"
      R"("schema":"dbo","table":"customers","change_lsn":"00000027:00000758:0003",)"
      R"("commit_lsn":"00000027:00000758:0005","event_serial_no":1},"transaction":null,"op":"c",)"
      R"("ts_ms":1559729471739,"ts_us":1559729471739876,"ts_ns":1559729471739876149})");
}

// The values of Debezium's own data type test.
TEST(Debezium, TimesOfItsDataTypeTest) {
  struct Case {
    std::string source_type;
    dstream_value value;
    std::string expected;
  };
  const int64_t second = 1'531'481'025;
  const Case cases[] = {
      {"date", number(17725, DSTREAM_DATE), "17725"},
      {"time(2)", number(37'425'680'000'000, DSTREAM_TIME), "37425680"},
      {"time(4)", number(37'425'678'900'000, DSTREAM_TIME), "37425678900"},
      {"time(7)", number(37'425'678'901'200, DSTREAM_TIME), "37425678901200"},
      {"datetime", timestamp(1'531'488'225, 780'000'000), "1531488225780"},
      {"smalldatetime", timestamp(1'531'491'840, 0), "1531491840000"},
      {"datetime2", timestamp(second, 340'000'000), "1531481025340000000"},
      {"datetimeoffset", timestamp(1'531'445'025, 456'000'000, DSTREAM_TIMESTAMP_TZ, 660),
       "\"2018-07-13T12:23:45.456+11:00\""},
      {"datetimeoffset", timestamp(1'531'445'025, 450'000'000, DSTREAM_TIMESTAMP_TZ, 0),
       "\"2018-07-13T01:23:45.45Z\""}};
  for (const Case& test : cases) {
    Bench bench(debezium());
    test::Table table = one_column(test.source_type, test.value.type);
    EXPECT_EQ(bench.encode({table, DSTREAM_OP_INSERT, {}, {number(1), test.value}}), "");
    EXPECT_THAT(bench.value(), HasSubstr("\"x\":" + test.expected + "}")) << test.source_type;
  }
}

TEST(Debezium, NanosecondsReachFrom1677To2262) {
  test::Table nanos = one_column("datetime2(7)", DSTREAM_TIMESTAMP);
  test::Table micros = one_column("datetime2(6)", DSTREAM_TIMESTAMP);
  const int64_t end_of_time = 253'402'300'799;  // 9999-12-31T23:59:59
  Bench bench(debezium());
  EXPECT_EQ(bench.encode({nanos, DSTREAM_OP_INSERT, {}, {number(1), timestamp(end_of_time, 0)}}),
            "DS-ENCODE-RANGE");
  EXPECT_THAT(bench.error.hint, HasSubstr("format json"));
  EXPECT_EQ(bench.encode({micros, DSTREAM_OP_INSERT, {}, {number(1), timestamp(end_of_time, 0)}}),
            "");
  EXPECT_THAT(bench.value(), HasSubstr("\"x\":253402300799000000}"));
}

TEST(Debezium, TimesBefore1970RoundDown) {
  test::Table table = one_column("datetime2(3)", DSTREAM_TIMESTAMP);
  Bench bench(debezium());
  bench.encode({table, DSTREAM_OP_INSERT, {}, {number(1), timestamp(-1, 999'000'000)}});
  EXPECT_THAT(bench.value(), HasSubstr("\"x\":-1}"));
}

TEST(Debezium, ValuesMustHaveTheTypeOfTheirColumn) {
  test::Table table = one_column("int", DSTREAM_INT64);
  Bench bench(debezium());
  EXPECT_EQ(bench.encode({table, DSTREAM_OP_INSERT, {}, {number(1), text("1")}}), "DS-ENCODE-TYPE");
}

TEST(Debezium, DecimalsMustFitTheirScale) {
  test::Table table = one_column("decimal(9,2)", DSTREAM_DECIMAL);
  Bench bench(debezium());
  EXPECT_EQ(bench.encode({table, DSTREAM_OP_INSERT, {}, {number(1), decimal("1.234")}}),
            "DS-ENCODE-RANGE");
  EXPECT_EQ(bench.encode({table, DSTREAM_OP_INSERT, {}, {number(1), decimal("1.2")}}), "");
  test::Table impossible = one_column("decimal(9,99999)", DSTREAM_DECIMAL);
  EXPECT_EQ(bench.encode({impossible, DSTREAM_OP_INSERT, {}, {number(1), decimal("1")}}),
            "DS-ENCODE-SCHEMA");
}

TEST(Debezium, UnsignedNumbersMustFit) {
  test::Table table = one_column("", DSTREAM_UINT64);
  Bench bench(debezium());
  EXPECT_EQ(bench.encode({table, DSTREAM_OP_INSERT, {}, {number(1), unsigned_number(INT64_MAX)}}),
            "");
  EXPECT_EQ(bench.encode({table, DSTREAM_OP_INSERT, {}, {number(1), unsigned_number(UINT64_MAX)}}),
            "DS-ENCODE-RANGE");
}

TEST(Debezium, SnapshotWordsOfTheSource) {
  test::Table table = one_column("int", DSTREAM_INT64);
  for (std::string word :
       {"first", "first_in_data_collection", "last_in_data_collection", "incremental"}) {
    Bench bench(debezium());
    test::TestRecord record(table, DSTREAM_OP_SNAPSHOT, {}, {number(1), number(1)});
    record.header("snapshot", word);
    EXPECT_EQ(bench.encode(record), "");
    EXPECT_THAT(bench.value(), HasSubstr("\"snapshot\":\"" + word + "\""));
  }
}

TEST(Debezium, TombstoneAndDeleteHaveIdsOfTheirOwn) {
  test::Table table = one_column("int", DSTREAM_INT64);
  Bench bench(debezium());
  bench.encode({table, DSTREAM_OP_DELETE, {number(1), number(1)}, {}});
  ASSERT_EQ(bench.messages.size(), 2u);
  EXPECT_STREQ(bench.messages[0].headers[0].name, "ce_id");
  EXPECT_STREQ(bench.messages[1].headers[0].name, "ce_id");
  EXPECT_NE(test::text_of(bench.messages[0].headers[0].value),
            test::text_of(bench.messages[1].headers[0].value));
  EXPECT_EQ(bench.key(0), bench.key(1));
}

}  // namespace
}  // namespace dstream::core
