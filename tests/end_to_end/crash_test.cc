// The host is killed at random moments under load, against the real broker, with a transaction of
// 50,000 rows in the mix. Every committed change has to arrive, in order per key, and nothing else.
//
// DSTREAM_SEED=n repeats the writer's and the killer's choices; DSTREAM_KILLS=n changes how often.

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <thread>

#include "tests/end_to_end/child.h"
#include "tests/end_to_end/ledger.h"
#include "tests/end_to_end/sql_client.h"
#include "tests/end_to_end/stream_reader.h"
#include "tests/standins/kafka/kafka_broker.h"

namespace dstream::end_to_end {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kLargeTransactionRows = 50'000;
constexpr int kLargeTransactionFirstKey = 1'000'000;
constexpr int kPartitions = 4;
constexpr const char* kTopic = "bank.dbo.Ledger";

uint64_t number_from_environment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

// Changes random rows of dbo.Ledger in transactions of random size and tells the ledger what it
// committed. A change is named by its kind and the row's version, which only ever grows.
class Writer {
 public:
  Writer(int port, uint64_t seed, Ledger* ledger)
      : client_(port, "bank"), random_(seed), ledger_(ledger) {}

  void run(const std::atomic<bool>& stopping) {
    while (!stopping) {
      if (large_wanted_.exchange(false)) {
        write_large_transaction();
      } else {
        write_transaction();
      }
    }
  }
  void want_large_transaction() { large_wanted_ = true; }

 private:
  struct Change {
    int key;
    std::string name;
  };

  void write_transaction() {
    std::string sql = "BEGIN TRANSACTION;\n";
    std::vector<Change> changes;
    int count = std::uniform_int_distribution<int>(1, 40)(random_);
    for (int done = 0; done < count; ++done) {
      sql += statement(&changes);
    }
    // One in ten is rolled back: none of its changes may ever be seen.
    if (std::uniform_int_distribution<int>(0, 9)(random_) == 0) {
      client_.execute(sql + "ROLLBACK TRANSACTION;");
      undo();
      return;
    }
    client_.execute(sql + "COMMIT TRANSACTION;");
    versions_before_.clear();
    for (const auto& change : changes) {
      ledger_->committed(change.key, change.name);
    }
  }

  std::string statement(std::vector<Change>* changes) {
    int key = std::uniform_int_distribution<int>(1, 400)(random_);
    Row& row = rows_[key];
    versions_before_.emplace(key, row);
    std::string at = std::to_string(key);
    if (!row.exists) {
      row.exists = true;
      row.version = ++row.version_last;
      changes->push_back({key, "insert:" + std::to_string(row.version)});
      return "INSERT INTO dbo.Ledger (ID, Version, Note, Amount) VALUES (" + at + ", " +
             std::to_string(row.version) + ", " + note() + ", " + std::to_string(row.version) +
             ".25);\n";
    }
    if (std::uniform_int_distribution<int>(0, 7)(random_) == 0) {
      row.exists = false;
      changes->push_back({key, "delete:" + std::to_string(row.version)});
      return "DELETE FROM dbo.Ledger WHERE ID = " + at + ";\n";
    }
    row.version = ++row.version_last;
    changes->push_back({key, "update:" + std::to_string(row.version)});
    return "UPDATE dbo.Ledger SET Version = " + std::to_string(row.version) + ", Note = " + note() +
           " WHERE ID = " + at + ";\n";
  }

  void write_large_transaction() {
    std::string sql = "BEGIN TRANSACTION;\n";
    for (int row = 0; row < kLargeTransactionRows;) {
      sql += "INSERT INTO dbo.Ledger (ID, Version, Note, Amount) VALUES ";
      for (int in_statement = 0; in_statement < 500; ++in_statement, ++row) {
        sql += std::string(in_statement == 0 ? "" : ",") + "(" +
               std::to_string(kLargeTransactionFirstKey + row) + ", 1, N'large', 1.25)";
      }
      sql += ";\n";
      client_.execute(sql);
      sql.clear();
    }
    client_.execute("COMMIT TRANSACTION;");
    for (int row = 0; row < kLargeTransactionRows; ++row) {
      ledger_->committed(kLargeTransactionFirstKey + row, "insert:1");
    }
  }

  void undo() {
    for (const auto& [key, row] : versions_before_) {
      // Versions of a rolled back transaction are not used again: seen anywhere, they are invented.
      rows_[key] = {row.exists, row.version, rows_[key].version_last};
    }
    versions_before_.clear();
  }

  std::string note() {
    static const char* const notes[] = {"N'plain'", "N'it''s quoted \"twice\"'", "N'žluťoučký 🐎'",
                                        "NULL", "N''", "N'line\nbreak\\'"};
    return notes[std::uniform_int_distribution<size_t>(0, 5)(random_)];
  }

  struct Row {
    bool exists = false;
    int version = 0;       // in the table
    int version_last = 0;  // ever used for this key
  };
  SqlClient client_;
  std::mt19937_64 random_;
  Ledger* ledger_;
  std::map<int, Row> rows_;
  std::map<int, Row> versions_before_;  // rows the open transaction has touched
  std::atomic<bool> large_wanted_{false};
};

void judge(const StreamMessage& message, Ledger* ledger) {
  Poco::JSON::Parser parser;
  int key = parser.parse(message.key).extract<Poco::JSON::Object::Ptr>()->getValue<int>("ID");
  if (message.tombstone) {
    ledger->tombstone(key);
    return;
  }
  parser.reset();
  auto envelope = parser.parse(message.value).extract<Poco::JSON::Object::Ptr>();
  auto op = envelope->getValue<std::string>("op");
  auto row = envelope->getObject(op == "delete" ? "before" : "after");
  ledger->arrived(key, op + ":" + row->getValue<std::string>("Version"));
}

class CrashTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("dstream-crash-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
    start_database();
    broker_.start();
    broker_.create_topic(kTopic, kPartitions);
    write_config();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void start_database() {
    std::ofstream(folder_ / "bank.sql") << R"(
CREATE TABLE dbo.Ledger (
  ID int NOT NULL PRIMARY KEY, Version int NOT NULL, Note nvarchar(100) NULL,
  Amount decimal(18,4) NOT NULL);
GO
EXEC sys.sp_cdc_enable_db;
GO
EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'Ledger', @role_name = NULL;
GO
)";
    database_ = std::make_unique<Child>(std::vector<std::string>{
        DSTREAM_SQLSERVER_PROGRAM, "--port", "0", "--database", "bank", "--script",
        (folder_ / "bank.sql").string(), "--capture-interval", "50"});
    auto line = database_->wait_line("port=", seconds(60));
    ASSERT_TRUE(line) << database_->output();
    port_ = std::stoi(line->substr(line->find("port=") + 5));
  }

  void write_config() {
    std::ofstream(folder_ / "dstream.yaml")
        << "pipelines:\n"
           "  - name: crash\n"
           "    source:\n"
           "      type: sqlserver-cdc\n"
           "      connection: sqlserver://sa:secret@127.0.0.1:" << port_
        << "?database=bank&encrypt=no\n"
           "      tables: [dbo.Ledger]\n"
           "      poll_interval: 20ms\n"
           "      max_poll_interval: 100ms\n"
           "    sink:\n"
           "      type: eventhubs\n"
           "      connection: \"" << broker_.connection_string() << "\"\n"
           "      ca_file: " << broker_.ca_file() << "\n"
           "    checkpoint: {interval: 50ms}\n"
           "    queue: {max_bytes: 4MiB}\n";
  }

  std::unique_ptr<Child> start_host() {
    return std::make_unique<Child>(std::vector<std::string>{
        DSTREAM_PROGRAM, "run", (folder_ / "dstream.yaml").string(), "--plugin-dir",
        DSTREAM_PLUGIN_DIR, "--state-dir", (folder_ / "state").string(), "--log-level", "warn"});
  }

  std::filesystem::path folder_;
  std::unique_ptr<Child> database_;
  int port_ = 0;
  standin::KafkaBroker broker_;
  Ledger ledger_;
};

TEST_F(CrashTest, EveryCommittedChangeArrivesInOrderAcrossKills) {
  uint64_t seed = number_from_environment("DSTREAM_SEED", std::random_device()());
  uint64_t kills = number_from_environment("DSTREAM_KILLS", 30);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  Writer writer(port_, seed + 1, &ledger_);
  StreamReader reader(broker_.plaintext(), {kTopic}, kPartitions,
                      [&](const StreamMessage& message) { judge(message, &ledger_); });
  std::atomic<bool> stopping{false};
  std::thread writing([&] { writer.run(stopping); });

  auto host = start_host();
  for (uint64_t kill = 0; kill < kills; ++kill) {
    if (kill == kills / 3) {
      writer.want_large_transaction();
    }
    // Half of the kills wait for progress first; the others hit start-up, recovery and idle too.
    if (std::uniform_int_distribution<int>(0, 1)(random) == 0) {
      ledger_.wait_arrivals(std::uniform_int_distribution<uint64_t>(1, 3000)(random), seconds(5));
    }
    auto early = host->wait_exit(milliseconds(std::uniform_int_distribution<int>(0, 600)(random)));
    EXPECT_FALSE(early) << "the host ended by itself:\n" << host->output();
    host->signal(SIGKILL);
    ASSERT_TRUE(host->wait_exit(seconds(10)));
    host = start_host();
  }
  stopping = true;
  writing.join();
  EXPECT_TRUE(ledger_.wait_complete(seconds(120))) << host->output();
  host->signal(SIGTERM);
  auto code = host->wait_exit(seconds(40));
  ASSERT_TRUE(code) << "SIGTERM was not honoured";
  EXPECT_EQ(*code, 143) << host->output();

  for (const auto& breach : ledger_.verdict()) {
    ADD_FAILURE() << breach;
  }
  EXPECT_GT(ledger_.committed_count(), uint64_t{kLargeTransactionRows});
  std::printf("kills %llu, committed changes %llu, messages %llu, duplicates %llu\n",
              static_cast<unsigned long long>(kills),
              static_cast<unsigned long long>(ledger_.committed_count()),
              static_cast<unsigned long long>(ledger_.arrived_count()),
              static_cast<unsigned long long>(ledger_.duplicates()));
}

}  // namespace
}  // namespace dstream::end_to_end
