// Every state a server can be in, judged: also those that no stand-in can be put into.
#include "plugins/sqlserver_cdc/check_rules.h"
#include "plugins/sqlserver_cdc/check_permissions.h"
#include "plugins/sqlserver_cdc/check_position.h"

#include <gtest/gtest.h>

#include <map>

#include "dstream/ext/draft/testing.hpp"

namespace dstream::sqlserver {
namespace {

using testing::CheckLine;

class CheckRules : public ::testing::Test {
 protected:
  CheckRules()
      : checks_(
            [](void* context, const dstream_check* check) {
              auto& lines = *static_cast<std::map<std::string, CheckLine>*>(context);
              EXPECT_EQ(lines.count(check->id), 0u) << check->id;
              lines[check->id] = {check->result, check->id, check->subject, check->sentence,
                                  check->mend};
            },
            &lines_, Millis(1000), [](const void*) { return false; }, nullptr) {
    job_.transactions_max = 500;
    job_.scans_max = 10;
    job_.polling_interval_s = 5;
    instance_.table = {"dbo", "Orders"};
    instance_.instance = "dbo_Orders";
    instance_.start = Lsn{1, 1};
    instance_.key_columns = 1;
  }
  dstream_check_result result(const std::string& id) {
    EXPECT_EQ(lines_.count(id), 1u) << id;
    return lines_[id].result;
  }
  std::string mend(const std::string& id) { return lines_[id].mend; }
  std::string sentence(const std::string& id) { return lines_[id].sentence; }

  std::map<std::string, CheckLine> lines_;
  Checks checks_;
  JobFacts::Capture job_;
  InstanceFacts instance_;
};

TEST_F(CheckRules, ADatabaseWithoutCdcFails) {
  judge_database({.name = "sh]op"}, false, checks_);
  EXPECT_EQ(result("cdc.enabled"), DSTREAM_CHECK_FAILED);
  EXPECT_EQ(mend("cdc.enabled"), "USE [sh]]op];\nEXEC sys.sp_cdc_enable_db;");
  EXPECT_EQ(result("clock"), DSTREAM_CHECK_OK);
}

TEST_F(CheckRules, ManagingInstancesNeedsAnOwnerThatMayWrite) {
  judge_manage(true, false, checks_);
  EXPECT_EQ(result("cdc.manage"), DSTREAM_CHECK_OK);
  lines_.clear();
  judge_manage(false, false, checks_);
  EXPECT_EQ(result("cdc.manage"), DSTREAM_CHECK_FAILED);
  EXPECT_NE(mend("cdc.manage").find("ALTER ROLE db_owner"), std::string::npos);
  lines_.clear();
  judge_manage(true, true, checks_);
  EXPECT_EQ(result("cdc.manage"), DSTREAM_CHECK_FAILED);
}

TEST_F(CheckRules, IsolationAndReplicaAreSaid) {
  judge_database({.name = "shop", .snapshot_isolation = true, .read_committed_snapshot = true},
                 true, checks_);
  EXPECT_NE(sentence("isolation").find("does not wait"), std::string::npos);
  EXPECT_NE(sentence("isolation").find("snapshot isolation is on"), std::string::npos);
  EXPECT_NE(sentence("replica").find("primary, though"), std::string::npos);
  lines_.clear();
  judge_database({.name = "shop", .read_only = true}, true, checks_);
  EXPECT_NE(sentence("replica").find("secondary"), std::string::npos);
}

TEST_F(CheckRules, PermissionsComeWithTheirGrant) {
  judge_changes_permission("ev]e", false, checks_);
  judge_state_permission("ev]e", false, checks_);
  judge_jobs_permission("ev]e", false, false, checks_);
  judge_table_permission({"dbo", "Orders"}, "ev]e", false, true, checks_);
  EXPECT_EQ(result("permission.changes"), DSTREAM_CHECK_FAILED);
  EXPECT_EQ(mend("permission.changes"), "GRANT SELECT ON SCHEMA::cdc TO [ev]]e];");
  EXPECT_EQ(result("permission.state"), DSTREAM_CHECK_WARNING);
  EXPECT_TRUE(mend("permission.state").starts_with("GRANT VIEW DATABASE STATE TO [ev]]e];"));
  EXPECT_EQ(result("permission.jobs"), DSTREAM_CHECK_WARNING);
  EXPECT_TRUE(mend("permission.jobs").starts_with("USE msdb;\nCREATE USER [ev]]e]"));
  EXPECT_EQ(result("table.permission"), DSTREAM_CHECK_FAILED);
  EXPECT_TRUE(mend("table.permission").starts_with("GRANT SELECT ON [dbo].[Orders] TO [ev]]e];"));
  lines_.clear();
  judge_changes_permission("eve", std::nullopt, checks_);
  judge_state_permission("eve", std::nullopt, checks_);
  judge_jobs_permission("eve", false, true, checks_);
  judge_table_permission({"dbo", "Orders"}, "eve", std::nullopt, false, checks_);
  EXPECT_EQ(result("permission.changes"), DSTREAM_CHECK_SKIPPED);
  EXPECT_EQ(result("permission.state"), DSTREAM_CHECK_SKIPPED);
  EXPECT_EQ(mend("permission.jobs"), "GRANT SELECT ON cdc.cdc_jobs TO [eve];");
  EXPECT_EQ(result("table.permission"), DSTREAM_CHECK_WARNING);
}

TEST_F(CheckRules, AClockThatIsOffIsAWarningInBothDirections) {
  judge_database({.name = "shop", .cdc_enabled = true, .clock_ahead_s = 90}, false, checks_);
  EXPECT_EQ(result("clock"), DSTREAM_CHECK_WARNING);
  EXPECT_NE(sentence("clock").find("90 s ahead of"), std::string::npos);
  lines_.clear();
  judge_database({.name = "shop", .cdc_enabled = true, .clock_ahead_s = -90}, false, checks_);
  EXPECT_NE(sentence("clock").find("90 s behind"), std::string::npos);
  EXPECT_EQ(result("cdc.enabled"), DSTREAM_CHECK_OK);
}

TEST_F(CheckRules, AnAgentThatStandsFails) {
  judge_agent(false, checks_);
  EXPECT_EQ(result("agent"), DSTREAM_CHECK_FAILED);
  EXPECT_NE(mend("agent").find("sqlagent.enabled"), std::string::npos);
  lines_.clear();
  judge_agent(std::nullopt, checks_);
  EXPECT_EQ(result("agent"), DSTREAM_CHECK_SKIPPED);
}

TEST_F(CheckRules, MissingJobsAreMade) {
  judge_jobs({}, false, checks_);
  EXPECT_EQ(result("capture.job"), DSTREAM_CHECK_FAILED);
  EXPECT_EQ(mend("capture.job"), "EXEC sys.sp_cdc_add_job @job_type = N'capture';");
  EXPECT_EQ(result("cdc.retention"), DSTREAM_CHECK_WARNING);
  EXPECT_EQ(mend("cdc.retention"), "EXEC sys.sp_cdc_add_job @job_type = N'cleanup';");
  lines_.clear();
  judge_jobs({.capture = std::nullopt, .retention_min = 4320}, true, checks_);
  EXPECT_EQ(result("capture.job"), DSTREAM_CHECK_OK) << "Azure captures by itself";
}

TEST_F(CheckRules, TheRateOfTheJobIsSaid) {
  judge_jobs({.capture = job_, .retention_min = 4320}, false, checks_);
  EXPECT_EQ(sentence("capture.rate"),
            "It takes at most 5000 transactions at a time: no more than 1000 a second.");
  EXPECT_EQ(sentence("cdc.retention"), "Changes are kept for 3 days.");
  lines_.clear();
  job_.continuous = false;
  job_.polling_interval_s = 0;
  judge_jobs({.capture = job_, .retention_min = 60}, false, checks_);
  EXPECT_EQ(result("capture.job"), DSTREAM_CHECK_WARNING);
  EXPECT_EQ(result("cdc.retention"), DSTREAM_CHECK_WARNING);
  EXPECT_EQ(sentence("capture.rate"), "It takes at most 5000 transactions at a time.");
}

TEST_F(CheckRules, AJobThatStandsLagsOrIsFullIsAWarning) {
  judge_scans(std::nullopt, job_, checks_);
  EXPECT_EQ(result("capture.scans"), DSTREAM_CHECK_WARNING);
  lines_.clear();
  judge_scans(ScanFacts{301, 61, 5000}, job_, checks_);
  for (const char* id : {"capture.scans", "capture.latency", "capture.full"}) {
    EXPECT_EQ(result(id), DSTREAM_CHECK_WARNING) << id;
  }
  EXPECT_NE(mend("capture.full").find("@maxtrans = 5000, @maxscans = 10"), std::string::npos);
  lines_.clear();
  judge_scans(ScanFacts{300, 60, 4999}, job_, checks_);
  for (const char* id : {"capture.scans", "capture.latency", "capture.full"}) {
    EXPECT_EQ(result(id), DSTREAM_CHECK_OK) << id;
  }
  lines_.clear();
  job_.polling_interval_s = 600;
  judge_scans(ScanFacts{900, 0, 0}, job_, checks_);
  EXPECT_EQ(result("capture.scans"), DSTREAM_CHECK_OK) << "it looks every ten minutes";
}

TEST_F(CheckRules, AFailedScanIsAWarningForADay) {
  judge_scan_error(ScanErrorFacts{1105, 30, "No space."}, checks_);
  EXPECT_EQ(result("capture.errors"), DSTREAM_CHECK_WARNING);
  EXPECT_NE(sentence("capture.errors").find("error 1105: No space."), std::string::npos);
  lines_.clear();
  judge_scan_error(ScanErrorFacts{1105, 24 * 60 + 1, "No space."}, checks_);
  EXPECT_EQ(result("capture.errors"), DSTREAM_CHECK_OK);
}

TEST_F(CheckRules, ATableThatIsNotCapturedFails) {
  judge_captured({"dbo", "O'Neill"}, true, "", {}, checks_);
  EXPECT_EQ(mend("table.captured"),
            "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'O''Neill', "
            "@role_name = NULL;");
  lines_.clear();
  judge_captured({"dbo", "Orders"}, false, "", {}, checks_);
  EXPECT_EQ(result("table.captured"), DSTREAM_CHECK_FAILED);
  lines_.clear();
  judge_captured({"dbo", "Orders"}, true, "mine", {}, checks_);
  EXPECT_NE(mend("table.captured").find("@capture_instance = N'mine'"), std::string::npos);
  lines_.clear();
  judge_captured({"dbo", "Orders"}, true, "", {instance_, instance_}, checks_);
  EXPECT_EQ(result("table.captured"), DSTREAM_CHECK_OK);
}

TEST_F(CheckRules, AnInstanceThatIsWhole) {
  instance_.reaches_back_min = 4300;
  judge_instance(instance_, 4320, checks_);
  judge_shape(instance_, true, checks_);
  judge_large_columns(instance_, std::nullopt, "", checks_);
  for (const auto& [id, line] : lines_) {
    EXPECT_EQ(line.result, DSTREAM_CHECK_OK) << id;
    EXPECT_EQ(line.subject, "dbo.Orders");
  }
  EXPECT_NE(sentence("table.reach").find("as far as changes are kept"), std::string::npos);
}

TEST_F(CheckRules, AnInstanceThatLacksSomething) {
  instance_.start = Lsn{};
  instance_.key_columns = 0;
  instance_.uncaptured_columns = {"Added"};
  instance_.gone_columns = {"Dropped"};
  judge_instance(instance_, std::nullopt, checks_);
  judge_shape(instance_, false, checks_);
  for (const char* id : {"table.start", "table.key", "table.columns", "table.shape"}) {
    EXPECT_EQ(result(id), DSTREAM_CHECK_WARNING) << id;
  }
  EXPECT_EQ(sentence("table.columns"), "Not captured: Added. Dropped since: Dropped.");
  EXPECT_NE(mend("table.columns").find("@capture_instance = N'dbo_Orders_2'"), std::string::npos);
}

TEST_F(CheckRules, LargeValuesNeedALargerLimit) {
  instance_.large_columns = {"Note"};
  judge_large_columns(instance_, 65536, "", checks_);
  EXPECT_EQ(result("table.large"), DSTREAM_CHECK_WARNING);
  EXPECT_EQ(mend("table.large"), "EXEC sp_configure 'max text repl size', -1;\nRECONFIGURE;");
  lines_.clear();
  judge_large_columns(instance_, -1, "", checks_);
  EXPECT_EQ(result("table.large"), DSTREAM_CHECK_OK);
  lines_.clear();
  judge_large_columns(instance_, std::nullopt, "Not allowed.", checks_);
  EXPECT_EQ(result("table.large"), DSTREAM_CHECK_SKIPPED);
}

TEST_F(CheckRules, EncryptionAndCertificate) {
  judge_encryption(false, checks_);
  EXPECT_EQ(result("encryption"), DSTREAM_CHECK_WARNING);
  OdbcConnection target;
  target.driver.kind = DriverKind::kFreeTds;
  target.unverified = true;
  judge_certificate(target, checks_);
  EXPECT_EQ(result("encryption.certificate"), DSTREAM_CHECK_WARNING);
  lines_.clear();
  target.unverified = false;
  judge_certificate(target, checks_);
  EXPECT_EQ(result("encryption.certificate"), DSTREAM_CHECK_OK);
  lines_.clear();
  target.driver.kind = DriverKind::kOther;
  judge_certificate(target, checks_);
  EXPECT_EQ(result("encryption.certificate"), DSTREAM_CHECK_SKIPPED);
}

TEST_F(CheckRules, APositionIsHeldAgainstWhatCleanupKeeps) {
  struct Case {
    int64_t age_min;
    std::optional<int64_t> retention_min;
    dstream_check_result result;
    const char* part;
  };
  const Case cases[] = {
      {10, 4320, DSTREAM_CHECK_OK, "another 2 days"},
      {2159, 4320, DSTREAM_CHECK_OK, "35 hours old (dbo.Orders)"},
      {2160, 4320, DSTREAM_CHECK_WARNING, "in 36 hours cleanup may remove"},
      {4320, 4320, DSTREAM_CHECK_WARNING, "the next cleanup removes"},
      {90'000, std::nullopt, DSTREAM_CHECK_OK, "not known"},
  };
  for (const Case& each : cases) {
    lines_.clear();
    TablePositionFacts facts;
    facts.table = {"dbo", "Orders"};
    facts.age_min = each.age_min;
    judge_position(facts, each.retention_min, checks_);
    EXPECT_EQ(result("position"), each.result) << each.age_min;
    EXPECT_NE(sentence("position").find(each.part), std::string::npos) << sentence("position");
  }
  lines_.clear();
  TablePositionFacts oldest;
  oldest.age_min = 90'000'000;
  judge_position(oldest, 4320, checks_);
  EXPECT_NE(mend("position").find("@retention = 52494800;"), std::string::npos)
      << "the server takes no more";
}

TEST_F(CheckRules, ATableSaysWhereItIsAndHowLongThatHolds) {
  TablePositionFacts facts;
  facts.table = {"dbo", "Orders"};
  judge_table_position(facts, 4320, Options(), checks_);
  EXPECT_NE(sentence("table.position").find("rows are copied first"), std::string::npos);
  lines_.clear();
  facts.complete = ChangeKey::end_of(Lsn{7, 1});
  facts.low = Lsn{5, 1};
  judge_table_position(facts, 4320, Options(), checks_);
  EXPECT_EQ(result("table.position"), DSTREAM_CHECK_OK);
  EXPECT_NE(sentence("table.position").find("there from 00000000:00000005:0001 on."),
            std::string::npos)
      << sentence("table.position");
  lines_.clear();
  facts.age_min = 4400;
  judge_table_position(facts, 4320, Options(), checks_);
  EXPECT_NE(sentence("table.position").find("the next cleanup makes a gap"), std::string::npos);
  lines_.clear();
  facts.gap = "Gone.";
  judge_table_position(facts, std::nullopt, Options(), checks_);
  EXPECT_EQ(result("table.position"), DSTREAM_CHECK_FAILED);
  EXPECT_NE(mend("table.position").find("@retention = 4320;"), std::string::npos);
  lines_.clear();
  Options mends;
  mends.copies_gaps = true;
  judge_table_position(facts, 4320, mends, checks_);
  EXPECT_EQ(result("table.position"), DSTREAM_CHECK_WARNING);
}

}  // namespace
}  // namespace dstream::sqlserver
