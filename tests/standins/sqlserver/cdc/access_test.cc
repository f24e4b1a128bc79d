// Who may read changes, and what a tracked table refuses.
#include "tests/standins/sqlserver/cdc/cdc_fixture.h"

namespace dstream::standin::cdc {
namespace {

class AccessTest : public CdcTest {
 protected:
  void SetUp() override {
    CdcTest::SetUp();
    enable("t", ", @capture_instance = N'open'");
    ok("EXEC sys.sp_cdc_enable_table N'dbo', N't', @role_name = N'readers', @capture_instance = "
       "N'gated'");
    ok("INSERT INTO t VALUES (1, N'x', 1)");
    capture_.scan_all();
    ok("CREATE LOGIN eve WITH PASSWORD = 'Secret-2', CHECK_POLICY = OFF; CREATE USER eve FOR LOGIN "
       "eve");
    LoginRequest login;
    login.user = "eve";
    login.password = "Secret-2";
    ServerMessage refusal;
    eve_ = engine_.login(login, &refusal);
    ASSERT_NE(eve_, nullptr) << refusal.text;
  }
  // What eve gets: the first error's number, or the number of rows.
  std::string eve(const std::string& sql) {
    sql::RecordingWriter writer;
    eve_->batch(sql, writer);
    for (const ServerMessage& message : writer.messages) {
      if (message.severity > 10) {
        error_text_ = message.text;
        return "Msg " + std::to_string(message.number);
      }
    }
    return writer.results.empty() ? "done" : std::to_string(writer.results.back().rows.size());
  }
  std::string changes_of(const std::string& instance) {
    return eve("SELECT * FROM cdc.fn_cdc_get_all_changes_" + instance +
               "(sys.fn_cdc_get_max_lsn(), sys.fn_cdc_get_max_lsn(), "
               "N'all')");
  }
  std::string min_lsn_of(const std::string& instance) {
    return eve("IF sys.fn_cdc_get_min_lsn(N'" + instance +
               "') = 0x00000000000000000000 SELECT 1 WHERE 1 = 0 ELSE SELECT 1");
  }

  std::unique_ptr<Session> eve_;
  std::string error_text_;
};

TEST_F(AccessTest, NothingIsReadWithoutAGrant) {
  EXPECT_EQ(eve("SELECT * FROM t"), "Msg 229");
  EXPECT_EQ(error_text_,
            "The SELECT permission was denied on the object 't', database 'testdb', schema 'dbo'.");
  EXPECT_EQ(eve("SELECT * FROM cdc.open_CT"), "Msg 229");
  EXPECT_EQ(eve("SELECT COUNT(*) FROM cdc.change_tables"), "Msg 229");
  EXPECT_EQ(eve("EXEC sys.sp_cdc_help_change_data_capture"), "0");
  EXPECT_EQ(eve("EXEC sys.sp_cdc_help_jobs"), "Msg 22904");
  EXPECT_EQ(eve("EXEC sys.sp_cdc_get_captured_columns N'open'"), "Msg 22981");
  EXPECT_EQ(eve("EXEC sys.sp_cdc_disable_table N'dbo', N't', N'all'"), "Msg 22904");
  EXPECT_EQ(eve("EXEC sys.sp_cdc_disable_db"), "Msg 22902");
  EXPECT_EQ(eve("EXEC sp_addrolemember N'db_owner', N'eve'"), "Msg 15247");
  EXPECT_EQ(min_lsn_of("open"), "0");
  EXPECT_EQ(eve("SELECT name, is_cdc_enabled FROM sys.databases WHERE name = db_name()"), "1");
}

TEST_F(AccessTest, TheRoleGatesItsInstanceAlone) {
  ok("GRANT SELECT ON dbo.t TO eve; GRANT SELECT ON OBJECT::cdc.change_tables TO eve");
  EXPECT_EQ(eve("SELECT * FROM t"), "1");
  EXPECT_EQ(min_lsn_of("open"), "1");
  EXPECT_EQ(min_lsn_of("gated"), "0");
  EXPECT_EQ(changes_of("open"), "1");
  EXPECT_EQ(changes_of("gated"), "Msg 229");
  EXPECT_EQ(error_text_,
            "The SELECT permission was denied on the object 'fn_cdc_get_all_changes_gated', "
            "database 'testdb', schema 'cdc'.");
  EXPECT_EQ(eve("EXEC sys.sp_cdc_help_change_data_capture"), "1");
  EXPECT_EQ(eve("SELECT * FROM cdc.gated_CT"), "Msg 229");
  ok("ALTER ROLE readers ADD MEMBER eve");
  EXPECT_EQ(min_lsn_of("gated"), "1");
  EXPECT_EQ(changes_of("gated"), "1");
  EXPECT_EQ(eve("EXEC sys.sp_cdc_help_change_data_capture"), "2");
  // The role is for the functions. Change tables themselves take a grant.
  EXPECT_EQ(eve("SELECT * FROM cdc.gated_CT"), "Msg 229");
  ok("GRANT SELECT ON SCHEMA::cdc TO readers");
  EXPECT_EQ(eve("SELECT * FROM cdc.gated_CT"), "1");
  ok("REVOKE SELECT ON SCHEMA::cdc FROM readers; ALTER ROLE readers DROP MEMBER eve");
  EXPECT_EQ(eve("SELECT * FROM cdc.gated_CT"), "Msg 229");
  ok("ALTER ROLE db_owner ADD MEMBER eve");
  EXPECT_EQ(eve("SELECT * FROM cdc.gated_CT"), "1");
  EXPECT_EQ(eve("EXEC sys.sp_cdc_help_jobs"), "2");
}

TEST_F(AccessTest, ADenialOnTheTableClosesItsChanges) {
  ok("ALTER ROLE db_datareader ADD MEMBER eve");
  EXPECT_EQ(changes_of("open"), "1");
  EXPECT_EQ(eve("SELECT * FROM cdc.open_CT"), "1");
  ok("DENY SELECT ON dbo.t TO eve");
  EXPECT_EQ(changes_of("open"), "Msg 229");
  EXPECT_EQ(min_lsn_of("open"), "0");
  EXPECT_EQ(eve("SELECT * FROM cdc.open_CT"), "1");  // a table of its own
  ok("DENY SELECT ON SCHEMA::cdc TO public");
  EXPECT_EQ(eve("SELECT * FROM cdc.open_CT"), "Msg 229");
  EXPECT_EQ(driver_.error("GRANT SELECT ON cdc.fn_cdc_get_all_changes_open TO eve"), 40510);
}

TEST_F(AccessTest, JobsAndScansTakeGrantsOfTheirOwn) {
  const std::string jobs = "SELECT * FROM msdb.dbo.cdc_jobs";
  const std::string scans = "SELECT session_id FROM sys.dm_cdc_log_scan_sessions WHERE 1 = 0";
  const std::string errors = "SELECT * FROM sys.dm_cdc_errors WHERE 1 = 0";
  ok("ALTER ROLE db_datareader ADD MEMBER eve");
  EXPECT_EQ(eve(jobs), "Msg 229");
  EXPECT_EQ(error_text_,
            "The SELECT permission was denied on the object 'cdc_jobs', database 'msdb', schema "
            "'dbo'.");
  EXPECT_EQ(eve(scans), "Msg 262");
  EXPECT_EQ(error_text_, "VIEW DATABASE PERFORMANCE STATE permission denied in database 'testdb'.");
  EXPECT_EQ(eve(errors), "Msg 262");
  ok("GRANT VIEW DATABASE PERFORMANCE STATE TO eve");
  EXPECT_EQ(eve(scans), "0");
  ok("REVOKE VIEW DATABASE PERFORMANCE STATE FROM eve; GRANT VIEW DATABASE STATE TO eve");
  EXPECT_EQ(eve(errors), "0");
  EXPECT_EQ(eve("USE master; " + scans), "Msg 262");  // of this database alone
  EXPECT_EQ(eve("USE testdb"), "done");
  ok("ALTER ROLE db_owner ADD MEMBER eve");
  EXPECT_EQ(eve(jobs), "Msg 229");  // another database's
  ok("USE msdb; GRANT SELECT ON dbo.cdc_jobs TO eve; USE testdb");
  EXPECT_EQ(eve(jobs), "2");
  EXPECT_EQ(eve("EXEC sys.sp_cdc_help_jobs"), "2");
}

TEST_F(AccessTest, WhatTakesMoreThanReading) {
  ok("GRANT SELECT TO eve");
  EXPECT_EQ(eve("INSERT INTO t VALUES (2, N'y', 2)"), "Msg 229");
  EXPECT_EQ(eve("DELETE FROM cdc.open_CT"), "Msg 259");
  EXPECT_EQ(eve("EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL"), "Msg 22904");
  EXPECT_EQ(eve("EXEC sys.sp_cdc_change_job @job_type = N'cleanup', @retention = 1"), "Msg 22904");
  EXPECT_EQ(eve("EXEC sys.sp_configure N'max text repl size', 1"), "Msg 15247");
  EXPECT_EQ(eve("EXEC dstream.capture_scan_all"), "Msg 229");
  EXPECT_EQ(error_text_,
            "The EXECUTE permission was denied on the object 'capture_scan_all', database "
            "'testdb', schema 'dstream'.");
  ok("GRANT EXECUTE ON dstream.capture_scan_all TO eve");
  EXPECT_EQ(eve("EXEC dstream.capture_scan_all"), "1");
  // A database's owner has what is the database's, not what is the server's.
  ok("ALTER ROLE db_owner ADD MEMBER eve");
  EXPECT_EQ(eve("EXEC sys.sp_cdc_disable_table N'dbo', N't', N'open'"), "done");
  EXPECT_EQ(eve("EXEC sys.sp_cdc_disable_db"), "Msg 22902");
}

TEST_F(AccessTest, ATrackedTableKeepsItsIndexAndColumnNames) {
  ok("CREATE TABLE k (id int NOT NULL CONSTRAINT pk_k PRIMARY KEY NONCLUSTERED, u int NOT NULL, v "
     "int)");
  ok("CREATE UNIQUE INDEX by_u ON k (u)");
  enable("k", ", @index_name = N'by_u', @captured_column_list = N'[id], \"u\"'");
  EXPECT_EQ(driver_.error("DROP INDEX by_u ON k"), 22983);
  EXPECT_EQ(driver_.error("ALTER TABLE k DROP CONSTRAINT pk_k"), 22979);
  EXPECT_EQ(driver_.error("EXEC sp_rename N'dbo.t.a', N'z', N'COLUMN'"), 4928);
  ok("EXEC sp_rename N'dbo.k.v', N'w', N'COLUMN'");  // not captured
}

TEST_F(AccessTest, EnablingChecksWhatItIsGiven) {
  ok("CREATE TABLE k (id int PRIMARY KEY, u int, [a b] int, __$start_lsn int)");
  ok("CREATE INDEX by_u ON k (u)");
  const std::string enable_k = "EXEC sys.sp_cdc_enable_table N'dbo', N'k', ";
  EXPECT_EQ(driver_.error(enable_k + "N''"), 22907);
  EXPECT_EQ(driver_.error(enable_k + "NULL"), 22975);
  EXPECT_EQ(driver_.error(enable_k + "NULL, @captured_column_list = N'id, none'"), 22942);
  EXPECT_EQ(driver_.error(enable_k + "NULL, @captured_column_list = N'id u'"), 22942);
  EXPECT_EQ(driver_.error(enable_k + "NULL, @captured_column_list = N'id, [a b'"), 22965);
  EXPECT_EQ(driver_.error(enable_k + "NULL, @captured_column_list = N'u'"), 22943);
  EXPECT_EQ(driver_.error(enable_k + "NULL, @index_name = N'none'"), 22928);
  EXPECT_EQ(driver_.error(enable_k + "NULL, @index_name = N'by_u'"), 22929);
  EXPECT_EQ(driver_.error(enable_k + "NULL, @capture_instance = N'" + std::string(101, 'x') + "'"),
            22927);
  EXPECT_EQ(driver_.error("EXEC sys.sp_cdc_enable_table N'cdc', N'open_CT', NULL"), 22974);
  ok(enable_k + "NULL, @captured_column_list = N'[a b], id'");
  // In the table's order, whatever the list's.
  EXPECT_EQ(driver_.table("SELECT column_name FROM cdc.captured_columns WHERE object_id = "
                          "OBJECT_ID('cdc.dbo_k_CT') ORDER BY column_ordinal"),
            "id\na b\n");
  EXPECT_EQ(driver_.error("EXEC sys.sp_cdc_help_change_data_capture N'dbo'"), 22972);
  ok("CREATE TABLE plain (id int)");
  EXPECT_EQ(driver_.error("EXEC sys.sp_cdc_help_change_data_capture N'dbo', N'plain'"), 22985);
  EXPECT_EQ(driver_.error("USE master; EXEC sys.sp_cdc_enable_db"), 22989);
}

}  // namespace
}  // namespace dstream::standin::cdc
