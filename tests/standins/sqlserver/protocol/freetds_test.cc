// The server as FreeTDS sees it, through unixODBC.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/standins/sqlserver/protocol/odbc_client.h"
#include "tests/standins/sqlserver/protocol/scripted_handler.h"
#include "tests/standins/sqlserver/protocol/server.h"

namespace dstream::standin {
namespace {

constexpr std::chrono::seconds kWaitLimit{20};

SqlType type_of(TypeId id, int32_t length = 0, uint8_t precision = 0, uint8_t scale = 0) {
  return {id, length, precision, scale, true, false};
}

class FreeTds : public ::testing::Test {
 protected:
  void start(ServerOptions options = {}) {
    server_ = std::make_unique<Server>(&handler_, options);
    std::string error;
    ASSERT_TRUE(server_->start(&error)) << error;
  }
  std::string parameters(const std::string& more = {}) const {
    return "Server=127.0.0.1;Port=" + std::to_string(server_->port()) +
           ";UID=sa;PWD=Secret-1;TDS_Version=7.4;ClientCharset=UTF-8;" + more;
  }
  // "SELECT n" answers with the number n.
  void add_number(int64_t number) {
    handler_.statements["SELECT " + std::to_string(number)] = [number](std::span<const Parameter>,
                                                                       ResponseWriter& out) {
      const std::vector<ResultColumn> columns = {{"n", type_of(TypeId::kBigInt)}};
      const std::vector<std::vector<SqlValue>> rows = {{SqlValue::of_number(number)}};
      send_result(columns, rows, out);
    };
  }

  ScriptedHandler handler_;
  std::unique_ptr<Server> server_;
};

TEST_F(FreeTds, LogsInAndReadsANumber) {
  add_number(42);
  start();
  OdbcClient client;
  ASSERT_TRUE(client.connect(parameters("Database=testdb"))) << client.diagnostics_text();
  ASSERT_TRUE(client.execute("SELECT 42")) << client.diagnostics_text();
  const OdbcResult result = client.fetch_all();
  ASSERT_EQ(result.rows.size(), 1u) << client.diagnostics_text();
  EXPECT_EQ(result.names[0], "n");
  EXPECT_EQ(result.rows[0][0], "42");
  EXPECT_FALSE(client.more_results());
}

TEST_F(FreeTds, WrongPasswordAndUnknownDatabaseAreRefused) {
  start();
  OdbcClient wrong_password;
  EXPECT_FALSE(wrong_password.connect(parameters("PWD=nonsense")));
  EXPECT_TRUE(wrong_password.has_diagnostic(18456)) << wrong_password.diagnostics_text();
  OdbcClient wrong_database;
  EXPECT_FALSE(wrong_database.connect(parameters("Database=nowhere")));
  EXPECT_TRUE(wrong_database.has_diagnostic(4060)) << wrong_database.diagnostics_text();
  EXPECT_EQ(server_->statistics().counters().logins_refused, 2u);
}

}  // namespace
}  // namespace dstream::standin
