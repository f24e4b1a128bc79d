// The source's instruments. Exported as dstream_sqlserver_cdc_<name>[_<unit>][_total].
//
// Thread rule: [any-thread].
#pragma once

#include "dstream/plugin.hpp"

namespace dstream::sqlserver {

struct Metrics {
  explicit Metrics(const Host& host)
      : lag_seconds(host.gauge("lag", "seconds",
                               "Age of the oldest captured change that was not given out.")),
        capture_lag_seconds(
            host.gauge("capture_lag", "seconds", "How far the capture job is behind the log.")),
        capture_lag_is_bound(host.gauge("capture_lag_is_bound", "",
                                        "1 if capture_lag_seconds is only known to be no more.")),
        snapshot_rows(host.counter("snapshot_rows", "", "Rows of copied tables given out.")),
        snapshot_chunks(host.counter("snapshot_chunks", "", "Chunks of copied tables given out.")),
        gap_snapshots(host.counter("gap_snapshots", "",
                                   "Copies of tables that began because changes were gone.")) {}

  Metric lag_seconds;
  Metric capture_lag_seconds;
  Metric capture_lag_is_bound;
  Metric snapshot_rows;
  Metric snapshot_chunks;
  Metric gap_snapshots;
};

}  // namespace dstream::sqlserver
