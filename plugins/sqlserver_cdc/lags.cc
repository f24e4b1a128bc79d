#include "plugins/sqlserver_cdc/lags.h"

#include <algorithm>

namespace dstream::sqlserver {
namespace {

// A look is late when it takes longer than a slow answer of the server.
constexpr Millis kLookLate{2'000};
// Azure's capture job scans every 20 s, any other one every 5 s unless told otherwise.
constexpr Millis kScanPauseMax{30'000};
// What was seen of the scans longer ago than this says nothing of now.
constexpr Millis kScanAgeMax{120'000};

Millis millis(int64_t ns) {
  return std::chrono::duration_cast<Millis>(std::chrono::nanoseconds(ns));
}

}  // namespace

void Lags::probed(Millis now, int64_t server_ns, int64_t newest_ns) {
  probed_ = now;
  server_ns_ = server_ns;
  newest_ns_ = newest_ns;
}

void Lags::next_look(Millis due, Millis last) {
  due_ = due;
  last_look_ = last;
}

void Lags::scanned(Millis now, const ScanAnswer& answer) {
  scans_asked_ = now;
  if (!answer.is_visible) {
    asks_for_scans_ = false;
    scan_.reset();
    return;
  }
  if (answer.session == 0) {
    return;  // none yet; and a secondary replica never has one
  }
  Scan scan{now, now - answer.ended_ago, answer.ended_ago <= kScanPauseMax, answer};
  const bool went_on = scan_ && (scan_->answer.session != answer.session ||
                                 scan_->answer.empty_scans != answer.empty_scans);
  if (scan_) {
    scan.ended = std::max(scan.ended, scan_->ended);
  }
  if (went_on) {
    scan.is_running = true;
    scan.ended = std::max(scan.ended, scan_->at);
  }
  scan_ = scan;
}

std::optional<Lag> Lags::of_source(Millis now) const {
  if (!probed_ || last_look_ == kNever) {
    return std::nullopt;
  }
  Lag lag;
  if (oldest_ns_ != 0) {
    lag.value = millis(server_ns_ - oldest_ns_) + (now - *probed_);
  }
  if (now - kLookLate > due_ && now - last_look_ > lag.value) {
    lag = {now - last_look_, true};
  }
  lag.value = std::max(lag.value, Millis(0));
  return lag;
}

std::optional<Lag> Lags::of_capture(Millis now) const {
  if (scan_) {
    const Millis latency = scan_->answer.latency;
    if (scan_->is_running && now - scan_->at <= kScanAgeMax) {
      return Lag{latency, false};
    }
    return Lag{latency + (now - scan_->ended), true};
  }
  if (!probed_ || newest_ns_ == 0) {
    return std::nullopt;
  }
  return Lag{std::max(millis(server_ns_ - newest_ns_) + (now - *probed_), Millis(0)), true};
}

}  // namespace dstream::sqlserver
