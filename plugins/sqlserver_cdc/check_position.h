// Can the source go on from the position that the pipeline has stored, and for how much longer?
//
// Thread rule: one thread. load_*() throw SourceError.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "dstream/plugin.hpp"
#include "plugins/sqlserver_cdc/connection.h"
#include "plugins/sqlserver_cdc/options.h"
#include "plugins/sqlserver_cdc/position.h"

namespace dstream::sqlserver {

// How old the transaction of `entry` is by the server's clock, in minutes; nullopt: neither the
// position nor cdc.lsn_time_mapping knows any more when it ended. REQUIRES: entry is not at the
// beginning.
std::optional<int64_t> load_age_min(Connection& connection, const PositionEntry& entry);

struct TablePositionFacts {
  TableName table;
  ChangeKey complete;              // beginning(): nothing of it was read yet
  Lsn low;                         // the low end point of its change table
  std::optional<int64_t> age_min;  // see load_age_min()
  std::string gap;                 // what is lost already; empty: nothing
};

// table.position: gap, or when there could be one. `retention_min`: nullopt if nothing is ever
// removed, or nobody knows.
void judge_table_position(const TablePositionFacts& facts,
                          const std::optional<int64_t>& retention_min, const Options& options,
                          const Checks& checks);

// position: the oldest one of all tables against what cleanup keeps. REQUIRES: facts.age_min.
void judge_position(const TablePositionFacts& oldest, const std::optional<int64_t>& retention_min,
                    const Checks& checks);

// "42 minutes", "30 hours", "9 days".
std::string minutes_text(int64_t minutes);

}  // namespace dstream::sqlserver
