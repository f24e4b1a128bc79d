// Several sessions at once: what they see of each other, and how they wait.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <random>
#include <thread>

#include "tests/standins/sqlserver/sql/session_driver.h"

namespace dstream::standin::sql {
namespace {

class TransactionTest : public testing::Test {
 protected:
  Engine engine_{EngineOptions{}};
  SessionDriver a_{&engine_}, b_{&engine_};

  void SetUp() override {
    ASSERT_EQ(a_.error("CREATE TABLE t (id int PRIMARY KEY, x int); INSERT INTO t VALUES (1, 10), "
                       "(2, 20), (3, 30)"),
              0);
  }
  static void ok(SessionDriver& driver, const std::string& sql) {
    EXPECT_EQ(driver.error(sql), 0) << sql << ": " << driver.error_text();
  }
};

TEST_F(TransactionTest, ReadersSeeCommittedDataOnly) {
  a_.run(
      "BEGIN TRAN; UPDATE t SET x = 11 WHERE id = 1; INSERT INTO t VALUES (4, 40); DELETE FROM t "
      "WHERE id = 3");
  EXPECT_EQ(a_.table("SELECT * FROM t"), "1|11\n2|20\n4|40\n");
  EXPECT_EQ(b_.table("SELECT * FROM t"), "1|10\n2|20\n3|30\n");
  b_.run("SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED");
  EXPECT_EQ(b_.table("SELECT * FROM t"), "1|11\n2|20\n4|40\n");
  b_.run("SET TRANSACTION ISOLATION LEVEL READ COMMITTED");
  a_.run("COMMIT");
  EXPECT_EQ(b_.table("SELECT * FROM t"), "1|11\n2|20\n4|40\n");
}

TEST_F(TransactionTest, ASnapshotStaysAsItWas) {
  b_.run("SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN");
  EXPECT_EQ(b_.value("SELECT SUM(x) FROM t"), "60");
  a_.run("UPDATE t SET x = 0; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (9, 9)");
  EXPECT_EQ(b_.value("SELECT SUM(x) FROM t"), "60");
  b_.run("COMMIT");
  EXPECT_EQ(b_.value("SELECT SUM(x) FROM t"), "9");
}

TEST_F(TransactionTest, TransactionsOverlapAndCommitInAnyOrder) {
  a_.run("BEGIN TRAN; UPDATE t SET x = 1 WHERE id = 1");
  b_.run("BEGIN TRAN; UPDATE t SET x = 2 WHERE id = 2; COMMIT");
  EXPECT_EQ(b_.error_text(), "");
  a_.run("COMMIT");
  EXPECT_EQ(a_.table("SELECT * FROM t"), "1|1\n2|2\n3|30\n");
}

TEST_F(TransactionTest, NestingSavepointsAndNames) {
  a_.run("BEGIN TRAN outermost; BEGIN TRAN; DELETE FROM t WHERE id = 1; COMMIT");
  EXPECT_EQ(a_.value("SELECT @@TRANCOUNT"), "1");
  a_.run("SAVE TRAN s; DELETE FROM t; ROLLBACK TRAN s");
  EXPECT_EQ(a_.value("SELECT COUNT(*) FROM t"), "2");
  EXPECT_EQ(a_.error("ROLLBACK TRAN nowhere"), 6401);
  a_.run("ROLLBACK TRAN outermost");
  EXPECT_EQ(a_.value("SELECT COUNT(*), @@TRANCOUNT FROM t"), "3|0");
}

TEST_F(TransactionTest, ImplicitTransactionsAndEnvironmentChanges) {
  a_.run("SET IMPLICIT_TRANSACTIONS ON");
  EXPECT_EQ(a_.value("SELECT @@TRANCOUNT"), "0");
  RecordingWriter& begun = a_.run("DELETE FROM t WHERE id = 1");
  EXPECT_EQ(begun.transaction_changes, std::vector<uint8_t>{8});
  RecordingWriter& ended = a_.run("IF @@TRANCOUNT > 0 ROLLBACK TRAN");
  EXPECT_EQ(ended.transaction_changes, std::vector<uint8_t>{10});
  EXPECT_EQ(b_.value("SELECT COUNT(*) FROM t"), "3");
}

TEST_F(TransactionTest, ADroppedIndexIsBackAfterRollback) {
  ok(a_,
     "CREATE TABLE i (id int PRIMARY KEY, n int, m int); CREATE UNIQUE INDEX n ON i (n); CREATE "
     "INDEX m ON i (m); INSERT INTO i VALUES (1, 10, 100), (2, 20, 200)");
  ok(a_, "BEGIN TRAN; DROP INDEX n ON i; INSERT INTO i VALUES (3, 10, 300); ROLLBACK");
  EXPECT_EQ(a_.error("INSERT INTO i VALUES (3, 10, 300)"), 2601);
  EXPECT_EQ(a_.value("SELECT id FROM i WHERE n = 20"), "2");
  EXPECT_EQ(a_.value("SELECT id FROM i WHERE m = 100"), "1");
}

TEST_F(TransactionTest, AnAlteredColumnIsBackAfterRollback) {
  ok(a_,
     "CREATE TABLE c (id int PRIMARY KEY, d decimal(9,2), s nvarchar(20)); INSERT INTO c VALUES "
     "(1, 1.75, N'short'), (2, 2.50, N'rather long')");
  ok(a_, "BEGIN TRAN; ALTER TABLE c ALTER COLUMN d int; UPDATE c SET d = 9 WHERE id = 2; ROLLBACK");
  EXPECT_EQ(a_.table("SELECT d FROM c ORDER BY id"), "1.75\n2.50\n");
  // A statement that fails at its second row has not changed the first.
  EXPECT_EQ(a_.error("ALTER TABLE c ALTER COLUMN s varchar(5)"), 2628);
  EXPECT_EQ(a_.table("SELECT s FROM c ORDER BY id"), "short\nrather long\n");
}

TEST_F(TransactionTest, LockTimeoutIsError1222) {
  a_.run("BEGIN TRAN; UPDATE t SET x = 1 WHERE id = 1");
  EXPECT_EQ(b_.error("SET LOCK_TIMEOUT 20; UPDATE t SET x = 2 WHERE id = 1"), 1222);
  EXPECT_EQ(b_.error("INSERT INTO t VALUES (7, 7); UPDATE t SET x = 3 WHERE id = 2"), 0);
  EXPECT_EQ(b_.error("ALTER TABLE t ADD y int"), 1222);
  a_.run("ROLLBACK");
  EXPECT_EQ(b_.error("UPDATE t SET x = 2 WHERE id = 1"), 0);
}

TEST_F(TransactionTest, ADuplicateWaitsForTheOtherToDecide) {
  a_.run("BEGIN TRAN; INSERT INTO t VALUES (5, 5)");
  std::future<int32_t> other =
      std::async(std::launch::async, [this] { return b_.error("INSERT INTO t VALUES (5, 6)"); });
  while (engine_.transactions().waiting_count() == 0) {
    std::this_thread::yield();
  }
  a_.run("ROLLBACK");
  EXPECT_EQ(other.get(), 0);
  EXPECT_EQ(a_.value("SELECT x FROM t WHERE id = 5"), "6");
}

TEST_F(TransactionTest, ADeadlockHasOneVictim) {
  a_.run("BEGIN TRAN; UPDATE t SET x = 1 WHERE id = 1");
  b_.run("BEGIN TRAN; UPDATE t SET x = 2 WHERE id = 2");
  std::future<int32_t> other = std::async(
      std::launch::async, [this] { return b_.error("UPDATE t SET x = 2 WHERE id = 1"); });
  while (engine_.transactions().waiting_count() == 0) {
    std::this_thread::yield();
  }
  EXPECT_EQ(a_.error("UPDATE t SET x = 1 WHERE id = 2"), 1205);
  EXPECT_EQ(a_.value("SELECT @@TRANCOUNT"), "0");
  EXPECT_EQ(other.get(), 0);
  b_.run("COMMIT");
  EXPECT_EQ(a_.table("SELECT * FROM t"), "1|2\n2|2\n3|30\n");
}

TEST_F(TransactionTest, AWaitCanBeCancelled) {
  a_.run("BEGIN TRAN; UPDATE t SET x = 1 WHERE id = 1");
  RecordingWriter writer;
  std::thread waiting([&] { b_.session().batch("UPDATE t SET x = 2 WHERE id = 1", writer); });
  while (engine_.transactions().waiting_count() == 0) {
    std::this_thread::yield();
  }
  writer.is_cancelled = true;
  waiting.join();
  EXPECT_TRUE(writer.counts.empty());
}

// Money moves between rows; its sum is the same to every reader at every moment.
TEST_F(TransactionTest, ConcurrentTransfersKeepTheirSum) {
  constexpr int kWriters = 4, kTransfers = 200;
  std::atomic<bool> is_done{false};
  std::atomic<int> deadlocks{0};
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      SessionDriver driver(&engine_);
      std::mt19937 random(static_cast<uint32_t>(w));
      for (int i = 0; i < kTransfers; ++i) {
        const auto from = std::to_string(1 + random() % 3), to = std::to_string(1 + random() % 3);
        const int32_t error = driver.error("BEGIN TRAN; UPDATE t SET x = x - 1 WHERE id = " + from +
                                           "; UPDATE t SET x = x + 1 WHERE id = " + to +
                                           (random() % 4 == 0 ? "; ROLLBACK" : "; COMMIT"));
        EXPECT_TRUE(error == 0 || error == 1205) << error;
        deadlocks += error == 1205 ? 1 : 0;
      }
    });
  }
  std::thread reader([&] {
    SessionDriver driver(&engine_);
    while (!is_done) {
      ASSERT_EQ(driver.value("SELECT SUM(x) FROM t"), "60");
    }
  });
  for (std::thread& writer : writers) {
    writer.join();
  }
  is_done = true;
  reader.join();
  EXPECT_EQ(a_.value("SELECT SUM(x) FROM t"), "60");
  EXPECT_EQ(engine_.transactions().active_count(), 0U);
}

}  // namespace
}  // namespace dstream::standin::sql
