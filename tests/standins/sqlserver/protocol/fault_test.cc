// Faults on demand, seen from the client's side.
#include <gtest/gtest.h>

#include "tests/standins/sqlserver/protocol/odbc_client.h"
#include "tests/standins/sqlserver/protocol/raw_client.h"
#include "tests/standins/sqlserver/protocol/server_fixture.h"

namespace dstream::standin {
namespace {

class FaultTest : public ServerFixture {
 protected:
  void SetUp() override {
    add_rows(10'000);
    add_number(1);
    start();
  }
  void log_in(RawClient* client) {
    ASSERT_TRUE(client->connect(server_->port()));
    ASSERT_TRUE(client->log_in());
  }
  std::string parameters() const {
    return "Server=127.0.0.1;Port=" + std::to_string(server_->port()) +
           ";UID=sa;PWD=Secret-1;TDS_Version=7.4";
  }
  std::string ask(RawClient* client, std::string_view bytes) {
    std::string body;
    EXPECT_TRUE(client->send(bytes));
    EXPECT_TRUE(client->receive(&body));
    return outline(body);
  }
  static Fault fault(FaultAction action) {
    Fault one;
    one.action = action;
    one.statement_contains = "rows";
    return one;
  }
};

constexpr char kWhole[] = "COLUMNS ROW*10000 DONE(10)";

TEST_F(FaultTest, DropsAfterRows) {
  Fault drop = fault(FaultAction::kDrop);
  drop.after_rows = 5'000;
  const Faults::Id id = server_->faults().add(drop);
  OdbcClient client;
  ASSERT_TRUE(client.connect(parameters())) << client.diagnostics_text();
  ASSERT_TRUE(client.execute("SELECT rows"));
  EXPECT_EQ(client.fetch_all().rows.size(), 5'000u);
  EXPECT_FALSE(client.diagnostics().empty());
  EXPECT_EQ(server_->faults().fired(id), 1u);
  EXPECT_EQ(rows_taken_.load(), 5'000);
  // It is spent: the next connection sees the whole result.
  OdbcClient next;
  ASSERT_TRUE(next.connect(parameters())) << next.diagnostics_text();
  ASSERT_TRUE(next.execute("SELECT rows"));
  EXPECT_EQ(next.fetch_all().rows.size(), 10'000u);
}

TEST_F(FaultTest, DropsAtAByteInTheMiddleOfAPacket) {
  Fault drop = fault(FaultAction::kDrop);
  drop.after_bytes = 6'001;
  server_->faults().add(drop);
  RawClient client;
  log_in(&client);
  ASSERT_TRUE(client.send(RawClient::batch("SELECT rows")));
  std::string body;
  EXPECT_FALSE(client.receive(&body));
  EXPECT_EQ(body.size(), 4096u - 8);
}

TEST_F(FaultTest, DropsACommitBeforeOrAfterItIsDone) {
  int commits = 0;
  handler_.on_event = [&](std::string_view event) { commits += event == "commit" ? 1 : 0; };
  Fault before;
  before.statement_contains = "COMMIT";
  Fault after = before;
  after.after_bytes = 0;
  for (const Fault& drop : {before, after}) {
    server_->faults().add(drop);
    RawClient client;
    log_in(&client);
    client.send(in_packets(0x0E, all_headers() + std::string("\x07\0\0\0", 4)));
    EXPECT_TRUE(client.drain());
    ASSERT_TRUE(server_->statistics().wait_until(
        [](const ServerCounters& counters) { return counters.connections_open == 0; }, kWaitLimit));
    EXPECT_EQ(commits, drop.after_bytes == 0 ? 1 : 0);
  }
}

TEST_F(FaultTest, RaisesAnErrorInTheMiddleOfRows) {
  server_->faults().add(deadlock_after_rows(10));
  RawClient client;
  log_in(&client);
  EXPECT_EQ(ask(&client, RawClient::batch("SELECT rows")), "COLUMNS ROW*10 ERROR(1205) DONE(2)");
  EXPECT_EQ(ask(&client, RawClient::batch("SELECT rows")), kWhole);
}

TEST_F(FaultTest, RaisesAnErrorInPlaceOfTheStatement) {
  Fault error = fault(FaultAction::kError);
  error.message.number = 1222;
  error.message.text = "Lock request time out period exceeded.";
  error.times = 2;
  error.skip = 1;
  const Faults::Id id = server_->faults().add(error);
  RawClient client;
  log_in(&client);
  EXPECT_EQ(ask(&client, RawClient::batch("SELECT 1")), "COLUMNS ROW*1 DONE(10)");
  EXPECT_EQ(ask(&client, RawClient::batch("SELECT rows")), kWhole);
  EXPECT_EQ(ask(&client, RawClient::batch("SELECT rows")), "ERROR(1222) DONE(2)");
  EXPECT_EQ(ask(&client, RawClient::batch("SELECT rows")), "ERROR(1222) DONE(2)");
  EXPECT_EQ(ask(&client, RawClient::batch("SELECT rows")), kWhole);
  EXPECT_EQ(server_->faults().fired(id), 2u);
}

TEST_F(FaultTest, StallsUntilReleased) {
  Fault stall = fault(FaultAction::kStall);
  stall.after_rows = 3;
  const Faults::Id id = server_->faults().add(stall);
  RawClient client;
  log_in(&client);
  ASSERT_TRUE(client.send(RawClient::batch("SELECT rows")));
  ASSERT_TRUE(server_->faults().wait_fired(id, 1, kWaitLimit));
  EXPECT_EQ(rows_taken_.load(), -1);
  server_->faults().release();
  std::string body;
  ASSERT_TRUE(client.receive(&body));
  EXPECT_EQ(outline(body), kWhole);
}

TEST_F(FaultTest, StallOnAByteEndsWithTheServer) {
  Fault stall = fault(FaultAction::kStall);
  stall.after_bytes = 100;
  const Faults::Id id = server_->faults().add(stall);
  RawClient client;
  log_in(&client);
  ASSERT_TRUE(client.send(RawClient::batch("SELECT rows")));
  ASSERT_TRUE(server_->faults().wait_fired(id, 1, kWaitLimit));
  server_->stop();
  EXPECT_TRUE(client.drain());
}

TEST_F(FaultTest, PiecesAndSlownessLoseNothing) {
  Fault piece = fault(FaultAction::kPiece);
  piece.piece_bytes = 7;
  server_->faults().add(piece);
  Fault slow = fault(FaultAction::kSlow);
  slow.after_rows = 9'990;
  slow.delay_ms = 1;
  slow.skip = 1;
  const Faults::Id slow_id = server_->faults().add(slow);
  RawClient client;
  log_in(&client);
  EXPECT_EQ(ask(&client, RawClient::batch("SELECT rows")), kWhole);
  EXPECT_EQ(server_->faults().fired(slow_id), 0u);
  EXPECT_EQ(ask(&client, RawClient::batch("SELECT rows")), kWhole);
  EXPECT_EQ(server_->faults().fired(slow_id), 1u);
}

TEST_F(FaultTest, RefusesOrDropsLogins) {
  Fault refusal;
  refusal.action = FaultAction::kError;
  refusal.at_login = true;
  refusal.times = 2;
  refusal.message.number = 40613;
  refusal.message.severity = 17;
  refusal.message.text = "Database 'testdb' on server 's' is not currently available.";
  server_->faults().add(refusal);
  for (int i = 0; i < 2; ++i) {
    OdbcClient client;
    EXPECT_FALSE(client.connect(parameters()));
    EXPECT_TRUE(client.has_diagnostic(40613)) << client.diagnostics_text();
  }
  Fault drop;
  drop.at_login = true;
  server_->faults().add(drop);
  OdbcClient dropped;
  EXPECT_FALSE(dropped.connect(parameters()));
  OdbcClient client;
  EXPECT_TRUE(client.connect(parameters())) << client.diagnostics_text();
}

TEST_F(FaultTest, DroppingAllConnectionsLeavesTheListener) {
  RawClient client;
  log_in(&client);
  server_->drop_connections();
  EXPECT_TRUE(client.drain());
  log_in(&client);
}

TEST_F(FaultTest, RemovedFaultsDoNothing) {
  Faults& faults = server_->faults();
  const Faults::Id drop = faults.add(fault(FaultAction::kDrop));
  faults.add(fault(FaultAction::kDrop));
  faults.remove(drop);
  faults.clear();
  EXPECT_TRUE(faults.is_empty());
  RawClient client;
  log_in(&client);
  EXPECT_EQ(ask(&client, RawClient::batch("SELECT rows")), kWhole);
}

}  // namespace
}  // namespace dstream::standin
