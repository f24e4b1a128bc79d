// What the source says of its lags, against the stand-in, whose clock and capture job are the
// test's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "dstream/ext/draft/testing.hpp"
#include "plugins/sqlserver_cdc/change_queries.h"
#include "plugins/sqlserver_cdc/scan_rhythm.h"
#include "plugins/sqlserver_cdc/test_database.h"

namespace dstream::sqlserver {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kRoundingMs = 4;  // of the server's datetime

class LagSourceTest : public SourceFixture {
 public:
  void SetUp() override {
    if (is_real()) {
      GTEST_SKIP() << "needs the stand-in's clock";
    }
    SourceFixture::SetUp();
    create_table("CREATE TABLE dbo.Cars (ID int NOT NULL PRIMARY KEY, Model nvarchar(40) NULL)",
                 "Cars");
  }
  void insert(int id) { run("INSERT INTO dbo.Cars VALUES (" + std::to_string(id) + ", N'VW')"); }
  std::string status() { return testing_sdk::status_json(source()); }
  // A number of the status, -1 if it is not there.
  int64_t said(const std::string& name) {
    const std::string text = status();
    const std::string key = '"' + name + "\":";
    const size_t at = text.find(key);
    return at == std::string::npos ? -1 : std::stoll(text.substr(at + key.size()));
  }
};

TEST_F(LagSourceTest, TheSourceIsLateUntilEverythingCapturedWasGivenOut) {
  for (int id = 1; id <= 3; ++id) {
    insert(id);
  }
  wait_captured("dbo_Cars", 3);
  advance_clock(std::chrono::hours(1));
  open({"dbo.Cars"});
  EXPECT_THAT(status(), Not(HasSubstr("\"lag_ms\""))) << "nothing is known yet";
  read(1);
  EXPECT_GE(said("lag_ms"), kHourMs - kRoundingMs);
  EXPECT_LT(said("lag_ms"), kHourMs + 60'000);
  EXPECT_GE(host().metric("lag"), 3599);
  read(2);
  read_some();
  EXPECT_EQ(said("lag_ms"), 0) << status();
  EXPECT_EQ(host().metric("lag"), 0);
}

TEST_F(LagSourceTest, ACaptureJobThatStandsStillIsLate) {
  insert(1);
  wait_captured("dbo_Cars", 1);
  run("EXEC dstream.capture_pause");
  insert(2);
  advance_clock(std::chrono::hours(1));
  open({"dbo.Cars"});
  read(1);
  read_some();
  EXPECT_GE(said("capture_lag_ms"), kHourMs - kRoundingMs);
  EXPECT_THAT(status(), HasSubstr("\"capture_lag_is_bound\":true"));
  EXPECT_GE(host().metric("capture_lag"), 3599);
  EXPECT_EQ(host().metric("capture_lag_is_bound"), 1);
  EXPECT_EQ(said("lag_ms"), 0) << "what was captured is given out: " << status();
}

TEST_F(LagSourceTest, ACaptureJobThatScansIsAsLateAsItsLastScan) {
  run("EXEC dstream.capture_pause");
  insert(1);
  advance_clock(std::chrono::hours(1));
  run("EXEC dstream.capture_scan_once");
  open({"dbo.Cars"});
  read(1);
  EXPECT_GE(said("capture_lag_ms"), kHourMs - 1000);
  EXPECT_THAT(status(), HasSubstr("\"capture_lag_is_bound\":false"));
  // Another scan finds nothing more: that is no lag, however old the newest entry is.
  run("EXEC dstream.capture_scan_once");
  reopen("");
  read(1);
  EXPECT_EQ(said("capture_lag_ms"), 0) << status();
  EXPECT_EQ(host().metric("capture_lag"), 0);
}

TEST_F(LagSourceTest, WhoMayNotSeeScansReadsOnAndHearsABound) {
  insert(1);
  wait_captured("dbo_Cars", 1);
  run("EXEC dstream.capture_pause");
  advance_clock(std::chrono::minutes(4));
  standin::Fault denied;
  denied.action = standin::FaultAction::kError;
  denied.statement_contains = "empty_scan_count, latency";
  denied.times = 0;
  denied.message.number = 300;
  denied.message.severity = 14;
  denied.message.text = "VIEW DATABASE STATE permission was denied in database 'testdb'.";
  const auto id = faults().add(denied);
  open({"dbo.Cars"});
  read(1);
  for (int i = 0; i < 5; ++i) {
    read_some();
  }
  EXPECT_EQ(faults().fired(id), 1u) << "it is not asked for in vain again";
  EXPECT_GE(said("capture_lag_ms"), 240'000 - kRoundingMs);
  EXPECT_LT(said("capture_lag_ms"), 300'000);
  EXPECT_THAT(status(), HasSubstr("\"capture_lag_is_bound\":true"));
}

TEST_F(LagSourceTest, CopiedRowsAreCounted) {
  for (int id = 1; id <= 7; ++id) {
    insert(id);
  }
  wait_captured("dbo_Cars", 7);
  open({"dbo.Cars"}, R"("snapshot":"initial","page_rows":3)");
  read(7);
  read_some();
  EXPECT_EQ(host().metric("snapshot_rows"), 7);
  EXPECT_GE(host().metric("snapshot_chunks"), 3);
}

TEST_F(LagSourceTest, EndsOfScansCountTheEmptyOnes) {
  run("EXEC dstream.capture_pause");
  for (int id = 1; id <= 12; ++id) {
    advance_clock(std::chrono::seconds(5));
    if (id != 6 && id != 7) {
      insert(id);
    }
    run("EXEC dstream.capture_scan_once");
  }
  advance_clock(std::chrono::seconds(2));
  Connection connection(make_connection(url(), installed_drivers()), std::chrono::seconds(15),
                        std::chrono::seconds(60));
  const Catalog catalog;
  ChangeQueries queries(connection, catalog, {}, std::make_shared<SlabPool>(1 << 20), 1 << 20);
  const auto answer = std::get<ScanAnswer>(queries.run(ScanRequest{}));
  ASSERT_EQ(answer.newest.size(), 9u);
  EXPECT_EQ(answer.newest[0].ago, answer.ended_ago);
  EXPECT_GE(answer.ended_ago, Millis(2'000 - kRoundingMs));
  ScanRhythm rhythm;
  rhythm.learn(Millis(100'000), answer.newest);
  ASSERT_TRUE(rhythm.period(Millis(100'000)).has_value());
  EXPECT_NEAR(static_cast<double>(rhythm.period(Millis(100'000))->count()), 5'000, 500);
  EXPECT_EQ(std::count_if(answer.newest.begin(), answer.newest.end(),
                          [](const ScanEnd& end) { return end.scans == 2; }),
            1);
}

}  // namespace
}  // namespace dstream::sqlserver
