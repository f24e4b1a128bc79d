// What is asked about the capture job: whether it has passed the time at which a table was copied,
// and how far it is behind the log.
#include <algorithm>

#include "plugins/sqlserver_cdc/change_queries.h"

namespace dstream::sqlserver {

SettleAnswer ChangeQueries::has_settled(const SettleRequest& request) {
  SettleAnswer answer;
  try {
    // The newest scan first: what it captured is visible to the statement after it.
    Statement statement(connection_,
                        "SELECT TOP (1) session_id, empty_scan_count, tran_count,"
                        " CASE WHEN scan_phase = N'Done' THEN 1 ELSE 0 END"
                        " FROM sys.dm_cdc_log_scan_sessions ORDER BY session_id DESC",
                        {}, "Looking at the capture job");
    int64_t done = 0;
    if (statement.next_row()) {
      statement.get_int(1, &answer.session);
      statement.get_int(2, &answer.empty_scans);
      statement.get_int(3, &answer.transactions);
      statement.get_int(4, &done);
    }
    read_to_the_end(statement);
    answer.is_done = done != 0;
  } catch (const SourceError&) {
    if (connection_.dead()) {
      throw;
    }
    answer = {};  // not allowed to see it: time has to tell
  }
  // tran_end_time is rounded to a 300th of a second.
  Statement statement(connection_,
                      "SELECT MIN(start_lsn) FROM cdc.lsn_time_mapping WHERE tran_end_time >"
                      " DATEADD(millisecond, 10, CONVERT(datetime2(7), ?, 121));\n"
                      "SELECT MAX(start_lsn) FROM cdc.lsn_time_mapping;",
                      {BindValue::of(request.time)}, "Looking at the capture job");
  if (statement.next_row()) {
    statement.get_lsn(1, &answer.by_time);
  }
  read_to_the_end(statement);
  if (statement.next_result() && statement.next_row()) {
    statement.get_lsn(1, &answer.max);
  }
  read_to_the_end(statement);
  return answer;
}

ScanAnswer ChangeQueries::scans() {
  ScanAnswer answer;
  try {
    Statement statement(connection_,
                        "SELECT TOP (9) session_id, empty_scan_count, latency, end_time,"
                        " SYSDATETIME()"
                        " FROM sys.dm_cdc_log_scan_sessions"
                        " WHERE session_id > 0 AND scan_phase = N'Done' AND end_time IS NOT NULL"
                        " ORDER BY session_id DESC",
                        {}, "Looking at the scans of the log");
    answer.is_visible = true;
    while (statement.next_row()) {
      int64_t session = 0;
      int64_t empty_scans = 0;
      int64_t latency_s = 0;
      SQL_TIMESTAMP_STRUCT ended{};
      SQL_TIMESTAMP_STRUCT now{};
      statement.get_int(1, &session);
      statement.get_int(2, &empty_scans);
      statement.get_int(3, &latency_s);
      statement.get_timestamp(4, &ended);
      statement.get_timestamp(5, &now);
      const std::chrono::nanoseconds ago(std::max<int64_t>(utc_ns(now) - utc_ns(ended), 0));
      answer.newest.push_back({std::chrono::duration_cast<std::chrono::milliseconds>(ago),
                               std::max<int64_t>(empty_scans, 1)});
      if (answer.newest.size() == 1) {
        answer.session = session;
        answer.empty_scans = empty_scans;
        answer.latency = std::chrono::seconds(std::max<int64_t>(latency_s, 0));
        answer.ended_ago = answer.newest[0].ago;
      }
    }
  } catch (const SourceError& error) {
    if (connection_.dead()) {
      throw;
    }
    answer = {};
    // A time-out or a deadlock says nothing of what the login may see.
    answer.is_visible = error.status == DSTREAM_RETRY;
  }
  return answer;
}

}  // namespace dstream::sqlserver
