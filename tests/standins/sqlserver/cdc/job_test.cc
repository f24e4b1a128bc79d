// The capture job, its settings, and scans that fail.
#include <future>
#include <thread>

#include "tests/standins/sqlserver/cdc/cdc_fixture.h"
#include "tests/standins/sqlserver/cdc/lsn.h"

namespace dstream::standin::cdc {
namespace {

class JobTest : public CdcTest {
 protected:
  void SetUp() override {
    CdcTest::SetUp();
    enable("t");
    cdc_ = capture_.find(engine_.main_database());
  }
  std::string newest_session(const std::string& columns) {
    return driver_.value("SELECT TOP 1 " + columns +
                         " FROM sys.dm_cdc_log_scan_sessions ORDER BY session_id DESC");
  }
  DatabaseCapture* cdc_ = nullptr;
};

TEST_F(JobTest, SettingsAreCheckedAndTakenAtTheNextStart) {
  ok("EXEC sys.sp_cdc_change_job N'capture', @maxtrans = 7, @maxscans = 3, @pollinginterval = 60");
  EXPECT_EQ(cdc_->running_job()->transactions_max, 500);
  EXPECT_EQ(driver_.error("EXEC sys.sp_cdc_start_job"), 22022);
  ok("EXEC sys.sp_cdc_stop_job N'capture'");
  EXPECT_FALSE(cdc_->running_job());
  EXPECT_EQ(driver_.error("EXEC sys.sp_cdc_stop_job N'capture'"), 22022);
  ok("EXEC sys.sp_cdc_start_job N'capture'");
  EXPECT_EQ(cdc_->running_job()->transactions_max, 7);
  EXPECT_EQ(cdc_->running_job()->polling_interval_ms, 60'000);
  EXPECT_EQ(driver_.table("SELECT job_type, maxtrans, maxscans, pollinginterval, retention FROM "
                          "msdb.dbo.cdc_jobs"),
            "capture|7|3|60|0\ncleanup|0|0|0|4320\n");
  ok("EXEC sys.sp_cdc_change_job N'cleanup', @retention = 5, @threshold = 9");
  const std::string change = "EXEC sys.sp_cdc_change_job ";
  EXPECT_EQ(driver_.error(change + "N'backup'"), 22992);
  EXPECT_EQ(driver_.error(change + "N'capture', @maxtrans = 0"), 22991);
  EXPECT_EQ(driver_.error(change + "N'capture', @maxscans = 0"), 22970);
  EXPECT_EQ(driver_.error(change + "N'capture', @continuous = 2"), 22998);
  EXPECT_EQ(driver_.error(change + "N'capture', @pollinginterval = 86400"), 22990);
  EXPECT_EQ(driver_.error(change + "N'capture', @retention = 1"), 22995);
  EXPECT_EQ(driver_.error(change + "N'cleanup', @maxtrans = 1"), 22996);
  EXPECT_EQ(driver_.error(change + "N'cleanup', @retention = 0"), 22994);
  ok("EXEC sys.sp_cdc_drop_job N'capture'");
  EXPECT_EQ(driver_.error(change + "N'capture', @maxtrans = 1"), 22997);
  ok("EXEC sys.sp_cdc_add_job N'capture', @maxtrans = 11, @start_job = 0");
  EXPECT_FALSE(cdc_->running_job());
  EXPECT_EQ(driver_.error("EXEC sys.sp_cdc_add_job N'capture'"), 14261);
  EXPECT_EQ(driver_.error("EXEC sys.sp_cdc_scan @maxtrans = 0"), 22991);
  EXPECT_EQ(driver_.error("EXEC sys.sp_cdc_scan @pollinginterval = 5"), 22999);
}

TEST_F(JobTest, AContinuousScanGoesOnUntilTheJobIsStopped) {
  sql::SessionDriver scanner(&engine_);
  const auto scans_in = [&](const std::string& sql) {
    return std::async(std::launch::async, [&scanner, sql] { return scanner.error(sql); });
  };
  auto scanning = scans_in("EXEC sys.sp_cdc_scan @continuous = 1, @pollinginterval = 0");
  while (!cdc_->has_log_reader()) {
    std::this_thread::yield();
  }
  ok("INSERT INTO t (id) VALUES (1)");
  // The scan takes the log first, and writes what it found then.
  while (changes("id").empty()) {
    std::this_thread::yield();
  }
  EXPECT_EQ(changes("id"), "1\n");
  EXPECT_EQ(driver_.error("EXEC sys.sp_cdc_scan"), 22903);
  EXPECT_NE(driver_.error_text().find("session ID " + std::to_string(scanner.session().id()) + " "),
            std::string::npos);
  ok("EXEC sys.sp_cdc_stop_job N'capture'");
  EXPECT_EQ(scanning.get(), 0);
  EXPECT_FALSE(cdc_->has_log_reader());
  ok("INSERT INTO t (id) VALUES (2); EXEC sys.sp_cdc_scan; EXEC sys.sp_cdc_start_job");
  EXPECT_EQ(changes("id"), "1\n2\n");
  EXPECT_EQ(driver_.error("EXEC sys.sp_cdc_scan @continuous = 1, @pollinginterval = 86400"), 22990);
  EXPECT_FALSE(cdc_->has_log_reader()) << "a refused scan reads nothing";
}

TEST_F(JobTest, AContinuousScanEndsWhenItsClientWantsThat) {
  sql::SessionDriver scanner(&engine_);
  sql::RecordingWriter writer;
  std::thread scanning([&] {
    scanner.session().batch("EXEC sys.sp_cdc_scan @continuous = 1, @pollinginterval = 60", writer);
  });
  while (!cdc_->has_log_reader()) {
    std::this_thread::yield();
  }
  writer.is_cancelled = true;
  scanning.join();
  EXPECT_FALSE(cdc_->has_log_reader());
}

TEST_F(JobTest, AScanByHandTakesMaxtransTimesMaxscans) {
  for (int i = 0; i < 9; ++i) {
    ok("INSERT INTO t (id) VALUES (" + std::to_string(i) + ")");
  }
  ok("EXEC sys.sp_cdc_scan @maxtrans = 2, @maxscans = 3");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM cdc.dbo_t_CT"), "6");
}

TEST_F(JobTest, SessionsCountScansAndEmptyOnesShareARow) {
  const int64_t before = std::stoll(newest_session("session_id"));
  ok("INSERT INTO t (id) VALUES (1)");
  ok("INSERT INTO t (id) VALUES (2); UPDATE t SET a = N'x'");
  EXPECT_EQ(capture_.scan_once(), 3);
  EXPECT_EQ(newest_session("scan_phase, tran_count, command_count, empty_scan_count, error_count"),
            "Done|3|4|0|0");
  EXPECT_EQ(newest_session("last_commit_lsn"), lsn_text(cdc_->max_lsn()));
  capture_.scan_once();
  capture_.scan_once();
  EXPECT_EQ(newest_session("session_id, start_lsn, tran_count, empty_scan_count"),
            std::to_string(before + 2) + "|00000000:00000000:0000|0|2");
  // The row of id 0 sums up.
  EXPECT_EQ(driver_.value("SELECT tran_count, empty_scan_count FROM "
                          "sys.dm_cdc_log_scan_sessions WHERE session_id = 0"),
            "3|2");
}

TEST_F(JobTest, AFailedScanLeavesTheLogAndARowInErrors) {
  ok("INSERT INTO t (id) VALUES (1)");
  ok("EXEC dstream.fail_scan 913, N'Could not find database ID 5.', @times = 2");
  EXPECT_EQ(capture_.scan_once(), 0);
  EXPECT_EQ(capture_.scan_once(), 0);
  EXPECT_EQ(newest_session("scan_phase, error_count, failed_sessions_count"), "Aborted|1|1");
  EXPECT_EQ(driver_.value("SELECT COUNT(*), MIN(error_number), MIN(error_message) FROM "
                          "sys.dm_cdc_errors"),
            "2|913|Could not find database ID 5.");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM cdc.dbo_t_CT"), "0");
  EXPECT_EQ(capture_.scan_once(), 1);
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM cdc.dbo_t_CT"), "1");
}

// A smaller type for a column whose captured values do not fit stops capture at that record, with
// what was committed before it captured and nothing lost behind it.
TEST_F(JobTest, ASizeReducingAlterStopsTheScan) {
  ok("INSERT INTO t VALUES (1, N'long enough', 1)");
  ok("DELETE FROM t");
  ok("ALTER TABLE t ALTER COLUMN a nvarchar(3) NULL");
  ok("INSERT INTO t VALUES (2, N'abc', 1)");
  capture_.scan_all();
  EXPECT_EQ(newest_session("scan_phase"), "Aborted");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM sys.dm_cdc_errors WHERE error_number IN (2628, "
                          "8115, 8152)"),
            "1");
  EXPECT_EQ(changes("__$operation, id"), "2|1\n1|1\n");
  // The way out: cleanup takes the rows that do not fit.
  ok("DECLARE @l binary(10) = sys.fn_cdc_increment_lsn(sys.fn_cdc_get_max_lsn()); EXEC "
     "dstream.cleanup_to @l");
  capture_.scan_all();
  EXPECT_EQ(changes("__$operation, id, a"), "2|2|abc\n");
}

TEST_F(JobTest, TheClockIsInTheTestsHand) {
  ok("EXEC dstream.clock_set '2030-01-02T03:04:05'");
  EXPECT_EQ(driver_.value("SELECT CONVERT(varchar(19), SYSDATETIME(), 126)"),
            "2030-01-02T03:04:05");
  ok("INSERT INTO t (id) VALUES (1)");
  ok("EXEC dstream.clock_advance 259200000");  // three days: the default retention
  ok("INSERT INTO t (id) VALUES (2)");
  capture_.scan_all();
  EXPECT_EQ(driver_.table("SELECT CONVERT(varchar(19), tran_end_time, 126) FROM "
                          "cdc.lsn_time_mapping WHERE tran_id <> 0x00 ORDER BY start_lsn"),
            "2030-01-02T03:04:05\n2030-01-05T03:04:05\n");
  ok("EXEC dstream.clock_advance 60000; INSERT INTO t (id) VALUES (3)");
  capture_.scan_all();
  ok("EXEC dstream.cleanup_once");
  EXPECT_EQ(changes("id"), "2\n3\n");
  ok("EXEC dstream.clock_resume");
  EXPECT_EQ(driver_.value("SELECT CONVERT(varchar(10), SYSDATETIME(), 126)"), "2026-11-23");
}

TEST_F(JobTest, AzureKeepsItsJobsInTheDatabase) {
  sql::EngineOptions options;
  options.is_azure = true;
  sql::Engine engine{options};
  ChangeDataCapture capture(&engine, {.interval_ms = 20'000, .starts_job = false});
  sql::SessionDriver driver(&engine);
  ASSERT_EQ(driver.error("CREATE TABLE t (id int PRIMARY KEY); EXEC sys.sp_cdc_enable_db; EXEC "
                         "sys.sp_cdc_enable_table N'dbo', N't', NULL"),
            0);
  EXPECT_EQ(driver.table("SELECT job_type, maxtrans, pollinginterval FROM cdc.cdc_jobs"),
            "capture|500|0\ncleanup|0|0\n");
  EXPECT_EQ(driver.error("SELECT * FROM msdb.dbo.cdc_jobs"), 40515);
  EXPECT_EQ(driver.error("SELECT * FROM sys.dm_server_services"), 208);
  EXPECT_EQ(driver.error("USE master"), 40508);
  EXPECT_EQ(driver.error("USE testdb; SELECT * FROM testdb.sys.tables"), 0);
  EXPECT_EQ(driver.value("SELECT CAST(SERVERPROPERTY('EngineEdition') AS int)"), "5");
  EXPECT_EQ(driver.value("SELECT CAST(SERVERPROPERTY('Edition') AS nvarchar(20))"), "SQL Azure");
  EXPECT_EQ(driver.value("SELECT LEFT(@@VERSION, 19)"), "Microsoft SQL Azure");
  EXPECT_EQ(driver.table("SELECT name FROM sys.databases WHERE name IN ('msdb', 'model')"), "");
  EXPECT_EQ(driver.error("EXEC sys.sp_cdc_start_job"), 40510);
  EXPECT_EQ(driver.error("EXEC sys.sp_cdc_add_job N'capture'"), 40510);
  EXPECT_EQ(driver.error("EXEC sys.sp_cdc_change_job N'capture', @maxtrans = 9, "
                         "@pollinginterval = 1"),
            0);
  EXPECT_EQ(driver.value("SELECT maxtrans, pollinginterval FROM cdc.cdc_jobs WHERE job_type = "
                         "'capture'"),
            "9|0");
}

}  // namespace
}  // namespace dstream::standin::cdc
