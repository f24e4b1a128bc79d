// Random damage to valid sessions, on the socket and straight into the parsers: nothing may crash,
// hang, or end a server that others use. The seed is printed; DSTREAM_FUZZ_SEED repeats a run and
// DSTREAM_FUZZ_ROUNDS makes it longer.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "tests/standins/sqlserver/protocol/bytes.h"
#include "tests/standins/sqlserver/protocol/hex.h"
#include "tests/standins/sqlserver/protocol/login.h"
#include "tests/standins/sqlserver/protocol/packets.h"
#include "tests/standins/sqlserver/protocol/raw_client.h"
#include "tests/standins/sqlserver/protocol/requests.h"
#include "tests/standins/sqlserver/protocol/sample_values.h"
#include "tests/standins/sqlserver/protocol/server_fixture.h"
#include "tests/standins/sqlserver/protocol/text_codec.h"
#include "tests/standins/sqlserver/protocol/value_codec.h"

namespace dstream::standin {
namespace {

uint64_t number_from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class FuzzTest : public ServerFixture {
 protected:
  FuzzTest() : seed_(number_from_environment("DSTREAM_FUZZ_SEED", std::random_device{}())) {
    std::printf("DSTREAM_FUZZ_SEED=%llu\n", static_cast<unsigned long long>(seed_));
    random_.seed(seed_);
  }
  size_t below(size_t limit) { return static_cast<size_t>(random_() % limit); }

  // A procedure call with a parameter of every type that a call can carry.
  std::string call_with_parameters() {
    std::string bytes = all_headers();
    if (below(2) == 0) {
      put_u16(&bytes, 0xFFFF);
      put_u16(&bytes, static_cast<uint16_t>(below(17)));
    } else {
      append_us_varchar("sp_prepexec", &bytes);
    }
    put_u16(&bytes, 0);
    for (const SqlType& type : sample_types()) {
      const bool is_long =
          type.id == TypeId::kText || type.id == TypeId::kNText || type.id == TypeId::kImage;
      const bool is_clr = type.id == TypeId::kHierarchyId || type.id == TypeId::kGeography ||
                          type.id == TypeId::kGeometry;
      if (is_long || is_clr || below(3) == 0) {
        continue;
      }
      append_b_varchar("@p", &bytes);
      put_u8(&bytes, static_cast<uint8_t>(below(2)));
      append_type_info(type, &bytes);
      append_value(type, sample_value(type, &random_), &bytes);
    }
    return bytes;
  }

  // The columns and rows of a bulk load.
  std::string bulk_rows() {
    std::vector<ResultColumn> columns;
    std::vector<SqlValue> values;
    for (const SqlType& type : sample_types()) {
      if (below(8) == 0) {
        columns.push_back({"c", type});
        values.push_back(sample_value(type, &random_));
      }
    }
    std::string bytes;
    append_columns(columns, dialect_of(kTds74), &bytes);
    for (size_t i = below(20); i > 0; --i) {
      encode_row(columns, values, &bytes);
    }
    return bytes;
  }

  std::string request() {
    switch (below(7)) {
      case 6:
        return in_packets(kBulkLoad, bulk_rows());
      case 0:
        return RawClient::batch("SELECT rows", static_cast<uint8_t>(below(4) == 0 ? 0x08 : 0));
      case 1:
        return RawClient::batch(std::string(below(20'000), 'x'));
      case 2:
        return in_packets(kRpc, call_with_parameters(), 512 + below(8'000));
      case 3:
        return in_packets(kTransactionManager, all_headers() + from_hex("0700000100 00"));
      case 4:
        return RawClient::attention();
      default:
        return in_packets(kRpc, call_with_parameters() + "\xFF" + call_with_parameters());
    }
  }

  std::string session() {
    LoginBuilder login;
    login.features = below(2) == 0 ? from_hex("0A 01000000 01 FF") : "";
    login.tds_version = below(8) == 0 ? kTds71 : kTds74;
    const std::string encryption = below(4) == 0 ? "00" : "02";
    std::string bytes =
        in_packets(kPrelogin, from_hex("00 000B 0006 01 0011 0001 FF 090000000000" + encryption));
    bytes += in_packets(kLogin7, login.body());
    for (size_t i = below(5); i > 0; --i) {
      bytes += request();
    }
    return bytes;
  }

  void damage(std::string* bytes) {
    for (size_t i = below(6); i > 0 && !bytes->empty(); --i) {
      const size_t at = below(bytes->size());
      switch (below(5)) {
        case 0:
          (*bytes)[at] = static_cast<char>(random_());
          break;
        case 1:
          (*bytes)[at] = static_cast<char>((*bytes)[at] ^ (1 << below(8)));
          break;
        case 2:
          bytes->erase(at, 1 + below(16));
          break;
        case 3:
          bytes->insert(at, bytes->substr(below(bytes->size()), 1 + below(64)));
          break;
        default:
          bytes->resize(at);
          break;
      }
    }
  }

  const uint64_t seed_;
  std::mt19937_64 random_;
};

TEST_F(FuzzTest, DamagedSessionsEndAndTheServerStays) {
  add_rows(100);
  add_number(1);
  handler_.procedures["sp_cursor"] = [](std::span<const Parameter> parameters,
                                        ResponseWriter& out) {
    for (const Parameter& parameter : parameters) {
      out.return_value(parameter);
    }
  };
  handler_.on_bulk_load = [](BulkRows& rows, ResponseWriter& out) {
    std::vector<SqlValue> values;
    int64_t count = 0;
    while (rows.next(&values)) {
      ++count;
    }
    out.statement_done(0xF0, count, rows.is_damaged());
  };
  ServerOptions options;
  options.login_timeout_ms = 2'000;
  start(options);
  const uint64_t rounds = number_from_environment("DSTREAM_FUZZ_ROUNDS", 600);
  for (uint64_t i = 0; i < rounds; ++i) {
    SCOPED_TRACE("seed " + std::to_string(seed_) + " round " + std::to_string(i));
    std::string bytes = session();
    damage(&bytes);
    RawClient client;
    ASSERT_TRUE(client.connect(server_->port()));
    client.send(bytes);
    client.finish_sending();
    ASSERT_TRUE(client.drain());
  }
  RawClient client;
  std::string body;
  ASSERT_TRUE(client.connect(server_->port()));
  ASSERT_TRUE(client.log_in());
  ASSERT_TRUE(client.send(RawClient::batch("SELECT 1")));
  ASSERT_TRUE(client.receive(&body));
  EXPECT_EQ(outline(body), "COLUMNS ROW*1 DONE(10)");
  client.close();
  EXPECT_TRUE(server_->statistics().wait_until(
      [](const ServerCounters& counters) { return counters.connections_open == 0; }, kWaitLimit));
}

TEST_F(FuzzTest, ParsersTakeAnything) {
  const uint64_t rounds = number_from_environment("DSTREAM_FUZZ_ROUNDS", 600) * 3;
  for (uint64_t i = 0; i < rounds; ++i) {
    std::string login = LoginBuilder{}.body();
    std::string calls = call_with_parameters();
    std::string request = all_headers() + from_hex("0800 02 61006200 01 02 00");
    damage(&login);
    damage(&calls);
    damage(&request);
    Login7 read_login;
    read_login7(login, &read_login);
    PreloginRequest prelogin;
    read_prelogin(request, &prelogin);
    std::vector<ProcedureCall> read_calls;
    ServerMessage problem;
    read_procedure_calls(calls, dialect_of(kTds74), &read_calls, &problem);
    for (const ProcedureCall& call : read_calls) {
      call.text(100);
    }
    TransactionRequest transaction;
    read_transaction_request(request, dialect_of(kTds74), &transaction);
    SqlValue value;
    read_variant(request, &value);
  }
}

TEST_F(FuzzTest, ValidCallsKeepTheirParameters) {
  for (int i = 0; i < 200; ++i) {
    std::vector<Parameter> sent;
    std::string bytes = all_headers();
    append_us_varchar("dbo.p", &bytes);
    put_u16(&bytes, 0);
    for (const SqlType& type : sample_types()) {
      const bool is_row_only = type.id == TypeId::kText || type.id == TypeId::kNText ||
                               type.id == TypeId::kImage || type.id == TypeId::kHierarchyId ||
                               type.id == TypeId::kGeography || type.id == TypeId::kGeometry;
      if (is_row_only) {
        continue;
      }
      Parameter parameter;
      parameter.name = "p" + std::to_string(sent.size());
      parameter.output = below(2) == 0;
      parameter.type = type;
      parameter.value = sample_value(type, &random_);
      append_b_varchar("@" + parameter.name, &bytes);
      put_u8(&bytes, parameter.output ? 1 : 0);
      append_type_info(type, &bytes);
      ASSERT_TRUE(append_value(type, parameter.value, &bytes));
      sent.push_back(parameter);
    }
    std::vector<ProcedureCall> calls;
    ServerMessage problem;
    ASSERT_TRUE(read_procedure_calls(bytes, dialect_of(kTds74), &calls, &problem)) << problem.text;
    ASSERT_EQ(calls.size(), 1u);
    EXPECT_EQ(calls[0].name, "dbo.p");
    ASSERT_EQ(calls[0].parameters.size(), sent.size());
    for (size_t j = 0; j < sent.size(); ++j) {
      const Parameter& received = calls[0].parameters[j];
      SCOPED_TRACE("seed " + std::to_string(seed_) + " " + describe(sent[j].type));
      EXPECT_EQ(received.name, sent[j].name);
      EXPECT_EQ(received.output, sent[j].output);
      EXPECT_EQ(describe(received.value), describe(sent[j].value));
      // A rowversion is binary(8) to a procedure.
      if (sent[j].type.id != TypeId::kRowVersion) {
        EXPECT_EQ(static_cast<int>(received.type.id), static_cast<int>(sent[j].type.id));
        EXPECT_EQ(received.type.precision, sent[j].type.precision);
        EXPECT_EQ(received.type.scale, sent[j].type.scale);
      }
    }
  }
}

}  // namespace
}  // namespace dstream::standin
