// What the log scan did: the rows of sys.dm_cdc_log_scan_sessions and sys.dm_cdc_errors.
//
// Thread rule: [any-thread].
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

namespace dstream::standin::cdc {

// A row of sys.dm_cdc_log_scan_sessions. Scans in a row that found nothing share one row.
struct ScanSession {
  int32_t id = 0;  // 0 is the sum of all
  int64_t start_ticks = 0, end_ticks = 0;
  std::string phase = "Done";      // "Aborted" after an error
  std::string start_lsn, end_lsn;  // empty for an empty scan
  int64_t transactions = 0, log_records = 0, commands = 0, schema_changes = 0;
  std::string last_commit_lsn;
  int64_t last_commit_ticks = 0;
  int64_t latency_s = 0;
  int32_t errors = 0, empty_scans = 0, failed_sessions = 0;
};

// A row of sys.dm_cdc_errors.
struct ScanError {
  int32_t session = 0;
  int64_t ticks = 0;
  int32_t number = 0, severity = 16, state = 1;
  std::string text;
  std::string lsn;  // of the log record that could not be passed
};

class ScanHistory {
 public:
  // Keeps the session under the next id, or joins it to an empty one before it.
  void add(ScanSession session);
  // Of a scan that ended here, with a session of its own.
  void add_failure(ScanSession session, ScanError error);
  void clear();

  // The newest; with the row of id 0 in front once there is one.
  std::vector<ScanSession> sessions() const;
  std::vector<ScanError> errors() const;

 private:
  void keep(ScanSession session);

  mutable std::mutex mutex_;  // guards all below
  std::deque<ScanSession> sessions_;
  std::deque<ScanError> errors_;
  ScanSession total_;
  int32_t last_id_ = 0;
};

}  // namespace dstream::standin::cdc
