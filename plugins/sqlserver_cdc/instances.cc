#include "plugins/sqlserver_cdc/instances.h"

#include <algorithm>
#include <set>

namespace dstream::sqlserver {

std::map<int64_t, InstanceBounds> bounds_of(const std::vector<InstanceRow>& instances) {
  std::map<int64_t, InstanceBounds> bounds;
  std::map<int64_t, Lsn> newest;  // by source table
  for (auto at = instances.rbegin(); at != instances.rend(); ++at) {
    Lsn& start = newest[at->source_object_id];
    bounds[at->object_id] = {at->start, start, false};
    if (start.is_zero()) {
      start = at->start;
    }
  }
  std::set<int64_t> tables;
  for (const InstanceRow& row : instances) {
    bounds[row.object_id].is_oldest = tables.insert(row.source_object_id).second;
  }
  return bounds;
}

size_t choose_instance(const std::vector<InstanceRow>& instances, Lsn needed) {
  const auto newest = std::find_if(
      instances.rbegin(), instances.rend(),
      [needed](const InstanceRow& row) { return !row.start.is_zero() && row.start <= needed; });
  if (newest != instances.rend()) {
    return static_cast<size_t>(instances.rend() - newest) - 1;
  }
  const auto oldest = std::min_element(
      instances.begin(), instances.end(), [](const InstanceRow& a, const InstanceRow& b) {
        const auto rank = [](Lsn start) { return start.is_zero() ? Lsn::max() : start; };
        return rank(a.start) < rank(b.start);
      });
  return static_cast<size_t>(oldest - instances.begin());
}

}  // namespace dstream::sqlserver
