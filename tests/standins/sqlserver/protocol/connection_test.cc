// Requests and responses packet by packet: what drivers rely on, and what none does on purpose.
#include <gtest/gtest.h>

#include <mutex>
#include <thread>

#include "tests/standins/sqlserver/protocol/bytes.h"
#include "tests/standins/sqlserver/protocol/hex.h"
#include "tests/standins/sqlserver/protocol/packets.h"
#include "tests/standins/sqlserver/protocol/raw_client.h"
#include "tests/standins/sqlserver/protocol/requests.h"
#include "tests/standins/sqlserver/protocol/server_fixture.h"
#include "tests/standins/sqlserver/protocol/text_codec.h"

namespace dstream::standin {
namespace {

class ConnectionTest : public ServerFixture {
 protected:
  void log_in(RawClient* client, const LoginBuilder& login = {}) {
    ASSERT_TRUE(client->connect(server_->port()));
    ASSERT_TRUE(client->log_in(login));
  }
  std::string ask(RawClient* client, std::string_view bytes) {
    std::string body;
    EXPECT_TRUE(client->send(bytes));
    EXPECT_TRUE(client->receive(&body));
    return outline(body);
  }
  // A call of procedure "p" or of a number, without parameters.
  static std::string call_named(std::string_view name) {
    std::string bytes;
    append_us_varchar(name, &bytes);
    put_u16(&bytes, 0);
    return bytes;
  }
};

TEST_F(ConnectionTest, BatchEndsInDone) {
  add_number(1);
  handler_.statements["nothing"] = [](std::span<const Parameter>, ResponseWriter&) {};
  handler_.statements["two"] = [](std::span<const Parameter>, ResponseWriter& out) {
    send_number(1, out);
    out.statement_done(0xB9, -1);
  };
  start();
  RawClient client;
  log_in(&client);
  EXPECT_EQ(ask(&client, RawClient::batch("SELECT 1")), "COLUMNS ROW*1 DONE(10)");
  EXPECT_EQ(ask(&client, RawClient::batch("nothing")), "DONE(0)");
  EXPECT_EQ(ask(&client, RawClient::batch("two")), "COLUMNS ROW*1 DONE(11) DONE(0)");
  EXPECT_EQ(ask(&client, RawClient::batch("what")), "ERROR(102) DONE(2)");
}

TEST_F(ConnectionTest, SeveralCallsInOneMessageAreAnsweredInOne) {
  handler_.procedures["p"] = [](std::span<const Parameter>, ResponseWriter& out) {
    send_number(1, out);
    out.return_status(0);
  };
  start();
  RawClient client;
  log_in(&client);
  const std::string body =
      all_headers() + call_named("p") + "\xFF" + call_named("q") + "\xFF" + call_named("p");
  EXPECT_EQ(ask(&client, in_packets(kRpc, body)),
            "COLUMNS ROW*1 DONEINPROC(11) STATUS(0) DONEPROC(1) "
            "ERROR(2812) DONEINPROC(3) DONEPROC(1) "
            "COLUMNS ROW*1 DONEINPROC(11) STATUS(0) DONEPROC(0)");
  EXPECT_EQ(server_->statistics().counters().procedure_calls.at("p"), 2u);
}

TEST_F(ConnectionTest, WellKnownNumbersBecomeNamesAndAreCounted) {
  start();
  RawClient client;
  log_in(&client);
  std::string body = all_headers();
  put_u16(&body, 0xFFFF);
  put_u16(&body, 2);
  put_u16(&body, 0);
  EXPECT_EQ(ask(&client, in_packets(kRpc, body)), "ERROR(2812) DONEINPROC(3) DONEPROC(0)");
  EXPECT_EQ(server_->statistics().counters().server_cursors(), 1u);
  const std::vector<RequestRecord> requests = server_->statistics().requests();
  EXPECT_EQ(requests.back().procedure_number, 2);
  EXPECT_EQ(requests.back().text, "sp_cursoropen");
}

TEST_F(ConnectionTest, AttentionBeforeTheFirstByteIsAnsweredInTwoMessages) {
  add_wait();
  add_number(1);
  start();
  RawClient client;
  log_in(&client);
  ASSERT_TRUE(client.send(RawClient::batch("WAITFOR")));
  is_waiting_.wait(false);
  EXPECT_EQ(ask(&client, RawClient::attention()), "DONE(2)");
  std::string body;
  ASSERT_TRUE(client.receive(&body));
  EXPECT_EQ(outline(body), "DONE(20)");
  EXPECT_EQ(ask(&client, RawClient::batch("SELECT 1")), "COLUMNS ROW*1 DONE(10)");
}

TEST_F(ConnectionTest, AttentionInTheMiddleOfAStreamEndsItAtATokenBoundary) {
  add_endless();
  add_number(1);
  start();
  RawClient client;
  log_in(&client);
  ASSERT_TRUE(client.send(RawClient::batch("SELECT endless") + RawClient::attention()));
  std::string body;
  ASSERT_TRUE(client.receive(&body));
  const std::string text = outline(body);
  EXPECT_EQ(text.substr(0, 12), "COLUMNS ROW*");
  EXPECT_EQ(text.substr(text.find("DONE")), "DONE(2)");
  ASSERT_TRUE(client.receive(&body));
  EXPECT_EQ(outline(body), "DONE(20)");
  EXPECT_EQ(interrupted_.load(), 1);
  EXPECT_EQ(ask(&client, RawClient::batch("SELECT 1")), "COLUMNS ROW*1 DONE(10)");
}

TEST_F(ConnectionTest, AttentionThatComesLateIsAcknowledged) {
  add_number(1);
  start();
  RawClient client;
  log_in(&client);
  EXPECT_EQ(ask(&client, RawClient::batch("SELECT 1")), "COLUMNS ROW*1 DONE(10)");
  EXPECT_EQ(ask(&client, RawClient::attention()), "DONE(20)");
  EXPECT_EQ(server_->statistics().counters().attentions, 1u);
}

TEST_F(ConnectionTest, RequestTakenBackIsNotRun) {
  add_number(1);
  start();
  RawClient client;
  log_in(&client);
  std::string ignored = RawClient::batch("SELECT 1");
  ignored[1] = kEndOfMessage | kIgnore;
  EXPECT_EQ(ask(&client, ignored), "DONE(2)");
  EXPECT_EQ(server_->statistics().counters().batches, 0u);
}

TEST_F(ConnectionTest, AttentionInTheMiddleOfARequestReplacesIt) {
  start();
  RawClient client;
  log_in(&client);
  std::string half = RawClient::batch("SELECT 1");
  half[1] = 0;
  EXPECT_EQ(ask(&client, half + RawClient::attention()), "DONE(20)");
  EXPECT_EQ(server_->statistics().counters().batches, 0u);
}

TEST_F(ConnectionTest, ResetIsAcknowledgedBeforeTheAnswer) {
  std::atomic<int> resets{0};
  handler_.on_event = [&](std::string_view event) { resets += event == "reset" ? 1 : 0; };
  add_number(1);
  start();
  RawClient client;
  log_in(&client);
  EXPECT_EQ(ask(&client, RawClient::batch("SELECT 1", kResetConnection)),
            "ENV(18) COLUMNS ROW*1 DONE(10)");
  EXPECT_EQ(ask(&client, RawClient::batch("SELECT 1", kResetConnectionKeepTransaction)),
            "ENV(18) COLUMNS ROW*1 DONE(10)");
  EXPECT_EQ(resets.load(), 2);
}

TEST_F(ConnectionTest, TransactionRequestsCarryDescriptors) {
  std::vector<std::string> events;
  handler_.on_event = [&](std::string_view event) { events.emplace_back(event); };
  start();
  RawClient client;
  log_in(&client);
  const auto request = [](std::string_view hex) {
    return in_packets(kTransactionManager, all_headers() + from_hex(hex));
  };
  EXPECT_EQ(ask(&client, request("0500 02 00")), "ENV(8) DONE(0)");
  EXPECT_EQ(ask(&client, request("0700 00 01 00 00")), "ENV(9) ENV(8) DONE(0)");
  EXPECT_EQ(ask(&client, request("0800 00 00")), "ENV(10) DONE(0)");
  EXPECT_EQ(ask(&client, request("0700 00")), "ENV(9) DONE(0)");
  EXPECT_EQ(ask(&client, request("0900 02 7300")), "ERROR(102) DONE(2)");  // SAVE TRANSACTION [s]
  EXPECT_EQ(server_->statistics().requests().back().text, "SAVE TRANSACTION");
  EXPECT_EQ(ask(&client, request("0800 04 73003100 00")), "ENV(10) DONE(0)");
  EXPECT_EQ(events.back(), "rollback s1");
  EXPECT_EQ(ask(&client, request("0000")), "ERROR(8009) DONE(2)");
  EXPECT_EQ(ask(&client, request("05")), "ERROR(8009) DONE(2)");
}

TEST_F(ConnectionTest, BulkLoadBringsRows) {
  std::vector<std::string> loaded;
  handler_.on_bulk_load = [&](BulkRows& rows, ResponseWriter& out) {
    std::vector<SqlValue> values;
    while (rows.next(&values)) {
      loaded.push_back(std::to_string(values[0].number) + " " + values[1].text + " " +
                       (values[2].null ? "NULL" : values[2].text));
    }
    EXPECT_FALSE(rows.is_damaged());
    EXPECT_EQ(rows.columns()[1].name, "name");
    out.statement_done(0xF0, static_cast<int64_t>(loaded.size()));
  };
  start();
  RawClient client;
  log_in(&client);
  const std::string columns = from_hex(
      "81 0300 00000000 0800 38 02 69006400"
      "00000000 0900 E71400 0904D00034 04 6E0061006D006500"
      "00000000 0900 23 FFFFFF7F 0904D00034 0100 7400 01 7800");
  const std::string rows = from_hex(
      "D1 01000000 0200 6100 10 00000000000000000000000000000000 0000000000000000 01000000 7A"
      "D1 02000000 0400 62006300 00");
  const std::string done = from_hex("FD 0000 0000 0000000000000000");
  EXPECT_EQ(ask(&client, in_packets(kBulkLoad, columns + rows + done)), "DONE(10)");
  EXPECT_EQ(loaded, (std::vector<std::string>{"1 a z", "2 bc NULL"}));
  EXPECT_EQ(ask(&client, in_packets(kBulkLoad, "garbage")), "ERROR(8009) DONE(2)");
  handler_.on_bulk_load = nullptr;
  EXPECT_EQ(ask(&client, in_packets(kBulkLoad, columns + done)), "ERROR(4022) DONE(2)");
}

TEST_F(ConnectionTest, DamagedBulkRowsAreToldFromTheirEnd) {
  const std::string columns = from_hex("81 0100 00000000 0800 38 00");
  const std::string row = from_hex("D1 01000000");
  std::vector<SqlValue> values;
  const std::string whole_bytes = columns + row;
  BulkMessage whole(whole_bytes, dialect_of(kTds74));
  // Without a DONE the load may end, but not within a row.
  EXPECT_TRUE(whole.next(&values));
  EXPECT_FALSE(whole.next(&values));
  EXPECT_FALSE(whole.is_damaged());
  const std::string cut_bytes = columns + row.substr(0, 3);
  BulkMessage cut(cut_bytes, dialect_of(kTds74));
  EXPECT_FALSE(cut.next(&values));
  EXPECT_TRUE(cut.is_damaged());
}

TEST_F(ConnectionTest, OldClientsLogInWithoutPreloginAndGetNarrowTokens) {
  add_number(1);
  start();
  RawClient client;
  ASSERT_TRUE(client.connect(server_->port()));
  LoginBuilder login;
  login.tds_version = kTds71;
  std::string body;
  ASSERT_TRUE(client.send(in_packets(kLogin7, login.body())));
  ASSERT_TRUE(client.receive(&body));
  EXPECT_NE(body.find(from_hex("01 71000001")), std::string::npos);
  std::string sql;
  append_utf16("SELECT 1", &sql);
  ASSERT_TRUE(client.send(in_packets(kSqlBatch, sql)));
  ASSERT_TRUE(client.receive(&body));
  EXPECT_EQ(to_hex(body), to_hex(from_hex("81 0100 0000 0900 2608 01 6E00 D1 08 0100000000000000 "
                                          "FD 1000 C100 01000000")));
}

// go-mssqldb sends NULL so.
TEST_F(ConnectionTest, AParameterMayBeNullWithoutAType) {
  handler_.procedures["p"] = [](std::span<const Parameter> parameters, ResponseWriter& out) {
    out.return_status(
        parameters.size() == 2 && parameters[0].value.null && parameters[1].value.number == 7 ? 1
                                                                                              : 0);
  };
  start();
  RawClient client;
  log_in(&client);
  const std::string body = all_headers() + call_named("p") + from_hex("00 00 1F 00 00 30 07");
  EXPECT_EQ(ask(&client, in_packets(kRpc, body)), "STATUS(1) DONEPROC(0)");
}

TEST_F(ConnectionTest, MalformedCallsAreErrorsAndTheConnectionStays) {
  add_number(1);
  start();
  RawClient client;
  log_in(&client);
  std::string unknown_type = all_headers() + call_named("p");
  unknown_type += from_hex("00 00 77");
  EXPECT_EQ(ask(&client, in_packets(kRpc, unknown_type)), "ERROR(8009) DONE(2)");
  // FreeTDS 1.3 sends the day before the first one for 0001-01-01.
  std::string no_date = all_headers() + call_named("p");
  no_date += from_hex("00 00 28 03 FFFFFF");
  EXPECT_EQ(ask(&client, in_packets(kRpc, no_date)), "ERROR(8023) DONE(2)");
  EXPECT_EQ(ask(&client, in_packets(kRpc, "\x01")), "ERROR(8009) DONE(2)");
  EXPECT_EQ(ask(&client, in_packets(kSqlBatch, "\x01")), "ERROR(8009) DONE(2)");
  std::string unknown_number = all_headers();
  put_u16(&unknown_number, 0xFFFF);
  put_u16(&unknown_number, 77);
  put_u16(&unknown_number, 0);
  EXPECT_EQ(ask(&client, in_packets(kRpc, unknown_number)), "ERROR(8009) DONE(2)");
  EXPECT_EQ(ask(&client, RawClient::batch("SELECT 1")), "COLUMNS ROW*1 DONE(10)");
}

TEST_F(ConnectionTest, TooLargeAndForeignBytesEndTheConnection) {
  ServerOptions options;
  options.request_bytes_max = 100'000;
  start(options);
  RawClient large;
  log_in(&large);
  large.send(in_packets(kSqlBatch, std::string(200'000, 'x')));
  EXPECT_TRUE(large.drain());
  RawClient web;
  ASSERT_TRUE(web.connect(server_->port()));
  web.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(web.drain());
  EXPECT_TRUE(server_->statistics().wait_until(
      [](const ServerCounters& counters) {
        return counters.connections_open == 0 && counters.malformed == 2;
      },
      kWaitLimit));
}

TEST_F(ConnectionTest, FatalErrorsCloseTheConnection) {
  handler_.statements["fatal"] = [](std::span<const Parameter>, ResponseWriter& out) {
    ServerMessage fatal;
    fatal.number = 596;
    fatal.severity = 21;
    fatal.text = "Cannot continue the execution because the session is in the kill state.";
    EXPECT_FALSE(out.message(fatal));
  };
  start();
  RawClient client;
  log_in(&client);
  EXPECT_EQ(ask(&client, RawClient::batch("fatal")), "ERROR(596) DONE(2)");
  EXPECT_TRUE(client.drain());
}

TEST_F(ConnectionTest, ValuesThatDoNotFitBecomeErrorsNotWrongRows) {
  handler_.statements["bad"] = [](std::span<const Parameter>, ResponseWriter& out) {
    out.columns(std::vector<ResultColumn>{{"t", type_of(TypeId::kTinyInt)}});
    EXPECT_FALSE(out.row(std::vector<SqlValue>{SqlValue::of_number(256)}));
  };
  start();
  RawClient client;
  log_in(&client);
  EXPECT_EQ(ask(&client, RawClient::batch("bad")), "COLUMNS ERROR(8115) DONE(2)");
}

TEST_F(ConnectionTest, MoreConnectionsThanAllowedAreClosed) {
  ServerOptions options;
  options.connections_max = 2;
  start(options);
  RawClient first, second, third;
  log_in(&first);
  log_in(&second);
  ASSERT_TRUE(third.connect(server_->port()));
  EXPECT_TRUE(third.drain());
  EXPECT_EQ(server_->statistics().counters().connections_refused, 1u);
  first.close();
  ASSERT_TRUE(server_->statistics().wait_until(
      [](const ServerCounters& counters) { return counters.connections_open == 1; }, kWaitLimit));
  log_in(&third);
}

// Whoever closes a connection before it opens the next one has one at a time, however late the
// server hears of it.
TEST_F(ConnectionTest, PeakLeavesOutWhatIsClosedAndNotNoticed) {
  add_wait();
  start();
  RawClient kept;
  log_in(&kept);
  for (int i = 0; i < 50; ++i) {
    RawClient client;
    ASSERT_TRUE(client.connect(server_->port()));
    client.close();
  }
  RawClient last;
  log_in(&last);
  EXPECT_EQ(server_->statistics().counters().connections_peak, 2u);
}

TEST_F(ConnectionTest, ClientThatCrashesStopsItsStatement) {
  add_endless();
  add_wait();
  start();
  RawClient streaming;
  log_in(&streaming);
  ASSERT_TRUE(streaming.send(RawClient::batch("SELECT endless")));
  RawClient waiting;
  log_in(&waiting);
  ASSERT_TRUE(waiting.send(RawClient::batch("WAITFOR")));
  is_waiting_.wait(false);
  streaming.reset();
  waiting.close();
  EXPECT_TRUE(server_->statistics().wait_until(
      [](const ServerCounters& counters) { return counters.connections_open == 0; }, kWaitLimit));
  EXPECT_EQ(interrupted_.load(), 2);
}

TEST(ServerTest, SaysWhyItCannotStart) {
  ScriptedHandler handler;
  Server first(&handler, {});
  std::string error;
  ASSERT_TRUE(first.start(&error)) << error;
  ServerOptions options;
  options.port = first.port();
  Server second(&handler, options);
  EXPECT_FALSE(second.start(&error));
  EXPECT_NE(error.find("Cannot listen on 127.0.0.1:"), std::string::npos) << error;
  options.address = "localhost";
  Server third(&handler, options);
  EXPECT_FALSE(third.start(&error));
  EXPECT_NE(error.find("not a numeric"), std::string::npos) << error;
  // A stopped server's port is free at once.
  options.address = "127.0.0.1";
  first.stop();
  Server fourth(&handler, options);
  EXPECT_TRUE(fourth.start(&error)) << error;
}

}  // namespace
}  // namespace dstream::standin
