#include <gtest/gtest.h>

#include "dstream/plugin.hpp"
#include "dstream/testing.hpp"

namespace {

using dstream::testing::FakeHost;
using dstream::testing::find_connector;
using dstream::testing::Messages;
using dstream::testing::Records;
using dstream::testing::SinkDriver;

TEST(Null, MessagesAreSettledAndWeighed) {
  FakeHost host;
  SinkDriver sink(*find_connector(dstream_plugin_v1, "null-messages"), host);
  sink.open();
  Messages messages(1);
  messages.add("t", "key", "value").add("t", "key", std::nullopt);
  EXPECT_EQ(sink.write(messages), 2u);
  EXPECT_EQ(host.settled(1), 2u);
  EXPECT_EQ(host.metric("items"), 2);
  EXPECT_EQ(host.metric("taken"), 11);
  EXPECT_TRUE(host.problems().empty());
}

TEST(Null, RecordsAreSettledFromWhereTheHostSays) {
  FakeHost host;
  SinkDriver sink(*find_connector(dstream_plugin_v1, "null"), host);
  sink.open();
  const dstream_record records[5] = {};
  dstream_batch batch{};
  batch.records = records;
  batch.record_count = 5;
  batch.record_stride = sizeof(dstream_record);
  Records delivery(2, batch);
  EXPECT_EQ(sink.write(delivery, 2), 3u);
  EXPECT_EQ(host.settled(2), 3u);
  EXPECT_EQ(host.metric("items"), 3);
  EXPECT_EQ(sink.flush(dstream::Millis(0)), DSTREAM_OK);
}

}  // namespace
