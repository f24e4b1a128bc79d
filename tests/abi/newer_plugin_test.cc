// A plugin of a later minor version in the host of this one: structs are walked by the strides that
// the plugin gave, not by their size here.
#include <gtest/gtest.h>

#include "core/plugins/guard.h"
#include "core/plugins/registry.h"
#include "dstream/delivery.hpp"

namespace dstream::core {
namespace {

TEST(Abi, ANewerPluginRunsInThisHost) {
  PluginRegistry registry;
  auto loaded = registry.load_file(NEWER_PLUGIN);
  ASSERT_TRUE(loaded.has_value()) << loaded.error().text();
  const LoadedConnector* connector = registry.find_source("newer");
  ASSERT_NE(connector, nullptr);
  EXPECT_EQ(connector->plugin->abi_minor, DSTREAM_ABI_MINOR + 1);

  InstanceOptions options;
  options.config_json = "{}";
  options.check_values = true;
  auto source = make_source(*connector, options);
  ASSERT_TRUE(source.has_value()) << source.error().text();
  ASSERT_TRUE((*source)->open("").ok());
  dstream_batch* batch = nullptr;
  CallResult result = (*source)->read(10, 100, &batch);
  ASSERT_TRUE(result.ok()) << result.message();
  ASSERT_GT(batch->record_stride, sizeof(dstream_record));
  for (uint32_t i = 0; i < batch->record_count; i++) {
    RecordView record(*DSTREAM_RECORD_AT(batch, i));
    ASSERT_EQ(record.schema().column_count(), 2u);
    EXPECT_EQ(std::string(record.schema().column(1).name), "twice");
    EXPECT_EQ(record.after()[0].as.i64, i);
    EXPECT_EQ(record.after()[1].as.i64, 2 * i);
  }
  release_batch(batch);
  EXPECT_EQ((*source)->read(10, 100, &batch).status, DSTREAM_END);
}

}  // namespace
}  // namespace dstream::core
