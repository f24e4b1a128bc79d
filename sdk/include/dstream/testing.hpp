// Everything a plugin's unit tests need: a fake host, and drivers that call a connector through its
// C table as the real host does. Standard library only; works with any test framework.
//
//   testing/fake_host.hpp  FakeHost: configuration in, log lines, settles and metrics out
//   testing/drivers.hpp    SourceDriver, SinkDriver, Batch, Messages, Records
//   testing/json.hpp       the reader behind FakeHost's configuration
//
// A plugin is tested without being loaded: link its sources into the test and take the connector
// from dstream_plugin_v1 with find_connector(), or make it in place:
//
//   constexpr auto connector = dstream::source<TickSource>("tick", "1.0.0", "Counts.", "{}");
//   dstream::testing::SourceDriver source(connector, host);
#pragma once

#include "dstream/testing/drivers.hpp"
#include "dstream/testing/fake_host.hpp"
#include "dstream/testing/json.hpp"
