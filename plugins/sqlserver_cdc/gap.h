// Whether changes that are needed are gone from a change table.
//
// Thread rule: one thread, that of the connection.
#pragma once

#include <string>

#include "plugins/sqlserver_cdc/connection.h"
#include "plugins/sqlserver_cdc/statements.h"

namespace dstream::sqlserver {

// What an operator is told if changes after `complete` were lost from the table of `instance`,
// whose low end point is `low` now; empty if there is no gap. Asks the server only if `low` alone
// does not decide it: REQUIRES that nothing runs on the connection. Throws SourceError.
std::string find_gap(Connection& connection, const CaptureInstance& instance,
                     const ChangeKey& complete, Lsn low);

}  // namespace dstream::sqlserver
