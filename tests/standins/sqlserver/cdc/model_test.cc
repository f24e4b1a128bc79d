// Random transactions by several writers, checked against a model that knows no SQL: every
// committed row change is in the change table exactly once, in commit order, and nothing else is.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "tests/standins/sqlserver/cdc/change_data_capture.h"
#include "tests/standins/sqlserver/sql/session_driver.h"

namespace dstream::standin::cdc {
namespace {

using sql::SessionDriver;

constexpr int kWriters = 4, kTransactions = 150, kKeys = 12;

struct Expected {
  int operation, key;
  std::string value;
  bool operator==(const Expected&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Expected& e) {
  return out << e.operation << "|" << e.key << "|" << e.value;
}

// One writer: remembers what each of its committed transactions changed, under its marker.
class Writer {
 public:
  Writer(sql::Engine* engine, int number, uint32_t seed)
      : driver_(engine), number_(number), random_(seed) {}

  void run() {
    for (int i = 0; i < kTransactions; ++i) {
      transaction(std::to_string(number_) + "-" + std::to_string(i));
    }
  }

  std::map<std::string, std::vector<Expected>> committed;

 private:
  // The rows each statement changed come back through OUTPUT, so the model needs no locks.
  void transaction(const std::string& marker) {
    std::vector<Expected> changes;
    std::vector<size_t> savepoint;
    driver_.run("BEGIN TRAN");
    // A marker row tells the transactions apart in the change table.
    if (!statement("INSERT INTO m OUTPUT 2, 0, inserted.v VALUES (N'" + marker + "')", &changes)) {
      return;
    }
    changes.clear();
    for (uint64_t n = random_() % 5; n > 0; --n) {
      const std::string key = std::to_string(random_() % kKeys), value = marker;
      const std::string sql[] = {
          "INSERT INTO t OUTPUT 2, inserted.k, inserted.v SELECT " + key + ", N'" + value +
              "' WHERE NOT EXISTS (SELECT 1 FROM t WHERE k = " + key + ")",
          "UPDATE t SET v = v + N'.' OUTPUT 4, inserted.k, inserted.v WHERE k = " + key,
          "DELETE FROM t OUTPUT 1, deleted.k, deleted.v WHERE k = " + key,
          "UPDATE t SET v = v + N'+' OUTPUT 4, inserted.k, inserted.v WHERE k BETWEEN " + key +
              " AND " + key + " + 2",
      };
      if (random_() % 6 == 0) {
        driver_.run("SAVE TRAN s");
        savepoint.assign(1, changes.size());
      }
      if (!statement(sql[random_() % std::size(sql)], &changes)) {
        return;
      }
      if (!savepoint.empty() && random_() % 4 == 0) {
        driver_.run("ROLLBACK TRAN s");
        changes.resize(savepoint[0]);
      }
    }
    if (random_() % 5 == 0) {
      driver_.run("ROLLBACK");
      return;
    }
    ASSERT_EQ(driver_.error("COMMIT"), 0);
    committed[marker] = std::move(changes);
  }

  // False if the transaction is gone: a deadlock, or a duplicate that another writer got in first.
  bool statement(const std::string& sql, std::vector<Expected>* changes) {
    const int32_t error = driver_.error(sql);
    if (error != 0) {
      EXPECT_TRUE(error == 1205 || error == 2627) << error << " " << driver_.error_text();
      driver_.run("IF @@TRANCOUNT > 0 ROLLBACK");
      return false;
    }
    for (const auto& row : driver_.writer().results.at(0).rows) {
      changes->push_back(
          {static_cast<int>(row[0].number), static_cast<int>(row[1].number), row[2].text});
    }
    return true;
  }

  SessionDriver driver_;
  int number_;
  std::mt19937 random_;
};

class ModelTest : public testing::Test {
 protected:
  sql::Engine engine_{sql::EngineOptions{}};
  ChangeDataCapture capture_{&engine_, {.interval_ms = 2}};
  SessionDriver driver_{&engine_};
};

TEST_F(ModelTest, ChangeTablesHoldEveryCommittedChangeOnceInCommitOrder) {
  const char* const fixed = std::getenv("DSTREAM_MODEL_SEED");
  const auto seed = fixed == nullptr ? std::random_device{}()
                                     : static_cast<uint32_t>(std::strtoul(fixed, nullptr, 10));
  std::printf("DSTREAM_MODEL_SEED=%u\n", seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  ASSERT_EQ(driver_.error("CREATE TABLE t (k int PRIMARY KEY, v nvarchar(200)); CREATE TABLE m (v "
                          "nvarchar(20)); EXEC sys.sp_cdc_enable_db; EXEC sys.sp_cdc_enable_table "
                          "N'dbo', N't', NULL; EXEC sys.sp_cdc_enable_table N'dbo', N'm', NULL"),
            0);
  std::vector<std::unique_ptr<Writer>> writers;
  std::vector<std::thread> threads;
  for (int i = 0; i < kWriters; ++i) {
    writers.push_back(std::make_unique<Writer>(&engine_, i, seed + static_cast<uint32_t>(i)));
    threads.emplace_back([writer = writers.back().get()] { writer->run(); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  capture_.scan_all();
  std::map<std::string, std::vector<Expected>> expected;
  for (const auto& writer : writers) {
    expected.insert(writer->committed.begin(), writer->committed.end());
  }
  // Every committed transaction has its marker and its changes, in their order.
  std::map<std::string, std::string> marker_of;
  for (const auto& row :
       driver_.run("SELECT __$start_lsn, v FROM cdc.dbo_m_CT").results.at(0).rows) {
    EXPECT_TRUE(marker_of.emplace(row[0].text, row[1].text).second) << "two in one commit LSN";
  }
  EXPECT_EQ(marker_of.size(), expected.size());
  std::map<std::string, std::vector<Expected>> captured;
  std::map<int, std::string> replayed;
  for (const auto& row : driver_
                             .run("SELECT __$start_lsn, __$operation, k, v FROM cdc.dbo_t_CT "
                                  "ORDER BY __$start_lsn, __$command_id, __$seqval, "
                                  "__$operation")
                             .results.at(0)
                             .rows) {
    const auto operation = static_cast<int>(row[1].number), key = static_cast<int>(row[2].number);
    // In commit order, each change meets exactly the row the one before it left.
    if (operation == kInsert) {
      EXPECT_TRUE(replayed.emplace(key, row[3].text).second) << key;
    } else if (operation == kUpdateAfter) {
      replayed[key] = row[3].text;
    } else {
      EXPECT_EQ(replayed[key], row[3].text) << "the row before the change";
      if (operation == kDelete) {
        replayed.erase(key);
      }
    }
    if (operation != kUpdateBefore) {
      captured[marker_of[row[0].text]].push_back({operation, key, row[3].text});
    }
  }
  std::erase_if(expected, [](const auto& entry) { return entry.second.empty(); });
  EXPECT_EQ(captured, expected);
  std::map<int, std::string> rows;
  for (const auto& row : driver_.run("SELECT k, v FROM t").results.at(0).rows) {
    rows[static_cast<int>(row[0].number)] = row[1].text;
  }
  EXPECT_EQ(replayed, rows);
}

// What is visible of one table up to a bound read before is visible of all tables.
TEST_F(ModelTest, AReaderNeverSeesHalfATransaction) {
  ASSERT_EQ(driver_.error("CREATE TABLE a (id int IDENTITY PRIMARY KEY, n int); CREATE TABLE b (id "
                          "int IDENTITY PRIMARY KEY, n int); EXEC sys.sp_cdc_enable_db; EXEC "
                          "sys.sp_cdc_enable_table N'dbo', N'a', NULL; EXEC "
                          "sys.sp_cdc_enable_table N'dbo', N'b', NULL"),
            0);
  capture_.scan_all();
  std::thread writer([&] {
    SessionDriver driver(&engine_);
    for (int i = 0; i < 400; ++i) {
      const std::string n = std::to_string(i);
      ASSERT_EQ(driver.error("BEGIN TRAN; INSERT INTO a (n) VALUES (" + n + "), (" + n +
                             "); INSERT INTO b (n) VALUES (" + n + "); COMMIT"),
                0);
    }
  });
  SessionDriver reader(&engine_);
  int64_t seen = 0;
  while (seen < 400) {
    const std::string counts = reader.value(
        "DECLARE @to binary(10) = (SELECT MAX(start_lsn) FROM cdc.lsn_time_mapping); SELECT "
        "(SELECT "
        "COUNT(*) FROM cdc.dbo_a_CT WHERE __$start_lsn <= @to) - 2 * (SELECT COUNT(*) FROM "
        "cdc.dbo_b_CT WHERE __$start_lsn <= @to), (SELECT COUNT(*) FROM cdc.dbo_b_CT WHERE "
        "__$start_lsn <= @to)");
    ASSERT_TRUE(counts.starts_with("0|")) << counts;
    seen = std::stoll(counts.substr(2));
  }
  writer.join();
}

// An entry of a quiet period must not be above a commit that still waits in the log: a reader that
// took it for "captured up to here" would never look back.
TEST_F(ModelTest, DummyEntriesAndNotesNeverOvertakeCommits) {
  ASSERT_EQ(
      driver_.error("CREATE TABLE a (id int IDENTITY PRIMARY KEY); EXEC sys.sp_cdc_enable_db; "
                    "EXEC sys.sp_cdc_enable_table N'dbo', N'a', NULL; CREATE TABLE b (id int)"),
      0);
  capture_.scan_all();
  constexpr int64_t kRows = 2'000;
  std::thread writer([&] {
    SessionDriver driver(&engine_);
    for (int64_t i = 0; i < kRows; ++i) {
      ASSERT_EQ(driver.error("INSERT INTO a DEFAULT VALUES"), 0);
    }
  });
  std::thread noise([&] {
    SessionDriver driver(&engine_);
    DatabaseCapture* cdc = capture_.find(engine_.main_database());
    for (int i = 0; i < 150; ++i) {
      cdc->add_dummy_entry();
      ASSERT_EQ(driver.error("EXEC sys.sp_cdc_enable_table N'dbo', N'b', NULL; EXEC "
                             "sys.sp_cdc_disable_table N'dbo', N'b', N'all'"),
                0);
    }
  });
  // Reads as a connector does: everything up to the newest entry, then from there on.
  SessionDriver reader(&engine_);
  int64_t seen = 0;
  std::string position = "0x00000000000000000000";
  while (seen < kRows) {
    const std::string row = reader.value(
        "DECLARE @to binary(10) = (SELECT MAX(start_lsn) FROM cdc.lsn_time_mapping); SELECT @to, "
        "COUNT(*) FROM cdc.dbo_a_CT WHERE __$start_lsn > " +
        position + " AND __$start_lsn <= @to");
    const size_t bar = row.find('|');
    position = row.substr(0, bar);
    seen += std::stoll(row.substr(bar + 1));
  }
  writer.join();
  noise.join();
  EXPECT_EQ(seen, kRows);
}

}  // namespace
}  // namespace dstream::standin::cdc
