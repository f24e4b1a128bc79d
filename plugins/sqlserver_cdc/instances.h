// Of several capture instances of a table: which one is read, and which one comes after it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "plugins/sqlserver_cdc/lsn.h"

namespace dstream::sqlserver {

// A row of cdc.change_tables. Lists of them are in the order of creation: low end points do not
// tell which instance is the newest, since cleanup raises them to the same LSN.
struct InstanceRow {
  int64_t object_id = 0;
  int64_t source_object_id = 0;
  Lsn start;  // low end point; zero: not established yet

  bool operator==(const InstanceRow&) const = default;
};

struct InstanceBounds {
  Lsn start;
  Lsn successor;           // where the newest later instance begins that is established; zero: none
  bool is_oldest = false;  // of its table
};

// By object id.
std::map<int64_t, InstanceBounds> bounds_of(const std::vector<InstanceRow>& instances);

// The instance to read, as an index into `instances` of one table (not empty). Of those that have
// everything from `needed` on the newest; if there is none, the one that reaches back furthest.
size_t choose_instance(const std::vector<InstanceRow>& instances, Lsn needed);

}  // namespace dstream::sqlserver
