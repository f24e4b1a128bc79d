// What becomes of a source whose tables do not stay what they are, against the stand-in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "dstream/ext/draft/testing.hpp"
#include "plugins/sqlserver_cdc/test_database.h"

namespace dstream::sqlserver {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kCars[] =
    "CREATE TABLE dbo.Cars (ID int NOT NULL PRIMARY KEY, Model nvarchar(40) NULL)";
constexpr char kAddDoors[] = "ALTER TABLE dbo.Cars ADD Doors int NULL";
const std::string kOld = "s Cars (ID int key, Model nvarchar(40)?) of dbo_Cars: ";
const std::string kNew = "s Cars (ID int key, Model nvarchar(40)?, Doors int?) of Cars_2";

class SchemaSourceTest : public SourceFixture {
 public:
  // Nothing is captured meanwhile.
  void pause() { run("EXEC dstream.capture_pause"); }
  void resume() { run("EXEC dstream.capture_resume"); }
  bool logged(const std::string& part) const {
    for (const testing_sdk::LogLine& line : host().lines()) {
      if (line.message.find(part) != std::string::npos) {
        return true;
      }
    }
    return false;
  }
};

TEST_F(SchemaSourceTest, ASecondInstanceTakesOverWhereItBegins) {
  create_table(kCars, "Cars");
  open({"dbo.Cars"});
  pause();
  run("INSERT INTO dbo.Cars VALUES (1, N'a')");
  run(kAddDoors);
  run("INSERT INTO dbo.Cars VALUES (2, N'b', 2)");
  enable_table("Cars", "dbo", "Cars_2");
  run("INSERT INTO dbo.Cars VALUES (3, N'c', 3)");
  resume();
  const auto seen = read(5);
  EXPECT_THAT(texts(seen), ElementsAre("i Cars after 1|a $", kOld + kAddDoors, "i Cars after 2|b $",
                                       kNew, "i Cars after 3|c|3 $"));
  EXPECT_TRUE(logged("dbo.Cars is read from capture instance Cars_2 instead of dbo_Cars"));
  run("INSERT INTO dbo.Cars VALUES (4, N'd', 4)");
  EXPECT_THAT(texts(read(1)), ElementsAre("i Cars after 4|d|4 $"));
}

TEST_F(SchemaSourceTest, EveryPositionAroundATakeoverResumesWithTheRest) {
  create_table(kCars, "Cars");
  pause();
  run("BEGIN TRANSACTION; INSERT INTO dbo.Cars VALUES (1, N'a'); INSERT INTO dbo.Cars VALUES (2, "
      "N'b'); COMMIT");
  run(kAddDoors);
  enable_table("Cars", "dbo", "Cars_2");
  run("BEGIN TRANSACTION; INSERT INTO dbo.Cars VALUES (3, N'c', 3); INSERT INTO dbo.Cars VALUES "
      "(4, N'd', 4); COMMIT");
  resume();
  open({"dbo.Cars"});
  const auto all = read(6);
  ASSERT_THAT(texts(all), ElementsAre("i Cars after 1|a", "i Cars after 2|b $", kOld + kAddDoors,
                                      kNew, "i Cars after 3|c|3", "i Cars after 4|d|4 $"));
  for (size_t i = 0; i + 1 < all.size(); ++i) {
    // The position of a record that tells of a schema says that it may come again.
    const size_t next = all[i].text.starts_with("s ") ? i : i + 1;
    reopen(all[i].position);
    EXPECT_EQ(texts(read(all.size() - next)),
              texts({all.begin() + static_cast<long>(next), all.end()}))
        << i;
  }
}

TEST_F(SchemaSourceTest, TheOldInstanceCanBeDroppedWhenTheLogSaysSo) {
  create_table(kCars, "Cars");
  open({"dbo.Cars"});
  run(kAddDoors);
  enable_table("Cars", "dbo", "Cars_2");
  run("INSERT INTO dbo.Cars VALUES (1, N'a', 1)");
  EXPECT_THAT(texts(read(1)), ElementsAre(kOld + kAddDoors));
  EXPECT_FALSE(logged("can be dropped"));
  EXPECT_THAT(texts(read(1)), ElementsAre(kNew));
  EXPECT_FALSE(logged("can be dropped"));
  EXPECT_THAT(texts(read(1)), ElementsAre("i Cars after 1|a|1 $"));
  EXPECT_TRUE(
      logged("Capture instance dbo_Cars of dbo.Cars is not read any more and can be "
             "dropped"));
  run("EXEC sys.sp_cdc_disable_table @source_schema = N'dbo', @source_name = N'Cars', "
      "@capture_instance = N'dbo_Cars'");
  EXPECT_THAT(testing_sdk::status_json(source()), HasSubstr(R"("instance":"dbo_Cars")"));
  run("INSERT INTO dbo.Cars VALUES (2, N'b', 2)");
  EXPECT_THAT(texts(read(1)), ElementsAre("i Cars after 2|b|2 $"));
  EXPECT_THAT(testing_sdk::status_json(source()), Not(HasSubstr("dbo_Cars"))) << "it was dropped";
}

// A name in the configuration is a decision: another instance may be for somebody else.
TEST_F(SchemaSourceTest, AnInstanceThatIsNamedIsKept) {
  create_table(kCars, "Cars");
  open({}, R"("tables":[{"name":"dbo.Cars","capture_instance":"dbo_Cars"}])");
  enable_table("Cars", "dbo", "Cars_2");
  run("INSERT INTO dbo.Cars VALUES (1, N'a')");
  run("INSERT INTO dbo.Cars VALUES (2, N'b')");
  EXPECT_THAT(texts(read(2)), ElementsAre("i Cars after 1|a $", "i Cars after 2|b $"));
}

TEST_F(SchemaSourceTest, AlteredColumnsAreReadAsWhatTheyHaveBecome) {
  create_table(
      "CREATE TABLE dbo.Cars (ID int NOT NULL PRIMARY KEY, Model nvarchar(3) NULL, Price "
      "decimal(9,2) NULL)",
      "Cars");
  open({"dbo.Cars"});
  run("INSERT INTO dbo.Cars VALUES (1, N'abc', 1.25)");
  EXPECT_THAT(texts(read(1)), ElementsAre("i Cars after 1|abc|1.25 $"));
  pause();
  run("INSERT INTO dbo.Cars VALUES (2, N'def', 2.25)");
  run("ALTER TABLE dbo.Cars ALTER COLUMN Price decimal(12,4)");
  run("INSERT INTO dbo.Cars VALUES (3, N'ghi', 3.1234)");
  run("ALTER TABLE dbo.Cars ALTER COLUMN Model nvarchar(8)");
  run("INSERT INTO dbo.Cars VALUES (4, N'abcdefgh', 4.1234)");
  resume();
  const std::string schema =
      "s Cars (ID int key, Model nvarchar(8)?, Price decimal(12,4)?) of dbo_Cars: ";
  EXPECT_THAT(texts(read(5)),
              ElementsAre("i Cars after 2|def|2.2500 $",
                          schema + "ALTER TABLE dbo.Cars ALTER COLUMN Price decimal(12,4)",
                          "i Cars after 3|ghi|3.1234 $",
                          schema + "ALTER TABLE dbo.Cars ALTER COLUMN Model nvarchar(8)",
                          "i Cars after 4|abcdefgh|4.1234 $"));
}

TEST_F(SchemaSourceTest, ALongStatementIsToldWhole) {
  create_table(kCars, "Cars");
  open({"dbo.Cars"});
  // Neither even nor odd pieces end at a whole character.
  std::string statement = "ALTER TABLE dbo.Cars ADD /* ";
  for (int i = 0; i < 9000; ++i) {
    statement += i % 3 == 0 ? "\xF0\x9F\x98\x80" : "\xC3\xA9";
  }
  statement += " */ Doors int NULL";
  run(statement);
  EXPECT_THAT(texts(read(1)), ElementsAre(kOld + statement));
}

TEST_F(SchemaSourceTest, ADroppedColumnIsNullUntilAnInstanceWithoutItTakesOver) {
  create_table(kCars, "Cars");
  open({"dbo.Cars"});
  run("INSERT INTO dbo.Cars VALUES (1, N'a')");
  run("ALTER TABLE dbo.Cars DROP COLUMN Model");
  run("INSERT INTO dbo.Cars VALUES (2)");
  EXPECT_THAT(texts(read(3)),
              ElementsAre("i Cars after 1|a $", kOld + "ALTER TABLE dbo.Cars DROP COLUMN Model",
                          "i Cars after 2|null $"));
  enable_table("Cars", "dbo", "Cars_2");
  run("INSERT INTO dbo.Cars VALUES (3)");
  EXPECT_THAT(texts(read(2)), ElementsAre("s Cars (ID int key) of Cars_2", "i Cars after 3 $"));
}

// Reads until it fails; the status, and what it says.
struct Failed {
  dstream_status status = DSTREAM_OK;
  std::string message;
};
Failed read_to_failure(SchemaSourceTest& test) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < deadline) {
    try {
      test.read_some();
    } catch (const testing_sdk::CallFailed& failure) {
      return {failure.status, failure.what()};
    }
  }
  return {};
}
Failed open_fails(SchemaSourceTest& test, const std::string& position) {
  try {
    test.open({"dbo.Cars"}, "", position);
  } catch (const testing_sdk::CallFailed& failure) {
    return {failure.status, failure.what()};
  }
  return {};
}

// What was written meanwhile is in no change table, and has no entry in cdc.lsn_time_mapping.
TEST_F(SchemaSourceTest, CaptureThatWasOffForAWhileIsDataLoss) {
  create_table(kCars, "Cars");
  run("INSERT INTO dbo.Cars VALUES (1, N'a')");
  open({"dbo.Cars"});
  const std::string position = read(1).back().position;
  disable_table("Cars");
  run("INSERT INTO dbo.Cars VALUES (2, N'b')");
  enable_table("Cars");
  run("INSERT INTO dbo.Cars VALUES (3, N'c')");
  wait_captured("dbo_Cars", 1);
  EXPECT_EQ(read_to_failure(*this).status, DSTREAM_REOPEN);
  reopen(position);
  const Failed gap = read_to_failure(*this);
  EXPECT_EQ(gap.status, DSTREAM_DATA_LOSS);
  EXPECT_THAT(gap.message, HasSubstr("dbo.Cars"));
}

TEST_F(SchemaSourceTest, CaptureThatWasOffForAWhileIsCopiedAgainWhereThatIsSaid) {
  create_table(kCars, "Cars");
  run("INSERT INTO dbo.Cars VALUES (1, N'a')");
  const std::string options = R"("snapshot":"when_gap")";
  open({"dbo.Cars"}, options);
  const std::string position = read(1).back().position;
  disable_table("Cars");
  run("INSERT INTO dbo.Cars VALUES (2, N'b')");
  enable_table("Cars");
  EXPECT_EQ(read_to_failure(*this).status, DSTREAM_REOPEN);
  open({"dbo.Cars"}, options, position);
  EXPECT_THAT(texts(read(3)), ElementsAre("t Cars", "r Cars after 1|a", "r Cars after 2|b"));
}

TEST_F(SchemaSourceTest, CdcThatWasDisabledAndEnabledAgainIsDataLoss) {
  create_table(kCars, "Cars");
  run("INSERT INTO dbo.Cars VALUES (1, N'a')");
  open({"dbo.Cars"});
  const std::string position = read(1).back().position;
  disable_cdc();
  EXPECT_EQ(read_to_failure(*this).status, DSTREAM_REOPEN);
  const Failed off = open_fails(*this, position);
  EXPECT_EQ(off.status, DSTREAM_CONFIG);
  EXPECT_THAT(off.message, HasSubstr("Change Data Capture is not enabled"));
  run("EXEC sys.sp_cdc_enable_db");
  run("INSERT INTO dbo.Cars VALUES (2, N'b')");
  enable_table("Cars");
  run("INSERT INTO dbo.Cars VALUES (3, N'c')");
  wait_captured("dbo_Cars", 1);
  open({"dbo.Cars"}, "", position);
  EXPECT_EQ(read_to_failure(*this).status, DSTREAM_DATA_LOSS);
}

TEST_F(SchemaSourceTest, ADroppedTableStopsTheSourceWithItsName) {
  create_table(kCars, "Cars");
  run("INSERT INTO dbo.Cars VALUES (1, N'a')");
  open({"dbo.Cars"});
  const std::string position = read(1).back().position;
  run("DROP TABLE dbo.Cars");
  EXPECT_EQ(read_to_failure(*this).status, DSTREAM_REOPEN);
  const Failed gone = open_fails(*this, position);
  EXPECT_EQ(gone.status, DSTREAM_CONFIG);
  EXPECT_THAT(gone.message, HasSubstr("dbo.Cars was dropped or renamed since it was read"));
  EXPECT_THAT(gone.message, HasSubstr("Take it out of tables"));
}

TEST_F(SchemaSourceTest, ARenamedTableIsToldByItsNewName) {
  create_table(kCars, "Cars");
  run("INSERT INTO dbo.Cars VALUES (1, N'a')");
  open({"dbo.Cars"});
  const std::string position = read(1).back().position;
  run("EXEC sp_rename N'dbo.Cars', N'Autos'");
  run("INSERT INTO dbo.Autos VALUES (2, N'b')");
  // Nothing is lost meanwhile: it is captured as before.
  EXPECT_THAT(texts(read(1)), ElementsAre("i Cars after 2|b $"));
  const Failed renamed = open_fails(*this, position);
  EXPECT_EQ(renamed.status, DSTREAM_CONFIG);
  EXPECT_THAT(renamed.message, HasSubstr("dbo.Cars was renamed to dbo.Autos"));
  EXPECT_THAT(renamed.message, HasSubstr("dbo_Cars"));
  open({"dbo.Autos"});
  EXPECT_THAT(texts(read(2)), ElementsAre("i Autos after 1|a $", "i Autos after 2|b $"));
}

// Names are looked up with every sixteenth look at the latest, and every change takes a look.
TEST_F(SchemaSourceTest, ARenameIsNoticedWhileTheSourceRuns) {
  create_table(kCars, "Cars");
  open({"dbo.Cars"});
  int row = 0;
  const auto write_and_read = [&](const std::string& table, int looks) {
    for (int i = 0; i < looks; ++i) {
      const std::string id = std::to_string(++row);
      run("INSERT INTO dbo." + table + " VALUES (" + id + ", N'a')");
      EXPECT_THAT(texts(read(1)), ElementsAre("i Cars after " + id + "|a $"));
    }
  };
  const auto told = [&] {
    const auto lines = host().lines();
    return std::count_if(lines.begin(), lines.end(), [](const testing_sdk::LogLine& line) {
      return line.message.find("was renamed") != std::string::npos;
    });
  };
  write_and_read("Cars", 17);
  EXPECT_EQ(told(), 0);
  run("EXEC sp_rename N'dbo.Cars', N'Autos'");
  write_and_read("Autos", 34);
  EXPECT_TRUE(logged("dbo.Cars was renamed to dbo.Autos"));
  EXPECT_EQ(told(), 1);
  run("EXEC sp_rename N'dbo.Autos', N'Cars'");
  write_and_read("Cars", 17);
  EXPECT_EQ(told(), 1);
}

// Its new name is the table's; the change table keeps the old one, and so do records.
TEST_F(SchemaSourceTest, ARenamedColumnIsStillTheOneThatIsCaptured) {
  if (is_real()) {
    GTEST_SKIP() << "a real server refuses to rename a captured column";
  }
  run("EXEC dstream.assume N'column_rename_is_refused', 0");
  run(kCars);
  run("INSERT INTO dbo.Cars VALUES (1, N'a')");
  enable_table("Cars");
  run("EXEC sp_rename N'dbo.Cars.Model', N'Make', N'COLUMN'");
  open({"dbo.Cars"}, R"("snapshot":"initial")");
  // The statement is told of first if it is captured only then.
  std::string copied;
  while (!copied.starts_with("r ")) {
    copied = read(1).back().text;
  }
  EXPECT_EQ(copied, "r Cars after 1|a");
}

// The change table keeps the values of the first; what is written to the second is in no instance.
TEST_F(SchemaSourceTest, AColumnThatIsDroppedAndAddedAgainIsAnother) {
  run(kCars);
  enable_table("Cars");
  open({"dbo.Cars"});
  run("INSERT INTO dbo.Cars VALUES (1, N'a')");
  EXPECT_THAT(texts(read(1)), ElementsAre("i Cars after 1|a $"));
  pause();
  run("ALTER TABLE dbo.Cars DROP COLUMN Model");
  run("ALTER TABLE dbo.Cars ADD Model int NULL");
  run("INSERT INTO dbo.Cars VALUES (2, 5)");
  resume();
  EXPECT_THAT(texts(read(2)), ElementsAre(kOld + "ALTER TABLE dbo.Cars DROP COLUMN Model",
                                          kOld + "ALTER TABLE dbo.Cars ADD Model int NULL"));
  const Batch batch = read_batch();
  const dstream_record& record = batch[0].raw();
  EXPECT_EQ(record.after[1].type, DSTREAM_NULL);
  EXPECT_NE(record.schema->columns[1].flags & DSTREAM_COLUMN_DROPPED, 0u);
  open({"dbo.Cars"}, R"("snapshot":"initial")");
  EXPECT_THAT(texts(read(2)), ElementsAre("r Cars after 1|absent", "r Cars after 2|absent"));
}

TEST_F(SchemaSourceTest, ACaptureInstanceThatIsGoneIsSaidToBe) {
  create_table(kCars, "Cars");
  run("INSERT INTO dbo.Cars VALUES (1, N'a')");
  open({"dbo.Cars"});
  const std::string position = read(1).back().position;
  disable_table("Cars");
  EXPECT_EQ(read_to_failure(*this).status, DSTREAM_REOPEN);
  const Failed gone = open_fails(*this, position);
  EXPECT_EQ(gone.status, DSTREAM_CONFIG);
  EXPECT_THAT(gone.message, HasSubstr("dbo.Cars is not captured any more"));
  EXPECT_THAT(gone.message, HasSubstr("sys.sp_cdc_enable_table"));
}

// What is written while the definition changes is captured whole, by one instance or the other.
TEST_F(SchemaSourceTest, DefinitionsOfSeveralTablesUnderWrites) {
  create_table(kCars, "Cars");
  create_table("CREATE TABLE dbo.Vans (ID int NOT NULL PRIMARY KEY, Model nvarchar(40) NULL)",
               "Vans");
  open({"dbo.Cars", "dbo.Vans"});
  size_t written = 0;
  const auto write = [&](const std::string& extra) {
    const std::string id = std::to_string(++written);
    run("BEGIN TRANSACTION; INSERT INTO dbo.Cars (ID, Model) VALUES (" + id +
        ", N'c'); INSERT INTO dbo.Vans (ID, Model) VALUES (" + id + ", N'v'); " + extra +
        "; COMMIT");
  };
  for (int i = 0; i < 5; ++i) {
    write("");
  }
  write(kAddDoors);
  enable_table("Cars", "dbo", "Cars_2");
  write("ALTER TABLE dbo.Vans ADD Seats int NULL");
  write("");
  enable_table("Vans", "dbo", "Vans_2");
  for (int i = 0; i < 5; ++i) {
    write("");
  }
  const auto seen = read(2 * written + 4);
  std::vector<std::string> rows;
  std::vector<std::string> schemas;
  for (const Seen& each : seen) {
    (each.text.starts_with("s ") ? schemas : rows).push_back(each.text.substr(0, 17));
  }
  EXPECT_EQ(schemas.size(), 4u);
  ASSERT_EQ(rows.size(), 2 * written);
  for (size_t i = 0; i < written; ++i) {
    const std::string id = std::to_string(i + 1);
    const std::vector<std::string> pair(rows.begin() + 2 * static_cast<long>(i),
                                        rows.begin() + 2 * static_cast<long>(i) + 2);
    EXPECT_THAT(pair, Contains(HasSubstr("Cars after " + id)));
    EXPECT_THAT(pair, Contains(HasSubstr("Vans after " + id)));
  }
}

}  // namespace
}  // namespace dstream::sqlserver
