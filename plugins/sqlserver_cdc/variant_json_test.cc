#include "plugins/sqlserver_cdc/variant_json.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace dstream::sqlserver
