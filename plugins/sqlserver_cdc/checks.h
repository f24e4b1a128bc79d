// Everything the source needs of a SQL Server, looked at step by step: `dstream doctor`.
//
// Ids, in order: connect, encryption.certificate, encryption, replica, isolation, clock,
// cdc.enabled, agent, capture.job, capture.rate, cdc.retention, capture.scans, capture.latency,
// capture.full, capture.errors; for each table table.captured, table.start, table.reach, table.key,
// table.columns, table.net, table.shape, table.large; catalog; position, and for each table
// table.position. It reads only.
//
// Thread rule: [worker].
#pragma once

#include "dstream/plugin.hpp"
#include "plugins/sqlserver_cdc/connection_string.h"
#include "plugins/sqlserver_cdc/options.h"

namespace dstream::sqlserver {

// Throws SourceError if the connection is lost on the way.
void run_checks(const Options& options, const OdbcConnection& target, const Checks& checks);

}  // namespace dstream::sqlserver
