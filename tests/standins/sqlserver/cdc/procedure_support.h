// What the procedures, functions and views of Change Data Capture share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/cdc/change_data_capture.h"
#include "tests/standins/sqlserver/protocol/values.h"
#include "tests/standins/sqlserver/sql/engine.h"

namespace dstream::standin::cdc {

// The database's capture. Throws 22901 if it is not enabled.
DatabaseCapture& enabled(ChangeDataCapture* capture, const sql::ProcedureCall& call);
// The same for what takes db_owner. Throws 22904.
DatabaseCapture& owned(ChangeDataCapture* capture, const sql::ProcedureCall& call);
// And 3906 where the database is read-only.
DatabaseCapture& owned_to_change(ChangeDataCapture* capture, const sql::ProcedureCall& call);
// The text of an argument that has to be given, NULL or not. Throws 201.
std::string required(const sql::ProcedureCall& call, size_t index, std::string_view name);
// Whether the session's user may read what the instance captures: SELECT on the source table, and
// the instance's role if it has one.
bool may_read(sql::SqlSession& session, sql::Database& database, const CaptureInstance& instance);

using Rows = std::vector<std::vector<SqlValue>>;
SqlValue number(int64_t value);
SqlValue text(const std::string& value);
SqlValue flag(bool value);
SqlValue optional_text(bool has, const std::string& value);
// In the precision of datetime.
SqlValue date_time(int64_t ticks);

}  // namespace dstream::standin::cdc
