// EXEC dstream.fail_next, dstream.drop_connection, dstream.clear_faults, dstream.request_counts:
// the protocol room's faults and counters for tests that speak only SQL.
#pragma once

#include "tests/standins/sqlserver/protocol/faults.h"
#include "tests/standins/sqlserver/protocol/statistics.h"
#include "tests/standins/sqlserver/sql/engine.h"

namespace dstream::standin::sql {

// REQUIRES: no login yet. `faults` outlives the engine's sessions.
void add_fault_procedures(Engine* engine, Faults* faults);

// dstream.request_counts gives rows (name nvarchar(128), value bigint): the counters of
// ServerCounters that tests ask for, "server_cursors" among them, and the calls of each procedure
// as "procedure NAME". REQUIRES: as above.
void add_request_counts(Engine* engine, const Statistics* statistics);

}  // namespace dstream::standin::sql
