// The whole stand-in through FreeTDS: what a connector does from login to change rows.
#include "tests/standins/sqlserver/program/stand_in.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/standins/sqlserver/protocol/odbc_client.h"

// Apart from the rest: see stand_in.cc.
#include "tests/standins/sqlserver/protocol/server.h"

#include "tests/standins/sqlserver/cdc/change_data_capture.h"

namespace dstream::standin {
namespace {

class StandInTest : public testing::Test {
 protected:
  StandIn stand_in_{[] {
    StandInOptions options;
    options.database = "shop";
    options.starts_capture_job = false;
    return options;
  }()};
  OdbcClient client_;

  void SetUp() override {
    std::string error;
    ASSERT_TRUE(stand_in_.start(&error)) << error;
    ASSERT_TRUE(connect(&client_)) << client_.diagnostics_text();
  }

  bool connect(OdbcClient* client, const std::string& password = "Secret-1",
               const std::string& database = "shop") {
    return client->connect("Server=127.0.0.1;Port=" + std::to_string(stand_in_.port()) +
                           ";UID=sa;PWD=" + password +
                           ";TDS_Version=7.4;ClientCharset=UTF-8;Database=" + database);
  }

  void ok(const std::string& sql) {
    ASSERT_TRUE(client_.execute(sql)) << sql << ": " << client_.diagnostics_text();
    while (client_.more_results()) {
    }
    client_.close_cursor();
  }

  std::string table(const std::string& sql) {
    EXPECT_TRUE(client_.execute(sql)) << sql << ": " << client_.diagnostics_text();
    std::string text;
    for (const auto& row : client_.fetch_all().rows) {
      for (size_t i = 0; i < row.size(); ++i) {
        text += (i == 0 ? "" : "|") + row[i].value_or("NULL");
      }
      text += "\n";
    }
    client_.close_cursor();
    return text;
  }

  void make_tables() {
    ok("CREATE TABLE dbo.Persons (ID int PRIMARY KEY, Name nvarchar(50), Balance decimal(18,4), "
       "Active bit, UpdatedAt datetime2(7), Born date, Tag uniqueidentifier)");
    ok("EXEC sys.sp_cdc_enable_db");
    ok("EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'Persons', "
       "@role_name "
       "= NULL");
    stand_in_.capture().scan_all();
  }
};

TEST_F(StandInTest, ConnectionsAndRequestsCanBeAskedFor) {
  EXPECT_EQ(table("SELECT encrypt_option, net_transport, client_net_address, auth_scheme "
                  "FROM sys.dm_exec_connections WHERE session_id = @@SPID"),
            "FALSE|TCP|127.0.0.1|SQL\n");
  const std::string counts = table("EXEC dstream.request_counts");
  EXPECT_NE(counts.find("logins|1\n"), std::string::npos) << counts;
  EXPECT_NE(counts.find("server_cursors|0\n"), std::string::npos) << counts;
  const std::string log = table("EXEC dstream.request_log");
  EXPECT_NE(log.find("|EXEC dstream.request_counts\n"), std::string::npos) << log;
}

TEST_F(StandInTest, LoginsAreCheckedWithSqlServersNumbers) {
  OdbcClient other;
  EXPECT_FALSE(connect(&other, "wrong"));
  EXPECT_TRUE(other.has_diagnostic(18456)) << other.diagnostics_text();
  EXPECT_FALSE(connect(&other, "Secret-1", "nowhere"));
  EXPECT_TRUE(other.has_diagnostic(4060)) << other.diagnostics_text();
  EXPECT_TRUE(connect(&other)) << other.diagnostics_text();
}

TEST_F(StandInTest, ChangesComeOutAsTheyWentIn) {
  make_tables();
  ok("INSERT INTO dbo.Persons VALUES (1, N'\xC5\x81ukasz', -12.3456, 1, "
     "'2026-11-23T12:34:56.1234567', '1999-12-31', '6F9619FF-8B86-D011-B42D-00C04FC964FF'), (2, "
     "NULL, NULL, NULL, NULL, NULL, NULL)");
  ok("UPDATE dbo.Persons SET Balance = Balance * 2 WHERE ID = 1; DELETE FROM dbo.Persons WHERE ID "
     "= "
     "2");
  stand_in_.capture().scan_all();
  EXPECT_EQ(table("SELECT [__$operation], [__$command_id], ID, Name, Balance, Active, UpdatedAt, "
                  "Born, Tag FROM cdc.[dbo_Persons_CT] ORDER BY [__$start_lsn], [__$command_id], "
                  "[__$seqval], [__$operation]"),
            "2|1|1|\xC5\x81ukasz|-12.3456|1|2026-11-23 12:34:56.1234567|1999-12-31|"
            "6F9619FF-8B86-D011-B42D-00C04FC964FF\n"
            "2|1|2|NULL|NULL|NULL|NULL|NULL|NULL\n"
            "3|1|1|\xC5\x81ukasz|-12.3456|1|2026-11-23 12:34:56.1234567|1999-12-31|"
            "6F9619FF-8B86-D011-B42D-00C04FC964FF\n"
            "4|1|1|\xC5\x81ukasz|-24.6912|1|2026-11-23 12:34:56.1234567|1999-12-31|"
            "6F9619FF-8B86-D011-B42D-00C04FC964FF\n"
            "1|1|2|NULL|NULL|NULL|NULL|NULL|NULL\n");
}

TEST_F(StandInTest, OneBatchProbesBoundsOfManyTables) {
  make_tables();
  ok("INSERT INTO dbo.Persons (ID) VALUES (1)");
  stand_in_.capture().scan_all();
  ASSERT_TRUE(client_.execute(
      "SELECT MAX(start_lsn) FROM cdc.lsn_time_mapping;"
      "SELECT 0 AS idx, MAX([__$start_lsn]) AS lsn FROM [cdc].[dbo_Persons_CT] UNION ALL SELECT 1, "
      "MAX([__$start_lsn]) FROM [cdc].[dbo_Persons_CT] WHERE 1 = 0;"
      "SELECT capture_instance, start_lsn FROM cdc.change_tables;"
      "SELECT MAX(ddl_lsn) FROM cdc.ddl_history"))
      << client_.diagnostics_text();
  const OdbcResult bound = client_.fetch_all();
  ASSERT_TRUE(client_.more_results());
  const OdbcResult tables = client_.fetch_all();
  ASSERT_EQ(tables.rows.size(), 2U);
  EXPECT_EQ(tables.rows[0][1], bound.rows[0][0]);
  EXPECT_EQ(tables.rows[1][1], std::nullopt);
  ASSERT_TRUE(client_.more_results());
  EXPECT_EQ(client_.fetch_all().rows[0][0], "dbo_Persons");
  ASSERT_TRUE(client_.more_results());
  EXPECT_EQ(client_.fetch_all().rows[0][0], std::nullopt);
  EXPECT_FALSE(client_.more_results());
}

// Bound parameters arrive as sp_executesql; LSNs as binary(10).
TEST_F(StandInTest, ParametersOfTheKeysetRead) {
  make_tables();
  ok("INSERT INTO dbo.Persons (ID) VALUES (1), (2), (3), (4), (5)");
  stand_in_.capture().scan_all();
  SQLHSTMT statement = client_.statement();
  SQLINTEGER page = 2, command = 0, operation = 0;
  unsigned char lsn[10] = {0}, to[10], sequence[10] = {0};
  std::fill(std::begin(to), std::end(to), 0xFF);
  SQLLEN number_length = 0, lsn_length = sizeof(lsn);
  const auto bind_number = [&](SQLUSMALLINT at, SQLINTEGER* value) {
    SQLBindParameter(statement, at, SQL_PARAM_INPUT, SQL_C_SLONG, SQL_INTEGER, 0, 0, value, 0,
                     &number_length);
  };
  const auto bind_lsn = [&](SQLUSMALLINT at, unsigned char* value) {
    SQLBindParameter(statement, at, SQL_PARAM_INPUT, SQL_C_BINARY, SQL_BINARY, 10, 0, value, 10,
                     &lsn_length);
  };
  bind_number(1, &page);
  bind_lsn(2, lsn);
  bind_lsn(3, to);
  bind_lsn(4, lsn);
  bind_number(5, &command);
  bind_number(6, &command);
  bind_lsn(7, sequence);
  bind_number(8, &command);
  bind_lsn(9, sequence);
  bind_number(10, &operation);
  EXPECT_EQ(
      table("SELECT TOP (?) c.ID FROM cdc.[dbo_Persons_CT] AS c WHERE c.[__$start_lsn] >= ? "
            "AND c.[__$start_lsn] <= ? AND (c.[__$start_lsn] > ? OR (c.[__$command_id] > ?) OR "
            "(c.[__$command_id] = ? AND c.[__$seqval] > ?) OR (c.[__$command_id] = ? AND "
            "c.[__$seqval] = ? AND c.[__$operation] > ?)) ORDER BY c.[__$start_lsn], "
            "c.[__$command_id], c.[__$seqval], c.[__$operation]"),
      "1\n2\n");
  SQLFreeStmt(statement, SQL_RESET_PARAMS);
  EXPECT_EQ(stand_in_.statistics().counters().procedure_calls["sp_executesql"], 1U);
  EXPECT_EQ(stand_in_.statistics().counters().server_cursors(), 0U);
}

TEST_F(StandInTest, ManualCommitsReachTheLogAndRollbacksDoNot) {
  make_tables();
  ASSERT_TRUE(client_.set_autocommit(false));
  ok("INSERT INTO dbo.Persons (ID) VALUES (1)");
  ASSERT_TRUE(client_.end_transaction(false)) << client_.diagnostics_text();
  ok("INSERT INTO dbo.Persons (ID) VALUES (2)");
  ASSERT_TRUE(client_.end_transaction(true)) << client_.diagnostics_text();
  ASSERT_TRUE(client_.set_autocommit(true));
  EXPECT_EQ(stand_in_.capture().scan_all(), 1);
  EXPECT_EQ(table("SELECT ID FROM cdc.dbo_Persons_CT"), "2\n");
}

TEST_F(StandInTest, FaultsCanBeAskedForInSql) {
  make_tables();
  ok("INSERT INTO dbo.Persons (ID) VALUES (1), (2), (3)");
  ok("EXEC dstream.fail_next @number = 1205, @after_rows = 2, @statement = N'FROM dbo.Persons'");
  ASSERT_TRUE(client_.execute("SELECT ID FROM dbo.Persons"));
  EXPECT_EQ(client_.fetch_all().rows.size(), 2U);
  EXPECT_TRUE(client_.has_diagnostic(1205)) << client_.diagnostics_text();
  client_.close_cursor();
  EXPECT_EQ(table("SELECT COUNT(*) FROM dbo.Persons"), "3\n");
  ok("EXEC dstream.drop_connection @after_rows = 1, @statement = N'FROM dbo.Persons'");
  client_.execute("SELECT ID FROM dbo.Persons");
  EXPECT_LT(client_.fetch_all().rows.size(), 3U);
  OdbcClient again;
  EXPECT_TRUE(connect(&again)) << again.diagnostics_text();
}

TEST_F(StandInTest, ASecondClientWritesWhileTheFirstReads) {
  make_tables();
  ok("EXEC dstream.fill_changes N'dbo_Persons', 20000, 500");
  ASSERT_TRUE(client_.execute("SELECT * FROM cdc.dbo_Persons_CT"));
  OdbcClient writer;
  ASSERT_TRUE(connect(&writer));
  EXPECT_TRUE(writer.execute("INSERT INTO dbo.Persons (ID) VALUES (77)"))
      << writer.diagnostics_text();
  stand_in_.capture().scan_all();
  // What was there when the statement began, no more and no less.
  EXPECT_EQ(client_.fetch_all().rows.size(), 20'000U);
  client_.close_cursor();
  EXPECT_EQ(table("SELECT COUNT(*) FROM cdc.dbo_Persons_CT"), "20001\n");
}

// FreeTDS' bcp, of the Debian package freetds-bin, loads a file; Change Data Capture sees the rows.
TEST_F(StandInTest, BcpLoadsAFile) {
  make_tables();
  char folder[] = "/tmp/dstream-bcp-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string path = folder;
  std::ofstream(path + "/freetds.conf")
      << "[stand-in]\nhost = 127.0.0.1\nport = " << stand_in_.port()
      << "\ntds version = 7.4\nclient charset = UTF-8\n";
  {
    std::ofstream rows(path + "/rows");
    for (int i = 1; i <= 5000; ++i) {
      rows << i << ",Bj\xC3\xB6rn " << i << ",12.5000,1,2026-11-23 12:34:56.1234567,2001-02-03,\n";
    }
  }
  const std::string command = "FREETDSCONF=" + path + "/freetds.conf freebcp shop.dbo.Persons in " +
                              path + "/rows -S stand-in -U sa -P Secret-1 -c -t , -b 1000 > " +
                              path + "/log 2>&1";
  const int code = std::system(command.c_str());
  std::ostringstream log;
  log << std::ifstream(path + "/log").rdbuf();
  std::filesystem::remove_all(path);
  ASSERT_EQ(code, 0) << "freebcp of the package freetds-bin: " << log.str();
  EXPECT_EQ(table("SELECT COUNT(*), MIN(Name), MAX(ID), MAX(UpdatedAt) FROM dbo.Persons"),
            "5000|Bj\xC3\xB6rn 1|5000|2026-11-23 12:34:56.1234567\n");
  stand_in_.capture().scan_all();
  EXPECT_EQ(table("SELECT COUNT(*) FROM cdc.dbo_Persons_CT WHERE __$operation = 2"), "5000\n");
}

class FailoverTest : public testing::Test {
 protected:
  StandIn stand_in_{[] {
    StandInOptions options;
    options.database = "shop";
    options.starts_capture_job = false;
    options.has_second_server = true;
    return options;
  }()};

  void SetUp() override {
    std::string error;
    ASSERT_TRUE(stand_in_.start(&error)) << error;
    stand_in_.run_script(
        "CREATE TABLE t (id int PRIMARY KEY); EXEC sys.sp_cdc_enable_db; EXEC "
        "sys.sp_cdc_enable_table N'dbo', N't', NULL; INSERT INTO t VALUES (1)");
    stand_in_.capture().scan_all();
  }
  static bool connect(OdbcClient* client, uint16_t port, const std::string& more = "",
                      const std::string& database = "shop") {
    return client->connect("Server=127.0.0.1;Port=" + std::to_string(port) +
                           ";UID=sa;PWD=Secret-1;TDS_Version=7.4;Database=" + database + more);
  }
  static std::string value(OdbcClient* client, const std::string& sql) {
    EXPECT_TRUE(client->execute(sql)) << sql << ": " << client->diagnostics_text();
    const OdbcResult result = client->fetch_all();
    client->close_cursor();
    return result.rows.empty() ? std::string("no row") : result.rows[0][0].value_or("NULL");
  }
  static void expect_error(OdbcClient* client, const std::string& sql, int number) {
    EXPECT_FALSE(client->execute(sql)) << sql;
    EXPECT_TRUE(client->has_diagnostic(number)) << sql << ": " << client->diagnostics_text();
    client->close_cursor();
  }
};

TEST_F(FailoverTest, TheSecondServerHasTheSameDataAndGoesOn) {
  OdbcClient first, early, second;
  ASSERT_TRUE(connect(&first, stand_in_.port())) << first.diagnostics_text();
  EXPECT_FALSE(connect(&early, stand_in_.second_port()));
  EXPECT_TRUE(early.has_diagnostic(976)) << early.diagnostics_text();
  const std::string lsn = value(&first, "SELECT sys.fn_cdc_get_max_lsn()");
  EXPECT_EQ(value(&first, "SELECT @@SERVERNAME"), "DSTREAM-STANDIN");
  ASSERT_TRUE(first.execute("BEGIN TRAN; INSERT INTO t VALUES (2)"));

  stand_in_.failover(false);
  EXPECT_EQ(stand_in_.primary(), 2);
  EXPECT_FALSE(first.execute("SELECT 1"));
  ASSERT_TRUE(connect(&second, stand_in_.second_port())) << second.diagnostics_text();
  EXPECT_EQ(value(&second, "SELECT @@SERVERNAME"), "DSTREAM-STANDIN-2");
  EXPECT_EQ(value(&second, "SELECT CAST(SERVERPROPERTY('ServerName') AS nvarchar(50))"),
            "DSTREAM-STANDIN-2");
  EXPECT_EQ(value(&second, "SELECT sys.fn_cdc_get_max_lsn()"), lsn);
  EXPECT_EQ(value(&second, "SELECT COUNT(*) FROM msdb.dbo.cdc_jobs"), "0");
  // What was open on the old primary is undone: nobody holds the row.
  EXPECT_TRUE(second.execute("SET LOCK_TIMEOUT 20000; INSERT INTO t VALUES (2)"))
      << second.diagnostics_text();
  second.close_cursor();
  stand_in_.capture().scan_all();
  EXPECT_EQ(value(&second, "SELECT COUNT(*) FROM cdc.dbo_t_CT"), "2");
  // And back, by a statement that does not survive it.
  second.execute("EXEC dstream.failover");
  EXPECT_EQ(stand_in_.primary(), 1);
  OdbcClient again;
  ASSERT_TRUE(connect(&again, stand_in_.port())) << again.diagnostics_text();
  EXPECT_EQ(value(&again, "SELECT COUNT(*) FROM t"), "2");
}

TEST_F(FailoverTest, ASecondaryMayLetClientsRead) {
  OdbcClient primary, reader, refused;
  ASSERT_TRUE(connect(&primary, stand_in_.port(), ";ApplicationIntent=ReadOnly"));
  ASSERT_TRUE(primary.execute("EXEC dstream.secondary_access N'READ_ONLY'"));
  primary.close_cursor();
  EXPECT_FALSE(connect(&refused, stand_in_.second_port()));
  EXPECT_TRUE(refused.has_diagnostic(978)) << refused.diagnostics_text();
  ASSERT_TRUE(connect(&reader, stand_in_.second_port(), ";ApplicationIntent=ReadOnly"))
      << reader.diagnostics_text();
  const std::string state =
      "SELECT CONCAT(@@SERVERNAME, ' ', CAST(DATABASEPROPERTYEX('shop', 'Updateability') AS "
      "nvarchar(20)), ' ', sys.fn_hadr_is_primary_replica('shop'))";
  EXPECT_EQ(value(&reader, state), "DSTREAM-STANDIN-2 READ_ONLY 0");
  EXPECT_EQ(value(&primary, state), "DSTREAM-STANDIN READ_WRITE 1");
  EXPECT_EQ(value(&reader,
                  "SELECT COUNT(*) FROM cdc.fn_cdc_get_all_changes_dbo_t(sys."
                  "fn_cdc_get_min_lsn('dbo_t'), sys.fn_cdc_get_max_lsn(), N'all')"),
            "1");
  EXPECT_EQ(value(&reader, "SELECT COUNT(*) FROM sys.dm_cdc_log_scan_sessions"), "0");
  EXPECT_NE(value(&primary, "SELECT COUNT(*) FROM sys.dm_cdc_log_scan_sessions"), "0");
  for (const char* sql :
       {"INSERT INTO t VALUES (5)", "UPDATE t SET id = 6", "DELETE FROM t",
        "CREATE TABLE x (i int)", "DROP TABLE t", "ALTER TABLE t ADD c int",
        "CREATE INDEX i ON t (id)", "CREATE SCHEMA s", "SELECT * INTO y FROM t",
        "EXEC sys.sp_cdc_disable_db", "EXEC sys.sp_cdc_disable_table N'dbo', N't', N'all'",
        "EXEC sys.sp_cdc_scan"}) {
    expect_error(&reader, sql, 3906);
  }
  EXPECT_EQ(value(&reader, "SELECT id INTO #copy FROM t; SELECT COUNT(*) FROM #copy"), "no row");
  EXPECT_EQ(value(&reader, "SELECT COUNT(*) FROM #copy"), "1") << "tempdb is the server's own";
  // Whatever level it asks for, a transaction there is a snapshot.
  EXPECT_EQ(value(&reader, "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED"), "no row");
  ASSERT_TRUE(primary.execute("BEGIN TRAN; INSERT INTO t VALUES (2)"));
  primary.close_cursor();
  EXPECT_EQ(value(&reader, "SELECT COUNT(*) FROM t"), "1");
  EXPECT_EQ(value(&reader, "BEGIN TRAN"), "no row");
  EXPECT_EQ(value(&reader, "SELECT COUNT(*) FROM t WITH (TABLOCKX)"), "1");
  ASSERT_TRUE(primary.execute("COMMIT"));
  primary.close_cursor();
  EXPECT_EQ(value(&reader, "SELECT COUNT(*) FROM t"), "1");
  EXPECT_EQ(value(&reader, "COMMIT"), "no row");
  EXPECT_EQ(value(&reader, "SELECT COUNT(*) FROM t"), "2");

  stand_in_.set_secondary_access(SecondaryAccess::kAll);
  OdbcClient any, afterwards;
  EXPECT_TRUE(connect(&any, stand_in_.second_port())) << any.diagnostics_text();
  expect_error(&any, "INSERT INTO t VALUES (5)", 3906);
  // The roles change for everybody.
  stand_in_.failover();
  EXPECT_FALSE(any.execute("SELECT 1"));
  ASSERT_TRUE(connect(&afterwards, stand_in_.second_port())) << afterwards.diagnostics_text();
  EXPECT_EQ(value(&afterwards, state), "DSTREAM-STANDIN-2 READ_WRITE 1");
  EXPECT_TRUE(afterwards.execute("INSERT INTO t VALUES (5)")) << afterwards.diagnostics_text();
}

TEST_F(FailoverTest, SecondaryMayBeBehind) {
  stand_in_.set_secondary_access(SecondaryAccess::kAll);
  OdbcClient primary, before, after;
  ASSERT_TRUE(connect(&primary, stand_in_.port())) << primary.diagnostics_text();
  ASSERT_TRUE(connect(&before, stand_in_.second_port())) << before.diagnostics_text();
  const std::string rows = value(&primary, "SELECT COUNT(*) FROM t");
  const char* captured = "SELECT MAX(start_lsn) FROM cdc.lsn_time_mapping";
  const std::string reach = value(&primary, captured);
  stand_in_.set_secondary_redo(false);
  ASSERT_TRUE(connect(&after, stand_in_.second_port())) << after.diagnostics_text();
  EXPECT_EQ(value(&primary, "INSERT INTO t VALUES (77)"), "no row");
  stand_in_.capture().scan_all();
  const std::string more = value(&primary, "SELECT COUNT(*) FROM t");
  EXPECT_NE(more, rows);
  EXPECT_NE(value(&primary, captured), reach);
  EXPECT_EQ(value(&before, "SELECT COUNT(*) FROM t"), more);
  EXPECT_EQ(value(&after, "SELECT COUNT(*) FROM t"), rows);
  EXPECT_EQ(value(&after, captured), reach);
  EXPECT_EQ(value(&after, "SELECT COUNT(*) FROM cdc.dbo_t_CT"), rows);
  stand_in_.set_secondary_redo(true);
  EXPECT_EQ(value(&after, "SELECT COUNT(*) FROM t"), more);
  EXPECT_EQ(value(&after, "SELECT COUNT(*) FROM cdc.dbo_t_CT"), more);
}

TEST_F(FailoverTest, SystemDatabasesOfASecondaryAreOpen) {
  OdbcClient client;
  ASSERT_TRUE(connect(&client, stand_in_.second_port(), "", "master")) << client.diagnostics_text();
  EXPECT_EQ(value(&client, "SELECT DB_NAME()"), "master");
  expect_error(&client, "USE shop", 976);
  expect_error(&client, "SELECT * FROM shop.dbo.t", 976);
}

}  // namespace
}  // namespace dstream::standin
