// Random tables and rows: whatever the values, the messages parse with a JSON library that is not
// ours, and the values read back are the ones that went in.
#include <Poco/Base64Decoder.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <limits>
#include <random>
#include <sstream>

#include "core/messages/encoder.h"
#include "core/messages/test_record.h"

namespace dstream::core {
namespace {

using Random = std::mt19937_64;
using Json = Poco::Dynamic::Var;

constexpr dstream_type kTypes[] = {
    DSTREAM_BOOL, DSTREAM_INT64, DSTREAM_UINT64,    DSTREAM_FLOAT64,      DSTREAM_DECIMAL,
    DSTREAM_DATE, DSTREAM_TIME,  DSTREAM_TIMESTAMP, DSTREAM_TIMESTAMP_TZ, DSTREAM_STRING,
    DSTREAM_UUID, DSTREAM_JSON,  DSTREAM_XML,       DSTREAM_BYTES};

const char* source_type_of(dstream_type type) {
  switch (type) {
    case DSTREAM_DECIMAL:
      return "decimal(38,6)";
    case DSTREAM_TIME:
      return "time(7)";
    case DSTREAM_TIMESTAMP:
      return "datetime2(6)";
    default:
      return "";
  }
}

std::string random_bytes(Random& random) {
  std::string bytes(random() % 40, '\0');
  for (char& c : bytes) {
    c = static_cast<char>(random());
  }
  return bytes;
}

// Valid UTF-8 of all lengths, with all the characters JSON escapes.
std::string random_text(Random& random) {
  std::string text;
  for (size_t left = random() % 40; left > 0; --left) {
    auto code = static_cast<uint32_t>(random());
    switch (random() % 4) {
      case 0:
        code %= 0x80;
        break;
      case 1:
        code = 0x80 + code % (0x800 - 0x80);
        break;
      case 2:
        code = 0x800 + code % (0xD800 - 0x800);
        break;
      default:
        code = 0x10000 + code % 0x100000;
    }
    if (code == 0) {
      code = 1;  // Poco's parser does not keep U+0000
    }
    if (code < 0x80) {
      text += static_cast<char>(code);
    } else if (code < 0x800) {
      text += static_cast<char>(0xC0 | code >> 6);
      text += static_cast<char>(0x80 | (code & 63));
    } else if (code < 0x10000) {
      text += static_cast<char>(0xE0 | code >> 12);
      text += static_cast<char>(0x80 | (code >> 6 & 63));
      text += static_cast<char>(0x80 | (code & 63));
    } else {
      text += static_cast<char>(0xF0 | code >> 18);
      text += static_cast<char>(0x80 | (code >> 12 & 63));
      text += static_cast<char>(0x80 | (code >> 6 & 63));
      text += static_cast<char>(0x80 | (code & 63));
    }
  }
  return text;
}

dstream_value random_value(dstream_type type, Random& random, std::deque<std::string>* texts) {
  const uint64_t bits = random() >> (random() % 64);
  auto keep = [&](std::string s) -> std::string_view { return texts->emplace_back(std::move(s)); };
  switch (type) {
    case DSTREAM_BOOL:
      return test::boolean(bits % 2 == 0);
    case DSTREAM_INT64:
      return test::number(static_cast<int64_t>(random() % 2 == 0 ? bits : ~bits));
    case DSTREAM_UINT64:
      return test::unsigned_number(bits >> 1);
    case DSTREAM_FLOAT64: {
      double value;
      const uint64_t any = random();
      std::memcpy(&value, &any, sizeof value);
      return test::real(std::isfinite(value) ? value : 0.5);
    }
    case DSTREAM_DECIMAL:
      return test::decimal(keep((bits % 3 == 0 ? "-" : "") + std::to_string(bits) +
                                (bits % 2 == 0 ? "" : "." + std::to_string(bits % 999'999))));
    case DSTREAM_DATE:
      return test::number(static_cast<int64_t>(random() % 3'652'059) - 719'162, DSTREAM_DATE);
    case DSTREAM_TIME:
      return test::number(static_cast<int64_t>(random() % 86'400'000'000'000), DSTREAM_TIME);
    case DSTREAM_TIMESTAMP:
    case DSTREAM_TIMESTAMP_TZ:
      return test::timestamp(static_cast<int64_t>(random() % 315'000'000'000) - 62'000'000'000,
                             static_cast<int32_t>(random() % 1'000'000'000), type,
                             static_cast<int32_t>(random() % 1681) - 840);
    case DSTREAM_UUID:
      return test::uuid(static_cast<uint8_t>(bits));
    case DSTREAM_BYTES:
      return test::binary(keep(random_bytes(random)));
    default:
      return test::text(keep(random_text(random)), type);
  }
}

std::string from_base64(const std::string& text) {
  std::istringstream in(text);
  Poco::Base64Decoder decoder(in);
  std::ostringstream out;
  out << decoder.rdbuf();
  return out.str();
}

// The message that values are read back from.
struct Message {
  bool debezium;
  std::string text;
};

// Poco 1.11 reads integers below -2^53 through a double; those are looked up in the text.
void expect_integer(int64_t value, const Json& json, const Message& message) {
  if (value < -(int64_t{1} << 53)) {
    EXPECT_NE(message.text.find(":" + std::to_string(value)), std::string::npos) << value;
  } else {
    EXPECT_EQ(json.convert<int64_t>(), value);
  }
}

// What reads back must be what went in. Times are compared with the encoder's own texts elsewhere
// (time_text_test.cc); here they must be strings or numbers.
void expect_same(const dstream_value& value, const Json& json, const Message& message) {
  switch (value.type) {
    case DSTREAM_NULL:
      EXPECT_TRUE(json.isEmpty());
      return;
    case DSTREAM_BOOL:
      EXPECT_EQ(json.extract<bool>(), value.as.i64 != 0);
      return;
    case DSTREAM_INT64:
    case DSTREAM_UINT64:
      expect_integer(value.as.i64, json, message);
      return;
    case DSTREAM_FLOAT64:
      EXPECT_TRUE(json.isNumeric());
      EXPECT_DOUBLE_EQ(json.convert<double>(), value.as.f64);
      return;
    case DSTREAM_BYTES:
      EXPECT_EQ(from_base64(json.extract<std::string>()),
                test::text_of({value.as.data, value.size}));
      return;
    case DSTREAM_STRING:
    case DSTREAM_JSON:
    case DSTREAM_XML:
      EXPECT_EQ(json.extract<std::string>(), test::text_of({value.as.data, value.size}));
      return;
    case DSTREAM_DECIMAL:
      if (!message.debezium) {
        EXPECT_EQ(json.extract<std::string>(), test::text_of({value.as.data, value.size}));
      } else {
        EXPECT_FALSE(from_base64(json.extract<std::string>()).empty());
      }
      return;
    case DSTREAM_DATE:
    case DSTREAM_TIME:
      if (message.debezium) {
        EXPECT_EQ(json.convert<int64_t>(), value.as.i64);
        return;
      }
      EXPECT_FALSE(json.extract<std::string>().empty());
      return;
    case DSTREAM_TIMESTAMP:
      if (message.debezium) {
        expect_integer(value.as.time.seconds * 1'000'000 + value.as.time.nanos / 1000, json,
                       message);
        return;
      }
      EXPECT_FALSE(json.extract<std::string>().empty());
      return;
    default:
      EXPECT_FALSE(json.extract<std::string>().empty());
  }
}

void expect_same_row(const std::vector<dstream_value>& row, const Json& json,
                     const Message& message) {
  const auto object = json.extract<Poco::JSON::Object::Ptr>();
  for (size_t i = 0; i < row.size(); ++i) {
    const std::string name = "c\"" + std::to_string(i);
    if (row[i].type == DSTREAM_ABSENT) {
      EXPECT_EQ(object->has(name), message.debezium);
      continue;
    }
    ASSERT_TRUE(object->has(name));
    expect_same(row[i], object->get(name), message);
  }
}

void check(MessageSettings settings, Random& random) {
  test::Table table("T");
  const size_t columns = 1 + random() % 12;
  std::vector<dstream_type> types;
  for (size_t i = 0; i < columns; ++i) {
    types.push_back(kTypes[random() % std::size(kTypes)]);
    table.column("c\"" + std::to_string(i), source_type_of(types[i]), types[i],
                 i == 0 ? test::kKey : test::kNullable);
  }
  std::deque<std::string> texts;
  auto random_row = [&] {
    std::vector<dstream_value> row;
    for (size_t i = 0; i < columns; ++i) {
      const uint64_t kind = i == 0 ? 9 : random() % 10;
      row.push_back(kind == 0   ? test::null()
                    : kind == 1 ? test::absent()
                                : random_value(types[i], random, &texts));
    }
    return row;
  };
  auto encoder = make_encoder(settings).value();
  Arena arena(256);  // small, so that chunks end everywhere
  for (int n = 0; n < 20; ++n) {
    std::vector<dstream_value> before = random_row();
    const std::vector<dstream_value> after = random_row();
    before[0] = after[0];
    const test::TestRecord record(table, DSTREAM_OP_UPDATE, before, after);
    std::vector<dstream_message> messages;
    auto encoded = encoder->encode(record.raw, 0, arena, messages);
    ASSERT_TRUE(encoded) << encoded.error().text();
    ASSERT_EQ(messages.size(), 1u);
    const Message message{settings.format == "debezium-json", test::text_of(messages[0].value)};
    auto parse = [](dstream_bytes bytes, const char* member) {
      Json json = Poco::JSON::Parser().parse(test::text_of(bytes));
      return member != nullptr ? json.extract<Poco::JSON::Object::Ptr>()->get(member) : json;
    };
    const char* const inside = settings.schemas_enable ? "payload" : nullptr;
    const bool event = settings.format == "cloudevents-json" && !settings.cloudevents_binary;
    const auto value =
        parse(messages[0].value, event ? "data" : inside).extract<Poco::JSON::Object::Ptr>();
    expect_same_row(before, value->get("before"), message);
    expect_same_row(after, value->get("after"), message);
    expect_same_row({after[0]}, parse(messages[0].key, inside), message);
  }
}

TEST(RoundTrip, RandomRecordsReadBackEqual) {
  const unsigned seed = std::random_device{}();
  RecordProperty("seed", static_cast<int>(seed));
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  MessageSettings settings;
  settings.pipeline = "p";
  for (int i = 0; i < 150 && !testing::Test::HasFailure(); ++i) {
    settings.format = "json";
    settings.schemas_enable = false;
    check(settings, random);
    settings.format = "debezium-json";
    check(settings, random);
    settings.schemas_enable = true;
    check(settings, random);
    settings.schemas_enable = false;
    settings.format = "cloudevents-json";
    settings.cloudevents_binary = random() % 2 == 0;
    check(settings, random);
  }
}

}  // namespace
}  // namespace dstream::core
