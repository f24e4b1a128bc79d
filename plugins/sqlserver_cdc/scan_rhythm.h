// Where polls are placed when it is known when the capture job scans: just after a scan.
//
// A change becomes visible when a scan ends. A poll right then delivers it at once, and one at any
// other time finds nothing that the poll before could not have found.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "plugins/sqlserver_cdc/change_fetcher.h"

namespace dstream::sqlserver {

using Millis = std::chrono::milliseconds;

// Times are those of any steady clock.
class ScanRhythm {
 public:
  // What was asked for at `now`. Irregular scans, and too few, are no rhythm.
  void learn(Millis now, const std::vector<ScanEnd>& newest_first);
  // From the end of one scan to that of the next; nothing without a rhythm that is fresh at `now`.
  std::optional<Millis> period(Millis now) const;

  // When to poll instead of at `due`, after a poll that began at `started` and found something or
  // not. Not later than one period after `due`, and earlier only by what later polls have saved:
  // there are never more polls than without.
  Millis place(Millis started, Millis due, bool found);

 private:
  std::optional<Millis> period_;
  Millis last_end_{0};
  Millis guard_{0};  // how much later than expected scans end
  Millis learned_{0};
  Millis saved_{0};
};

}  // namespace dstream::sqlserver
