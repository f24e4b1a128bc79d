#include "plugins/sqlserver_cdc/scan_rhythm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <random>

#include "plugins/sqlserver_cdc/poll_schedule.h"

namespace dstream::sqlserver {
namespace {

// A capture job and a writer, at a millisecond's resolution.
struct World {
  uint64_t seed = 1;
  Millis period{5000};
  Millis later_period{0};  // from the middle on, if it is not zero
  Millis jitter{0};
  unsigned missed_percent = 0;
  Millis write_every{700};  // mean pause between commits
  bool sees_scans = true;
};

struct Outcome {
  double delay_ms = 0;  // mean, from the end of the scan that found a change to the poll
  size_t polls = 0;
};

constexpr Millis kEnd{3'600'000};

struct Scan {
  Millis end;
  bool found;
};

std::vector<Scan> make_scans(const World& world) {
  std::mt19937 random(world.seed);
  std::vector<Scan> scans;
  Millis write{static_cast<int64_t>(random() % 1000)};
  Millis at{static_cast<int64_t>(random() % 5000)};
  while (at < kEnd) {
    const bool late = at > kEnd / 2 && world.later_period != Millis(0);
    const Millis jitter{world.jitter == Millis(0)
                            ? 0
                            : static_cast<int64_t>(random()) % (world.jitter.count() + 1)};
    if (random() % 100 >= world.missed_percent) {
      const Millis end = at + jitter;
      scans.push_back({end, write <= end});
      while (write <= end) {
        write += Millis(1 + static_cast<int64_t>(random()) % (2 * world.write_every.count()));
      }
    }
    at += late ? world.later_period : world.period;
  }
  return scans;
}

// As the server shows them at `now`: empty scans in a row are one entry.
std::vector<ScanEnd> shown(const std::vector<Scan>& scans, Millis now) {
  std::vector<ScanEnd> out;
  auto at = std::upper_bound(scans.begin(), scans.end(), now,
                             [](Millis time, const Scan& scan) { return time < scan.end; });
  bool empty = false;
  while (at != scans.begin() && out.size() <= 8) {
    --at;
    if (empty && !at->found) {
      ++out.back().scans;
    } else {
      out.push_back({now - at->end, 1});
    }
    empty = !at->found;
  }
  if (out.size() > 8) {
    out.pop_back();
  }
  return out;
}

Outcome simulate(const World& world, bool adaptive) {
  const std::vector<Scan> scans = make_scans(world);
  PollSchedule schedule(Millis(1000), Millis(5000));
  ScanRhythm rhythm;
  Outcome out;
  size_t next = 0;
  size_t captured = 0;
  Millis asked{-10'000};
  for (Millis now(0); now < kEnd;) {
    ++out.polls;
    if (adaptive && world.sees_scans && now - asked >= Millis(10'000)) {
      asked = now;
      rhythm.learn(now, shown(scans, now));
    }
    bool found = false;
    for (; next < scans.size() && scans[next].end <= now; ++next) {
      if (scans[next].found) {
        found = true;
        out.delay_ms += static_cast<double>((now - scans[next].end).count());
        ++captured;
      }
    }
    if (found) {
      schedule.changed(now);
    } else {
      schedule.idle(now);
    }
    now = adaptive ? rhythm.place(now, schedule.due(), found) : schedule.due();
  }
  out.delay_ms /= static_cast<double>(std::max<size_t>(captured, 1));
  return out;
}

// The mean delay as a share of what the plain interval has; polls are never more.
double share(World world, const char* name) {
  double plain_ms = 0;
  double adaptive_ms = 0;
  size_t plain_polls = 0;
  size_t adaptive_polls = 0;
  for (world.seed = 1; world.seed <= 10; ++world.seed) {
    const Outcome plain = simulate(world, false);
    const Outcome adaptive = simulate(world, true);
    EXPECT_LE(adaptive.polls, plain.polls) << name << ", seed " << world.seed;
    plain_ms += plain.delay_ms / 10;
    adaptive_ms += adaptive.delay_ms / 10;
    plain_polls += plain.polls / 10;
    adaptive_polls += adaptive.polls / 10;
  }
  std::cout << name << ": interval " << plain_ms << " ms, " << plain_polls << " polls/h; adaptive "
            << adaptive_ms << " ms, " << adaptive_polls << " polls/h\n";
  return adaptive_ms / plain_ms;
}

TEST(ScanRhythm, ASteadyJobIsPolledJustAfterItsScans) {
  World world;
  EXPECT_LT(share(world, "steady"), 0.1);
  world.period = Millis(5060);
  EXPECT_LT(share(world, "drifting"), 0.1);
  world.write_every = Millis(20'000);
  EXPECT_LT(share(world, "quiet"), 0.3);
}

TEST(ScanRhythm, JitterAndMissedScansCostALittle) {
  World world;
  world.jitter = Millis(300);
  EXPECT_LT(share(world, "jitter of 300 ms"), 0.5);
  world.jitter = Millis(50);
  world.missed_percent = 5;
  EXPECT_LT(share(world, "5 % missed"), 0.5);
}

TEST(ScanRhythm, AChangedIntervalIsLearned) {
  World world;
  world.later_period = Millis(3000);
  EXPECT_LT(share(world, "5 s, then 3 s"), 0.3);
  world.later_period = Millis(20'000);
  EXPECT_LT(share(world, "5 s, then 20 s"), 0.3);
}

TEST(ScanRhythm, WithoutARhythmPollsAreThoseOfTheInterval) {
  World world;
  world.sees_scans = false;
  EXPECT_EQ(share(world, "unseen"), 1.0);
  world.sees_scans = true;
  world.jitter = Millis(4900);
  EXPECT_LT(share(world, "no rhythm"), 1.05);
}

}  // namespace
}  // namespace dstream::sqlserver
