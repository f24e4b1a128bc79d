// The source's checks, through its C table, against a server put into the states they look for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "dstream/ext/draft/testing.hpp"
#include "plugins/sqlserver_cdc/test_database.h"

namespace dstream::sqlserver {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing_sdk::CheckLine;

class ChecksTest : public SourceFixture {
 protected:
  void SetUp() override {
    SourceFixture::SetUp();
    create_table("CREATE TABLE dbo.Cars (ID int NOT NULL PRIMARY KEY, Model nvarchar(40) NULL)",
                 "Cars");
    run("INSERT INTO dbo.Cars VALUES (1, N'VW')");
    wait_captured("dbo_Cars", 1);
  }

  std::map<std::string, CheckLine> look(const std::string& table = "dbo.Cars",
                                        const std::string& connection = "") {
    const std::string where = connection.empty() ? url() : connection;
    testing_sdk::FakeHost host(R"({"connection":")" + where + R"(","tables":[")" + table +
                               R"("],"login_timeout":"2s")" + options_ + "}");
    testing_sdk::SourceDriver source(
        *testing_sdk::find_connector(dstream_plugin_v1, "sqlserver-cdc"), host);
    if (stopped_) {
      source.request_stop();
    }
    std::map<std::string, CheckLine> out;
    for (const CheckLine& line : testing_sdk::run_checks(source, Millis(30'000), position_)) {
      EXPECT_THAT(line.sentence + line.mend, Not(HasSubstr("Secret-"))) << "(I11)";
      out[line.id] = line;
    }
    return out;
  }
  // What a pipeline would have stored that has delivered everything so far.
  std::string position_now() {
    open({"dbo.Cars"}, R"("snapshot":"never")");
    const std::string position = read(1).back().position;
    source().close();
    return position;
  }

  bool stopped_ = false;
  std::string position_;
  std::string options_;
};

TEST_F(ChecksTest, AServerThatIsReady) {
  auto found = look();
  for (const char* id :
       {"connect",         "replica",         "isolation",          "clock",
        "cdc.enabled",     "agent",           "capture.job",        "capture.rate",
        "cdc.retention",   "capture.scans",   "capture.latency",    "capture.full",
        "capture.errors",  "table.captured",  "table.start",        "table.reach",
        "table.key",       "table.columns",   "table.net",          "table.shape",
        "table.large",     "catalog",         "permission.changes", "permission.state",
        "permission.jobs", "table.permission"}) {
    EXPECT_EQ(found[id].result, DSTREAM_CHECK_OK) << id << ": " << found[id].sentence;
  }
  EXPECT_EQ(found["table.captured"].subject, "dbo.Cars");
  EXPECT_EQ(found["catalog"].sentence, "The source can start with 1 table.");
}

TEST_F(ChecksTest, AConnectionThatIsNotEncryptedIsAWarning) {
  if (is_real()) {
    GTEST_SKIP() << "how that server is reached is its owner's affair";
  }
  EXPECT_EQ(look()["encryption"].result, DSTREAM_CHECK_WARNING);
}

TEST_F(ChecksTest, WithoutCdcTheRestIsSkipped) {
  disable_cdc();
  auto found = look();
  EXPECT_EQ(found["cdc.enabled"].result, DSTREAM_CHECK_FAILED);
  EXPECT_THAT(found["cdc.enabled"].mend, HasSubstr("EXEC sys.sp_cdc_enable_db;"));
  EXPECT_EQ(found["tables"].result, DSTREAM_CHECK_SKIPPED);
  EXPECT_EQ(found.count("table.captured"), 0u);
}

TEST_F(ChecksTest, ATableThatIsNotThereOrNotCaptured) {
  EXPECT_THAT(look("dbo.Nothing")["table.captured"].sentence, HasSubstr("no such table"));
  run("CREATE TABLE dbo.Quiet (ID int NOT NULL PRIMARY KEY)");
  auto found = look("dbo.Quiet");
  EXPECT_EQ(found["table.captured"].result, DSTREAM_CHECK_FAILED);
  EXPECT_EQ(found["table.captured"].mend,
            "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'Quiet', "
            "@role_name = NULL;");
  EXPECT_EQ(found["catalog"].result, DSTREAM_CHECK_FAILED);
  run(found["table.captured"].mend);
  EXPECT_EQ(look("dbo.Quiet")["table.captured"].result, DSTREAM_CHECK_OK) << "it mends";
}

TEST_F(ChecksTest, JobsThatAreMissingOrShort) {
  run("EXEC sys.sp_cdc_change_job @job_type = N'cleanup', @retention = 60");
  auto short_lived = look();
  EXPECT_EQ(short_lived["cdc.retention"].result, DSTREAM_CHECK_WARNING);
  run(short_lived["cdc.retention"].mend);
  EXPECT_EQ(look()["cdc.retention"].result, DSTREAM_CHECK_OK) << "it mends";
  run("EXEC sys.sp_cdc_drop_job N'cleanup'; EXEC sys.sp_cdc_drop_job N'capture'");
  auto missing = look();
  EXPECT_EQ(missing["capture.job"].result, DSTREAM_CHECK_FAILED);
  EXPECT_EQ(missing["cdc.retention"].result, DSTREAM_CHECK_WARNING);
  run(missing["capture.job"].mend + missing["cdc.retention"].mend);
  auto mended = look();
  EXPECT_EQ(mended["capture.job"].result, DSTREAM_CHECK_OK);
  EXPECT_EQ(mended["cdc.retention"].result, DSTREAM_CHECK_OK);
}

TEST_F(ChecksTest, ACaptureJobThatStandsAndAClockThatIsOff) {
  if (is_real()) {
    GTEST_SKIP() << "needs the stand-in's clock";
  }
  run("EXEC dstream.capture_pause");
  advance_clock(std::chrono::hours(1));
  auto found = look();
  EXPECT_EQ(found["capture.scans"].result, DSTREAM_CHECK_WARNING)
      << found["capture.scans"].sentence;
  EXPECT_THAT(found["capture.scans"].mend, HasSubstr("sp_cdc_start_job"));
  EXPECT_EQ(found["clock"].result, DSTREAM_CHECK_WARNING);
  EXPECT_THAT(found["clock"].sentence, HasSubstr("ahead of"));
}

TEST_F(ChecksTest, AScanThatFailed) {
  if (is_real()) {
    GTEST_SKIP() << "needs the stand-in's faults";
  }
  run("EXEC dstream.capture_pause");
  run("EXEC dstream.fail_scan 1105, N'The disk is full.', 1");
  run("INSERT INTO dbo.Cars VALUES (2, N'BMW')");
  run("EXEC dstream.capture_scan_once");
  auto found = look();
  EXPECT_EQ(found["capture.errors"].result, DSTREAM_CHECK_WARNING);
  EXPECT_THAT(found["capture.errors"].sentence, HasSubstr("error 1105: The disk is full."));
}

TEST_F(ChecksTest, ATableWithoutAKeyAndOneThatHasGrown) {
  create_table("CREATE TABLE dbo.Log (Line nvarchar(100) NULL, Note nvarchar(max) NULL)", "Log");
  wait_captured("dbo_Log", 0);
  run("ALTER TABLE dbo.Log ADD Added int NULL");
  auto found = look("dbo.Log");
  EXPECT_EQ(found["table.key"].result, DSTREAM_CHECK_WARNING);
  EXPECT_EQ(found["table.columns"].result, DSTREAM_CHECK_WARNING);
  EXPECT_THAT(found["table.columns"].sentence, HasSubstr("Not captured: Added."));
  EXPECT_THAT(found["table.columns"].mend, HasSubstr("@capture_instance = N'dbo_Log_2'"));
  EXPECT_NE(found["table.large"].result, DSTREAM_CHECK_FAILED);
  EXPECT_THAT(found["table.large"].sentence, HasSubstr("Note"));
  EXPECT_EQ(found["catalog"].result, DSTREAM_CHECK_OK) << found["catalog"].sentence;
}

TEST_F(ChecksTest, ALoginThatMaySeeLittle) {
  if (is_real()) {
    GTEST_SKIP() << "makes logins";
  }
  run("CREATE LOGIN eve WITH PASSWORD = 'Secret-2', CHECK_POLICY = OFF; "
      "CREATE USER eve FOR LOGIN eve");
  auto found = look("dbo.Cars", url("eve", "Secret-2"));
  EXPECT_EQ(found["connect"].result, DSTREAM_CHECK_OK);
  EXPECT_EQ(found["table.captured"].result, DSTREAM_CHECK_SKIPPED);
  EXPECT_EQ(found["catalog"].result, DSTREAM_CHECK_FAILED);
  EXPECT_THAT(found["catalog"].mend, HasSubstr("GRANT SELECT ON SCHEMA::cdc"));
}

// Each GRANT that is printed mends what it was printed for.
TEST_F(ChecksTest, PermissionsThatAreMissingAreNamedWithTheirGrant) {
  if (is_real()) {
    GTEST_SKIP() << "makes logins";
  }
  run("CREATE LOGIN eve WITH PASSWORD = 'Secret-2', CHECK_POLICY = OFF; "
      "CREATE USER eve FOR LOGIN eve");
  const auto mend = [&](const std::string& id, dstream_check_result expected) {
    const CheckLine line = look("dbo.Cars", url("eve", "Secret-2"))[id];
    EXPECT_EQ(line.result, expected) << id << ": " << line.sentence;
    run(line.mend.substr(0, line.mend.find("\n--")));
    const CheckLine now = look("dbo.Cars", url("eve", "Secret-2"))[id];
    EXPECT_EQ(now.result, DSTREAM_CHECK_OK) << id << ": " << now.sentence;
  };
  mend("permission.changes", DSTREAM_CHECK_FAILED);
  mend("permission.state", DSTREAM_CHECK_WARNING);
  run("REVOKE VIEW DATABASE STATE FROM eve; GRANT VIEW DATABASE PERFORMANCE STATE TO eve");
  EXPECT_EQ(look("dbo.Cars", url("eve", "Secret-2"))["permission.state"].result, DSTREAM_CHECK_OK);
  EXPECT_EQ(look("dbo.Cars", url("eve", "Secret-2"))["permission.jobs"].result,
            DSTREAM_CHECK_WARNING);
  mend("table.permission", DSTREAM_CHECK_FAILED);
  auto found = look("dbo.Cars", url("eve", "Secret-2"));
  EXPECT_EQ(found["catalog"].result, DSTREAM_CHECK_OK) << found["catalog"].sentence;
}

TEST_F(ChecksTest, ALoginThatIsRefusedAndAServerThatIsNotThere) {
  if (is_real()) {
    GTEST_SKIP() << "makes logins fail";
  }
  auto refused = look("dbo.Cars", url("sa", "Secret-3"));
  EXPECT_EQ(refused["connect"].result, DSTREAM_CHECK_FAILED);
  EXPECT_THAT(refused["connect"].mend, HasSubstr("Correct user, password"));
  EXPECT_EQ(refused.size(), 1u);
  auto nobody = look("dbo.Cars", "sqlserver://sa:Secret-1@127.0.0.1:1?database=testdb&encrypt=no");
  EXPECT_EQ(nobody["connect"].result, DSTREAM_CHECK_FAILED);
  EXPECT_THAT(nobody["connect"].mend, HasSubstr("host and port"));
}

TEST_F(ChecksTest, APipelineWithoutAPositionHasNoneToLose) {
  auto found = look();
  EXPECT_EQ(found["position"].result, DSTREAM_CHECK_OK);
  EXPECT_EQ(found["position"].sentence, "Nothing is stored yet.");
  EXPECT_EQ(found.count("table.position"), 0u);
}

TEST_F(ChecksTest, AFreshPositionMayStandStillForTheRetention) {
  position_ = position_now();
  auto found = look();
  EXPECT_EQ(found["position"].result, DSTREAM_CHECK_OK) << found["position"].sentence;
  EXPECT_THAT(found["position"].sentence, HasSubstr("changes are kept for 3 days"));
  EXPECT_EQ(found["table.position"].result, DSTREAM_CHECK_OK);
  EXPECT_EQ(found["table.position"].subject, "dbo.Cars");
  EXPECT_THAT(found["table.position"].sentence, HasSubstr("a gap cannot come before"));
}

TEST_F(ChecksTest, APositionThatCleanupComesNearToIsAWarningThatItsTextMends) {
  if (is_real()) {
    GTEST_SKIP() << "needs the stand-in's clock";
  }
  position_ = position_now();
  advance_clock(std::chrono::hours(60));
  auto found = look();
  EXPECT_EQ(found["position"].result, DSTREAM_CHECK_WARNING) << found["position"].sentence;
  EXPECT_THAT(found["position"].sentence, HasSubstr("2 days old (dbo.Cars)"));
  EXPECT_THAT(found["position"].sentence, HasSubstr("cleanup may remove what it needs"));
  run(found["position"].mend);
  auto mended = look();
  EXPECT_EQ(mended["position"].result, DSTREAM_CHECK_OK) << mended["position"].sentence;
  advance_clock(std::chrono::hours(24 * 6));
  auto overdue = look();
  EXPECT_EQ(overdue["position"].result, DSTREAM_CHECK_WARNING);
  EXPECT_THAT(overdue["position"].sentence, HasSubstr("the next cleanup removes"));
}

TEST_F(ChecksTest, AGapBehindThePositionIsSeenBeforeThePipelineStarts) {
  position_ = position_now();
  run("INSERT INTO dbo.Cars VALUES (2, N'BMW')");
  run("INSERT INTO dbo.Cars VALUES (3, N'Audi')");
  wait_captured("dbo_Cars", 3);
  EXPECT_EQ(look()["table.position"].result, DSTREAM_CHECK_OK);
  clean_up("dbo_Cars");
  auto found = look();
  EXPECT_EQ(found["table.position"].result, DSTREAM_CHECK_FAILED);
  EXPECT_THAT(found["table.position"].sentence, HasSubstr("are gone"));
  EXPECT_THAT(found["table.position"].mend, HasSubstr("on_data_loss: resnapshot"));
  EXPECT_THAT(found["table.position"].mend, HasSubstr("@retention = 8640;"));
  options_ = R"(,"snapshot":"when_gap")";
  auto copied = look();
  EXPECT_EQ(copied["table.position"].result, DSTREAM_CHECK_WARNING);
  EXPECT_THAT(copied["table.position"].sentence, HasSubstr("copied again"));
}

TEST_F(ChecksTest, APositionThatCannotBeReadOrIsOfAnotherDatabaseFails) {
  position_ = "nonsense";
  EXPECT_EQ(look()["position"].result, DSTREAM_CHECK_FAILED);
  position_ = R"({"v":1,"lsn":"ffff0000:00000001:0001","time":946684800000,"tables":["dbo.Cars"]})";
  auto found = look();
  EXPECT_EQ(found["table.position"].result, DSTREAM_CHECK_FAILED);
  EXPECT_THAT(found["table.position"].sentence, HasSubstr("of another history"));
}

TEST_F(ChecksTest, AStopLeavesTheRest) {
  stopped_ = true;
  auto found = look();
  EXPECT_EQ(found["agent"].result, DSTREAM_CHECK_SKIPPED);
  EXPECT_THAT(found["catalog"].sentence, HasSubstr("no time left"));
}

}  // namespace
}  // namespace dstream::sqlserver
