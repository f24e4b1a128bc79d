#include "plugins/sqlserver_cdc/gap.h"

namespace dstream::sqlserver {
namespace {

// Rows below `low` are gone. If lsn_time_mapping still has the position's transaction and the next
// captured one is not below `low`, there was nothing in between to lose: as long as the table was
// captured all the time. What was written while it was not is in no table of CDC.
bool nothing_was_lost(Connection& connection, const CaptureInstance& instance, Lsn commit,
                      Lsn low) {
  Statement statement(connection, gap_statement(),
                      {BindValue::of(instance.object_id), BindValue::of(commit)},
                      "Looking for a gap");
  Lsn first;
  Lsn second = Lsn::max();
  int64_t was_captured = 0;
  if (!statement.next_row() || !statement.get_lsn(1, &first) || first != commit ||
      !statement.get_int(2, &was_captured) || was_captured == 0) {
    return false;
  }
  if (statement.next_row()) {
    statement.get_lsn(1, &second);
  }
  read_to_the_end(statement);
  return second >= low;
}

}  // namespace

std::string find_gap(Connection& connection, const CaptureInstance& instance,
                     const ChangeKey& complete, Lsn low) {
  const Lsn needed = complete.first_needed();
  if (complete.is_beginning() || low <= needed) {
    return {};
  }
  if (complete.is_end_of_transaction() &&
      nothing_was_lost(connection, instance, complete.commit, low)) {
    return {};
  }
  return "Changes of " + instance.description.table.text() + " from commit LSN " + needed.text() +
         " up to " + low.text() +
         " are gone: the CDC cleanup job has removed them before they were read, or the table was "
         "not captured for a while. Raise the retention (sys.sp_cdc_change_job @job_type = "
         "N'cleanup', "
         "@retention = minutes), and read the table anew.";
}

}  // namespace dstream::sqlserver
