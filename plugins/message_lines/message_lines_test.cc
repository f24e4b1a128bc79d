#include <gtest/gtest.h>

#include <random>

#include "fake_delivery.h"
#include "json_check.h"
#include "message_line.h"

namespace message_lines {
namespace {

std::string line(FakeDelivery& delivery) {
  std::string text;
  append_json_line(delivery.view().message(0), &text);
  return text;
}

TEST(MessageLine, JsonStandsInItAsItIs) {
  FakeDelivery delivery(1);
  delivery.add("shop.dbo.Persons", 0, "{\"Id\":1}", "{\"op\":\"insert\"}");
  EXPECT_EQ(line(delivery),
            "{\"topic\":\"shop.dbo.Persons\",\"key\":{\"Id\":1},"
            "\"timestamp\":\"2026-11-23T05:40:00.123Z\",\"value\":{\"op\":\"insert\"}}\n");
}

TEST(MessageLine, TombstoneNoKeyNoTime) {
  FakeDelivery delivery(1);
  delivery.add("t", 0, "", "");
  delivery.last().timestamp_ns = 0;
  delivery.header("ce_id", "a\"b");
  EXPECT_EQ(line(delivery),
            "{\"topic\":\"t\",\"key\":null,\"headers\":{\"ce_id\":\"a\\\"b\"},"
            "\"timestamp\":null,\"value\":null}\n");
}

TEST(MessageLine, APartitionThatIsNotTheSinksChoice) {
  FakeDelivery delivery(1);
  delivery.add("t", 0, "", "");
  delivery.last().timestamp_ns = 0;
  delivery.last().partition = 0;
  EXPECT_EQ(line(delivery),
            "{\"topic\":\"t\",\"partition\":0,\"key\":null,\"timestamp\":null,\"value\":null}\n");
}

TEST(MessageLine, OtherTextAndOtherBytes) {
  FakeDelivery delivery(1);
  delivery.add("t", 0, "a\nb\x01\\", "\xFF\xFE");
  EXPECT_EQ(line(delivery),
            "{\"topic\":\"t\",\"key_text\":\"a\\nb\\u0001\\\\\","
            "\"timestamp\":\"2026-11-23T05:40:00.123Z\",\"value_base64\":\"//4=\"}\n");
}

TEST(JsonCheck, TakesWhatIsJson) {
  for (std::string_view text :
       {"null", "true", "false", "0", "-0.5e+10", "1E3", "\"\"", "\"a\\u00e9\\n\\/\"", "\"é😀\"",
        "[]", "{}", "[1, 2,[3]]", "{\"a\": {\"b\":[null]}, \"c\":\"\"}", " 1 "}) {
    EXPECT_TRUE(is_json_line(text)) << text;
  }
}

TEST(JsonCheck, RefusesWhatIsNot) {
  for (std::string_view text : {"",
                                " ",
                                "nul",
                                "01",
                                "-",
                                "1.",
                                ".5",
                                "1e",
                                "+1",
                                "\"",
                                "\"\\x\"",
                                "\"\\u12g4\"",
                                "\"a\nb\"",
                                "\"\xFF\"",
                                "\"\xC0\x80\"",
                                "\"\xED\xA0\x80\"",
                                "\"\xF4\x90\x80\x80\"",
                                "\"\xE4\xB8\"",
                                "[1,]",
                                "[1 2]",
                                "[",
                                "{\"a\"}",
                                "{\"a\":1,}",
                                "{a:1}",
                                "{\"a\":1",
                                "1 2",
                                "{}\n",
                                "[1,\n2]",
                                "NaN"}) {
    EXPECT_FALSE(is_json_line(text)) << text;
  }
}

TEST(JsonCheck, DeepNestingIsNoCrash) {
  EXPECT_TRUE(is_json_line(std::string(100, '[') + std::string(100, ']')));
  EXPECT_FALSE(is_json_line(std::string(1'000'000, '[')));
}

// Whatever one byte is changed to, the answer is given without reading past the end.
TEST(JsonCheck, MutatedTextsAreAnswered) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string good = R"({"a":[1,-2.5e3,"x\u00e9\n",{"b":null}],"c":true})";
  for (int i = 0; i < 100'000; ++i) {
    std::string text = good.substr(0, random() % (good.size() + 1));
    if (!text.empty()) {
      text[random() % text.size()] = static_cast<char>(random());
    }
    // A heap copy of exactly this size, so that a sanitizer sees the byte behind it.
    std::vector<char> exact(text.begin(), text.end());
    const std::string_view view(exact.data(), exact.size());
    std::string out;
    FakeDelivery delivery(1);
    delivery.add("t", 0, "k", view);
    if (!view.empty()) {
      append_json_line(delivery.view().message(0), &out);
      EXPECT_TRUE(is_json_line(std::string_view(out).substr(0, out.size() - 1))) << out;
    }
  }
}

}  // namespace
}  // namespace message_lines
