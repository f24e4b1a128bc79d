// What a user may do: grants and denials on the database, its schemas and objects, and roles.
#include <gtest/gtest.h>

#include "tests/standins/sqlserver/sql/session_driver.h"

namespace dstream::standin::sql {
namespace {

class PermissionsTest : public testing::Test {
 protected:
  void SetUp() override {
    ok("CREATE TABLE t (id int NOT NULL PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1)");
    ok("CREATE SCHEMA s");
    ok("CREATE TABLE s.u (id int NOT NULL PRIMARY KEY)");
    ok("CREATE LOGIN eve WITH PASSWORD = 'Secret-2'; CREATE USER eve FOR LOGIN eve");
    LoginRequest login;
    login.user = "eve";
    login.password = "Secret-2";
    ServerMessage refusal;
    eve_ = engine_.login(login, &refusal);
    ASSERT_NE(eve_, nullptr) << refusal.text;
  }
  void ok(const std::string& sql) { ASSERT_EQ(owner_.error(sql), 0) << owner_.error_text(); }
  // All errors that eve gets: "229: The INSERT permission ...", "" for none.
  std::string eve(const std::string& sql) {
    RecordingWriter writer;
    eve_->batch(sql, writer);
    std::string text;
    for (const ServerMessage& message : writer.messages) {
      if (message.severity > 10) {
        text += (text.empty() ? "" : "\n") + std::to_string(message.number) + ": " + message.text;
      }
    }
    return text;
  }
  static std::string denied(const std::string& permission, const std::string& object = "t",
                            const std::string& schema = "dbo") {
    return "229: The " + permission + " permission was denied on the object '" + object +
           "', database 'testdb', schema '" + schema + "'.";
  }

  Engine engine_{{}};
  SessionDriver owner_{&engine_};
  std::unique_ptr<Session> eve_;
};

TEST_F(PermissionsTest, RowsAreChangedWithAGrantAlone) {
  EXPECT_EQ(eve("INSERT INTO t VALUES (2, 2)"), denied("INSERT"));
  EXPECT_EQ(eve("UPDATE t SET v = 2"), denied("UPDATE"));
  EXPECT_EQ(eve("DELETE FROM t"), denied("DELETE"));
  EXPECT_EQ(eve("INSERT BULK t (id int, v int)"), denied("INSERT"));
  ok("GRANT INSERT, UPDATE, DELETE ON t TO eve");
  EXPECT_EQ(eve("INSERT INTO t VALUES (2, 2)"), "");
  EXPECT_EQ(eve("UPDATE t SET v = 3"), "");
  EXPECT_EQ(owner_.table("SELECT id, v FROM t"), "1|3\n2|3\n");
  EXPECT_EQ(eve("DELETE FROM t"), "");
  EXPECT_EQ(owner_.value("SELECT COUNT(*) FROM t"), "0");
  ok("REVOKE INSERT ON t FROM eve");
  EXPECT_EQ(eve("INSERT INTO t VALUES (2, 2)"), denied("INSERT"));
}

// A WHERE clause, a column on the right of SET and OUTPUT read, and take SELECT beside the change.
TEST_F(PermissionsTest, ChangesThatReadTakeSelectToo) {
  ok("GRANT INSERT, UPDATE, DELETE ON t TO eve");
  EXPECT_EQ(eve("UPDATE t SET v = 2 WHERE id = 1"), denied("SELECT"));
  EXPECT_EQ(eve("UPDATE t SET v = v + 1"), denied("SELECT"));
  EXPECT_EQ(eve("DELETE FROM t WHERE id = 1"), denied("SELECT"));
  EXPECT_EQ(eve("DELETE FROM t OUTPUT deleted.id"), denied("SELECT"));
  EXPECT_EQ(eve("INSERT INTO t OUTPUT inserted.id VALUES (2, 2)"), denied("SELECT"));
  ok("GRANT SELECT ON t TO eve");
  EXPECT_EQ(eve("UPDATE t SET v = v + 1 WHERE id = 1"), "");
  EXPECT_EQ(eve("DELETE FROM t OUTPUT deleted.id INTO s.u WHERE id = 1"),
            denied("INSERT", "u", "s"));
  EXPECT_EQ(owner_.table("SELECT id, v FROM t"), "1|2\n");
}

TEST_F(PermissionsTest, MergeTakesWhatItsClausesDo) {
  const std::string update =
      "MERGE t USING (SELECT 1 AS id) AS x ON t.id = x.id WHEN MATCHED THEN UPDATE SET v = 7";
  const std::string remove =
      "MERGE t USING (SELECT 1 AS id) AS x ON t.id = x.id WHEN MATCHED THEN DELETE";
  ok("GRANT SELECT, UPDATE ON t TO eve");
  EXPECT_EQ(eve(update + ";"), "");
  EXPECT_EQ(eve(remove + ";"), denied("DELETE"));
  EXPECT_EQ(eve(update + " WHEN NOT MATCHED THEN INSERT VALUES (9, 9);"), denied("INSERT"));
  EXPECT_EQ(owner_.table("SELECT id, v FROM t"), "1|7\n");
}

TEST_F(PermissionsTest, ADenialOutweighsGrants) {
  ok("GRANT SELECT TO eve");
  EXPECT_EQ(eve("SELECT * FROM t"), "");
  ok("DENY SELECT ON SCHEMA::dbo TO public");
  EXPECT_EQ(eve("SELECT * FROM t"), denied("SELECT"));
  EXPECT_EQ(eve("SELECT * FROM s.u"), "");
  ok("REVOKE SELECT ON SCHEMA::dbo FROM public");
  EXPECT_EQ(eve("SELECT * FROM t"), "");
  ok("GRANT CONTROL ON t TO eve; DENY INSERT ON t TO eve");
  EXPECT_EQ(eve("INSERT INTO t VALUES (2, 2)"), denied("INSERT"));
  EXPECT_EQ(eve("UPDATE t SET v = 2 WHERE id = 1"), "");
  ok("DENY CONTROL ON t TO eve");  // it takes the place of the grant
  EXPECT_EQ(eve("SELECT * FROM t"), denied("SELECT"));
  EXPECT_EQ(owner_.table("SELECT id, v FROM t"), "1|2\n");
}

TEST_F(PermissionsTest, FixedRoles) {
  ok("ALTER ROLE db_datawriter ADD MEMBER eve");
  EXPECT_EQ(eve("INSERT INTO t VALUES (2, 2)"), "");
  EXPECT_EQ(eve("SELECT * FROM t"), denied("SELECT"));
  ok("ALTER ROLE db_datareader ADD MEMBER eve");
  EXPECT_EQ(eve("DELETE FROM t WHERE id = 2"), "");
  EXPECT_EQ(eve("TRUNCATE TABLE t"),
            "1088: Cannot find the object \"t\" because it does not exist or you do not have "
            "permissions.");
  ok("ALTER ROLE db_denydatawriter ADD MEMBER eve");
  EXPECT_EQ(eve("INSERT INTO t VALUES (2, 2)"), denied("INSERT"));
  ok("ALTER ROLE db_denydatareader ADD MEMBER eve");
  EXPECT_EQ(eve("SELECT * FROM t"), denied("SELECT"));
  ok("ALTER ROLE db_ddladmin ADD MEMBER eve");
  EXPECT_EQ(eve("CREATE TABLE s.w (id int); ALTER TABLE s.w ADD v int; DROP TABLE s.w"), "");
  EXPECT_EQ(eve("TRUNCATE TABLE t"), "");
  EXPECT_EQ(owner_.value("SELECT COUNT(*) FROM t"), "0");
  EXPECT_EQ(owner_.error("ALTER ROLE db_accessadmin ADD MEMBER eve"), 40510);
  EXPECT_EQ(owner_.error("EXEC sp_addrolemember N'public', N'eve'"), 15081);
  EXPECT_EQ(owner_.error("ALTER ROLE none ADD MEMBER eve"), 15151);
  EXPECT_EQ(owner_.error("ALTER ROLE db_owner ADD MEMBER nobody"), 15151);
}

TEST_F(PermissionsTest, TablesAreDefinedWithAGrantAlone) {
  const auto hidden = [](const std::string& name) {
    return "1088: Cannot find the object \"" + name +
           "\" because it does not exist or you do not have permissions.";
  };
  EXPECT_EQ(eve("CREATE TABLE w (id int)"),
            "262: CREATE TABLE permission denied in database 'testdb'.");
  EXPECT_EQ(eve("SELECT 1 AS id INTO w"),
            "262: CREATE TABLE permission denied in database 'testdb'.");
  EXPECT_EQ(eve("CREATE TABLE #w (id int); INSERT INTO #w VALUES (1); DROP TABLE #w"), "");
  EXPECT_EQ(eve("CREATE SCHEMA w"),
            "262: CREATE SCHEMA permission denied in database 'testdb'.\n"
            "2759: CREATE SCHEMA failed due to previous errors.");
  EXPECT_EQ(eve("CREATE DATABASE w"),
            "262: CREATE DATABASE permission denied in database 'master'.");
  EXPECT_EQ(eve("ALTER TABLE dbo.t ADD w int"), hidden("dbo.t"));
  EXPECT_EQ(eve("CREATE INDEX w ON t (v)"), hidden("t"));
  EXPECT_EQ(eve("SET IDENTITY_INSERT t ON"), hidden("t"));
  const std::string cannot_drop = "3701: Cannot drop the table 't', because it does not exist or ";
  EXPECT_EQ(eve("DROP TABLE t"), cannot_drop + "you do not have permission.");
  EXPECT_EQ(eve("EXEC sp_rename N'dbo.t.v', N'w', N'COLUMN'").substr(0, 5), "15248");
  EXPECT_EQ(eve("EXEC sp_rename N't', N'w'").substr(0, 5), "15225");
  EXPECT_EQ(eve("DROP SCHEMA s").substr(0, 5), "15151");

  ok("GRANT CREATE TABLE TO eve");
  EXPECT_EQ(eve("CREATE TABLE s.w (id int)").substr(0, 4), "2760");
  ok("GRANT ALTER ON SCHEMA::s TO eve");
  EXPECT_EQ(eve("CREATE TABLE s.w (id int PRIMARY KEY REFERENCES s.u)"),
            denied("REFERENCES", "u", "s"));
  ok("GRANT REFERENCES ON s.u TO eve");
  EXPECT_EQ(eve("CREATE TABLE s.w (id int PRIMARY KEY REFERENCES s.u)"), "");
  EXPECT_EQ(eve("DROP TABLE s.w"), "");
  ok("GRANT ALTER ON t TO eve");
  EXPECT_EQ(eve("ALTER TABLE t ADD w int"), "");
  EXPECT_EQ(eve("DROP TABLE t"), cannot_drop + "you do not have permission.");
  ok("GRANT CONTROL ON t TO eve");
  EXPECT_EQ(eve("DROP TABLE t"), "");
}

TEST_F(PermissionsTest, WhoMayGrant) {
  EXPECT_EQ(eve("GRANT SELECT ON t TO eve"),
            "15151: Cannot find the object 't', because it does not exist or you do not have "
            "permission.");
  EXPECT_EQ(eve("GRANT SELECT ON SCHEMA::s TO eve"),
            "15151: Cannot find the schema 's', because it does not exist or you do not have "
            "permission.");
  EXPECT_EQ(eve("GRANT CREATE TABLE TO eve"), "4613: Grantor does not have GRANT permission.");
  ok("GRANT CONTROL ON s.u TO eve");
  EXPECT_EQ(eve("DENY SELECT ON s.u TO public"), "");
  EXPECT_EQ(eve("SELECT * FROM s.u"), denied("SELECT", "u", "s"));
  EXPECT_EQ(owner_.error("GRANT SELECT ON t TO nobody"), 15151);
  EXPECT_EQ(owner_.error("GRANT SELECT ON none TO eve"), 15151);
  EXPECT_EQ(eve("CREATE LOGIN w WITH PASSWORD = 'Secret-3'").substr(0, 5), "15247");
  // A database's owner is not the server's.
  ok("ALTER ROLE db_owner ADD MEMBER eve");
  EXPECT_EQ(eve("CREATE ROLE w; GRANT SELECT ON t TO w"), "");
  EXPECT_EQ(eve("CREATE LOGIN w WITH PASSWORD = 'Secret-3'").substr(0, 5), "15247");
}

TEST_F(PermissionsTest, FunctionsTellWhatAUserIsAndMay) {
  const auto told = [&](const std::string& sql) {
    RecordingWriter writer;
    eve_->batch("SELECT " + sql, writer);
    EXPECT_EQ(writer.results.size(), 1U) << sql;
    if (writer.results.size() != 1) {
      return std::string("no result");
    }
    std::string text;
    for (size_t i = 0; i < writer.results[0].columns.size(); ++i) {
      text += (i == 0 ? "" : "|") +
              value_text(writer.results[0].columns[i].type, writer.results[0].rows[0][i]);
    }
    return text;
  };
  EXPECT_EQ(told("USER_NAME(), CURRENT_USER, SESSION_USER, USER, USER_NAME(1)"),
            "eve|eve|eve|eve|dbo");
  ok("CREATE ROLE r; CREATE ROLE outer_r; ALTER ROLE outer_r ADD MEMBER r");
  const std::string roles =
      "IS_MEMBER('r'), IS_ROLEMEMBER('outer_r'), IS_ROLEMEMBER('r', 'eve'), IS_MEMBER('db_owner'), "
      "IS_MEMBER('public'), IS_MEMBER('none'), IS_ROLEMEMBER('r', 'nobody')";
  EXPECT_EQ(told(roles), "0|0|0|0|1|NULL|NULL");
  ok("ALTER ROLE r ADD MEMBER eve");
  EXPECT_EQ(told(roles), "1|1|1|0|1|NULL|NULL");
  EXPECT_EQ(told("IS_SRVROLEMEMBER('sysadmin'), IS_SRVROLEMEMBER('sysadmin', 'sa'), "
                 "IS_SRVROLEMEMBER('public'), IS_SRVROLEMEMBER('none')"),
            "0|1|1|NULL");
  const std::string rights =
      "HAS_PERMS_BY_NAME('t', 'OBJECT', 'INSERT'), HAS_PERMS_BY_NAME('s.u', 'OBJECT', 'INSERT'), "
      "HAS_PERMS_BY_NAME('s', 'SCHEMA', 'INSERT'), "
      "HAS_PERMS_BY_NAME('testdb', 'DATABASE', 'CREATE TABLE'), "
      "HAS_PERMS_BY_NAME('t', 'OBJECT', 'ANY'), HAS_PERMS_BY_NAME('sys.tables', 'OBJECT', "
      "'SELECT'), HAS_PERMS_BY_NAME('t', 'OBJECT', 'INSERT', 'v', 'COLUMN')";
  EXPECT_EQ(told(rights), "0|0|0|0|0|1|0");
  ok("GRANT INSERT ON t TO outer_r");
  EXPECT_EQ(told(rights), "1|0|0|0|1|1|1");
  ok("GRANT CREATE TABLE TO eve; GRANT CONTROL ON SCHEMA::s TO r");
  EXPECT_EQ(told(rights), "1|1|1|1|1|1|1");
  ok("DENY INSERT TO eve");
  EXPECT_EQ(told(rights), "0|0|0|1|0|1|0");
  // Everybody sees definitions here, which is not what a real server would say.
  EXPECT_EQ(eve("SELECT HAS_PERMS_BY_NAME('t', 'OBJECT', 'VIEW DEFINITION')").substr(0, 5),
            "40510");
}

TEST_F(PermissionsTest, TheServersStateIsForWhomItIsGrantedTo) {
  const std::string connections = "SELECT net_transport FROM sys.dm_exec_connections";
  const std::string sessions =
      "IF (SELECT COUNT(*) FROM sys.dm_exec_sessions) > 1 THROW 50001, 'sees others', 1";
  const std::string told =
      "IF HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW SERVER STATE') = 1 AND "
      "HAS_PERMS_BY_NAME('testdb', 'DATABASE', 'VIEW DATABASE STATE') = 1 THROW 50002, 'may', 1";
  const std::string refused =
      "300: VIEW SERVER SECURITY STATE permission was denied on object 'server', database "
      "'master'.\n297: The user does not have permission to perform this action.";
  EXPECT_EQ(eve(connections), refused);
  EXPECT_EQ(eve("SELECT status FROM sys.dm_server_services"), refused);
  EXPECT_EQ(eve(sessions), "");
  EXPECT_EQ(eve(told), "");
  EXPECT_EQ(owner_.error("GRANT VIEW SERVER STATE TO eve"), 4621);
  ok("CREATE ROLE r");
  EXPECT_EQ(owner_.error("USE master; GRANT VIEW SERVER STATE TO r"), 15151);
  ok("USE master; GRANT VIEW SERVER STATE TO eve; USE testdb");
  EXPECT_EQ(eve(connections), "");
  EXPECT_EQ(eve(sessions).substr(0, 5), "50001");
  EXPECT_EQ(eve(told).substr(0, 5), "50002");
  ok("DENY VIEW DATABASE STATE TO eve");
  EXPECT_EQ(eve(connections), "");
  EXPECT_EQ(eve(told), "");  // a denial below outweighs the grant above
  ok("REVOKE VIEW DATABASE STATE FROM eve; ALTER ROLE db_owner ADD MEMBER eve");
  ok("USE master; REVOKE VIEW SERVER STATE FROM eve; USE testdb");
  EXPECT_EQ(eve(connections), refused);  // a database's owner is not the server's
  EXPECT_EQ(eve("IF HAS_PERMS_BY_NAME('testdb', 'DATABASE', 'VIEW DATABASE STATE') = 1 AND "
                "HAS_PERMS_BY_NAME(NULL, NULL, 'ALTER SERVER STATE') = 0 AND "
                "HAS_PERMS_BY_NAME('t', 'OBJECT', 'VIEW DATABASE STATE') IS NULL "
                "THROW 50003, 'as owner', 1"),
            "50003: as owner");
}

// What nothing would look at is not granted.
TEST_F(PermissionsTest, GrantsThatAreRefused) {
  for (const char* sql :
       {"GRANT VIEW DEFINITION ON t TO eve", "GRANT SELECT (id) ON t TO eve",
        "GRANT SELECT ON t (id) TO eve", "GRANT SELECT ON t TO eve WITH GRANT OPTION",
        "REVOKE GRANT OPTION FOR SELECT ON t FROM eve", "GRANT ALL ON t TO eve",
        "GRANT CREATE TABLE ON t TO eve", "GRANT SELECT ON ROLE::r TO eve",
        "DENY SELECT ON t TO eve CASCADE", "GRANT SELECT ON other.dbo.t TO eve"}) {
    EXPECT_EQ(owner_.error(sql), 40510) << sql;
  }
  EXPECT_EQ(eve("SELECT * FROM t"), denied("SELECT"));
}

}  // namespace
}  // namespace dstream::standin::sql
