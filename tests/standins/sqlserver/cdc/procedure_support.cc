#include "tests/standins/sqlserver/cdc/procedure_support.h"

#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/temporal.h"

namespace dstream::standin::cdc {

DatabaseCapture& enabled(ChangeDataCapture* capture, const sql::ProcedureCall& call) {
  DatabaseCapture* cdc = capture->find(call.database);
  if (cdc == nullptr) {
    throw sql::SqlError(
        22901, 16, 1,
        "The database '" + call.database.name() +
            "' is not enabled for Change Data Capture. Ensure that the correct database context "
            "is set and retry the operation. To report on the databases enabled for Change Data "
            "Capture, query the is_cdc_enabled column in the sys.databases catalog view.");
  }
  return *cdc;
}

DatabaseCapture& owned(ChangeDataCapture* capture, const sql::ProcedureCall& call) {
  DatabaseCapture& cdc = enabled(capture, call);
  if (!call.session.owns(call.database)) {
    throw sql::SqlError(22904, 16, 1,
                        "Caller is not authorized to initiate the requested action. DBO "
                        "privileges are required.");
  }
  return cdc;
}

DatabaseCapture& owned_to_change(ChangeDataCapture* capture, const sql::ProcedureCall& call) {
  DatabaseCapture& cdc = owned(capture, call);
  call.session.check_writable(call.database);
  return cdc;
}

std::string required(const sql::ProcedureCall& call, size_t index, std::string_view name) {
  if (!call.has(index)) {
    throw sql::missing_parameter(call.name, name);
  }
  return call.text(index);
}

bool may_read(sql::SqlSession& session, sql::Database& database, const CaptureInstance& instance) {
  return session.owns(database) ||
         (session.may(sql::Permission::kSelect, *instance.table()) &&
          (!instance.has_role || session.engine().principals().is_member(
                                     database.name(), session.login().user, instance.role_name)));
}

SqlValue number(int64_t value) { return SqlValue::of_number(value); }
SqlValue text(const std::string& value) { return SqlValue::of_text(value); }
SqlValue flag(bool value) { return SqlValue::of_number(value ? 1 : 0); }
SqlValue optional_text(bool has, const std::string& value) {
  return has ? text(value) : SqlValue{};
}
SqlValue date_time(int64_t ticks) { return number(sql::round_ticks(sql::datetime_type(), ticks)); }

}  // namespace dstream::standin::cdc
