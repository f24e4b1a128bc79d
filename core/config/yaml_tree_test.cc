#include "core/config/yaml_tree.h"

#include <gtest/gtest.h>

namespace dstream::core {
namespace {

// "ok", or "2:4 DS-CONFIG-SYNTAX".
std::string outcome(const std::string& text, const YamlLimits& limits = {}) {
  auto root = parse_yaml("f.yaml", text, limits);
  if (root) {
    return "ok";
  }
  EXPECT_EQ(root.error().exit_code, ExitCode::kUsage);
  EXPECT_EQ(root.error().place->file, "f.yaml");
  return std::to_string(root.error().place->line) + ":" +
         std::to_string(root.error().place->column) + " " + root.error().code;
}

YamlNodePointer parse(const std::string& text) {
  auto root = parse_yaml("f.yaml", text);
  EXPECT_TRUE(root) << root.error().text();
  return root ? *root : std::make_shared<YamlNode>();
}

TEST(YamlTree, KnowsThePlacesOfKeysAndValues) {
  auto root = parse("a: 1\nb:\n  - x\n  - 'ä': \"y\"\n");
  EXPECT_EQ(root->entries[0].key_mark.line, 1);
  EXPECT_EQ(root->entries[0].value->mark.column, 4);
  const YamlNode& list = *root->find("b")->value;
  EXPECT_EQ(list.items[0]->mark.line, 3);
  EXPECT_EQ(list.items[0]->mark.column, 5);
  const YamlEntry& nested = list.items[1]->entries[0];
  EXPECT_EQ(nested.key, "ä");
  EXPECT_EQ(nested.value->mark.line, 4);
  EXPECT_EQ(nested.value->mark.column, 10);  // characters, not bytes
}

TEST(YamlTree, TellsPlainScalarsFromQuotedOnes) {
  auto root = parse("a: 5\nb: '5'\nc: \"5\"\nd: |\n  5\ne: !!str 5\n");
  EXPECT_TRUE(root->find("a")->value->plain);
  for (const char* key : {"b", "c", "d", "e"}) {
    EXPECT_FALSE(root->find(key)->value->plain) << key;
  }
}

TEST(YamlTree, KeepsTheWordThatMeansNothing) {
  auto root = parse("a: null\nb:\nc: ~\nd: {e: Null, f: }\n");
  EXPECT_EQ(root->find("a")->value->text, "null");
  EXPECT_EQ(root->find("b")->value->text, "");
  EXPECT_EQ(root->find("b")->value->mark.line, 2);
  EXPECT_EQ(root->find("c")->value->text, "~");
  EXPECT_EQ(root->find("d")->value->find("e")->value->text, "Null");
  EXPECT_EQ(root->find("d")->value->find("f")->value->text, "");
}

TEST(YamlTree, SharesWhatAnAliasNames) {
  auto root = parse("a: &x {k: 1}\nb: *x\n");
  EXPECT_EQ(root->find("a")->value, root->find("b")->value);
}

TEST(YamlTree, MergesMappings) {
  auto root = parse(
      "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\n"
      "one: {<<: *b, y: 9}\ntwo:\n  <<: [*m, *b]\n  w: 5\n");
  const YamlNode& one = *root->find("one")->value;
  EXPECT_EQ(one.find("x")->value->text, "1");
  EXPECT_EQ(one.find("y")->value->text, "9");
  const YamlNode& two = *root->find("two")->value;
  EXPECT_EQ(two.find("y")->value->text, "3");
  EXPECT_EQ(two.entries.size(), 4u);
  EXPECT_EQ(outcome("a: {<<: 5}\n"), "1:5 DS-CONFIG-SYNTAX");
  EXPECT_EQ(outcome("a: &a {x: 1}\nb: {<<: *a, <<: *a}\n"), "2:13 DS-CONFIG-DUPLICATE-KEY");
}

TEST(YamlTree, RefusesEmptyFiles) {
  EXPECT_EQ(outcome(""), "1:1 DS-CONFIG-EMPTY");
  EXPECT_EQ(outcome("\n\n  \n"), "1:1 DS-CONFIG-EMPTY");
  EXPECT_EQ(outcome("# nothing but a comment\n"), "1:1 DS-CONFIG-EMPTY");
  EXPECT_EQ(outcome("---\n"), "1:1 DS-CONFIG-EMPTY");
  EXPECT_EQ(outcome("null\n"), "1:1 DS-CONFIG-EMPTY");
}

TEST(YamlTree, RefusesCharactersThatAreNoText) {
  EXPECT_EQ(outcome(std::string("a: b\nc: \0d\n", 11)), "2:4 DS-CONFIG-CHARACTER");
  EXPECT_EQ(outcome("a: \x1b[31m\n"), "1:4 DS-CONFIG-CHARACTER");
  EXPECT_EQ(outcome("ä: \x7f\n"), "1:4 DS-CONFIG-CHARACTER");
  EXPECT_EQ(outcome("a: \xff\n"), "1:4 DS-CONFIG-ENCODING");
  EXPECT_EQ(outcome("a: \xc3"), "1:4 DS-CONFIG-ENCODING");
  EXPECT_EQ(outcome("\xef\xbb\xbf"
                    "a: 1\n"),
            "1:1 DS-CONFIG-ENCODING");
  EXPECT_EQ(outcome(std::string("\xff\xfe"
                                "a\0",
                                4)),
            "1:1 DS-CONFIG-ENCODING");
}

TEST(YamlTree, RefusesTabsInIndentation) {
  EXPECT_EQ(outcome("a:\n\tb: 1\n"), "2:1 DS-CONFIG-TAB");
  EXPECT_EQ(outcome("a:\n  b: 1\n  \tc: 2\n"), "3:3 DS-CONFIG-TAB");
  EXPECT_EQ(outcome("a: 1 \t# comment\nb: x\ty\n"), "ok");
}

TEST(YamlTree, RefusesWhatIsNotYaml) {
  EXPECT_EQ(outcome("a: b: c\n"), "1:5 DS-CONFIG-SYNTAX");
  EXPECT_EQ(outcome("a: [1, 2\n"), "2:1 DS-CONFIG-SYNTAX");
  EXPECT_EQ(outcome("a: *nowhere\n"), "1:4 DS-CONFIG-SYNTAX");
  EXPECT_EQ(outcome("? [a]\n: 1\n"), "1:3 DS-CONFIG-SYNTAX");
  EXPECT_EQ(outcome("a: !!python/object x\n"), "1:4 DS-CONFIG-SYNTAX");
  EXPECT_EQ(outcome("a: 1\n---\nb: 2\n"), "2:1 DS-CONFIG-SYNTAX");
}

// yaml-cpp 0.7 takes "'x\n" at the end of a file for a complete scalar.
TEST(YamlTree, RefusesQuotesThatAreNeverClosed) {
  EXPECT_EQ(outcome("a: 'x\n"), "1:4 DS-CONFIG-SYNTAX");
  EXPECT_EQ(outcome("a: \"x\nb: y\n"), "1:4 DS-CONFIG-SYNTAX");
  EXPECT_EQ(outcome("a: &n \"x\\\"\n"), "1:4 DS-CONFIG-SYNTAX");
  EXPECT_EQ(outcome("a: 'it''s'\nb: \"\\\"\"\n"), "ok");
}

TEST(YamlTree, RefusesDuplicateKeys) {
  EXPECT_EQ(outcome("a: 1\nb: 2\na: 3\n"), "3:1 DS-CONFIG-DUPLICATE-KEY");
  EXPECT_EQ(outcome("a: {b: 1, 'b': 2}\n"), "1:11 DS-CONFIG-DUPLICATE-KEY");
}

TEST(YamlTree, RefusesFilesThatAreTooLarge) {
  std::string text = "a: 1\nb: " + std::string(10 << 20, 'x') + "\n";
  EXPECT_EQ(outcome(text), "2:1 DS-CONFIG-TOO-LARGE");
  EXPECT_EQ(outcome("a: " + std::string((1 << 20) - 4, 'x') + "\n"), "ok");
}

TEST(YamlTree, RefusesDeepNesting) {
  auto nested = [](int depth) {
    return std::string(static_cast<size_t>(depth), '[') + "x" +
           std::string(static_cast<size_t>(depth), ']') + "\n";
  };
  EXPECT_EQ(outcome(nested(64)), "ok");
  EXPECT_EQ(outcome(nested(65)), "1:65 DS-CONFIG-DEPTH");
  EXPECT_EQ(outcome("a: " + std::string(100'000, '{') + "\n").substr(0, 2), "1:");
}

TEST(YamlTree, CountsTheDepthBehindAliases) {
  std::string text = "a: &a " + std::string(40, '[') + "x" + std::string(40, ']') +
                     "\nb: " + std::string(40, '[') + "*a" + std::string(40, ']') + "\n";
  EXPECT_EQ(outcome(text), "2:44 DS-CONFIG-DEPTH");
}

TEST(YamlTree, RefusesTooManyAliases) {
  std::string text = "a: &a x\nb:\n";
  for (int i = 0; i < 1001; ++i) {
    text += "- *a\n";
  }
  EXPECT_EQ(outcome(text), "1003:3 DS-CONFIG-ALIASES");
  EXPECT_EQ(outcome("a: &a [*a]\n"), "1:8 DS-CONFIG-ALIASES");
}

TEST(YamlTree, RefusesAliasBombs) {
  std::string text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int level = 1; level < 12; ++level) {
    std::string name = "a" + std::to_string(level);
    std::string below = "*a" + std::to_string(level - 1);
    text += name + ": &" + name + " [" + below;
    for (int i = 1; i < 10; ++i) {
      text += "," + below;
    }
    text += "]\n";
  }
  EXPECT_EQ(outcome(text), "5:46 DS-CONFIG-ALIASES");
}

TEST(YamlTree, CountsTheBytesBehindAliases) {
  std::string text = "a: &a " + std::string(100'000, 'x') + "\nb:\n";
  for (int i = 0; i < 900; ++i) {
    text += "- *a\n";
  }
  EXPECT_EQ(outcome(text).substr(4), "3 DS-CONFIG-ALIASES");
}

}  // namespace
}  // namespace dstream::core
