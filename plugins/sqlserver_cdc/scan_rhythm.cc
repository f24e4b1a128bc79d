#include "plugins/sqlserver_cdc/scan_rhythm.h"

#include <algorithm>

namespace dstream::sqlserver {
namespace {

constexpr size_t kGapsMin = 3;
// The server keeps times to 1/300 s, and what a scan wrote is visible a moment after its end.
constexpr Millis kGuardMin{30};
constexpr Millis kAgeMax{120'000};
constexpr Millis kPeriodMin{100};
constexpr Millis kSavedMax{60'000};

}  // namespace

void ScanRhythm::learn(Millis now, const std::vector<ScanEnd>& newest_first) {
  period_.reset();
  std::vector<Millis> gaps;
  for (size_t i = 0; i + 1 < newest_first.size(); ++i) {
    // Empty scans in a row share an entry, which ends with the last of them.
    const auto scans = std::max<int64_t>(newest_first[i].scans, 1);
    gaps.push_back((newest_first[i + 1].ago - newest_first[i].ago) / scans);
  }
  if (gaps.size() < kGapsMin) {
    return;
  }
  std::sort(gaps.begin(), gaps.end());
  const Millis median = gaps[gaps.size() / 2];
  // All but one, which a long transaction or a pause of the job explains.
  const Millis late = gaps[gaps.size() - 2] - median;
  const Millis early = median - gaps[1];
  if (median < kPeriodMin || late > median / 4 || early > median / 4) {
    return;
  }
  period_ = median;
  guard_ = kGuardMin + late;
  last_end_ = now - newest_first[0].ago;
  learned_ = now;
}

std::optional<Millis> ScanRhythm::period(Millis now) const {
  return period_ && now - learned_ <= kAgeMax ? period_ : std::nullopt;
}

Millis ScanRhythm::place(Millis started, Millis due, bool found) {
  const std::optional<Millis> known = period(started);
  const Millis gap = due - started;
  if (!known || *known < gap / 4) {
    return due;  // scans come so often that any time is just after one
  }
  if (!found && gap < *known / 2) {
    return due;  // the scan that was expected is late
  }
  const Millis wanted = std::max(due - saved_, started + gap / 2);
  const Millis first = last_end_ + guard_;
  const auto behind = std::max<Millis::rep>((wanted - first + *known - Millis(1)) / *known, 0);
  const Millis placed = first + behind * *known;
  saved_ = std::clamp(saved_ + (placed - due), Millis(0), kSavedMax);
  return placed;
}

}  // namespace dstream::sqlserver
