// Cursors of clients that ask for scrollable results: sp_cursoropen and its sisters.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "tests/standins/sqlserver/protocol/handler.h"

namespace dstream::standin::sql {

class Engine;
class Keyset;
class SqlSession;
struct ProcedureCall;

// A result in memory, as it was when the cursor was opened: STATIC and read-only. Columns of one
// table are a KEYSET where the client wishes for one, or wishes to change rows. SQL Server may
// answer a wish with another kind, too, and says which it gave.
struct ServerCursor {
  std::vector<ResultColumn> columns;  // ROWSTAT, which tells a row that went, is the last
  std::vector<std::vector<std::string>> tables;
  std::vector<ColumnSource> sources;
  std::vector<std::vector<SqlValue>>
      rows;                              // without ROWSTAT; of a keyset all of the table's columns
  std::shared_ptr<const Keyset> keyset;  // nullptr: STATIC
  bool is_read_only = true;
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

// The cursor that the first argument of a call names. Throws 16909.
std::map<int32_t, ServerCursor>::iterator find_cursor(ProcedureCall& call);
// An argument that is a number.
int64_t cursor_argument(const ProcedureCall& call, size_t index, int64_t otherwise);
// Sends rows of the result, from 0; those of a keyset as they are now.
void send_cursor_rows(SqlSession* session, ServerCursor* cursor, int64_t from, int64_t count);

// sp_cursor: changes and refreshes rows of the fetch buffer.
void change_at_cursor(ProcedureCall& call);

}  // namespace dstream::standin::sql
