// The whole source, through its C table, against the stand-in, or against the
// server that DSTREAM_TEST_SQLSERVER names (tests that need faults are skipped
// there).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "plugins/sqlserver_cdc/position.h"
#include "plugins/sqlserver_cdc/test_database.h"

namespace dstream::sqlserver {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kPersons[] =
    "CREATE TABLE dbo.Persons (ID int NOT NULL PRIMARY KEY, FirstName "
    "nvarchar(50) NOT NULL, "
    "LastName varchar(50) NULL, Balance decimal(18,4) NULL, Active bit NOT "
    "NULL, "
    "Born date NULL, Seen datetime2(7) NULL, Token uniqueidentifier NULL)";
constexpr char kCars[] =
    "CREATE TABLE dbo.Cars (ID int NOT NULL PRIMARY KEY, "
    "Model nvarchar(40) NULL)";

class SourceTest : public SourceFixture {};

std::string insert_car(int id, const std::string& model = "VW") {
  return "INSERT INTO dbo.Cars (ID, Model) VALUES (" + std::to_string(id) + ", N'" + model + "')";
}

TEST_F(SourceTest, DeliversWhatWasCommittedFromTheOldestOn) {
  create_table(kPersons, "Persons");
  run("INSERT INTO dbo.Persons VALUES (1, N'Jürgen 😀', 'Müller', 12.5, 1, "
      "'1969-07-20', "
      "'2026-11-23 10:11:12.1234567', '6F9619FF-8B86-D011-B42D-00C04FC964FF')");
  run("UPDATE dbo.Persons SET Balance = -0.0001, LastName = NULL WHERE ID = 1");
  run("DELETE FROM dbo.Persons WHERE ID = 1");
  open({"dbo.Persons"});
  const auto seen = read(3);
  EXPECT_THAT(texts(seen),
              ElementsAre("i Persons after 1|Jürgen 😀|Müller|12.5000|true|day -165|"
                          "1795428672.123456700|6f9619ff8b86d011b42d00c04fc964ff $",
                          "u Persons before 1|Jürgen 😀|Müller|12.5000|true|day -165|"
                          "1795428672.123456700|6f9619ff8b86d011b42d00c04fc964ff after "
                          "1|Jürgen 😀|null|-0.0001|true|day -165|1795428672.123456700|"
                          "6f9619ff8b86d011b42d00c04fc964ff $",
                          "d Persons before 1|Jürgen 😀|null|-0.0001|true|day -165|"
                          "1795428672.123456700|6f9619ff8b86d011b42d00c04fc964ff $"));
}

TEST_F(SourceTest, SchemaIsThatOfTheCaptureInstance) {
  create_table(kPersons, "Persons");
  run("INSERT INTO dbo.Persons VALUES (1, N'a', 'b', 1, 1, NULL, NULL, NULL)");
  open({"dbo.Persons"});
  Batch batch = read_batch();
  const dstream_schema* schema = batch[0].raw().schema;
  EXPECT_EQ(std::string(schema->database), database_name());
  EXPECT_STREQ(schema->name_space, "dbo");
  EXPECT_STREQ(schema->name, "Persons");
  ASSERT_EQ(schema->column_count, 8u);
  ASSERT_EQ(schema->key_count, 1u);
  EXPECT_EQ(schema->key_columns[0], 0u);
  std::vector<std::string> columns;
  for (uint32_t i = 0; i < schema->column_count; ++i) {
    const dstream_column& column = schema->columns[i];
    columns.push_back(std::string(column.name) + ' ' + column.source_type +
                      ((column.flags & DSTREAM_COLUMN_NULLABLE) != 0 ? "?" : "") +
                      ((column.flags & DSTREAM_COLUMN_KEY) != 0 ? " key" : ""));
  }
  EXPECT_THAT(columns, ElementsAre("ID int key", "FirstName nvarchar(50)", "LastName varchar(50)?",
                                   "Balance decimal(18,4)?", "Active bit", "Born date?",
                                   "Seen datetime2(7)?", "Token uniqueidentifier?"));
}

// Three kinds of columns that a change has no value for, and how each shows.
TEST_F(SourceTest, ComputedDroppedAndNeverCapturedColumnsAreToldApart) {
  run("CREATE TABLE dbo.Cars (ID int NOT NULL PRIMARY KEY, Price int NOT NULL, Twice AS Price * 2,"
      " Old int NULL, Model nvarchar(40) NULL)");
  enable_table("Cars");
  run("INSERT INTO dbo.Cars (ID, Price, Old, Model) VALUES (1, 10, 7, N'a')");
  wait_captured("dbo_Cars", 1);
  run("ALTER TABLE dbo.Cars DROP COLUMN Old");
  run("ALTER TABLE dbo.Cars ADD Added int NULL");
  run("INSERT INTO dbo.Cars (ID, Price, Model, Added) VALUES (2, 20, N'b', 5)");
  wait_captured("dbo_Cars", 2);
  open({"dbo.Cars"});
  Batch batch = read_batch();
  const dstream_schema* schema = batch[0].raw().schema;
  std::vector<std::string> columns;
  for (uint32_t i = 0; i < schema->column_count; ++i) {
    const dstream_column& column = schema->columns[i];
    columns.push_back(std::string(column.name) +
                      ((column.flags & DSTREAM_COLUMN_NULLABLE) != 0 ? "?" : "") +
                      ((column.flags & DSTREAM_COLUMN_COMPUTED) != 0 ? " computed" : "") +
                      ((column.flags & DSTREAM_COLUMN_DROPPED) != 0 ? " dropped" : ""));
  }
  EXPECT_THAT(columns, ElementsAre("ID", "Price", "Twice? computed", "Old? dropped", "Model?"));
  reopen("");
  EXPECT_THAT(texts(read(4)),
              ElementsAre("i Cars after 1|10|absent|7|a $", HasSubstr("DROP COLUMN Old"),
                          HasSubstr("ADD Added"), "i Cars after 2|20|absent|null|b $"));
}

TEST_F(SourceTest, FactsOfAChangeComeWithIt) {
  create_table(kCars, "Cars");
  run("BEGIN TRANSACTION; " + insert_car(1) + "; " + insert_car(2) + "; COMMIT");
  const int64_t before = unix_now_ns();
  open({"dbo.Cars"});
  Batch batch = read_batch();
  ASSERT_EQ(batch.size(), 2u);
  const dstream_record& first = batch[0].raw();
  const dstream_record& second = batch[1].raw();
  EXPECT_EQ(first.transaction_seq, 1u);
  EXPECT_EQ(second.transaction_seq, 2u);
  EXPECT_EQ(first.flags & DSTREAM_RECORD_TX_END, 0u);
  EXPECT_NE(second.flags & DSTREAM_RECORD_TX_END, 0u);
  EXPECT_EQ(batch[0].header("commit_lsn"), view(first.transaction_id));
  EXPECT_EQ(batch[0].header("commit_lsn"), batch[1].header("commit_lsn"));
  EXPECT_NE(batch[0].header("change_lsn"), batch[1].header("change_lsn"));
  EXPECT_TRUE(Lsn::parse(batch[0].header("change_lsn")).has_value());
  EXPECT_EQ(batch[0].header("sequence"), "1");
  // Committed within the last minutes, whatever the server's time zone.
  EXPECT_GT(first.commit_time_ns, before - int64_t{600} * 1'000'000'000);
  EXPECT_LT(first.commit_time_ns, before + int64_t{60} * 1'000'000'000);
  EXPECT_GE(first.read_time_ns, before);
}

TEST_F(SourceTest, TablesAreMergedInCommitOrder) {
  create_table(kPersons, "Persons");
  create_table(kCars, "Cars");
  for (int i = 1; i <= 20; ++i) {
    const std::string id = std::to_string(i);
    run("BEGIN TRANSACTION; " + insert_car(i) +
        "; INSERT INTO dbo.Persons (ID, FirstName, Active) "
        "VALUES (" +
        id + ", N'p', 1); UPDATE dbo.Cars SET Model = N'x' WHERE ID = " + id + "; COMMIT");
    run("DELETE FROM dbo.Persons WHERE ID = " + id);
  }
  open({"dbo.Persons", "dbo.Cars"});
  const auto seen = read(80);
  for (int i = 0; i < 20; ++i) {
    // Inside a transaction the tables' own order is kept; transactions never
    // mix.
    const std::string id = std::to_string(i + 1);
    std::set<std::string> transaction;
    for (int k = 0; k < 3; ++k) {
      transaction.insert(seen[static_cast<size_t>(i * 4 + k)].text.substr(0, 8));
      EXPECT_EQ(seen[static_cast<size_t>(i * 4 + k)].transaction_end, k == 2) << i;
    }
    EXPECT_THAT(transaction, ElementsAre("i Cars a", "i Person", "u Cars b"));
    EXPECT_THAT(seen[static_cast<size_t>(i * 4 + 3)].text,
                HasSubstr("d Persons before " + id + "|"));
  }
}

TEST_F(SourceTest, EveryPositionResumesWithExactlyTheRest) {
  create_table(kPersons, "Persons");
  create_table(kCars, "Cars");
  for (int i = 1; i <= 6; ++i) {
    const std::string id = std::to_string(i);
    run("BEGIN TRANSACTION; " + insert_car(i) +
        "; INSERT INTO dbo.Persons (ID, FirstName, Active) "
        "VALUES (" +
        id + ", N'p', 1); UPDATE dbo.Cars SET Model = Model + N'x' WHERE ID > 0; COMMIT");
    run("UPDATE dbo.Persons SET ID = ID + 100 WHERE ID = " + id);
  }
  open({"dbo.Persons", "dbo.Cars"});
  const auto all = read(45);
  ASSERT_EQ(all.size(), 45u);
  for (size_t i = 0; i + 1 < all.size(); ++i) {
    ASSERT_FALSE(all[i].position.empty());
    reopen(all[i].position);
    const auto rest = read(all.size() - 1 - i);
    ASSERT_EQ(texts(rest), texts({all.begin() + 1 + static_cast<long>(i), all.end()})) << i;
    ASSERT_EQ(facts(rest), facts({all.begin() + 1 + static_cast<long>(i), all.end()})) << i;
  }
}

TEST_F(SourceTest, LargeTransactionIsCutByPages) {
  constexpr int kRows = 50'000;
  create_table(kCars, "Cars");
  run(many_cars(kRows));
  open({"dbo.Cars"}, R"("page_rows":3000)");
  const auto seen = read(kRows);
  ASSERT_EQ(seen.size(), static_cast<size_t>(kRows));
  std::set<std::string> distinct;
  for (size_t i = 0; i < seen.size(); ++i) {
    ASSERT_EQ(seen[i].sequence, i + 1);
    ASSERT_EQ(seen[i].transaction_end, i + 1 == seen.size());
    distinct.insert(seen[i].text);
  }
  EXPECT_EQ(distinct.size(), static_cast<size_t>(kRows));
  // From the middle of it.
  reopen(seen[29'999].position);
  const auto rest = read(20'000);
  EXPECT_EQ(texts(rest), texts({seen.begin() + 30'000, seen.end()}));
  EXPECT_EQ(rest.front().sequence, 30'001u);
}

TEST_F(SourceTest, KeyChangeIsDeleteAndInsert) {
  create_table(kCars, "Cars");
  run(insert_car(1, "a"));
  run("UPDATE dbo.Cars SET ID = 2 WHERE ID = 1");
  open({"dbo.Cars"});
  EXPECT_THAT(texts(read(3)),
              ElementsAre("i Cars after 1|a $", "d Cars before 1|a", "i Cars after 2|a $"));
}

TEST_F(SourceTest, NewChangesArriveWhileItRuns) {
  create_table(kCars, "Cars");
  open({"dbo.Cars"});
  for (int i = 1; i <= 5; ++i) {
    run(insert_car(i, "m" + std::to_string(i)));
    const auto seen = read(1);
    EXPECT_THAT(texts(seen),
                ElementsAre("i Cars after " + std::to_string(i) + "|m" + std::to_string(i) + " $"));
  }
}

TEST_F(SourceTest, RolledBackChangesNeverShow) {
  create_table(kCars, "Cars");
  run("BEGIN TRANSACTION; " + insert_car(1) + "; ROLLBACK");
  run(insert_car(2, "b"));
  open({"dbo.Cars"});
  EXPECT_THAT(texts(read(1)), ElementsAre("i Cars after 2|b $"));
}

TEST_F(SourceTest, QuietTablesMoveTheirPosition) {
  create_table(kCars, "Cars");
  create_table(kPersons, "Persons");
  run(insert_car(1));
  open({"dbo.Persons"});
  const std::string first = read_watermark();
  run(insert_car(2));
  const std::string second = read_watermark();
  EXPECT_LT(parse_position(first).entries[0].key, parse_position(second).entries[0].key);
}

TEST_F(SourceTest, NamesOfAnyKind) {
  run("CREATE SCHEMA [my schema]");
  create_table(
      "CREATE TABLE [my schema].[we]]ird.name's] (ID int NOT NULL PRIMARY KEY, "
      "[a column] int NULL, [Größe] int NULL)",
      "we]ird.name's", "my schema");
  run("INSERT INTO [my schema].[we]]ird.name's] VALUES (1, 2, 3)");
  open({"[my schema].[we]]ird.name's]"});
  EXPECT_THAT(texts(read(1)), ElementsAre("i we]ird.name's after 1|2|3 $"));
}

TEST_F(SourceTest, AddedTableStartsAtItsOldestChange) {
  create_table(kCars, "Cars");
  create_table(kPersons, "Persons");
  run("INSERT INTO dbo.Persons (ID, FirstName, Active) VALUES (1, N'p', 1)");
  run(insert_car(1));
  open({"dbo.Cars"});
  const auto first = read(1);
  open({"dbo.Cars", "dbo.Persons"}, "", first.back().position);
  run(insert_car(2, "x"));
  EXPECT_THAT(texts(read(2)), ElementsAre(HasSubstr("i Persons after 1|p"), "i Cars after 2|x $"));
}

TEST_F(SourceTest, CleanupThatWasFasterIsDataLoss) {
  create_table(kCars, "Cars");
  run(insert_car(1));
  open({"dbo.Cars"});
  const std::string position = read(1).back().position;
  source().close();
  for (int i = 2; i <= 6; ++i) {
    run(insert_car(i));
  }
  wait_captured("dbo_Cars", 6);
  clean_up("dbo_Cars");  // everything before the newest transaction
  try {
    open({"dbo.Cars"}, "", position);
    read(1);
    FAIL() << "the gap was not noticed";
  } catch (const testing_sdk::CallFailed& failure) {
    EXPECT_EQ(failure.status, DSTREAM_DATA_LOSS);
    EXPECT_THAT(failure.what(), HasSubstr("dbo.Cars"));
    EXPECT_THAT(failure.what(),
                HasSubstr(parse_position(position).entries[0].key.commit.next().text()));
  }
  // From the oldest that is still there it goes on.
  open({"dbo.Cars"});
  EXPECT_THAT(texts(read(1)), ElementsAre("i Cars after 6|VW $"));
}

TEST_F(SourceTest, CleanupUpToThePositionIsNoGap) {
  create_table(kCars, "Cars");
  run(insert_car(1));
  run(insert_car(2));
  open({"dbo.Cars"});
  const std::string position = read(2).back().position;
  clean_up("dbo_Cars");
  open({"dbo.Cars"}, "", position);
  run(insert_car(3));
  EXPECT_THAT(texts(read(1)), ElementsAre("i Cars after 3|VW $"));
}

dstream_status open_status(SourceFixture& fixture, const std::vector<std::string>& tables,
                           std::string* message, const std::string& url = "") {
  try {
    fixture.open(tables, "", "", url);
  } catch (const testing_sdk::CallFailed& failure) {
    *message = failure.what();
    return failure.status;
  }
  return DSTREAM_OK;
}

TEST_F(SourceTest, MistakesAreSaidInOneLine) {
  create_table(kCars, "Cars");
  run(kPersons);
  std::string message;
  EXPECT_EQ(open_status(*this, {"dbo.Persons"}, &message), DSTREAM_CONFIG);
  EXPECT_THAT(message, HasSubstr("tables/0: dbo.Persons is not captured"));
  EXPECT_THAT(message, HasSubstr("sys.sp_cdc_enable_table"));
  EXPECT_EQ(open_status(*this, {"dbo.Cars", "dbo.Nothing"}, &message), DSTREAM_CONFIG);
  EXPECT_THAT(message, HasSubstr("tables/1: "));
  EXPECT_THAT(message, HasSubstr("has no table dbo.Nothing"));
  for (const std::string& line : {message}) {
    EXPECT_THAT(line, Not(HasSubstr("\n")));
  }
}

TEST_F(SourceTest, DatabaseWithoutCdcIsRefused) {
  disable_cdc();
  std::string message;
  EXPECT_EQ(open_status(*this, {"dbo.Persons"}, &message), DSTREAM_CONFIG);
  EXPECT_THAT(message, HasSubstr("Change Data Capture is not enabled"));
  EXPECT_THAT(message, HasSubstr("sys.sp_cdc_enable_db"));
}

TEST_F(SourceTest, WrongPasswordAndDatabaseAreDenied) {
  if (is_real()) {
    GTEST_SKIP() << "needs the stand-in's user";
  }
  std::string message;
  EXPECT_EQ(open_status(*this, {"dbo.Cars"}, &message, url("sa", "hunter2")), DSTREAM_DENIED);
  EXPECT_THAT(message, HasSubstr("Login failed"));
  EXPECT_THAT(message, Not(HasSubstr("hunter2")));
  EXPECT_EQ(open_status(*this, {"dbo.Cars"}, &message, url("sa", "Secret-1", "nowhere")),
            DSTREAM_DENIED);
  EXPECT_THAT(message, HasSubstr("nowhere"));
}

bool warned_of_capture_job(const testing_sdk::FakeHost& host) {
  for (const testing_sdk::LogLine& line : host.lines()) {
    if (line.level == DSTREAM_LOG_WARN && line.message.starts_with("The capture job")) {
      return true;
    }
  }
  return false;
}

TEST_F(SourceTest, CaptureJobThatStandsStillIsAWarning) {
  if (is_real()) {
    GTEST_SKIP() << "needs the stand-in's clock";
  }
  create_table(kCars, "Cars");
  run(insert_car(1));
  wait_captured("dbo_Cars", 1);
  open({"dbo.Cars"});
  EXPECT_FALSE(warned_of_capture_job(host()));
  run("EXEC sys.sp_cdc_stop_job N'capture'");
  advance_clock(std::chrono::seconds(1000));
  open({"dbo.Cars"});
  EXPECT_TRUE(warned_of_capture_job(host()));
  EXPECT_EQ(read(1).size(), 1u);  // what was captured is delivered all the same
}

TEST_F(SourceTest, StopEndsAWaitAtOnce) {
  create_table(kCars, "Cars");
  open({"dbo.Cars"}, R"("poll_interval":"1h")");
  drain();
  std::thread stopper([this] { source().request_stop(); });
  const auto started = std::chrono::steady_clock::now();
  EXPECT_EQ(source().read(100, Millis(60'000)).status(), DSTREAM_CANCELLED);
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(10));
  stopper.join();
  EXPECT_EQ(source().read(100, Millis(60'000)).status(), DSTREAM_CANCELLED);
}

TEST_F(SourceTest, ReadReturnsInTimeThoughTheServerStalls) {
  if (is_real()) {
    GTEST_SKIP() << "needs faults";
  }
  create_table(kCars, "Cars");
  run(insert_car(1));
  open({"dbo.Cars"});
  standin::Fault fault;
  fault.action = standin::FaultAction::kStall;
  fault.statement_contains = "Cars_CT";
  fault.after_rows = 0;
  const auto id = faults().add(fault);
  const auto started = std::chrono::steady_clock::now();
  while (faults().fired(id) == 0) {
    source().read(100, Millis(50));
  }
  EXPECT_EQ(source().read(100, Millis(100)).status(), DSTREAM_AGAIN);
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(10));
  std::thread stopper([this] { source().request_stop(); });
  EXPECT_EQ(source().read(100, Millis(60'000)).status(), DSTREAM_CANCELLED);
  stopper.join();
  faults().release();
}

TEST_F(SourceTest, CloseDoesNotWaitForAServerThatStalls) {
  if (is_real()) {
    GTEST_SKIP() << "needs faults";
  }
  create_table(kCars, "Cars");
  run(insert_car(1));
  open({"dbo.Cars"}, R"("query_timeout":"1s")");
  standin::Fault fault;
  fault.action = standin::FaultAction::kStall;
  fault.statement_contains = "Cars_CT";
  fault.after_rows = 0;
  const auto id = faults().add(fault);
  while (faults().fired(id) == 0) {
    source().read(100, Millis(50));
  }
  const auto started = std::chrono::steady_clock::now();
  source().request_stop();
  source().close();  // the server does not even answer that the statement is cancelled
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(10));
}

// A statement that still gives rows is not waited for: the server is told to stop (attention).
TEST_F(SourceTest, CloseTellsTheServerToStop) {
  if (is_real()) {
    GTEST_SKIP() << "needs faults";
  }
  create_table(kCars, "Cars");
  run(many_cars(200));
  wait_captured("dbo_Cars", 200);
  open({"dbo.Cars"});
  standin::Fault fault;
  fault.action = standin::FaultAction::kSlow;
  fault.statement_contains = "Cars_CT";
  fault.after_rows = 0;
  fault.delay_ms = 500;
  const auto id = faults().add(fault);
  while (faults().fired(id) == 0) {
    source().read(100, Millis(50));
  }
  const uint64_t attentions = statistics().counters().attentions;
  const auto started = std::chrono::steady_clock::now();
  source().request_stop();
  source().close();
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(30))
      << "the statement would have taken 100 s";
  EXPECT_GT(statistics().counters().attentions, attentions);
}

// The connection is cut at every place of a run; the host opens again at the
// last position.
TEST_F(SourceTest, CutConnectionsLoseAndRepeatNothing) {
  if (is_real()) {
    GTEST_SKIP() << "needs faults";
  }
  create_table(kCars, "Cars");
  create_table(kPersons, "Persons");
  for (int i = 1; i <= 40; ++i) {
    const std::string id = std::to_string(i);
    run("BEGIN TRANSACTION; " + insert_car(i) +
        "; INSERT INTO dbo.Persons (ID, FirstName, Active) "
        "VALUES (" +
        id + ", N'p', 1); UPDATE dbo.Cars SET Model = N'x' WHERE ID = " + id + "; COMMIT");
  }
  open({"dbo.Persons", "dbo.Cars"}, R"("page_rows":7)");
  const auto expected = texts(read(120));
  for (int64_t rows = 0; rows < 40; rows += 3) {
    standin::Fault fault;
    fault.action = standin::FaultAction::kDrop;
    fault.statement_contains = rows % 2 == 0 ? "Cars_CT] AS c" : "Persons_CT] AS c";
    fault.skip = static_cast<uint32_t>(rows % 5);
    fault.after_rows = rows % 8;
    const auto id = faults().add(fault);
    std::string position;
    std::vector<std::string> seen;
    int reopened = 0;
    open({"dbo.Persons", "dbo.Cars"}, R"("page_rows":7)");
    while (seen.size() < expected.size()) {
      try {
        for (const Seen& each : read(1)) {
          seen.push_back(each.text + (each.transaction_end ? " $" : ""));
          position = each.position;
        }
      } catch (const testing_sdk::CallFailed& failure) {
        ASSERT_TRUE(failure.status == DSTREAM_REOPEN || failure.status == DSTREAM_RETRY)
            << failure.what();
        if (failure.status == DSTREAM_REOPEN) {
          reopen(position);
          ++reopened;
        }
      }
    }
    EXPECT_EQ(seen, expected) << rows;
    EXPECT_EQ(faults().fired(id), 1u) << rows;
    EXPECT_EQ(reopened, 1) << rows;
  }
}

TEST_F(SourceTest, DroppedCaptureInstanceIsSaidNotSkipped) {
  create_table(kCars, "Cars");
  run(insert_car(1));
  open({"dbo.Cars"});
  const std::string position = read(1).back().position;
  disable_table("Cars");
  dstream_status status = DSTREAM_OK;
  while (status == DSTREAM_OK) {
    try {
      read_some();
    } catch (const testing_sdk::CallFailed& failure) {
      status = failure.status;
    }
  }
  EXPECT_EQ(status, DSTREAM_REOPEN);
  std::string message;
  EXPECT_EQ(open_status(*this, {"dbo.Cars"}, &message), DSTREAM_CONFIG);
  EXPECT_THAT(message, HasSubstr("is not captured"));
}

TEST_F(SourceTest, NewestInstanceThatReachesBackIsChosen) {
  create_table(kCars, "Cars");
  run(insert_car(1));
  open({"dbo.Cars"});
  const std::string position = read(1).back().position;
  enable_table("Cars", "dbo", "Cars_2");
  run(insert_car(2));
  // The position lies before the second instance begins: the first one has everything until then.
  open({"dbo.Cars"}, "", position);
  const auto seen = read(2);
  EXPECT_THAT(texts(seen), ElementsAre(HasSubstr("of Cars_2"), "i Cars after 2|VW $"));
  // From here on the second one has everything too.
  run("EXEC sys.sp_cdc_disable_table @source_schema = N'dbo', @source_name = N'Cars', "
      "@capture_instance = N'dbo_Cars'");
  run(insert_car(3));
  open({"dbo.Cars"}, "", seen.back().position);
  EXPECT_THAT(texts(read(1)), ElementsAre("i Cars after 3|VW $"));
}

}  // namespace
}  // namespace dstream::sqlserver
