// Commit times of transactions: ranges of cdc.lsn_time_mapping, read once and looked up in order.
#pragma once

#include <cstdint>
#include <vector>

#include "plugins/sqlserver_cdc/change_fetcher.h"

namespace dstream::sqlserver {

class CommitTimes {
 public:
  // Forgets everything: from now on `times` are known for every transaction up to `covered`.
  void reset(std::vector<TransactionTime> times, Lsn covered);
  // True if find(commit) can answer.
  bool covers(Lsn commit) const { return commit <= covered_; }
  // 0 if lsn_time_mapping has no row for the transaction. Calls with ascending LSNs are fast.
  // REQUIRES: covers(commit).
  int64_t find(Lsn commit);
  // The time of the first known transaction at or after `commit`; if there is none, of the last one
  // before it; 0 if none is known.
  int64_t first_from(Lsn commit) const;

 private:
  std::vector<TransactionTime> times_;
  Lsn covered_;
  size_t at_ = 0;  // no transaction before it is asked for again, unless asked out of order
};

}  // namespace dstream::sqlserver
