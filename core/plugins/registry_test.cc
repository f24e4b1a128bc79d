// Descriptors that are linked in; library files are tested in tests/plugins.
#include "core/plugins/registry.h"

#include <gtest/gtest.h>

#include <functional>

#include "core/plugins/scripted_plugin_test.h"

namespace dstream::core {
namespace {

// A descriptor in parts that a case may spoil.
struct Parts {
  dstream_source_api source_table = scripted::kSourceTable;
  dstream_sink_api sink_table = scripted::kSinkTable;
  dstream_connector connector = scripted::kSource;
  dstream_connector second = scripted::kSink;
  const dstream_connector* list[2] = {&connector, &second};
  dstream_plugin plugin = scripted::kPlugin;

  Parts() {
    connector.source = &source_table;
    second.sink = &sink_table;
    plugin.connectors = list;
  }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;
};

struct Case {
  const char* name;
  const char* code;  // nullptr: passes
  std::function<void(Parts&)> spoil;
};

void PrintTo(const Case& each, std::ostream* out) { *out << each.name; }

class DescriptorCase : public testing::TestWithParam<Case> {};

TEST_P(DescriptorCase, IsChecked) {
  Parts parts;
  GetParam().spoil(parts);
  auto result = check_descriptor(parts.plugin);
  if (GetParam().code == nullptr) {
    EXPECT_TRUE(result.has_value()) << result.error().text();
  } else {
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, GetParam().code) << result.error().text();
    EXPECT_EQ(result.error().message.back(), '.');
  }
}

constexpr const char* kDescriptor = "DS-PLUGIN-DESCRIPTOR";
const std::string kLongText(4096, 'x');

const Case kCases[] = {
    Case{"good", nullptr, [](Parts&) {}},
    Case{"magic", "DS-PLUGIN-MAGIC", [](Parts& p) { p.plugin.magic = 1; }},
    Case{"size", "DS-PLUGIN-STRUCT-SIZE", [](Parts& p) { p.plugin.struct_size = 63; }},
    Case{"newer_size", nullptr, [](Parts& p) { p.plugin.struct_size = 128; }},
    Case{"newer_minor", nullptr, [](Parts& p) { p.plugin.abi_minor = 99; }},
    Case{"minor_needed", "DS-PLUGIN-ABI-MINOR",
         [](Parts& p) { p.plugin.abi_minor_needed = DSTREAM_ABI_MINOR + 1; }},
    Case{"name_null", kDescriptor, [](Parts& p) { p.plugin.name = nullptr; }},
    Case{"name_empty", kDescriptor, [](Parts& p) { p.plugin.name = ""; }},
    Case{"vendor_not_utf8", kDescriptor, [](Parts& p) { p.plugin.vendor = "\xff"; }},
    Case{"license_long", kDescriptor, [](Parts& p) { p.plugin.license = kLongText.c_str(); }},
    Case{"build_null", kDescriptor, [](Parts& p) { p.plugin.build = nullptr; }},
    Case{"build_empty", nullptr, [](Parts& p) { p.plugin.build = ""; }},
    Case{"no_connectors", kDescriptor, [](Parts& p) { p.plugin.connector_count = 0; }},
    Case{"connectors_null", kDescriptor, [](Parts& p) { p.plugin.connectors = nullptr; }},
    Case{"connectors_many", kDescriptor, [](Parts& p) { p.plugin.connector_count = UINT32_MAX; }},
    Case{"connector_null", kDescriptor, [](Parts& p) { p.list[1] = nullptr; }},
    Case{"connector_size", kDescriptor, [](Parts& p) { p.connector.struct_size = 48; }},
    Case{"id_null", kDescriptor, [](Parts& p) { p.connector.id = nullptr; }},
    Case{"id_upper_case", kDescriptor, [](Parts& p) { p.connector.id = "Scripted"; }},
    Case{"id_long", kDescriptor, [](Parts& p) { p.connector.id = kLongText.c_str(); }},
    Case{"id_all_allowed", nullptr, [](Parts& p) { p.connector.id = "com.acme.x-1"; }},
    Case{"version_empty", kDescriptor, [](Parts& p) { p.connector.version = ""; }},
    Case{"summary_null", kDescriptor, [](Parts& p) { p.connector.summary = nullptr; }},
    Case{"schema_null", kDescriptor, [](Parts& p) { p.connector.config_schema = nullptr; }},
    Case{"schema_text", "DS-PLUGIN-SCHEMA",
         [](Parts& p) { p.connector.config_schema = "type: object"; }},
    Case{"schema_array", "DS-PLUGIN-SCHEMA", [](Parts& p) { p.connector.config_schema = "[]"; }},
    Case{"both_tables", kDescriptor, [](Parts& p) { p.connector.sink = &p.sink_table; }},
    Case{"no_table", kDescriptor, [](Parts& p) { p.connector.source = nullptr; }},
    Case{"source_with_messages", kDescriptor,
         [](Parts& p) { p.connector.flags = DSTREAM_CONNECTOR_MESSAGES; }},
    Case{"unknown_flag", nullptr, [](Parts& p) { p.connector.flags = 1u << 20; }},
    Case{"table_size", kDescriptor, [](Parts& p) { p.source_table.struct_size = 64; }},
    Case{"source_create", kDescriptor, [](Parts& p) { p.source_table.create = nullptr; }},
    Case{"source_read", kDescriptor, [](Parts& p) { p.source_table.read = nullptr; }},
    Case{"source_destroy", kDescriptor, [](Parts& p) { p.source_table.destroy = nullptr; }},
    Case{"source_commit", nullptr, [](Parts& p) { p.source_table.commit = nullptr; }},
    Case{"sink_write", kDescriptor, [](Parts& p) { p.sink_table.write = nullptr; }},
    Case{"sink_flush", kDescriptor, [](Parts& p) { p.sink_table.flush = nullptr; }},
    Case{"sink_poll", nullptr, [](Parts& p) { p.sink_table.poll = nullptr; }},
    Case{"twice", "DS-PLUGIN-DUPLICATE", [](Parts& p) { p.list[1] = &p.connector; }}};

INSTANTIATE_TEST_SUITE_P(Descriptors, DescriptorCase, testing::ValuesIn(kCases),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(Registry, KeepsSourcesAndSinksApart) {
  PluginRegistry registry;
  ASSERT_TRUE(registry.add(scripted::kPlugin).has_value());
  ASSERT_NE(registry.find_source("scripted"), nullptr);
  ASSERT_NE(registry.find_sink("scripted"), nullptr);
  EXPECT_TRUE(registry.find_source("scripted")->is_source());
  EXPECT_FALSE(registry.find_sink("scripted")->is_source());
  EXPECT_EQ(registry.find_source("other"), nullptr);
}

TEST(Registry, RefusesAnIdThatIsTaken) {
  PluginRegistry registry;
  ASSERT_TRUE(registry.add(scripted::kPlugin, "first.so").has_value());
  auto result = registry.add(scripted::kPlugin, "second.so");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, "DS-PLUGIN-DUPLICATE");
  EXPECT_NE(result.error().message.find("first.so"), std::string::npos);
  EXPECT_EQ(registry.connectors().size(), 2u);
}

TEST(Registry, SaysThatAFolderIsMissing) {
  PluginRegistry registry;
  auto result = registry.load_folder("/nonexistent/plugins");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, "DS-PLUGIN-FOLDER");
}

}  // namespace
}  // namespace dstream::core
