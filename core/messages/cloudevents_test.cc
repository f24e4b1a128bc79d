// What the golden files do not show: attributes of both modes are the same, and the rules of
// CloudEvents 1.0 hold for odd names and keys. Events are read with a JSON library not ours.
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <Poco/URI.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "core/messages/encoder.h"
#include "core/messages/test_record.h"

namespace dstream::core {
namespace {

using test::kKey;
using test::kNullable;
using test::number;
using test::text;
using Row = test::TestRecord::Row;

struct Read {
  std::map<std::string, std::string> attributes;
  std::map<std::string, std::string> headers;
  std::string key;
  bool has_value = false;
  std::string data;  // the text of the event's data
};

Poco::JSON::Object::Ptr object_of(const std::string& json) {
  return Poco::JSON::Parser().parse(json).extract<Poco::JSON::Object::Ptr>();
}

// Reads a message as the Kafka binding of CloudEvents tells readers to.
Read read(const dstream_message& message) {
  Read out;
  out.key = message.key.data != nullptr ? test::text_of(message.key) : "";
  out.has_value = message.value.data != nullptr;
  for (uint32_t i = 0; i < message.header_count; ++i) {
    out.headers[message.headers[i].name] = test::text_of(message.headers[i].value);
  }
  const std::string value = out.has_value ? test::text_of(message.value) : "";
  const auto type = out.headers.find("content-type");
  if (type != out.headers.end() && type->second.rfind("application/cloudevents+json", 0) == 0) {
    const auto event = object_of(value);
    for (const auto& [name, member] : *event) {
      if (name != "data" && name != "datacontenttype") {
        out.attributes[name] = member.toString();
      }
    }
    EXPECT_EQ(event->getValue<std::string>("datacontenttype"), "application/json");
    const size_t data = value.find(",\"data\":") + 8;
    const size_t end = value.rfind(",\"partitionkey\":");
    out.data = value.substr(data, (end != value.npos ? end : value.size() - 1) - data);
    return out;
  }
  for (const auto& [name, text] : out.headers) {
    if (name.rfind("ce_", 0) == 0) {
      out.attributes[name.substr(3)] = text;
    }
  }
  out.data = value;
  return out;
}

std::vector<Read> encode(const MessageSettings& settings, const test::TestRecord& record) {
  auto encoder = make_encoder(settings).value();
  static Arena arena;
  std::vector<dstream_message> messages;
  const auto encoded = encoder->encode(record.raw, 0, arena, messages);
  EXPECT_TRUE(encoded) << encoded.error().text();
  std::vector<Read> out;
  for (const dstream_message& message : messages) {
    out.push_back(read(message));
  }
  return out;
}

MessageSettings settings_of(bool binary) {
  MessageSettings settings;
  settings.pipeline = "people";
  settings.format = "cloudevents-json";
  settings.cloudevents_binary = binary;
  return settings;
}

test::Table people() {
  test::Table table("Persons", "shop");
  table.column("Id", "nvarchar(20)", DSTREAM_STRING, kKey);
  table.column("Name", "nvarchar(20)", DSTREAM_STRING, kNullable);
  return table;
}

class BothModes : public testing::TestWithParam<bool> {
 protected:
  const MessageSettings settings_ = settings_of(GetParam());
};

TEST_P(BothModes, AttributesSayWhatAndWhen) {
  test::Table table = people();
  const test::TestRecord record(table, DSTREAM_OP_INSERT, {}, {text("a"), text("Ann")});
  const auto events = encode(settings_, record);
  ASSERT_EQ(events.size(), 1u);
  const std::map<std::string, std::string> expected = {
      {"specversion", "1.0"},
      {"id", "00000027:00000758:0005:00000027:00000758:0003:insert"},
      {"source", "/dstream/people/shop"},
      {"type", "dstream.change.insert"},
      {"subject", "dbo.Persons"},
      {"time", "2026-11-23T05:40:00.123Z"},
      {"partitionkey", "{\"Id\":\"a\"}"}};
  EXPECT_EQ(events[0].attributes, expected);
  EXPECT_EQ(events[0].key, expected.at("partitionkey"));
}

TEST_P(BothModes, DataIsTheMessageOfFormatJson) {
  test::Table table = people();
  const test::TestRecord record(table, DSTREAM_OP_UPDATE, {text("a"), text("Ann")},
                                {text("a"), text("Eve")});
  MessageSettings plain = settings_;
  plain.format = "json";
  const auto events = encode(settings_, record);
  const auto messages = encode(plain, record);
  EXPECT_EQ(events.at(0).data, messages.at(0).data);
  EXPECT_EQ(events.at(0).key, messages.at(0).key);
}

TEST_P(BothModes, AKeyWithControlCharactersStaysTheSameKey) {
  test::Table table = people();
  const std::string odd = "a\"\\\x01\x7F\xC2\x80\xC2\x9F\xC2\xA0\xC3\xA4";
  const test::TestRecord record(table, DSTREAM_OP_INSERT, {}, {text(odd), text("")});
  const auto events = encode(settings_, record);
  const std::string& partition_key = events.at(0).attributes.at("partitionkey");
  EXPECT_EQ(partition_key, "{\"Id\":\"a\\\"\\\\\\u0001\\u007f\\u0080\\u009f\xC2\xA0\xC3\xA4\"}");
  EXPECT_EQ(object_of(partition_key)->getValue<std::string>("Id"), odd);
  EXPECT_EQ(object_of(events.at(0).key)->getValue<std::string>("Id"), odd);
}

TEST_P(BothModes, ALongKeyOfControlCharactersHasRoom) {
  test::Table table = people();
  for (const size_t size : {1u, 4000u, 4096u, 4097u, 100'000u}) {
    const std::string odd(size, '\x7F');
    const test::TestRecord record(table, DSTREAM_OP_INSERT, {}, {text(odd), text("")});
    const auto events = encode(settings_, record);
    const std::string& partition_key = events.at(0).attributes.at("partitionkey");
    EXPECT_EQ(object_of(partition_key)->getValue<std::string>("Id"), odd);
  }
}

TEST_P(BothModes, NamesOfAllKindsMakeAValidSourceAndSubject) {
  test::Table table("a\x7Fz", "Übung & co/1", "d\xC2\x85o");
  table.column("Id", "int", DSTREAM_INT64, kKey);
  const test::TestRecord record(table, DSTREAM_OP_INSERT, {}, {number(1)});
  const auto events = encode(settings_, record);
  const auto& attributes = events.at(0).attributes;
  EXPECT_EQ(attributes.at("source"), "/dstream/people/%C3%9Cbung%20%26%20co%2F1");
  EXPECT_EQ(Poco::URI(attributes.at("source")).getPath(), "/dstream/people/Übung & co/1");
  EXPECT_EQ(attributes.at("subject"), "d?o.a?z");
}

TEST_P(BothModes, WithoutACommitTimeOrAKeyThereIsNoSuchAttribute) {
  test::Table table("Log");
  table.column("Line", "nvarchar(20)", DSTREAM_STRING, kNullable);
  test::TestRecord record(table, DSTREAM_OP_INSERT, {}, {text("x")});
  record.raw.commit_time_ns = 0;
  MessageSettings settings = settings_;
  settings.allow_no_key = true;
  const auto events = encode(settings, record);
  EXPECT_EQ(events.at(0).attributes.count("time"), 0u);
  EXPECT_EQ(events.at(0).attributes.count("partitionkey"), 0u);
  EXPECT_EQ(events.at(0).attributes.size(), 5u);
}

INSTANTIATE_TEST_SUITE_P(Modes, BothModes, testing::Bool(),
                         [](const auto& mode) { return mode.param ? "Binary" : "Structured"; });

TEST(CloudEventsTombstone, IsAnEventWithoutDataInBinaryMode) {
  test::Table table = people();
  const test::TestRecord record(table, DSTREAM_OP_DELETE, {text("a"), text("Ann")}, {});
  const auto events = encode(settings_of(true), record);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_FALSE(events[1].has_value);
  EXPECT_EQ(events[1].headers.count("content-type"), 0u);
  auto expected = events[0].attributes;
  expected["type"] = "dstream.change.tombstone";
  expected["id"] = "00000027:00000758:0005:00000027:00000758:0003:tombstone";
  EXPECT_EQ(events[1].attributes, expected);
}

TEST(CloudEventsTombstone, IsNoEventInStructuredMode) {
  test::Table table = people();
  const test::TestRecord record(table, DSTREAM_OP_DELETE, {text("a"), text("Ann")}, {});
  const auto events = encode(settings_of(false), record);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_FALSE(events[1].has_value);
  const std::map<std::string, std::string> expected = {
      {"id", "00000027:00000758:0005:00000027:00000758:0003:tombstone"}};
  EXPECT_EQ(events[1].attributes, expected);
}

}  // namespace
}  // namespace dstream::core
