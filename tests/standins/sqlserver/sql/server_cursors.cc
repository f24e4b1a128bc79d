#include "tests/standins/sqlserver/sql/server_cursors.h"

#include <algorithm>
#include <cstdio>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/interpreter.h"
#include "tests/standins/sqlserver/sql/procedures.h"

namespace dstream::standin::sql {
namespace {

struct ScrollOption {
  static constexpr int64_t kKeyset = 0x1, kForwardOnly = 0x4, kStatic = 0x8, kFastForward = 0x10,
                           kParameterized = 0x1000, kAutoFetch = 0x2000, kAutoClose = 0x4000;
};
struct Concurrency {
  static constexpr int64_t kReadOnly = 0x1, kAllowDirect = 0x2000;
};
struct Fetch {
  static constexpr int64_t kFirst = 0x1, kNext = 0x2, kPrevious = 0x4, kLast = 0x8,
                           kAbsolute = 0x10, kRelative = 0x20, kRefresh = 0x80, kInfo = 0x100;
};
constexpr int64_t kFetchRows = 20;     // where a client names no number
constexpr int32_t kClosedItself = 16;  // return status of the fetch that closed its cursor

int64_t integer(const ProcedureCall& call, size_t index, int64_t otherwise) {
  if (index >= call.arguments.size() || call.arguments[index].is_default ||
      call.arguments[index].value.null) {
    return otherwise;
  }
  return convert_value(call.arguments[index].value, call.arguments[index].type, int_type()).number;
}

void give(ProcedureCall* call, size_t index, int64_t value) {
  if (index < call->arguments.size()) {
    call->arguments[index].type = int_type();
    call->arguments[index].value = SqlValue::of_number(value);
  }
}

// Where a call has what is about the cursor.
struct Places {
  size_t cursor, scroll, concurrency, rows, parameters;
};

bool is_query(const SqlSession::Prepared& prepared) {
  return prepared.batch->statements.size() == 1 &&
         prepared.batch->statements.front()->kind == StatementKind::kQuery;
}

ServerCursor read_result(ProcedureCall* call, const SqlSession::Prepared& prepared, size_t first) {
  SqlSession& session = call->session;
  ResponseWriter* const client = session.out;
  CapturingWriter capture(client);
  session.out = &capture;
  try {
    run_with_parameters(call, first, prepared.batch, prepared.parameters);
  } catch (...) {
    session.out = client;
    throw;
  }
  session.out = client;
  ServerCursor cursor;
  cursor.columns = capture.result_columns();
  cursor.columns.push_back(view_column("ROWSTAT", int_type(), false));
  cursor.rows = std::move(capture.rows());
  for (auto& row : cursor.rows) {
    row.push_back(SqlValue::of_number(1));
  }
  return cursor;
}

// Sends the fetch buffer.
void send_buffer(SqlSession* session, const ServerCursor& cursor) {
  session->out->columns(cursor.columns);
  for (int64_t i = 0; i < cursor.count; ++i) {
    session->out->row(cursor.rows[static_cast<size_t>(cursor.first - 1 + i)]);
  }
  session->out->statement_done(DoneCommand::kSelect, cursor.count, false);
}

// Moves the buffer to `first`, cut to what there is.
void move_to(ServerCursor* cursor, int64_t first, int64_t wanted) {
  const auto rows = static_cast<int64_t>(cursor->rows.size());
  cursor->first = std::clamp<int64_t>(first, 0, rows + 1);
  cursor->count = cursor->first == 0 ? 0 : std::clamp<int64_t>(rows + 1 - cursor->first, 0, wanted);
}

int64_t granted(int64_t wish) {
  if ((wish & ScrollOption::kForwardOnly) != 0) {
    return ScrollOption::kForwardOnly;
  }
  return (wish & ScrollOption::kFastForward) != 0 ? ScrollOption::kFastForward
                                                  : ScrollOption::kStatic;
}

void open_cursor(ProcedureCall* call, const Places& at, const SqlSession::Prepared& prepared) {
  const int64_t wish = integer(*call, at.scroll, ScrollOption::kKeyset);
  const int64_t concurrency = integer(*call, at.concurrency, 0);
  if (!is_query(prepared)) {
    if ((concurrency & Concurrency::kAllowDirect) == 0) {
      throw SqlError(16937, 16, 1,
                     "A server cursor cannot be opened on the given statement or statements. Use a "
                     "default result set or client cursor.");
    }
    run_with_parameters(call, at.parameters, prepared.batch, prepared.parameters);
    give(call, at.cursor, 0);
    return;
  }
  ServerCursor cursor = read_result(call, prepared, at.parameters);
  cursor.closes_at_end = (wish & ScrollOption::kAutoClose) != 0;
  if ((wish & ScrollOption::kAutoFetch) != 0) {
    move_to(&cursor, 1, integer(*call, at.rows, kFetchRows));
  }
  send_buffer(&call->session, cursor);
  const bool is_static = granted(wish) == ScrollOption::kStatic;
  give(call, at.scroll, granted(wish));
  give(call, at.concurrency, Concurrency::kReadOnly);
  give(call, at.rows, is_static ? static_cast<int64_t>(cursor.rows.size()) : -1);
  ServerCursors& cursors = call->session.cursors;
  give(call, at.cursor, cursors.next_handle);
  cursors.open.emplace(cursors.next_handle, std::move(cursor));
  cursors.next_handle += 2;
}

std::map<int32_t, ServerCursor>::iterator find_cursor(ProcedureCall& call) {
  const auto handle = static_cast<int32_t>(integer(call, 0, 0));
  const auto found = call.session.cursors.open.find(handle);
  if (found == call.session.cursors.open.end()) {
    char digits[16];
    std::snprintf(digits, sizeof digits, "%x", static_cast<unsigned>(handle));
    throw SqlError(
        16909, 16, 1,
        call.name + ": The cursor identifier value provided (" + digits + ") is not valid.");
  }
  return found;
}

// sp_cursoropen @cursor OUTPUT, @stmt, @scrollopt, @ccopt, @rowcount [, @paramdef, values]
void cursor_open(ProcedureCall& call) {
  const bool has_parameters =
      (integer(call, 2, ScrollOption::kKeyset) & ScrollOption::kParameterized) != 0;
  const Places places{0, 2, 3, 4, has_parameters ? size_t{6} : size_t{5}};
  SqlSession::Prepared prepared;
  if (has_parameters) {
    prepared = make_prepared(call, 5, 1);
  } else {
    prepared.batch = call.session.parse(argument_text(call, 1));
  }
  open_cursor(&call, places, prepared);
}

// sp_cursorfetch @cursor, @fetchtype, @rownum, @nrows
void cursor_fetch(ProcedureCall& call) {
  const auto found = find_cursor(call);
  ServerCursor& cursor = found->second;
  const auto rows = static_cast<int64_t>(cursor.rows.size());
  const int64_t type = integer(call, 1, Fetch::kNext);
  const int64_t number = integer(call, 2, 0);
  const int64_t wanted = std::max<int64_t>(integer(call, 3, kFetchRows), 0);
  if ((type & Fetch::kInfo) != 0) {
    give(&call, 2, cursor.first);
    give(&call, 3, rows);
    return;
  }
  if ((type & Fetch::kRefresh) != 0) {
    return send_buffer(&call.session, cursor);
  }
  if ((type & Fetch::kFirst) != 0) {
    move_to(&cursor, wanted == 0 ? 0 : 1, wanted);
  } else if ((type & Fetch::kLast) != 0) {
    move_to(&cursor, wanted == 0 ? rows + 1 : std::max<int64_t>(rows - wanted + 1, 1), wanted);
  } else if ((type & Fetch::kPrevious) != 0) {
    // Near the beginning the buffer is the first one; from there it leaves the result.
    const bool leaves = cursor.first <= 1;
    move_to(&cursor, leaves ? 0 : std::max<int64_t>(cursor.first - wanted, 1), wanted);
  } else if ((type & Fetch::kAbsolute) != 0) {
    move_to(&cursor, number >= 0 ? number : rows + 1 + number, wanted);
  } else if ((type & Fetch::kRelative) != 0) {
    move_to(&cursor, cursor.first + number, wanted);
  } else {
    move_to(&cursor, cursor.first == 0 ? 1 : cursor.first + std::max<int64_t>(cursor.count, 1),
            wanted);
  }
  send_buffer(&call.session, cursor);
  if (cursor.closes_at_end && cursor.first + cursor.count > rows && cursor.count < wanted) {
    call.session.cursors.open.erase(found);
    call.return_status = kClosedItself;
  }
}

// sp_cursoroption @cursor, @code, @value: a name, or how values of large types are sent. Neither
// changes what a fetch gives here.
void cursor_option(ProcedureCall& call) { find_cursor(call); }

void cursor_close(ProcedureCall& call) {
  if (integer(call, 0, 0) == -1) {
    call.session.cursors.open.clear();
    return;
  }
  call.session.cursors.open.erase(find_cursor(call));
}

// sp_cursorprepare @handle OUTPUT, @params, @stmt, @options, ...
void cursor_prepare(ProcedureCall& call) {
  constexpr int64_t kReturnMetadata = 1;
  SqlSession::Prepared prepared = make_prepared(call, 1, 2);
  if (is_query(prepared) && (integer(call, 3, 0) & kReturnMetadata) != 0) {
    describe_columns(&call.session, prepared);
  }
  give(&call, 0, call.session.prepare(std::move(prepared)));
}

// sp_cursorexecute @handle, @cursor OUTPUT, @scrollopt, @ccopt, @rowcount, values
void cursor_execute(ProcedureCall& call) {
  if (call.arguments.empty()) {
    throw missing_parameter("sp_cursorexecute", "@handle");
  }
  open_cursor(&call, {1, 2, 3, 4, 5}, find_prepared(call));
}

// sp_cursorprepexec @handle OUTPUT, @cursor OUTPUT, @params, @stmt, @scrollopt, @ccopt, @rowcount,
// values
void cursor_prepare_and_execute(ProcedureCall& call) {
  const SqlSession::Prepared prepared = make_prepared(call, 2, 3);
  give(&call, 0, call.session.prepare(prepared));
  open_cursor(&call, {1, 4, 5, 6, 7}, prepared);
}

// Positioned updates: the cursors here are read-only.
void refuse(ProcedureCall& call) { throw not_understood(call.name); }

}  // namespace

void add_cursor_procedures(Engine* engine) {
  engine->add_procedure("sys.sp_cursoropen", cursor_open);
  engine->add_procedure("sys.sp_cursorfetch", cursor_fetch);
  engine->add_procedure("sys.sp_cursoroption", cursor_option);
  engine->add_procedure("sys.sp_cursorclose", cursor_close);
  engine->add_procedure("sys.sp_cursorprepare", cursor_prepare);
  engine->add_procedure("sys.sp_cursorexecute", cursor_execute);
  engine->add_procedure("sys.sp_cursorprepexec", cursor_prepare_and_execute);
  engine->add_procedure("sys.sp_cursor", refuse);
}

}  // namespace dstream::standin::sql
