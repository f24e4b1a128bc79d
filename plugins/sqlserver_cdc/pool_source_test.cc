// The source with several connections, against the stand-in: who is asked what, what happens when
// one of them is slow, fails or sees less than the others, and how many there are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <thread>

#include "plugins/sqlserver_cdc/odbc_fetcher.h"
#include "plugins/sqlserver_cdc/test_database.h"
#include "tests/standins/sqlserver/cdc/change_data_capture.h"
#include "tests/standins/sqlserver/program/stand_in.h"

namespace dstream::sqlserver {
namespace {

using ::testing::HasSubstr;

constexpr std::chrono::seconds kLimit{30};

// Reads that change table.
std::string reads(const std::string& table) { return table + "_CT] AS c"; }

class PoolSourceTest : public SourceFixture {
 public:
  void SetUp() override {
    SourceFixture::SetUp();
    if (is_real()) {
      GTEST_SKIP() << "needs the stand-in's faults and counters";
    }
  }
  // Tables A, B, ... with `rows` rows each, a transaction each row of all tables.
  void make_tables(int count, int rows) {
    for (int i = 0; i < count; ++i) {
      names_.push_back(std::string("T") + static_cast<char>('A' + i));
      create_table("CREATE TABLE dbo." + names_.back() + " (ID int NOT NULL PRIMARY KEY)",
                   names_.back());
      listed_.push_back("dbo." + names_.back());
    }
    for (int row = 1; row <= rows; ++row) {
      std::string sql = "BEGIN TRANSACTION;";
      for (const std::string& name : names_) {
        sql += " INSERT INTO dbo." + name + " VALUES (" + std::to_string(row) + ");";
        expected_.push_back("i " + name + " after " + std::to_string(row));
      }
      run(sql + " COMMIT");
    }
    for (const std::string& name : names_) {
      wait_captured("dbo_" + name, rows);
    }
  }
  size_t requests_of(const std::string& part) {
    const auto all = statistics().requests();
    return static_cast<size_t>(std::count_if(all.begin(), all.end(), [&](const auto& request) {
      return request.text.find(part) != std::string::npos;
    }));
  }
  // Connections that sent what contains `part`.
  std::set<uint16_t> sessions_of(const std::string& part) {
    std::set<uint16_t> sessions;
    for (const auto& request : statistics().requests()) {
      if (request.text.find(part) != std::string::npos) {
        sessions.insert(request.session_id);
      }
    }
    return sessions;
  }
  standin::Faults::Id stall(const std::string& part, int64_t after_rows = 0) {
    standin::Fault fault;
    fault.action = standin::FaultAction::kStall;
    fault.statement_contains = part;
    fault.after_rows = after_rows;
    return faults().add(fault);
  }
  std::vector<std::string> read_texts(size_t count) {
    std::vector<std::string> all;
    for (const Seen& each : read(count)) {
      all.push_back(each.text);
    }
    return all;
  }

 protected:
  std::vector<std::string> names_;
  std::vector<std::string> listed_;
  std::vector<std::string> expected_;
};

TEST_F(PoolSourceTest, SlowTableDoesNotStopReadingOfOthers) {
  make_tables(3, 40);
  const auto slow = stall(reads("TA"));
  open(listed_, R"("page_rows":8)");
  const auto deadline = std::chrono::steady_clock::now() + kLimit;
  // Whole tables are read ahead while nothing may leave.
  while (requests_of(reads("TB")) < 6 || requests_of(reads("TC")) < 6) {
    EXPECT_EQ(source().read(100, Millis(20)).size(), 0u);
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  }
  EXPECT_EQ(faults().fired(slow), 1u);
  faults().release();
  EXPECT_EQ(read_texts(expected_.size()), expected_);
  EXPECT_EQ(requests_of(reads("TB")), 6u) << "five full pages and the end, each asked for once";
  EXPECT_GT(sessions_of("_CT] AS c").size(), 1u);
}

TEST_F(PoolSourceTest, OneActiveTableNeedsOneConnection) {
  make_tables(3, 5);
  open(listed_);
  EXPECT_EQ(read_texts(expected_.size()), expected_);
  const size_t sessions = sessions_of("_CT] AS c").size();
  for (int row = 100; row < 120; ++row) {
    run("INSERT INTO dbo.TA VALUES (" + std::to_string(row) + ")");
    EXPECT_EQ(read_texts(1)[0], "i TA after " + std::to_string(row));
  }
  EXPECT_EQ(sessions_of("_CT] AS c").size(), sessions);
}

TEST_F(PoolSourceTest, FailureOfAnyConnectionIsToldAndNothingIsLost) {
  make_tables(3, 40);
  open(listed_, R"("page_rows":8)");
  stall(reads("TA"));  // keeps the first connection
  standin::Fault drop;
  drop.action = standin::FaultAction::kDrop;
  drop.statement_contains = reads("TC");
  drop.skip = 2;
  drop.after_rows = 3;
  const auto dropped = faults().add(drop);
  std::string position;
  std::vector<std::string> seen;
  int reopened = 0;
  while (seen.size() < expected_.size()) {
    try {
      const Batch batch = source().read(7, Millis(20));
      for (uint32_t i = 0; i < batch.size(); ++i) {
        if (batch[i].op() != DSTREAM_OP_WATERMARK) {
          seen.push_back("i " + std::string(batch[i].raw().schema->name) + " after " +
                         std::to_string(batch[i].raw().after->as.i64));
        }
      }
      position = batch.size() > 0 ? batch.last_position() : position;
    } catch (const testing_sdk::CallFailed& failure) {
      ASSERT_EQ(failure.status, DSTREAM_REOPEN) << failure.what();
      EXPECT_EQ(faults().fired(dropped), 1u);
      ++reopened;
      reopen(position);
    }
  }
  EXPECT_EQ(seen, expected_);
  EXPECT_EQ(reopened, 1);
}

TEST_F(PoolSourceTest, CloseDoesNotWaitForAnyConnection) {
  make_tables(4, 40);
  std::vector<standin::Faults::Id> stalls;
  for (const std::string& name : names_) {
    stalls.push_back(stall(reads(name)));
  }
  open(listed_, R"("page_rows":8,"query_timeout":"60s")");
  const auto all_fired = [&] {
    return std::all_of(stalls.begin(), stalls.end(),
                       [&](const auto id) { return faults().fired(id) == 1; });
  };
  const auto deadline = std::chrono::steady_clock::now() + kLimit;
  while (!all_fired()) {
    source().read(100, Millis(20));
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  }
  const auto started = std::chrono::steady_clock::now();
  source().request_stop();
  source().close();
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(10));
  faults().release();
}

// Copies and changes of many tables at once. Never more connections than said, and both get on.
class SharedConnectionsTest : public PoolSourceTest, public ::testing::WithParamInterface<int> {};

TEST_P(SharedConnectionsTest, AreNeverMoreThanConfigured) {
  const int connections = GetParam();
  for (int i = 0; i < 6; ++i) {
    const std::string name = "S" + std::to_string(i);
    run("CREATE TABLE dbo." + name + " (ID int NOT NULL PRIMARY KEY)");
    std::string sql = "INSERT INTO dbo." + name + " VALUES (0)";
    for (int row = 1; row < 300; ++row) {
      sql += ",(" + std::to_string(row) + ")";
    }
    run(sql);
    enable_table(name);
    names_.push_back(name);
    listed_.push_back("dbo." + name);
  }
  const uint64_t others = statistics().counters().connections_peak;
  ASSERT_EQ(others, 1u) << "the one of run()";
  open(listed_,
       R"("snapshot":"initial","page_rows":16,"connections":)" + std::to_string(connections));
  size_t copied = 0;
  size_t changed = 0;
  int row = 1000;
  const auto deadline = std::chrono::steady_clock::now() + kLimit;
  while (copied < names_.size() * 300 || changed < 300) {
    const Batch batch = source().read(1000, Millis(20));
    for (uint32_t i = 0; i < batch.size(); ++i) {
      copied += batch[i].op() == DSTREAM_OP_SNAPSHOT ? 1 : 0;
      changed += batch[i].op() == DSTREAM_OP_INSERT ? 1 : 0;
    }
    if (batch.size() > 0) {
      source().commit(batch.last_position());
    }
    ++row;
    for (const std::string& name : names_) {
      run("INSERT INTO dbo." + name + " VALUES (" + std::to_string(row) + ")");
    }
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << copied << ' ' << changed;
  }
  const uint64_t most = statistics().counters().connections_peak - others;
  EXPECT_LE(most, static_cast<uint64_t>(connections));
  EXPECT_GE(most, 2u);
}

INSTANTIATE_TEST_SUITE_P(Connections, SharedConnectionsTest, ::testing::Values(2, 3, 5));

TEST_F(PoolSourceTest, IdleConnectionsAreClosed) {
  make_tables(4, 20);
  Options options;
  options.connections = 4;
  for (const std::string& name : names_) {
    options.tables.push_back({{"dbo", name}, Millis(10), Millis(10), ""});
  }
  const uint64_t others = statistics().counters().connections_open;
  StopSignal signal;
  FetchTimes times;
  times.patience = Millis(0);
  times.idle = Millis(20);
  OdbcFetcher fetcher(
      make_connection(url(), installed_drivers()), options, {},
      [](dstream_log_level, const std::string&) {}, std::make_shared<SlabPool>(1 << 20), signal,
      std::make_shared<ConnectionShares>(3, 3), times);
  const auto wait_for = [&](const auto& what) {
    const auto deadline = std::chrono::steady_clock::now() + kLimit;
    for (;;) {
      const uint64_t seen = signal.events();
      if (auto got = what()) {
        return got;
      }
      if (std::chrono::steady_clock::now() > deadline) {
        throw std::runtime_error("nothing came");
      }
      signal.wait_event(seen, deadline);
    }
  };
  wait_for([&] { return fetcher.catalog(); });
  fetcher.set_groups({{0, 1, 2, 3}});
  for (int round = 0; round < 3; ++round) {
    std::vector<standin::Faults::Id> stalls;
    for (uint32_t table = 0; table < 4; ++table) {
      stalls.push_back(stall(reads(names_[table])));
    }
    ProbeRequest probe;
    probe.complete.resize(4);
    probe.told.resize(4);
    fetcher.submit(probe);
    const Lsn max = std::get<ProbeAnswer>(*wait_for([&] { return fetcher.take(); })).max;
    for (uint32_t table = 0; table < 4; ++table) {
      fetcher.submit(PageRequest{table, ChangeKey::beginning(), max, 100});
    }
    for (const auto id : stalls) {
      ASSERT_TRUE(faults().wait_fired(id, 1, kLimit));
    }
    EXPECT_EQ(statistics().counters().connections_open, others + 4);
    faults().release();
    std::set<uint32_t> answered;
    while (answered.size() < 4) {
      const auto page = std::get<PageAnswer>(*wait_for([&] { return fetcher.take(); }));
      EXPECT_EQ(page.rows, 20u);
      EXPECT_TRUE(page.complete);
      answered.insert(page.table);
    }
    EXPECT_TRUE(statistics().wait_until(
        [&](const auto& counters) { return counters.connections_open == others + 1; }, kLimit));
  }
}

// A thousand tables with names of every kind.
class ThousandTablesTest : public PoolSourceTest {
 public:
  static constexpr size_t kTables = 1000;
  static constexpr size_t kActive = 10;

  void SetUp() override {
    PoolSourceTest::SetUp();
    if (is_real()) {
      return;
    }
    const std::vector<std::string> forms = {
        "plain_",    "with space ",      "do.t.s.", "br]ack[et ",          "quo'te ",
        "dou\"ble ", "Gr\u00f6\u00dfe_", "\u8868 ", "\u0438\u043c\u044f ", "a;b--c/*"};
    run("CREATE SCHEMA [my schema.x]");
    for (size_t i = 0; i < kTables; ++i) {
      const std::string schema = i % 3 == 0 ? "my schema.x" : "dbo";
      const std::string name = forms[i % forms.size()] + std::to_string(i);
      quoted_.push_back(TableName{schema, name}.quoted());
      names_.push_back(name);
      listed_.push_back(TableName{schema, name}.text());
      run("CREATE TABLE " + quoted_.back() +
          " (ID int NOT NULL PRIMARY KEY, [v]]alue 'x'] int NULL)");
      enable_table(name, schema);
    }
  }
  void insert(size_t from, size_t step, int id) {
    std::string sql = "BEGIN TRANSACTION;";
    for (size_t i = from; i < kTables; i += step) {
      sql += " INSERT INTO " + quoted_[i] + " VALUES (" + std::to_string(id) + ", 7);";
    }
    run(sql + " COMMIT");
  }

 protected:
  std::vector<std::string> quoted_;
};

TEST_F(ThousandTablesTest, CycleIsOneLookAndAPageForEachActiveTable) {
  open(listed_, R"("poll_interval":"50ms","max_poll_interval":"50ms")");
  insert(0, 1, 1);
  std::set<std::string> arrived;
  for (const std::string& text : read_texts(kTables)) {
    arrived.insert(text);
  }
  ASSERT_EQ(arrived.size(), kTables);
  EXPECT_TRUE(arrived.contains("i br]ack[et 3 after 1|7"));
  EXPECT_TRUE(arrived.contains("i \u8868 7 after 1|7"));
  std::set<std::string> tables_seen;
  for (int id = 2; id < 12; ++id) {  // one in a hundred is active
    insert(static_cast<size_t>(id), kTables / kActive, id);
    for (const std::string& text : read_texts(kActive)) {
      tables_seen.insert(text.substr(0, text.find(" after ")));
    }
  }
  EXPECT_EQ(tables_seen.size(), 100u);
  // Statements from one look to the next, whatever connection they came on.
  std::set<std::string> probes;
  std::map<std::string, std::set<std::string>> pages;  // by change table
  size_t statements = 0;
  size_t active = 0;
  size_t busy_cycles = 0;
  const auto end_cycle = [&](uint64_t number) {
    EXPECT_LE(statements, active + 2) << "before " << number;
    EXPECT_LE(active, kActive);
    busy_cycles += active > 0 ? 1 : 0;
  };
  const auto source_sessions = sessions_of("newest FROM");
  const auto reading = sessions_of("_CT] AS c");
  for (const auto& request : statistics().requests()) {
    if (!source_sessions.contains(request.session_id) && !reading.contains(request.session_id)) {
      continue;
    }
    if (request.text.find("newest FROM") != std::string::npos) {
      end_cycle(request.number);
      probes.insert(request.text);
      statements = 1;
      active = 0;
    } else if (!probes.empty()) {
      ++statements;
      const size_t from = request.text.find("FROM [cdc]");
      if (from != std::string::npos) {
        ++active;
        pages[request.text.substr(from, request.text.find(" AS c", from) - from)].insert(
            request.text);
      }
    }
  }
  end_cycle(0);
  EXPECT_GE(busy_cycles, 10u);
  EXPECT_EQ(probes.size(), 1u) << "the text of the look never changes";
  for (const auto& [table, texts] : pages) {
    EXPECT_EQ(texts.size(), 1u) << table;
  }
}

// An availability group whose secondary's address leads to two replicas, as a listener's read-only
// routing does.
class ReplicaPoolTest : public ::testing::Test {
 public:
  ReplicaPoolTest() : stand_in_(options()) {
    std::string error;
    if (!stand_in_.start(&error)) {
      throw std::runtime_error(error);
    }
    stand_in_.run_script("EXEC sys.sp_cdc_enable_db;");
    for (const std::string& name : tables()) {
      stand_in_.run_script(
          "CREATE TABLE dbo." + name + " (ID int NOT NULL PRIMARY KEY, V int NOT NULL);\nGO\n" +
          "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'" + name +
          "', @role_name = NULL;");
    }
    stand_in_.capture().scan_all();
  }
  ~ReplicaPoolTest() override {
    source_.reset();
    stand_in_.stop();
  }

  static standin::StandInOptions options() {
    standin::StandInOptions options;
    options.database = "shop";
    options.has_second_server = true;
    options.secondary_access = standin::SecondaryAccess::kReadOnly;
    options.starts_capture_job = false;
    return options;
  }
  static std::vector<std::string> tables() { return {"A", "B", "C", "D"}; }

  void open(const std::string& options) {
    std::string json =
        R"({"connection":"sqlserver://sa:Secret-1@127.0.0.1:)" +
        std::to_string(stand_in_.second_port()) +
        R"(?database=shop&encrypt=no&application_intent=ReadOnly","poll_interval":"10ms",)"
        R"("max_poll_interval":"10ms","page_rows":4,"tables":["dbo.A","dbo.B","dbo.C","dbo.D"],)" +
        options + "}";
    host_ = std::make_unique<testing_sdk::FakeHost>(json);
    source_ = std::make_unique<testing_sdk::SourceDriver>(
        *testing_sdk::find_connector(dstream_plugin_v1, "sqlserver-cdc"), *host_);
    source_->open("");
  }
  // Each row of each table, a transaction a row.
  void insert(int first, int last) {
    std::string sql;
    for (int row = first; row <= last; ++row) {
      sql += "BEGIN TRANSACTION;";
      for (const std::string& name : tables()) {
        sql += " INSERT INTO dbo." + name + " VALUES (" + std::to_string(row) + ", 0);";
      }
      sql += " COMMIT;";
    }
    stand_in_.run_script(sql);
    stand_in_.capture().scan_all();
  }
  // The next page of a table takes a while: long enough for others to be wanted.
  void slow_down(const std::string& table) {
    standin::Fault fault;
    fault.action = standin::FaultAction::kSlow;
    fault.statement_contains = reads(table);
    fault.delay_ms = 100;
    stand_in_.second_faults().add(fault);
  }
  // A connection for copies has looked at least twice.
  bool asked_how_far() {
    size_t times = 0;
    for (const auto& request : stand_in_.second_statistics().requests()) {
      times += request.text == "SELECT MAX(start_lsn) FROM cdc.lsn_time_mapping" ? 1 : 0;
    }
    return times >= 2;
  }
  bool warned(const std::string& part) const {
    const auto lines = host_->lines();
    return std::any_of(lines.begin(), lines.end(), [&part](const auto& line) {
      return line.level == DSTREAM_LOG_WARN && line.message.find(part) != std::string::npos;
    });
  }

 protected:
  standin::StandIn stand_in_;
  std::unique_ptr<testing_sdk::FakeHost> host_;
  std::unique_ptr<testing_sdk::SourceDriver> source_;
};

TEST_F(ReplicaPoolTest, PagesOfAReplicaThatIsBehindAreNotTakenAsComplete) {
  open(R"("snapshot":"never")");
  insert(1, 10);
  std::map<std::string, std::vector<int64_t>> seen;
  const auto read_until = [&](size_t rows) {
    const auto deadline = std::chrono::steady_clock::now() + kLimit;
    for (;;) {
      const Batch batch = source_->read(1000, Millis(20));
      for (uint32_t i = 0; i < batch.size(); ++i) {
        if (batch[i].op() == DSTREAM_OP_INSERT) {
          seen[batch[i].raw().schema->name].push_back(batch[i].raw().after->as.i64);
        }
      }
      size_t count = 0;
      for (const auto& [name, values] : seen) {
        count += values.size();
      }
      if (count >= rows) {
        return;
      }
      if (std::chrono::steady_clock::now() > deadline) {
        throw std::runtime_error(std::to_string(count) + " rows arrived");
      }
    }
  };
  read_until(40);
  // From now on new connections see this and no more; the first one sees everything.
  stand_in_.set_secondary_redo(false);
  slow_down("A");
  insert(11, 200);
  read_until(800);
  EXPECT_TRUE(warned("has not got as far"));
  for (const std::string& name : tables()) {
    ASSERT_EQ(seen[name].size(), 200u) << name;
    for (int64_t i = 0; i < 200; ++i) {
      ASSERT_EQ(seen[name][static_cast<size_t>(i)], i + 1) << name;
    }
  }
}

// A row that was copied is never older than a change that has left.
TEST_F(ReplicaPoolTest, RowsAreCopiedWhenTheReplicaHasGotThere) {
  insert(1, 3);
  open(R"("snapshot":"initial")");
  stand_in_.set_secondary_redo(false);
  for (const std::string& name : tables()) {
    stand_in_.run_script("UPDATE dbo." + name + " SET V = 1");
  }
  stand_in_.capture().scan_all();
  std::vector<int64_t> copied;
  const auto read_some = [&] {
    const Batch batch = source_->read(1000, Millis(20));
    for (uint32_t i = 0; i < batch.size(); ++i) {
      if (batch[i].op() == DSTREAM_OP_SNAPSHOT) {
        copied.push_back(batch[i].raw().after[1].as.i64);
      }
    }
    if (batch.size() > 0) {
      source_->commit(batch.last_position());
    }
  };
  const auto deadline = std::chrono::steady_clock::now() + kLimit;
  while (!asked_how_far()) {
    read_some();
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  }
  read_some();
  EXPECT_TRUE(copied.empty()) << "what is there is older than changes that have left";
  stand_in_.set_secondary_redo(true);
  while (copied.size() < 12) {
    read_some();
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  }
  EXPECT_EQ(copied, std::vector<int64_t>(12, 1));
}

}  // namespace
}  // namespace dstream::sqlserver
