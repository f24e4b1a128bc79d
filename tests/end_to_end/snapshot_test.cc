// Tables are copied while a writer changes them and the host is killed again and again: replaying
// the messages gives exactly the tables.
//
// DSTREAM_SEED=n repeats the writer's and the killer's choices; DSTREAM_KILLS=n changes how often.
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <map>
#include <random>
#include <thread>

#include "tests/end_to_end/child.h"
#include "tests/end_to_end/line_tail.h"
#include "tests/end_to_end/sql_client.h"
#include "tests/host/program.h"

namespace dstream::end_to_end {
namespace {

using Poco::JSON::Object;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr int kTables = 3;
constexpr int kRows = 20000;  // of each table before the host is started

// Rows by table and key.
using Tables = std::map<std::string, std::map<std::string, std::string>>;

uint64_t number_from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::string script() {
  std::string sql = "EXEC sys.sp_cdc_enable_db;\nGO\n";
  for (int table = 0; table < kTables; ++table) {
    const std::string name = "t" + std::to_string(table);
    sql += "CREATE TABLE dbo." + name +
           " (a int NOT NULL, b varchar(20) NOT NULL, v int NOT NULL, note nvarchar(max) NULL,"
           " PRIMARY KEY (a, b));\nGO\n";
    for (int row = 0; row < kRows;) {
      sql += "INSERT INTO dbo." + name + " VALUES ";
      for (int i = 0; i < 500; ++i, ++row) {
        sql += (i == 0 ? "(" : ", (") + std::to_string(row / 7) + ", 'k" + std::to_string(row % 7) +
               "', 0, N'old " + std::to_string(row) + "')";
      }
      sql += ";\nGO\n";
    }
    sql += "EXEC sys.sp_cdc_enable_table N'dbo', N'" + name + "', NULL;\nGO\n";
  }
  return sql;
}

// Transactions of a few changes each, until it is told to stop.
void write(int port, uint64_t seed, const std::atomic<bool>& stopping) {
  std::mt19937_64 random(seed);
  SqlClient client(port, "shop");
  for (int value = 1; !stopping; ++value) {
    std::string sql = "BEGIN TRAN;\n";
    for (uint64_t i = random() % 4 + 1; i > 0; --i) {
      const std::string table = "dbo.t" + std::to_string(random() % kTables);
      const uint64_t row = random() % (kRows + 200);
      const std::string a = std::to_string(row / 7);
      const std::string key = "a = " + a + " AND b = 'k" + std::to_string(row % 7) + "'";
      const std::string v = std::to_string(value);
      switch (random() % 5) {
        case 0:
          sql += "DELETE FROM " + table + " WHERE " + key + ";\n";
          break;
        case 1:
          sql += "UPDATE " + table + " SET v = " + v + ", note = N'new " + v + "' WHERE " + key +
                 ";\n";
          break;
        case 2:  // the note is left alone: the change has no value for it
          sql += "UPDATE " + table + " SET v = " + v + " WHERE " + key + ";\n";
          break;
        default:
          sql += "IF NOT EXISTS (SELECT 1 FROM " + table + " WHERE " + key + ") INSERT INTO " +
                 table + " VALUES (" + a + ", 'k" + std::to_string(row % 7) + "', " + v +
                 ", N'inserted');\n";
      }
    }
    client.execute(sql + "COMMIT;");
  }
}

// What a consumer makes of the messages: a row as it is, and columns that a message leaves out as
// they were.
class Replica {
 public:
  void read(LineTail& messages) {
    for (std::string line; messages.next(&line);) {
      apply(*Poco::JSON::Parser().parse(line).extract<Object::Ptr>());
    }
  }
  const Tables& tables() const { return tables_; }
  size_t copied() const { return copied_; }

 private:
  void apply(const Object& line) {
    const Object::Ptr value = line.getObject("value");
    if (value.isNull()) {
      return;
    }
    const auto op = value->getValue<std::string>("op");
    auto& table = tables_[value->getValue<std::string>("table")];
    const Object::Ptr row = value->getObject(op == "delete" ? "before" : "after");
    const std::string key = row->getValue<std::string>("a") + row->getValue<std::string>("b");
    copied_ += op == "snapshot" ? 1 : 0;
    if (op == "delete") {
      table.erase(key);
      notes_.erase(value->getValue<std::string>("table") + key);
      return;
    }
    std::string& note = notes_[value->getValue<std::string>("table") + key];
    if (row->has("note")) {
      note = row->isNull("note") ? "NULL" : row->getValue<std::string>("note");
    }
    table[key] = row->getValue<std::string>("v") + " " + note;
  }

  Tables tables_;
  std::map<std::string, std::string> notes_;
  size_t copied_ = 0;
};

class Snapshot : public ::testing::Test {
 protected:
  void SetUp() override {
    database_ = std::make_unique<Child>(std::vector<std::string>{
        DSTREAM_SQLSERVER_PROGRAM, "--port", "0", "--database", "shop", "--password", "secret",
        "--script", folder_.write("script.sql", script()), "--capture-interval", "50"});
    const auto line = database_->wait_line("listening ", seconds(60));
    ASSERT_TRUE(line) << database_->output();
    port_ = std::stoi(line->substr(line->find(':') + 1));
  }

  std::unique_ptr<Child> start_host() {
    std::string tables;
    for (int table = 0; table < kTables; ++table) {
      tables += (table == 0 ? "dbo.t" : ", dbo.t") + std::to_string(table);
    }
    const std::string config = folder_.write(
        "dstream.yaml",
        "pipelines:\n- name: shop\n  source:\n    type: sqlserver-cdc\n    connection: "
        "sqlserver://sa:secret@127.0.0.1:" +
            std::to_string(port_) + "?database=shop&encrypt=no\n    tables: [" + tables +
            "]\n    page_rows: 20\n    poll_interval: 20ms\n    max_poll_interval: 50ms\n"
            "  sink:\n    type: file\n    path: " +
            folder_.path("changes.jsonl") + "\n  checkpoint: {interval: 20ms}\n");
    return std::make_unique<Child>(std::vector<std::string>{DSTREAM_PROGRAM, "run", config,
                                                            "--plugin-dir", DSTREAM_PLUGIN_DIR,
                                                            "--state-dir", folder_.path("state")});
  }

  Tables source_tables() const {
    Tables out;
    SqlClient client(port_, "shop");
    for (int table = 0; table < kTables; ++table) {
      const std::string name = "t" + std::to_string(table);
      for (int a = 0; a <= (kRows + 200) / 7; ++a) {
        // One row of text for each seven keys: the client reads the first value of a result.
        const std::string rows = client.scalar(
            "SELECT STRING_AGG(CAST(b + '=' + CAST(v AS varchar(12)) + ' ' + ISNULL(note, N'NULL')"
            " AS nvarchar(max)), N'|') FROM dbo." +
            name + " WHERE a = " + std::to_string(a));
        for (size_t at = 0; at < rows.size();) {
          const size_t end = std::min(rows.find('|', at), rows.size());
          const size_t sign = rows.find('=', at);
          out[name][std::to_string(a) + rows.substr(at, sign - at)] =
              rows.substr(sign + 1, end - sign - 1);
          at = end + 1;
        }
      }
    }
    return out;
  }

  host_test::Folder folder_;
  std::unique_ptr<Child> database_;
  int port_ = 0;
};

TEST_F(Snapshot, ReplayingTheMessagesGivesTheTablesAcrossKills) {
  const uint64_t seed = number_from_environment("DSTREAM_SEED", std::random_device()());
  const uint64_t kills = number_from_environment("DSTREAM_KILLS", 15);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  std::atomic<bool> stopping{false};
  std::thread writing([&] { write(port_, seed + 1, stopping); });
  auto host = start_host();
  for (uint64_t kill = 0; kill < kills; ++kill) {
    const auto early = host->wait_exit(milliseconds(50 + random() % 150));
    EXPECT_FALSE(early) << "the host ended by itself:\n" << host->output();
    host->signal(SIGKILL);
    EXPECT_TRUE(host->wait_exit(seconds(10)));
    host = start_host();
  }
  stopping = true;
  writing.join();

  const Tables expected = source_tables();
  Replica replica;
  LineTail messages(folder_.path("changes.jsonl"));
  const auto deadline = Clock::now() + seconds(60);
  do {
    replica.read(messages);
  } while (replica.tables() != expected && !host->wait_exit(milliseconds(50)) &&
           Clock::now() < deadline);
  for (const auto& [name, rows] : expected) {
    EXPECT_EQ(replica.tables().at(name), rows) << name;
  }
  EXPECT_GE(replica.copied(), size_t{kTables} * (kRows - 2000));
  host->signal(SIGTERM);
  EXPECT_EQ(host->wait_exit(seconds(40)), 143) << host->output();
  std::printf("%zu rows copied of %d\n", replica.copied(), kTables * kRows);
}

}  // namespace
}  // namespace dstream::end_to_end
