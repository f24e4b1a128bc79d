// Bytes worked out by hand from the Avro specification, and what the encoder asks a registry. That
// Apache Avro reads all types is tested by tests/standins/registry.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>

#include "core/messages/avro_schema.h"
#include "core/messages/avro_text.h"
#include "core/messages/encoder.h"
#include "core/messages/test_record.h"

namespace dstream::core {
namespace {

using test::absent;
using test::kKey;
using test::kNullable;
using test::null;
using test::number;
using test::text;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Row = test::TestRecord::Row;

std::string hex(const std::string& bytes) { return test::hex_of(test::bytes_of(bytes)); }

std::string hex_of_text(const std::string& text) {
  return hex(std::string(1, static_cast<char>(2 * text.size())) + text);
}

class Avro : public testing::Test {
 protected:
  Avro() {
    settings_.pipeline = "people";
    settings_.format = "avro";
    table_.column("Id", "int", DSTREAM_INT64, kKey)
        .column("Name", "nvarchar(50)", DSTREAM_STRING, kNullable);
  }

  void make() { encoder_ = make_encoder(settings_, &registry_).value(); }

  // The error's code, or "" and the messages in messages_.
  std::string encode(const test::TestRecord& record) {
    if (encoder_ == nullptr) {
      make();
    }
    messages_.clear();
    auto encoded = encoder_->encode(record.raw, 0, arena_, messages_);
    return encoded ? "" : encoded.error().code;
  }

  Result<bool> prepare(const std::vector<const test::TestRecord*>& records) {
    if (encoder_ == nullptr) {
      make();
    }
    std::vector<dstream_record> raw;
    for (const test::TestRecord* record : records) {
      raw.push_back(record->raw);
    }
    dstream_batch batch{};
    batch.records = raw.data();
    batch.record_count = static_cast<uint32_t>(raw.size());
    batch.record_stride = sizeof(dstream_record);
    return encoder_->prepare(batch);
  }

  MessageSettings settings_;
  test::PromptRegistry registry_;
  std::unique_ptr<Encoder> encoder_;
  test::Table table_{"Persons"};
  Arena arena_;
  std::vector<dstream_message> messages_;
};

TEST_F(Avro, IntegersAreZigzagInSevenBitGroups) {
  const std::pair<int64_t, const char*> cases[] = {
      {0, "00"},
      {-1, "01"},
      {1, "02"},
      {63, "7e"},
      {-64, "7f"},
      {64, "8001"},
      {std::numeric_limits<int64_t>::max(), "feffffffffffffffff01"},
      {std::numeric_limits<int64_t>::min(), "ffffffffffffffffff01"}};
  for (const auto& [value, expected] : cases) {
    char bytes[16];
    EXPECT_EQ(hex({bytes, static_cast<size_t>(write_avro_long(bytes, value) - bytes)}), expected);
  }
}

TEST_F(Avro, TextThatIsNoUtf8IsRepairedWithItsLength) {
  for (const size_t size : {3u, 70u, 9000u}) {
    const std::string broken = std::string(size, 'x') + "\xFF\xE4\xB8";
    std::string out(3 * broken.size() + 64, '\0');
    bool replaced = false;
    char* const end = write_avro_string(out.data(), broken, &replaced);
    EXPECT_TRUE(replaced);
    char length[16];
    char* const length_end = write_avro_long(length, static_cast<int64_t>(size + 6));
    const std::string expected =
        std::string(&length[0], length_end) + std::string(size, 'x') + "\xEF\xBF\xBD\xEF\xBF\xBD";
    EXPECT_EQ(std::string(out.data(), end), expected);
  }
}

TEST_F(Avro, AMessageIsTheSchemasIdAndTheBody) {
  const test::TestRecord record(table_, DSTREAM_OP_UPDATE, {number(-2), null()},
                                {number(-2), text("Ann")});
  ASSERT_EQ(encode(record), "");
  ASSERT_EQ(messages_.size(), 1u);
  EXPECT_STREQ(messages_[0].topic, "shop.dbo.Persons");
  EXPECT_EQ(test::hex_of(messages_[0].key),
            "0000000001"
            "03");
  // The id is 53 characters and so a length of one byte.
  const std::string expected =
      "0000000002" + hex_of_text("00000027:00000758:0005:00000027:00000758:0003:update") +
      hex_of_text("update") + hex_of_text("shop") + hex_of_text("dbo") + hex_of_text("Persons") +
      "02"
      "0203"
      "00" +  // before: Id, Name
      "02"
      "0203"
      "02" +
      hex_of_text("Ann") +  // after
      "02" + hex_of_text("00000027:00000758:0005") + "02" + hex_of_text("00000027:00000758:0003") +
      "00";  // sequence
  const std::string value = test::hex_of(messages_[0].value);
  EXPECT_EQ(value.substr(0, expected.size()), expected);
  char instants[32];
  char* end = write_avro_long(instants, 1'795'412'400'123'000);
  *end++ = 2;
  end = write_avro_long(end, 1'795'412'401'123'456);
  *end++ = 0;  // not_captured
  EXPECT_EQ(value.substr(expected.size()), "02" + hex(std::string(&instants[0], end)));
}

TEST_F(Avro, ValuesThatWereNotCapturedAreNullAndNamed) {
  const test::TestRecord record(table_, DSTREAM_OP_UPDATE, {number(1), absent()},
                                {number(1), absent()});
  ASSERT_EQ(encode(record), "");
  const std::string value = test::hex_of(messages_[0].value);
  const std::string names =
      "02" + hex_of_text("before.Name") + "02" + hex_of_text("after.Name") + "00";
  ASSERT_GT(value.size(), names.size());
  EXPECT_EQ(value.substr(value.size() - names.size()), names);
}

TEST_F(Avro, ATombstoneHasTheKeyAndItsIdInAHeader) {
  ASSERT_EQ(encode({table_, DSTREAM_OP_DELETE, {number(1), text("x")}, {}}), "");
  ASSERT_EQ(messages_.size(), 2u);
  EXPECT_EQ(test::hex_of(messages_[1].key), test::hex_of(messages_[0].key));
  EXPECT_EQ(messages_[1].value.data, nullptr);
  ASSERT_EQ(messages_[1].header_count, 1u);
  EXPECT_STREQ(messages_[1].headers[0].name, "ce_id");
}

TEST_F(Avro, WhatAKeyCannotBeIsAnError) {
  EXPECT_EQ(encode({table_, DSTREAM_OP_INSERT, {}, {absent(), text("x")}}), "DS-KEY-COLUMN");
  EXPECT_EQ(encode({table_, DSTREAM_OP_INSERT, {}, {null(), text("x")}}), "DS-ENCODE-VALUE");
  EXPECT_EQ(encode({table_, DSTREAM_OP_INSERT, {}, {number(int64_t{1} << 31), text("x")}}),
            "DS-ENCODE-RANGE");
  test::Table named("Named");
  named.column("Name", "nvarchar(9)", DSTREAM_STRING, kKey);
  EXPECT_EQ(encode({named, DSTREAM_OP_INSERT, {}, {text("\xFF")}}), "DS-ENCODE-UTF8");
}

TEST_F(Avro, NamesAreMadeOfWhatAvroAllows) {
  EXPECT_EQ(avro_name("First Name"), "First_Name");
  EXPECT_EQ(avro_name("1st"), "_1st");
  EXPECT_EQ(avro_name("ä"), "__");
  EXPECT_EQ(avro_name(""), "_");
  test::Table odd("my table", "my-shop", "d bo");
  odd.column("a b", "int", DSTREAM_INT64, kKey)
      .column("a-b", "int", DSTREAM_INT64, kNullable)
      .column("a_b_2", "int", DSTREAM_INT64, kNullable);
  ASSERT_EQ(encode({odd, DSTREAM_OP_INSERT, {}, {number(1), absent(), null()}}), "");
  const std::string& schema = registry_.schemas.at(2);
  EXPECT_THAT(schema, HasSubstr(R"("name":"Envelope","namespace":"my_shop.d_bo.my_table")"));
  EXPECT_THAT(schema,
              HasSubstr(R"({"name":"a_b","type":["null","int"],"default":null,"column":"a b")"));
  EXPECT_THAT(schema,
              HasSubstr(R"({"name":"a_b_2","type":["null","int"],"default":null,"column":"a-b")"));
  EXPECT_THAT(
      schema,
      HasSubstr(R"({"name":"a_b_2_2","type":["null","int"],"default":null,"column":"a_b_2")"));
  EXPECT_THAT(test::hex_of(messages_[0].value), HasSubstr(hex_of_text("after.a_b_2") + "00"));
}

TEST_F(Avro, SubjectsAreTheTopicsAndAreAskedForOnce) {
  const test::TestRecord insert(table_, DSTREAM_OP_INSERT, {}, {number(1), text("x")});
  const test::TestRecord deletion(table_, DSTREAM_OP_DELETE, {number(1), text("x")}, {});
  EXPECT_TRUE(prepare({&insert, &deletion, &insert}).value());
  EXPECT_TRUE(prepare({&deletion}).value());
  EXPECT_EQ(encode(insert), "");
  EXPECT_THAT(registry_.asked, ElementsAre("shop.dbo.Persons-key", "shop.dbo.Persons-value"));
}

TEST_F(Avro, AnUpdateOfTheKeyNeedsTheTopicsOfItsHalves) {
  settings_.topic = "{table}.{op}";
  const test::TestRecord update(table_, DSTREAM_OP_UPDATE, {number(1), text("x")},
                                {number(2), text("x")});
  EXPECT_TRUE(prepare({&update}).value());
  EXPECT_THAT(registry_.asked,
              ElementsAre("Persons.update-key", "Persons.update-value", "Persons.delete-key",
                          "Persons.delete-value", "Persons.insert-key", "Persons.insert-value"));
}

TEST_F(Avro, ABatchIsReadyWhenAllItsSchemasHaveIds) {
  test::Table cars("Cars");
  cars.column("Id", "int", DSTREAM_INT64, kKey);
  const test::TestRecord person(table_, DSTREAM_OP_INSERT, {}, {number(1), text("x")});
  const test::TestRecord car(cars, DSTREAM_OP_INSERT, {}, {number(1)});
  EXPECT_TRUE(prepare({&person}).value());
  registry_.holds = true;
  registry_.why = Error{"DS-REGISTRY-AWAY", "", "", std::nullopt, {}};
  EXPECT_FALSE(prepare({&person, &car}).value());
  EXPECT_EQ(encoder_->trouble()->code, "DS-REGISTRY-AWAY");
  EXPECT_TRUE(prepare({&person}).value()) << "what was answered stays known";
  registry_.holds = false;
  EXPECT_TRUE(prepare({&person, &car}).value());
  EXPECT_EQ(encode(car), "");
}

TEST_F(Avro, ARefusalStopsBeforeTheBatch) {
  const test::TestRecord person(table_, DSTREAM_OP_INSERT, {}, {number(1), text("x")});
  registry_.refusal = Error{"DS-REGISTRY-INCOMPATIBLE", "", "", std::nullopt, {}};
  EXPECT_EQ(prepare({&person}).error().code, "DS-REGISTRY-INCOMPATIBLE");
}

TEST_F(Avro, WhatNeedsNoSchemaIsAlwaysReady) {
  registry_.holds = true;
  test::TestRecord watermark(table_, DSTREAM_OP_WATERMARK, {}, {});
  watermark.raw.schema = nullptr;
  const test::TestRecord ddl(table_, DSTREAM_OP_SCHEMA, {}, {});
  EXPECT_TRUE(prepare({&watermark, &ddl}).value());
  EXPECT_EQ(encode(ddl), "");
  EXPECT_THAT(messages_, IsEmpty());
  EXPECT_THAT(registry_.asked, IsEmpty());
}

TEST_F(Avro, ATableWithoutAKeyHasNoSchemaForOne) {
  settings_.allow_no_key = true;
  test::Table log("Log");
  log.column("Line", "nvarchar(9)", DSTREAM_STRING, kNullable);
  ASSERT_EQ(encode({log, DSTREAM_OP_INSERT, {}, {text("x")}}), "");
  EXPECT_EQ(messages_[0].key.data, nullptr);
  EXPECT_THAT(registry_.asked, ElementsAre("shop.dbo.Log-value"));
}

}  // namespace
}  // namespace dstream::core
