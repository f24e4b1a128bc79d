#include "core/messages/topic_template.h"

#include <gtest/gtest.h>

#include "core/messages/source_type.h"

namespace dstream::core {
namespace {

const TopicFields kFields = {"people", "shop", "dbo", "Order Details", "insert"};

std::string expand(std::string_view text, const TopicFields& fields = kFields) {
  auto parsed = TopicTemplate::parse(text);
  return parsed ? parsed->expand(fields) : parsed.error().code;
}

TEST(TopicTemplate, FieldsAndText) {
  EXPECT_EQ(expand("{database}.{schema}.{table}"), "shop.dbo.Order_Details");
  EXPECT_EQ(expand("{pipeline}-{op}"), "people-insert");
  EXPECT_EQ(expand("changes"), "changes");
}

TEST(TopicTemplate, WhatABrokerDoesNotAllowBecomesAnUnderscore) {
  EXPECT_EQ(expand("a/b c:{table}"), "a_b_c_Order_Details");
  EXPECT_EQ(expand("{table}", {"", "", "", "Straße", ""}), "Stra__e");
  EXPECT_EQ(expand("{table}", {"", "", "", "", ""}), "_");
  EXPECT_EQ(expand("{table}", {"", "", "", ".", ""}), "._");
  EXPECT_EQ(expand("{table}", {"", "", "", "..", ""}), ".._");
}

TEST(TopicTemplate, LongNamesAreCutAndStayApart) {
  const std::string one(300, 'a');
  const std::string two = std::string(299, 'a') + "b";
  const std::string first = expand("{table}", {"", "", "", one, ""});
  const std::string second = expand("{table}", {"", "", "", two, ""});
  EXPECT_EQ(first.size(), TopicTemplate::kNameBytesMax);
  EXPECT_EQ(second.size(), TopicTemplate::kNameBytesMax);
  EXPECT_NE(first, second);
  EXPECT_EQ(expand("{table}", {"", "", "", std::string(249, 'a'), ""}), std::string(249, 'a'));
}

TEST(TopicTemplate, MistakesAreNamed) {
  for (std::string_view text :
       {"", "{", "{table", "}", "a}b", "{nosuch}", "{}", "{Table}", "{table}{", "{{table}}"}) {
    EXPECT_EQ(expand(text), "DS-TOPIC-TEMPLATE") << text;
  }
  auto unknown = TopicTemplate::parse("{nosuch}");
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().message.find("{nosuch}"), std::string::npos);
  EXPECT_NE(unknown.error().hint.find("{table}"), std::string::npos);
  EXPECT_EQ(unknown.error().exit_code, ExitCode::kUsage);
}

TEST(SourceType, NamesAndArguments) {
  SourceType type = parse_source_type("Decimal(18, 4)");
  EXPECT_EQ(type.name, "decimal");
  EXPECT_EQ(type.argument_or(0, -9), 18);
  EXPECT_EQ(type.argument_or(1, -9), 4);
  type = parse_source_type("nvarchar(MAX)");
  EXPECT_EQ(type.name, "nvarchar");
  EXPECT_EQ(type.argument_or(0, 0), SourceType::kMax);
  type = parse_source_type(" double precision ");
  EXPECT_EQ(type.name, "double precision");
  EXPECT_EQ(type.argument_or(0, 7), 7);
}

TEST(SourceType, NonsenseIsNoCrash) {
  for (std::string_view text : {"", "(", ")", "a(", "a()", "a(,)", "a(x)", "a(-3)",
                                "a(99999999999)", "a(1,2,3)", "((((", ",,,"}) {
    parse_source_type(text);
  }
  EXPECT_EQ(parse_source_type("a(-3)").argument_count, 0);
  EXPECT_EQ(parse_source_type("a(1,2,3)").argument_count, 2);
}

}  // namespace
}  // namespace dstream::core
