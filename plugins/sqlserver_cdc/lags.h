// How late changes are, in two parts: until SQL Server has captured them, and from there until the
// source has given them out.
//
// Times are those of one steady clock; server times are ns since 1970 by the server's own clock, so
// that a difference between its clock and ours is no lag. Copyable and small: what a read() found
// is published as it is, and grows older wherever it is asked.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "plugins/sqlserver_cdc/change_fetcher.h"

namespace dstream::sqlserver {

using Millis = std::chrono::milliseconds;

struct Lag {
  Millis value{0};
  bool is_bound = false;  // it may be less
};

class Lags {
 public:
  // How often the scans of the log are worth a question.
  static constexpr Millis kScanInterval{10'000};

  // A probe that was sent at `now`: the server's clock, and the newest entry of
  // cdc.lsn_time_mapping, 0 if there is none.
  void probed(Millis now, int64_t server_ns, int64_t newest_ns);
  // The oldest captured commit of which something was not given out; 0: everything was.
  void left(int64_t oldest_ns) { oldest_ns_ = oldest_ns; }
  // Of the look that is due first: when it is, and when the one before it was. kNever for that if
  // there was none.
  void next_look(Millis due, Millis last);
  static constexpr Millis kNever{-1};
  // What the scans of the log were when they were asked for, at `now`.
  void scanned(Millis now, const ScanAnswer& answer);
  bool wants_scans(Millis now) const {
    return asks_for_scans_ && (!scans_asked_ || now - *scans_asked_ >= kScanInterval);
  }

  // How far the source is behind the capture job. A look that is overdue leaves the time since the
  // one before it as the bound. Nothing until every table was looked at.
  std::optional<Lag> of_source(Millis now) const;
  // How far the capture job is behind the log. Nothing if the server has not said anything yet.
  std::optional<Lag> of_capture(Millis now) const;

 private:
  struct Scan {
    Millis at{0};             // when it was asked for
    Millis ended{0};          // when the newest scan that is known has ended
    bool is_running = false;  // as of `at`: the job scans every now and then
    ScanAnswer answer;        // with a session
  };

  std::optional<Millis> probed_;
  int64_t server_ns_ = 0;
  int64_t newest_ns_ = 0;
  int64_t oldest_ns_ = 0;
  Millis due_{0};
  Millis last_look_{kNever};
  bool asks_for_scans_ = true;
  std::optional<Millis> scans_asked_;
  std::optional<Scan> scan_;
};

}  // namespace dstream::sqlserver
