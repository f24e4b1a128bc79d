// Cleanup was faster than the pipeline: it stops and says so, and with on_data_loss: resnapshot the
// table is copied again while another one just goes on.
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <map>

#include "tests/end_to_end/child.h"
#include "tests/end_to_end/line_tail.h"
#include "tests/end_to_end/sql_client.h"
#include "tests/host/program.h"

namespace dstream::end_to_end {
namespace {

using Poco::JSON::Object;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

constexpr const char* kScript = R"(
EXEC sys.sp_cdc_enable_db;
GO
CREATE TABLE dbo.cars (id int NOT NULL PRIMARY KEY, model nvarchar(20) NOT NULL);
GO
CREATE TABLE dbo.dogs (id int NOT NULL PRIMARY KEY, name nvarchar(20) NOT NULL);
GO
EXEC sys.sp_cdc_enable_table N'dbo', N'cars', NULL;
GO
EXEC sys.sp_cdc_enable_table N'dbo', N'dogs', NULL;
GO
INSERT INTO dbo.cars VALUES (1, N'VW'), (2, N'BMW'), (3, N'Audi');
GO
INSERT INTO dbo.dogs VALUES (1, N'Rex');
GO
)";

// What a consumer makes of the messages: "cars 1 VW".
class Replica {
 public:
  explicit Replica(const std::string& path) : messages_(path) {}

  // True once `rows` are what it has; false if that does not come about.
  bool becomes(const std::map<std::string, std::string>& rows, Child& host) {
    const auto deadline = Clock::now() + seconds(60);
    do {
      for (std::string line; messages_.next(&line);) {
        apply(*Poco::JSON::Parser().parse(line).extract<Object::Ptr>());
      }
    } while (rows_ != rows && !host.wait_exit(milliseconds(20)) && Clock::now() < deadline);
    return rows_ == rows;
  }
  const std::map<std::string, std::string>& rows() const { return rows_; }
  int truncations(const std::string& table) { return truncations_[table]; }
  int copied(const std::string& table) { return copied_[table]; }

 private:
  void apply(const Object& line) {
    const Object::Ptr value = line.getObject("value");
    if (value.isNull()) {
      return;
    }
    const auto op = value->getValue<std::string>("op");
    const auto table = value->getValue<std::string>("table");
    if (op == "truncate") {
      ++truncations_[table];
      std::erase_if(rows_, [&](const auto& row) { return row.first.starts_with(table + " "); });
      return;
    }
    const Object::Ptr row = value->getObject(op == "delete" ? "before" : "after");
    const std::string key = table + " " + row->getValue<std::string>("id");
    copied_[table] += op == "snapshot" ? 1 : 0;
    if (op == "delete") {
      rows_.erase(key);
    } else {
      rows_[key] = row->getValue<std::string>(table == "cars" ? "model" : "name");
    }
  }

  LineTail messages_;
  std::map<std::string, std::string> rows_;
  std::map<std::string, int> truncations_;
  std::map<std::string, int> copied_;
};

class DataLoss : public ::testing::Test {
 protected:
  void SetUp() override {
    database_ = std::make_unique<Child>(std::vector<std::string>{
        DSTREAM_SQLSERVER_PROGRAM, "--port", "0", "--database", "shop", "--password", "secret",
        "--script", folder_.write("script.sql", kScript), "--capture-interval", "50"});
    const auto line = database_->wait_line("listening ", seconds(60));
    ASSERT_TRUE(line) << database_->output();
    port_ = std::stoi(line->substr(line->find(':') + 1));
  }

  std::vector<std::string> command(const char* name, const std::string& pipeline,
                                   const std::string& source = "") {
    const std::string file = folder_.write(
        "dstream.yaml",
        "state_dir: " + folder_.path("state") +
            "\npipelines:\n- name: shop\n  source:\n    type: sqlserver-cdc\n    connection: "
            "sqlserver://sa:secret@127.0.0.1:" +
            std::to_string(port_) +
            "?database=shop&encrypt=no\n    tables: [dbo.cars, dbo.dogs]\n" + source +
            "    poll_interval: 20ms\n    max_poll_interval: 50ms\n"
            "  sink:\n    type: file\n    path: " +
            folder_.path("changes.jsonl") + "\n  checkpoint: {interval: 20ms}\n" + pipeline);
    return {DSTREAM_PROGRAM, name, file, "--plugin-dir", DSTREAM_PLUGIN_DIR};
  }

  // Changes to both tables, of which those to the cars are removed before anybody has read them.
  void lose_changes_of_cars() {
    SqlClient client(port_, "shop");
    client.execute("DELETE FROM dbo.cars WHERE id = 2;");
    client.execute("UPDATE dbo.cars SET model = N'Polo' WHERE id = 1;");
    client.execute("INSERT INTO dbo.dogs VALUES (2, N'Bello');");
    const auto deadline = Clock::now() + seconds(60);
    while (client.scalar("SELECT COUNT(*) FROM cdc.dbo_dogs_CT") != "2" &&
           Clock::now() < deadline) {
      client.execute("WAITFOR DELAY '00:00:00.010';");
    }
    client.execute(
        "DECLARE @low binary(10) = (SELECT MAX(start_lsn) FROM cdc.lsn_time_mapping);"
        " EXEC sys.sp_cdc_cleanup_change_table @capture_instance = N'dbo_cars',"
        " @low_water_mark = @low, @threshold = 5000;");
  }

  host_test::Folder folder_;
  std::unique_ptr<Child> database_;
  int port_ = 0;
};

TEST_F(DataLoss, TheTableIsCopiedAgainBesideTheOthers) {
  Replica replica(folder_.path("changes.jsonl"));
  {
    Child host(command("run", ""));
    ASSERT_TRUE(replica.becomes(
        {{"cars 1", "VW"}, {"cars 2", "BMW"}, {"cars 3", "Audi"}, {"dogs 1", "Rex"}}, host))
        << host.output();
    host.signal(SIGTERM);
    ASSERT_EQ(host.wait_exit(seconds(60)), 143) << host.output();
  }
  lose_changes_of_cars();
  {
    Child stopped(command("run", ""));
    ASSERT_EQ(stopped.wait_exit(seconds(60)), 3) << stopped.output();
    EXPECT_THAT(stopped.output(), HasSubstr("DS-SOURCE-GAP"));
    EXPECT_THAT(stopped.output(), HasSubstr("on_data_loss: resnapshot"));
  }
  const int copied_before = replica.copied("cars");
  Child mending(command("run", "  on_data_loss: resnapshot\n"));
  EXPECT_TRUE(replica.becomes(
      {{"cars 1", "Polo"}, {"cars 3", "Audi"}, {"dogs 1", "Rex"}, {"dogs 2", "Bello"}}, mending))
      << mending.output();
  EXPECT_EQ(replica.truncations("cars"), 1);
  EXPECT_EQ(replica.copied("cars"), copied_before + 2);
  EXPECT_EQ(replica.truncations("dogs"), 0);
  EXPECT_THAT(mending.output(), HasSubstr("Its rows are copied again, after a truncation."));
  SqlClient(port_, "shop").execute("INSERT INTO dbo.cars VALUES (4, N'Fiat');");
  EXPECT_TRUE(replica.becomes({{"cars 1", "Polo"},
                               {"cars 3", "Audi"},
                               {"cars 4", "Fiat"},
                               {"dogs 1", "Rex"},
                               {"dogs 2", "Bello"}},
                              mending))
      << "changes go on behind the copy";
  mending.signal(SIGTERM);
  EXPECT_EQ(mending.wait_exit(seconds(60)), 143) << mending.output();
}

TEST_F(DataLoss, WhatContradictsItselfIsRefusedBeforeAnythingRuns) {
  for (const char* name : {"validate", "run"}) {
    Child never(command(name, "  on_data_loss: resnapshot\n", "    snapshot: never\n"));
    EXPECT_EQ(never.wait_exit(seconds(60)), 2) << never.output();
    EXPECT_THAT(never.output(), HasSubstr("snapshot: never copies no table"));
    Child both(command(name, "  on_data_loss: continue\n", "    snapshot: when_gap\n"));
    EXPECT_EQ(both.wait_exit(seconds(60)), 2) << both.output();
    EXPECT_THAT(both.output(), HasSubstr("on_data_loss: resnapshot"));
  }
  const std::string file = folder_.write(
      "numbers.yaml",
      "name: numbers\nsource: {type: generator}\nsink: {type: \"null\"}\non_data_loss: "
      "resnapshot\n");
  Child generator({DSTREAM_PROGRAM, "validate", file, "--plugin-dir", DSTREAM_PLUGIN_DIR});
  EXPECT_EQ(generator.wait_exit(seconds(60)), 2);
  EXPECT_THAT(generator.output(), HasSubstr("DS-CONFIG-UNSUPPORTED"));
  EXPECT_THAT(generator.output(), HasSubstr("'generator' cannot copy its tables again"));
}

}  // namespace
}  // namespace dstream::end_to_end
