#include "core/config/references.h"

#include <gtest/gtest.h>

#include "core/config/test_support.h"

namespace dstream::core {
namespace {

class References : public ::testing::Test {
 protected:
  References() {
    sources_.environment = [](const std::string& name) -> std::optional<std::string> {
      if (name == "HOST") {
        return "db1";
      }
      return name == "EMPTY" ? std::optional<std::string>("") : std::nullopt;
    };
    sources_.files = files_.get();
    sources_.folder = folder_.path();
  }

  std::string resolved(const std::string& text) {
    auto result = resolve_references(text, sources_);
    return result ? result->text : result.error().code;
  }

  test::TemporaryFolder folder_;
  std::unique_ptr<FileSystem> files_ = make_system_file_system();
  ReferenceSources sources_;
};

TEST_F(References, ReplacesEnvironmentVariables) {
  EXPECT_EQ(resolved("${env:HOST}"), "db1");
  EXPECT_EQ(resolved("tcp://${env:HOST}:1433/${env:HOST}"), "tcp://db1:1433/db1");
  EXPECT_EQ(resolved("${env:EMPTY}"), "");
}

TEST_F(References, TakesTheDefaultOnlyWhereTheVariableIsNotSet) {
  EXPECT_EQ(resolved("${env:NOT_SET:-here:1}"), "here:1");
  EXPECT_EQ(resolved("${env:HOST:-other}"), "db1");
  EXPECT_EQ(resolved("${env:EMPTY:-other}"), "");
}

TEST_F(References, LeavesLiteralsAlone) {
  EXPECT_EQ(resolved("$${env:HOST}"), "${env:HOST}");
  EXPECT_EQ(resolved("a$b$$c$"), "a$b$$c$");
  EXPECT_EQ(resolved("{database}.{table}"), "{database}.{table}");
  EXPECT_EQ(resolved(""), "");
}

TEST_F(References, DoesNotReplaceTwice) {
  sources_.environment = [](const std::string&) { return std::optional<std::string>("${env:X}"); };
  EXPECT_EQ(resolved("${env:HOST}"), "${env:X}");
}

TEST_F(References, ReadsFilesWithoutTheirLastLineBreak) {
  folder_.write("secret", "hunter2\n");
  folder_.write("two", "a\r\nb\r\n");
  EXPECT_EQ(resolved("${file:secret}"), "hunter2");
  EXPECT_EQ(resolved("${file:" + folder_.path() + "/secret}"), "hunter2");
  EXPECT_EQ(resolved("${file:two}"), "a\r\nb");
}

TEST_F(References, RefusesWhatItCannotResolve) {
  EXPECT_EQ(resolved("${env:NOT_SET}"), "DS-CONFIG-ENVIRONMENT");
  EXPECT_EQ(resolved("${file:missing}"), "DS-CONFIG-REFERENCE-FILE");
  EXPECT_EQ(resolved("${file:}"), "DS-CONFIG-REFERENCE");
  EXPECT_EQ(resolved("${env:}"), "DS-CONFIG-REFERENCE");
  EXPECT_EQ(resolved("${env:A B}"), "DS-CONFIG-REFERENCE");
  EXPECT_EQ(resolved("${HOST}"), "DS-CONFIG-REFERENCE");
  EXPECT_EQ(resolved("${env:HOST"), "DS-CONFIG-REFERENCE");
  EXPECT_EQ(resolved("${}"), "DS-CONFIG-REFERENCE");
}

TEST_F(References, SuggestsTheFullForm) {
  auto result = resolve_references("${HOST}", sources_);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().hint, "Did you mean ${env:HOST}? Write $${ for a literal.");
}

TEST_F(References, RefusesFilesThatAreNoText) {
  folder_.write("nul", std::string("a\0b", 3));
  folder_.write("large", std::string((1 << 20) + 1, 'x'));
  EXPECT_EQ(resolved("${file:nul}"), "DS-CONFIG-REFERENCE-FILE");
  EXPECT_EQ(resolved("${file:large}"), "DS-CONFIG-REFERENCE-FILE");
}

TEST_F(References, SaysWhatCameFromWhere) {
  folder_.write("secret", "hunter2");
  auto result = resolve_references("${env:HOST}/${file:secret}", sources_);
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->has_reference);
  EXPECT_EQ(result->from_environment, std::vector<std::string>{"db1"});
  EXPECT_EQ(result->from_files, std::vector<std::string>{"hunter2"});
  EXPECT_FALSE(resolve_references("plain", sources_)->has_reference);
}

}  // namespace
}  // namespace dstream::core
