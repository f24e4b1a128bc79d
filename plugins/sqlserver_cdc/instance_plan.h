// Decides about capture instances where the source manages them (capture_instances: manage): when a
// table gets a new one, and which old one goes.
//
// Everything follows from what the server says and from what is durable; nothing is remembered, so
// that a restart decides the same. It never comes round in a circle: an instance is created only
// for DDL that its predecessor met after its own beginning and that changed what can be captured.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "plugins/sqlserver_cdc/identifiers.h"
#include "plugins/sqlserver_cdc/lsn.h"

namespace dstream::sqlserver {

struct ManagedInstance {
  std::string name;
  Lsn start;       // zero: not established yet
  Lsn definition;  // newest entry of cdc.ddl_history that belongs to it; zero: none
  std::vector<int32_t> column_ids;  // captured, in the source table
  // What its successor is given too; empty: NULL.
  std::string role;
  std::string index;
  std::string filegroup;
  bool has_net_changes = false;
  bool allows_partition_switch = true;
};

struct ManagedTable {
  TableName name;
  std::vector<std::pair<int32_t, std::string>> columns;  // as they are now: id and name
  std::vector<ManagedInstance> instances;                // in the order of creation
};

// A statement to be run, and what it does.
struct InstanceAction {
  TableName table;
  std::string instance;
  bool creates = false;  // else it drops
  std::string sql;
};

// Instances that the source has named as not needed any more: see InstanceLog::superseded().
using DroppableInstances = std::set<std::pair<TableName, std::string>>;

// The next thing to do for `table`; nothing: it is as it should be, or has to wait.
std::optional<InstanceAction> plan_instances(const ManagedTable& table,
                                             const DroppableInstances& droppable);

// The name of the instance that follows `older`: stable, at most 100 bytes, as SQL Server allows
// characters. Names of this form are the source's own.
std::string successor_name(const TableName& table, const std::string& older);
bool is_own_name(const std::string& instance);

}  // namespace dstream::sqlserver
