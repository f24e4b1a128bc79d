// EXEC dstream.fail_next, dstream.drop_connection, dstream.clear_faults: the protocol room's faults
// for tests that speak only SQL.
#pragma once

#include "tests/standins/sqlserver/protocol/faults.h"
#include "tests/standins/sqlserver/sql/engine.h"

namespace dstream::standin::sql {

// REQUIRES: no login yet. `faults` outlives the engine's sessions.
void add_fault_procedures(Engine* engine, Faults* faults);

}  // namespace dstream::standin::sql
