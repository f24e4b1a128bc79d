#include "sink_status.h"

#include <gtest/gtest.h>

namespace eventhubs {
namespace {

constexpr int64_t kMs = 1'000'000;

TEST(SinkStatus, BeginsWithNothing) {
  EXPECT_EQ(SinkStatus().json(7 * kMs), R"({"partition_changes":[],"throttled":{"total_ms":0}})");
}

TEST(SinkStatus, SaysWhichTopicGrewAndWhetherItIsUsed) {
  SinkStatus status;
  status.found_partitions("orders", 2, 5, 10 * kMs);
  EXPECT_EQ(status.json(11 * kMs),
            R"({"partition_changes":[{"topic":"orders","from":2,"to":5,"state":"draining",)"
            R"("ago_ms":1}],"throttled":{"total_ms":0}})");
  status.uses_partitions();
  EXPECT_NE(status.json(30 * kMs).find(R"("state":"used","ago_ms":20})"), std::string::npos);
}

TEST(SinkStatus, KeepsTheNewestChanges) {
  SinkStatus status;
  for (size_t i = 0; i < SinkStatus::kChangesMax + 3; ++i) {
    status.found_partitions("t" + std::to_string(i) + "-", 1, 2, 0);
  }
  EXPECT_EQ(status.json(0).find("t2-"), std::string::npos);
  EXPECT_NE(status.json(0).find("t3-"), std::string::npos);
  EXPECT_NE(status.json(0).find("t18-"), std::string::npos);
}

TEST(SinkStatus, SaysWhenItWasThrottled) {
  SinkStatus status;
  status.throttled(30, 100 * kMs);
  status.throttled(12, 200 * kMs);
  status.throttled_percent(34);
  EXPECT_EQ(status.json(250 * kMs),
            R"({"partition_changes":[],"throttled":{"total_ms":42,"percent_of_last_minute":34,)"
            R"("ago_ms":50}})");
}

}  // namespace
}  // namespace eventhubs
