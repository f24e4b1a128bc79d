// What the configuration of one source says, checked and in units the code uses.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dstream/ext/draft/data_loss.h"
#include "plugins/sqlserver_cdc/column_types.h"
#include "plugins/sqlserver_cdc/identifiers.h"

namespace dstream::sqlserver {

using Millis = std::chrono::milliseconds;

struct TableOptions {
  TableName name;
  Millis poll_interval{};
  Millis max_poll_interval{};    // not below poll_interval
  std::string capture_instance;  // empty: the source chooses
};

enum class PollMode {
  kInterval,
  kAdaptive  // just after the scans of the capture job, where they have a rhythm that can be seen
};

enum class InstanceMode {
  kFollow,
  kManage  // creates and drops them: see instance_manager.h
};

// Which tables are copied before their changes go out.
enum class SnapshotMode {
  kNever,
  kInitial,  // tables without a position
  kOnly,     // likewise; the source ends when the copies are consistent
  kWhenGap   // tables without a position, and those whose changes are gone
};

struct Options {
  std::string connection;            // secret (I11)
  std::vector<TableOptions> tables;  // in the order of the file; names are distinct
  uint32_t page_rows = 10000;
  size_t read_ahead_bytes = 16 << 20;
  size_t value_bytes_max = 16 << 20;
  ClrForm clr_form = ClrForm::kBytes;
  SnapshotMode snapshot = SnapshotMode::kInitial;
  bool copies_gaps = false;  // tables whose changes are gone: see take_data_loss_policy()
  PollMode poll = PollMode::kInterval;
  InstanceMode instances = InstanceMode::kFollow;
  uint32_t connections = 4;
  std::chrono::seconds login_timeout{10};
  std::chrono::seconds query_timeout{30};

  // One connection reads changes.
  uint32_t copy_connections() const { return connections > 1 ? connections - 1 : 1; }
};

// What the pipeline's on_data_loss adds: RESNAPSHOT is another spelling of kWhenGap, and goes with
// kInitial and kOnly as well. Throws SourceError(CONFIG) if `snapshot` says the opposite.
void take_data_loss_policy(dstream_data_loss_policy policy, Options* options);

// Reads configuration text that satisfies config_schema.h.
// Throws SourceError(CONFIG) that names the key for what a schema cannot say: durations out of
// range, a maximum below its minimum, a table named twice, a name that is not schema.table.
Options parse_options(std::string_view json);

}  // namespace dstream::sqlserver
