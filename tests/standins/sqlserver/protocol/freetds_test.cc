// The server as FreeTDS sees it, through unixODBC.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/standins/sqlserver/protocol/hex.h"
#include "tests/standins/sqlserver/protocol/odbc_client.h"
#include "tests/standins/sqlserver/protocol/server_fixture.h"
#include "tests/standins/sqlserver/protocol/value_codec.h"

namespace dstream::standin {
namespace {

class FreeTds : public ServerFixture {
 protected:
  std::string parameters(const std::string& more = {}) const {
    return "Server=127.0.0.1;Port=" + std::to_string(server_->port()) +
           ";UID=sa;PWD=Secret-1;ClientCharset=UTF-8;" +
           (more.find("TDS_Version") == std::string::npos ? "TDS_Version=7.4;" : "") + more;
  }
  void connect(OdbcClient* client, const std::string& more = {}) {
    ASSERT_TRUE(client->connect(parameters(more))) << client->diagnostics_text();
  }
  // The parameters of "SELECT parameters ...", as the server got them.
  void add_parameters(const std::string& sql) {
    handler_.statements[sql] = [this](std::span<const Parameter> parameters, ResponseWriter& out) {
      {
        const std::lock_guard lock(mutex_);
        parameters_.assign(parameters.begin(), parameters.end());
      }
      std::vector<ResultColumn> columns;
      std::vector<SqlValue> row;
      for (const Parameter& parameter : parameters) {
        columns.push_back({"p" + std::to_string(columns.size()), parameter.type});
        columns.back().type.nullable = true;
        row.push_back(parameter.value);
      }
      send_result(columns, std::vector<std::vector<SqlValue>>{row}, out);
    };
  }

  std::mutex mutex_;
  std::vector<Parameter> parameters_;
};

TEST_F(FreeTds, LogsInAndReadsANumber) {
  add_number(42);
  start();
  OdbcClient client;
  connect(&client, "Database=testdb");
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

TEST_F(FreeTds, ReadsSeveralResultsAndAnErrorBetweenThem) {
  handler_.statements["three"] = [](std::span<const Parameter>, ResponseWriter& out) {
    send_number(1, out);
    out.statement_done(0xC3, 5);
    ServerMessage error;
    error.number = 2627;
    error.severity = 14;
    error.text = "Violation of PRIMARY KEY constraint 'pk'.";
    out.message(error);
    out.statement_done(0xC3, -1, true);
    send_number(3, out);
  };
  start();
  OdbcClient client;
  connect(&client);
  ASSERT_TRUE(client.execute("three")) << client.diagnostics_text();
  EXPECT_EQ(client.fetch_all().rows.at(0).at(0), "1");
  ASSERT_TRUE(client.more_results());
  SQLLEN rows = 0;
  SQLRowCount(client.statement(), &rows);
  EXPECT_EQ(rows, 5);
  EXPECT_FALSE(client.more_results());
  EXPECT_TRUE(client.has_diagnostic(2627)) << client.diagnostics_text();
  ASSERT_TRUE(client.more_results()) << client.diagnostics_text();
  EXPECT_EQ(client.fetch_all().rows.at(0).at(0), "3");
  EXPECT_FALSE(client.more_results());
  // The connection is as good as new.
  ASSERT_TRUE(client.execute("three")) << client.diagnostics_text();
}

struct Sample {
  const char* name;
  SqlType type;
  SqlValue value;
  const char* text;  // what FreeTDS makes of it
  SQLSMALLINT odbc_type;
};

std::vector<Sample> samples() {
  const auto number = [](int64_t v) { return SqlValue::of_number(v); };
  const auto text = [](const char* v) { return SqlValue::of_text(v); };
  const int64_t instant =
      739'942 * kTicksPerDay + (12 * 3600 + 34 * 60 + 56) * kTicksPerSecond + 1'234'567;
  SqlValue offset = number(instant - 330 * 60 * kTicksPerSecond);
  offset.offset_min = 330;
  SqlValue variant = number(42);
  variant.variant_type = type_of(TypeId::kInt);
  const char* most = "99999999999999999999999999999.999999999";
  return {
      {"bit", type_of(TypeId::kBit), number(1), "1", SQL_BIT},
      {"tinyint", type_of(TypeId::kTinyInt), number(255), "255", SQL_TINYINT},
      {"smallint", type_of(TypeId::kSmallInt), number(-32768), "-32768", SQL_SMALLINT},
      {"int", type_of(TypeId::kInt), number(-2147483648), "-2147483648", SQL_INTEGER},
      {"bigint", type_of(TypeId::kBigInt), number(INT64_MIN), "-9223372036854775808", SQL_BIGINT},
      {"real", type_of(TypeId::kReal), SqlValue::of_real(1.5), "1.5", SQL_REAL},
      {"float", type_of(TypeId::kFloat), SqlValue::of_real(0.1), "0.10000000000000001", SQL_DOUBLE},
      {"decimal", type_of(TypeId::kDecimal, 0, 38, 9), text(most), most, SQL_NUMERIC},
      {"numeric", type_of(TypeId::kNumeric, 0, 9, 2), text("-1234567.89"), "-1234567.89",
       SQL_NUMERIC},
      {"money", type_of(TypeId::kMoney), text("-922337203685477.5808"), "-922337203685477.5808",
       SQL_DECIMAL},
      {"smallmoney", type_of(TypeId::kSmallMoney), text("214748.3647"), "214748.3647", SQL_DECIMAL},
      {"date", type_of(TypeId::kDate), number(739'942), "2026-11-23", SQL_TYPE_DATE},
      {"time", type_of(TypeId::kTime, 0, 0, 7), number(instant % kTicksPerDay), "12:34:56.1234567",
       -154},
      {"datetime", type_of(TypeId::kDateTime), number(instant), "2026-11-23 12:34:56.123",
       SQL_TYPE_TIMESTAMP},
      {"smalldatetime", type_of(TypeId::kSmallDateTime), number(instant), "2026-11-23 12:35:00",
       SQL_TYPE_TIMESTAMP},
      {"datetime2", type_of(TypeId::kDateTime2, 0, 0, 7), number(instant),
       "2026-11-23 12:34:56.1234567", SQL_TYPE_TIMESTAMP},
      {"datetimeoffset", type_of(TypeId::kDateTimeOffset, 0, 0, 7), offset,
       "2026-11-23 12:34:56.1234567 +05:30", -155},
      {"char", type_of(TypeId::kChar, 4), text("\xC3\xA9"), "\xC3\xA9   ", SQL_CHAR},
      {"varchar", type_of(TypeId::kVarChar, 9), text("\xE2\x82\xAC 5"), "\xE2\x82\xAC 5",
       SQL_VARCHAR},
      {"varchar(max)", type_of(TypeId::kVarChar, kMaxLength), text("long"), "long", SQL_VARCHAR},
      {"text", type_of(TypeId::kText), text("old"), "old", SQL_LONGVARCHAR},
      {"nchar", type_of(TypeId::kNChar, 3), text("\xD0\x96"), "\xD0\x96  ", SQL_WCHAR},
      {"nvarchar", type_of(TypeId::kNVarChar, 20), text("\xF0\x9F\x98\x80 z"), "\xF0\x9F\x98\x80 z",
       SQL_WVARCHAR},
      {"nvarchar(max)", type_of(TypeId::kNVarChar, kMaxLength), text("\xD0\x96"), "\xD0\x96",
       SQL_WVARCHAR},
      {"ntext", type_of(TypeId::kNText), text("\xD0\x96"), "\xD0\x96", SQL_WLONGVARCHAR},
      {"xml", type_of(TypeId::kXml), text("<a/>"), "<a/>", -152},
      {"binary", type_of(TypeId::kBinary, 3), text("ab"), "616200", SQL_BINARY},
      {"varbinary", type_of(TypeId::kVarBinary, 3), text("ab"), "6162", SQL_VARBINARY},
      {"varbinary(max)", type_of(TypeId::kVarBinary, kMaxLength), text("ab"), "6162",
       SQL_VARBINARY},
      {"image", type_of(TypeId::kImage), text("ab"), "6162", SQL_LONGVARBINARY},
      {"rowversion", type_of(TypeId::kRowVersion), text("8 bytes!"), "3820627974657321",
       SQL_BINARY},
      {"uniqueidentifier", type_of(TypeId::kUniqueIdentifier),
       SqlValue::of_text(from_hex("FF19966F868B11D0B42D00C04FC964FF")),
       "6F9619FF-8B86-D011-B42D-00C04FC964FF", SQL_GUID},
      {"sql_variant", type_of(TypeId::kSqlVariant), variant, "42", -150},
  };
}

// Serves every sample, NULLs, and every sample again as a stored row; checks what arrives.
class FreeTdsTypes : public FreeTds {
 protected:
  void expect_all_types(const ServerOptions& options, const std::string& more) {
    for (const Sample& sample : samples()) {
      columns_.push_back({sample.name, sample.type});
      row_.push_back(sample.value);
    }
    handler_.statements["all types"] = [this](std::span<const Parameter>, ResponseWriter& out) {
      out.columns(columns_);
      out.row(row_);
      out.row(std::vector<SqlValue>(row_.size()));
      std::string token;
      EXPECT_TRUE(encode_row(columns_, row_, &token));
      out.encoded_row(token);
      out.statement_done(0xC1, 3);
    };
    start(options);
    OdbcClient client;
    connect(&client, more);
    ASSERT_TRUE(client.execute("all types")) << client.diagnostics_text();
    result_ = client.fetch_all();
    ASSERT_EQ(result_.rows.size(), 3u) << client.diagnostics_text();
    for (size_t i = 0; i < columns_.size(); ++i) {
      const Sample sample = samples()[i];
      EXPECT_EQ(result_.names[i], sample.name);
      EXPECT_EQ(result_.rows[0][i].value_or("NULL"), sample.text) << sample.name;
      EXPECT_FALSE(result_.rows[1][i].has_value()) << sample.name;
      EXPECT_EQ(result_.rows[2][i], result_.rows[0][i]) << sample.name;
    }
  }
  void expect_odbc_types() {
    for (size_t i = 0; i < columns_.size(); ++i) {
      const Sample sample = samples()[i];
      EXPECT_EQ(result_.types.at(i), sample.odbc_type) << sample.name;
    }
  }

  std::vector<ResultColumn> columns_;
  std::vector<SqlValue> row_;
  OdbcResult result_;
};

TEST_F(FreeTdsTypes, AllComeExactly) {
  expect_all_types({}, "");
  expect_odbc_types();
}

TEST_F(FreeTdsTypes, AllComeExactlyWithNullBitmaps) {
  ServerOptions options;
  options.null_bitmap_rows = true;
  expect_all_types(options, "");
  expect_odbc_types();
}

TEST_F(FreeTdsTypes, OlderDialectsGetTheirOldTypes) {
  expect_all_types({}, "TDS_Version=7.1");
  const auto odbc_type = [&](std::string_view name) {
    for (size_t i = 0; i < result_.names.size(); ++i) {
      if (result_.names[i] == name) {
        return result_.types[i];
      }
    }
    return SQLSMALLINT{0};
  };
  EXPECT_EQ(odbc_type("datetime2"), SQL_WVARCHAR);
  EXPECT_EQ(odbc_type("nvarchar(max)"), SQL_WLONGVARCHAR);
  EXPECT_EQ(odbc_type("varbinary(max)"), SQL_LONGVARBINARY);
}

TEST_F(FreeTdsTypes, TheDialectBeforeDateTypesHasMax) { expect_all_types({}, "TDS_Version=7.2"); }

// An input parameter of ODBC and what the server must have received.
struct Bound {
  SQLSMALLINT c_type;
  SQLSMALLINT sql_type;
  SQLULEN size;
  SQLSMALLINT digits;
  std::string bytes;  // as the C type has it in memory
  TypeId received;
  SqlValue value;
};

template <class T>
std::string memory_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

std::vector<Bound> bound_parameters() {
  const SQL_TIMESTAMP_STRUCT stamp{2026, 11, 23, 12, 34, 56, 123'456'700};
  const SQL_DATE_STRUCT day{2026, 11, 23};
  const int64_t instant =
      739'942 * kTicksPerDay + (12 * 3600 + 34 * 60 + 56) * kTicksPerSecond + 1'234'567;
  const std::string bytes = from_hex("00000027000001F40003");
  return {
      {SQL_C_SLONG, SQL_INTEGER, 0, 0, memory_of(int32_t{-7}), TypeId::kInt,
       SqlValue::of_number(-7)},
      {SQL_C_SBIGINT, SQL_BIGINT, 0, 0, memory_of(INT64_MIN), TypeId::kBigInt,
       SqlValue::of_number(INT64_MIN)},
      {SQL_C_SSHORT, SQL_SMALLINT, 0, 0, memory_of(int16_t{-3}), TypeId::kSmallInt,
       SqlValue::of_number(-3)},
      {SQL_C_UTINYINT, SQL_TINYINT, 0, 0, memory_of(uint8_t{200}), TypeId::kTinyInt,
       SqlValue::of_number(200)},
      {SQL_C_BIT, SQL_BIT, 0, 0, memory_of(uint8_t{1}), TypeId::kBit, SqlValue::of_number(1)},
      {SQL_C_DOUBLE, SQL_DOUBLE, 0, 0, memory_of(0.1), TypeId::kFloat, SqlValue::of_real(0.1)},
      {SQL_C_FLOAT, SQL_REAL, 0, 0, memory_of(1.5f), TypeId::kReal, SqlValue::of_real(1.5)},
      {SQL_C_CHAR, SQL_DECIMAL, 38, 9, "-12345678901234567890123456789.012345678", TypeId::kDecimal,
       SqlValue::of_text("-12345678901234567890123456789.012345678")},
      {SQL_C_CHAR, SQL_WVARCHAR, 50, 0, "\xF0\x9F\x98\x80 \xD0\x96", TypeId::kNVarChar,
       SqlValue::of_text("\xF0\x9F\x98\x80 \xD0\x96")},
      {SQL_C_CHAR, SQL_VARCHAR, 50, 0, "plain", TypeId::kVarChar, SqlValue::of_text("plain")},
      {SQL_C_BINARY, SQL_BINARY, 10, 0, bytes, TypeId::kBinary, SqlValue::of_text(bytes)},
      {SQL_C_BINARY, SQL_VARBINARY, 20, 0, bytes, TypeId::kVarBinary, SqlValue::of_text(bytes)},
      {SQL_C_TYPE_DATE, SQL_TYPE_DATE, 10, 0, memory_of(day), TypeId::kDate,
       SqlValue::of_number(739'942)},
      {SQL_C_TYPE_TIMESTAMP, SQL_TYPE_TIMESTAMP, 27, 7, memory_of(stamp), TypeId::kDateTime2,
       SqlValue::of_number(instant)},
  };
}

void bind_all(const std::vector<Bound>& bound, std::vector<SQLLEN>* lengths, SQLHSTMT statement) {
  lengths->resize(bound.size());
  for (size_t i = 0; i < bound.size(); ++i) {
    (*lengths)[i] = static_cast<SQLLEN>(bound[i].bytes.size());
    ASSERT_TRUE(SQL_SUCCEEDED(
        SQLBindParameter(statement, static_cast<SQLUSMALLINT>(i + 1), SQL_PARAM_INPUT,
                         bound[i].c_type, bound[i].sql_type, bound[i].size, bound[i].digits,
                         const_cast<char*>(bound[i].bytes.data()), (*lengths)[i], &(*lengths)[i])))
        << i;
  }
}

void expect_received(const std::vector<Bound>& bound, const std::vector<Parameter>& received) {
  ASSERT_EQ(received.size(), bound.size());
  for (size_t i = 0; i < bound.size(); ++i) {
    const SqlValue& value = received[i].value;
    EXPECT_EQ(static_cast<int>(received[i].type.id), static_cast<int>(bound[i].received)) << i;
    EXPECT_EQ(value.null, bound[i].value.null) << i;
    EXPECT_EQ(value.number, bound[i].value.number) << i;
    EXPECT_EQ(value.real, bound[i].value.real) << i;
    EXPECT_EQ(value.text, bound[i].value.text) << i;
  }
}

TEST_F(FreeTds, SendsParametersOfEveryKindExactly) {
  const std::vector<Bound> bound = bound_parameters();
  std::string marks = "?";
  std::string names = "@P1";
  for (size_t i = 1; i < bound.size(); ++i) {
    marks += ",?";
    names += ",@P" + std::to_string(i + 1);
  }
  add_parameters("SELECT " + names);
  start();
  OdbcClient client;
  connect(&client);
  std::vector<SQLLEN> lengths;
  bind_all(bound, &lengths, client.statement());
  // Once as sp_executesql, then prepared: sp_prepexec, sp_execute.
  ASSERT_TRUE(client.execute("SELECT " + marks)) << client.diagnostics_text();
  const OdbcResult direct = client.fetch_all();
  ASSERT_EQ(direct.rows.size(), 1u) << client.diagnostics_text();
  expect_received(bound, parameters_);
  client.close_cursor();
  ASSERT_TRUE(client.prepare("SELECT " + marks)) << client.diagnostics_text();
  for (int i = 0; i < 2; ++i) {
    parameters_.clear();
    ASSERT_TRUE(client.execute_prepared()) << client.diagnostics_text();
    EXPECT_EQ(client.fetch_all().rows, direct.rows);
    expect_received(bound, parameters_);
    client.close_cursor();
  }
  for (SQLLEN& length : lengths) {
    length = SQL_NULL_DATA;
  }
  ASSERT_TRUE(client.execute_prepared()) << client.diagnostics_text();
  const OdbcResult nulls = client.fetch_all();
  for (const auto& value : nulls.rows.at(0)) {
    EXPECT_FALSE(value.has_value());
  }
  client.disconnect();
  const auto calls = server_->statistics().counters().procedure_calls;
  EXPECT_EQ(calls.at("sp_executesql"), 1u);
  EXPECT_EQ(calls.at("sp_prepexec"), 1u);
  EXPECT_EQ(calls.at("sp_execute"), 2u);
}

TEST_F(FreeTds, SendsLongParametersWhole) {
  add_parameters("SELECT @P1,@P2");
  start();
  OdbcClient client;
  connect(&client);
  std::string text;
  for (int i = 0; i < 100'000; ++i) {
    text += "\xD0\x96" + std::to_string(i % 10);
  }
  const std::string bytes(200'000, '\7');
  SQLLEN text_length = static_cast<SQLLEN>(text.size());
  SQLLEN bytes_length = static_cast<SQLLEN>(bytes.size());
  SQLBindParameter(client.statement(), 1, SQL_PARAM_INPUT, SQL_C_CHAR, SQL_WLONGVARCHAR, 1 << 20, 0,
                   text.data(), text_length, &text_length);
  SQLBindParameter(client.statement(), 2, SQL_PARAM_INPUT, SQL_C_BINARY, SQL_LONGVARBINARY, 1 << 20,
                   0, const_cast<char*>(bytes.data()), bytes_length, &bytes_length);
  ASSERT_TRUE(client.execute("SELECT ?,?")) << client.diagnostics_text();
  const OdbcResult result = client.fetch_all();
  ASSERT_EQ(parameters_.size(), 2u);
  EXPECT_EQ(parameters_[0].value.text, text);
  EXPECT_EQ(parameters_[1].value.text, bytes);
  ASSERT_EQ(result.rows.size(), 1u) << client.diagnostics_text();
  EXPECT_EQ(result.rows[0][0], text);
}

TEST_F(FreeTds, ReturnsOutputParametersAndStatusOfProcedures) {
  handler_.procedures["dbo.twice"] = [](std::span<const Parameter> parameters,
                                        ResponseWriter& out) {
    send_number(1, out);
    out.return_status(7);
    Parameter answer = parameters[0];
    answer.value = SqlValue::of_number(2 * parameters[0].value.number);
    out.return_value(answer);
  };
  start();
  OdbcClient client;
  connect(&client);
  int32_t status = 0;
  int32_t number = 21;
  SQLLEN status_length = 0;
  SQLLEN number_length = 0;
  SQLBindParameter(client.statement(), 1, SQL_PARAM_OUTPUT, SQL_C_SLONG, SQL_INTEGER, 0, 0, &status,
                   0, &status_length);
  SQLBindParameter(client.statement(), 2, SQL_PARAM_INPUT_OUTPUT, SQL_C_SLONG, SQL_INTEGER, 0, 0,
                   &number, 0, &number_length);
  ASSERT_TRUE(client.execute("{?=call dbo.twice(?)}")) << client.diagnostics_text();
  EXPECT_EQ(client.fetch_all().rows.at(0).at(0), "1");
  while (client.more_results()) {
  }
  EXPECT_EQ(status, 7);
  EXPECT_EQ(number, 42);
}

TEST_F(FreeTds, ClosingAHalfReadResultStopsTheServer) {
  add_endless();
  add_number(1);
  start();
  OdbcClient client;
  connect(&client);
  for (int i = 1; i <= 3; ++i) {
    ASSERT_TRUE(client.execute("SELECT endless")) << client.diagnostics_text();
    ASSERT_TRUE(SQL_SUCCEEDED(SQLFetch(client.statement())));
    client.close_cursor();
    EXPECT_EQ(interrupted_.load(), i);
    ASSERT_TRUE(client.execute("SELECT 1")) << client.diagnostics_text();
    EXPECT_EQ(client.fetch_all().rows.at(0).at(0), "1");
    client.close_cursor();
  }
  EXPECT_EQ(server_->statistics().counters().attentions, 3u);
}

TEST_F(FreeTds, CancelFromAnotherThreadStopsAWaitingStatement) {
  add_wait();
  add_number(1);
  start();
  OdbcClient client;
  connect(&client);
  std::thread canceller([&] {
    is_waiting_.wait(false);
    SQLCancel(client.statement());
  });
  EXPECT_FALSE(client.execute("WAITFOR"));
  canceller.join();
  EXPECT_EQ(client.diagnostics().at(0).state, "HY008") << client.diagnostics_text();
  client.close_cursor();
  ASSERT_TRUE(client.execute("SELECT 1")) << client.diagnostics_text();
}

TEST_F(FreeTds, TimeOutIsToldApartFromALostConnection) {
  add_wait();
  add_number(1);
  start();
  OdbcClient client;
  connect(&client);
  SQLSetStmtAttr(client.statement(), SQL_ATTR_QUERY_TIMEOUT,
                 reinterpret_cast<SQLPOINTER>(uintptr_t{1}), 0);
  EXPECT_FALSE(client.execute("WAITFOR"));
  EXPECT_EQ(client.diagnostics().at(0).state, "HYT00") << client.diagnostics_text();
  client.close_cursor();
  ASSERT_TRUE(client.execute("SELECT 1")) << client.diagnostics_text();
}

TEST_F(FreeTds, TransactionsAreRequestsOfTheirOwn) {
  std::vector<std::string> events;
  handler_.on_event = [&](std::string_view event) {
    const std::lock_guard lock(mutex_);
    events.emplace_back(event);
  };
  add_number(1);
  start();
  OdbcClient client;
  connect(&client);
  ASSERT_TRUE(client.set_autocommit(false)) << client.diagnostics_text();
  for (const bool commit : {true, false}) {
    ASSERT_TRUE(client.execute("SELECT 1")) << client.diagnostics_text();
    client.fetch_all();
    client.close_cursor();
    ASSERT_TRUE(client.end_transaction(commit)) << client.diagnostics_text();
  }
  ASSERT_TRUE(client.set_autocommit(true)) << client.diagnostics_text();
  client.disconnect();
  const std::lock_guard lock(mutex_);
  // FreeTDS ends a transaction and begins the next in one request.
  const std::vector<std::string> expected = {"begin 0",  "commit",  "begin 0",
                                             "rollback", "begin 0", "rollback"};
  EXPECT_EQ(events, expected);
}

TEST_F(FreeTds, FiftyConnectionsWorkAtOnce) {
  for (int i = 0; i < 50; ++i) {
    add_number(i);
  }
  start();
  std::vector<std::unique_ptr<OdbcClient>> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(std::make_unique<OdbcClient>());
    connect(clients.back().get());
  }
  EXPECT_EQ(server_->statistics().counters().connections_open, 50u);
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int i = 0; i < 50; ++i) {
    threads.emplace_back([&, i] {
      OdbcClient& client = *clients[static_cast<size_t>(i)];
      for (int j = 0; j < 10; ++j) {
        if (client.execute("SELECT " + std::to_string(i)) &&
            client.fetch_all().rows.at(0).at(0) == std::to_string(i)) {
          ++right;
        }
        client.close_cursor();
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(right.load(), 500);
  clients.clear();
  EXPECT_TRUE(server_->statistics().wait_until(
      [](const ServerCounters& counters) { return counters.connections_open == 0; }, kWaitLimit));
}

TEST_F(FreeTds, PacketSizesFromSmallestToLargest) {
  std::string text(100'000, 'x');
  handler_.statements["SELECT text"] = [&](std::span<const Parameter>, ResponseWriter& out) {
    send_result(std::vector<ResultColumn>{{"t", type_of(TypeId::kVarChar, kMaxLength)}},
                std::vector<std::vector<SqlValue>>{{SqlValue::of_text(text)}}, out);
  };
  start();
  for (const char* size : {"512", "513", "4096", "8000", "32767", "65535"}) {
    OdbcClient client;
    connect(&client, std::string("PacketSize=") + size);
    ASSERT_TRUE(client.execute("SELECT text")) << size << client.diagnostics_text();
    EXPECT_EQ(client.fetch_all().rows.at(0).at(0), text) << size;
  }
}

TEST_F(FreeTds, StoppingTheServerEndsWaitingSessions) {
  add_wait();
  start();
  OdbcClient client;
  connect(&client);
  std::thread stopper([&] {
    is_waiting_.wait(false);
    server_->stop();
  });
  EXPECT_FALSE(client.execute("WAITFOR"));
  stopper.join();
}

}  // namespace
}  // namespace dstream::standin
