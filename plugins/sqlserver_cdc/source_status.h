// What the source says of itself while it works, and what it is asked for meanwhile: the border
// between read() and threads of the host that ask.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugins/sqlserver_cdc/copies.h"
#include "plugins/sqlserver_cdc/identifiers.h"
#include "plugins/sqlserver_cdc/lags.h"

namespace dstream::sqlserver {

// [any-thread]
class SourceStatus {
 public:
  using Clock = std::chrono::steady_clock;

  // Which tables there are, once they are known.
  void set_tables(std::vector<TableName> tables);
  // A copy of `table` is asked for. False if it is asked for or under way already.
  // Throws SourceError: RETRY before tables are known, CONFIG for one that is not read.
  bool request_copy(std::string_view table);
  // What was asked for since the last call.
  std::vector<TableName> take_requests();
  // Older capture instances, with their tables, that are not needed any more.
  void set_superseded(std::vector<std::pair<TableName, std::string>> instances);
  void publish(const Lags& lags);
  void publish(std::vector<TableProgress> copies, Clock::time_point now);

  // {"lag_ms":n,"capture_lag_ms":n,"capture_lag_is_bound":b,"superseded_instances":[...],
  // "snapshots":[...],"snapshots_waiting":n}, at most `bytes_max` long: what is not known is left
  // out, waiting tables are counted, and finished ones left out if there are too many.
  std::string json(size_t bytes_max, Clock::time_point now) const;

 private:
  struct Started {
    Clock::time_point at;
    uint64_t rows = 0;
  };

  mutable std::mutex mutex_;  // guards everything below
  std::vector<TableName> tables_;
  std::vector<std::pair<TableName, std::string>> superseded_;
  std::vector<TableName> requests_;
  std::vector<TableProgress> copies_;
  std::map<TableName, Started> started_;
  Lags lags_;
  Clock::time_point now_{};
};

}  // namespace dstream::sqlserver
