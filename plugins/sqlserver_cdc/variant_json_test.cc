#include "plugins/sqlserver_cdc/variant_json.h"

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>
#include <string_view>

#include "plugins/sqlserver_cdc/column_decoder.h"

namespace dstream::sqlserver {
namespace {

std::string json_of(std::string_view text) {
  Arena arena(std::make_shared<SlabPool>(1 << 20), 64);
  const auto [start, end] = variant_json(text.data(), text.data() + text.size(), arena);
  return {start, end};
}

TEST(VariantJson, HasBaseTypeAndText) {
  EXPECT_EQ(json_of("int:42"), R"({"type":"int","value":"42"})");
  EXPECT_EQ(json_of("nvarchar:"), R"({"type":"nvarchar","value":""})");
  EXPECT_EQ(json_of("nvarchar:a:b"), R"({"type":"nvarchar","value":"a:b"})");
}

TEST(VariantJson, EscapesWhatJsonWants) {
  EXPECT_EQ(json_of("char:\"\\\n\x01\xC3\xA9"),
            "{\"type\":\"char\",\"value\":\"\\\"\\\\\\u000a\\u0001\xC3\xA9\"}");
  const std::string all(4000, '\x1f');
  EXPECT_EQ(json_of("char:" + all).size(), 26 + 6 * all.size());
}

TEST(VariantJson, RefusesTextWithoutABaseType) {
  EXPECT_THROW(json_of("42"), BadValue);
  EXPECT_THROW(json_of(":42"), BadValue);
  EXPECT_THROW(json_of(""), BadValue);
}

// Whatever text arrives: JSON that says the same text again, or BadValue.
TEST(VariantJson, RandomTextIsJsonOrRefused) {
  const char* const text = std::getenv("DSTREAM_TEST_SEED");
  const uint64_t seed = text == nullptr ? std::random_device()() : std::strtoull(text, nullptr, 10);
  std::printf("seed: DSTREAM_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  constexpr std::string_view kPieces[] = {":",
                                          "\"",
                                          "\\",
                                          "\n",
                                          "\x01",
                                          "\x1f",
                                          "/",
                                          "a",
                                          "{",
                                          "}",
                                          "\x7f",
                                          "\u0000",
                                          "\\u",
                                          "\xC3\xA9",
                                          "\t",
                                          "'",
                                          "\xF0\x9F\x98\x80"};
  for (int round = 0; round < 20000; ++round) {
    std::string input;
    for (uint64_t left = random() % 40; left > 0; --left) {
      input += kPieces[random() % std::size(kPieces)];
    }
    const size_t colon = input.find(':');
    if (colon == std::string::npos || colon == 0) {
      ASSERT_THROW(json_of(input), BadValue) << input;
      continue;
    }
    Poco::JSON::Parser parser;
    const auto parsed = parser.parse(json_of(input)).extract<Poco::JSON::Object::Ptr>();
    ASSERT_EQ(parsed->size(), 2u) << input;
    ASSERT_EQ(parsed->getValue<std::string>("type"), input.substr(0, colon)) << input;
    ASSERT_EQ(parsed->getValue<std::string>("value"), input.substr(colon + 1)) << input;
  }
}

}  // namespace
}  // namespace dstream::sqlserver
