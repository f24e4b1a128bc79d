// A table gets a column and a second capture instance while it is written to: the consumer hears of
// the statement, then of the new columns, then gets rows with them, and every row once.
#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <fstream>
#include <map>
#include <thread>

#include "tests/end_to_end/child.h"
#include "tests/end_to_end/sql_client.h"
#include "tests/host/program.h"

namespace dstream::end_to_end {
namespace {

using Poco::JSON::Object;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr char kScript[] =
    "EXEC sys.sp_cdc_enable_db;\nGO\n"
    "CREATE TABLE dbo.Cars (ID int NOT NULL PRIMARY KEY, Model nvarchar(40) NULL);\nGO\n"
    "EXEC sys.sp_cdc_enable_table N'dbo', N'Cars', NULL;\nGO\n";

// What the writers did: the number of doors of each car, 0 before there were any.
struct Garage {
  std::atomic<bool> stopping{false};
  std::atomic<bool> has_doors{false};
  std::mutex mutex;  // guards cars
  std::map<int64_t, int64_t> cars;
};

void write(int port, int64_t first, Garage& garage) {
  SqlClient client(port, "shop");
  for (int64_t id = first; !garage.stopping; id += 2) {
    const bool has_doors = garage.has_doors;
    const int64_t doors = has_doors ? id % 5 + 1 : 0;
    client.execute("INSERT INTO dbo.Cars (ID, Model" + std::string(has_doors ? ", Doors" : "") +
                   ") VALUES (" + std::to_string(id) + ", N'c'" +
                   (has_doors ? ", " + std::to_string(doors) : "") + ")");
    const std::lock_guard lock(garage.mutex);
    garage.cars[id] = doors;
  }
}

// The messages in their order.
class Consumer {
 public:
  explicit Consumer(const std::string& path) : path_(path) {}

  void read() {
    if (!file_.is_open()) {
      file_.open(path_);
    }
    for (std::string part; std::getline(file_, part);) {
      line_ += part;
      if (file_.eof()) {
        break;  // half a line: its rest comes
      }
      take(*Poco::JSON::Parser().parse(line_).extract<Object::Ptr>());
      line_.clear();
    }
    file_.clear();
  }

  std::map<int64_t, int64_t> cars;
  std::vector<std::string> statements;
  std::vector<std::string> columns;  // of each schema message, as text
  int64_t with_doors = 0;

 private:
  void take(const Object& message) {
    const Object::Ptr value = message.getObject("value");
    if (value->getValue<std::string>("op") == "schema") {
      statements.push_back(value->isNull("ddl") ? "" : value->getValue<std::string>("ddl"));
      columns.emplace_back();
      for (const auto& column : *value->getArray("columns")) {
        columns.back() += column.extract<Object::Ptr>()->getValue<std::string>("name") + ' ';
      }
      return;
    }
    const Object::Ptr after = value->getObject("after");
    const auto id = after->getValue<int64_t>("ID");
    const bool announced = !columns.empty() && columns.back() == "ID Model Doors ";
    EXPECT_EQ(after->has("Doors"), announced) << "not the columns that were announced";
    const bool filled = after->has("Doors") && !after->isNull("Doors");
    with_doors += filled ? 1 : 0;
    EXPECT_TRUE(cars.emplace(id, filled ? after->getValue<int64_t>("Doors") : 0).second)
        << id << " came twice";
  }

  const std::string path_;
  std::ifstream file_;
  std::string line_;
};

class SchemaChange : public ::testing::Test {
 protected:
  void SetUp() override {
    database_ = std::make_unique<Child>(std::vector<std::string>{
        DSTREAM_SQLSERVER_PROGRAM, "--port", "0", "--database", "shop", "--password", "secret",
        "--script", folder_.write("script.sql", kScript), "--capture-interval", "20"});
    const auto line = database_->wait_line("listening ", seconds(60));
    ASSERT_TRUE(line) << database_->output();
    port_ = std::stoi(line->substr(line->find(':') + 1));
    const std::string config = folder_.write(
        "dstream.yaml",
        "pipelines:\n- name: shop\n  source:\n    type: sqlserver-cdc\n    connection: "
        "sqlserver://sa:secret@127.0.0.1:" +
            std::to_string(port_) +
            "?database=shop&encrypt=no\n    tables: [dbo.Cars]\n    snapshot: never\n"
            "    poll_interval: 10ms\n    max_poll_interval: 20ms\n"
            "  sink:\n    type: file\n    path: " +
            folder_.path("changes.jsonl") + "\n  checkpoint: {interval: 20ms}\n");
    host_ = std::make_unique<Child>(std::vector<std::string>{DSTREAM_PROGRAM, "run", config,
                                                             "--plugin-dir", DSTREAM_PLUGIN_DIR,
                                                             "--state-dir", folder_.path("state")});
  }
  template <class Condition>
  bool wait(Consumer& consumer, const Condition& condition) {
    const auto deadline = Clock::now() + seconds(60);
    while (!condition()) {
      if (Clock::now() > deadline || host_->wait_exit(milliseconds(10))) {
        return false;
      }
      consumer.read();
    }
    return true;
  }

  host_test::Folder folder_;
  std::unique_ptr<Child> database_;
  std::unique_ptr<Child> host_;
  int port_ = 0;
};

TEST_F(SchemaChange, AColumnArrivesUnderWrites) {
  const std::string add = "ALTER TABLE dbo.Cars ADD Doors int NULL";
  Garage garage;
  std::vector<std::thread> writers;
  for (int64_t first : {1, 2}) {
    writers.emplace_back([&garage, first, port = port_] { write(port, first, garage); });
  }
  Consumer consumer(folder_.path("changes.jsonl"));
  const bool arrives = wait(consumer, [&] { return consumer.cars.size() > 20; });
  SqlClient client(port_, "shop");
  client.execute(add);
  garage.has_doors = true;
  const bool told = wait(consumer, [&] { return consumer.statements.size() == 1; });
  client.execute("EXEC sys.sp_cdc_enable_table N'dbo', N'Cars', NULL, N'Cars_2'");
  const bool filled = wait(consumer, [&] { return consumer.with_doors > 20; });
  garage.stopping = true;
  for (std::thread& writer : writers) {
    writer.join();
  }
  ASSERT_TRUE(arrives && told && filled) << host_->output();
  EXPECT_TRUE(wait(consumer, [&] { return consumer.cars.size() == garage.cars.size(); }))
      << consumer.cars.size() << " of " << garage.cars.size() << '\n'
      << host_->output();
  EXPECT_EQ(consumer.statements, (std::vector<std::string>{add, ""}));
  EXPECT_EQ(consumer.columns, (std::vector<std::string>{"ID Model ", "ID Model Doors "}));
  for (const auto& [id, doors] : consumer.cars) {
    // Doors of cars from before the second instance are in no change.
    EXPECT_TRUE(doors == garage.cars[id] || doors == 0) << id;
  }
  EXPECT_TRUE(
      host_->wait_line("Capture instance dbo_Cars of dbo.Cars is not read any more", seconds(20)))
      << host_->output();
  client.execute("EXEC sys.sp_cdc_disable_table N'dbo', N'Cars', N'dbo_Cars'");
  client.execute("INSERT INTO dbo.Cars VALUES (1000000, N'last', 4)");
  EXPECT_TRUE(wait(consumer, [&] { return consumer.cars.contains(1000000); })) << host_->output();
  host_->signal(SIGTERM);
  EXPECT_EQ(host_->wait_exit(seconds(40)), 143) << host_->output();
}

}  // namespace
}  // namespace dstream::end_to_end
