// Pages over the wire: a TDS server that answers with a scripted change table, read through
// FreeTDS or Microsoft's driver. What a real change table answers is tested elsewhere; here the
// answer is given, so that every type and every way to fail in the middle can be looked at.
#include "plugins/sqlserver_cdc/change_queries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <thread>

#include "plugins/sqlserver_cdc/source_error.h"
#include "tests/standins/sqlserver/protocol/sample_values.h"
#include "tests/standins/sqlserver/protocol/server.h"

namespace dstream::sqlserver {
namespace {

using standin::Parameter;
using standin::ResponseWriter;
using standin::ResultColumn;
using standin::SqlType;
using standin::SqlValue;
using standin::TypeId;

constexpr uint16_t kSelect = 0xC1;

std::string lsn_bytes(Lsn lsn) {
  std::string bytes(Lsn::kBytes, '\0');
  lsn.to_bytes(reinterpret_cast<uint8_t*>(bytes.data()));
  return bytes;
}

// Answers page statements with `rows` and everything else with no columns at all.
class ChangeTableHandler : public standin::Handler {
 public:
  std::vector<ResultColumn> columns;
  std::vector<std::vector<SqlValue>> rows;
  std::string page_sql;         // the last statement that read rows
  int64_t row_count_told = -1;  // what @@ROWCOUNT says; -1: the truth
  bool instance_exists = true;
  Lsn low{1, 0};
  Lsn altered;  // newest DDL that altered the change table
  Lsn reach = Lsn::max();

  std::unique_ptr<standin::Session> login(const standin::LoginRequest& request,
                                          standin::ServerMessage* refusal) override;
};

class ChangeTableSession : public standin::Session {
 public:
  explicit ChangeTableSession(ChangeTableHandler* handler) : handler_(handler) {}

  void batch(std::string_view sql, ResponseWriter& out) override { answer(sql, out); }
  void procedure(std::string_view name, std::span<const Parameter> parameters,
                 ResponseWriter& out) override {
    answer(name == "sp_executesql" ? parameters[0].value.text : std::string(name), out);
    out.return_status(0);
  }
  void begin_transaction(uint8_t, ResponseWriter& out) override { out.transaction_changed(8); }
  void commit_transaction(ResponseWriter& out) override { out.transaction_changed(9); }
  void rollback_transaction(std::string_view, ResponseWriter& out) override {
    out.transaction_changed(10);
  }
  void reset() override {}
  std::string database() const override { return "testdb"; }

 private:
  void answer(std::string_view sql, ResponseWriter& out) {
    if (sql.find("_CT]") == std::string_view::npos) {
      out.statement_done(kSelect, -1);
      return;
    }
    out.columns(handler_->columns);
    int64_t sent = 0;
    if (sql.find("TOP (0)") == std::string_view::npos) {
      handler_->page_sql = sql;
      for (const auto& row : handler_->rows) {
        if (!out.row(row)) {
          return;
        }
        ++sent;
      }
    }
    out.statement_done(kSelect, sent);
    if (sql.find("@@ROWCOUNT") != std::string_view::npos) {
      out.columns(std::vector<ResultColumn>{{"", {TypeId::kInt}},
                                            {"", {TypeId::kBinary, Lsn::kBytes}},
                                            {"start_lsn", {TypeId::kBinary, Lsn::kBytes}},
                                            {"", {TypeId::kBinary, Lsn::kBytes}}});
      if (handler_->instance_exists) {
        const int64_t told = handler_->row_count_told < 0 ? sent : handler_->row_count_told;
        out.row(std::vector<SqlValue>{
            SqlValue::of_number(told), SqlValue::of_text(lsn_bytes(handler_->reach)),
            SqlValue::of_text(lsn_bytes(handler_->low)),
            handler_->altered.is_zero() ? SqlValue{}
                                        : SqlValue::of_text(lsn_bytes(handler_->altered))});
      }
      out.statement_done(kSelect, handler_->instance_exists ? 1 : 0);
    }
  }

  ChangeTableHandler* handler_;
};

std::unique_ptr<standin::Session> ChangeTableHandler::login(const standin::LoginRequest& request,
                                                            standin::ServerMessage* refusal) {
  if (request.password != "p@ss;w}rd'1") {
    refusal->number = 18456;
    refusal->severity = 14;
    refusal->text = "Login failed for user '" + request.user + "'.";
    return nullptr;
  }
  return std::make_unique<ChangeTableSession>(this);
}

// captured_columns.column_type of a type.
std::string declared_name(TypeId id) {
  static const std::map<TypeId, std::string> names = {
      {TypeId::kBit, "bit"},
      {TypeId::kTinyInt, "tinyint"},
      {TypeId::kSmallInt, "smallint"},
      {TypeId::kInt, "int"},
      {TypeId::kBigInt, "bigint"},
      {TypeId::kReal, "real"},
      {TypeId::kFloat, "float"},
      {TypeId::kDecimal, "decimal"},
      {TypeId::kNumeric, "numeric"},
      {TypeId::kMoney, "money"},
      {TypeId::kSmallMoney, "smallmoney"},
      {TypeId::kDate, "date"},
      {TypeId::kTime, "time"},
      {TypeId::kDateTime, "datetime"},
      {TypeId::kSmallDateTime, "smalldatetime"},
      {TypeId::kDateTime2, "datetime2"},
      {TypeId::kDateTimeOffset, "datetimeoffset"},
      {TypeId::kChar, "char"},
      {TypeId::kVarChar, "varchar"},
      {TypeId::kNChar, "nchar"},
      {TypeId::kNVarChar, "nvarchar"},
      {TypeId::kBinary, "binary"},
      {TypeId::kVarBinary, "varbinary"},
      {TypeId::kRowVersion, "timestamp"},
      {TypeId::kUniqueIdentifier, "uniqueidentifier"},
      {TypeId::kText, "text"},
      {TypeId::kNText, "ntext"},
      {TypeId::kXml, "xml"},
      {TypeId::kImage, "image"},
      {TypeId::kSqlVariant, "sql_variant"},
      {TypeId::kHierarchyId, "hierarchyid"},
      {TypeId::kGeography, "geography"},
      {TypeId::kGeometry, "geometry"}};
  return names.at(id);
}

bool is_bound(const SqlType& type) {
  switch (type.id) {
    case TypeId::kText:
    case TypeId::kNText:
    case TypeId::kXml:
    case TypeId::kImage:
    case TypeId::kSqlVariant:
    case TypeId::kHierarchyId:
    case TypeId::kGeography:
    case TypeId::kGeometry:
      return false;
    default:
      return type.length != standin::kMaxLength;
  }
}

constexpr int64_t kTicksPerSecond = 10'000'000;
constexpr int64_t kDaysTo1970 = 719'162;

// The value a record should carry, as text, from what was put on the wire.
std::string expected(const SqlType& type, const SqlValue& value) {
  if (value.null) {
    return "null";
  }
  const auto instant = [](int64_t ticks, int offset) {
    const int64_t since = ticks - kDaysTo1970 * 86400 * kTicksPerSecond;
    int64_t seconds = since / kTicksPerSecond;
    int64_t rest = since % kTicksPerSecond;
    if (rest < 0) {
      --seconds;
      rest += kTicksPerSecond;
    }
    return std::to_string(seconds) + "s " + std::to_string(rest * 100) + "ns " +
           std::to_string(offset);
  };
  switch (type.id) {
    case TypeId::kBit:
      return value.number != 0 ? "true" : "false";
    case TypeId::kTinyInt:
    case TypeId::kSmallInt:
    case TypeId::kInt:
    case TypeId::kBigInt:
      return std::to_string(value.number);
    case TypeId::kReal:
    case TypeId::kFloat: {
      uint64_t bits = 0;
      const double number = type.id == TypeId::kReal
                                ? static_cast<double>(static_cast<float>(value.real))
                                : value.real;
      memcpy(&bits, &number, sizeof bits);
      return "f" + std::to_string(bits);
    }
    case TypeId::kDate:
      return "day " + std::to_string(value.number - kDaysTo1970);
    case TypeId::kTime:
      return "t" + std::to_string(value.number * 100);
    case TypeId::kDateTime:  // counts 1/300 s; SQL Server itself shows milliseconds
      return instant((value.number + 5000) / 10'000 * 10'000, 0);
    case TypeId::kSmallDateTime:
    case TypeId::kDateTime2:
      return instant(value.number, 0);
    case TypeId::kDateTimeOffset:
      return instant(value.number, value.offset_min);
    case TypeId::kUniqueIdentifier: {
      std::string rfc = value.text;
      std::reverse(rfc.begin(), rfc.begin() + 4);
      std::reverse(rfc.begin() + 4, rfc.begin() + 6);
      std::reverse(rfc.begin() + 6, rfc.begin() + 8);
      return rfc;
    }
    default:
      return value.text;
  }
}

std::string carried(const dstream_value& value) {
  const std::string text =
      value.type >= DSTREAM_DECIMAL && value.type <= DSTREAM_BYTES
          ? std::string(reinterpret_cast<const char*>(value.as.data), value.size)
          : "";
  switch (value.type) {
    case DSTREAM_NULL:
      return "null";
    case DSTREAM_BOOL:
      return value.as.i64 != 0 ? "true" : "false";
    case DSTREAM_INT64:
      return std::to_string(value.as.i64);
    case DSTREAM_FLOAT64: {
      uint64_t bits = 0;
      memcpy(&bits, &value.as.f64, sizeof bits);
      return "f" + std::to_string(bits);
    }
    case DSTREAM_DATE:
      return "day " + std::to_string(value.as.i64);
    case DSTREAM_TIME:
      return "t" + std::to_string(value.as.i64);
    case DSTREAM_TIMESTAMP:
    case DSTREAM_TIMESTAMP_TZ:
      return std::to_string(value.as.time.seconds) + "s " + std::to_string(value.as.time.nanos) +
             "ns " + std::to_string(value.as.time.offset_min);
    case DSTREAM_UUID:
      return {reinterpret_cast<const char*>(value.as.uuid), 16};
    default:
      return text;
  }
}

class ChangeQueriesTest : public testing::Test {
 protected:
  void SetUp() override {
    handler_.columns = {{"__$start_lsn", {TypeId::kBinary, Lsn::kBytes, 0, 0, false}},
                        {"__$command_id", {TypeId::kInt}},
                        {"__$seqval", {TypeId::kBinary, Lsn::kBytes, 0, 0, false}},
                        {"__$operation", {TypeId::kInt, 0, 0, 0, false}}};
  }
  void TearDown() override {
    queries_.reset();
    connection_.reset();
    server_->stop();
  }

  void start() {
    server_ = std::make_unique<standin::Server>(&handler_, standin::ServerOptions{});
    std::string error;
    ASSERT_TRUE(server_->start(&error)) << error;
  }
  OdbcConnection target(const std::string& password = "p%40ss%3Bw%7Drd%271") const {
    return make_connection("sqlserver://sa:" + password + "@127.0.0.1:" +
                               std::to_string(server_->port()) + "?database=testdb&encrypt=no",
                           installed_drivers());
  }
  void connect(std::chrono::seconds query_timeout = std::chrono::seconds(30)) {
    connection_ = std::make_unique<Connection>(target(), std::chrono::seconds(10), query_timeout);
  }

  void add_row(uint64_t number, std::vector<SqlValue> values) {
    std::vector<SqlValue> row = {SqlValue::of_text(lsn_bytes({5, 0})), SqlValue::of_number(1),
                                 SqlValue::of_text(lsn_bytes({5 + number, 0})),
                                 SqlValue::of_number(2)};
    row.insert(row.end(), values.begin(), values.end());
    handler_.rows.push_back(std::move(row));
  }
  // The captured columns, described through the driver as the catalog does it.
  void make_queries() {
    CatalogTable table;
    table.instance.name = "dbo_t";
    table.instance.object_id = 7;
    table.instance.description.table = {"dbo", "t"};
    Statement statement(*connection_, "SELECT TOP (0) * FROM [cdc].[dbo_t_CT]", {}, "Describing");
    for (size_t i = 4; i < handler_.columns.size(); ++i) {
      const DescribedColumn described = statement.describe(static_cast<SQLSMALLINT>(i + 1));
      const std::string declared = declared_name(handler_.columns[i].type.id);
      const auto type = column_type(declared, described);
      ASSERT_TRUE(type.has_value()) << declared;
      table.instance.description.columns.push_back({described.name, *type, true});
    }
    catalog_.tables = {table};
    queries_ = std::make_unique<ChangeQueries>(
        *connection_, catalog_, std::vector<std::vector<uint32_t>>{{0}}, pool_, value_bytes_max_);
  }
  PageAnswer page(uint32_t rows = 1000, ChangeKey after = ChangeKey::beginning()) {
    return std::get<PageAnswer>(queries_->run(PageRequest{0, after, {100, 0}, rows}));
  }
  // A table of one int column with so many rows.
  void make_simple(uint64_t rows) {
    handler_.columns.push_back({"id", {TypeId::kInt}});
    for (uint64_t i = 0; i < rows; ++i) {
      add_row(i, {SqlValue::of_number(static_cast<int64_t>(i))});
    }
    start();
    connect();
    make_queries();
  }
  SourceError failure(uint32_t rows = 1000) {
    try {
      page(rows);
    } catch (const SourceError& error) {
      return error;
    }
    return {DSTREAM_OK, "no error"};
  }

  ChangeTableHandler handler_;
  std::unique_ptr<standin::Server> server_;
  std::unique_ptr<Connection> connection_;
  size_t value_bytes_max_ = 1 << 20;
  std::shared_ptr<SlabPool> pool_ = std::make_shared<SlabPool>(4 << 20);
  Catalog catalog_;
  std::unique_ptr<ChangeQueries> queries_;
};

TEST_F(ChangeQueriesTest, EveryCarriedTypeArrivesExactly) {
  constexpr uint64_t kSeed = 99;
  std::mt19937_64 random(kSeed);
  std::vector<SqlType> types;
  for (const SqlType& type : standin::sample_types()) {
    if (is_bound(type)) {
      types.push_back(type);
      handler_.columns.push_back({"c" + std::to_string(types.size()), type});
    }
  }
  constexpr uint64_t kRows = 60;
  std::vector<std::vector<SqlValue>> sent;
  for (uint64_t i = 0; i < kRows; ++i) {
    std::vector<SqlValue> row;
    for (const SqlType& type : types) {
      row.push_back(standin::sample_value(type, &random));
    }
    sent.push_back(row);
    add_row(i, row);
  }
  start();
  connect();
  make_queries();
  const PageAnswer answer = page();
  ASSERT_EQ(answer.rows, kRows);
  EXPECT_TRUE(answer.complete);
  size_t at = 0;
  for (const ChunkPointer& chunk : answer.chunks) {
    for (const ChangeRow& row : chunk->rows) {
      for (size_t i = 0; i < types.size(); ++i) {
        ASSERT_EQ(carried(row.values[i]), expected(types[i], sent[at][i]))
            << "seed " << kSeed << ", row " << at << ", "
            << catalog_.tables[0].instance.description.columns[i].type.source_type;
      }
      ++at;
    }
  }
}

// A replica that has not got as far as the one that was asked what is new: that a page has an end
// proves nothing there.
TEST_F(ChangeQueriesTest, PageCountsOnlyIfItsServerHasGotThere) {
  make_simple(5);
  handler_.reach = {99, 0};
  for (const uint32_t rows : {5u, 6u}) {
    const PageAnswer behind = page(rows);
    EXPECT_TRUE(behind.behind);
    EXPECT_FALSE(behind.complete);
    EXPECT_EQ(behind.rows, 0u);
    EXPECT_TRUE(behind.chunks.empty());
  }
  handler_.reach = {100, 0};
  const PageAnswer last = page(6);
  EXPECT_FALSE(last.behind);
  EXPECT_TRUE(last.complete);
  EXPECT_EQ(last.rows, 5u);
}

TEST_F(ChangeQueriesTest, TypesAreSpelledAsDeclared) {
  for (const SqlType& type :
       {SqlType{TypeId::kDecimal, 0, 18, 4}, SqlType{TypeId::kNVarChar, 50},
        SqlType{TypeId::kDateTime2, 0, 0, 7}, SqlType{TypeId::kTime, 0, 0, 3},
        SqlType{TypeId::kMoney}, SqlType{TypeId::kVarBinary, 16}, SqlType{TypeId::kRowVersion},
        SqlType{TypeId::kNumeric, 0, 38, 10}, SqlType{TypeId::kDateTimeOffset, 0, 0, 0}}) {
    handler_.columns.push_back({"c", type});
  }
  start();
  connect();
  make_queries();
  std::vector<std::string> spelled;
  for (const CapturedColumn& column : catalog_.tables[0].instance.description.columns) {
    spelled.push_back(column.type.source_type);
  }
  EXPECT_THAT(spelled, testing::ElementsAre("decimal(18,4)", "nvarchar(50)", "datetime2(7)",
                                            "time(3)", "money", "varbinary(16)", "rowversion",
                                            "numeric(38,10)", "datetimeoffset(0)"));
}

// Those that are not bound, as the driver describes them.
TEST_F(ChangeQueriesTest, TypesOfNoFixedSizeAreReadInPieces) {
  for (const SqlType& type : standin::sample_types()) {
    if (!is_bound(type)) {
      handler_.columns.push_back({"c", type});
    }
  }
  start();
  connect();
  Statement statement(*connection_, "SELECT TOP (0) * FROM [cdc].[dbo_t_CT]", {}, "Describing");
  for (size_t i = 4; i < handler_.columns.size(); ++i) {
    const DescribedColumn described = statement.describe(static_cast<SQLSMALLINT>(i + 1));
    const std::string declared = declared_name(handler_.columns[i].type.id);
    const auto type = column_type(declared, described);
    ASSERT_TRUE(type.has_value()) << declared;
    EXPECT_NE(type->large, Large::kNo) << declared;
    EXPECT_EQ(type->source_type, spell_type(declared, described));
    const bool sized = handler_.columns[i].type.length == standin::kMaxLength;
    EXPECT_EQ(spell_type(declared, described), declared + (sized ? "(max)" : ""));
  }
}

TEST_F(ChangeQueriesTest, ClrTypesAsTextAreTheServersOwn) {
  handler_.columns.push_back({"__$update_mask", {TypeId::kVarBinary, 128}});
  handler_.columns.push_back({"h", {TypeId::kNVarChar, standin::kMaxLength}});
  add_row(0, {SqlValue::of_text("\x01"), SqlValue::of_text("/1/2.5/")});
  start();
  connect();
  DescribedColumn described;
  described.name = "h";
  CatalogTable table;
  table.instance.name = "dbo_t";
  table.instance.description.table = {"dbo", "t"};
  table.instance.description.columns = {
      {"h", *column_type("hierarchyid", described, ClrForm::kText), true}};
  catalog_.tables = {table};
  queries_ = std::make_unique<ChangeQueries>(
      *connection_, catalog_, std::vector<std::vector<uint32_t>>{{0}}, pool_, value_bytes_max_);
  const PageAnswer answer = page();
  ASSERT_EQ(answer.rows, 1u);
  const dstream_value& value = answer.chunks[0]->rows[0].values[0];
  EXPECT_EQ(value.type, dstream_type{DSTREAM_STRING});
  EXPECT_EQ(carried(value), "/1/2.5/");
  EXPECT_THAT(handler_.page_sql, testing::HasSubstr("c.[__$update_mask], c.[h].ToString() FROM"));
}

// Values that were converted to what a column was before are never handed on.
TEST_F(ChangeQueriesTest, APageOfATableThatWasAlteredIsThrownAway) {
  make_simple(3);
  EXPECT_EQ(page().rows, 3u);
  handler_.altered = {4, 0};
  const SourceError error = failure();
  EXPECT_EQ(error.status, dstream_status{DSTREAM_REOPEN});
  EXPECT_THAT(error.what(), testing::HasSubstr("dbo_t of dbo.t was altered"));
  catalog_.tables[0].instance.definition = {4, 0};
  EXPECT_EQ(page().rows, 3u);
}

TEST_F(ChangeQueriesTest, RowsComeInBlocksWithTheirKeys) {
  make_simple(1000);
  const PageAnswer answer = page(1000);
  EXPECT_EQ(answer.rows, 1000u);
  EXPECT_FALSE(answer.complete);  // a full page says nothing about what follows
  EXPECT_GT(answer.chunks.size(), 1u);
  EXPECT_EQ(answer.chunks.back()->rows.back().key, (ChangeKey{{5, 0}, 1, {1004, 0}, 2}));
  EXPECT_EQ(answer.chunks.back()->rows.back().values[0].as.i64, 999);
  EXPECT_TRUE(page(1001).complete);
  // Nothing opens a server cursor, whatever the array size.
  EXPECT_EQ(server_->statistics().counters().server_cursors(), 0u);
}

TEST_F(ChangeQueriesTest, ErrorInTheMiddleIsNeverTheEnd) {
  make_simple(600);
  for (const int64_t rows : {0, 1, 10, 255, 256, 257, 512, 599, 600}) {
    server_->faults().add(standin::deadlock_after_rows(rows));
    const SourceError error = failure();
    EXPECT_EQ(error.status, DSTREAM_RETRY) << rows << ": " << error.what();
    EXPECT_EQ(error.vendor_code, 1205) << rows;
    EXPECT_EQ(page().rows, 600u) << "the connection goes on";
  }
}

TEST_F(ChangeQueriesTest, CutConnectionIsNeverTheEnd) {
  make_simple(600);
  for (const int64_t rows : {0, 1, 255, 256, 300, 512, 599, 600}) {
    standin::Fault fault;
    fault.action = standin::FaultAction::kDrop;
    fault.after_rows = rows;
    server_->faults().add(fault);
    const SourceError error = failure();
    EXPECT_EQ(error.status, DSTREAM_REOPEN) << rows << ": " << error.what();
    server_->faults().clear();
    queries_.reset();
    connect();
    make_queries();
  }
}

TEST_F(ChangeQueriesTest, CutInTheMiddleOfAPacketIsNeverTheEnd) {
  make_simple(600);
  std::mt19937 random(5);
  for (int i = 0; i < 40; ++i) {
    standin::Fault fault;
    fault.action = standin::FaultAction::kDrop;
    fault.after_bytes = static_cast<int64_t>(random() % 25'000);
    const auto id = server_->faults().add(fault);
    const SourceError error = failure();
    if (server_->faults().fired(id) > 0) {
      EXPECT_EQ(error.status, DSTREAM_REOPEN) << fault.after_bytes << ": " << error.what();
    } else {
      EXPECT_EQ(error.status, DSTREAM_OK) << error.what();
    }
    server_->faults().clear();
    queries_.reset();
    connect();
    make_queries();
  }
}

TEST_F(ChangeQueriesTest, MissingRowsAreFound) {
  make_simple(100);
  handler_.row_count_told = 101;
  EXPECT_EQ(failure().status, DSTREAM_RETRY);
  handler_.row_count_told = -1;
  EXPECT_EQ(page().rows, 100u);
}

TEST_F(ChangeQueriesTest, DroppedInstanceIsReopened) {
  make_simple(1);
  handler_.instance_exists = false;
  const SourceError error = failure();
  EXPECT_EQ(error.status, DSTREAM_REOPEN);
  EXPECT_THAT(error.what(), testing::HasSubstr("dropped"));
}

TEST_F(ChangeQueriesTest, RowsOutOfOrderAreRefused) {
  make_simple(3);
  std::swap(handler_.rows[0], handler_.rows[2]);
  EXPECT_EQ(failure().status, DSTREAM_FATAL);
}

TEST_F(ChangeQueriesTest, SlowStatementTimesOutAndTheConnectionGoesOn) {
  make_simple(100);
  queries_.reset();
  connect(std::chrono::seconds(1));
  make_queries();
  standin::Fault fault;
  fault.action = standin::FaultAction::kSlow;
  fault.after_rows = 50;
  fault.delay_ms = 3000;
  server_->faults().add(fault);
  const SourceError error = failure();
  EXPECT_TRUE(error.status == DSTREAM_RETRY || error.status == DSTREAM_REOPEN) << error.what();
}

// Poco's session would go round for ever here.
TEST_F(ChangeQueriesTest, ConnectingAsksTheServerForNothingMore) {
  start();
  standin::Fault fault;
  fault.action = standin::FaultAction::kDrop;
  fault.statement_contains = "sp_datatype_info";
  const auto id = server_->faults().add(fault);
  connect();
  EXPECT_FALSE(connection_->dead());
  EXPECT_EQ(server_->faults().fired(id), 0u);
}

// Not a stalled one: SQLCancel of Microsoft's driver waits until the call that runs has something
// from the server. What a stalled server means for close() is tested in source_test.cc.
TEST_F(ChangeQueriesTest, CancelEndsASlowStatement) {
  make_simple(5000);
  standin::Fault fault;
  fault.action = standin::FaultAction::kSlow;
  fault.after_rows = 200;
  fault.delay_ms = 10;
  const auto id = server_->faults().add(fault);
  std::thread canceller([this, id] {
    EXPECT_TRUE(server_->faults().wait_fired(id, 1, std::chrono::seconds(20)));
    connection_->cancel();
  });
  EXPECT_NE(failure(5000).status, DSTREAM_OK);
  canceller.join();
  EXPECT_EQ(failure().status, DSTREAM_CANCELLED);
}

TEST_F(ChangeQueriesTest, RefusedLoginIsDeniedWithoutTheSecret) {
  start();
  try {
    Connection refused(target("hunter2%21"), std::chrono::seconds(10), std::chrono::seconds(10));
    FAIL() << "logged in";
  } catch (const SourceError& error) {
    EXPECT_EQ(error.status, DSTREAM_DENIED);
    EXPECT_EQ(error.vendor_code, 18456);
    EXPECT_FALSE(error.sqlstate.empty());
    EXPECT_THAT(error.what(), testing::HasSubstr("Login failed for user 'sa'"));
    EXPECT_THAT(error.what(), testing::Not(testing::HasSubstr("hunter2")));
  }
}

TEST_F(ChangeQueriesTest, NobodyThereIsReopened) {
  start();
  const OdbcConnection gone = target();
  server_->stop();
  try {
    Connection refused(gone, std::chrono::seconds(5), std::chrono::seconds(5));
    FAIL() << "connected";
  } catch (const SourceError& error) {
    EXPECT_EQ(error.status, DSTREAM_REOPEN) << error.what();
    EXPECT_THAT(error.what(), testing::HasSubstr("127.0.0.1"));
  }
}

}  // namespace
}  // namespace dstream::sqlserver
