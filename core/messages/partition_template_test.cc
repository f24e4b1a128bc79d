#include "core/messages/partition_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/messages/encoder.h"
#include "core/messages/test_record.h"

namespace dstream::core {
namespace {

using test::kKey;
using test::kNullable;
using test::number;
using test::text;
using testing::ElementsAre;
using testing::HasSubstr;
using Row = test::TestRecord::Row;

constexpr const char* kFormats[] = {"json", "debezium-json", "cloudevents-json"};

// The partitions of one record's messages, or the code of its error.
class Partitions {
 public:
  explicit Partitions(const std::string& partition, const std::string& format = "json") {
    MessageSettings settings;
    settings.partition = partition;
    settings.format = format;
    settings.allow_no_key = true;
    encoder_ = make_encoder(settings).value();
  }

  std::vector<int32_t> of(const test::TestRecord& record) {
    messages.clear();
    error = {};
    if (auto made = encoder_->encode(record.raw, 0, arena_, messages); !made) {
      error = made.error();
      EXPECT_TRUE(messages.empty());
    }
    std::vector<int32_t> out;
    for (const dstream_message& message : messages) {
      out.push_back(message.partition);
    }
    return out;
  }

  std::vector<dstream_message> messages;
  Error error;

 private:
  std::unique_ptr<Encoder> encoder_;
  Arena arena_;
};

test::Table orders(dstream_type type = DSTREAM_INT64) {
  test::Table table("Orders");
  table.column("id", "int", DSTREAM_INT64, kKey).column("Region", "int", type, kNullable);
  return table;
}

TEST(PartitionTemplate, EveryFormatTakesItFromTheColumn) {
  for (const char* format : kFormats) {
    Partitions partitions("{column:region}", format);
    test::Table table = orders();
    EXPECT_THAT(partitions.of({table, DSTREAM_OP_INSERT, {}, {number(1), number(7)}}),
                ElementsAre(7))
        << format;
    EXPECT_THAT(partitions.of({table, DSTREAM_OP_SNAPSHOT, {}, {number(1), number(0)}}),
                ElementsAre(0))
        << format;
    EXPECT_THAT(partitions.of({table, DSTREAM_OP_DELETE, {number(1), number(3)}, {}}),
                ElementsAre(3, 3))
        << format << ": the tombstone is behind its delete";
  }
}

TEST(PartitionTemplate, WithoutOneTheSinkChooses) {
  Partitions partitions("");
  test::Table table = orders();
  EXPECT_THAT(partitions.of({table, DSTREAM_OP_INSERT, {}, {number(1), number(7)}}),
              ElementsAre(kPartitionOfKey));
}

TEST(PartitionTemplate, DigitsAndColumnsArePutTogether) {
  test::Table table = orders();
  const test::TestRecord record(table, DSTREAM_OP_INSERT, {}, {number(12), number(7)});
  EXPECT_THAT(Partitions("3").of(record), ElementsAre(3));
  EXPECT_THAT(Partitions("1{column:Region}").of(record), ElementsAre(17));
  EXPECT_THAT(Partitions("{column:id}{column:Region}").of(record), ElementsAre(127));
  EXPECT_THAT(Partitions("0{column:Region}").of(record), ElementsAre(7));
}

TEST(PartitionTemplate, AnUpdateThatMovesARowLeavesNothingBehind) {
  for (const char* format : kFormats) {
    Partitions partitions("{column:region}", format);
    test::Table table = orders();
    EXPECT_THAT(
        partitions.of({table, DSTREAM_OP_UPDATE, {number(1), number(3)}, {number(1), number(3)}}),
        ElementsAre(3))
        << format;
    EXPECT_THAT(
        partitions.of({table, DSTREAM_OP_UPDATE, {number(1), number(3)}, {number(1), number(5)}}),
        ElementsAre(3, 3, 5))
        << format << ": delete, tombstone, insert";
    EXPECT_EQ(partitions.messages[1].value.data, nullptr);
    EXPECT_EQ(test::text_of(partitions.messages[0].key), test::text_of(partitions.messages[2].key));
    for (uint32_t i = 0; i < partitions.messages[2].header_count; ++i) {
      EXPECT_THAT(partitions.messages[2].headers[i].name, testing::Not(HasSubstr("key")))
          << format << ": the key has not changed";
    }
    EXPECT_THAT(partitions.of(
                    {table, DSTREAM_OP_UPDATE, {number(1), test::null()}, {number(1), number(5)}}),
                ElementsAre(5))
        << format << ": before, it was in no partition";
    EXPECT_THAT(partitions.of({table, DSTREAM_OP_UPDATE, {}, {number(1), number(5)}}),
                ElementsAre(5))
        << format << ": where it was is not known";
  }
}

TEST(PartitionTemplate, AChangeWithoutARowGoesWhereItsKeySays) {
  test::Table table = orders();
  const test::TestRecord truncate(table, DSTREAM_OP_TRUNCATE, {}, {});
  EXPECT_THAT(Partitions("{column:region}").of(truncate), ElementsAre(kPartitionOfKey));
  EXPECT_THAT(Partitions("2").of(truncate), ElementsAre(2));
}

TEST(PartitionTemplate, TextAndOtherNumbersCount) {
  const auto of = [](dstream_type type, dstream_value value) {
    test::Table table = orders(type);
    Partitions partitions("{column:region}");
    return partitions.of({table, DSTREAM_OP_INSERT, {}, {number(1), value}});
  };
  EXPECT_THAT(of(DSTREAM_STRING, text("007")), ElementsAre(7));
  EXPECT_THAT(of(DSTREAM_DECIMAL, test::decimal("12")), ElementsAre(12));
  EXPECT_THAT(of(DSTREAM_BOOL, test::boolean(true)), ElementsAre(1));
  EXPECT_THAT(of(DSTREAM_UINT64, test::unsigned_number(9)), ElementsAre(9));
  EXPECT_THAT(of(DSTREAM_INT64, number(2147483647)), ElementsAre(2147483647));
}

TEST(PartitionTemplate, WhatIsNoPartitionIsRefusedAndNeverHashed) {
  const std::vector<dstream_value> values = {
      test::null(),         number(-1),           number(2147483648), test::real(3),
      test::decimal("-3"),  test::decimal("3.0"), text(""),           text("3 "),
      text("+3"),           text("0x3"),          text("north"),      text("00000000003"),
      test::timestamp(3, 0)};
  for (const dstream_value& value : values) {
    test::Table table = orders(value.type);
    Partitions partitions("{column:region}");
    EXPECT_TRUE(partitions.of({table, DSTREAM_OP_INSERT, {}, {number(1), value}}).empty());
    EXPECT_EQ(partitions.error.code, "DS-PARTITION-VALUE") << value.type;
    EXPECT_THAT(partitions.error.message, HasSubstr("Column \"Region\" of dbo.Orders "));
    EXPECT_NE(partitions.error.hint, "");
  }
  test::Table table = orders();
  Partitions two("{column:id}{column:region}");
  EXPECT_TRUE(two.of({table, DSTREAM_OP_INSERT, {}, {number(214748), number(99999)}}).empty());
  EXPECT_EQ(two.error.code, "DS-PARTITION-VALUE") << "ten digits that are too large";
}

TEST(PartitionTemplate, AColumnThatIsNotThereIsNamed) {
  test::Table table = orders();
  Partitions absent("{column:region}");
  EXPECT_TRUE(absent.of({table, DSTREAM_OP_INSERT, {}, {number(1), test::absent()}}).empty());
  EXPECT_EQ(absent.error.code, "DS-PARTITION-COLUMN");
  Partitions unknown("{column:area}");
  EXPECT_TRUE(unknown.of({table, DSTREAM_OP_INSERT, {}, {number(1), number(2)}}).empty());
  EXPECT_EQ(unknown.error.code, "DS-PARTITION-COLUMN");
  EXPECT_THAT(unknown.error.message, HasSubstr("\"area\""));
}

TEST(PartitionTemplate, MistakesInItAreNamed) {
  for (std::string_view wrong :
       {"", "north", "{column:a", "{column:}", "{table}", "{}", "3}", "-1", "{column:a}-{column:b}",
        "2147483648", "99999999999{column:a}", "{column:a}}", " 3"}) {
    const auto parsed = PartitionTemplate::parse(wrong);
    ASSERT_FALSE(parsed) << wrong;
    EXPECT_EQ(parsed.error().code, "DS-PARTITION-TEMPLATE") << wrong;
    EXPECT_EQ(parsed.error().exit_code, ExitCode::kUsage);
  }
  MessageSettings settings;
  settings.partition = "{table}";
  const auto encoder = make_encoder(settings);
  ASSERT_FALSE(encoder);
  EXPECT_EQ(encoder.error().code, "DS-PARTITION-TEMPLATE");
  EXPECT_THAT(encoder.error().message, HasSubstr("{table}"));
}

}  // namespace
}  // namespace dstream::core
