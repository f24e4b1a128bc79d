#include "tests/standins/sqlserver/cdc/scan_history.h"

#include <algorithm>

namespace dstream::standin::cdc {
namespace {

constexpr size_t kSessionsMax = 100;
constexpr size_t kErrorsMax = 32;

bool is_empty(const ScanSession& session) {
  return session.start_lsn.empty() && session.errors == 0;
}

}  // namespace

void ScanHistory::keep(ScanSession session) {
  total_.start_ticks = total_.start_ticks == 0 ? session.start_ticks : total_.start_ticks;
  total_.end_ticks = session.end_ticks;
  total_.phase = session.phase;
  total_.start_lsn = total_.start_lsn.empty() ? session.start_lsn : total_.start_lsn;
  total_.end_lsn = session.end_lsn.empty() ? total_.end_lsn : session.end_lsn;
  total_.transactions += session.transactions;
  total_.log_records += session.log_records;
  total_.commands += session.commands;
  total_.schema_changes += session.schema_changes;
  total_.empty_scans += session.empty_scans;
  total_.errors += session.errors;
  total_.failed_sessions += session.failed_sessions;
  if (session.last_commit_ticks != 0) {
    total_.last_commit_lsn = session.last_commit_lsn;
    total_.last_commit_ticks = session.last_commit_ticks;
  }
  total_.latency_s = session.latency_s;
  if (is_empty(session) && !sessions_.empty() && is_empty(sessions_.back())) {
    sessions_.back().end_ticks = session.end_ticks;
    ++sessions_.back().empty_scans;
    return;
  }
  session.id = ++last_id_;
  sessions_.push_back(std::move(session));
  if (sessions_.size() > kSessionsMax) {
    sessions_.pop_front();
  }
}

void ScanHistory::add(ScanSession session) {
  const std::lock_guard lock(mutex_);
  session.empty_scans = is_empty(session) ? 1 : 0;
  keep(std::move(session));
}

void ScanHistory::add_failure(ScanSession session, ScanError error) {
  const std::lock_guard lock(mutex_);
  session.phase = "Aborted";
  session.errors = 1;
  session.failed_sessions = 1;
  keep(std::move(session));
  error.session = last_id_;
  errors_.push_back(std::move(error));
  if (errors_.size() > kErrorsMax) {
    errors_.pop_front();
  }
}

void ScanHistory::clear() {
  const std::lock_guard lock(mutex_);
  sessions_.clear();
  errors_.clear();
  total_ = {};
  last_id_ = 0;
}

std::vector<ScanSession> ScanHistory::sessions() const {
  const std::lock_guard lock(mutex_);
  std::vector<ScanSession> result(sessions_.begin(), sessions_.end());
  if (!result.empty()) {
    result.insert(result.begin(), total_);
  }
  return result;
}

std::vector<ScanError> ScanHistory::errors() const {
  const std::lock_guard lock(mutex_);
  return {errors_.begin(), errors_.end()};
}

}  // namespace dstream::standin::cdc
