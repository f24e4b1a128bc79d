#include "plugins/sqlserver_cdc/source_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

namespace dstream::sqlserver {
namespace {

using testing::HasSubstr;

TEST(SourceError, StatusFollowsTheCause) {
  const auto status = [](const char* state, int32_t native, bool dead = false) {
    return classify({state, native, ""}, dead);
  };
  EXPECT_EQ(status("08S01", 0), DSTREAM_REOPEN);
  EXPECT_EQ(status("08001", 20009), DSTREAM_REOPEN);
  EXPECT_EQ(status("01000", 20017), DSTREAM_REOPEN);  // FreeTDS: connection cut
  EXPECT_EQ(status("42000", 50000, true), DSTREAM_REOPEN);
  EXPECT_EQ(status("42S02", 208), DSTREAM_REOPEN);
  EXPECT_EQ(status("HY000", 40613), DSTREAM_REOPEN);
  EXPECT_EQ(status("42000", 1205), DSTREAM_RETRY);
  EXPECT_EQ(status("40001", 1205), DSTREAM_RETRY);
  EXPECT_EQ(status("42000", 1222), DSTREAM_RETRY);
  EXPECT_EQ(status("HYT00", 0), DSTREAM_RETRY);
  EXPECT_EQ(status("28000", 18456), DSTREAM_DENIED);
  EXPECT_EQ(status("37000", 4060), DSTREAM_DENIED);
  EXPECT_EQ(status("42000", 229), DSTREAM_DENIED);
  EXPECT_EQ(status("IM002", 0), DSTREAM_CONFIG);
  EXPECT_EQ(status("42000", 102), DSTREAM_FATAL);
}

// Numbers by what is done about them, from the table in docs/sqlserver.md.
std::map<std::string, std::set<int32_t>> documented_errors() {
  std::ifstream file(DSTREAM_SQLSERVER_PAGE);
  std::map<std::string, std::set<int32_t>> out;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    inside = (inside || line.find("<!-- server errors -->") != std::string::npos) &&
             line.find("<!-- server errors: end -->") == std::string::npos;
    if (!inside || !line.starts_with("| `")) {
      continue;
    }
    const std::string status = line.substr(3, line.find('`', 3) - 3);
    std::istringstream numbers(line.substr(line.rfind('|', line.size() - 2)));
    for (std::string word; numbers >> word;) {
      if (std::isdigit(static_cast<unsigned char>(word[0])) != 0) {
        out[status].insert(std::stoi(word));
      }
    }
  }
  return out;
}

TEST(SourceError, TheDocumentedErrorsAreTheOnesTheCodeKnows) {
  const std::map<dstream_status, std::string> names = {
      {DSTREAM_REOPEN, "REOPEN"}, {DSTREAM_RETRY, "RETRY"}, {DSTREAM_DENIED, "DENIED"}};
  std::map<std::string, std::set<int32_t>> known;
  for (const ServerError& error : server_errors()) {
    known[names.at(error.status)].insert(error.number);
    EXPECT_EQ(classify({"42000", error.number, ""}, false), error.status) << error.number;
  }
  EXPECT_EQ(documented_errors(), known);
}

TEST(SourceError, AReplicaThatDoesNotServeIsNoWrongPassword) {
  const SourceError error =
      make_error("Connecting",
                 {{"28000", 18456, "[D][S]Login failed."},
                  {"42000", 983, "[D][S]Unable to access availability database 'shop'."},
                  {"42000", 4060, "[D][S]Cannot open database \"shop\"."}},
                 false);
  EXPECT_EQ(error.status, DSTREAM_REOPEN);
  EXPECT_EQ(error.vendor_code, 983);
  EXPECT_NE(std::string(error.what()).find("listener"), std::string::npos);
}

TEST(SourceError, InformationIsNotAnError) {
  EXPECT_TRUE(is_information({"01000", 5701, "Changed database context"}));
  EXPECT_FALSE(is_information({"42000", 1205, ""}));   // mid-stream, in a block fetch
  EXPECT_FALSE(is_information({"01000", 20017, ""}));  // cut connection
  EXPECT_FALSE(is_information({"01004", 0, ""}));      // truncated data
}

TEST(SourceError, TheRefusedLoginDecidesAmongSeveral) {
  const SourceError error =
      make_error("Connecting to db",
                 {{"08001", 20002, "[FreeTDS][SQL Server]Adaptive Server connection failed"},
                  {"28000", 18456, "[FreeTDS][SQL Server]Login failed for user 'sa'."}},
                 false);
  EXPECT_EQ(error.status, DSTREAM_DENIED);
  EXPECT_EQ(error.vendor_code, 18456);
  EXPECT_EQ(error.sqlstate, "28000");
  EXPECT_STREQ(error.what(),
               "Connecting to db failed: Login failed for user 'sa'. Check user and "
               "password of the connection.");
}

TEST(SourceError, TheReasonOfARefusedLoginIsSaid) {
  const SourceError error = make_error("Connecting",
                                       {{"42000", 18456, "[D][S]Login failed for user 'sa'."},
                                        {"42000", 4060, "[D][S]Cannot open database \"x\"."},
                                        {"08001", 20002, "[D][S]connection failed"}},
                                       false);
  EXPECT_EQ(error.vendor_code, 4060);
  EXPECT_STREQ(error.what(),
               "Connecting failed: Cannot open database \"x\". Check the database name, and that "
               "the login has a user in it.");
}

TEST(SourceError, AnUnreachableServerIsToldWithWhatToCheck) {
  for (const Diagnostic& diagnostic :
       {Diagnostic{"08S01", 20009, "[D][S]Unable to connect"},
        Diagnostic{"08001", 10061, "[M][S]TCP Provider: Error code 0x274D"}}) {
    const SourceError error = make_error("Connecting", {diagnostic}, false);
    EXPECT_EQ(error.status, DSTREAM_REOPEN);
    EXPECT_NE(std::string(error.what()).find("Check host and port"), std::string::npos);
  }
}

TEST(SourceError, InformationInFrontIsPassedOver) {
  const SourceError error = make_error(
      "Reading", {{"01000", 5701, "x"}, {"42000", 1205, "[D][S]deadlock victim.\n"}}, false);
  EXPECT_EQ(error.status, DSTREAM_RETRY);
  EXPECT_STREQ(error.what(), "Reading failed: deadlock victim.");
}

TEST(SourceError, NoDiagnosticIsStillAnError) {
  EXPECT_EQ(make_error("Reading", {}, true).status, DSTREAM_REOPEN);
  EXPECT_EQ(make_error("Reading", {}, false).status, DSTREAM_FATAL);
}

}  // namespace
}  // namespace dstream::sqlserver
