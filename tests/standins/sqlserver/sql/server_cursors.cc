#include "tests/standins/sqlserver/sql/server_cursors.h"

#include <algorithm>
#include <cstdio>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/interpreter.h"
#include "tests/standins/sqlserver/sql/keyset.h"
#include "tests/standins/sqlserver/sql/procedures.h"

namespace dstream::standin::sql {

int64_t cursor_argument(const ProcedureCall& call, size_t index, int64_t otherwise) {
  if (index >= call.arguments.size() || call.arguments[index].is_default ||
      call.arguments[index].value.null) {
    return otherwise;
  }
  return convert_value(call.arguments[index].value, call.arguments[index].type, int_type()).number;
}

std::map<int32_t, ServerCursor>::iterator find_cursor(ProcedureCall& call) {
  const auto handle = static_cast<int32_t>(cursor_argument(call, 0, 0));
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

void send_cursor_rows(SqlSession* session, ServerCursor* cursor, int64_t from, int64_t count) {
  constexpr int64_t kThere = 1, kGone = 2;
  session->out->columns(cursor->columns);
  session->out->column_sources(cursor->tables, cursor->sources);
  for (int64_t i = from; i < from + count; ++i) {
    std::vector<SqlValue>& row = cursor->rows[static_cast<size_t>(i)];
    bool is_there = true;
    if (cursor->keyset != nullptr) {
      auto now = cursor->keyset->read(session, row);
      is_there = now.has_value();
      if (is_there) {
        row = std::move(*now);
      }
    }
    std::vector<SqlValue> values = cursor->keyset != nullptr ? cursor->keyset->visible(row) : row;
    values.push_back(SqlValue::of_number(is_there ? kThere : kGone));
    if (!session->out->row(values)) {
      throw Cancelled{};
    }
  }
  session->out->statement_done(DoneCommand::kSelect, count, false);
}

namespace {

struct ScrollOption {
  static constexpr int64_t kKeyset = 0x1, kDynamic = 0x2, kForwardOnly = 0x4, kStatic = 0x8,
                           kFastForward = 0x10, kParameterized = 0x1000, kAutoFetch = 0x2000,
                           kAutoClose = 0x4000;
};
struct Concurrency {
  static constexpr int64_t kReadOnly = 0x1, kScrollLocks = 0x2, kOptimistic = 0x4,
                           kOptimisticValues = 0x8, kAllowDirect = 0x2000;
};
struct Fetch {
  static constexpr int64_t kFirst = 0x1, kNext = 0x2, kPrevious = 0x4, kLast = 0x8,
                           kAbsolute = 0x10, kRelative = 0x20, kRefresh = 0x80, kInfo = 0x100;
};
constexpr int64_t kFetchRows = 20;     // where a client names no number
constexpr int32_t kClosedItself = 16;  // return status of the fetch that closed its cursor

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

// Whether rows are to be read anew at each fetch, or changed.
bool wants_keyset(int64_t scroll, int64_t concurrency) {
  const bool is_one_way = (scroll & (ScrollOption::kForwardOnly | ScrollOption::kFastForward)) != 0;
  const bool changes = (concurrency & (Concurrency::kScrollLocks | Concurrency::kOptimistic |
                                       Concurrency::kOptimisticValues)) != 0;
  return (scroll & (ScrollOption::kKeyset | ScrollOption::kDynamic)) != 0 ||
         (is_one_way && changes);
}

// The statement with another query in its place.
std::shared_ptr<const Batch> with_query(const Batch& batch, QueryPtr query) {
  auto changed = std::make_shared<Batch>(batch);
  auto statement = std::make_shared<Statement>(*batch.statements.front());
  statement->query = std::move(query);
  changed->statements.front() = statement;
  return changed;
}

ServerCursor read_result(ProcedureCall* call, const SqlSession::Prepared& prepared, size_t first,
                         bool is_keyset) {
  ServerCursor cursor;
  std::shared_ptr<const Batch> batch = prepared.batch;
  if (auto keyset = Keyset::of(&call->session, *batch->statements.front()->query)) {
    cursor.tables = keyset->tables();
    cursor.sources = keyset->sources();
    if (is_keyset) {
      cursor.columns = keyset->columns();
      batch = with_query(*batch, keyset->query());
      cursor.keyset = std::make_shared<const Keyset>(std::move(*keyset));
    }
  }
  CapturedResult result = captured(
      &call->session, [&] { run_with_parameters(call, first, batch, prepared.parameters); });
  if (!is_keyset || cursor.keyset == nullptr) {
    cursor.columns = std::move(result.columns);
  }
  cursor.rows = std::move(result.rows);
  // ROWSTAT is no column that anyone asked for: clients are told to hide it.
  cursor.columns.push_back(view_column("ROWSTAT", int_type(), false));
  cursor.sources.resize(cursor.columns.size());
  cursor.sources.back().hidden = true;
  return cursor;
}

void send_buffer(SqlSession* session, ServerCursor* cursor) {
  send_cursor_rows(session, cursor, cursor->first - 1, cursor->count);
}

// Moves the buffer to `first`, cut to what there is.
void move_to(ServerCursor* cursor, int64_t first, int64_t wanted) {
  const auto rows = static_cast<int64_t>(cursor->rows.size());
  cursor->first = std::clamp<int64_t>(first, 0, rows + 1);
  cursor->count = cursor->first == 0 ? 0 : std::clamp<int64_t>(rows + 1 - cursor->first, 0, wanted);
}

int64_t granted_scroll(int64_t wish, const ServerCursor& cursor) {
  for (const int64_t one_way : {ScrollOption::kForwardOnly, ScrollOption::kFastForward}) {
    if ((wish & one_way) != 0) {
      return one_way;
    }
  }
  return cursor.keyset != nullptr ? ScrollOption::kKeyset : ScrollOption::kStatic;
}

// Rows are compared before they are changed, never kept locked.
int64_t granted_concurrency(int64_t wish, ServerCursor* cursor) {
  cursor->is_read_only = cursor->keyset == nullptr || (wish & Concurrency::kReadOnly) != 0;
  return cursor->is_read_only ? Concurrency::kReadOnly : Concurrency::kOptimisticValues;
}

void open_cursor(ProcedureCall* call, const Places& at, const SqlSession::Prepared& prepared) {
  const int64_t wish = cursor_argument(*call, at.scroll, ScrollOption::kKeyset);
  const int64_t concurrency = cursor_argument(*call, at.concurrency, 0);
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
  ServerCursor cursor = read_result(call, prepared, at.parameters, wants_keyset(wish, concurrency));
  cursor.closes_at_end = (wish & ScrollOption::kAutoClose) != 0;
  if ((wish & ScrollOption::kAutoFetch) != 0) {
    move_to(&cursor, 1, cursor_argument(*call, at.rows, kFetchRows));
  }
  send_buffer(&call->session, &cursor);
  const int64_t scroll = granted_scroll(wish, cursor);
  const bool is_counted = scroll == ScrollOption::kStatic || scroll == ScrollOption::kKeyset;
  give(call, at.scroll, scroll);
  give(call, at.concurrency, granted_concurrency(concurrency, &cursor));
  give(call, at.rows, is_counted ? static_cast<int64_t>(cursor.rows.size()) : -1);
  ServerCursors& cursors = call->session.cursors;
  give(call, at.cursor, cursors.next_handle);
  cursors.open.emplace(cursors.next_handle, std::move(cursor));
  cursors.next_handle += 2;
}

// sp_cursoropen @cursor OUTPUT, @stmt, @scrollopt, @ccopt, @rowcount [, @paramdef, values]
void cursor_open(ProcedureCall& call) {
  const bool has_parameters =
      (cursor_argument(call, 2, ScrollOption::kKeyset) & ScrollOption::kParameterized) != 0;
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
  const int64_t type = cursor_argument(call, 1, Fetch::kNext);
  const int64_t number = cursor_argument(call, 2, 0);
  const int64_t wanted = std::max<int64_t>(cursor_argument(call, 3, kFetchRows), 0);
  if ((type & Fetch::kInfo) != 0) {
    give(&call, 2, cursor.first);
    give(&call, 3, rows);
    return;
  }
  if ((type & Fetch::kRefresh) != 0) {
    return send_buffer(&call.session, &cursor);
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
  send_buffer(&call.session, &cursor);
  if (cursor.closes_at_end && cursor.first + cursor.count > rows && cursor.count < wanted) {
    call.session.cursors.open.erase(found);
    call.return_status = kClosedItself;
  }
}

// sp_cursoroption @cursor, @code, @value: a name, or how values of large types are sent. Neither
// changes what a fetch gives here.
void cursor_option(ProcedureCall& call) { find_cursor(call); }

void cursor_close(ProcedureCall& call) {
  if (cursor_argument(call, 0, 0) == -1) {
    call.session.cursors.open.clear();
    return;
  }
  call.session.cursors.open.erase(find_cursor(call));
}

// sp_cursorprepare @handle OUTPUT, @params, @stmt, @options, ...
void cursor_prepare(ProcedureCall& call) {
  constexpr int64_t kReturnMetadata = 1;
  SqlSession::Prepared prepared = make_prepared(call, 1, 2);
  if (is_query(prepared) && (cursor_argument(call, 3, 0) & kReturnMetadata) != 0) {
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

}  // namespace

void add_cursor_procedures(Engine* engine) {
  engine->add_procedure("sys.sp_cursoropen", cursor_open);
  engine->add_procedure("sys.sp_cursorfetch", cursor_fetch);
  engine->add_procedure("sys.sp_cursoroption", cursor_option);
  engine->add_procedure("sys.sp_cursorclose", cursor_close);
  engine->add_procedure("sys.sp_cursorprepare", cursor_prepare);
  engine->add_procedure("sys.sp_cursorexecute", cursor_execute);
  engine->add_procedure("sys.sp_cursorprepexec", cursor_prepare_and_execute);
  engine->add_procedure("sys.sp_cursor", change_at_cursor);
}

}  // namespace dstream::standin::sql
