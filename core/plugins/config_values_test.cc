#include "core/plugins/config_values.h"

#include <gtest/gtest.h>

namespace dstream::core {
namespace {

class ConfigValuesTest : public testing::Test {
 protected:
  dstream_value get(const char* pointer, dstream_status expected = DSTREAM_OK) {
    auto values = ConfigValues::parse(R"({
      "text": "grün", "empty": "", "yes": true, "small": -3, "large": 9223372036854775807,
      "huge": 18446744073709551615, "half": 0.5, "none": null,
      "tables": [{"name": "dbo.A"}, "dbo.B"], "a/b": {"m~n": 1}, "object": {}
    })");
    EXPECT_TRUE(values.has_value());
    values_ = std::move(*values);
    dstream_value value{};
    EXPECT_EQ(values_.get(pointer, &value), expected) << pointer;
    return value;
  }
  static std::string text(const dstream_value& value) {
    EXPECT_EQ(value.type, DSTREAM_STRING);
    return {reinterpret_cast<const char*>(value.as.data), value.size};
  }
  ConfigValues values_;
};

TEST_F(ConfigValuesTest, FindsScalarsOfEveryKind) {
  EXPECT_EQ(text(get("/text")), "grün");
  EXPECT_EQ(text(get("/empty")), "");
  EXPECT_EQ(get("/yes").type, DSTREAM_BOOL);
  EXPECT_EQ(get("/yes").as.i64, 1);
  EXPECT_EQ(get("/small").type, DSTREAM_INT64);
  EXPECT_EQ(get("/small").as.i64, -3);
  EXPECT_EQ(get("/large").as.i64, INT64_MAX);
  EXPECT_EQ(get("/huge").type, DSTREAM_UINT64);
  EXPECT_EQ(get("/huge").as.u64, UINT64_MAX);
  EXPECT_EQ(get("/half").type, DSTREAM_FLOAT64);
  EXPECT_EQ(get("/half").as.f64, 0.5);
  EXPECT_EQ(get("/none").type, DSTREAM_NULL);
}

TEST_F(ConfigValuesTest, FollowsArraysAndEscapedKeys) {
  EXPECT_EQ(text(get("/tables/0/name")), "dbo.A");
  EXPECT_EQ(text(get("/tables/1")), "dbo.B");
  EXPECT_EQ(get("/a~1b/m~0n").as.i64, 1);
}

TEST_F(ConfigValuesTest, TellsMissingFromNotAScalar) {
  get("/tables", DSTREAM_UNSUPPORTED);
  get("/tables/0", DSTREAM_UNSUPPORTED);
  get("/object", DSTREAM_UNSUPPORTED);
  get("", DSTREAM_UNSUPPORTED);
  get("/tables/2", DSTREAM_CONFIG);
  get("/tables/01", DSTREAM_CONFIG);
  get("text", DSTREAM_CONFIG);
  get("/a/b", DSTREAM_CONFIG);
}

TEST(ConfigValues, RefusesWhatIsNoObjectWithoutQuotingIt) {
  for (const char* json : {"", "[]", "3", "{", R"({"password": "hunter2)"}) {
    auto values = ConfigValues::parse(json);
    ASSERT_FALSE(values.has_value()) << json;
    EXPECT_EQ(values.error().code, "DS-PLUGIN-CONFIG-JSON");
    EXPECT_EQ(values.error().text().find("hunter2"), std::string::npos);
  }
}

}  // namespace
}  // namespace dstream::core
