// Tables are copied, through the C table of the source, from the stand-in or from the server that
// DSTREAM_TEST_SQLSERVER names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "dstream/ext/draft/testing.hpp"
#include "plugins/sqlserver_cdc/copy_pool.h"
#include "plugins/sqlserver_cdc/test_database.h"

namespace dstream::sqlserver {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAreArray;

class SnapshotSourceTest : public SourceFixture {
 public:
  void make_cars(int count) {
    run("CREATE TABLE dbo.Cars (ID int NOT NULL PRIMARY KEY, Model nvarchar(40) NULL)");
    run(many_cars(count));
    enable_table("Cars");
  }
  bool warned(const std::string& part) const {
    const auto lines = host().lines();
    return std::any_of(lines.begin(), lines.end(), [&part](const auto& line) {
      return line.level == DSTREAM_LOG_WARN && line.message.find(part) != std::string::npos;
    });
  }
  static std::vector<std::string> cars(int from, int to) {
    std::vector<std::string> all;
    for (int i = from; i <= to; ++i) {
      all.push_back("r Cars after " + std::to_string(i) + "|m" + std::to_string(i));
    }
    return all;
  }
};

constexpr char kInitial[] = R"("snapshot":"initial","page_rows":4)";

// Text without the mark of the end of a transaction.
std::vector<std::string> rows(const std::vector<Seen>& all) {
  std::vector<std::string> out;
  for (const Seen& one : all) {
    out.push_back(one.text);
  }
  return out;
}

TEST_F(SnapshotSourceTest, RowsFromBeforeAreCopiedAndChangesFollow) {
  make_cars(10);
  open({"dbo.Cars"}, kInitial);
  const auto seen = read(10);
  EXPECT_THAT(rows(seen), ::testing::ElementsAreArray(cars(1, 10)));
  run("UPDATE dbo.Cars SET Model = N'Audi' WHERE ID = 3");
  EXPECT_THAT(rows(read(1)), ElementsAre("u Cars before 3|m3 after 3|Audi"));
}

TEST_F(SnapshotSourceTest, ItGoesOnAfterTheLastRow) {
  make_cars(10);
  open({"dbo.Cars"}, kInitial);
  const auto first = read(6);
  reopen(first.back().position);
  EXPECT_THAT(rows(read(4)), ::testing::ElementsAreArray(cars(7, 10)));
}

TEST_F(SnapshotSourceTest, KeysOfEveryTypePageTheirTable) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> keys = {
      {"bigint", {"-9223372036854775808", "-1", "0", "9223372036854775807"}},
      {"tinyint", {"0", "7", "200", "255"}},
      {"bit", {"0", "1"}},
      {"decimal(38,10)", {"-9999999999999999999999999999.0000000001", "0", "0.0000000001", "12.5"}},
      {"money", {"-922337203685477.5808", "-0.0001", "0", "0.0001"}},
      {"float", {"-1.7976931348623157E308", "0", "2.2250738585072014E-308", "0.1"}},
      {"real", {"-3.4E38", "0", "0.1", "0.3"}},
      {"char(5)", {"'a'", "'a b'", "'b'", "'B c'"}},
      {"varchar(20)", {"''", "'it''s'", "'\xC3\xA9'", "'z'"}},
      {"nvarchar(20)", {"N''", "N'[x]'", "N'\xE6\x97\xA5'", "N'\xF0\x9F\x98\x80'"}},
      {"varbinary(8)", {"0x", "0x0001", "0x01", "0xFF"}},
      {"uniqueidentifier",
       {"'6F9619FF-8B86-D011-B42D-00C04FC964FF'", "'00000000-0000-0000-0000-000000000001'",
        "'FF000000-0000-0000-0000-000000000000'", "'00000000-0000-0000-0000-010000000000'"}},
      {"date", {"'0001-01-01'", "'1969-12-31'", "'1970-01-01'", "'9999-12-31'"}},
      {"time(7)", {"'00:00:00'", "'00:00:00.0000001'", "'12:00:00'", "'23:59:59.9999999'"}},
      {"datetime",
       {"'17530101'", "'2026-11-23T10:11:12.003'", "'2026-11-23T10:11:12.007'",
        "'9999-12-31T23:59:59.997'"}},
      {"smalldatetime", {"'19000101'", "'2026-11-23T10:11:00'", "'2026-11-23T10:12:00'"}},
      {"datetime2(7)",
       {"'0001-01-01'", "'1969-12-31T23:59:59.9999999'", "'1970-01-01'",
        "'9999-12-31T23:59:59.9999999'"}},
      {"datetimeoffset(7)",
       {"'2026-11-23T10:11:12.1234567+02:00'", "'2026-11-23T08:11:12.1234568Z'",
        "'2026-11-23T10:11:12 -11:30'", "'1900-01-01T00:00:00Z'"}}};
  std::vector<std::string> names;
  size_t count = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    const std::string table = "key" + std::to_string(i);
    run("CREATE TABLE dbo." + table + " (k " + keys[i].first + " NOT NULL PRIMARY KEY, n int)");
    for (size_t k = 0; k < keys[i].second.size(); ++k) {
      run("INSERT INTO dbo." + table + " VALUES (" + keys[i].second[k] + ", " + std::to_string(k) +
          ")");
    }
    count += keys[i].second.size();
    enable_table(table);
    names.push_back("dbo." + table);
  }
  // One row a chunk: every key is written, read back and compared by the server.
  open(names, R"("snapshot":"initial","page_rows":1)");
  std::vector<std::string> ends;
  for (const Seen& one : read(count)) {
    ends.push_back(one.text.substr(2, one.text.find(' ', 2) - 2) + " " + one.text.back());
  }
  std::vector<std::string> expected;
  for (size_t i = 0; i < keys.size(); ++i) {
    for (size_t k = 0; k < keys[i].second.size(); ++k) {
      expected.push_back("key" + std::to_string(i) + " " + std::to_string(k));
    }
  }
  EXPECT_THAT(ends, UnorderedElementsAreArray(expected));
}

TEST_F(SnapshotSourceTest, KeysOfSeveralColumnsAndOddNames) {
  run("CREATE TABLE dbo.[a.b]]c] ([x y] int NOT NULL, [z'] nvarchar(10) NOT NULL, [v] int, "
      "PRIMARY KEY ([x y], [z']))");
  std::vector<std::string> expected;
  for (int x = 0; x < 4; ++x) {
    for (const char* z : {"a", "b", "c"}) {
      run("INSERT INTO dbo.[a.b]]c] VALUES (" + std::to_string(x) + ", N'" + z + "', 1)");
      expected.push_back("r a.b]c after " + std::to_string(x) + "|" + z + "|1");
    }
  }
  enable_table("a.b]c");
  open({"dbo.[a.b]]c]"}, R"("snapshot":"initial","page_rows":2)");
  EXPECT_THAT(rows(read(12)), UnorderedElementsAreArray(expected));
}

TEST_F(SnapshotSourceTest, ATableWithoutAKeyIsReadByOneStatement) {
  run("CREATE TABLE dbo.Heap (v int NULL)");
  for (int i = 0; i < 9; ++i) {
    run("INSERT INTO dbo.Heap VALUES (" + std::to_string(i / 2) + ")");
  }
  enable_table("Heap");
  open({"dbo.Heap"}, kInitial);
  EXPECT_THAT(rows(read(9)),
              UnorderedElementsAreArray({"r Heap after 0", "r Heap after 0", "r Heap after 1",
                                         "r Heap after 1", "r Heap after 2", "r Heap after 2",
                                         "r Heap after 3", "r Heap after 3", "r Heap after 4"}));
  EXPECT_TRUE(warned("has no key that its rows can be copied by"));
}

TEST_F(SnapshotSourceTest, ACopyOfAnotherOrderBeginsAgain) {
  make_cars(10);
  open({"dbo.Cars"}, kInitial);
  std::string position = read(6).back().position;
  const std::string stored = R"("key":["ID int"])";
  ASSERT_THAT(position, HasSubstr(stored));
  reopen(position);
  EXPECT_THAT(rows(read(4)), ::testing::ElementsAreArray(cars(7, 10)));
  EXPECT_FALSE(warned("begins again"));
  // As it was stored when the column still was a text, of which 10 is less than 6.
  position.replace(position.find(stored), stored.size(), R"x("key":["ID nvarchar(9)"])x");
  reopen(position);
  EXPECT_THAT(rows(read(10)), ::testing::ElementsAreArray(cars(1, 10)));
  EXPECT_TRUE(warned("The copy of dbo.Cars begins again"));
}

// The second instance takes over in the middle of the copy, by an index of another order.
TEST_F(SnapshotSourceTest, AnInstanceOfAnotherKeyBeginsTheCopyAgain) {
  constexpr size_t kRows = 2000;
  run("CREATE TABLE dbo.Cars (ID int NOT NULL PRIMARY KEY, Model nvarchar(40) NOT NULL CONSTRAINT "
      "models UNIQUE)");
  run("DECLARE @i int = 1; WHILE @i <= " + std::to_string(kRows) +
      " BEGIN INSERT INTO dbo.Cars VALUES (@i, CAST(@i AS nvarchar(40))); SET @i += 1 END");
  enable_table("Cars");
  open({"dbo.Cars"}, kInitial);
  std::set<std::string> copied;
  const auto take = [&copied](const std::vector<Seen>& all) {
    for (const Seen& seen : all) {
      if (seen.text.starts_with("r ")) {
        copied.insert(seen.text);
      }
    }
  };
  const auto first = read(30);
  take(first);
  run("EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'Cars', "
      "@role_name = NULL, @capture_instance = N'Cars_2', @index_name = N'models'");
  run("INSERT INTO dbo.Cars VALUES (5000, N'x')");
  wait_captured("Cars_2", 1);
  reopen(first.back().position);
  while (copied.size() < kRows) {
    take(read(1));
  }
  EXPECT_TRUE(warned("The copy of dbo.Cars begins again"));
}

TEST_F(SnapshotSourceTest, LargeValuesAreCopied) {
  run("CREATE TABLE dbo.Notes (ID int NOT NULL PRIMARY KEY, Body nvarchar(max) NULL, n int)");
  run("INSERT INTO dbo.Notes VALUES (1, N'first', 1), (2, NULL, 2), (3, REPLICATE(N'x', 9), 3)");
  enable_table("Notes");
  open({"dbo.Notes"}, R"("snapshot":"initial","page_rows":2)");
  EXPECT_THAT(rows(read(3)), ElementsAre("r Notes after 1|first|1", "r Notes after 2|null|2",
                                         "r Notes after 3|xxxxxxxxx|3"));
}

TEST_F(SnapshotSourceTest, OnlyEndsWhenTheCopyIsConsistent) {
  make_cars(5);
  open({"dbo.Cars"}, R"("snapshot":"only")");
  EXPECT_THAT(rows(read(5)), ::testing::ElementsAreArray(cars(1, 5)));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  dstream_status status = DSTREAM_AGAIN;
  for (int i = 0; status != DSTREAM_END && std::chrono::steady_clock::now() < deadline; ++i) {
    status = source().read(100, Millis(50)).status();
  }
  EXPECT_EQ(status, DSTREAM_END);
}

TEST_F(SnapshotSourceTest, ATableIsCopiedAgainWhenAsked) {
  make_cars(3);
  open({"dbo.Cars"}, R"("snapshot":"never")");
  EXPECT_EQ(testing_sdk::request_snapshot(source(), "dbo.Cars"), DSTREAM_OK);
  EXPECT_EQ(testing_sdk::request_snapshot(source(), "dbo.Cars"), DSTREAM_AGAIN);
  EXPECT_THAT(rows(read(3)), ::testing::ElementsAreArray(cars(1, 3)));
  EXPECT_THAT(testing_sdk::status_json(source()), HasSubstr(R"("table":"dbo.Cars")"));
}

TEST_F(SnapshotSourceTest, ACopyThatWasAskedForIsFinishedAfterARestart) {
  make_cars(9);
  open({"dbo.Cars"}, R"("snapshot":"never","page_rows":2)");
  ASSERT_EQ(testing_sdk::request_snapshot(source(), "dbo.Cars"), DSTREAM_OK);
  const auto first = read(4);
  reopen(first.back().position);
  EXPECT_THAT(rows(read(5)), ::testing::ElementsAreArray(cars(5, 9)));
}

TEST_F(SnapshotSourceTest, AGapIsTruncatedAndCopiedAgain) {
  make_cars(3);
  const std::string options = R"("snapshot":"when_gap")";
  open({"dbo.Cars"}, options);
  const auto seen = read(3);
  const std::string position = read_watermark();
  run("DELETE FROM dbo.Cars WHERE ID = 2");
  run("INSERT INTO dbo.Cars VALUES (9, N'm9')");
  wait_captured("dbo_Cars", 2);
  clean_up("dbo_Cars");
  EXPECT_EQ(host().metric("gap_snapshots"), 0);
  reopen(position);
  EXPECT_THAT(rows(read(4)),
              ElementsAre("t Cars", "r Cars after 1|m1", "r Cars after 3|m3", "r Cars after 9|m9"));
  EXPECT_EQ(host().metric("gap_snapshots"), 1);
}

TEST_F(SnapshotSourceTest, OnDataLossResnapshotDoesTheSameAlsoWithNewSettings) {
  make_cars(3);
  const std::string options = R"("snapshot":"initial")";
  open({"dbo.Cars"}, options);
  read(3);
  const std::string position = read_watermark();
  run("DELETE FROM dbo.Cars WHERE ID = 2");
  run("INSERT INTO dbo.Cars VALUES (9, N'm9')");
  wait_captured("dbo_Cars", 2);
  clean_up("dbo_Cars");
  source().close();
  testing_sdk::set_data_loss_policy(source(), DSTREAM_DATA_LOSS_RESNAPSHOT);
  testing_sdk::reconfigure(source(), host().config_json());
  source().open(position);
  EXPECT_THAT(rows(read(4)),
              ElementsAre("t Cars", "r Cars after 1|m1", "r Cars after 3|m3", "r Cars after 9|m9"));
}

TEST_F(SnapshotSourceTest, ALockTimeOutIsAskedAgainAndChangesGoOn) {
  if (is_real()) {
    GTEST_SKIP() << "needs scripted faults";
  }
  make_cars(6);
  standin::Fault fault;
  fault.action = standin::FaultAction::kError;
  fault.message.number = 1222;
  fault.message.severity = 16;
  fault.message.text = "Lock request time out period exceeded.";
  fault.statement_contains = "FROM [dbo].[Cars]";
  fault.after_rows = 1;
  fault.times = 3;
  const auto id = faults().add(fault);
  open({"dbo.Cars"}, R"("snapshot":"initial","page_rows":4)");
  EXPECT_THAT(rows(read(6)), ::testing::ElementsAreArray(cars(1, 6)));
  EXPECT_EQ(faults().fired(id), 3u);
}

// One statement is slow until its time is over; meanwhile another fails, and both are asked for
// again. What fails late was asked for by nobody any more.
TEST_F(SnapshotSourceTest, AFailureOfAnOlderRequestIsNotOneOfTheNew) {
  if (is_real()) {
    GTEST_SKIP() << "needs scripted faults";
  }
  make_cars(3);
  run("CREATE TABLE dbo.Dogs (ID int NOT NULL PRIMARY KEY, Name nvarchar(40) NULL)");
  run("INSERT INTO dbo.Dogs VALUES (1, N'Rex'), (2, N'Bello')");
  enable_table("Dogs");
  const OdbcConnection target = make_connection(url(), installed_drivers());
  const Options options = parse_options(R"({"connection":")" + url() +
                                        R"(","tables":["dbo.Cars","dbo.Dogs"],)"
                                        R"("query_timeout":"1s"})");
  Connection connection(target, options.login_timeout, options.query_timeout);
  const auto log = [](dstream_log_level, const std::string&) {};
  const Catalog catalog = load_catalog(connection, options, Position(), log);
  StopSignal signal;
  CopyPool pool(target, options, catalog, log, std::make_shared<SlabPool>(1 << 20), signal,
                std::make_shared<ConnectionShares>(3, 3));
  standin::Fault slow;
  slow.action = standin::FaultAction::kSlow;
  slow.statement_contains = "FROM [dbo].[Dogs]";
  slow.after_rows = 0;
  slow.delay_ms = 30'000;
  const auto slowed = faults().add(slow);
  standin::Fault refusal;
  refusal.action = standin::FaultAction::kError;
  refusal.message.number = 229;
  refusal.message.severity = 14;
  refusal.message.text = "The SELECT permission was denied.";
  refusal.statement_contains = "FROM [dbo].[Cars]";
  faults().add(refusal);
  const auto ask = [&pool](uint32_t table) {
    ChunkRequest request;
    request.table = table;
    request.id = table + 1;
    request.rows = 10;
    pool.submit(request);
  };
  const auto now = [] { return std::chrono::steady_clock::now(); };
  const auto limit = now() + std::chrono::seconds(60);
  ask(1);
  while (faults().fired(slowed) == 0 && now() < limit) {
    signal.wait_until(now() + Millis(5));
  }
  ask(0);
  int refusals = 0;
  while (refusals == 0 && now() < limit) {
    try {
      pool.take();
      signal.wait_until(now() + Millis(5));
    } catch (const SourceError& error) {
      EXPECT_EQ(error.status, DSTREAM_DENIED) << error.what();
      ++refusals;
    }
  }
  ask(0);
  ask(1);
  size_t answers = 0;
  // Beyond the time-out of the statement that is slow.
  for (const auto until = now() + std::chrono::seconds(3);
       (answers < 2 || now() < until) && now() < limit;) {
    answers += pool.take() != nullptr ? 1 : 0;
    signal.wait_until(now() + Millis(5));
  }
  EXPECT_EQ(refusals, 1);
  EXPECT_EQ(answers, 2u);
  faults().release();
}

TEST_F(SnapshotSourceTest, CutConnectionsLoseNothing) {
  if (is_real()) {
    GTEST_SKIP() << "needs scripted faults";
  }
  make_cars(30);
  uint64_t fired = 0;
  for (uint32_t round = 0; round < 12; ++round) {
    standin::Fault fault;
    fault.action = standin::FaultAction::kDrop;
    fault.statement_contains = "FROM [dbo].[Cars]";
    fault.skip = round % 4;
    fault.after_rows = round % 5;
    const auto id = faults().add(fault);
    std::string position;
    std::set<std::string> seen;
    int failures = 0;
    open({"dbo.Cars"}, R"("snapshot":"initial","page_rows":7)");
    while (seen.size() < 30) {
      try {
        for (const Seen& each : read(1)) {
          seen.insert(each.text);
          position = each.position.empty() ? position : each.position;
        }
      } catch (const testing_sdk::CallFailed& failure) {
        ASSERT_EQ(failure.status, DSTREAM_REOPEN) << failure.what();
        ASSERT_EQ(++failures, 1);
        reopen(position);
      }
    }
    EXPECT_THAT(std::vector<std::string>(seen.begin(), seen.end()),
                UnorderedElementsAreArray(cars(1, 30)));
    fired += faults().fired(id);
    faults().remove(id);
  }
  EXPECT_GE(fired, 5u);  // some lay in wait for a row that a boundary's answer does not have
}

}  // namespace
}  // namespace dstream::sqlserver
