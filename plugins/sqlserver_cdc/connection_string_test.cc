#include "plugins/sqlserver_cdc/connection_string.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::vector<Driver> kFreeTdsOnly = {{"FreeTDS", DriverKind::kFreeTds}};
const std::vector<Driver> kBoth = {{"FreeTDS", DriverKind::kFreeTds},
                                   {"ODBC Driver 17 for SQL Server", DriverKind::kMicrosoft},
                                   {"ODBC Driver 18 for SQL Server", DriverKind::kMicrosoft}};

TEST(ConnectionString, UrlForFreeTds) {
  const OdbcConnection made =
      make_connection("sqlserver://sa:secret@db.example.com:1444?database=shop", kFreeTdsOnly);
  EXPECT_EQ(made.servers[0].text,
            "Driver=FreeTDS;Server=db.example.com;Port=1444;Encryption=require;"
            "ClientCharset=UTF-8;PacketSize=16384;TDS_Version=7.4;Database=shop;UID=sa;PWD=secret;"
            "APP=DStream;");
  EXPECT_EQ(made.target, "db.example.com:1444, database shop");
  EXPECT_TRUE(made.encrypted);
  EXPECT_TRUE(made.unverified);
}

TEST(ConnectionString, UrlForMicrosoftPrefersTheNewestDriver) {
  const OdbcConnection made = make_connection(
      "sqlserver://sa:secret@db?database=shop&encrypt=strict&application_intent=readonly"
      "&hostname_in_certificate=db.example.com",
      kBoth);
  EXPECT_EQ(made.servers[0].text,
            "Driver={ODBC Driver 18 for SQL Server};Server={db,1433};Encrypt=strict;"
            "TrustServerCertificate=no;HostnameInCertificate=db.example.com;Database=shop;UID=sa;"
            "PWD=secret;ApplicationIntent=ReadOnly;APP=DStream;");
  EXPECT_FALSE(made.unverified);
  EXPECT_TRUE(made.read_only);
}

TEST(ConnectionString, OptionsAreTranslated) {
  const OdbcConnection made = make_connection(
      "sqlserver://u:p@h:1?database=d&encrypt=no&packet_size=4096&trust_server_certificate=yes",
      kFreeTdsOnly);
  EXPECT_THAT(made.servers[0].text, HasSubstr("Encryption=off;"));
  EXPECT_THAT(made.servers[0].text, HasSubstr("PacketSize=4096;"));
  EXPECT_FALSE(made.encrypted);
  EXPECT_FALSE(made.unverified);
  EXPECT_THAT(make_connection("sqlserver://u:p@h?database=d&trust_server_certificate=yes", kBoth)
                  .servers[0]
                  .text,
              HasSubstr("TrustServerCertificate=yes;"));
  EXPECT_THAT(make_connection("sqlserver://u:p@h?database=d&driver=FreeTDS", kBoth).servers[0].text,
              HasSubstr("Driver=FreeTDS;"));
  EXPECT_THAT(make_connection("sqlserver://h?database=d", kBoth).servers[0].text,
              HasSubstr("Trusted_Connection=yes;"));
}

TEST(ConnectionString, PercentEncodingAndBraces) {
  const OdbcConnection made = make_connection(
      "sqlserver://us%3Aer:p%40ss%3Bw%7Drd%2F%25@h?database=my%20shop", kFreeTdsOnly);
  EXPECT_THAT(made.servers[0].text, HasSubstr("UID=us:er;"));
  EXPECT_THAT(made.servers[0].text, HasSubstr("PWD={p@ss;w}rd/%};"));
  EXPECT_THAT(made.servers[0].text, HasSubstr("Database=my shop;"));
  EXPECT_EQ(quote_value("", DriverKind::kMicrosoft), "{}");
  EXPECT_EQ(quote_value("plain-1", DriverKind::kMicrosoft), "plain-1");
  EXPECT_EQ(quote_value("p@ss;w}rd", DriverKind::kMicrosoft), "{p@ss;w}}rd}");
  EXPECT_EQ(quote_value("p@ssw}rd", DriverKind::kFreeTds), "p@ssw}rd");
  EXPECT_THROW(quote_value("p;w};x", DriverKind::kFreeTds), SourceError);
  EXPECT_THROW(quote_value("p;w}", DriverKind::kFreeTds), SourceError);
}

TEST(ConnectionString, OdbcStringPassesThrough) {
  const char text[] = "DRIVER=FreeTDS;SERVER=h;PORT=1;UID=u;PWD={a;b}};c};DATABASE=d";
  const OdbcConnection made = make_connection(text, {});
  EXPECT_EQ(made.servers[0].text, text);
  EXPECT_EQ(made.target, "h");
  EXPECT_EQ(made.driver.kind, DriverKind::kFreeTds);
  EXPECT_EQ(scrub("login with a;b};c failed", made.secrets), "login with *** failed");
}

std::string failure(const std::string& text, const std::vector<Driver>& drivers = kFreeTdsOnly) {
  try {
    make_connection(text, drivers);
  } catch (const SourceError& error) {
    EXPECT_EQ(error.status, DSTREAM_CONFIG);
    return error.what();
  }
  return "no error";
}

TEST(ConnectionString, MistakesAreNamed) {
  EXPECT_THAT(failure("sqlserver://u:p@h"), HasSubstr("name the database"));
  EXPECT_THAT(failure("sqlserver://u:p@h?database=d&encript=no"), HasSubstr("\"encript\""));
  EXPECT_THAT(failure("sqlserver://u:p@h?database=d&encrypt=maybe"), HasSubstr("encrypt"));
  EXPECT_THAT(failure("sqlserver://u:p@h?database=d&packet_size=1"), HasSubstr("packet_size"));
  EXPECT_THAT(failure("sqlserver://u:p@h?database=d&application_intent=x"),
              HasSubstr("application_intent"));
  EXPECT_THAT(failure("sqlserver://u:p@h/shop?database=d"), HasSubstr("?database=db"));
  EXPECT_THAT(failure("sqlserver://u:p@h?database=d&encrypt=strict"), HasSubstr("msodbcsql18"));
  EXPECT_THAT(failure("sqlserver://u:p@h?database=d", {}), HasSubstr("no ODBC driver"));
  EXPECT_THAT(failure("somewhere"), HasSubstr("neither"));
  EXPECT_THAT(failure("sqlserver://?database=d"), HasSubstr("host"));
}

TEST(ConnectionString, NoErrorShowsThePassword) {
  for (const char* text :
       {"sqlserver://u:hunter2@h:port?database=d", "sqlserver://u:hunter2@h:99999?database=d",
        "sqlserver://u:hunter2%zz@h?database=d", "sqlserver://u:hunter2@h", "sqlserver://u:hunter2",
        "sqlserver://u:hunter2@[::1?database=d", "sqlserver://u:hunter2@/x?y"}) {
    EXPECT_THAT(failure(text), Not(HasSubstr("hunter2"))) << text;
  }
}

TEST(ConnectionString, FindsADriverHere) {
  // FreeTDS is one of the packages the tree needs, so one is always there.
  const auto drivers = installed_drivers();
  EXPECT_TRUE(std::any_of(drivers.begin(), drivers.end(),
                          [](const Driver& d) { return d.kind == DriverKind::kFreeTds; }));
}

TEST(ConnectionString, FailoverPartnersAreServersOfTheirOwn) {
  const OdbcConnection made = make_connection(
      "sqlserver://u:p@a?database=d&failover_partner=b:1444,[::1],c&driver=FreeTDS", kBoth);
  ASSERT_EQ(made.servers.size(), 4u);
  EXPECT_THAT(made.servers[0].text, HasSubstr("Server=a;Port=1433;"));
  EXPECT_THAT(made.servers[1].text, HasSubstr("Server=b;Port=1444;"));
  EXPECT_THAT(made.servers[2].text, HasSubstr("Server=::1;Port=1433;"));
  EXPECT_THAT(made.servers[3].text, HasSubstr("UID=u;PWD=p;"));
  EXPECT_EQ(made.servers[1].target, "b:1444, database d");
  EXPECT_EQ(made.target, "a:1433 or b:1444 or ::1:1433 or c:1433, database d");
  for (const char* bad : {"", "b,", ",b", "b:port", "u@b", "b/c"}) {
    EXPECT_THROW(
        make_connection(std::string("sqlserver://u:p@a?database=d&failover_partner=") + bad, kBoth),
        SourceError)
        << bad;
  }
  EXPECT_THROW(
      make_connection("sqlserver://u:p@a?database=d&failover_partner=1,2,3,4,5,6,7,8,9", kBoth),
      SourceError);
}

}  // namespace
}  // namespace dstream::sqlserver
