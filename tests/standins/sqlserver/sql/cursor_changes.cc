// sp_cursor: rows of a cursor's fetch buffer changed, deleted, refreshed; and rows added.
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/interpreter.h"
#include "tests/standins/sqlserver/sql/keyset.h"
#include "tests/standins/sqlserver/sql/parser.h"
#include "tests/standins/sqlserver/sql/procedures.h"
#include "tests/standins/sqlserver/sql/server_cursors.h"

namespace dstream::standin::sql {
namespace {

struct Operation {
  static constexpr int64_t kUpdate = 0x1, kDelete = 0x2, kInsert = 0x4, kRefresh = 0x8,
                           kLock = 0x10, kSetPosition = 0x20, kAbsolute = 0x40;
};

struct RowRange {
  int64_t from, count;  // from 0
};

// Row `number` of the fetch buffer, all of it for 0.
RowRange rows_of(const ServerCursor& cursor, int64_t number, bool is_absolute) {
  const auto rows = static_cast<int64_t>(cursor.rows.size());
  if (is_absolute && number > 0) {
    if (number > rows) {
      throw SqlError(16930, 16, 1, "The requested row is not in the fetch buffer.");
    }
    return {number - 1, 1};
  }
  if (cursor.count == 0) {
    throw SqlError(16931, 16, 1, "There are no rows in the current fetch buffer.");
  }
  if (number == 0) {
    return {cursor.first - 1, cursor.count};
  }
  if (number < 0 || number > cursor.count) {
    throw SqlError(16930, 16, 1, "The requested row is not in the fetch buffer.");
  }
  return {cursor.first - 2 + number, 1};
}

// The values behind the table's name: "@column = value" each.
std::vector<Keyset::Assignment> assignments(const ProcedureCall& call) {
  constexpr size_t kFirstValue = 4;
  std::vector<Keyset::Assignment> result;
  for (size_t i = kFirstValue; i < call.arguments.size(); ++i) {
    const ProcedureArgument& argument = call.arguments[i];
    if (argument.name.size() < 2) {
      throw not_understood("sp_cursor with a statement instead of named values");
    }
    result.push_back({argument.name.substr(1), argument.type, argument.value, argument.is_default});
  }
  return result;
}

void update_rows(ProcedureCall& call, ServerCursor* cursor, const RowRange& range) {
  const std::vector<Keyset::Assignment> values = assignments(call);
  if (values.empty()) {
    throw missing_parameter("sp_cursor", "@value");
  }
  const Keyset& keyset = *cursor->keyset;
  std::vector<Keyset::Row> changed;
  as_statement(&call.session, [&] {
    for (int64_t i = range.from; i < range.from + range.count; ++i) {
      changed.push_back(keyset.update(&call.session, cursor->rows[static_cast<size_t>(i)], values));
    }
  });
  for (size_t i = 0; i < changed.size(); ++i) {
    auto& row = cursor->rows[static_cast<size_t>(range.from) + i];
    if (keyset.same_key(row, changed[i])) {
      row = std::move(changed[i]);
    } else {
      cursor->rows.push_back(std::move(changed[i]));  // another row, as a keyset sees it
    }
  }
  call.out.statement_done(DoneCommand::kUpdate, range.count);
}

void delete_rows(ProcedureCall& call, const ServerCursor& cursor, const RowRange& range) {
  as_statement(&call.session, [&] {
    for (int64_t i = range.from; i < range.from + range.count; ++i) {
      cursor.keyset->remove(&call.session, cursor.rows[static_cast<size_t>(i)]);
    }
  });
  call.out.statement_done(DoneCommand::kDelete, range.count);
}

}  // namespace

// sp_cursor @cursor, @optype, @rownum, @table [, @column = value ...]
void change_at_cursor(ProcedureCall& call) {
  ServerCursor& cursor = find_cursor(call)->second;
  const int64_t operation = cursor_argument(call, 1, 0);
  const int64_t number = cursor_argument(call, 2, 0);
  const bool changes =
      (operation & (Operation::kUpdate | Operation::kDelete | Operation::kInsert)) != 0;
  if ((operation & Operation::kLock) != 0) {
    throw not_understood("sp_cursor with optype LOCK");
  }
  if (changes && cursor.is_read_only) {
    throw SqlError(16929, 16, 1, "The cursor is READ ONLY.");
  }
  if (changes) {
    const std::string table = argument_text(call, 3);
    cursor.keyset->check_table(table.empty() ? Name{} : parse_name(table));
  }
  if ((operation & Operation::kInsert) != 0) {
    cursor.rows.push_back(cursor.keyset->insert(&call.session, assignments(call)));
    call.out.statement_done(DoneCommand::kInsert, 1);
    return;
  }
  const RowRange range = rows_of(cursor, number, (operation & Operation::kAbsolute) != 0);
  if ((operation & Operation::kUpdate) != 0) {
    update_rows(call, &cursor, range);
  } else if ((operation & Operation::kDelete) != 0) {
    delete_rows(call, cursor, range);
  } else if ((operation & Operation::kRefresh) != 0) {
    send_cursor_rows(&call.session, &cursor, range.from, range.count);
  } else if ((operation & Operation::kSetPosition) == 0) {
    throw not_understood("sp_cursor with optype " + std::to_string(operation));
  }
  // SETPOSITION alone is for WHERE CURRENT OF, which has to name the row itself here.
}

}  // namespace dstream::standin::sql
