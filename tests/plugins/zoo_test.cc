// Files that are refused, each for its own reason, while the rest load.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "core/plugins/registry.h"

namespace dstream::core {
namespace {

// Why each animal of the folder is refused.
const std::map<std::string, std::string> kRefusals = {
    {"bad_id.so", "DS-PLUGIN-DESCRIPTOR"},       {"duplicate_id.so", "DS-PLUGIN-DUPLICATE"},
    {"empty_id.so", "DS-PLUGIN-DESCRIPTOR"},     {"empty_name.so", "DS-PLUGIN-DESCRIPTOR"},
    {"newer_minor.so", "DS-PLUGIN-ABI-MINOR"},   {"no_symbol.so", "DS-PLUGIN-SYMBOL"},
    {"not_utf8.so", "DS-PLUGIN-DESCRIPTOR"},     {"null_function.so", "DS-PLUGIN-DESCRIPTOR"},
    {"null_summary.so", "DS-PLUGIN-DESCRIPTOR"}, {"null_table.so", "DS-PLUGIN-DESCRIPTOR"},
    {"schema_text.so", "DS-PLUGIN-SCHEMA"},      {"small_struct.so", "DS-PLUGIN-STRUCT-SIZE"},
    {"v2_only.so", "DS-PLUGIN-ABI-MAJOR"},       {"wrong_magic.so", "DS-PLUGIN-MAGIC"},
};

TEST(Zoo, EachIsRefusedForItsReasonAndTheOthersLoad) {
  PluginRegistry registry;
  auto loaded = registry.load_folder(ZOO);
  ASSERT_TRUE(loaded.has_value()) << loaded.error().text();
  std::map<std::string, std::string> refused;
  for (const Refusal& refusal : registry.refusals()) {
    std::string name = refusal.file.substr(refusal.file.rfind('/') + 1);
    refused[name] = refusal.error.code;
    EXPECT_NE(refusal.error.text().find(refusal.file), std::string::npos)
        << "the text names the file: " << refusal.error.text();
  }
  EXPECT_EQ(refused, kRefusals);
  EXPECT_NE(registry.find_source("zoo-good"), nullptr);
  EXPECT_NE(registry.find_source("zoo-source"), nullptr);
  EXPECT_NE(registry.find_sink("zoo-sink"), nullptr);
  EXPECT_EQ(registry.connectors().size(), 3u);
}

TEST(Zoo, AFileThatIsLoadedAlreadyIsNoDuplicate) {
  PluginRegistry registry;
  std::string file = std::string(ZOO) + "/a_good.so";
  ASSERT_TRUE(registry.load_file(file).has_value());
  EXPECT_TRUE(registry.load_file(file).has_value());
  EXPECT_TRUE(registry.load_file(std::string(ZOO) + "/../zoo/a_good.so").has_value());
  EXPECT_EQ(registry.connectors().size(), 1u);
}

TEST(Zoo, TheReasonSaysWhatAnAuthorNeeds) {
  PluginRegistry registry;
  auto message = [&](const std::string& name) {
    auto result = registry.load_file(std::string(ZOO) + "/" + name);
    return result ? std::string() : result.error().text();
  };
  EXPECT_NE(message("newer_minor.so").find("needs ABI 1.7"), std::string::npos);
  EXPECT_NE(message("v2_only.so").find("dstream_plugin_v2"), std::string::npos);
  EXPECT_NE(message("null_function.so").find("no create()"), std::string::npos);
  EXPECT_NE(message("bad_id.so").find("\"Zoo Good\""), std::string::npos);
}

}  // namespace
}  // namespace dstream::core
