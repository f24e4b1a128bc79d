// Capture instances that the source creates and drops itself, against the stand-in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

#include "plugins/sqlserver_cdc/connection_string.h"
#include "plugins/sqlserver_cdc/instance_manager.h"
#include "plugins/sqlserver_cdc/test_database.h"

namespace dstream::sqlserver {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kCars[] =
    "CREATE TABLE dbo.Cars (ID int NOT NULL PRIMARY KEY, Model nvarchar(40) NULL)";
constexpr char kManage[] = R"("capture_instances":"manage")";

class ManageSourceTest : public SourceFixture {
 public:
  int64_t instances() { return number("SELECT COUNT(*) FROM cdc.change_tables"); }
  bool has_instance(const std::string& name) {
    return number("SELECT COUNT(*) FROM cdc.change_tables WHERE capture_instance = N'" + name +
                  "'") == 1;
  }
  template <class Condition>
  bool wait(const Condition& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) {
        return false;
      }
      run("WAITFOR DELAY '00:00:00.010'");
    }
    return true;
  }
};

TEST_F(ManageSourceTest, ColumnsArriveByThemselvesAndOldInstancesGo) {
  create_table(kCars, "Cars");
  open({"dbo.Cars"}, kManage);
  run("INSERT INTO dbo.Cars VALUES (1, N'a')");
  EXPECT_THAT(texts(read(1)), ElementsAre("i Cars after 1|a $"));
  EXPECT_EQ(instances(), 1);

  run("ALTER TABLE dbo.Cars ADD Doors int NULL");
  EXPECT_THAT(texts(read(2)), ElementsAre(HasSubstr("ADD Doors"),
                                          "s Cars (ID int key, Model nvarchar(40)?, Doors int?) "
                                          "of dbo_Cars_dstream2"));
  run("INSERT INTO dbo.Cars VALUES (2, N'b', 4)");
  EXPECT_THAT(texts(read(1)), ElementsAre("i Cars after 2|b|4 $"));
  EXPECT_TRUE(wait([this] { return !has_instance("dbo_Cars"); }));

  run("ALTER TABLE dbo.Cars DROP COLUMN Model");
  EXPECT_THAT(texts(read(2)), ElementsAre(HasSubstr("DROP COLUMN Model"),
                                          "s Cars (ID int key, Doors int?) of dbo_Cars_dstream3"));
  run("INSERT INTO dbo.Cars VALUES (3, 5)");
  EXPECT_THAT(texts(read(1)), ElementsAre("i Cars after 3|5 $"));
  EXPECT_TRUE(wait([this] { return !has_instance("dbo_Cars_dstream2"); }));
  EXPECT_EQ(instances(), 1);

  // DDL that changes no column rotates nothing.
  run("ALTER TABLE dbo.Cars ALTER COLUMN Doors bigint NULL");
  run("INSERT INTO dbo.Cars VALUES (4, 6)");
  EXPECT_THAT(texts(read(2)), ElementsAre(HasSubstr("Doors bigint?"), "i Cars after 4|6 $"));
  EXPECT_TRUE(has_instance("dbo_Cars_dstream3"));
  EXPECT_EQ(instances(), 1);
}

TEST_F(ManageSourceTest, ItIsOffByDefault) {
  create_table(kCars, "Cars");
  open({"dbo.Cars"});
  run("ALTER TABLE dbo.Cars ADD Doors int NULL");
  run("INSERT INTO dbo.Cars VALUES (1, N'a', 2)");
  EXPECT_THAT(texts(read(2)), ElementsAre(HasSubstr("ADD Doors"), "i Cars after 1|a $"));
  EXPECT_EQ(instances(), 1);
}

// The manager by itself, with pauses that a test can wait for.
class InstanceManagerTest : public ManageSourceTest {
 public:
  std::unique_ptr<InstanceManager> start(const std::string& connection) {
    Options options;
    options.tables.push_back({{"dbo", "Cars"}, Millis(1), Millis(1), ""});
    ManagerTimes times;
    times.pause_min = times.pause_max = std::chrono::milliseconds(20);
    times.lock_timeout = std::chrono::milliseconds(20);
    return std::make_unique<InstanceManager>(
        make_connection(connection, installed_drivers()), options,
        [this](dstream_log_level level, const std::string& line) {
          const std::lock_guard lock(mutex_);
          (level == DSTREAM_LOG_WARN ? warnings_ : others_).push_back(line);
        },
        times);
  }
  std::vector<std::string> warnings() {
    const std::lock_guard lock(mutex_);
    return warnings_;
  }
  void add_doors() {
    run("ALTER TABLE dbo.Cars ADD Doors int NULL");
    EXPECT_TRUE(wait([this] { return number("SELECT COUNT(*) FROM cdc.ddl_history") == 1; }));
  }

 private:
  std::mutex mutex_;  // guards both
  std::vector<std::string> warnings_;
  std::vector<std::string> others_;
};

TEST_F(InstanceManagerTest, ALockIsWaitedForAndSaidOnce) {
  create_table(kCars, "Cars");
  add_doors();
  run_as_writer("BEGIN TRANSACTION; INSERT INTO dbo.Cars VALUES (1, N'a', 2)");
  auto manager = start(url());
  manager->look({});
  EXPECT_TRUE(wait([this] { return !warnings().empty(); }));
  EXPECT_EQ(instances(), 1);
  run_as_writer("COMMIT");
  EXPECT_TRUE(wait([this] { return has_instance("dbo_Cars_dstream2"); }));
  EXPECT_THAT(warnings(), ElementsAre(HasSubstr("Creating capture instance dbo_Cars_dstream2")));
}

TEST_F(InstanceManagerTest, APermissionThatIsMissingIsAWarning) {
  if (is_real()) {
    GTEST_SKIP() << "needs the stand-in's users";
  }
  create_table(kCars, "Cars");
  add_doors();
  run("CREATE LOGIN reader WITH PASSWORD = 'Secret-2', CHECK_POLICY = OFF; CREATE USER reader FOR "
      "LOGIN reader");
  run("GRANT SELECT ON SCHEMA::cdc TO reader; GRANT SELECT ON dbo.Cars TO reader");
  auto manager = start(url("reader", "Secret-2"));
  manager->look({});
  EXPECT_TRUE(wait([this] { return !warnings().empty(); }));
  EXPECT_THAT(warnings()[0], HasSubstr("db_owner"));
  EXPECT_EQ(instances(), 1);
}

}  // namespace
}  // namespace dstream::sqlserver
