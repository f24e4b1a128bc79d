// Cursors of clients that ask for scrollable results: sp_cursoropen and its sisters.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "tests/standins/sqlserver/protocol/handler.h"

namespace dstream::standin::sql {

// A result in memory, as it was when the cursor was opened: STATIC and read-only, whatever the
// client wished for. SQL Server may answer a wish with another kind, too, and says which it gave.
struct ServerCursor {
  std::vector<ResultColumn> columns;  // ROWSTAT, which tells a row that went, is the last
  std::vector<std::vector<SqlValue>> rows;
  // The fetch buffer: `first` counts from 1; 0 is before the first row, rows.size() + 1 behind the
  // last.
  int64_t first = 0;
  int64_t count = 0;
  bool closes_at_end = false;
};

// The cursors of one session, by handle.
struct ServerCursors {
  std::map<int32_t, ServerCursor> open;
  int32_t next_handle = 180'150'003;  // where SQL Server's own begin
};

}  // namespace dstream::standin::sql
