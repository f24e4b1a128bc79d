// What has to hold after any fault, judged the same way in every test: nothing lost, order per key,
// no more duplicates than were under way, memory in budget, and what happened is in a metric and,
// once, in the log (I3, I5, I6).
#pragma once

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "sink_driver.h"
#include "stream_check.h"

namespace eventhubs {

struct Aftermath {
  int count = 0;  // of SinkDriver::add_numbered()
  int keys = 0;
  double in_flight_bytes_max = 0;  // as configured
  // A counter that has to have moved, and a piece of the one line of the log that tells of it;
  // empty where the sink returns an error instead, for nothing is both returned and logged.
  std::string metric = {};
  std::string logged = {};
  int warnings_max = 1;  // in all
};

// The lines of the log with this in them, of at least this level.
inline size_t times_logged(const SinkDriver& driver, const std::string& text,
                           int level_min = DSTREAM_LOG_INFO) {
  std::istringstream log(driver.host().logged());
  size_t times = 0;
  for (std::string line; std::getline(log, line);) {
    times += std::atoi(line.c_str()) >= level_min && line.find(text) != std::string::npos ? 1 : 0;
  }
  return times;
}

inline void judge(SinkDriver& driver, const std::vector<dstream::standin::KafkaRecord>& records,
                  const Aftermath& expected) {
  EXPECT_EQ(driver.breach(), "");
  EXPECT_EQ(driver.unsettled(), 0u);
  const StreamCheck check = check_stream(records, expected.count, expected.keys);
  EXPECT_EQ(check.problem, "");
  EXPECT_LE(check.duplicates, driver.window() * static_cast<size_t>(driver.rewinds()));
  EXPECT_LE(driver.host().peak("in_flight_bytes"), expected.in_flight_bytes_max) << "(I6)";
  if (!expected.metric.empty()) {
    EXPECT_GE(driver.host().metric(expected.metric), 1) << expected.metric;
  }
  if (!expected.logged.empty()) {
    EXPECT_EQ(times_logged(driver, expected.logged), 1u) << driver.host().logged();
  }
  // Nothing else was worth a warning.
  EXPECT_LE(times_logged(driver, "", DSTREAM_LOG_WARN), static_cast<size_t>(expected.warnings_max))
      << driver.host().logged();
}

}  // namespace eventhubs
