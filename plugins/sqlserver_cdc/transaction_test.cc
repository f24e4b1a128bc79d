// Large transactions are cut by pages, by batches and by reopening in their middle, and stay whole.
//
// DSTREAM_TEST_SEED=n repeats where the readings are cut.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <random>

#include "plugins/sqlserver_cdc/fault_fixture.h"
#include "tests/sanitized.h"

namespace dstream::sqlserver {
namespace {

uint64_t test_seed() {
  const char* text = std::getenv("DSTREAM_TEST_SEED");
  const uint64_t seed = text == nullptr ? std::random_device()() : std::strtoull(text, nullptr, 10);
  std::printf("seed: DSTREAM_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

// Resident memory of this process in bytes.
int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t pages = 0;
  file >> pages >> pages;
  return pages * 4096;
}

class TransactionTest : public FaultFixture {};

TEST_F(TransactionTest, AMillionRowsOfOneTransaction) {
  constexpr int64_t kRows = 1'000'000;
  constexpr int64_t kReadAheadBytes = 8 << 20;
  constexpr int kCuts = 12;
  std::mt19937_64 random(test_seed());
  create_table("CREATE TABLE dbo.Cars (ID int NOT NULL PRIMARY KEY, Model nvarchar(40) NULL)",
               "Cars");
  run("EXEC dstream.fill_changes N'dbo_Cars', " + std::to_string(kRows) + ", " +
      std::to_string(kRows));
  std::vector<int64_t> cuts(kCuts);
  std::generate(cuts.begin(), cuts.end(), [&] { return static_cast<int64_t>(random() % kRows); });
  cuts.push_back(kRows);
  std::sort(cuts.begin(), cuts.end());

  make({"dbo.Cars"}, R"("read_ahead_bytes":)" + std::to_string(kReadAheadBytes));
  source().open("");
  const int64_t before = resident_bytes();
  int64_t most = before;
  std::string position;
  std::string transaction;
  int64_t read = 0;
  for (const int64_t cut : cuts) {
    while (read < cut) {
      const auto wanted = static_cast<uint32_t>(std::min<int64_t>(1 + random() % 2000, cut - read));
      const Batch batch = source().read(wanted, Millis(1000));
      for (uint32_t i = 0; i < batch.size(); ++i) {
        const dstream_record& record = batch[i].raw();
        if (record.op == DSTREAM_OP_WATERMARK) {
          continue;
        }
        ++read;
        ASSERT_EQ(record.transaction_seq, static_cast<uint64_t>(read));
        ASSERT_EQ((record.flags & DSTREAM_RECORD_TX_END) != 0, read == kRows) << read;
        ASSERT_EQ(batch[i].after()[0].as.i64, read - 1);
        const std::string id(view(record.transaction_id));
        ASSERT_TRUE(transaction.empty() || transaction == id) << read;
        transaction = id;
      }
      if (batch.size() > 0) {
        position = batch.last_position();
        most = std::max(most, resident_bytes());
      }
    }
    reopen(position);
  }
  EXPECT_EQ(read, kRows);
  std::printf("%lld MiB more than before, read_ahead_bytes is %lld MiB\n",
              static_cast<long long>((most - before) >> 20),
              static_cast<long long>(kReadAheadBytes >> 20));
  if (!kSanitized) {
    // What is read ahead, the batch at hand, and what allocators and drivers keep.
    EXPECT_LT(most - before, 4 * kReadAheadBytes);
  }
}

// Updates of whole tables, also of their keys, in one transaction over several tables: the change
// LSNs of a deferred update do not rise, only the clustered key does.
TEST_F(TransactionTest, ManyTablesAndKeysThatMove) {
  constexpr int kTables = 3;
  constexpr int kIds = 400;
  std::mt19937_64 random(test_seed());
  std::vector<std::string> tables;
  std::string sql = "BEGIN TRANSACTION;\n";
  for (int table = 0; table < kTables; ++table) {
    const std::string name = "t" + std::to_string(table);
    create_table("CREATE TABLE dbo." + name + " (ID int NOT NULL PRIMARY KEY, v int NULL)", name);
    tables.push_back("dbo." + name);
    for (int id = 0; id < kIds; ++id) {
      sql +=
          (id == 0 ? "INSERT INTO dbo." + name + " VALUES (" : ",(") + std::to_string(id) + ",0)";
    }
    sql += ";\n";
  }
  for (int step = 0; step < 6; ++step) {
    const std::string name = "dbo.t" + std::to_string(random() % kTables);
    sql += "UPDATE " + name + " SET v = v + 1;\nUPDATE " + name +
           " SET ID = " + std::to_string(2 * kIds - 1) + " - ID WHERE ID % 2 = 0;\n";
  }
  run(sql + "COMMIT;");
  const size_t count = static_cast<size_t>(number(
      "SELECT SUM(n) FROM (SELECT COUNT(*) AS n FROM dbo.t0 UNION ALL SELECT COUNT(*) FROM dbo.t1 "
      "UNION ALL SELECT COUNT(*) FROM dbo.t2) AS x"));
  ASSERT_EQ(count, size_t{kTables} * kIds);
  // As the change tables have it: an update is two rows of one record.
  size_t expected = 0;
  for (int table = 0; table < kTables; ++table) {
    const std::string change_table = "cdc.dbo_t" + std::to_string(table) + "_CT";
    wait_captured("dbo_t" + std::to_string(table), kIds);
    expected += static_cast<size_t>(
        number("SELECT COUNT(*) FROM " + change_table + " WHERE __$operation <> 3"));
  }
  const Reading whole = read_all(tables, "", "", expected);
  ASSERT_EQ(whole.seen.size(), expected);
  for (size_t i = 0; i < expected; ++i) {
    ASSERT_EQ(whole.seen[i].sequence, i + 1);
    ASSERT_EQ(whole.seen[i].transaction_end, i + 1 == expected);
  }
  for (int round = 0; round < 40; ++round) {
    const size_t cut = random() % (expected - 1);
    const size_t rest = expected - 1 - cut;
    const std::string pages = R"("page_rows":)" + std::to_string(1 + random() % 300);
    const Reading reading = read_all(tables, pages, whole.seen[cut].position, rest);
    const std::vector<Seen> behind(whole.seen.begin() + static_cast<std::ptrdiff_t>(cut) + 1,
                                   whole.seen.end());
    ASSERT_EQ(texts(reading.seen), texts(behind)) << cut << ' ' << pages;
    ASSERT_EQ(facts(reading.seen), facts(behind)) << cut << ' ' << pages;
  }
}

}  // namespace
}  // namespace dstream::sqlserver
