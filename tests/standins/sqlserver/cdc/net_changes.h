// The rows of cdc.fn_cdc_get_net_changes_<instance>.
#pragma once

#include <cstdint>
#include <memory>

#include "tests/standins/sqlserver/cdc/capture_instance.h"
#include "tests/standins/sqlserver/sql/relation.h"

namespace dstream::standin::cdc {

enum class NetFilter : uint8_t { kAll, kAllWithMask, kAllWithMerge };

// One row for every key with changes in the range (keys of the change table), with the values its
// last change left: operation 1, 2 or 4, or 1 and 5 for kAllWithMerge. A row that was inserted and
// deleted within the range is not there.
std::shared_ptr<const sql::Relation> net_changes(const CaptureInstance& instance,
                                                 const sql::KeyRange& range, NetFilter filter);

}  // namespace dstream::standin::cdc
