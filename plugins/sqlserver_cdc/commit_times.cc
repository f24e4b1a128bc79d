#include "plugins/sqlserver_cdc/commit_times.h"

#include <algorithm>

namespace dstream::sqlserver {

void CommitTimes::reset(std::vector<TransactionTime> times, Lsn covered) {
  times_ = std::move(times);
  covered_ = covered;
  at_ = 0;
}

int64_t CommitTimes::find(Lsn commit) {
  if (at_ >= times_.size() || times_[at_].commit > commit) {
    at_ = 0;
  }
  // Usually the transaction is the next one; otherwise a search from here.
  if (at_ < times_.size() && times_[at_].commit < commit) {
    const auto after = [](const TransactionTime& time, Lsn lsn) { return time.commit < lsn; };
    const auto next = times_.begin() + static_cast<std::ptrdiff_t>(at_) + 1;
    const auto found = next != times_.end() && next->commit >= commit
                           ? next
                           : std::lower_bound(next, times_.end(), commit, after);
    at_ = static_cast<size_t>(found - times_.begin());
  }
  return at_ < times_.size() && times_[at_].commit == commit ? times_[at_].time_ns : 0;
}

int64_t CommitTimes::first_from(Lsn commit) const {
  if (times_.empty()) {
    return 0;
  }
  const auto at =
      std::lower_bound(times_.begin(), times_.end(), commit,
                       [](const TransactionTime& time, Lsn lsn) { return time.commit < lsn; });
  return at == times_.end() ? times_.back().time_ns : at->time_ns;
}

}  // namespace dstream::sqlserver
